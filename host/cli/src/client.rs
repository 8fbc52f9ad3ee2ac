//! Calls of the server's HTTP surface.

use std::{fmt, path::Path};

use anyhow::{Context as _, Result, bail};
use file::chunks;
use futures::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::{Method, RequestBuilder, StatusCode, Url, header::HeaderMap};
use serde_json::Value;

/// What follows `?`: pairs of which those without a value are left out.
pub(crate) type Query<'a> = &'a [(&'static str, Option<String>)];

/// What the server said no with: RFC 9457 problem details, or whatever text
/// came instead.
#[derive(Debug)]
pub(crate) struct Problem {
    /// The HTTP status.
    pub(crate) status: u16,
    title: String,
    detail: String,
    location: Vec<(String, String)>,
    details: Vec<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.title, self.status)?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        for (what, at) in &self.location {
            write!(f, "\n  {what}: {at}")?;
        }
        for detail in &self.details {
            write!(f, "\n  - {detail}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

impl Problem {
    fn read(status: StatusCode, body: &str) -> Self {
        let title = status.canonical_reason().unwrap_or("Failure").to_owned();
        let bare = |detail: &str| Self {
            status: status.as_u16(),
            title: title.clone(),
            detail: detail.trim().to_owned(),
            location: vec![],
            details: vec![],
        };
        let Ok(Value::Object(problem)) = serde_json::from_str(body) else {
            return bare(body);
        };
        let text = |name: &str| problem.get(name).and_then(Value::as_str).map(str::to_owned);
        // The inference protocol's errors are `{"error": …}`.
        if let Some(error) = text("error") {
            return bare(&error);
        }
        let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let location = problem.get("location").and_then(Value::as_object);
        Self {
            status: status.as_u16(),
            title: text("title").unwrap_or(title),
            detail: text("detail").unwrap_or_default(),
            location: location
                .into_iter()
                .flatten()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| (name.clone(), plain(value)))
                .collect(),
            details: problem
                .get("details")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .map(plain)
                .collect(),
        }
    }
}

/// What the server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The HTTP status, a success.
    pub(crate) status: StatusCode,
    /// The body; null if there was none.
    pub(crate) body: Value,
}

/// A server and how to get in.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    server: Url,
    token: Option<String>,
}

impl Client {
    /// A client of the server at a URL. Nothing is connected yet.
    pub(crate) fn new(server: &str, token: Option<&str>) -> Result<Self> {
        let url = Url::parse(server)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .with_context(|| format!("--server: {server:?} is no URL; write http://127.0.0.1:8080"))?;
        let http = reqwest::Client::builder()
            .user_agent(concat!("modelyard/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(std::time::Duration::from_secs(10))
            .build()?;
        let token = token.filter(|token| !token.is_empty()).map(str::to_owned);
        Ok(Self { http, server: url, token })
    }

    /// The URL of a path, segment by segment, below `/api/v1` unless it belongs
    /// to a protocol of its own.
    fn url(&self, path: &[&str]) -> Result<Url> {
        match path.first() {
            Some(&("v2" | "health" | "ready" | "openapi.json")) => self.below(&[], path),
            _ => self.below(&["api", "v1"], path),
        }
    }

    fn below(&self, lead: &[&str], path: &[&str]) -> Result<Url> {
        let mut url = self.server.clone();
        if path.iter().any(|segment| matches!(*segment, "" | "." | "..")) {
            return Err(crate::document::Usage::new("a name can't be empty, `.` or `..`").into());
        }
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(lead).extend(path);
        }
        Ok(url)
    }

    fn request(&self, method: Method, path: &[&str], query: Query<'_>) -> Result<RequestBuilder> {
        let mut url = self.url(path)?;
        for (name, value) in query {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        Ok(self.allowed(self.http.request(method, url)))
    }

    fn allowed(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn received(&self, request: RequestBuilder) -> Result<(StatusCode, Vec<u8>)> {
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) if error.is_connect() => bail!(
                "{} can't be reached: is `modelyard serve` running there? (--server or MODELYARD_SERVER says where)",
                self.server
            ),
            Err(error) => return Err(error).context(format!("{} broke off", self.server)),
        };
        let status = response.status();
        Ok((status, response.bytes().await.context("the answer broke off")?.to_vec()))
    }

    async fn sent(&self, request: RequestBuilder) -> Result<(StatusCode, String)> {
        let (status, bytes) = self.received(request).await?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if status.is_success() { Ok((status, text)) } else { Err(Problem::read(status, &text).into()) }
    }

    async fn answered(&self, request: RequestBuilder) -> Result<Answer> {
        let (status, text) = self.sent(request).await?;
        let body = match text.trim() {
            "" => Value::Null,
            text => serde_json::from_str(text).with_context(|| {
                format!("{} answered with no JSON: is it a modelyard server?", self.server)
            })?,
        };
        Ok(Answer { status, body })
    }

    /// Calls a function; what it answers with success. The path is below its own.
    pub(crate) async fn call(
        &self,
        name: &str,
        path: &str,
        method: Method,
        headers: HeaderMap,
        body: Option<Vec<u8>>,
    ) -> Result<Vec<u8>> {
        let mount = self.below(&[], &["functions", name])?;
        let url = match path.trim_start_matches('/') {
            "" => mount,
            path => Url::parse(&format!("{mount}/"))
                .and_then(|mount| mount.join(&format!("./{path}")))
                .with_context(|| format!("--path {path}"))?,
        };
        let request = self.allowed(self.http.request(method, url)).headers(headers);
        let request = match body {
            Some(body) => request.body(body),
            None => request,
        };
        let (status, bytes) = self.received(request).await?;
        match status.is_success() || status.is_redirection() {
            true => Ok(bytes),
            false => Err(Problem::read(status, &String::from_utf8_lossy(&bytes)).into()),
        }
    }

    /// Any call with or without a JSON body.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &[&str],
        query: Query<'_>,
        body: Option<&Value>,
    ) -> Result<Answer> {
        let request = self.request(method, path, query)?;
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        self.answered(request).await
    }

    /// One record.
    pub(crate) async fn get(&self, path: &[&str], query: Query<'_>) -> Result<Value> {
        Ok(self.send(Method::GET, path, query, None).await?.body)
    }

    /// One record, or none if there is none.
    pub(crate) async fn find(&self, path: &[&str]) -> Result<Option<Value>> {
        match self.get(path, &[]).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.downcast_ref::<Problem>().is_some_and(|problem| problem.status == 404) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// A text, such as a document.
    pub(crate) async fn text(&self, path: &[&str]) -> Result<String> {
        Ok(self.sent(self.request(Method::GET, path, &[])?).await?.1)
    }

    /// The items of a list, page after page, at most `limit`; 0: all.
    pub(crate) async fn list(&self, path: &[&str], query: Query<'_>, limit: usize) -> Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let mut query = query.to_vec();
            let missing = if limit == 0 { 200 } else { (limit - items.len()).min(200) };
            query.push(("limit", Some(missing.to_string())));
            query.push(("after", after.take()));
            let page = self.get(path, &query).await?;
            let (found, next) = match page {
                Value::Object(mut page) => (page.remove("items"), page.remove("next")),
                other => (Some(other), None),
            };
            let Some(Value::Array(found)) = found else {
                bail!("{} answered with no list: is it a modelyard server?", self.server);
            };
            let last = found.is_empty();
            items.extend(found);
            after = next.as_ref().and_then(Value::as_str).map(str::to_owned);
            if after.is_none() || last || (limit > 0 && items.len() >= limit) {
                if limit > 0 {
                    items.truncate(limit);
                }
                return Ok(items);
            }
        }
    }

    /// Sends bytes as they are.
    pub(crate) async fn upload_bytes(
        &self,
        path: &[&str],
        query: Query<'_>,
        media_type: &str,
        bytes: Vec<u8>,
    ) -> Result<Answer> {
        let request = self.request(Method::POST, path, query)?.header("content-type", media_type).body(bytes);
        self.answered(request).await
    }

    /// Sends a file's bytes as they are, showing how far it is.
    pub(crate) async fn upload(
        &self,
        path: &[&str],
        query: Query<'_>,
        media_type: &str,
        file: &Path,
    ) -> Result<Answer> {
        let (length, stream) = chunks(file).await.with_context(|| file.display().to_string())?;
        let bar = ProgressBar::new(length);
        let style = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {binary_bytes_per_sec}");
        if let Ok(style) = style {
            bar.set_style(style);
        }
        let seen = bar.clone();
        let stream = stream.inspect(move |chunk| {
            if let Ok(chunk) = chunk {
                seen.inc(chunk.len() as u64);
            }
        });
        let request = self
            .request(Method::POST, path, query)?
            .header("content-type", media_type)
            .header("content-length", length)
            .body(reqwest::Body::wrap_stream(stream));
        let answer = self.answered(request).await;
        bar.finish_and_clear();
        answer
    }
}

/// A file as a stream of pieces.
mod file {
    use std::path::Path;

    use futures::{Stream, stream};
    use tokio::{fs::File, io::AsyncReadExt};

    /// The length of a file, and its bytes in pieces of at most 256 KiB.
    pub(super) async fn chunks(
        path: &Path,
    ) -> std::io::Result<(u64, impl Stream<Item = std::io::Result<Vec<u8>>> + Send + 'static + use<>)> {
        let file = File::open(path).await?;
        let length = file.metadata().await?.len();
        let stream = stream::unfold(Some(file), |file| async move {
            let mut file = file?;
            let mut piece = vec![0; 256 << 10];
            match file.read(&mut piece).await {
                Ok(0) => None,
                Ok(read) => {
                    piece.truncate(read);
                    Some((Ok(piece), Some(file)))
                }
                Err(error) => Some((Err(error), None)),
            }
        });
        Ok((length, stream))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_are_escaped_and_protocols_keep_their_place() {
        let client = Client::new("http://h:1/base/", None).unwrap();
        let url = |path: &[&str]| client.url(path).unwrap().to_string();
        assert_eq!(
            url(&["schedules", "monitoring.check/late"]),
            "http://h:1/base/api/v1/schedules/monitoring.check%2Flate"
        );
        assert_eq!(url(&["v2", "models", "a b", "infer"]), "http://h:1/base/v2/models/a%20b/infer");
        assert!(client.url(&["plugins", ".."]).is_err() && client.url(&["plugins", ""]).is_err());
        assert!(Client::new("127.0.0.1:8080", None).is_err() && Client::new("ftp://h", None).is_err());
    }

    #[test]
    fn problems_say_everything_they_know() {
        let status = StatusCode::BAD_REQUEST;
        let body = r#"{"title":"Bad Request","status":400,"detail":"no such column",
            "location":{"column":"dep","row":3,"field":null},"details":["a reason"]}"#;
        let told = Problem::read(status, body).to_string();
        assert_eq!(told, "Bad Request (400): no such column\n  column: dep\n  row: 3\n  - a reason");
        assert_eq!(
            Problem::read(status, r#"{"error":"no tensor"}"#).to_string(),
            "Bad Request (400): no tensor"
        );
        assert_eq!(Problem::read(status, "<html>").to_string(), "Bad Request (400): <html>");
    }
}
