//! As much of RFC 3986 and RFC 8288 as paging needs.

/// The URL with a query parameter added, or replaced where it is there.
pub fn with_query(url: &str, name: &str, value: &str) -> String {
    let (rest, fragment) = url.split_once('#').map_or((url, ""), |(rest, fragment)| (rest, fragment));
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let name = encode(name);
    let mut parts: Vec<String> = query
        .split('&')
        .filter(|part| !part.is_empty() && part.split('=').next() != Some(name.as_str()))
        .map(str::to_owned)
        .collect();
    parts.push(format!("{name}={}", encode(value)));
    let hash = if fragment.is_empty() { "" } else { "#" };
    format!("{path}?{}{hash}{fragment}", parts.join("&"))
}

fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// Scheme and authority, in lower case: `https://example.org:8080`.
pub fn origin(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return String::new() };
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    format!("{scheme}://{authority}").to_ascii_lowercase()
}

/// A reference against the URL of the page that holds it.
pub fn resolve(base: &str, reference: &str) -> String {
    let path_end = base.find(['?', '#']).unwrap_or(base.len());
    let path = base.get(..path_end).unwrap_or(base);
    let scheme = base.split("://").next().unwrap_or_default();
    let start = origin(base).len();
    let root = base.get(..start).unwrap_or(base);
    if reference.contains("://") && reference.find("://") < reference.find(['/', '?', '#']) {
        reference.to_owned()
    } else if reference.starts_with("//") {
        format!("{scheme}:{reference}")
    } else if reference.starts_with('/') {
        format!("{root}{reference}")
    } else if reference.starts_with('?') {
        format!("{path}{reference}")
    } else {
        let folder =
            path.rfind('/').filter(|at| *at >= start).map_or(root, |at| path.get(..at).unwrap_or(path));
        format!("{folder}/{reference}")
    }
}

/// The target of `rel="next"` in a `Link` header.
pub fn next_link(header: &str) -> Option<String> {
    let mut rest = header;
    while let Some((_, after)) = rest.split_once('<') {
        let (target, parameters) = after.split_once('>')?;
        let end = parameters.find('<').unwrap_or(parameters.len());
        let own = parameters.get(..end).unwrap_or(parameters);
        let next = own.split([';', ',']).any(|parameter| {
            let Some((name, value)) = parameter.split_once('=') else { return false };
            let relations = value.trim().trim_matches('"');
            name.trim().eq_ignore_ascii_case("rel")
                && relations.split_ascii_whitespace().any(|relation| relation.eq_ignore_ascii_case("next"))
        });
        if next {
            return Some(target.trim().to_owned());
        }
        rest = parameters;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_parameters_are_added_and_replaced() {
        assert_eq!(with_query("https://x/a", "page", "2"), "https://x/a?page=2");
        assert_eq!(with_query("https://x/a?q=1&page=1", "page", "2"), "https://x/a?q=1&page=2");
        assert_eq!(with_query("https://x/a?", "after", "a b/="), "https://x/a?after=a%20b%2F%3D");
        assert_eq!(with_query("https://x/a#f", "p", "é"), "https://x/a?p=%C3%A9#f");
    }

    #[test]
    fn references_are_resolved() {
        let base = "https://Ex.org:8080/v1/items?page=1";
        assert_eq!(resolve(base, "http://y/z"), "http://y/z");
        assert_eq!(resolve(base, "//y/z"), "https://y/z");
        assert_eq!(resolve(base, "/v1/items?page=2"), "https://Ex.org:8080/v1/items?page=2");
        assert_eq!(resolve(base, "?page=2"), "https://Ex.org:8080/v1/items?page=2");
        assert_eq!(resolve(base, "more"), "https://Ex.org:8080/v1/more");
        assert_eq!(resolve("https://x", "more"), "https://x/more");
        assert_eq!(resolve(base, "/go?to=http://y"), "https://Ex.org:8080/go?to=http://y");
        assert_eq!(origin("https://Ex.org:8080/v1"), "https://ex.org:8080");
        assert_eq!(origin("https://good.org\\@evil.org/"), "https://good.org");
    }

    #[test]
    fn the_next_link_is_found_among_others() {
        let header =
            "<https://x/a?page=1,2>; rel=\"prev\", <https://x/a?page=3>; title=\"n\"; rel=\"last next\"";
        assert_eq!(next_link(header).as_deref(), Some("https://x/a?page=3"));
        assert_eq!(next_link("</b>; rel=next").as_deref(), Some("/b"));
        assert_eq!(next_link("<https://x>; rel=\"prev\""), None);
        assert_eq!(next_link("<broken"), None);
        assert_eq!(next_link(""), None);
    }
}
