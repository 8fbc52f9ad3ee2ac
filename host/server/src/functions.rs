//! What functions answer: any method and path below `/functions/{name}`.
//!
//! A handler of `wasi:http` sees the path below its mount, as if it were served
//! alone, and where it is mounted in `x-forwarded-prefix`. A function that takes
//! JSON is called by POST to its mount.

use axum::{
    Router,
    body::Body,
    extract::{FromRequest, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header, uri::PathAndQuery},
    response::{IntoResponse, Response},
    routing::any,
};
use modelyard_lifecycle::{Error, Platform, runtime::Protocol};
use serde_json::Value;

use crate::{
    api::extract,
    problem::{Failure, Problem},
};

/// Where functions are mounted.
pub(crate) const MOUNT: &str = "/functions/";

/// Where the function is mounted, for links: `/functions/{name}`.
const PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
/// The path below the mount, as Spin names it.
const PATH_INFO: HeaderName = HeaderName::from_static("spin-path-info");

/// A page from a function has an origin of its own: it can't act as the console,
/// which is served beside it.
const SANDBOX: HeaderValue =
    HeaderValue::from_static("sandbox allow-downloads allow-forms allow-modals allow-popups allow-scripts");

/// Headers of the connection, which end here (RFC 9110, 7.6.1); those that
/// `connection` names come on top.
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    header::EXPECT,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// The routes of this module.
pub(crate) fn routes() -> Router<Platform> {
    Router::new()
        .route("/functions/{name}", any(answer))
        .route("/functions/{name}/", any(answer))
        .route("/functions/{name}/{*rest}", any(answer))
}

/// The name in a path below the mount, as it stands there: a name has nothing
/// that would be escaped.
pub(crate) fn name(path: &str) -> Option<&str> {
    path.strip_prefix(MOUNT)?.split('/').next()
}

async fn answer(State(platform): State<Platform>, request: Request) -> Result<Response, Response> {
    let failed = |error: Error| Failure(error).into_response();
    let name = name(request.uri().path()).unwrap_or_default().to_owned();
    let functions = platform.functions();
    if functions.protocol(&name).map_err(failed)? == Protocol::Json {
        return json(&platform, &name, request).await;
    }
    let request = mounted(request, &name, functions.is_public(&name)).map_err(failed)?;
    let answer = functions.handle(&name, request).await.map_err(failed)?;
    let mut answer = answer.map(Body::new);
    answer.headers_mut().append(header::CONTENT_SECURITY_POLICY, SANDBOX);
    Ok(answer)
}

/// A function that takes JSON.
async fn json(platform: &Platform, name: &str, request: Request) -> Result<Response, Response> {
    let path = request.uri().path();
    if path.trim_end_matches('/') != format!("{MOUNT}{name}") {
        let error = Error::not_found("path of this function", path);
        return Err(Failure(error).into_response());
    }
    if request.method() != Method::POST {
        let detail = format!("the function {name:?} takes JSON by POST");
        let mut refused =
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail).into_response();
        refused.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
        return Err(refused);
    }
    let extract::Body::<Value>(input) = extract::Body::from_request(request, &()).await?;
    let answer = platform.functions().call(name, &input.to_string()).await;
    let answer = answer.map_err(|error| Failure(error).into_response())?;
    Ok(([(header::CONTENT_TYPE, "application/json")], answer).into_response())
}

/// The request as a handler sees it.
fn mounted(mut request: Request, name: &str, public: bool) -> Result<Request, Error> {
    let prefix = format!("{MOUNT}{name}");
    let uri = request.uri();
    let below = uri.path().get(prefix.len()..).filter(|below| !below.is_empty()).unwrap_or("/");
    let wrong = |what: &str| Error::invalid(format!("the request's {what} can't be passed on"));
    let path = HeaderValue::from_str(below).map_err(|_| wrong("path"))?;
    let target = match uri.query() {
        Some(query) => format!("{below}?{query}"),
        None => below.to_owned(),
    };
    let target = PathAndQuery::try_from(target).map_err(|_| wrong("path"))?;
    let authority = uri.authority().map(|authority| authority.as_str().to_owned());
    let headers = request.headers_mut();
    hop_by_hop(headers);
    if !public || is_ours(headers) {
        headers.remove(header::AUTHORIZATION);
    }
    if let Some(authority) = authority {
        headers.insert(header::HOST, HeaderValue::from_str(&authority).map_err(|_| wrong("host"))?);
    }
    if headers.get(header::HOST).is_some_and(|host| host.to_str().is_err()) {
        return Err(wrong("host"));
    }
    headers.insert(PREFIX, HeaderValue::from_str(&prefix).map_err(|_| wrong("path"))?);
    headers.insert(PATH_INFO, path);
    *request.uri_mut() = Uri::from(target);
    Ok(request)
}

/// Takes out what belongs to the connection.
fn hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .filter(|name| *name != header::HOST)
        .collect();
    for name in HOP_BY_HOP.iter().chain(&named) {
        headers.remove(name);
    }
}

/// Whether the token is one of this server's, which a function never sees.
fn is_ours(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    values.any(|value| value.as_bytes().starts_with(b"Bearer my_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(uri: &str, headers: &[(&str, &str)], public: bool) -> Request {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        mounted(request.body(Body::empty()).unwrap(), "hello", public).unwrap()
    }

    #[test]
    fn the_path_is_what_stands_below_the_mount() {
        for (outside, inside) in [
            ("/functions/hello", "/"),
            ("/functions/hello/", "/"),
            ("/functions/hello?a=b", "/?a=b"),
            ("/functions/hello/a%2Fb/..//c/?q=%20&q", "/a%2Fb/..//c/?q=%20&q"),
        ] {
            let request = seen(outside, &[("x-forwarded-prefix", "/evil")], false);
            assert_eq!(request.uri().to_string(), inside);
            assert_eq!(request.headers()["x-forwarded-prefix"], "/functions/hello");
            assert_eq!(request.headers()["spin-path-info"], request.uri().path());
            assert_eq!(name(outside.split('?').next().unwrap()), Some("hello"));
        }
        assert_eq!(name("/functions"), None);
        assert_eq!(
            seen("http://yard.example:81/functions/hello", &[], false).headers()["host"],
            "yard.example:81"
        );
    }

    #[test]
    fn what_belongs_to_the_connection_or_to_us_ends_here() {
        let sent = [
            ("host", "yard.example"),
            ("connection", "close, X-Mine"),
            ("x-mine", "1"),
            ("te", "trailers"),
            ("cookie", "c=1"),
            ("authorization", "Basic eDp5"),
        ];
        let kept = |public| {
            let request = seen("/functions/hello", &sent, public);
            let mut names: Vec<_> = request.headers().keys().map(|name| name.as_str().to_owned()).collect();
            names.sort();
            names.join(" ")
        };
        assert_eq!(kept(false), "cookie host spin-path-info x-forwarded-prefix");
        assert_eq!(kept(true), "authorization cookie host spin-path-info x-forwarded-prefix");
        let ours = seen("/functions/hello", &[("authorization", "Bearer my_secret")], true);
        assert!(!ours.headers().contains_key("authorization"));
    }
}
