//! Traces and the assessments of them.

use std::collections::BTreeMap;

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{get, patch, post},
};
use chrono::{DateTime, SecondsFormat, Utc};
use modelyard_lifecycle::{
    Platform,
    tracking::store::{
        Assessment, AssessmentSource, DeleteTraces, SearchTraces, Trace, TraceInfo, TraceState,
        UpdateAssessment,
    },
};
use serde_json::{Map, Value, json};

use super::{
    error::{Error, Result},
    otlp,
    request::{Fields, missing, wrong},
};

/// The most traces of one page.
const MOST: i64 = 500;
/// Tags that only the server sets.
const FIXED: [&str; 3] =
    ["mlflow.trace.spansLocation", "mlflow.trace.archiveLocation", "mlflow.trace.archivalFailure"];

/// The routes of version 3.
pub(super) fn routes() -> Router<Platform> {
    Router::new()
        .route("/traces", post(start))
        .route("/traces/get", get(by_id_with_spans))
        .route("/traces/batchGet", get(batch))
        .route("/traces/batchGetInfos", post(batch_infos))
        .route("/traces/search", post(search))
        .route("/traces/delete-traces", post(delete))
        .route("/traces/{trace}", get(by_id))
        .route("/traces/{trace}/tags", patch(set_tag).delete(delete_tag))
        .route("/traces/{trace}/assessments", post(assess))
        .route("/traces/{trace}/assessments/{id}", get(assessment).patch(reassess).delete(retract))
}

/// Those that have no version 3.
pub(super) fn version_2() -> Router<Platform> {
    Router::new()
        .route("/traces/delete-traces", post(delete))
        .route("/traces/link-to-run", post(link))
        .route("/traces/link-prompts", post(link_prompts))
        .route("/traces/{trace}/tags", patch(set_tag).delete(delete_tag))
        .route("/traces/{trace}/info", get(by_id))
}

