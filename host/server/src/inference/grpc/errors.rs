//! Failures over gRPC.

use std::any::Any;

use axum::{body::Body, response::Response};
use modelyard_lifecycle::{Code, Error};
use tonic::{Status, metadata::MetadataValue};

use crate::problem;

/// The metadata that names the failure's own code, which is finer than gRPC's.
pub(super) const CODE: &str = "modelyard-code";
/// When to try again, in seconds.
const RETRY_AFTER: &str = "retry-after";
/// The longest message, in bytes: a client takes about 8 KiB of metadata, where
/// a byte may become three.
const LONGEST: usize = 2048;

/// The status of a failure.
pub(super) fn status(error: &Error) -> Status {
    if error.code == Code::Internal {
        tracing::error!(%error, "a call failed by our own fault");
    }
    let mut status = Status::new(problem::grpc(error.code), cut(error.to_string()));
    let metadata = status.metadata_mut();
    if let Ok(name) = MetadataValue::try_from(problem::name(error.code)) {
        metadata.insert(CODE, name);
    }
    if let Some(seconds) = problem::retry_after(error) {
        metadata.insert(RETRY_AFTER, MetadataValue::from(seconds));
    }
    status
}

fn cut(mut message: String) -> String {
    if message.len() > LONGEST {
        message.truncate(message.floor_char_boundary(LONGEST));
        message.push('…');
    }
    message
}

/// The same as an answer without messages.
pub(super) fn response(error: &Error) -> Response {
    status(error).into_http()
}

/// A handler's panic, which has been printed already.
pub(super) fn panicked(_: Box<dyn Any + Send>) -> Response<Body> {
    response(&Error::internal("the call was broken off by a fault of the server"))
}

/// What tonic says itself of a call that doesn't come to us, in our words: it is
/// the caller's mistake, where tonic calls it an internal error.
pub(super) fn unread(status: Status, path: &str, most: usize) -> Status {
    let error = match status.code() {
        _ if status.metadata().contains_key(CODE) => return status,
        tonic::Code::OutOfRange | tonic::Code::ResourceExhausted => {
            let message = format!("the request is larger than {most} bytes, as sent or when decompressed");
            Error::new(Code::TooLarge, message)
        }
        tonic::Code::Internal => Error::invalid(format!("the request can't be read: {}", status.message())),
        tonic::Code::Unimplemented if status.message().is_empty() => {
            let message = format!(
                "{path} is not served; the calls of inference.GRPCInferenceService for health, metadata, \
                 inference, configuration, statistics and the repository are, and grpc.health.v1.Health"
            );
            Error::new(Code::Unsupported, message)
        }
        _ => return status,
    };
    self::status(&error)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_status_says_code_reason_and_when_to_try_again() {
        let mut error = Error::new(Code::Busy, "no place");
        error.retry_after = Some(Duration::from_millis(2500));
        error.details = vec!["of 4".into()];
        let told = status(&error);
        assert_eq!((told.code(), told.message()), (tonic::Code::Unavailable, "no place\n  of 4"));
        assert_eq!(told.metadata().get(CODE).unwrap(), "busy");
        assert_eq!(told.metadata().get(RETRY_AFTER).unwrap(), "2");
        let told = status(&Error::not_found("deployment", "x"));
        assert_eq!(told.code(), tonic::Code::NotFound);
        assert!(told.metadata().get(RETRY_AFTER).is_none());
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let told = status(&Error::invalid("ü".repeat(LONGEST)));
        assert!(told.message().ends_with("ü…") && told.message().len() <= LONGEST + 3);
        let header = response(&Error::invalid("ü".repeat(LONGEST))).headers()["grpc-message"].len();
        assert!(header < 7 * 1024, "{header}");
    }

    #[test]
    fn what_tonic_refuses_is_the_callers_mistake() {
        let code = |status: Status| unread(status, "/x/y", 5).code();
        assert_eq!(code(Status::internal("buffer underflow")), tonic::Code::InvalidArgument);
        assert_eq!(code(Status::out_of_range("6 bytes")), tonic::Code::ResourceExhausted);
        assert_eq!(code(Status::cancelled("gone")), tonic::Code::Cancelled);
        assert!(unread(Status::unimplemented(""), "/x/y", 5).message().contains("/x/y"));
        assert_eq!(unread(Status::unimplemented("br"), "/x/y", 5).message(), "br");
        // What is ours stays ours.
        assert_eq!(code(status(&Error::internal("own fault"))), tonic::Code::Internal);
    }
}
