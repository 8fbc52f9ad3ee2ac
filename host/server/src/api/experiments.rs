//! Experiments, runs, sweeps and comparisons.

use axum::{
    Json,
    extract::{RawQuery, State},
    response::Response,
};
use modelyard_clock::Timestamp;
use modelyard_lifecycle::{
    Error, Platform, Result,
    experiments::{CompareSpec, Experiment, ExperimentSpec, Run, RunComparison, Sweep, SweepSpec, Trial},
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
        .routes(routes!(compare))
        .routes(routes!(sweeps, start_sweep))
        .routes(routes!(start_sweep_of))
        .routes(routes!(sweep))
        .routes(routes!(trials))
        .routes(routes!(resume_sweep))
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

/// Runs side by side: parameters, metrics, histories and slices that differ, and for each two whether the difference is more than chance.
#[utoipa::path(get, path = "/api/v1/experiments/compare", tag = "experiments", params(
    ("run" = Vec<String>, Query, description = "A run; given two to ten times"),
    ("metric" = Option<Vec<String>>, Query, description = "A metric whose difference is tested; may be given more than once; by default the usual ones of the task"),
    ("resamples" = Option<u32>, Query, minimum = 100, maximum = 100_000, description = "Draws of a bootstrap; 1000 if left out"),
    ("confidence" = Option<f64>, Query, description = "The share of intervals that cover the true difference, from 0.5 to below 1; 0.95 if left out"),
    ("seed" = Option<u64>, Query, description = "The seed of the draws; 0 if left out"),
), responses((status = 200, body = RunComparison)))]
async fn compare(State(platform): State<Platform>, RawQuery(query): RawQuery) -> Answer<Json<RunComparison>> {
    let spec = comparison(query.as_deref().unwrap_or_default())?;
    Ok(Json(platform.experiments().compare(&spec).await?))
}

/// What a query string asks to compare; names in it may come more than once.
fn comparison(query: &str) -> Result<CompareSpec> {
    fn number<T: std::str::FromStr>(name: &str, text: &str) -> Result<T> {
        text.parse().map_err(|_| Error::field(name, format!("{text:?} is no number that {name} can be")))
    }
    let mut spec = CompareSpec::of(vec![]);
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "run" => spec.runs.push(value.into_owned()),
            "metric" => spec.metrics.push(value.into_owned()),
            "resamples" => spec.resamples = number("resamples", &value)?,
            "confidence" => spec.confidence = number("confidence", &value)?,
            "seed" => spec.seed = number("seed", &value)?,
            other => {
                let known = "run, metric, resamples, confidence and seed";
                return Err(Error::field(other, format!("a comparison has no {other:?}; it has {known}")));
            }
        }
    }
    Ok(spec)
}

/// Trains an experiment with many combinations of parameters, training plugins and feature sets.
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

/// Trains this experiment with many combinations of parameters, training plugins and feature sets.
#[utoipa::path(post, path = "/api/v1/experiments/{name}/sweeps", tag = "experiments", request_body = SweepSpec, responses((status = 202, body = StartedSweep), (status = 200, body = Sweep)))]
async fn start_sweep_of(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Path(name): Path<String>,
    Query(waiting): Query<Waiting>,
    Body(mut spec): Body<SweepSpec>,
) -> Answer<Response> {
    if !spec.experiment.is_empty() && spec.experiment != name {
        let message = format!("the path names {name:?} and the body {:?}; leave one out", spec.experiment);
        return Err(Error::field("experiment", message).into());
    }
    spec.experiment = name;
    let (sweep, job) = platform.experiments().start_sweep(&actor, spec).await?;
    begun(&platform, &job.id.clone(), &waiting, StartedSweep { sweep, job }).await
}

/// The trials of a sweep, in the order in which they were proposed, while it runs and after.
#[utoipa::path(get, path = "/api/v1/experiments/sweeps/{id}/trials", tag = "experiments", responses((status = 200, body = Items<Trial>)))]
async fn trials(
    State(platform): State<Platform>,
    Path(id): Path<String>,
    Query(page): Query<Paging>,
) -> Answer<Json<Items<Trial>>> {
    Ok(Json(platform.experiments().trials(&id, page.limit(), page.after).await?.into()))
}

/// Goes on with a sweep that failed or was cancelled; trials that ended are not run again.
#[utoipa::path(post, path = "/api/v1/experiments/sweeps/{id}/resume", tag = "experiments", responses((status = 202, body = StartedSweep), (status = 200, body = Sweep)))]
async fn resume_sweep(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Path(id): Path<String>,
    Query(waiting): Query<Waiting>,
) -> Answer<Response> {
    let (sweep, job) = platform.experiments().resume_sweep(&actor, &id).await?;
    begun(&platform, &job.id.clone(), &waiting, StartedSweep { sweep, job }).await
}

/// A sweep and what it found.
#[utoipa::path(get, path = "/api/v1/experiments/sweeps/{id}", tag = "experiments", responses((status = 200, body = Sweep)))]
async fn sweep(State(platform): State<Platform>, Path(id): Path<String>) -> Answer<Json<Sweep>> {
    Ok(Json(platform.experiments().sweep(&id).await?))
}
