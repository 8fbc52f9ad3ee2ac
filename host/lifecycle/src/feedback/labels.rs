//! Labels and ratings by prediction id.

use modelyard_clock::Timestamp;
use modelyard_tables::{Label, PredictionId, Value};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Feedback;
use crate::{Error, Result};

/// What turned out to be true of one prediction, or what somebody thought of it.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LabelInput {
    /// The prediction's id; `<id>:<row>` for one row of a call with many.
    pub prediction_id: String,
    /// A number, a text or a boolean.
    #[schema(value_type = Object)]
    pub label: serde_json::Value,
    /// When it became known; now, unless said.
    #[serde(default)]
    pub at: Option<Timestamp>,
}

/// What came of labels.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct LabelsTaken {
    /// Predictions that had no label.
    pub added: u64,
    /// Labels that replaced an earlier one.
    pub replaced: u64,
    /// Labels that were there already.
    pub unchanged: u64,
    /// Ids that no prediction has: their labels were not taken.
    pub unknown: Vec<String>,
}

impl Feedback<'_> {
    /// Takes labels. The same label twice is one; a later one replaces it.
    pub async fn label(&self, labels: Vec<LabelInput>) -> Result<LabelsTaken> {
        let now = self.0.clock.now();
        let mut ids = Vec::with_capacity(labels.len());
        let mut parsed = Vec::with_capacity(labels.len());
        for (row, label) in labels.iter().enumerate() {
            let wrong = |what: String| {
                let mut error = Error::field(format!("labels.{row}"), what);
                error.location.row = Some(row as u64);
                error
            };
            let id: PredictionId =
                label.prediction_id.parse().map_err(|error| wrong(format!("prediction_id: {error}")))?;
            let value = match &label.label {
                serde_json::Value::Bool(value) => Value::Boolean(*value),
                serde_json::Value::String(value) => Value::Utf8(value.clone()),
                serde_json::Value::Number(number) => match number.as_i64() {
                    Some(value) => Value::S64(value),
                    None => Value::F64(number.as_f64().unwrap_or(f64::NAN)),
                },
                other => {
                    return Err(wrong(format!("{other} is no label: give a number, a text or a boolean")));
                }
            };
            ids.push(id);
            parsed.push(Label { prediction_id: id, value, at: label.at.unwrap_or(now) });
        }
        let known = self.0.tables.predictions().known(&ids).await?;
        let mut unknown = Vec::new();
        let mut taken = Vec::new();
        for ((label, input), known) in parsed.into_iter().zip(&labels).zip(known) {
            if known { taken.push(label) } else { unknown.push(input.prediction_id.clone()) }
        }
        let put = self.0.tables.labels().put(taken).await?;
        Ok(LabelsTaken { added: put.added, replaced: put.replaced, unchanged: put.unchanged, unknown })
    }
}
