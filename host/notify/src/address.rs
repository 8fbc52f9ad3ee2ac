//! Where a request that somebody else asked for may lead (a webhook, or what a
//! function sends): never into a private network unless allowed.
//!
//! A name is looked up when a subscription is made and again at every
//! connection, so that a name which changes its address afterwards
//! (DNS rebinding) gains nothing.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use futures::future::BoxFuture;
use reqwest::{
    Client, ClientBuilder,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect::Policy,
};
use url::{Host, Url};

use crate::{Error, Result};

/// Turns a host name into addresses.
pub(crate) trait Lookup: Send + Sync {
    fn lookup(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The operating system's resolver.
pub(crate) struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect())
        })
    }
}

/// Decides where requests may go.
#[derive(Clone)]
pub struct Guard {
    allow_private: bool,
    lookup: Arc<dyn Lookup>,
}

impl Guard {
    /// A guard that asks the operating system for addresses, and lets private
    /// ones pass or not.
    pub fn system(allow_private: bool) -> Self {
        Self::new(allow_private, Arc::new(SystemLookup))
    }

    /// A client that connects to names only where the guard lets it; literal
    /// addresses are for [`Guard::check_literal`]. It follows no redirect and
    /// takes no proxy, which would lead around the guard.
    pub fn client(&self, set: impl Fn(ClientBuilder) -> ClientBuilder) -> reqwest::Result<Client> {
        let builder = || {
            let resolver = Arc::new(self.clone());
            set(Client::builder().redirect(Policy::none()).no_proxy().dns_resolver(resolver))
        };
        builder().build().or_else(|error| {
            // A machine without certificates can still call http.
            tracing::warn!(%error, "no authorities for TLS: requests by https will fail");
            builder().tls_certs_only([]).build()
        })
    }

    pub(crate) fn new(allow_private: bool, lookup: Arc<dyn Lookup>) -> Self {
        Self { allow_private, lookup }
    }

    /// A URL that may be subscribed: http or https, with a host, and public if that is demanded.
    pub(crate) async fn check(&self, text: &str) -> Result<Url> {
        let bad = |reason: String| Error::BadUrl { url: text.chars().take(200).collect(), reason };
        if text.len() > 2048 {
            return Err(bad("it is longer than 2048 bytes".into()));
        }
        let mut url: Url = text.parse().map_err(|error: url::ParseError| bad(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(bad(format!("its scheme is {}, not http or https", url.scheme())));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad("it holds a user name or password; send them as a header instead".into()));
        }
        url.set_fragment(None);
        self.check_literal(&url)?;
        if let Some(Host::Domain(name)) = url.host()
            && !self.allow_private
        {
            // A name that can't be looked up now may come to life later: it is checked again at every call.
            for address in self.lookup.lookup(name.to_owned()).await.unwrap_or_default() {
                self.check_ip(name, address)?;
            }
        }
        Ok(url)
    }

    /// The part of the check that needs no resolver; reqwest doesn't ask one for literal addresses.
    pub fn check_literal(&self, url: &Url) -> Result<()> {
        match url.host() {
            None => Err(Error::BadUrl { url: url.to_string(), reason: "it names no host".into() }),
            Some(Host::Ipv4(address)) => self.check_ip(&address.to_string(), address.into()),
            Some(Host::Ipv6(address)) => self.check_ip(&address.to_string(), address.into()),
            Some(Host::Domain(name)) => {
                let bare = name.trim_end_matches('.');
                let local = ["localhost", "local", "internal", "localdomain"].iter().any(|zone| {
                    bare == *zone || bare.strip_suffix(zone).is_some_and(|rest| rest.ends_with('.'))
                });
                if local && !self.allow_private {
                    return Err(Error::PrivateAddress {
                        host: name.to_owned(),
                        address: name.to_owned(),
                        kind: "a name of the local network",
                    });
                }
                Ok(())
            }
        }
    }

    fn check_ip(&self, host: &str, address: IpAddr) -> Result<()> {
        match non_public(address) {
            Some(kind) if !self.allow_private => {
                Err(Error::PrivateAddress { host: host.to_owned(), address: address.to_string(), kind })
            }
            _ => Ok(()),
        }
    }
}

/// What reqwest asks before it connects to a name.
impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let addresses = guard.lookup.lookup(host.clone()).await?;
            for address in &addresses {
                // One private address among public ones is enough to refuse: we can't know which is taken.
                guard.check_ip(&host, *address)?;
            }
            let addresses: Addrs = Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

/// What kind of non-public address this is; none: a public one.
///
/// After IANA's special-purpose address registries (RFC 6890 and its updates).
fn non_public(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => non_public_v4(address),
        IpAddr::V6(address) => non_public_v6(address),
    }
}

fn non_public_v4(address: Ipv4Addr) -> Option<&'static str> {
    let [a, b, c, d] = address.octets();
    Some(match (a, b, c, d) {
        (0, ..) => "this network",
        (127, ..) => "loopback",
        (10, ..) | (172, 16..=31, ..) | (192, 168, ..) => "a private network",
        (100, 64..=127, ..) => "a carrier's shared network",
        (169, 254, ..) => "link-local, where clouds keep their metadata",
        (168, 63, 129, 16) => "a cloud's metadata service",
        (192, 0, 0 | 2, _) | (198, 51, 100, _) | (203, 0, 113, _) => "reserved for protocols and examples",
        (192, 88, 99, _) => "reserved for relays",
        (198, 18 | 19, ..) => "reserved for benchmarks",
        (224..=239, ..) => "multicast",
        (240..=255, ..) => "reserved",
        _ => return None,
    })
}

