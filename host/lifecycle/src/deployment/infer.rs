//! The hot path: from tensors to a recorded answer.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use modelyard_clock::Timestamp;
use modelyard_runtime::{
    check,
    types::{ColumnType, Tensor},
};
use modelyard_tables::{Column, Prediction, Value, Values};
use serde::Serialize;
use tracing::{Instrument as _, field::Empty};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    Deployments,
    chain::sum,
    endpoint::{Endpoint, Prepared, Target},
    meter::micros,
};
use crate::{Code, Error, Result, SPANS, columns, governance::Actor};

/// What a caller asks.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// One tensor for each input; inputs that a joined view knows may be left
    /// out if the view's keys are given.
    pub inputs: Vec<Tensor>,
    /// The same key always takes the same route.
    pub sticky: Option<String>,
    /// Whom the call is about, for erasure.
    pub entity: Option<String>,
    /// Only this version answers, whatever the weights.
    pub version: Option<u32>,
}

/// Where the time went, in microseconds.
#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
pub struct Spent {
    /// Waiting for a place.
    pub queue_us: u64,
    /// Making an instance; 0 for a warm one.
    pub instantiate_us: u64,
    /// In features and model.
    pub compute_us: u64,
    /// From request to answer.
    pub total_us: u64,
}

/// What a caller gets.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The prediction's id: labels refer to it.
    pub prediction_id: Uuid,
    /// The model.
    pub model: String,
    /// The version that answered.
    pub version: u32,
    /// What it says.
    pub outputs: Vec<Tensor>,
    /// Where the time went.
    pub spent: Spent,
}

