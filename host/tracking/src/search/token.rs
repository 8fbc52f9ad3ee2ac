//! Page tokens: opaque, and bound to the query they were given for.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::{Error, Result};

/// The offset's bytes, then the first bytes of the code over it and the query.
const OFFSET: usize = 8;
const CODE: usize = 16;

/// Makes and opens page tokens with the store's secret.
#[derive(Clone)]
pub struct Tokens {
    secret: [u8; 32],
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

impl Tokens {
    pub(crate) fn new(secret: [u8; 32]) -> Self {
        Self { secret }
    }

    /// A token for the page that starts at `offset` of the answer to `query`: the parts that make
    /// the query what it is (filter, order, ids), not the page's length.
    pub fn seal(&self, query: &[&str], offset: u64) -> String {
        let mut bytes = offset.to_be_bytes().to_vec();
        if let Some(mac) = self.mac(query, &bytes) {
            bytes.extend(mac.finalize().into_bytes().iter().take(CODE));
        }
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The offset in `token`, or 0 where there is no token.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the token was changed or belongs to another query.
    pub fn open(&self, query: &[&str], token: Option<&str>) -> Result<u64> {
        let Some(token) = token.filter(|token| !token.is_empty()) else { return Ok(0) };
        self.verified(query, token).ok_or_else(|| {
            Error::invalid(
                "Invalid page token: it was changed, or was given for another query. Pass the \
                 next_page_token of the page before, with the same filter, order and ids.",
            )
        })
    }

    fn verified(&self, query: &[&str], token: &str) -> Option<u64> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (offset, code) = bytes.split_at_checked(OFFSET)?;
        if code.len() != CODE {
            return None;
        }
        self.mac(query, offset)?.verify_truncated_left(code).ok()?;
        Some(u64::from_be_bytes(offset.try_into().ok()?))
    }

    /// The code over the offset and the query's parts, each with its length before it.
    fn mac(&self, query: &[&str], offset: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).ok()?;
        mac.update(offset);
        for part in query {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        Some(mac)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_opens_for_its_query_alone() {
        let tokens = Tokens::new([7; 32]);
        let token = tokens.seal(&["runs", "metrics.a > 1"], 2000);
        assert_eq!(tokens.open(&["runs", "metrics.a > 1"], Some(&token)).unwrap(), 2000);
        assert_eq!(tokens.open(&["runs"], None).unwrap(), 0);
        assert!(tokens.open(&["runs", "metrics.a > 2"], Some(&token)).is_err());
        assert!(tokens.open(&["runsmetrics.a > 1"], Some(&token)).is_err());
        assert!(Tokens::new([8; 32]).open(&["runs", "metrics.a > 1"], Some(&token)).is_err());
    }

    #[test]
    fn no_changed_token_opens() {
        let tokens = Tokens::new([7; 32]);
        let token = tokens.seal(&["q"], 1000);
        for at in 0..token.len() {
            for replacement in ["A", "b", "", "=", "é"] {
                let mut changed = token.clone();
                changed.replace_range(at..=at, replacement);
                if changed != token {
                    assert!(tokens.open(&["q"], Some(&changed)).is_err(), "{changed}");
                }
            }
        }
        assert!(tokens.open(&["q"], Some("eyJvZmZzZXQiOiAxMDB9")).is_err());
    }
}
