use std::{borrow::Cow, fmt, time::Duration};

use serde::Serialize;

/// What kind of failure it is. The server's one table turns it into a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The caller's input is wrong.
    InvalidInput,
    /// No valid token.
    Unauthenticated,
    /// The token's role does not allow it.
    Forbidden,
    /// The thing named isn't there.
    NotFound,
    /// It exists already, or is in a state that doesn't allow this.
    Conflict,
    /// A policy denied it.
    Denied,
    /// More bytes than accepted.
    TooLarge,
    /// Understood and not done here.
    Unsupported,
    /// No room in a queue; later.
    Busy,
    /// A source or service doesn't answer; later.
    Unavailable,
    /// A plugin or model broke (panic, trap, memory, bad output).
    PluginFailed,
    /// A plugin or model took too long.
    Deadline,
    /// The disk is full.
    Full,
    /// Somebody asked to stop.
    Cancelled,
    /// Our own fault.
    Internal,
}

/// Where in the caller's input the fault stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Location {
    /// The field of the request, dotted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The column or tensor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The row, counted from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<u64>,
}

/// Why something could not be done.
#[derive(Clone, Debug)]
pub struct Error {
    /// What kind of failure.
    pub code: Code,
    /// What was wrong and what is accepted instead.
    pub message: String,
    /// Where it stands.
    pub location: Location,
    /// When to try again.
    pub retry_after: Option<Duration>,
    /// The reasons of a denial, or the log of a failed plugin.
    pub details: Vec<String>,
    /// Whether somebody else changed what was read before it was written; the
    /// same from the start may succeed.
    pub raced: bool,
}

/// What every operation of the lifecycle gives.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A failure of one kind with its message.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            location: Location::default(),
            retry_after: None,
            details: vec![],
            raced: false,
        }
    }

    /// A wrong field of a request.
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        let mut error = Self::new(Code::InvalidInput, message);
        error.location.field = Some(field.into());
        error
    }

    /// Wrong input.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidInput, message)
    }

    /// `what` named `name` isn't there.
    pub fn not_found(what: &str, name: impl fmt::Display) -> Self {
        Self::new(Code::NotFound, format!("no {what} is named {name:?}", name = name.to_string()))
    }

    /// It exists, or its state doesn't allow this.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(Code::Conflict, message)
    }

    /// Our own fault.
    pub fn internal(message: impl fmt::Display) -> Self {
        Self::new(Code::Internal, message.to_string())
    }

    /// Says what was being done when it happened.
    #[must_use]
    pub fn during(mut self, what: impl Into<Cow<'static, str>>) -> Self {
        self.message = format!("{}: {}", what.into(), self.message);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        for detail in &self.details {
            write!(f, "\n  {detail}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

impl From<modelyard_clock::Error> for Error {
    fn from(error: modelyard_clock::Error) -> Self {
        Self::new(Code::Conflict, error.to_string())
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::invalid(error.to_string())
    }
}

impl From<tokio::task::JoinError> for Error {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::internal(format!("a task ended early: {error}"))
    }
}
