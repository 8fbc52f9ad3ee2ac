use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Deserializer};
use url::Url;

use crate::Secret;

/// How notices leave the house.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Where people reach this server (`https://models.example.com`): links in mails lead there.
    /// Without it mails carry no links and can't be unsubscribed from by a click.
    pub public_url: Option<Url>,
    /// The mail server; without it email subscriptions collect failures.
    pub smtp: Option<Smtp>,
    /// How webhooks are called.
    pub webhooks: Webhooks,
    /// When a failed delivery is tried again.
    pub retry: Retry,
}

/// The mail server that takes our mails.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Smtp {
    /// Its name or address.
    pub host: String,
    /// Its port; by default 25, 587 or 465, by the kind of `tls`.
    pub port: Option<u16>,
    /// How the connection is encrypted; by default `starttls`.
    #[serde(default)]
    pub tls: Tls,
    /// A PEM file with further authorities that the server's certificate may come from.
    pub ca_file: Option<PathBuf>,
    /// Who logs in; none: nobody.
    pub username: Option<String>,
    /// The password of `username`.
    pub password: Option<Secret>,
    /// The sender: `Modelyard <alerts@example.com>`.
    pub from: String,
    /// How long one mail may take, in seconds.
    #[serde(rename = "timeout_seconds", default = "Smtp::default_timeout", deserialize_with = "seconds")]
    pub timeout: Duration,
}

impl Smtp {
    fn default_timeout() -> Duration {
        Duration::from_secs(20)
    }

    /// The port that is used.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.tls {
            Tls::None => 25,
            Tls::Starttls => 587,
            Tls::Tls => 465,
        })
    }
}

/// How the connection to the mail server is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// Not at all: for a server on this machine only.
    None,
    /// Begins in the clear and must switch to TLS before anything is said.
    #[default]
    Starttls,
    /// TLS from the first byte.
    Tls,
}

/// How webhooks are called.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Webhooks {
    /// Whether loopback, private, link-local and other non-public addresses may be called.
    pub allow_private: bool,
    /// How long one call may take, in seconds.
    #[serde(rename = "timeout_seconds", deserialize_with = "seconds")]
    pub timeout: Duration,
    /// How long an old secret still signs after a rotation, in seconds.
    #[serde(rename = "rotation_seconds", deserialize_with = "seconds")]
    pub rotation: Duration,
}

impl Default for Webhooks {
    fn default() -> Self {
        Self {
            allow_private: false,
            timeout: Duration::from_secs(15),
            rotation: Duration::from_secs(24 * 3600),
        }
    }
}

/// Attempt `n` that fails is followed by another after `first_delay × factor^(n-1)`,
/// at most `max_delay`, give or take a fifth; a receiver's `Retry-After` may make it longer.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retry {
    /// After this many attempts a delivery is a dead letter.
    pub max_attempts: u32,
    /// The pause after the first failure, in seconds.
    #[serde(rename = "first_delay_seconds", deserialize_with = "seconds")]
    pub first_delay: Duration,
    /// What the pause grows by.
    pub factor: u32,
    /// The longest pause, in seconds.
    #[serde(rename = "max_delay_seconds", deserialize_with = "seconds")]
    pub max_delay: Duration,
}

impl Default for Retry {
    /// Ten attempts over about fifteen hours.
    fn default() -> Self {
        Self {
            max_attempts: 10,
            first_delay: Duration::from_secs(5),
            factor: 4,
            max_delay: Duration::from_secs(6 * 3600),
        }
    }
}

/// Seconds, whole or not, as a duration.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let seconds = f64::deserialize(deserializer)?;
    Duration::try_from_secs_f64(seconds).map_err(|_| {
        serde::de::Error::custom(format_args!("{seconds} is not a number of seconds; write 0 or more"))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn settings_are_read_and_typing_errors_refused() {
        let options: Options = serde_json::from_value(serde_json::json!({
            "public_url": "https://models.example.com",
            "smtp": {"host": "mail.example.com", "from": "Modelyard <a@example.com>", "password": "hush",
                "timeout_seconds": 2.5},
            "webhooks": {"allow_private": true},
            "retry": {"max_attempts": 3},
        }))
        .unwrap();
        let smtp = options.smtp.as_ref().unwrap();
        assert_eq!((smtp.port(), smtp.tls), (587, Tls::Starttls));
        assert_eq!(smtp.timeout, Duration::from_millis(2500));
        assert_eq!(options.webhooks.timeout, Duration::from_secs(15));
        assert!(!format!("{options:?}").contains("hush"));
        for bad in [
            r#"{"webhook": {}}"#,
            r#"{"webhooks": {"timeout": 3}}"#,
            r#"{"webhooks": {"timeout_seconds": -1}}"#,
            r#"{"smtp": {"host": "h", "from": "a@b.c", "tls": "ssl"}}"#,
            r#"{"public_url": "not a url"}"#,
        ] {
            assert!(serde_json::from_str::<Options>(bad).is_err(), "{bad}");
        }
    }
}
