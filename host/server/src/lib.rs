//! HTTP: native REST, the Open Inference Protocol, metrics and the web console.
//!
//! [`app`] is the whole surface as one axum router; [`serve`] binds it and ends
//! it gracefully. Every handler is a few lines: it takes the caller, calls one
//! method of the lifecycle, and answers with the lifecycle's own types, from
//! which the OpenAPI description is generated. Nothing is decided here but
//! statuses ([`problem`]), roles ([`auth`]) and repeated requests
//! ([`idempotency`]).

mod api;
mod app;
mod auth;
mod idempotency;
mod inference;
mod metrics;
mod problem;
mod web;

pub use app::{Options, app, serve, serve_on};
pub use problem::{Problem, status};
