//! JSON over HTTP, as any client would speak it.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::Method;
use serde_json::{Value, json};

/// A client of one server.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    address: String,
}

impl Client {
    /// A client of the server at `address`.
    pub(crate) fn new(address: &str) -> Result<Self> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(300))
            .tcp_nodelay(true)
            .build()?;
        Ok(Self { http, address: address.to_owned() })
    }

    /// GET below `/api/v1`.
    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        self.send(Method::GET, &format!("/api/v1{path}"), None, None).await
    }

    /// PUT below `/api/v1`.
    pub(crate) async fn put(&self, path: &str, body: &Value) -> Result<Value> {
        self.send(Method::PUT, &format!("/api/v1{path}"), Some(body), None).await
    }

    /// POST below `/api/v1`.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.send(Method::POST, &format!("/api/v1{path}"), Some(body), None).await
    }

    /// POST below `/api/v1` that may be sent again: the key makes it count once.
    pub(crate) async fn post_once(&self, path: &str, body: &Value, key: &str) -> Result<Value> {
        self.send(Method::POST, &format!("/api/v1{path}"), Some(body), Some(key)).await
    }

    /// All items of a list, page by page. The path may have a query.
    pub(crate) async fn all(&self, path: &str) -> Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut after: Option<String> = None;
        let sign = if path.contains('?') { '&' } else { '?' };
        loop {
            let more = after.map(|after| format!("&after={}", escape(&after))).unwrap_or_default();
            let page = self.get(&format!("{path}{sign}limit=500{more}")).await?;
            items.extend(page.get("items").and_then(Value::as_array).cloned().unwrap_or_default());
            after = page.get("next").and_then(Value::as_str).map(str::to_owned);
            if after.is_none() {
                return Ok(items);
            }
        }
    }

    /// A call of the model behind a deployment, in the Open Inference Protocol.
    pub(crate) async fn infer(&self, deployment: &str, inputs: Value) -> Result<Value> {
        let body = json!({"inputs": inputs});
        self.send(Method::POST, &format!("/v2/models/{deployment}/infer"), Some(&body), None).await
    }

    /// Moves the simulated clock; what fired on the way and failed is an error.
    pub(crate) async fn advance(&self, to: &str) -> Result<Value> {
        let answer = self.post("/clock/advance", &json!({"to": to})).await?;
        for firing in answer.get("firings").and_then(Value::as_array).into_iter().flatten() {
            if firing.get("outcome").and_then(Value::as_str) == Some("failed") {
                bail!("a schedule failed: {firing}");
            }
        }
        Ok(answer)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> Result<Value> {
        let url = format!("{}{path}", self.address);
        let mut request = self.http.request(method.clone(), &url);
        if let Some(body) = body {
            request = request.json(body);
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let response = request.send().await.with_context(|| format!("{method} {path}"))?;
        let status = response.status();
        let bytes = response.bytes().await.with_context(|| format!("{method} {path}"))?;
        if !status.is_success() {
            bail!("{method} {path}: {status}: {}", String::from_utf8_lossy(&bytes));
        }
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&bytes).with_context(|| format!("{method} {path}: the answer is no JSON"))
    }
}

/// A text as part of a URL's query.
fn escape(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// The text at a JSON pointer; an error names what is missing.
pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> Result<&'a str> {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .with_context(|| format!("the answer has no text at {pointer}: {value}"))
}

/// The whole number at a JSON pointer.
pub(crate) fn number(value: &Value, pointer: &str) -> Result<u64> {
    value
        .pointer(pointer)
        .and_then(Value::as_u64)
        .with_context(|| format!("the answer has no number at {pointer}: {value}"))
}

/// A metric of a list of `{name, value, slice}` over all rows.
pub(crate) fn metric(metrics: &Value, name: &str) -> Option<f64> {
    metrics
        .as_array()?
        .iter()
        .find(|metric| {
            metric.get("name").and_then(Value::as_str) == Some(name)
                && metric.get("slice").is_none_or(Value::is_null)
        })?
        .get("value")?
        .as_f64()
}
