use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::{Error, Result};

/// A text that doesn't show itself in logs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself: for the one place that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// A new signing secret: `whsec_` and 32 random bytes in base64.
    pub(crate) fn generate() -> Self {
        Self(format!("whsec_{}", STANDARD.encode(rand::random::<[u8; 32]>())))
    }

    /// A new token for a link: 32 random bytes in hexadecimal.
    pub(crate) fn token() -> Self {
        Self(hex::encode(rand::random::<[u8; 32]>()))
    }

    /// The HMAC key of a `whsec_…` secret.
    pub(crate) fn key(&self) -> Result<Vec<u8>> {
        let encoded =
            self.0.strip_prefix("whsec_").ok_or(Error::BadSecret("it doesn't begin with whsec_"))?;
        let key =
            STANDARD.decode(encoded).map_err(|_| Error::BadSecret("what follows whsec_ is not base64"))?;
        match key.len() {
            0..24 => Err(Error::BadSecret("it has fewer than 24 bytes")),
            24..=64 => Ok(key),
            _ => Err(Error::BadSecret("it has more than 64 bytes")),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// The `webhook-signature` header of Standard Webhooks: one `v1,<base64 HMAC-SHA256>`
/// for each secret, so that a receiver can change over from an old one.
pub(crate) fn sign<'a>(
    secrets: impl IntoIterator<Item = &'a Secret>,
    id: &str,
    seconds: i64,
    body: &str,
) -> Result<String> {
    let mut signatures = Vec::new();
    for secret in secrets {
        let mut mac = Hmac::<Sha256>::new_from_slice(&secret.key()?)
            .map_err(|_| Error::BadSecret("it can't be used as a key"))?;
        mac.update(format!("{id}.{seconds}.{body}").as_bytes());
        signatures.push(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())));
    }
    Ok(signatures.join(" "))
}

/// 32 hexadecimal characters that stand for the parts together.
pub(crate) fn digest(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        // The length keeps ("ab", "c") and ("a", "bc") apart.
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The example of the Standard Webhooks specification's reference libraries.
    #[test]
    fn the_signature_is_that_of_the_specification() {
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let signature =
            sign([&secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#)
                .unwrap();
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn secrets_are_generated_whole_and_never_shown_by_debug() {
        let secret = Secret::generate();
        assert_eq!(secret.key().unwrap().len(), 32);
        assert_ne!(secret, Secret::generate());
        assert!(!format!("{secret:?}").contains("whsec"));
    }

    #[test]
    fn bad_secrets_are_refused() {
        for bad in ["", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_%%%", "whsec_c2hvcnQ="] {
            assert!(matches!(Secret::new(bad).key(), Err(Error::BadSecret(_))), "{bad}");
        }
        let long = format!("whsec_{}", STANDARD.encode([7; 65]));
        assert!(matches!(Secret::new(long).key(), Err(Error::BadSecret(_))));
    }

    #[test]
    fn digests_keep_parts_apart() {
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
        assert_eq!(digest(&["a"]).len(), 32);
    }
}
