//! What can go wrong, in MLflow's codes and words.

/// MLflow's error codes as its clients read them from `error_code`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// The request names or holds something that is not accepted.
    InvalidParameterValue,
    /// There is no such experiment, run, model, dataset or trace.
    ResourceDoesNotExist,
    /// The name is taken.
    ResourceAlreadyExists,
    /// What is asked does not fit what is stored.
    BadRequest,
    /// The state of the resource forbids it.
    InvalidState,
    /// MLflow knows the feature, this store does not.
    NotImplemented,
    /// The store itself failed.
    InternalError,
}

impl Code {
    /// The code as it stands on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidParameterValue => "INVALID_PARAMETER_VALUE",
            Self::ResourceDoesNotExist => "RESOURCE_DOES_NOT_EXIST",
            Self::ResourceAlreadyExists => "RESOURCE_ALREADY_EXISTS",
            Self::BadRequest => "BAD_REQUEST",
            Self::InvalidState => "INVALID_STATE",
            Self::NotImplemented => "NOT_IMPLEMENTED",
            Self::InternalError => "INTERNAL_ERROR",
        }
    }

    /// The HTTP status MLflow's server answers this code with.
    pub fn status(self) -> u16 {
        match self {
            Self::InvalidParameterValue
            | Self::ResourceAlreadyExists
            | Self::BadRequest
            | Self::InvalidState => 400,
            Self::ResourceDoesNotExist => 404,
            Self::NotImplemented => 501,
            Self::InternalError => 500,
        }
    }
}

/// Why the store refused or failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// A value in the request is not accepted.
    #[error("{0}")]
    Invalid(String),
    /// A filter or an order that can't be read; `position` counts bytes from its start.
    #[error("{message} at position {position}")]
    Syntax {
        /// What is wrong and what is accepted instead.
        message: String,
        /// The byte of the text at which reading stopped, from 0.
        position: usize,
    },
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// The name is taken.
    #[error("{0}")]
    Exists(String),
    /// The request does not fit what is stored.
    #[error("{0}")]
    BadRequest(String),
    /// The state of the resource forbids it.
    #[error("{0}")]
    InvalidState(String),
    /// The store failed: a full disk, a damaged file.
    #[error("{0}")]
    Internal(String),
}

impl Error {
    /// MLflow's code for the error.
    pub fn code(&self) -> Code {
        match self {
            Self::Invalid(_) | Self::Syntax { .. } => Code::InvalidParameterValue,
            Self::NotFound(_) => Code::ResourceDoesNotExist,
            Self::Exists(_) => Code::ResourceAlreadyExists,
            Self::BadRequest(_) => Code::BadRequest,
            Self::InvalidState(_) => Code::InvalidState,
            Self::Internal(_) => Code::InternalError,
        }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(message.into())
    }

    pub(crate) fn internal(message: impl std::fmt::Display) -> Self {
        Self::Internal(message.to_string())
    }
}

/// A result of the store.
pub type Result<T, E = Error> = std::result::Result<T, E>;
