//! What the failures of the lower crates mean to a caller.

use modelyard_runtime::{CallError, Error as RuntimeError, Fault};

use crate::{Code, Error};

impl From<modelyard_catalog::Error> for Error {
    fn from(error: modelyard_catalog::Error) -> Self {
        use modelyard_catalog::Error as E;
        let code = match &error {
            E::NotFound { .. } => Code::NotFound,
            E::Exists { .. } | E::Precondition { .. } => Code::Conflict,
            E::BadCursor { .. } | E::BadValue { .. } => Code::InvalidInput,
            E::Full { .. } => Code::Full,
            E::Conflict { .. } => Code::Busy,
            _ => Code::Internal,
        };
        let raced = matches!(error, E::Precondition { .. });
        Self { raced, ..Self::new(code, error.to_string()) }
    }
}

impl From<modelyard_tracking::Error> for Error {
    fn from(error: modelyard_tracking::Error) -> Self {
        use modelyard_tracking::Code as C;
        let code = match error.code() {
            C::InvalidParameterValue | C::BadRequest => Code::InvalidInput,
            C::ResourceDoesNotExist => Code::NotFound,
            C::ResourceAlreadyExists | C::InvalidState => Code::Conflict,
            C::NotImplemented => Code::Unsupported,
            C::InternalError => Code::Internal,
        };
        Self::new(code, error.to_string())
    }
}

impl From<modelyard_blobs::Error> for Error {
    fn from(error: modelyard_blobs::Error) -> Self {
        use modelyard_blobs::Error as E;
        let code = match &error {
            E::NotFound { .. } => Code::NotFound,
            E::Full { .. } => Code::Full,
            _ => Code::Internal,
        };
        Self::new(code, error.to_string())
    }
}

impl From<modelyard_tables::Error> for Error {
    fn from(error: modelyard_tables::Error) -> Self {
        use modelyard_tables::Error as E;
        let code = match &error {
            E::NoColumn { .. } | E::Type { .. } | E::Invalid(_) | E::Query(_) | E::NotReadOnly(_) => {
                Code::InvalidInput
            }
            E::Timeout(_) => Code::Deadline,
            E::Memory(_) => Code::TooLarge,
            E::NotFound(_) => Code::NotFound,
            E::Full(_) => Code::Full,
            _ => Code::Internal,
        };
        let message = error.to_string();
        let mut own = Self::new(code, message);
        match error {
            E::NoColumn { name, .. } => own.location.column = Some(name),
            E::Type { column, row, .. } => {
                own.location.column = Some(column);
                own.location.row = row;
            }
            _ => {}
        }
        own
    }
}

impl From<modelyard_notify::Error> for Error {
    fn from(error: modelyard_notify::Error) -> Self {
        use modelyard_notify::Error as E;
        let message = error.to_string();
        match error {
            E::Catalog(error) => (*error).into(),
            E::UnknownSubscription(_) | E::UnknownDelivery(_) | E::UnknownToken => {
                Self::new(Code::NotFound, message)
            }
            E::DuplicateName(_) | E::OtherChannel(_) | E::NotAWebhook(_) => Self::conflict(message),
            E::BadName { .. } => Self::field("name", message),
            E::BadEmail { .. } => Self::field("channel.address", message),
            E::BadUrl { .. } | E::PrivateAddress { .. } => Self::field("channel.url", message),
            E::BadHeader { .. } => Self::field("channel.headers", message),
            E::BadSecret(_) => Self::field("secret", message),
            E::UnknownStage(_) | E::BadPattern { .. } => Self::field("filter", message),
            E::UnknownEvent(_) => Self::field("channel.events", message),
            E::BadFoldWindow(_) => Self::field("fold_window_seconds", message),
            E::BadOption { .. } | E::Compose(_) => Self::invalid(message),
        }
    }
}

impl From<modelyard_scheduler::Error> for Error {
    fn from(error: modelyard_scheduler::Error) -> Self {
        use modelyard_scheduler::Error as E;
        let message = error.to_string();
        match error {
            E::Catalog(error) => error.into(),
            E::NotFound(_) => Self::new(Code::NotFound, message),
            E::Exists(_) | E::Clock(_) => Self::conflict(message),
            E::BadCron { .. } => Self::field("cron", message),
            E::UnknownTimezone { .. } => Self::field("timezone", message),
            _ => Self::invalid(message),
        }
    }
}

impl From<RuntimeError> for Error {
    fn from(error: RuntimeError) -> Self {
        use RuntimeError as E;
        let code = match &error {
            E::NotWasm { .. }
            | E::Invalid(_)
            | E::NoMetadata
            | E::Misfit(_)
            | E::Kind { .. }
            | E::Compile(_)
            | E::CompileTime(_)
            | E::CompileMemory(_)
            | E::Snapshot(_)
            | E::NotGranted(_) => Code::InvalidInput,
            E::TooLarge { .. } => Code::TooLarge,
            E::Cache { error, .. } if modelyard_blobs::is_full(error) => Code::Full,
            E::Busy { .. } => Code::Busy,
            E::Load(_) | E::Instantiate(_) => Code::PluginFailed,
            _ => Code::Internal,
        };
        let message = error.to_string();
        match error {
            E::Load(call) | E::Instantiate(call) => Self { message, ..call.into() },
            E::Busy { retry_after, .. } => {
                Self { retry_after: Some(retry_after), ..Self::new(code, message) }
            }
            E::Misfit(misfits) => {
                let details = misfits.iter().map(ToString::to_string).collect();
                Self { details, ..Self::new(code, message) }
            }
            _ => Self::new(code, message),
        }
    }
}

impl From<CallError> for Error {
    fn from(error: CallError) -> Self {
        let code = match &error.fault {
            Fault::InvalidInput(_) => Code::InvalidInput,
            Fault::Unavailable { .. } => Code::Unavailable,
            Fault::Unsupported(_) => Code::Unsupported,
            Fault::Cancelled => Code::Cancelled,
            Fault::Deadline(_) => Code::Deadline,
            Fault::Busy { .. } => Code::Busy,
            Fault::InputTooLarge(_) => Code::TooLarge,
            Fault::Host(_) => Code::Internal,
            _ => Code::PluginFailed,
        };
        let mut own = Self::new(code, error.fault.to_string());
        match error.fault {
            Fault::InvalidInput(input) => {
                own.location.field = input.parameter;
                own.location.column = input.column;
                own.location.row = input.row;
            }
            Fault::Unavailable { retry_after, .. } => own.retry_after = retry_after,
            Fault::Busy { retry_after } => own.retry_after = Some(retry_after),
            Fault::Panicked { backtrace, .. } | Fault::Trapped { backtrace, .. } => {
                own.details.extend(backtrace.lines().map(str::to_owned));
            }
            _ => {}
        }
        own.details.extend(error.log.lines.into_iter().map(|line| line.message));
        own
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_full_disk_is_told_from_our_own_fault() {
        let cache = |kind: io::ErrorKind| {
            let path = "compiled".into();
            Error::from(RuntimeError::Cache { path, error: kind.into() }).code
        };
        for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded, io::ErrorKind::FileTooLarge] {
            assert_eq!(cache(kind), Code::Full);
        }
        assert_eq!(cache(io::ErrorKind::PermissionDenied), Code::Internal);
    }

    #[test]
    fn what_a_plugin_measures_wrongly_is_its_own_fault() {
        let fault = Fault::BadOutput("the metric `auc` is NaN; numbers must be finite".to_owned());
        assert_eq!(Error::from(CallError::from(fault)).code, Code::PluginFailed);
    }
}
