//! Runs, and what is logged to them.

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Request, State},
    http::header,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use modelyard_lifecycle::{
    Platform,
    tracking::store::{
        CreateRun, DatasetInput, LogBatch, LogInputs, Metric, ModelInput, ModelOutput, Param, RunStatus,
        SearchRuns, Tag, Text, UpdateRun,
    },
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    error::{Error, Result},
    experiments::{tags, view},
    request::{self, Fields, integer, missing, wrong},
};

/// The routes of this module.
pub(super) fn routes() -> Router<Platform> {
    Router::new()
        .route("/runs/create", post(create))
        .route("/runs/get", get(by_id))
        .route("/runs/update", post(update))
        .route("/runs/delete", post(delete))
        .route("/runs/restore", post(restore))
        .route("/runs/log-metric", post(log_metric))
        .route("/runs/log-parameter", post(log_param))
        .route("/runs/log-batch", post(log_batch))
        .route("/runs/log-model", post(log_model))
        .route("/runs/log-inputs", post(log_inputs))
        .route("/runs/outputs", post(log_outputs))
        .route("/runs/set-tag", post(set_tag))
        .route("/runs/delete-tag", post(delete_tag))
        .route("/runs/search", post(search))
}

async fn create(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    let request = CreateRun {
        experiment_id: fields.filled("experiment_id")?.unwrap_or("0").to_owned(),
        user_id: fields.text("user_id")?.to_owned(),
        start_time: fields.integer("start_time")?,
        run_name: fields.filled("run_name")?.map(str::to_owned),
        tags: tags(&fields, "tags")?,
        ..CreateRun::default()
    };
    Ok(Json(json!({"run": platform.tracking.create_run(request).await?})))
}

async fn by_id(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    Ok(Json(json!({"run": platform.tracking.run(fields.run_id()?)?})))
}

async fn update(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    let status = match fields.get("status") {
        None => None,
        Some(value) => Some(status(value).ok_or_else(|| wrong("status", value))?),
    };
    let change = UpdateRun {
        status,
        end_time: fields.integer("end_time")?,
        run_name: fields.filled("run_name")?.map(str::to_owned),
    };
    let info = platform.tracking.update_run(fields.run_id()?, change).await?;
    Ok(Json(json!({"run_info": info})))
}

/// A status by its name, or by its number as protobuf has it.
fn status(value: &Value) -> Option<RunStatus> {
    match value {
        Value::String(name) => RunStatus::from_name(name),
        other => match integer(other)? {
            1 => Some(RunStatus::Running),
            2 => Some(RunStatus::Scheduled),
            3 => Some(RunStatus::Finished),
            4 => Some(RunStatus::Failed),
            5 => Some(RunStatus::Killed),
            _ => None,
        },
    }
}

async fn delete(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    platform.tracking.delete_run(fields.run_id()?).await?;
    Ok(Json(json!({})))
}

async fn restore(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    platform.tracking.restore_run(fields.run_id()?).await?;
    Ok(Json(json!({})))
}

async fn log_metric(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    let metric = metric(&fields, "")?;
    platform.tracking.log_metric(fields.run_id()?, metric).await?;
    Ok(Json(json!({})))
}

/// A point of a metric; `place` is where it stands in the request.
fn metric(fields: &Fields, place: &str) -> Result<Metric> {
    let name = |field: &str| format!("{place}{field}");
    let at = |field: &str, value: &Value| wrong(&name(field), value);
    let value = fields.get("value").filter(|value| **value != "").ok_or_else(|| missing(&name("value")))?;
    let text = |field: &str| Ok::<_, Error>(fields.filled(field)?.map(Text::from));
    Ok(Metric {
        key: Text::from(fields.filled("key")?.ok_or_else(|| missing(&name("key")))?),
        value: number(value).ok_or_else(|| at("value", value))?,
        timestamp: fields.integer("timestamp")?.ok_or_else(|| missing(&name("timestamp")))?,
        step: fields.integer("step")?.unwrap_or_default(),
        model_id: text("model_id")?,
        dataset_name: text("dataset_name")?,
        dataset_digest: text("dataset_digest")?,
        run_id: None,
    })
}

/// A number as protobuf's JSON has it: what is not finite is a word.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.as_str() {
            "NaN" | "nan" => Some(f64::NAN),
            "Infinity" | "inf" => Some(f64::INFINITY),
            "-Infinity" | "-inf" => Some(f64::NEG_INFINITY),
            text => text.trim().parse().ok(),
        },
        _ => None,
    }
}

async fn log_param(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    let param = Param { key: Text::from(fields.required("key")?), value: Text::from(fields.text("value")?) };
    platform.tracking.log_param(fields.run_id()?, param).await?;
    Ok(Json(json!({})))
}

/// The largest batch, in bytes.
const LARGEST: usize = 1_000_000;

/// A batch as clients send it, read in one go.
#[derive(Deserialize)]
struct Batch {
    run_id: String,
    #[serde(default)]
    metrics: Vec<Metric>,
    #[serde(default)]
    params: Vec<Param>,
    #[serde(default)]
    tags: Vec<Tag>,
}

