//! The Open Inference Protocol over gRPC, and gRPC's health checks.
//!
//! * [`gate`] stands before every call: who may make it, how long it may take,
//!   and what is said of one that can't be read.
//! * [`service`] has the calls; [`messages`] and [`describe`] are between their
//!   messages and what is said over HTTP as well.
//! * [`errors`] turns failures into statuses.

mod describe;
mod errors;
mod gate;
mod health;
pub(super) mod messages;
mod service;

// Written by scripts/proto from the files of proto/.
#[rustfmt::skip]
#[allow(clippy::all, unreachable_pub, dead_code)]
#[path = "generated/inference.rs"]
pub(super) mod proto;
#[rustfmt::skip]
#[allow(clippy::all, unreachable_pub, dead_code)]
#[path = "generated/grpc.health.v1.rs"]
mod health_proto;

use axum::{Router, middleware};
use modelyard_lifecycle::Platform;
use tokio::sync::watch;
use tonic::{codec::CompressionEncoding, service::Routes};
use tower_http::catch_panic::CatchPanicLayer;

use self::{
    health_proto::health_server::HealthServer,
    proto::grpc_inference_service_server::GrpcInferenceServiceServer, service::Service,
};
use crate::auth::Auth;

/// The services, taking messages of at most `most` bytes, before and after
/// decompression. Streams end when `stop` says so.
pub(crate) fn routes(platform: Platform, auth: Auth, most: usize, stop: watch::Receiver<bool>) -> Router {
    let service = Service::new(platform, most, stop);
    let mut health = HealthServer::new(service.clone()).max_decoding_message_size(most);
    let mut inference = GrpcInferenceServiceServer::new(service).max_decoding_message_size(most);
    for encoding in [CompressionEncoding::Gzip, CompressionEncoding::Deflate] {
        health = health.accept_compressed(encoding).send_compressed(encoding);
        inference = inference.accept_compressed(encoding).send_compressed(encoding);
    }
    around(Routes::new(inference).add_service(health).into_axum_router(), auth, most)
}

/// What stands before every call.
fn around(routes: Router, auth: Auth, most: usize) -> Router {
    routes
        .layer(CatchPanicLayer::custom(errors::panicked))
        .layer(middleware::from_fn_with_state(gate::Gate { auth, most }, gate::pass))
}

#[cfg(test)]
mod tests;
