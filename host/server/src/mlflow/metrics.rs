//! Histories of metrics.

use axum::{Json, Router, extract::State, routing::get};
use modelyard_lifecycle::Platform;
use serde_json::{Value, json};

use super::{
    error::{Error, Result},
    request::Fields,
};

/// The most runs whose histories are asked for at once.
const RUNS: usize = 100;
/// The most points of all runs together.
const POINTS: usize = 25_000;
/// The most points of one run that are sampled.
const SAMPLED: i64 = 2_500;

/// The routes of this module.
pub(super) fn routes() -> Router<Platform> {
    Router::new()
        .route("/metrics/get-history", get(history))
        .route("/metrics/get-history-bulk", get(bulk))
        .route("/metrics/get-history-bulk-interval", get(interval))
}

async fn history(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    let (run, key) = (fields.run_id()?, fields.required("metric_key")?);
    let most = fields.integer("max_results")?;
    if let Some(most) = most.filter(|most| *most <= 0) {
        return Err(Error::invalid(format!(
            "Invalid value {most} for parameter 'max_results' supplied. It must be a positive integer."
        )));
    }
    let page = platform.tracking.metric_history(run, key, most, fields.filled("page_token")?)?;
    Ok(Json(super::page("metrics", page.items, page.next_page_token)))
}

fn runs(fields: &Fields, name: &str, request: &str) -> Result<Vec<String>> {
    let ids = fields.texts(name)?;
    if ids.is_empty() {
        return Err(Error::invalid(format!("{request} request must specify at least one {name}.")));
    }
    if ids.len() > RUNS {
        return Err(Error::invalid(format!(
            "{request} request must specify at most {RUNS} run_ids. Received {} run_ids.",
            ids.len()
        )));
    }
    Ok(ids)
}

async fn bulk(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    let ids = runs(&fields, "run_id", "GetMetricHistoryBulk")?;
    let most = fields.integer("max_results")?.map_or(Ok(POINTS), usize::try_from);
    let most = most.map_err(|_| Error::invalid("max_results must not be negative"))?.min(POINTS);
    let points = platform.tracking.metric_history_bulk(&ids, fields.required("metric_key")?, most)?;
    Ok(Json(json!({"metrics": points})))
}

async fn interval(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    let ids = runs(&fields, "run_ids", "GetMetricHistoryBulkInterval")?;
    let key = fields.required("metric_key")?;
    let most = fields.integer("max_results")?.unwrap_or(SAMPLED);
    let most = usize::try_from(most).ok().filter(|_| (1..=SAMPLED).contains(&most));
    let most = most.ok_or_else(|| Error::invalid(format!("max_results must be between 1 and {SAMPLED}.")))?;
    let steps = match (fields.integer("start_step")?, fields.integer("end_step")?) {
        (Some(start), Some(end)) if start > end => {
            return Err(Error::invalid(format!(
                "end_step must be greater than start_step. Found start_step={start} and end_step={end}."
            )));
        }
        (Some(start), Some(end)) => Some((start, end)),
        (None, None) => None,
        _ => {
            return Err(Error::invalid(
                "If either start step or end step are specified, both must be specified.",
            ));
        }
    };
    Ok(Json(json!({"metrics": platform.tracking.metric_history_interval(&ids, key, steps, most)?})))
}
