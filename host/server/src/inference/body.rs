//! Bodies on the wire: their media types, their compression, and the border
//! between JSON and raw data.

use std::io::{self, Read, Write};

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use flate2::{
    Compression,
    read::{MultiGzDecoder, ZlibDecoder},
    write::{GzEncoder, ZlibEncoder},
};
use modelyard_lifecycle::{Code, Error};

use crate::problem::{Failure, Problem};

/// The length in bytes of the JSON, after which raw data follow.
pub(super) const JSON_LENGTH: &str = "inference-header-content-length";
/// Shorter answers are not worth compressing, in bytes.
const SHORT: usize = 4096;

/// Why a body is not taken.
pub(super) enum Refused {
    Failed(Error),
    /// 415.
    Media(String),
}

impl<E: Into<Error>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Failed(error) => Failure(error).into_response(),
            Self::Media(detail) => {
                let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
                Problem::new(status, "unsupported_media_type", detail).into_response()
            }
        }
    }
}

/// The body of a request with these headers, decompressed, of at most `most`
/// bytes.
pub(super) async fn read(headers: &HeaderMap, request: Request, most: usize) -> Result<Bytes, Refused> {
    check_media(headers)?;
    let coding = coding(headers)?;
    if http_body::Body::size_hint(request.body()).lower() > most as u64 {
        let message = format!("the request's body can't be read: it is larger than {most} bytes");
        return Err(Error::new(Code::TooLarge, message).into());
    }
    let body = Bytes::from_request(request, &()).await.map_err(|rejection| {
        let code = match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Code::TooLarge,
            _ => Code::InvalidInput,
        };
        Error::new(code, format!("the request's body can't be read: {}", rejection.body_text()))
    })?;
    let Some(coding) = coding else { return Ok(body) };
    // Inflating takes time that other calls should not wait for.
    let read = tokio::task::spawn_blocking(move || inflate(coding, &body, most)).await;
    Ok(read.map_err(Error::internal)??)
}

/// JSON, or JSON with raw data. What clients send without being asked for, no
/// type at all or `curl -d`'s, is taken for JSON too.
fn check_media(headers: &HeaderMap) -> Result<(), Refused> {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let known = ["", "application/json", "application/octet-stream", "application/x-www-form-urlencoded"];
    if known.contains(&media.as_str()) || (media.starts_with("application/") && media.ends_with("+json")) {
        return Ok(());
    }
    Err(Refused::Media(format!(
        "the content type {media} is not read; send application/json, \
         or application/octet-stream for JSON and raw data"
    )))
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Coding {
    Gzip,
    Deflate,
}

impl Coding {
    fn of(name: &str) -> Option<Self> {
        match name.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "deflate" => Some(Self::Deflate),
            _ => None,
        }
    }
}

/// How the body is compressed; none if it isn't.
fn coding(headers: &HeaderMap) -> Result<Option<Coding>, Refused> {
    let Some(value) = headers.get(header::CONTENT_ENCODING) else { return Ok(None) };
    let name = value.to_str().unwrap_or_default();
    if name.trim().is_empty() || name.trim().eq_ignore_ascii_case("identity") {
        return Ok(None);
    }
    let unknown =
        || Refused::Media(format!("the content encoding {name:?} is not read; gzip and deflate are"));
    Coding::of(name).map(Some).ok_or_else(unknown)
}

fn inflate(coding: Coding, body: &[u8], most: usize) -> Result<Bytes, Error> {
    let mut out = Vec::new();
    // One byte more than is taken, to see that there is one.
    let limit = (most as u64).saturating_add(1);
    match coding {
        Coding::Gzip => MultiGzDecoder::new(body).take(limit).read_to_end(&mut out),
        Coding::Deflate => ZlibDecoder::new(body).take(limit).read_to_end(&mut out),
    }
    .map_err(|error| Error::invalid(format!("the request's body can't be decompressed: {error}")))?;
    if out.len() > most {
        let message = format!("the request's body is larger than {most} bytes when decompressed");
        return Err(Error::new(Code::TooLarge, message));
    }
    Ok(out.into())
}

/// The JSON, and the raw data if the request says where they begin.
///
/// # Errors
/// `InvalidInput` for a border that isn't in the body.
pub(super) fn split<'a>(headers: &HeaderMap, body: &'a [u8]) -> Result<(&'a [u8], Option<&'a [u8]>), Error> {
    let Some(value) = headers.get(JSON_LENGTH) else { return Ok((body, None)) };
    let length = value.to_str().ok().and_then(|text| text.trim().parse::<usize>().ok()).ok_or_else(|| {
        Error::invalid(format!("Inference-Header-Content-Length is {value:?}; a number of bytes is accepted"))
    })?;
    let (json, raw) = body.split_at_checked(length).ok_or_else(|| {
        Error::invalid(format!(
            "Inference-Header-Content-Length is {length}, but the body has {} bytes",
            body.len()
        ))
    })?;
    Ok((json, Some(raw)))
}

