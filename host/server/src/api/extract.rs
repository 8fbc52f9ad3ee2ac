//! What handlers take from a request. Whatever can't be read is refused as a
//! problem that names the field.

use std::fmt;

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request, rejection::QueryRejection},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use futures::StreamExt;
use modelyard_lifecycle::{Code, Error};
use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeOwned, Visitor},
};
use utoipa::ToSchema;

use crate::problem::{Failure, Problem};

/// A JSON body.
pub(crate) struct Body<T>(pub(crate) T);

/// A JSON body that may be left out.
pub(crate) struct Optional<T>(pub(crate) T);

/// The parameters of the path.
pub(crate) struct Path<T>(pub(crate) T);

/// The parameters of the query.
pub(crate) struct Query<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        check_json(request.headers())?;
        read(request, state)
            .await
            .and_then(|bytes| parse(&bytes))
            .map(Self)
            .map_err(IntoResponse::into_response)
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for Optional<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let typed = check_json(request.headers());
        let bytes = read(request, state).await.map_err(IntoResponse::into_response)?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        typed?;
        parse(&bytes).map(Self).map_err(IntoResponse::into_response)
    }
}

/// `application/json` or `application/…+json`, whatever its parameters.
fn check_json(headers: &HeaderMap) -> Result<(), Response> {
    if is_json(headers) {
        return Ok(());
    }
    let given = media_type(headers);
    let what =
        if given.is_empty() { "no content type".to_owned() } else { format!("the content type {given}") };
    Err(unsupported(&format!("the request has {what}; send application/json")))
}

/// Whether the body says that it is JSON.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let given = media_type(headers);
    given == "application/json" || (given.starts_with("application/") && given.ends_with("+json"))
}

/// The body's media type in lower case; empty if there is none.
pub(crate) fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The answer to a body of a kind that isn't taken.
pub(crate) fn unsupported(detail: &str) -> Response {
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail).into_response()
}

async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Failure> {
    Bytes::from_request(request, state).await.map_err(|rejection| {
        let code = match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Code::TooLarge,
            _ => Code::InvalidInput,
        };
        Failure(Error::new(code, format!("the request's body can't be read: {}", rejection.body_text())))
    })
}

/// Reads JSON; an error names the field as it stands in the body: `spine.from`, `routes[1].weight`.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        wrong_field(path, &error.into_inner())
    })?;
    deserializer.end().map_err(|error| wrong_field(String::new(), &error))?;
    Ok(value)
}

fn wrong_field(path: String, error: &serde_json::Error) -> Failure {
    let said = error.to_string();
    if !error.is_data() {
        return Failure(Error::invalid(format!("the body is no JSON: {said}")));
    }
    let path = path.trim_end_matches(['?', '.']);
    // A field that is missing or unknown is named by the message, what holds it by the path.
    let named = ["missing field `", "unknown field `"].iter().find_map(|start| said.strip_prefix(start));
    let named = named.and_then(|rest| rest.split('`').next());
    let field = match named {
        Some(name) if path.is_empty() => name.to_owned(),
        Some(name) if path == name || path.ends_with(&format!(".{name}")) => path.to_owned(),
        Some(name) => format!("{path}.{name}"),
        None => path.to_owned(),
    };
    match field.as_str() {
        "" => Failure(Error::invalid(format!("the body does not fit: {said}"))),
        field => Failure(Error::field(field, format!("{field}: {said}"))),
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let found = axum::extract::Path::from_request_parts(parts, state).await;
        let axum::extract::Path(value) = found.map_err(|rejection| {
            Failure(Error::invalid(format!("the path can't be read: {}", rejection.body_text())))
        })?;
        Ok(Self(value))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match axum::extract::Query::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(wrong_query(&rejection)),
        }
    }
}

fn wrong_query(rejection: &QueryRejection) -> Failure {
    let text = rejection.body_text();
    let said = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
    let named = said.split_once(": ").map(|(name, _)| name);
    let missing = said.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    let field = missing.or(named).filter(|name| !name.contains(' '));
    match field {
        Some(field) => Failure(Error::field(field, format!("the query can't be read: {said}"))),
        None => Failure(Error::invalid(format!("the query can't be read: {said}"))),
    }
}

/// A component's bytes.
pub(crate) struct Component(pub(crate) Bytes);

impl<S: Send + Sync> FromRequest<S> for Component {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        file(request, "component").await.map(Self)
    }
}

/// The largest component or model file that is taken, in bytes.
const MOST: usize = 64 << 20;

/// A body that is a file, held in memory whole: a `what`.
pub(crate) async fn file(request: Request, what: &str) -> Result<Bytes, Failure> {
    let mut chunks = request.into_body().into_data_stream();
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| Error::invalid(format!("the {what} can't be read: {error}")))?;
        if bytes.len() + chunk.len() > MOST {
            let message = format!("a {what} has at most {} MiB", MOST >> 20);
            return Err(Error::new(Code::TooLarge, message).into());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.into())
}

/// A model version as it is asked for: its number, an alias, or `latest`.
#[derive(Clone, Debug, ToSchema)]
#[schema(value_type = String, example = "champion")]
pub(crate) struct VersionReference(pub(crate) String);

impl<'de> Deserialize<'de> for VersionReference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reference;
        impl Visitor<'_> for Reference {
            type Value = VersionReference;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a version's number, an alias or \"latest\"")
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<VersionReference, E> {
                Ok(VersionReference(number.to_string()))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<VersionReference, E> {
                Ok(VersionReference(text.to_owned()))
            }
        }
        deserializer.deserialize_any(Reference)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        inner: Vec<Inner>,
        version: VersionReference,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        weight: u32,
    }

    fn fault(body: &str) -> Error {
        parse::<Outer>(body.as_bytes()).unwrap_err().0
    }

    #[test]
    fn what_is_wrong_is_named_where_it_stands() {
        let field = |body: &str| fault(body).location.field;
        assert_eq!(
            field(r#"{"inner": [{"weight": 1}, {"weight": "x"}], "version": 1}"#).unwrap(),
            "inner[1].weight"
        );
        assert_eq!(field(r#"{"inner": [{"wieght": 1}], "version": 1}"#).unwrap(), "inner[0].wieght");
        assert_eq!(field(r#"{"inner": [{}], "version": 1}"#).unwrap(), "inner[0].weight");
        assert_eq!(field(r#"{"version": 1}"#).unwrap(), "inner");
        assert_eq!(field(r#"{"inner": [], "version": 1, "more": 2}"#).unwrap(), "more");
        assert_eq!(field(r#"{"inner": [], "version": []}"#).unwrap(), "version");
        assert!(fault("{\"inner\":").message.contains("no JSON"));
        assert!(fault("{\"inner\":[],\"version\":1} x").message.contains("no JSON"));
        assert!(fault("[]").code == Code::InvalidInput);
        let outer: Outer = parse(br#"{"inner": [{"weight": 3}], "version": 7}"#).unwrap();
        assert_eq!((outer.version.0.as_str(), outer.inner[0].weight), ("7", 3));
    }
}