/// A moment as protobuf's JSON has it.
fn moment(millis: i64) -> Value {
    let time = DateTime::<Utc>::from_timestamp_millis(millis).unwrap_or_default();
    json!(time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// A moment that is sent, in milliseconds since 1970.
fn millis(fields: &Fields, name: &str) -> Result<Option<i64>> {
    let Some(value) = fields.get(name) else { return Ok(None) };
    let text = value.as_str().ok_or_else(|| wrong(name, value))?;
    let time = DateTime::parse_from_rfc3339(text).map_err(|_| wrong(name, value))?;
    Ok(Some(time.timestamp_millis()))
}

/// A duration that is sent: `1.5s`.
fn duration(fields: &Fields, name: &str) -> Result<Option<i64>> {
    let Some(value) = fields.get(name) else { return Ok(None) };
    let seconds =
        value.as_str().and_then(|text| text.strip_suffix('s')).and_then(|text| text.parse::<f64>().ok());
    let seconds = seconds.filter(|seconds| seconds.abs() < 1e12).ok_or_else(|| wrong(name, value))?;
    Ok(Some((seconds * 1000.0).round() as i64))
}

/// A map from text to text.
fn map(fields: &Fields, name: &str) -> Result<BTreeMap<String, String>> {
    let Some(map) = fields.object(name)? else { return Ok(BTreeMap::new()) };
    let text = |(key, value): (String, Value)| match value {
        Value::String(text) => Ok((key, text)),
        other => Err(wrong(&format!("{name}.{key}"), &other)),
    };
    map.into_map().into_iter().map(text).collect()
}

fn put(members: &mut Value, name: &str, value: Option<Value>) {
    if let (Some(value), Some(members)) = (value, members.as_object_mut()) {
        members.insert(name.to_owned(), value);
    }
}

/// A trace's head in MLflow's shape.
fn shown(info: &TraceInfo) -> Value {
    let mut value = json!({
        "trace_id": info.trace_id,
        "trace_location": {
            "type": "MLFLOW_EXPERIMENT",
            "mlflow_experiment": {"experiment_id": info.experiment_id},
        },
        "request_time": moment(info.request_time_ms),
        "state": info.state,
        "trace_metadata": info.trace_metadata,
        "tags": info.tags,
    });
    put(&mut value, "client_request_id", info.client_request_id.as_ref().map(|id| json!(id)));
    put(&mut value, "request_preview", info.request_preview.as_ref().map(|text| json!(text)));
    put(&mut value, "response_preview", info.response_preview.as_ref().map(|text| json!(text)));
    let seconds = |millis: i64| json!(format!("{}.{:03}s", millis / 1000, millis.rem_euclid(1000)));
    put(&mut value, "execution_duration", info.execution_duration_ms.map(seconds));
    let assessments: Vec<Value> = info.assessments.iter().map(judged).collect();
    put(&mut value, "assessments", (!assessments.is_empty()).then(|| Value::from(assessments)));
    value
}

/// A trace with its spans.
fn whole(trace: &Trace) -> Value {
    let spans: Vec<Value> = trace.spans.iter().filter_map(otlp::shown).collect();
    json!({"trace_info": shown(&trace.info), "spans": spans})
}

async fn start(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    let trace = fields.object("trace")?.ok_or_else(|| missing("trace"))?;
    let info = trace.object("trace_info")?.ok_or_else(|| missing("trace.trace_info"))?;
    let info = platform.tracking.start_trace(read(&info)?).await?;
    Ok(Json(json!({"trace": {"trace_info": shown(&info)}})))
}

/// A trace's head as clients send it.
fn read(fields: &Fields) -> Result<TraceInfo> {
    let text = |name: &str| Ok::<_, Error>(fields.filled(name)?.map(str::to_owned));
    let location = fields.object("trace_location")?.unwrap_or_default();
    let experiment = location.object("mlflow_experiment")?.unwrap_or_default();
    let experiment = experiment
        .filled("experiment_id")?
        .ok_or_else(|| missing("trace.trace_info.trace_location.mlflow_experiment.experiment_id"))?;
    let state = match fields.get("state") {
        None => TraceState::Unspecified,
        Some(value) => serde_json::from_value(value.clone()).map_err(|_| wrong("state", value))?,
    };
    let assessments = fields.objects("assessments")?;
    let trace_id = fields.required("trace_id")?.to_owned();
    Ok(TraceInfo {
        client_request_id: text("client_request_id")?,
        experiment_id: experiment.to_owned(),
        request_preview: text("request_preview")?.or(text("request")?),
        response_preview: text("response_preview")?.or(text("response")?),
        request_time_ms: millis(fields, "request_time")?.unwrap_or_else(|| Utc::now().timestamp_millis()),
        execution_duration_ms: duration(fields, "execution_duration")?,
        state,
        trace_metadata: map(fields, "trace_metadata")?,
        tags: map(fields, "tags")?,
        assessments: assessments.iter().map(|fields| judgement(fields, &trace_id)).collect::<Result<_>>()?,
        trace_id,
    })
}

async fn by_id(State(platform): State<Platform>, Path(trace): Path<String>) -> Result<Json<Value>> {
    let info = shown(&platform.tracking.trace_info(&trace)?);
    Ok(Json(json!({"trace": {"trace_info": info}})))
}

async fn by_id_with_spans(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    let trace = platform.tracking.trace(fields.required("trace_id")?)?;
    Ok(Json(json!({"trace": whole(&trace)})))
}

/// The traces that a request names, of the experiments that it names, if it does.
fn named(platform: &Platform, fields: &Fields) -> Result<Vec<Trace>> {
    let ids = fields.texts("trace_ids")?;
    if ids.is_empty() {
        return Err(missing("trace_ids"));
    }
    let mut traces = platform.tracking.batch_traces(&ids)?;
    if fields.get("experiment_ids").is_some() {
        let experiments = fields.texts("experiment_ids")?;
        traces.retain(|trace| experiments.contains(&trace.info.experiment_id));
    }
    Ok(traces)
}

async fn batch(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    let traces: Vec<Value> = named(&platform, &fields)?.iter().map(whole).collect();
    Ok(Json(super::page("traces", traces, None)))
}

async fn batch_infos(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    let infos: Vec<Value> = named(&platform, &fields)?.iter().map(|trace| shown(&trace.info)).collect();
    Ok(Json(super::page("trace_infos", infos, None)))
}

async fn search(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    let locations = fields.objects("locations")?;
    if locations.is_empty() {
        return Err(missing("locations"));
    }
    let mut experiment_ids = Vec::new();
    for location in &locations {
        if let Some(experiment) = location.object("mlflow_experiment")? {
            experiment_ids.push(experiment.required("experiment_id")?.to_owned());
        }
    }
    let search = SearchTraces {
        experiment_ids,
        filter: fields.text("filter")?.to_owned(),
        order_by: fields.texts("order_by")?,
        max_results: Some(fields.page(100, MOST)?),
        page_token: fields.filled("page_token")?.map(str::to_owned),
    };
    let page = platform.tracking.search_traces(&search)?;
    Ok(Json(super::page("traces", page.items.iter().map(shown).collect(), page.next_page_token)))
}

async fn delete(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    let request = DeleteTraces {
        experiment_id: fields.required("experiment_id")?.to_owned(),
        max_timestamp_millis: fields.integer("max_timestamp_millis")?,
        max_traces: fields.integer("max_traces")?,
        trace_ids: fields.texts("request_ids")?,
    };
    Ok(Json(json!({"traces_deleted": platform.tracking.delete_traces(request).await?})))
}

fn free(key: &str, what: &str) -> Result<()> {
    match FIXED.contains(&key) {
        true => Err(Error::invalid(format!("Tag '{key}' is immutable and cannot be {what} on a trace."))),
        false => Ok(()),
    }
}

async fn set_tag(
    State(platform): State<Platform>,
    Path(trace): Path<String>,
    fields: Fields,
) -> Result<Json<Value>> {
    let key = fields.required("key")?;
    free(key, "set")?;
    platform.tracking.set_trace_tag(&trace, key, fields.text("value")?).await?;
    Ok(Json(json!({})))
}

async fn delete_tag(
    State(platform): State<Platform>,
    Path(trace): Path<String>,
    fields: Fields,
) -> Result<Json<Value>> {
    let key = fields.required("key")?;
    free(key, "deleted")?;
    platform.tracking.delete_trace_tag(&trace, key).await?;
    Ok(Json(json!({})))
}

async fn link(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    let ids = fields.texts("trace_ids")?;
    if ids.is_empty() {
        return Err(missing("trace_ids"));
    }
    platform.tracking.link_traces_to_run(ids, fields.required("run_id")?).await?;
    Ok(Json(json!({})))
}

/// Prompts that a trace used stand in one of its tags.
async fn link_prompts(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    const LINKED: &str = "mlflow.linkedPrompts";
    let trace = fields.required("trace_id")?;
    let prompts = fields.objects("prompt_versions")?;
    if prompts.is_empty() {
        return Err(missing("prompt_versions"));
    }
    let known = platform.tracking.trace_info(trace)?;
    let mut linked: Vec<Value> =
        known.tags.get(LINKED).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    for prompt in &prompts {
        let version = match prompt.get("version") {
            Some(Value::Number(number)) => number.to_string(),
            _ => prompt.required("version")?.to_owned(),
        };
        let entry = json!({"name": prompt.required("name")?, "version": version});
        if !linked.contains(&entry) {
            linked.push(entry);
        }
    }
    platform.tracking.set_trace_tag(trace, LINKED, &Value::from(linked).to_string()).await?;
    Ok(Json(json!({})))
}

/// An assessment in MLflow's shape.
fn judged(assessment: &Assessment) -> Value {
    let mut value = json!({
        "assessment_id": assessment.assessment_id,
        "assessment_name": assessment.assessment_name,
        "trace_id": assessment.trace_id,
        "source": assessment.source,
        "create_time": moment(assessment.create_time_ms),
        "last_update_time": moment(assessment.last_update_time_ms),
        "valid": assessment.valid.unwrap_or(true),
    });
    for (name, body) in &assessment.body {
        put(&mut value, name, Some(body.clone()));
    }
    put(&mut value, "span_id", assessment.span_id.as_ref().map(|id| json!(id)));
    put(&mut value, "rationale", assessment.rationale.as_ref().map(|text| json!(text)));
    put(&mut value, "overrides", assessment.overrides.as_ref().map(|id| json!(id)));
    put(&mut value, "metadata", (!assessment.metadata.is_empty()).then(|| json!(assessment.metadata)));
    value
}

/// What is judged: one of three.
fn body(fields: &Fields) -> Map<String, Value> {
    let kinds = ["feedback", "expectation", "issue"];
    let member = |name: &str| fields.get(name).map(|value| (name.to_owned(), value.clone()));
    kinds.into_iter().filter_map(member).collect()
}

fn judgement(fields: &Fields, trace: &str) -> Result<Assessment> {
    let text = |name: &str| Ok::<_, Error>(fields.filled(name)?.map(str::to_owned));
    let source = fields.object("source")?.unwrap_or_default();
    let body = body(fields);
    if body.len() != 1 {
        return Err(Error::invalid(
            "an assessment has one of feedback, expectation and issue; see the API docs for more information about \
             request parameters.",
        ));
    }
    Ok(Assessment {
        assessment_id: fields.text("assessment_id")?.to_owned(),
        assessment_name: fields
            .filled("assessment_name")?
            .ok_or_else(|| missing("assessment.assessment_name"))?
            .to_owned(),
        trace_id: trace.to_owned(),
        span_id: text("span_id")?,
        source: AssessmentSource {
            source_type: source.text("source_type")?.to_owned(),
            source_id: source.text("source_id")?.to_owned(),
        },
        create_time_ms: millis(fields, "create_time")?.unwrap_or_default(),
        last_update_time_ms: millis(fields, "last_update_time")?.unwrap_or_default(),
        body,
        rationale: text("rationale")?,
        metadata: map(fields, "metadata")?,
        overrides: text("overrides")?,
        valid: fields.boolean("valid")?,
    })
}

async fn assess(
    State(platform): State<Platform>,
    Path(trace): Path<String>,
    fields: Fields,
) -> Result<Json<Value>> {
    let sent = fields.object("assessment")?.ok_or_else(|| missing("assessment"))?;
    let made = platform.tracking.create_assessment(judgement(&sent, &trace)?).await?;
    Ok(Json(json!({"assessment": judged(&made)})))
}

async fn assessment(
    State(platform): State<Platform>,
    Path((trace, id)): Path<(String, String)>,
) -> Result<Json<Value>> {
    Ok(Json(json!({"assessment": judged(&platform.tracking.assessment(&trace, &id)?)})))
}

async fn reassess(
    State(platform): State<Platform>,
    Path((trace, id)): Path<(String, String)>,
    fields: Fields,
) -> Result<Json<Value>> {
    let sent = fields.object("assessment")?.ok_or_else(|| missing("assessment"))?;
    let mask = match fields.get("update_mask") {
        Some(Value::String(paths)) => paths.clone(),
        Some(Value::Object(mask)) => {
            let paths = mask.get("paths").and_then(Value::as_array).into_iter().flatten();
            paths.filter_map(Value::as_str).collect::<Vec<_>>().join(",")
        }
        Some(other) => return Err(wrong("update_mask", other)),
        None => return Err(missing("update_mask")),
    };
    let mut change = UpdateAssessment::default();
    for path in mask.split(',').map(str::trim) {
        match path {
            "assessment_name" | "assessmentName" => {
                change.assessment_name = Some(sent.required("assessment_name")?.to_owned());
            }
            "feedback" | "expectation" | "issue" => change.body = Some(body(&sent)),
            "rationale" => change.rationale = Some(sent.text("rationale")?.to_owned()),
            "metadata" => change.metadata = Some(map(&sent, "metadata")?),
            // The store says what holds.
            "valid" | "" => {}
            other => {
                return Err(Error::invalid(format!(
                    "Invalid value \"{other}\" for parameter 'update_mask' supplied: it names assessment_name, \
                     feedback, expectation, rationale or metadata."
                )));
            }
        }
    }
    let changed = platform.tracking.update_assessment(&trace, &id, change).await?;
    Ok(Json(json!({"assessment": judged(&changed)})))
}

async fn retract(
    State(platform): State<Platform>,
    Path((trace, id)): Path<(String, String)>,
) -> Result<Json<Value>> {
    platform.tracking.delete_assessment(&trace, &id).await?;
    Ok(Json(json!({})))
}
