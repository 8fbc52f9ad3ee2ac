use std::{collections::BTreeMap, error::Error as _, time::Duration};

use chrono::{DateTime, Utc};
use reqwest::{
    Client, Response, StatusCode,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
};

use crate::{
    Error, Result, Secret,
    address::Guard,
    delivery::Outcome,
    message::{Message, one_line},
    mlflow,
    options::Webhooks,
    secret::sign,
};

/// How much of a receiver's complaint is kept, in bytes.
const COMPLAINT: usize = 2048;

/// Posts signed CloudEvents.
pub(crate) struct Sender {
    client: Client,
    guard: Guard,
    timeout: Duration,
}

impl Sender {
    pub(crate) fn new(options: &Webhooks, guard: Guard) -> Result<Self> {
        let client = guard.client(|builder| {
            builder
                .user_agent(concat!("Modelyard/", env!("CARGO_PKG_VERSION"), " (webhooks)"))
                .timeout(options.timeout)
                .pool_idle_timeout(Duration::from_secs(30))
        });
        let client = client.map_err(|error| Error::BadOption {
            setting: "webhooks",
            reason: format!("the HTTP client can't be made: {error}"),
        })?;
        Ok(Self { client, guard, timeout: options.timeout })
    }

    /// One attempt.
    pub(crate) async fn send<'a>(
        &self,
        message: &Message,
        url: &str,
        headers: &BTreeMap<String, String>,
        secrets: impl IntoIterator<Item = &'a Secret>,
    ) -> Outcome {
        let body = message.cloud_event().to_string();
        let headers = compose_headers(message, headers, secrets, &body);
        self.post(url, headers, body).await
    }

    /// One attempt, in MLflow's form.
    pub(crate) async fn send_mlflow(&self, message: &Message, url: &str, secret: Option<&Secret>) -> Outcome {
        let Some(body) = mlflow::body(message) else {
            let error = format!("MLflow has no word for {}", message.event.kind);
            return Outcome::Refused { status: None, error };
        };
        let headers = mlflow::headers(&message.id, Utc::now().timestamp(), &body, secret);
        self.post(url, headers, body).await
    }

    async fn post(&self, url: &str, headers: Result<HeaderMap>, body: String) -> Outcome {
        let refused = |error: String| Outcome::Refused { status: None, error };
        let url = match url.parse() {
            Ok(url) => url,
            Err(error) => return refused(format!("{url:?} is not a URL: {error}")),
        };
        if let Err(error) = self.guard.check_literal(&url) {
            return refused(error.to_string());
        }
        let headers = match headers {
            Ok(headers) => headers,
            Err(error) => return refused(error.to_string()),
        };
        match self.client.post(url).headers(headers).body(body).send().await {
            Ok(response) => judge(response).await,
            Err(error) => self.failure(&error),
        }
    }

    fn failure(&self, error: &reqwest::Error) -> Outcome {
        if error.is_timeout() {
            return Outcome::Failed {
                status: None,
                error: format!("no answer within {:?}", self.timeout),
                retry_after: None,
            };
        }
        // What went wrong is at the bottom of the chain: "connection refused", "certificate expired".
        let mut texts = Vec::new();
        let mut source = error.source();
        while let Some(cause) = source {
            if let Some(refused @ Error::PrivateAddress { .. }) = cause.downcast_ref::<Error>() {
                return Outcome::Refused { status: None, error: refused.to_string() };
            }
            texts.push(cause.to_string());
            source = cause.source();
        }
        let text = texts.last().cloned().unwrap_or_else(|| error.to_string());
        let what = if error.is_connect() { "can't be reached" } else { "broke off" };
        Outcome::Failed { status: None, error: one_line(&format!("{what}: {text}"), 500), retry_after: None }
    }
}

