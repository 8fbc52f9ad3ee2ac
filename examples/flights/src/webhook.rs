//! A webhook receiver that checks what it gets by the Standard Webhooks
//! specification: the signature is HMAC-SHA256 over `id.timestamp.body`.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use serde_json::Value;
use sha2::Sha256;

/// A delivery whose signature was right.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) id: String,
    pub(crate) timestamp: String,
    pub(crate) signature: String,
    pub(crate) event: Value,
}

#[derive(Debug, Default)]
struct Taken {
    secret: Option<Vec<u8>>,
    deliveries: Vec<Delivery>,
    refused: usize,
}

/// The receiver.
#[derive(Clone, Debug)]
pub(crate) struct Hook {
    url: String,
    taken: Arc<Mutex<Taken>>,
}

impl Hook {
    /// Listens on a free port of this machine.
    pub(crate) async fn start() -> Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .context("the webhook receiver can't listen")?;
        let url = format!("http://{}/alerts", listener.local_addr()?);
        let taken: Arc<Mutex<Taken>> = Arc::default();
        let router = Router::new().route("/alerts", post(take)).with_state(taken.clone());
        tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                eprintln!("the webhook receiver ended: {error}");
            }
        });
        Ok(Self { url, taken })
    }

    /// Where deliveries go.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Sets the secret that the subscription came with: `whsec_…`.
    pub(crate) fn trust(&self, secret: &str) -> Result<()> {
        let Some(encoded) = secret.strip_prefix("whsec_") else {
            bail!("a webhook's secret begins with whsec_");
        };
        let key = STANDARD.decode(encoded).context("the webhook's secret is no base64")?;
        self.lock().secret = Some(key);
        Ok(())
    }

    /// What came with the right signature.
    pub(crate) fn deliveries(&self) -> Vec<Delivery> {
        self.lock().deliveries.clone()
    }

    /// How many did.
    pub(crate) fn count(&self) -> usize {
        self.lock().deliveries.len()
    }

    /// How many came with a wrong signature.
    pub(crate) fn refused(&self) -> usize {
        self.lock().refused
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn take(State(taken): State<Arc<Mutex<Taken>>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
    let delivery = taken.secret.as_deref().and_then(|secret| check(secret, &headers, &body));
    match delivery {
        Some(delivery) => {
            // A delivery may come twice; its id says so.
            if taken.deliveries.iter().all(|known| known.id != delivery.id) {
                taken.deliveries.push(delivery);
            }
            StatusCode::NO_CONTENT
        }
        None => {
            taken.refused += 1;
            StatusCode::UNAUTHORIZED
        }
    }
}

/// The delivery, if one of its signatures is right.
fn check(secret: &[u8], headers: &HeaderMap, body: &[u8]) -> Option<Delivery> {
    let header = |name: &str| headers.get(name)?.to_str().ok();
    let (id, timestamp) = (header("webhook-id")?, header("webhook-timestamp")?);
    let signatures = header("webhook-signature")?;
    let right =
        signatures.split(' ').filter_map(|signature| signature.strip_prefix("v1,")).any(|signature| {
            let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else { return false };
            mac.update(format!("{id}.{timestamp}.").as_bytes());
            mac.update(body);
            STANDARD.decode(signature).is_ok_and(|signature| mac.verify_slice(&signature).is_ok())
        });
    if !right {
        return None;
    }
    Some(Delivery {
        id: id.to_owned(),
        timestamp: timestamp.to_owned(),
        signature: signatures.to_owned(),
        event: serde_json::from_slice(body).ok()?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The example of the Standard Webhooks specification's reference libraries.
    #[test]
    fn only_the_right_signature_is_taken() {
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek".parse().unwrap());
        headers.insert("webhook-timestamp", "1614265330".parse().unwrap());
        let signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        headers.insert("webhook-signature", signature.parse().unwrap());
        let body = br#"{"test": 2432232314}"#;
        assert_eq!(check(&secret, &headers, body).unwrap().id, "msg_p5jXN8AQM9LWM0D4loKWxJek");
        assert!(check(&secret, &headers, br#"{"test": 2432232315}"#).is_none());
        assert!(check(b"another secret", &headers, body).is_none());
        headers.remove("webhook-id");
        assert!(check(&secret, &headers, body).is_none());
    }
}