fn non_public_v6(address: Ipv6Addr) -> Option<&'static str> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        non_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match (a, b, c, d, e, f) {
        (0, 0, 0, 0, 0, 0) if g == 0 && h == 1 => Some("loopback"),
        (0, 0, 0, 0, 0, 0) if g == 0 && h == 0 => Some("unspecified"),
        // IPv4 in IPv6's clothes: mapped, compatible, translated (RFC 6052), 6to4.
        (0, 0, 0, 0, 0, 0 | 0xffff) | (0, 0, 0, 0, 0xffff, 0) | (0x64, 0xff9b, 0, 0, 0, 0) => embedded(g, h),
        (0x2002, ..) => embedded(b, c),
        (0x64, 0xff9b, 1, ..) => Some("a local translation prefix"),
        (0x100, 0, 0, ..) => Some("a discard prefix"),
        (0x2001, 0, ..) => Some("a Teredo tunnel"),
        (0x2001, 0xdb8, ..) | (0x3fff, 0..=0xfff, ..) => Some("reserved for examples"),
        (0xfc00..=0xfdff, ..) => Some("a unique local address"),
        (0xfe80..=0xfebf, ..) => Some("link-local"),
        (0xfec0..=0xfeff, ..) => Some("site-local"),
        (0xff00..=0xffff, ..) => Some("multicast"),
        _ => None,
    }
}

/// A resolver for tests: every name has these addresses.
#[cfg(test)]
pub(crate) struct Always(pub(crate) &'static [&'static str]);

#[cfg(test)]
impl Lookup for Always {
    fn lookup(&self, _host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let addresses = self.0.iter().filter_map(|text| text.parse().ok()).collect();
        Box::pin(async { Ok(addresses) })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn guard(addresses: &'static [&'static str]) -> Guard {
        Guard::new(false, Arc::new(Always(addresses)))
    }

    #[tokio::test]
    async fn private_addresses_are_refused_in_every_disguise() {
        for url in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0177.0.0.1/",
            "http://0.0.0.0:8080/",
            "http://10.1.2.3/",
            "http://172.31.255.255/",
            "http://192.168.0.1/",
            "http://100.100.100.200/latest/meta-data",
            "http://169.254.169.254/latest/meta-data",
            "http://168.63.129.16/",
            "http://224.0.0.1/",
            "http://255.255.255.255/",
            "http://[::]/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:a9fe:a9fe]/",
            "http://[::127.0.0.1]/",
            "http://[64:ff9b::10.0.0.1]/",
            "http://[2002:7f00:1::]/",
            "http://[fd00:ec2::254]/",
            "http://[fe80::1]/",
            "http://[ff02::1]/",
            "http://localhost/",
            "http://LOCALHOST./",
            "http://api.localhost:9000/",
            "http://metadata.google.internal/",
            "http://printer.local/",
        ] {
            let error = guard(&["93.184.216.34"]).check(url).await.unwrap_err();
            assert!(matches!(error, Error::PrivateAddress { .. }), "{url}: {error}");
            assert!(error.to_string().contains("allow_private"), "{error}");
            let open = Guard::new(true, Arc::new(Always(&["127.0.0.1"])));
            open.check(url).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_refused_even_beside_a_public_address() {
        for addresses in [&["127.0.0.1"][..], &["93.184.216.34", "::ffff:10.0.0.1"]] {
            let error = guard(addresses).check("https://innocent.example/").await.unwrap_err();
            assert!(matches!(error, Error::PrivateAddress { .. }), "{error}");
        }
        assert!(
            guard(&["93.184.216.34", "2606:4700::1111"]).check("https://innocent.example/").await.is_ok()
        );
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_at_connect_time_is_refused() {
        let resolved = guard(&["169.254.169.254"]).resolve("innocent.example".parse().unwrap()).await;
        let Err(error) = resolved else { panic!("resolved") };
        assert!(error.to_string().contains("169.254.169.254"), "{error}");
        let public = guard(&["93.184.216.34"]).resolve("innocent.example".parse().unwrap()).await;
        assert_eq!(public.unwrap().count(), 1);
    }

    #[tokio::test]
    async fn what_is_no_webhook_url_is_refused() {
        let long = format!("https://example.com/{}", "a".repeat(2048));
        for url in [
            "",
            "example.com/hook",
            "ftp://example.com/",
            "file:///etc/passwd",
            "https://",
            "http://u:p@e.com/",
            &long,
        ] {
            let error = guard(&[]).check(url).await.unwrap_err();
            assert!(matches!(error, Error::BadUrl { .. }), "{url}: {error}");
        }
        let url = guard(&["93.184.216.34"]).check("https://example.com:8443/hook?a=b#c").await.unwrap();
        assert_eq!(url.as_str(), "https://example.com:8443/hook?a=b");
    }
}
