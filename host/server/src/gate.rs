//! What a request passes before its handler, and its answer after it: the one
//! place for the order of these things, each of which is decided elsewhere.
//!
//! It is one layer, not one for each of them: a layer of axum costs every call
//! some allocations and a step of indirection.

use std::panic::AssertUnwindSafe;

use axum::{
    extract::{Request, State},
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::FutureExt;
use modelyard_lifecycle::{Error, Platform};

use crate::{
    auth::Auth,
    connections::{Options, Pace},
    idempotency, inference, mlflow,
    problem::Failure,
    trace,
};

/// What stands before every handler.
#[derive(Clone)]
pub(crate) struct Gate {
    platform: Platform,
    auth: Auth,
    pace: Pace,
}

impl Gate {
    pub(crate) fn new(platform: Platform, auth: Auth, clients: &Options) -> Self {
        Self { platform, auth, pace: Pace::from(clients) }
    }

    /// A span around it, the protocol's words for a failure, a body that comes
    /// in time.
    async fn through(self, request: Request, next: Next) -> Response {
        let words = Words::of(&request);
        let (request, pace) = self.pace.hold(request);
        let answer = AssertUnwindSafe(self.admitted(request, next)).catch_unwind().await;
        let response = pace.settle(answer.unwrap_or_else(|_| broken_off()));
        match words {
            _ if !is_failure(response.status()) => response,
            Words::Own => response,
            Words::Inference(errors) => Box::pin(errors.rewritten(response)).await,
            Words::Mlflow => Box::pin(mlflow::rewritten(response)).await,
        }
    }

    /// A caller who may, and what was not done before.
    async fn admitted(self, mut request: Request, next: Next) -> Response {
        match self.auth.admit(request.method(), request.uri().path(), request.headers()) {
            Ok(actor) => {
                request.extensions_mut().insert(actor);
                idempotency::repeat(self.platform, request, next).await
            }
            Err(error) => Failure(error).into_response(),
        }
    }
}

/// In whose words a failure is told.
enum Words {
    Own,
    Inference(inference::Errors),
    Mlflow,
}

impl Words {
    fn of(request: &Request) -> Self {
        match inference::Errors::wanted(request) {
            Some(errors) => Self::Inference(errors),
            None if mlflow::is_ours(request.uri().path()) => Self::Mlflow,
            None => Self::Own,
        }
    }
}

/// Lets a request through, or answers why not.
pub(crate) async fn pass(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    trace::traced(request, |request| gate.through(request, next)).await
}

/// Whether an answer is in a protocol's words for a failure.
fn is_failure(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

/// What panicked has said so in the log.
fn broken_off() -> Response {
    Failure(Error::internal("the request was broken off by a fault of the server")).into_response()
}