impl Deployments<'_> {
    /// Answers one call.
    pub async fn infer(&self, name: &str, request: Request) -> Result<Answer> {
        let endpoint = self.0.endpoints.get(name).ok_or_else(|| Error::not_found("deployment", name))?;
        let started = Instant::now();
        let rows = rows(&request.inputs, endpoint.spec.limits.max_rows)?;
        let target = match request.version {
            None => endpoint.pick(request.sticky.as_deref()),
            Some(version) => endpoint.routes.iter().find(|route| route.version == version),
        };
        let target = target.ok_or_else(|| match request.version {
            Some(version) => Error::not_found("version of this deployment", version),
            None => Error::new(Code::Unavailable, format!("the deployment {name:?} has no open route")),
        })?;
        refuse_unknown(target, &request.inputs)?;
        let prepared = target.prepare(request.inputs).await;
        let Prepared { inputs, mut kept, timings: prepared } =
            prepared.inspect_err(|error| count_failure(&endpoint, error))?;
        // Both look up at one moment, each what it takes itself.
        let now = self.0.clock.now();
        let shadowed = endpoint.shadow.as_ref().map(|shadow| {
            let inputs = self.complete(shadow, inputs.clone(), rows, now);
            let mut kept = kept.clone();
            shadow.keep(&inputs, &mut kept);
            (shadow.clone(), inputs, kept)
        });
        let inputs = self.complete(target, inputs, rows, now);
        target.keep(&inputs, &mut kept);
        let features = logged(&inputs);
        let span = tracing::debug_span!(
            target: SPANS,
            "predict",
            deployment = name,
            model = endpoint.spec.model,
            version = target.version,
            rows,
            prediction_id = Empty,
            queue_us = Empty,
            instantiate_us = Empty,
            compute_us = Empty,
        );
        let answered = async { target.finish(target.predict(inputs, rows).await?, &kept).await };
        let outcome = answered.instrument(span.clone()).await;
        target.calls.fetch_add(1, Relaxed);
        let predicted = match outcome {
            Ok(predicted) => predicted,
            Err(error) => {
                self.judge(&endpoint, target, &error);
                return Err(error);
            }
        };
        let latency_us = micros(started.elapsed());
        let timings = sum(prepared, predicted.timings);
        endpoint.meter.answered(u64::from(rows), latency_us, &timings);
        let id = Uuid::now_v7();
        if !span.is_disabled() {
            span.record("prediction_id", tracing::field::display(id));
            span.record("queue_us", timings.queue_us);
            span.record("instantiate_us", timings.instantiate_us);
            span.record("compute_us", timings.compute_us);
        }
        drop(span);
        let entities = request.entity.map(|entity| vec![Some(entity); rows as usize]).unwrap_or_default();
        let prediction = Prediction {
            entities,
            ..target.prediction(id, self.0.clock.now(), rows, features, &predicted.outputs, latency_us)
        };
        self.0.tables.predictions().record(&prediction).await?;
        if let Some((shadow, inputs, kept)) = shadowed {
            self.call_shadow(shadow, inputs, kept, prediction);
        }
        Ok(Answer {
            prediction_id: id,
            model: endpoint.spec.model.clone(),
            version: target.version,
            outputs: predicted.outputs,
            spent: Spent {
                queue_us: timings.queue_us,
                instantiate_us: timings.instantiate_us,
                compute_us: timings.compute_us,
                total_us: latency_us,
            },
        })
    }

    /// Counts how long it took to write an answer out.
    pub fn encoded(&self, name: &str, took: Duration) {
        if let Some(endpoint) = self.0.endpoints.get(name) {
            endpoint.meter.encode.record(micros(took));
        }
    }

    /// Counts a failure of a version; a canary that has too many steps back.
    fn judge(&self, endpoint: &Arc<Endpoint>, target: &Target, error: &Error) {
        count_failure(endpoint, error);
        if !is_its_fault(error) {
            return;
        }
        let errors = target.errors.fetch_add(1, Relaxed) + 1;
        let calls = target.calls.load(Relaxed);
        let canary = &endpoint.spec.canary;
        let open = endpoint.routes.iter().filter(|route| !route.out.load(Relaxed)).count();
        let bad = errors as f64 / calls.max(1) as f64 > canary.max_error_share;
        if open > 1 && bad && calls >= canary.min_calls && !target.out.swap(true, Relaxed) {
            let (platform, name, version) = (self.0.clone(), endpoint.spec.name.clone(), target.version);
            let reason =
                format!("version {version} failed {errors} of {calls} calls; the last: {}", error.message);
            tokio::spawn(async move {
                let outcome =
                    platform.deployment().step_back(&Actor::system(), &name, version, &reason).await;
                if let Err(error) = outcome {
                    tracing::error!(%error, deployment = name, "a canary could not step back");
                }
            });
        }
    }

    /// Adds the inputs that joined views know at `now` by the given keys, and
    /// takes out what the version doesn't take.
    fn complete(&self, target: &Target, mut inputs: Vec<Tensor>, rows: u32, now: Timestamp) -> Vec<Tensor> {
        let names = target.predictor.inputs();
        let given = |name: &str| inputs.iter().any(|tensor| tensor.name == name);
        let wanted: Vec<&str> = names.iter().copied().filter(|name| !given(name)).collect();
        if !wanted.is_empty() && !target.lookups.is_empty() {
            let added = self.looked_up(target, &inputs, &wanted, rows, now);
            inputs.extend(added);
        }
        inputs.retain(|tensor| names.contains(&tensor.name.as_str()));
        target.predictor.reshape(&mut inputs);
        inputs
    }

    fn looked_up(
        &self,
        target: &Target,
        inputs: &[Tensor],
        wanted: &[&str],
        rows: u32,
        now: Timestamp,
    ) -> Vec<Tensor> {
        let mut cells: HashMap<&str, Vec<Value>> = HashMap::new();
        for join in &target.lookups {
            let columns: Option<Vec<Column>> = join
                .key_columns
                .iter()
                .map(|key| {
                    let tensor = inputs.iter().find(|tensor| tensor.name == *key)?;
                    columns::output_columns(tensor, None).into_iter().next()
                })
                .collect();
            let Some(columns) = columns else { continue };
            let keys: Vec<Vec<Value>> = (0..rows as usize)
                .map(|row| columns.iter().map(|column| column.value(row)).collect())
                .collect();
            let ttl = join.ttl_seconds.map(Duration::from_secs);
            let found = self.0.tables.online().get(&join.view, &keys, now, ttl);
            for name in wanted
                .iter()
                .filter(|name| join.columns.is_empty() || join.columns.iter().any(|c| c == *name))
            {
                let values: Vec<Value> = found
                    .iter()
                    .map(|row| fresh(row).and_then(|row| row.value(name)).cloned().unwrap_or_default())
                    .collect();
                if values.iter().any(|value| !value.is_null()) || !cells.contains_key(name) {
                    cells.insert(name, values);
                }
            }
        }
        let text = |name: &str| {
            let mut fields = target.predictor.fields().iter();
            fields.any(|field| field.name == name && field.type_ == ColumnType::Utf8)
        };
        // In the model's order, so that the same call is logged the same.
        let found = wanted.iter().filter_map(|name| cells.remove_entry(name));
        let columns = found.map(|(name, values)| {
            // A column without any value doesn't say by itself that it would hold numbers.
            let missing = values.iter().all(Value::is_null) && !text(name);
            columns::to_wit(match missing {
                true => Column::new(name, Values::F64(vec![f64::NAN; values.len()])),
                false => Column::from_values(name, &values),
            })
        });
        target.predictor.fit(columns::to_tensors(columns.collect()))
    }

    /// Calls the shadow beside; its answer is only recorded, under the same id,
    /// so that the same labels judge it.
    fn call_shadow(&self, shadow: Arc<Target>, inputs: Vec<Tensor>, kept: Vec<Tensor>, of: Prediction) {
        let platform = self.0.clone();
        tokio::spawn(async move {
            let started = Instant::now();
            shadow.calls.fetch_add(1, Relaxed);
            let features = logged(&inputs);
            let answered =
                async { shadow.finish(shadow.predictor.predict_tensors(inputs).await?, &kept).await };
            match answered.await {
                Ok(predicted) => {
                    let latency = micros(started.elapsed());
                    let prediction = Prediction {
                        entities: of.entities,
                        ..shadow.prediction(of.id, of.at, of.rows, features, &predicted.outputs, latency)
                    };
                    if let Err(error) = platform.tables.predictions().record(&prediction).await {
                        tracing::warn!(%error, "a shadow's prediction could not be recorded");
                    }
                }
                Err(_) => {
                    shadow.errors.fetch_add(1, Relaxed);
                }
            }
        });
    }
}

