use std::{collections::BTreeMap, time::Duration};

use lettre::Address;
use modelyard_catalog::{Index, Record};
use modelyard_clock::Timestamp;
use reqwest::header::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Error, Event, Filter, MLFLOW_EVENTS, Result, Secret, address::Guard, mlflow};

/// How long repeats are counted instead of sent unless a subscription says otherwise, in seconds.
pub const DEFAULT_FOLD_WINDOW_SECONDS: u64 = 24 * 3600;

/// What stands for a header's value where subscriptions are shown; sent back in a
/// [`Change`] it keeps the value.
pub const REDACTED: &str = "***";

/// How a subscriber is told.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub enum Channel {
    /// By mail.
    Email {
        /// The recipient: `ops@example.com`.
        address: String,
    },
    /// By a signed CloudEvent.
    Webhook {
        /// Where it is posted to; http or https.
        url: String,
        /// Further headers of the request, such as `authorization`. Values are shown as [`REDACTED`].
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        headers: BTreeMap<String, String>,
    },
    /// By an event of the model registry as MLflow sends it.
    Mlflow {
        /// What it is called there; need not be unique.
        name: String,
        /// What it is for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<String>,
        /// Where it is posted to; http or https.
        url: String,
        /// Names from [`MLFLOW_EVENTS`](crate::MLFLOW_EVENTS).
        events: Vec<String>,
    },
}

impl Channel {
    /// Whether it has a word for an event, and was asked for it.
    pub(crate) fn takes(&self, event: &Event) -> bool {
        match self {
            Self::Email { .. } | Self::Webhook { .. } => true,
            Self::Mlflow { events, .. } => {
                mlflow::translated(event).is_some_and(|(name, _)| events.contains(&name))
            }
        }
    }
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Email { address } => f.debug_struct("Email").field("address", address).finish(),
            Self::Webhook { url, headers } => f
                .debug_struct("Webhook")
                .field("url", url)
                .field("headers", &headers.keys().collect::<Vec<_>>())
                .finish(),
            Self::Mlflow { name, url, events, .. } => f
                .debug_struct("Mlflow")
                .field("name", name)
                .field("url", url)
                .field("events", events)
                .finish(),
        }
    }
}

/// Who wants to be told of what. Holds nothing secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Subscription {
    /// Unique.
    pub id: String,
    /// Unique, for people.
    pub name: String,
    /// How the subscriber is told.
    pub channel: Channel,
    /// Of what.
    pub filter: Filter,
    /// How long repeats are counted instead of sent, in seconds; 0: every event is sent.
    pub fold_window_seconds: u64,
    /// Whether anything is sent.
    pub enabled: bool,
    /// Why it was disabled by the platform or the recipient.
    pub disabled_reason: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: String,
}

impl Subscription {
    pub(crate) fn fold_window(&self) -> Duration {
        Duration::from_secs(self.fold_window_seconds)
    }
}

/// What is asked for when a subscription is made.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSubscription {
    /// Unique, for people; 1 to 100 characters.
    pub name: String,
    /// How the subscriber is told.
    pub channel: Channel,
    /// Of what; everything if left out.
    #[serde(default)]
    pub filter: Filter,
    /// How long repeats are counted instead of sent, in seconds; a day if left out.
    #[serde(default)]
    pub fold_window_seconds: Option<u64>,
    /// Whether it begins at once; yes if left out.
    #[serde(default)]
    pub enabled: Option<bool>,
    /// A webhook's signing secret (`whsec_…`); one is made if left out.
    #[serde(default, skip_serializing)]
    pub secret: Option<Secret>,
}

impl NewSubscription {
    /// A subscription to everything, by mail.
    pub fn email(name: impl Into<String>, address: impl Into<String>) -> Self {
        Self::new(name, Channel::Email { address: address.into() })
    }

    /// A subscription to everything, by webhook.
    pub fn webhook(name: impl Into<String>, url: impl Into<String>) -> Self {
        Self::new(name, Channel::Webhook { url: url.into(), headers: BTreeMap::new() })
    }

    fn new(name: impl Into<String>, channel: Channel) -> Self {
        Self {
            name: name.into(),
            channel,
            filter: Filter::default(),
            fold_window_seconds: None,
            enabled: None,
            secret: None,
        }
    }
}

/// What is to be different about a subscription; what is left out stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Change {
    /// Another name.
    pub name: Option<String>,
    /// Another channel.
    pub channel: Option<Channel>,
    /// Another filter.
    pub filter: Option<Filter>,
    /// Another fold window, in seconds.
    pub fold_window_seconds: Option<u64>,
    /// On or off.
    pub enabled: Option<bool>,
}

