//! gRPC's health checks: of the server, and of the services by their names.

use std::time::Duration;

use futures::{StreamExt, stream, stream::BoxStream};
use modelyard_lifecycle::Error;
use tonic::{Request, Response, Status, server::NamedService};

use super::{
    errors,
    health_proto::{
        HealthCheckRequest, HealthCheckResponse,
        health_check_response::ServingStatus,
        health_server::{Health, HealthServer},
    },
    proto::grpc_inference_service_server::GrpcInferenceServiceServer,
    service::Service,
};

/// How often a watched status is looked at.
const LOOK: Duration = Duration::from_secs(1);
const KNOWN: [&str; 3] = ["", GrpcInferenceServiceServer::<Service>::NAME, HealthServer::<Service>::NAME];

impl Service {
    async fn serving(&self, service: &str) -> ServingStatus {
        if !KNOWN.contains(&service) {
            return ServingStatus::ServiceUnknown;
        }
        if !*self.stop.borrow() && self.is_ready().await {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        }
    }
}

/// What is still to be told to somebody who watches.
struct Watch {
    of: Service,
    service: String,
    told: Option<ServingStatus>,
}

impl Watch {
    /// The next status that differs; none when the server ends.
    async fn next(mut self) -> Option<(Result<HealthCheckResponse, Status>, Self)> {
        loop {
            let stopping = *self.of.stop.borrow();
            let status = self.of.serving(&self.service).await;
            if self.told.replace(status) != Some(status) {
                return Some((Ok(HealthCheckResponse { status: status.into() }), self));
            }
            if stopping {
                return None;
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                _ = self.of.stop.wait_for(|stop| *stop) => {}
            }
        }
    }
}

#[tonic::async_trait]
impl Health for Service {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let service = &request.get_ref().service;
        match self.serving(service).await {
            ServingStatus::ServiceUnknown => Err(errors::status(&Error::not_found("service", service))),
            status => Ok(Response::new(HealthCheckResponse { status: status.into() })),
        }
    }

    type WatchStream = BoxStream<'static, Result<HealthCheckResponse, Status>>;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let watch = Watch { of: self.clone(), service: request.into_inner().service, told: None };
        Ok(Response::new(stream::unfold(watch, Watch::next).boxed()))
    }
}