/// The caller's own mistakes say nothing about what was called, nor does a full
/// queue.
fn is_its_fault(error: &Error) -> bool {
    !matches!(error.code, Code::InvalidInput | Code::Unsupported | Code::Busy)
}

fn count_failure(endpoint: &Endpoint, error: &Error) {
    if error.code == Code::Busy {
        endpoint.meter.rejected();
    } else if is_its_fault(error) {
        endpoint.meter.failed();
    }
}

/// An input that neither the model nor a joined view takes is the caller's mistake.
fn refuse_unknown(target: &Target, inputs: &[Tensor]) -> Result<()> {
    let names = target.inputs();
    let key =
        |name: &str| target.lookups.iter().flat_map(|lookup| &lookup.key_columns).any(|key| key == name);
    let known = |tensor: &&Tensor| names.contains(&tensor.name) || key(&tensor.name);
    let Some(unknown) = inputs.iter().find(|tensor| !known(tensor)) else { return Ok(()) };
    let mut error =
        Error::invalid(format!("no input is named {:?}; the inputs are {}", unknown.name, names.join(", ")));
    error.location.column = Some(unknown.name.clone());
    Err(error)
}

/// A looked-up row, unless it is too old to use.
fn fresh(row: &modelyard_tables::Lookup) -> Option<&modelyard_tables::Lookup> {
    (row.status == modelyard_tables::Status::Present).then_some(row)
}

/// The number of rows that all inputs have.
fn rows(inputs: &[Tensor], max: u32) -> Result<u32> {
    let mut rows: Option<(&str, i64)> = None;
    for tensor in inputs {
        check::tensor(tensor).map_err(|message| {
            let mut error = Error::invalid(message);
            error.location.column = Some(tensor.name.clone());
            error
        })?;
        let shape_ok = matches!(tensor.shape.as_slice(), [_] | [_, 1]);
        let first = tensor.shape.first().copied().unwrap_or(0);
        let same = rows.is_none_or(|(_, known)| known == first);
        if !shape_ok && tensor.shape.len() < 2 || !same {
            let (other, known) = rows.unwrap_or(("the others", first));
            let mut error = Error::invalid(format!(
                "the input {:?} has the shape {:?}; {other} has {known} rows: all inputs have one first dimension",
                tensor.name, tensor.shape
            ));
            error.location.column = Some(tensor.name.clone());
            return Err(error);
        }
        rows = rows.or(Some((&tensor.name, first)));
    }
    match rows {
        None => Err(Error::field("inputs", "the request has no inputs")),
        Some((_, 0)) => Err(Error::field("inputs", "the request has no rows")),
        Some((_, rows)) => match u32::try_from(rows) {
            Ok(rows) if rows <= max => Ok(rows),
            _ => Err(Error::new(Code::TooLarge, format!("{rows} rows are more than the {max} of one call"))),
        },
    }
}

/// What the prediction log keeps of the inputs.
fn logged(inputs: &[Tensor]) -> Vec<Column> {
    inputs.iter().flat_map(|tensor| columns::output_columns(tensor, None)).collect()
}

impl Target {
    /// What the log keeps of a call.
    fn prediction(
        &self,
        id: Uuid,
        at: Timestamp,
        rows: u32,
        features: Vec<Column>,
        outputs: &[Tensor],
        latency_us: u64,
    ) -> Prediction {
        let specs = &self.predictor.signature().outputs;
        let spec = |tensor: &Tensor| specs.iter().find(|spec| spec.name == tensor.name);
        let outputs =
            outputs.iter().flat_map(|tensor| columns::output_columns(tensor, spec(tensor))).collect();
        Prediction {
            id,
            deployment: self.logged_as.clone(),
            model: self.model.clone(),
            version: self.version,
            at,
            rows,
            features,
            outputs,
            latency_us,
            entities: vec![],
        }
    }
}