/// A subscription as it was just made. The secret is shown here and never again.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Created {
    /// The subscription.
    pub subscription: Subscription,
    /// A webhook's signing secret, to be kept by the receiver.
    pub secret: Option<Secret>,
    /// What will stand in the way of deliveries, such as a missing mail server.
    pub warnings: Vec<String>,
}

/// A subscription as it is kept, with what is secret about it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Stored {
    pub(crate) subscription: Subscription,
    /// The newest first; an older one signs until its time.
    pub(crate) secrets: Vec<SigningSecret>,
    pub(crate) unsubscribe_token: Secret,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SigningSecret {
    pub(crate) secret: Secret,
    pub(crate) until: Option<Timestamp>,
}

impl Record for Stored {
    const TABLE: &'static str = "notify_subscription";
    const INDEXES: &'static [Index] =
        &[Index::unique(&["subscription.name"]), Index::on(&["unsubscribe_token"])];

    fn id(&self) -> String {
        self.subscription.id.clone()
    }
}

impl Stored {
    /// The form that may be shown.
    pub(crate) fn shown(&self) -> Subscription {
        let mut subscription = self.subscription.clone();
        if let Channel::Webhook { headers, .. } = &mut subscription.channel {
            headers.values_mut().for_each(|value| *value = REDACTED.to_owned());
        }
        subscription
    }

    /// The secrets that sign at `now`.
    pub(crate) fn signing(&self, now: Timestamp) -> impl Iterator<Item = &Secret> {
        self.secrets
            .iter()
            .filter(move |signing| signing.until.is_none_or(|until| now < until))
            .map(|signing| &signing.secret)
    }

    /// Puts `secret` in the place of the others, which sign on until `until`.
    pub(crate) fn rotate(&mut self, secret: Secret, now: Timestamp, until: Timestamp) {
        self.secrets.retain(|signing| signing.until.is_none_or(|until| now < until));
        for signing in &mut self.secrets {
            signing.until = Some(signing.until.unwrap_or(until));
        }
        self.secrets.insert(0, SigningSecret { secret, until: None });
        self.secrets.truncate(3);
    }
}

/// A name fit for people, lists and mails.
pub(crate) fn check_name(name: &str) -> Result<String> {
    let trimmed = name.trim();
    let bad = |reason| Err(Error::BadName { name: name.chars().take(120).collect(), reason });
    if trimmed.is_empty() {
        return bad("it is empty");
    }
    if trimmed.chars().count() > 100 {
        return bad("it is longer than 100 characters");
    }
    if trimmed.chars().any(char::is_control) {
        return bad("it has control characters");
    }
    Ok(trimmed.to_owned())
}

/// An address that mail can be sent to: one mailbox, no name, no list.
pub(crate) fn check_email(text: &str) -> Result<Address> {
    let bad = |reason: &str| {
        Err(Error::BadEmail { address: text.chars().take(120).collect(), reason: reason.to_owned() })
    };
    if text.len() > 254 {
        return bad("it is longer than 254 bytes");
    }
    if text.chars().any(|character| character.is_control() || character.is_whitespace()) {
        return bad("it has spaces or control characters");
    }
    if text.contains([',', ';', '<', '>', '"', '(', ')']) {
        return bad("it is not one plain address");
    }
    match text.parse::<Address>() {
        Ok(address) => Ok(address),
        Err(error) => bad(&error.to_string()),
    }
}

/// The channel with its address checked and normalised; hidden header values are taken from `before`.
pub(crate) async fn check_channel(
    channel: Channel,
    before: Option<&Channel>,
    guard: &Guard,
) -> Result<Channel> {
    match channel {
        Channel::Email { address } => Ok(Channel::Email { address: check_email(&address)?.to_string() }),
        Channel::Webhook { url, headers } => {
            let url = guard.check(&url).await?.to_string();
            // A kept value must not travel to another host than the one it was meant for.
            let kept = match before {
                Some(Channel::Webhook { url: old, headers }) if same_origin(old, &url) => Some(headers),
                _ => None,
            };
            let headers = headers
                .into_iter()
                .map(|(name, value)| check_header(&name, value, kept))
                .collect::<Result<_>>()?;
            Ok(Channel::Webhook { url, headers })
        }
        Channel::Mlflow { name, description, url, events } => {
            if let Some(unknown) = events.iter().find(|event| !MLFLOW_EVENTS.contains(&event.as_str())) {
                return Err(Error::UnknownEvent(unknown.clone()));
            }
            if events.is_empty() {
                return Err(Error::UnknownEvent(String::new()));
            }
            Ok(Channel::Mlflow {
                name: check_name(&name)?,
                description,
                url: guard.check(&url).await?.to_string(),
                events,
            })
        }
    }
}

fn same_origin(a: &str, b: &str) -> bool {
    match (url::Url::parse(a), url::Url::parse(b)) {
        (Ok(a), Ok(b)) => a.origin() == b.origin(),
        _ => false,
    }
}

