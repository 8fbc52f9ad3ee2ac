use crate::{MLFLOW_EVENTS, event::STAGES};

/// What can go wrong with subscriptions and deliveries.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A subscription's name is empty, too long or has control characters.
    #[error(
        "the name {name:?} can't be used: {reason}; a name has 1 to 100 characters and no control characters"
    )]
    BadName { name: String, reason: &'static str },
    /// Another subscription has the name.
    #[error("a subscription named {0:?} exists already; choose another name or update that one")]
    DuplicateName(String),
    /// An address that no mail can be sent to.
    #[error("{address:?} is not an email address: {reason}; write it like ops@example.com")]
    BadEmail { address: String, reason: String },
    /// A webhook address that is no usable URL.
    #[error("{url:?} is not a webhook address: {reason}; write it like https://example.com/hooks/modelyard")]
    BadUrl { url: String, reason: String },
    /// A webhook that leads into a private network.
    #[error(
        "the webhook {host:?} leads to {address} ({kind}), which is refused; set webhooks.allow_private in the \
         configuration if this server may call private addresses"
    )]
    PrivateAddress { host: String, address: String, kind: &'static str },
    /// A header that a webhook may not carry.
    #[error("the webhook header {name:?} can't be used: {reason}")]
    BadHeader { name: String, reason: String },
    /// A signing secret of a wrong form.
    #[error(
        "the webhook secret can't be used: {0}; write whsec_ followed by 24 to 64 bytes in base64, or leave it out"
    )]
    BadSecret(&'static str),
    /// A stage that isn't one of the twelve.
    #[error("{0:?} is not a stage; the stages are {list}", list = STAGES.join(", "))]
    UnknownStage(String),
    /// An event that MLflow's webhooks don't know.
    #[error("{0:?} is not an event of MLflow's webhooks; they are {list}", list = MLFLOW_EVENTS.join(", "))]
    UnknownEvent(String),
    /// A pattern for models or kinds that can't be used.
    #[error("the pattern {pattern:?} can't be used: {reason}; * stands for any text and ? for one character")]
    BadPattern { pattern: String, reason: &'static str },
    /// A subscription can't change between mail and webhook.
    #[error("the subscription {0} can't change between email and webhook; make another one and delete this")]
    OtherChannel(String),
    /// A fold window that is too long.
    #[error("a fold window of {0} seconds can't be used; write 0 (every event is sent) to 31622400 (a year)")]
    BadFoldWindow(u64),
    /// Signing secrets belong to webhooks only.
    #[error("the subscription {0} sends email; only webhooks have a signing secret")]
    NotAWebhook(String),
    /// No subscription has the id.
    #[error("there is no subscription {0:?}")]
    UnknownSubscription(String),
    /// No delivery has the id.
    #[error("there is no delivery {0:?}")]
    UnknownDelivery(String),
    /// No subscription has the unsubscribe token.
    #[error("the unsubscribe link is not valid: its subscription has been deleted or the link is incomplete")]
    UnknownToken,
    /// A setting that doesn't work.
    #[error("the setting {setting} can't be used: {reason}")]
    BadOption { setting: &'static str, reason: String },
    /// An email can't be composed.
    #[error("the email can't be written: {0}")]
    Compose(String),
    /// The catalogue failed.
    #[error(transparent)]
    Catalog(Box<modelyard_catalog::Error>),
}

impl From<modelyard_catalog::Error> for Error {
    fn from(error: modelyard_catalog::Error) -> Self {
        Self::Catalog(Box::new(error))
    }
}

/// Shorthand for this crate's results.
pub type Result<T, E = Error> = std::result::Result<T, E>;
