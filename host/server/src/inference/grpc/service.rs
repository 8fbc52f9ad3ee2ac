//! The protocol's calls.

use futures::{Stream, StreamExt, stream, stream::BoxStream};
use modelyard_lifecycle::{Code, Error, Platform, governance::Actor};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;
use tonic::{Extensions, Request, Response, Status, Streaming, metadata::MetadataMap};
use tracing::Instrument as _;

use super::{
    errors::{self, status},
    messages,
    proto::{self, *},
};
use crate::inference::{call, facts, repository};

/// The calls of one stream that are worked on at once. Answers come in the
/// order of their requests.
const STREAMED: usize = 16;

#[derive(Clone)]
pub(super) struct Service {
    pub(super) platform: Platform,
    /// The largest message, in bytes.
    most: usize,
    /// Becomes true when the server ends.
    pub(super) stop: watch::Receiver<bool>,
}

impl Service {
    pub(super) fn new(platform: Platform, most: usize, stop: watch::Receiver<bool>) -> Self {
        Self { platform, most, stop }
    }

    /// Whether the store answers.
    pub(super) async fn is_ready(&self) -> bool {
        self.platform.catalog.health().await.is_ok()
    }
}

/// What callers leave empty they don't name.
fn named(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn actor(extensions: &Extensions) -> Result<Actor, Status> {
    let unchecked = || status(&Error::internal("a call passed unchecked"));
    extensions.get::<Actor>().cloned().ok_or_else(unchecked)
}

fn sticky(metadata: &MetadataMap) -> Option<String> {
    metadata.get(call::STICKY)?.to_str().ok().map(str::to_owned)
}

/// The model that is loaded or unloaded: Triton has its name in the second
/// field, KServe in the first, which is Triton's repository.
fn subject(repository_name: String, model_name: String) -> String {
    if model_name.is_empty() { repository_name } else { model_name }
}

async fn infer(
    platform: &Platform,
    request: ModelInferRequest,
    sticky: Option<String>,
) -> Result<ModelInferResponse, Error> {
    let model = request.model_name.clone();
    let call = messages::call(request, sticky)?;
    call.run(platform, &model, |answered| Ok(messages::response(model.clone(), answered))).await
}

/// The answer to a request of a stream, which goes on whatever it is.
async fn infer_streamed(
    platform: &Platform,
    request: ModelInferRequest,
    sticky: Option<String>,
) -> ModelStreamInferResponse {
    let (model_name, id) = (request.model_name.clone(), request.id.clone());
    match infer(platform, request, sticky).await {
        Ok(response) => {
            ModelStreamInferResponse { error_message: String::new(), infer_response: Some(response) }
        }
        Err(error) => ModelStreamInferResponse {
            error_message: status(&error).message().to_owned(),
            // Which request it was.
            infer_response: Some(ModelInferResponse { model_name, id, ..Default::default() }),
        },
    }
}

/// The messages of a stream, until its end or the server's.
fn until_stopped<T: Send + 'static>(
    messages: Streaming<T>,
    stop: watch::Receiver<bool>,
) -> impl Stream<Item = Result<T, Status>> {
    stream::unfold(Some((messages, stop)), |state| async {
        let (mut messages, mut stop) = state?;
        let next = tokio::select! {
            message = messages.next() => Some(message?),
            _ = stop.wait_for(|stop| *stop) => None,
        };
        match next {
            Some(message) => Some((message, Some((messages, stop)))),
            None => {
                let error = Error::new(Code::Unavailable, "the server is stopping");
                Some((Err(status(&error)), None))
            }
        }
    })
}

#[tonic::async_trait]
impl proto::grpc_inference_service_server::GrpcInferenceService for Service {
    async fn server_live(
        &self,
        _: Request<ServerLiveRequest>,
    ) -> Result<Response<ServerLiveResponse>, Status> {
        Ok(Response::new(ServerLiveResponse { live: true }))
    }

    async fn server_ready(
        &self,
        _: Request<ServerReadyRequest>,
    ) -> Result<Response<ServerReadyResponse>, Status> {
        Ok(Response::new(ServerReadyResponse { ready: self.is_ready().await }))
    }

    async fn model_ready(
        &self,
        request: Request<ModelReadyRequest>,
    ) -> Result<Response<ModelReadyResponse>, Status> {
        let ModelReadyRequest { name, version } = request.get_ref();
        let ready = facts::is_ready(&self.platform, name, named(version));
        Ok(Response::new(ModelReadyResponse { ready }))
    }

    async fn server_metadata(
        &self,
        _: Request<ServerMetadataRequest>,
    ) -> Result<Response<ServerMetadataResponse>, Status> {
        Ok(Response::new(ServerMetadataResponse {
            name: facts::NAME.to_owned(),
            version: facts::VERSION.to_owned(),
            extensions: facts::EXTENSIONS.map(str::to_owned).into(),
        }))
    }

