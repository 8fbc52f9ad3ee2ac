//! HTTP: native REST, the Open Inference Protocol, metrics and the web console;
//! and the Open Inference Protocol over gRPC.
//!
//! [`app`] is the whole surface over HTTP as one axum router; [`serve`] binds it,
//! and gRPC beside it, and ends both gracefully. Every request passes the
//! [`gate`]. Every handler is a few lines: it takes the caller, calls one method
//! of the lifecycle, and answers with the lifecycle's own types, from which the
//! OpenAPI description is generated. Nothing is decided here but statuses
//! ([`problem`]), roles ([`auth`]), repeated requests ([`idempotency`]), and how
//! long clients may take ([`connections`]).

mod api;
mod app;
mod auth;
pub mod connections;
mod functions;
mod gate;
mod idempotency;
mod inference;
mod metrics;
mod mlflow;
mod problem;
mod trace;
mod web;

pub use app::{Listeners, Options, app, serve, serve_on};
pub use problem::{Problem, status};
