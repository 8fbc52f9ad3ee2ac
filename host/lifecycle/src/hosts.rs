//! Hosts that may be called, as people name them.

use std::str::FromStr;

use url::Url;

/// `example.com` (any scheme and port), `example.com:8080`, or
/// `https://example.com` with its scheme's own port or another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    scheme: Option<String>,
    host: String,
    port: Option<u16>,
}

impl FromStr for Host {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| {
            Err(format!(
                "{text:?} {why}; write example.com, example.com:8080, https://example.com or https://example.com:8443"
            ))
        };
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme @ ("http" | "https"), rest)) => (Some(scheme), rest),
            Some((_, _)) => return wrong("has another scheme than http or https"),
            None => (None, text),
        };
        if rest.contains(['/', '?', '#', '@', '*']) {
            return wrong("is more than a host");
        }
        let port = match rest.rsplit_once(':') {
            Some((_, port)) if !port.contains(']') => match port.parse() {
                Ok(port) => Some(port),
                Err(_) => return wrong("has a port that is none"),
            },
            _ => None,
        };
        // Written as URLs write it: lower case, punycode, one form of an address.
        match Url::parse(&format!("{}://{rest}", scheme.unwrap_or("http"))) {
            Ok(url) => match url.host_str() {
                Some(host) => Ok(Self { scheme: scheme.map(str::to_owned), host: host.to_owned(), port }),
                None => wrong("names no host"),
            },
            Err(error) => wrong(&format!("is no host ({error})")),
        }
    }
}

impl Host {
    /// Whether a URL leads to it.
    pub(crate) fn has(&self, url: &Url) -> bool {
        let port = match (self.port, &self.scheme) {
            (Some(port), _) => url.port_or_known_default() == Some(port),
            // A URL doesn't write its scheme's own port.
            (None, Some(_)) => url.port().is_none(),
            (None, None) => true,
        };
        let scheme = self.scheme.as_deref().is_none_or(|scheme| scheme == url.scheme());
        port && scheme && url.host_str() == Some(&self.host)
    }
}

/// Reads hosts; what can't be read leads nowhere.
pub(crate) fn read(hosts: &[String]) -> Vec<Host> {
    hosts.iter().filter_map(|host| host.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_any_port_and_a_scheme_its_own() {
        let has = |host: &str, url: &str| host.parse::<Host>().unwrap().has(&Url::parse(url).unwrap());
        for url in ["http://example.com/x", "https://EXAMPLE.com", "http://example.com:81"] {
            assert!(has("Example.com", url), "{url}");
        }
        assert!(has("example.com:80", "http://example.com") && !has("example.com:80", "https://example.com"));
        assert!(has("https://example.com", "https://example.com:443/"));
        assert!(!has("https://example.com", "http://example.com:443/"));
        assert!(!has("https://example.com", "https://example.com:444/"));
        assert!(has("https://example.com:444", "https://example.com:444/"));
        assert!(has("[::1]:8080", "http://[0:0::1]:8080/") && !has("[::1]:8080", "http://[::1]/"));
        assert!(has("127.0.0.1", "http://2130706433/") && has("[::1]", "http://[::1]:9/"));
        for other in ["http://example.com.evil.net", "http://notexample.com", "http://a.example.com"] {
            assert!(!has("example.com", other), "{other}");
        }
        assert!(!has("example.com", "http://example.com@evil.net/"));
    }

    #[test]
    fn what_is_no_host_is_told_what_one_is() {
        for wrong in
            ["", "ftp://example.com", "example.com/path", "user@example.com", "a b", "x:99999", "*.x", ":80"]
        {
            let error = wrong.parse::<Host>().unwrap_err();
            assert!(error.contains("write example.com"), "{wrong}: {error}");
        }
    }
}
