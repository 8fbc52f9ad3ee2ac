//! Experiments, runs and sweeps.

use axum::{Json, extract::State, response::Response};
use modelyard_clock::Timestamp;
use modelyard_lifecycle::{
    Platform,
    experiments::{Experiment, ExperimentSpec, Run, Sweep, SweepSpec},
    jobs::Job,
    plugins,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Items, Paging, Waiting, begun,
    extract::{Body, Optional, Path, Query},
};
use crate::{auth::Caller, problem::Answer};

/// The routes of this module.
pub(super) fn routes() -> OpenApiRouter<Platform> {
    OpenApiRouter::new()
        .routes(routes!(experiments, put_experiment))
        .routes(routes!(experiment))
        .routes(routes!(start_run))
        .routes(routes!(runs))
        .routes(routes!(run))
        .routes(routes!(sweeps, start_sweep))
        .routes(routes!(sweep))
}

/// What is different in this run.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct RunSpec {
    /// Training parameters that replace the experiment's.
    #[schema(value_type = Object)]
    parameters: Value,
    /// Rows at or after this moment.
    from: Option<Timestamp>,
    /// Rows before this moment.
    to: Option<Timestamp>,
}

/// Which runs.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Runs {
    /// Of this experiment only.
    experiment: Option<String>,
}

/// A run that was begun.
#[derive(Debug, Serialize, ToSchema)]
struct StartedRun {
    /// The run.
    run: Run,
    /// Its job.
    job: Job,
}

/// A sweep that was begun.
#[derive(Debug, Serialize, ToSchema)]
struct StartedSweep {
    /// The sweep.
    sweep: Sweep,
    /// Its job.
    job: Job,
}

/// The experiments, by name.
#[utoipa::path(get, path = "/api/v1/experiments", tag = "experiments", responses((status = 200, body = Items<Experiment>)))]
async fn experiments(
    State(platform): State<Platform>,
    Query(page): Query<Paging>,
) -> Answer<Json<Items<Experiment>>> {
    Ok(Json(platform.experiments().list(page.limit(), page.after).await?.into()))
}

/// Creates an experiment or changes it; earlier runs keep what they were made from.
#[utoipa::path(put, path = "/api/v1/experiments", tag = "experiments", request_body = ExperimentSpec, responses((status = 200, body = Experiment)))]
async fn put_experiment(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Body(spec): Body<ExperimentSpec>,
) -> Answer<Json<Experiment>> {
    Ok(Json(platform.experiments().put(&actor, spec).await?))
}

/// An experiment.
#[utoipa::path(get, path = "/api/v1/experiments/{name}", tag = "experiments", responses((status = 200, body = Experiment)))]
async fn experiment(State(platform): State<Platform>, Path(name): Path<String>) -> Answer<Json<Experiment>> {
    Ok(Json(platform.experiments().get(&name).await?))
}

/// Trains an experiment, with other parameters or rows if asked.
#[utoipa::path(post, path = "/api/v1/experiments/{name}/runs", tag = "experiments", request_body = RunSpec, responses((status = 202, body = StartedRun), (status = 200, body = Run)))]
async fn start_run(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Path(name): Path<String>,
    Query(waiting): Query<Waiting>,
    Optional(change): Optional<RunSpec>,
) -> Answer<Response> {
    let mut spec = platform.experiments().get(&name).await?.spec;
    let parameters = std::mem::take(&mut spec.training.parameters);
    spec.training.parameters = plugins::with_defaults(&change.parameters, parameters)?;
    spec.spine.from = change.from.or(spec.spine.from);
    spec.spine.to = change.to.or(spec.spine.to);
    let (run, job) = platform.experiments().start(&actor, spec).await?;
    begun(&platform, &job.id.clone(), &waiting, StartedRun { run, job }).await
}

/// Runs, latest first.
#[utoipa::path(get, path = "/api/v1/experiments/runs", tag = "experiments", responses((status = 200, body = Items<Run>)))]
async fn runs(
    State(platform): State<Platform>,
    Query(which): Query<Runs>,
    Query(page): Query<Paging>,
) -> Answer<Json<Items<Run>>> {
    Ok(Json(platform.experiments().runs(which.experiment.as_deref(), page.limit(), page.after).await?.into()))
}

/// A run with everything that it was made from and gave.
#[utoipa::path(get, path = "/api/v1/experiments/runs/{id}", tag = "experiments", responses((status = 200, body = Run)))]
async fn run(State(platform): State<Platform>, Path(id): Path<String>) -> Answer<Json<Run>> {
    Ok(Json(platform.experiments().run(&id).await?))
}

/// Sweeps, latest first.
#[utoipa::path(get, path = "/api/v1/experiments/sweeps", tag = "experiments", responses((status = 200, body = Items<Sweep>)))]
async fn sweeps(State(platform): State<Platform>, Query(page): Query<Paging>) -> Answer<Json<Items<Sweep>>> {
    Ok(Json(platform.experiments().sweeps(page.limit(), page.after).await?.into()))
}

/// Trains an experiment with many combinations of parameters.
#[utoipa::path(post, path = "/api/v1/experiments/sweeps", tag = "experiments", request_body = SweepSpec, responses((status = 202, body = StartedSweep), (status = 200, body = Sweep)))]
async fn start_sweep(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Query(waiting): Query<Waiting>,
    Body(spec): Body<SweepSpec>,
) -> Answer<Response> {
    let (sweep, job) = platform.experiments().start_sweep(&actor, spec).await?;
    begun(&platform, &job.id.clone(), &waiting, StartedSweep { sweep, job }).await
}

/// A sweep and what it found.
#[utoipa::path(get, path = "/api/v1/experiments/sweeps/{id}", tag = "experiments", responses((status = 200, body = Sweep)))]
async fn sweep(State(platform): State<Platform>, Path(id): Path<String>) -> Answer<Json<Sweep>> {
    Ok(Json(platform.experiments().sweep(&id).await?))
}
