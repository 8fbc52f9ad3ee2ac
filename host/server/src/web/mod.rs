//! The web console: one page that shows the twelve stages of a model's life as
//! they are now.
//!
//! Its files are part of the binary, hand-written and built by nothing. They
//! hold no data, so they are open to everybody; what they show comes from the
//! REST interface, with the reader's own access token. The content security
//! policy lets nothing run or load that is not of this server.

use std::sync::LazyLock;

use axum::{
    Router,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use modelyard_lifecycle::Platform;
use sha2::{Digest, Sha256};

/// What the pages may do. `style-src` without `unsafe-inline`: the scripts
/// style through the CSSOM, which needs no leave.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// A file of the console.
struct Asset {
    path: &'static str,
    media_type: &'static str,
    content: &'static str,
}

macro_rules! asset {
    ($path:literal, $media_type:expr, $file:literal) => {
        Asset { path: $path, media_type: $media_type, content: include_str!(concat!("../../assets/", $file)) }
    };
}

static ASSETS: [Asset; 8] = [
    asset!("/", HTML, "index.html"),
    asset!("/assets/console.css", CSS, "console.css"),
    asset!("/assets/console.js", SCRIPT, "console.js"),
    asset!("/assets/api.js", SCRIPT, "api.js"),
    asset!("/assets/dom.js", SCRIPT, "dom.js"),
    asset!("/assets/charts.js", SCRIPT, "charts.js"),
    asset!("/assets/making.js", SCRIPT, "making.js"),
    asset!("/assets/running.js", SCRIPT, "running.js"),
];

/// Each asset's strong validator (RFC 9110, 8.8.3), in the order of [`ASSETS`].
static TAGS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let tag = |asset: &Asset| format!("\"{}\"", hex::encode(Sha256::digest(asset.content.as_bytes())));
    ASSETS.iter().map(tag).collect()
});

/// The console's pages.
pub(crate) fn routes() -> Router<Platform> {
    pages()
}

fn pages<S: Clone + Send + Sync + 'static>() -> Router<S> {
    ASSETS.iter().zip(TAGS.iter()).fold(Router::new(), |router, (asset, tag)| {
        router.route(asset.path, get(move |headers: HeaderMap| async move { answer(asset, tag, &headers) }))
    })
}

/// The asset, or 304 if the client has it already.
fn answer(asset: &'static Asset, tag: &'static str, request: &HeaderMap) -> Response {
    let fixed = |value: &'static str| HeaderValue::from_static(value);
    let headers: [(HeaderName, HeaderValue); 7] = [
        (header::CONTENT_TYPE, fixed(asset.media_type)),
        (header::ETAG, fixed(tag)),
        // Kept, but asked for again: a new binary shows its own console at once.
        (header::CACHE_CONTROL, fixed("no-cache")),
        (header::CONTENT_SECURITY_POLICY, fixed(POLICY)),
        (header::X_CONTENT_TYPE_OPTIONS, fixed("nosniff")),
        (header::REFERRER_POLICY, fixed("no-referrer")),
        (HeaderName::from_static("cross-origin-opener-policy"), fixed("same-origin")),
    ];
    let known = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    if known.flat_map(|value| value.split(',')).any(|one| matches(one, tag)) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, asset.content).into_response()
}

/// The weak comparison, as `If-None-Match` asks for it (RFC 9110, 13.1.2).
fn matches(one: &str, tag: &str) -> bool {
    let one = one.trim();
    one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use axum::{
        body::{Body, to_bytes},
        http::Request,
    };
    use tower::ServiceExt;

    use super::*;

    async fn ask(path: &str, known: Option<&str>) -> (StatusCode, HeaderMap, String) {
        let mut request = Request::get(path);
        if let Some(known) = known {
            request = request.header(header::IF_NONE_MATCH, known);
        }
        let response = pages::<()>().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, headers, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn every_asset_is_served_with_its_type_and_policy() {
        for asset in &ASSETS {
            let (status, headers, body) = ask(asset.path, None).await;
            assert_eq!(status, StatusCode::OK, "{}", asset.path);
            assert_eq!(headers[header::CONTENT_TYPE], asset.media_type);
            assert_eq!(headers[header::CONTENT_SECURITY_POLICY], POLICY);
            assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
            assert_eq!(body, asset.content);
        }
        assert!(!POLICY.contains("unsafe"));
        assert_eq!(ask("/assets/nothing.js", None).await.0, StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn what_the_client_has_is_not_sent_again() {
        for asset in &ASSETS {
            let tag = ask(asset.path, None).await.1[header::ETAG].to_str().unwrap().to_owned();
            for known in [tag.clone(), format!("W/{tag}"), format!("\"old\", {tag}"), "*".to_owned()] {
                let (status, headers, body) = ask(asset.path, Some(&known)).await;
                assert_eq!((status, body.as_str()), (StatusCode::NOT_MODIFIED, ""), "{known}");
                assert_eq!(headers[header::ETAG], tag.as_str());
            }
            assert_eq!(ask(asset.path, Some("\"old\"")).await.0, StatusCode::OK);
        }
    }

    #[test]
    fn no_asset_refers_to_another_origin() {
        // Namespaces are names, not addresses.
        let names = ["http://www.w3.org/2000/svg"];
        for asset in &ASSETS {
            let text = names.iter().fold(asset.content.to_owned(), |text, name| text.replace(name, ""));
            for mark in ["http://", "https://", "\"//", "'//", "url(//", "`//", "wss://", "ws://"] {
                assert!(!text.contains(mark), "{} refers to {mark}", asset.path);
            }
        }
    }

    #[test]
    fn the_page_obeys_its_own_policy_and_finds_its_files() {
        let page = ASSETS[0].content;
        assert!(!page.contains("<style") && !page.contains(" style=") && !page.contains(" onclick="));
        assert_eq!(page.matches("<script").count(), page.matches("<script type=\"module\" src=").count());
        for asset in &ASSETS {
            // Markup from data would be markup from strangers.
            for sink in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
                assert!(!asset.content.contains(sink), "{} uses {sink}", asset.path);
            }
            let quoted = asset.content.split(['"', '\'']).filter_map(|text| {
                let file = text.strip_prefix("./").or_else(|| text.strip_prefix("/assets/"))?;
                Some(format!("/assets/{file}"))
            });
            for path in quoted {
                assert!(ASSETS.iter().any(|other| other.path == path), "{} refers to {path}", asset.path);
            }
        }
    }
}