/// The compression that a caller asks for first; none below [`SHORT`].
fn wanted(headers: &HeaderMap, length: usize) -> Option<Coding> {
    if length < SHORT {
        return None;
    }
    let text = headers.get(header::ACCEPT_ENCODING)?.to_str().ok()?;
    text.split(',').find_map(|part| {
        let (name, weight) = part.split_once(';').unwrap_or((part, ""));
        let refused = weight.trim().strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0));
        Coding::of(name).filter(|_| !refused)
    })
}

/// Compresses an answer if the caller of `asked` wants that.
pub(super) async fn compressed(asked: &HeaderMap, body: Vec<u8>) -> Result<Response, Error> {
    let Some(coding) = wanted(asked, body.len()) else { return Ok(body.into_response()) };
    let name = match coding {
        Coding::Gzip => "gzip",
        Coding::Deflate => "deflate",
    };
    let body = tokio::task::spawn_blocking(move || deflate(coding, &body)).await?;
    let mut response = body.map_err(Error::internal)?.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    Ok(response)
}

fn deflate(coding: Coding, body: &[u8]) -> io::Result<Vec<u8>> {
    let out = Vec::with_capacity(body.len() / 4);
    match coding {
        Coding::Gzip => {
            let mut encoder = GzEncoder::new(out, Compression::fast());
            encoder.write_all(body)?;
            encoder.finish()
        }
        Coding::Deflate => {
            let mut encoder = ZlibEncoder::new(out, Compression::fast());
            encoder.write_all(body)?;
            encoder.finish()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::HeaderName::from_static(name), value.parse().unwrap())])
    }

    #[test]
    fn the_border_is_inside_the_body() {
        let split =
            |length: &str| split(&headers(JSON_LENGTH, length), b"{}abc").map_err(|error| error.message);
        assert_eq!(split("2"), Ok((&b"{}"[..], Some(&b"abc"[..]))));
        assert_eq!(split("5"), Ok((&b"{}abc"[..], Some(&b""[..]))));
        assert!(split("6").unwrap_err().contains("is 6, but the body has 5"));
        for wrong in ["-1", "two", "", "99999999999999999999999"] {
            assert!(split(wrong).unwrap_err().contains("a number of bytes"), "{wrong}");
        }
        assert_eq!(super::split(&HeaderMap::new(), b"{}").unwrap(), (&b"{}"[..], None));
    }

    #[test]
    fn what_is_deflated_is_inflated_up_to_the_limit() {
        let body = b"tensor".repeat(1000);
        for coding in [Coding::Gzip, Coding::Deflate] {
            let small = deflate(coding, &body).unwrap();
            assert!(small.len() < body.len() / 10);
            assert_eq!(inflate(coding, &small, body.len()).unwrap(), body);
            assert_eq!(inflate(coding, &small, body.len() - 1).unwrap_err().code, Code::TooLarge);
            assert_eq!(inflate(coding, &small[..20], 9999).unwrap_err().code, Code::InvalidInput);
            assert_eq!(inflate(coding, b"{}", 9999).unwrap_err().code, Code::InvalidInput);
        }
    }

    #[test]
    fn media_and_codings_are_told_apart() {
        for known in
            ["application/json; charset=utf-8", "application/cloudevents+json", "Application/Octet-Stream"]
        {
            assert!(check_media(&headers("content-type", known)).is_ok(), "{known}");
        }
        assert!(check_media(&HeaderMap::new()).is_ok());
        for foreign in ["text/csv", "multipart/form-data; boundary=x", "image/png"] {
            assert!(check_media(&headers("content-type", foreign)).is_err(), "{foreign}");
        }
        assert!(matches!(coding(&headers("content-encoding", "gzip")), Ok(Some(Coding::Gzip))));
        assert!(matches!(coding(&headers("content-encoding", "identity")), Ok(None)));
        assert!(coding(&headers("content-encoding", "br")).is_err());
        let wanted = |text: &str, length: usize| wanted(&headers("accept-encoding", text), length);
        assert_eq!(wanted("br, deflate;q=0.5, gzip", SHORT), Some(Coding::Deflate));
        assert_eq!(wanted("gzip;q=0, deflate", SHORT), Some(Coding::Deflate));
        assert_eq!(wanted("gzip", SHORT - 1), None);
        assert_eq!(wanted("identity", SHORT), None);
    }
}