async fn log_batch(State(platform): State<Platform>, request: Request) -> Result<Json<Value>> {
    let body = request::body(request, &()).await?;
    if body.len() > LARGEST {
        return Err(Error::invalid(format!(
            "Batched logging API requests must be at most {LARGEST} bytes in length. Got {} bytes.",
            body.len()
        )));
    }
    let (run, batch) = batch(&body)?;
    platform.tracking.log_batch(&run, batch).await?;
    Ok(Json(json!({})))
}

/// Reads a batch; one that isn't as clients send it is read again leniently, to
/// be taken or to say what is wrong with it.
fn batch(body: &Bytes) -> Result<(String, LogBatch)> {
    if let Ok(Batch { run_id, metrics, params, tags }) = serde_json::from_slice(body)
        && !run_id.is_empty()
        && metrics.iter().all(|metric| !metric.key.is_empty())
        && params.iter().all(|param| !param.key.is_empty())
        && tags.iter().all(|tag| !tag.key.is_empty())
    {
        return Ok((run_id, LogBatch { metrics, params, tags }));
    }
    let fields = Fields::of_json(body)?;
    let points = fields.objects("metrics")?;
    let metrics = points.iter().enumerate().map(|(at, fields)| metric(fields, &format!("metrics[{at}].")));
    let params = fields.pairs("params")?.into_iter();
    let batch = LogBatch {
        metrics: metrics.collect::<Result<_>>()?,
        params: params.map(|(key, value)| Param { key: key.into(), value: value.into() }).collect(),
        tags: tags(&fields, "tags")?,
    };
    Ok((fields.run_id()?.to_owned(), batch))
}

/// A model of a run as MLflow 2 logs it: a line in the run's history of models.
async fn log_model(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    const HISTORY: &str = "mlflow.log-model.history";
    let (run, text) = (fields.run_id()?, fields.required("model_json")?);
    let mut model: Value = serde_json::from_str(text)
        .map_err(|_| Error::invalid(format!("Malformed model info. \n {text} \n is not a valid JSON.")))?;
    let needed = ["artifact_path", "flavors", "utc_time_created", "run_id"];
    let absent: Vec<&str> = needed.into_iter().filter(|field| model.get(*field).is_none()).collect();
    if !absent.is_empty() {
        return Err(Error::invalid(format!("Model json is missing mandatory fields: {}", absent.join(", "))));
    }
    // What a flavor says of its configuration is for its loader, not for a list.
    if let Some(Value::Object(flavors)) = model.get_mut("flavors") {
        for flavor in flavors.values_mut().filter_map(Value::as_object_mut) {
            flavor.remove("config");
        }
    }
    let known = platform.tracking.run(run)?;
    let tag = known.data.tags.iter().find(|tag| tag.key == HISTORY);
    let mut history: Vec<Value> =
        tag.and_then(|tag| serde_json::from_str(&tag.value).ok()).unwrap_or_default();
    history.push(model);
    let tag = Tag::new(HISTORY, Value::from(history).to_string());
    platform.tracking.set_tag(run, tag).await?;
    Ok(Json(json!({})))
}

async fn log_inputs(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    let inputs = LogInputs {
        datasets: fields.records::<DatasetInput>("datasets")?,
        models: fields.records::<ModelInput>("models")?,
    };
    platform.tracking.log_inputs(fields.run_id()?, inputs).await?;
    Ok(Json(json!({})))
}

async fn log_outputs(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    let output = |(at, output): (usize, &Fields)| {
        let id = output.filled("model_id")?.ok_or_else(|| missing(&format!("models[{at}].model_id")))?;
        Ok(ModelOutput { model_id: id.into(), step: output.integer("step")?.unwrap_or_default() })
    };
    let outputs = fields.objects("models")?.iter().enumerate().map(output).collect::<Result<Vec<_>>>()?;
    if outputs.is_empty() {
        return Err(missing("models"));
    }
    platform.tracking.log_outputs(fields.run_id()?, outputs).await?;
    Ok(Json(json!({})))
}

async fn set_tag(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    let tag = Tag::new(fields.required("key")?, fields.text("value")?);
    platform.tracking.set_tag(fields.run_id()?, tag).await?;
    Ok(Json(json!({})))
}

async fn delete_tag(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    platform.tracking.delete_tag(fields.run_id()?, fields.required("key")?).await?;
    Ok(Json(json!({})))
}

async fn search(State(platform): State<Platform>, fields: Fields) -> Result<Response> {
    let search = SearchRuns {
        experiment_ids: fields.texts("experiment_ids")?,
        filter: fields.text("filter")?.to_owned(),
        view: view(&fields, "run_view_type")?,
        max_results: fields.integer("max_results")?,
        order_by: fields.texts("order_by")?,
        page_token: fields.filled("page_token")?.map(str::to_owned),
    };
    let body = platform.tracking.search_runs_json(&search)?;
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}
