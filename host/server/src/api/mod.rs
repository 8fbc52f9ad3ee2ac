//! The native REST surface below `/api/v1` and its OpenAPI description.
//!
//! One module per stage, and one for each thing that belongs to none. A handler
//! takes what it needs from the request ([`extract`]), calls the lifecycle once
//! and answers with the lifecycle's own type; its doc comment is the operation's
//! summary, so the description at `/openapi.json` can't fall behind.

mod clock;
mod deployment;
mod documentation;
mod evaluation;
mod experiments;
pub(crate) mod extract;
mod features;
mod feedback;
mod functions;
mod governance;
mod ingestion;
mod jobs;
mod monitoring;
mod plugins;
mod registry;
mod retirement;
mod rows;
mod scaling;
mod schedules;
mod stages;
mod subscriptions;
mod table;
mod unsubscribe;

use axum::{
    Extension, Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use modelyard_lifecycle::{Page, Platform, jobs::Job};
use serde::{Deserialize, Serialize};
use utoipa::{
    IntoParams, OpenApi, ToSchema,
    openapi::{
        ContentBuilder, OpenApi as Description, Ref, RefOr, ResponseBuilder,
        path::{Operation, PathItem},
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};
use utoipa_axum::router::OpenApiRouter;

use crate::{
    app::Options,
    problem::{Answer, Problem},
};

/// What stands at the head of the description.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Modelyard",
        description = "The life of models, from data to retirement. Errors are RFC 9457 problem details. Any POST, \
                       PUT, PATCH or DELETE may carry an `Idempotency-Key`: sent twice, it is done once. Lists are \
                       `{items, next}`: pass `next` as `after` for the next page.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    components(schemas(Problem)),
    security((), ("bearer" = [])),
    tags(
        (name = "ingestion", description = "Sources, datasets, rows, queries."),
        (name = "features", description = "Views, training sets, selection."),
        (name = "experiments", description = "Experiments, runs, sweeps."),
        (name = "evaluation", description = "Metrics of runs and versions."),
        (name = "registry", description = "Models, versions, aliases, lineage."),
        (name = "deployment", description = "Endpoints, their routes and revisions."),
        (name = "monitoring", description = "Monitors, checks, findings, health."),
        (name = "feedback", description = "Labels, rules, actions."),
        (name = "governance", description = "Policies, reviews, audit, erasure, tokens."),
        (name = "scaling", description = "Usage and cost."),
        (name = "documentation", description = "Model cards."),
        (name = "retirement", description = "Rules, assessments, archive and restore."),
        (name = "plugins", description = "Components that do the work."),
        (name = "functions", description = "Components that answer HTTP; those called with JSON also here."),
        (name = "subscriptions", description = "Who is told of what, by mail or webhook."),
        (name = "schedules", description = "What is done when."),
        (name = "jobs", description = "Long work under way."),
        (name = "clock", description = "What the time is."),
        (name = "stages", description = "All twelve stages at a glance.")
    )
)]
struct Head;

/// Every route with its description.
pub(crate) fn routes(options: &Options) -> OpenApiRouter<Platform> {
    let mut router = OpenApiRouter::with_openapi(Head::openapi())
        .merge(ingestion::routes())
        .merge(rows::routes().layer(Extension(rows::MaxUpload(options.max_upload_bytes))))
        .merge(features::routes())
        .merge(experiments::routes())
        .merge(evaluation::routes())
        .merge(registry::routes())
        .merge(deployment::routes())
        .merge(monitoring::routes())
        .merge(feedback::routes())
        .merge(governance::routes())
        .merge(scaling::routes())
        .merge(documentation::routes())
        .merge(retirement::routes())
        .merge(plugins::routes())
        .merge(functions::routes())
        .merge(subscriptions::routes())
        .merge(unsubscribe::routes())
        .merge(schedules::routes())
        .merge(jobs::routes())
        .merge(clock::routes())
        .merge(stages::routes());
    complete(router.get_openapi_mut());
    router
}

/// What every operation has in common: an id with its tag in front, the Problem
/// that it answers with when it can't be done, and descriptions of its answers.
fn complete(description: &mut Description) {
    let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    description.components.get_or_insert_default().security_schemes.insert("bearer".into(), scheme);
    for operation in description.paths.paths.values_mut().flat_map(operations) {
        let tag = operation.tags.iter().flatten().next().cloned().unwrap_or_default();
        operation.operation_id = operation.operation_id.take().map(|id| format!("{tag}_{id}"));
        for (status, response) in &mut operation.responses.responses {
            let known = status.parse().ok().and_then(|code| StatusCode::from_u16(code).ok());
            if let (RefOr::T(response), Some(known)) = (response, known)
                && response.description.is_empty()
            {
                response.description = known.canonical_reason().unwrap_or_default().to_owned();
            }
        }
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        let failed = ResponseBuilder::new()
            .description("What was wrong, where, and what is accepted instead")
            .content("application/problem+json", content)
            .build();
        operation.responses.responses.insert("default".into(), RefOr::T(failed));
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    [get, put, post, delete, patch].into_iter().flatten()
}

/// Which page of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Paging {
    /// The most items, up to 500; 50 if left out.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// The `next` of the page before.
    after: Option<String>,
}

impl Paging {
    /// The most items that are given at once.
    const MOST: usize = 500;

    /// The limit that holds.
    pub(crate) fn limit(&self) -> usize {
        self.limit.unwrap_or(50).clamp(1, Self::MOST)
    }
}

/// Whether to wait for long work.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Waiting {
    /// Wait for the end and answer 200 with what came of it, instead of 202 with the job.
    #[serde(default)]
    wait: bool,
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Items<T> {
    /// The items, in order.
    items: Vec<T>,
    /// Pass it as `after` for the next page; null: this was the last.
    next: Option<String>,
}

impl<T> From<Page<T>> for Items<T> {
    fn from(page: Page<T>) -> Self {
        Self { items: page.items, next: page.next }
    }
}

impl<T> From<Vec<T>> for Items<T> {
    fn from(items: Vec<T>) -> Self {
        Self { items, next: None }
    }
}

/// Long work that was begun.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Started {
    /// Its job: see `/api/v1/jobs/{id}`.
    job: Job,
}

/// Answers 202 with `begun`, or waits for the job and answers 200 with what it gave.
pub(crate) async fn begun(
    platform: &Platform,
    job: &str,
    waiting: &Waiting,
    begun: impl Serialize,
) -> Answer<Response> {
    if waiting.wait {
        return Ok(Json(platform.jobs().wait(job).await?).into_response());
    }
    Ok((StatusCode::ACCEPTED, Json(begun)).into_response())
}