fn check_header(
    name: &str,
    value: String,
    kept: Option<&BTreeMap<String, String>>,
) -> Result<(String, String)> {
    let bad = |reason: &str| {
        Err(Error::BadHeader { name: name.chars().take(120).collect(), reason: reason.to_owned() })
    };
    let Ok(parsed) = HeaderName::from_bytes(name.as_bytes()) else {
        return bad("it is not an HTTP header's name");
    };
    let name_lower = parsed.as_str().to_owned();
    let reserved =
        ["host", "content-type", "content-length", "transfer-encoding", "connection", "te", "upgrade"];
    if reserved.contains(&name_lower.as_str()) || name_lower.starts_with("webhook-") {
        return bad("the platform sets it itself");
    }
    if value == REDACTED {
        return match kept.and_then(|kept| kept.get(&name_lower)) {
            Some(value) => Ok((name_lower, value.clone())),
            None => bad("its value is hidden and there is none to keep; write the value"),
        };
    }
    if value.len() > 4096 || HeaderValue::from_str(&value).is_err() {
        return bad("its value has characters that HTTP doesn't allow, or more than 4096 bytes");
    }
    Ok((name_lower, value))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use std::sync::Arc;

    use super::*;
    use crate::address::SystemLookup;

    #[test]
    fn email_addresses() {
        for good in ["ops@example.com", "a.b+c@mail.example.org", "ops@localhost", "jörg@example.com"] {
            assert!(check_email(good).is_ok(), "{good}");
        }
        let long = format!("{}@example.com", "a".repeat(250));
        for bad in [
            "",
            "ops",
            "ops@",
            "@example.com",
            "ops@@example.com",
            "ops @example.com",
            "Ops <ops@example.com>",
            "ops@example.com, eve@example.com",
            "ops@example.com\r\nBcc: eve@example.com",
            "ops@exa\nmple.com",
            "ops@example.com>",
            "ops@-example-.com",
            &long,
        ] {
            let error = check_email(bad).unwrap_err();
            assert!(matches!(error, Error::BadEmail { .. }), "{bad}");
            assert!(error.to_string().contains("ops@example.com"), "{error}");
        }
    }

    #[test]
    fn names() {
        assert_eq!(check_name("  night shift ").unwrap(), "night shift");
        for bad in ["", "  ", "a\nb", &"x".repeat(101)] {
            assert!(matches!(check_name(bad), Err(Error::BadName { .. })), "{bad:?}");
        }
    }

    fn hook(url: &str, name: &str, value: &str) -> Channel {
        Channel::Webhook { url: url.into(), headers: [(name.into(), value.into())].into() }
    }

    #[tokio::test]
    async fn headers_are_checked_hidden_and_kept() {
        let guard = Guard::new(true, Arc::new(SystemLookup));
        for (name, value) in [
            ("bad name", "x"),
            ("Host", "x"),
            ("Content-Type", "x"),
            ("webhook-signature", "x"),
            ("x-a", "a\r\nb: c"),
            ("x-a", REDACTED),
        ] {
            let result = check_channel(hook("http://h.example/", name, value), None, &guard).await;
            assert!(matches!(result, Err(Error::BadHeader { .. })), "{name}: {value}");
        }
        let before = hook("http://h.example/", "authorization", "Bearer token");
        let kept =
            check_channel(hook("http://h.example/new", "Authorization", REDACTED), Some(&before), &guard);
        let Channel::Webhook { headers, .. } = kept.await.unwrap() else { panic!() };
        assert_eq!(headers["authorization"], "Bearer token");
        let moved = hook("http://evil.example/", "authorization", REDACTED);
        assert!(check_channel(moved, Some(&before), &guard).await.is_err());
        assert!(!format!("{before:?}").contains("token"));
    }

    #[test]
    fn an_old_secret_signs_until_its_time() {
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        let first = Secret::generate();
        let mut stored = Stored {
            subscription: Subscription {
                id: "sub_1".into(),
                name: "n".into(),
                channel: hook("http://h.example/", "a", "b"),
                filter: Filter::default(),
                fold_window_seconds: 0,
                enabled: true,
                disabled_reason: None,
                created_at: at(0),
                created_by: "me".into(),
            },
            secrets: vec![SigningSecret { secret: first.clone(), until: None }],
            unsubscribe_token: Secret::token(),
        };
        let second = Secret::generate();
        stored.rotate(second.clone(), at(0), at(100));
        assert_eq!(stored.signing(at(99)).collect::<Vec<_>>(), [&second, &first]);
        assert_eq!(stored.signing(at(100)).collect::<Vec<_>>(), [&second]);
        let Channel::Webhook { headers, .. } = stored.shown().channel else { panic!() };
        assert_eq!(headers["a"], REDACTED);
    }
}