fn compose_headers<'a>(
    message: &Message,
    own: &BTreeMap<String, String>,
    secrets: impl IntoIterator<Item = &'a Secret>,
    body: &str,
) -> Result<HeaderMap> {
    // Receivers compare it with their own clock: real time, also when ours is simulated.
    let seconds = Utc::now().timestamp();
    let mut headers = HeaderMap::new();
    for (name, value) in own {
        let (Ok(parsed), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) else {
            return Err(Error::BadHeader { name: name.clone(), reason: "HTTP doesn't allow it".into() });
        };
        headers.insert(parsed, value);
    }
    let bad = |_| Error::BadHeader { name: "webhook-id".into(), reason: "HTTP doesn't allow it".into() };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/cloudevents+json; charset=utf-8"));
    headers.insert("webhook-id", HeaderValue::try_from(&message.id).map_err(bad)?);
    headers.insert("webhook-timestamp", HeaderValue::from(seconds));
    let signature = sign(secrets, &message.id, seconds, body)?;
    headers.insert("webhook-signature", HeaderValue::try_from(signature).map_err(bad)?);
    Ok(headers)
}

async fn judge(response: Response) -> Outcome {
    let status = response.status();
    let code = status.as_u16();
    if status.is_success() {
        return Outcome::Taken { status: Some(code) };
    }
    if status == StatusCode::GONE {
        return Outcome::Gone { status: code };
    }
    let retry_after = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| parse_retry_after(text, Utc::now()));
    let error = if status.is_redirection() {
        format!("answered {status}; redirects are not followed, subscribe the final address")
    } else {
        format!("answered {status}: {}", complaint(response).await)
    };
    Outcome::Failed { status: Some(code), error: one_line(&error, 500), retry_after }
}

/// The beginning of the response's body, however long it is.
async fn complaint(mut response: Response) -> String {
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        bytes.extend_from_slice(&chunk);
        if bytes.len() >= COMPLAINT {
            break;
        }
    }
    bytes.truncate(COMPLAINT);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Seconds or an HTTP date (RFC 9110, 10.2.3), as a pause from `now` on.
fn parse_retry_after(text: &str, now: DateTime<Utc>) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = DateTime::parse_from_rfc2822(text).ok()?;
    Some((date.with_timezone(&Utc) - now).to_std().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use super::*;
    use crate::{Event, Severity, address::Always};

    /// A name that led elsewhere when it was subscribed and leads to this machine when it is called.
    #[tokio::test]
    async fn a_name_that_resolves_to_this_machine_is_not_called() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let event =
            Event::new(Default::default(), "dev.modelyard.test", "monitoring", Severity::Info, "nothing");
        let message = Message {
            id: "msg_1".into(),
            first_id: "msg_1".into(),
            subscription_id: "sub_1".into(),
            subscription_name: "s".into(),
            first_at: event.at,
            last_at: event.at,
            event,
            count: 1,
            public_url: None,
        };
        let options = Webhooks { timeout: Duration::from_millis(500), ..Webhooks::default() };
        let url = format!("http://innocent.example:{port}/");
        let (headers, secrets) = (BTreeMap::new(), [Secret::generate()]);
        for allow_private in [false, true] {
            let guard = Guard::new(allow_private, Arc::new(Always(&["127.0.0.1"])));
            let sender = Sender::new(&options, guard).unwrap();
            let (outcome, called) = tokio::join!(
                sender.send(&message, &url, &headers, &secrets),
                tokio::time::timeout(Duration::from_millis(500), listener.accept()),
            );
            assert_eq!(called.is_ok(), allow_private, "the guard alone keeps it from being called");
            if !allow_private {
                let text = format!("{outcome:?}");
                assert!(matches!(outcome, Outcome::Refused { .. }) && text.contains("loopback"), "{text}");
            }
        }
    }

    #[test]
    fn retry_after_in_both_forms() {
        let now = DateTime::parse_from_rfc3339("2013-07-01T00:00:00Z").unwrap().with_timezone(&Utc);
        assert_eq!(parse_retry_after("120", now), Some(Duration::from_secs(120)));
        assert_eq!(parse_retry_after("Mon, 01 Jul 2013 00:05:00 GMT", now), Some(Duration::from_secs(300)));
        assert_eq!(parse_retry_after("Sun, 30 Jun 2013 00:05:00 GMT", now), Some(Duration::ZERO));
        for bad in ["", "soon", "-5", "1.5"] {
            assert_eq!(parse_retry_after(bad, now), None, "{bad}");
        }
    }
}