    async fn model_metadata(
        &self,
        request: Request<ModelMetadataRequest>,
    ) -> Result<Response<ModelMetadataResponse>, Status> {
        let ModelMetadataRequest { name, version } = request.get_ref();
        let metadata = facts::metadata(&self.platform, name, named(version)).await;
        Ok(Response::new(metadata.map_err(|error| status(&error))?.into()))
    }

    async fn model_infer(
        &self,
        request: Request<ModelInferRequest>,
    ) -> Result<Response<ModelInferResponse>, Status> {
        let sticky = sticky(request.metadata());
        let response = infer(&self.platform, request.into_inner(), sticky).await;
        Ok(Response::new(response.map_err(|error| status(&error))?))
    }

    type ModelStreamInferStream = BoxStream<'static, Result<ModelStreamInferResponse, Status>>;

    async fn model_stream_infer(
        &self,
        request: Request<Streaming<ModelInferRequest>>,
    ) -> Result<Response<Self::ModelStreamInferStream>, Status> {
        let sticky = sticky(request.metadata());
        let (platform, most) = (self.platform.clone(), self.most);
        let answer = move |request: Result<ModelInferRequest, Status>| {
            let (platform, sticky) = (platform.clone(), sticky.clone());
            async move {
                let request = request.map_err(|error| errors::unread(error, "ModelStreamInfer", most))?;
                // On its own, so that a fault of it ends no other's stream.
                let answer = async move { infer_streamed(&platform, request, sticky).await };
                let task = AbortOnDropHandle::new(tokio::spawn(answer.in_current_span()));
                task.await.map_err(|error| status(&error.into()))
            }
        };
        let requests = until_stopped(request.into_inner(), self.stop.clone());
        Ok(Response::new(requests.map(answer).buffered(STREAMED).boxed()))
    }

    async fn model_config(
        &self,
        request: Request<ModelConfigRequest>,
    ) -> Result<Response<ModelConfigResponse>, Status> {
        let ModelConfigRequest { name, version } = request.get_ref();
        let configuration = facts::configuration(&self.platform, name, named(version)).await;
        let configuration = configuration.map_err(|error| status(&error))?;
        Ok(Response::new(ModelConfigResponse { config: Some(configuration.into()) }))
    }

    async fn model_statistics(
        &self,
        request: Request<ModelStatisticsRequest>,
    ) -> Result<Response<ModelStatisticsResponse>, Status> {
        let ModelStatisticsRequest { name, version } = request.get_ref();
        let statistics = match named(name) {
            None => Ok(facts::all_statistics(&self.platform)),
            Some(name) => facts::live(&self.platform, name)
                .and_then(|endpoint| facts::statistics(&endpoint, named(version))),
        };
        let statistics = statistics.map_err(|error| status(&error))?;
        let model_stats = statistics.into_iter().map(Into::into).collect();
        Ok(Response::new(ModelStatisticsResponse { model_stats }))
    }

    async fn repository_index(
        &self,
        request: Request<RepositoryIndexRequest>,
    ) -> Result<Response<RepositoryIndexResponse>, Status> {
        let models = repository::list(&self.platform, request.get_ref().ready).await;
        let models = models.map_err(|error| status(&error))?.into_iter().map(Into::into).collect();
        Ok(Response::new(RepositoryIndexResponse { models }))
    }

    async fn repository_model_load(
        &self,
        request: Request<RepositoryModelLoadRequest>,
    ) -> Result<Response<RepositoryModelLoadResponse>, Status> {
        let actor = actor(request.extensions())?;
        let RepositoryModelLoadRequest { repository_name, model_name, parameters } = request.into_inner();
        let model_name = subject(repository_name, model_name);
        repository::bring_back(&self.platform, &actor, &model_name, parameters.keys())
            .await
            .map_err(|error| status(&error))?;
        Ok(Response::new(RepositoryModelLoadResponse { model_name, is_loaded: true }))
    }

    async fn repository_model_unload(
        &self,
        request: Request<RepositoryModelUnloadRequest>,
    ) -> Result<Response<RepositoryModelUnloadResponse>, Status> {
        let actor = actor(request.extensions())?;
        let RepositoryModelUnloadRequest { repository_name, model_name, .. } = request.into_inner();
        let model_name = subject(repository_name, model_name);
        let stopped = self.platform.deployment().stop(&actor, &model_name).await;
        stopped.map_err(|error| status(&error))?;
        Ok(Response::new(RepositoryModelUnloadResponse { model_name, is_unloaded: true }))
    }
}
