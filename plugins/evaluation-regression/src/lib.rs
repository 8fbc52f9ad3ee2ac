//! Measures regressors: predicted numbers against the true ones, as a whole and
//! for each value of the slice columns.
//!
//! A metric that is not defined on the rows at hand (R² of a constant truth, a
//! relative error where the truth is 0) is left out, never NaN.

use std::collections::BTreeMap;

use modelyard_sdk::evaluation::Report;
use modelyard_sdk::prelude::{Description, Error, Evaluation, Metric, Reader, Result, Table, progress};
use modelyard_sdk::stats::regression;
use serde::Deserialize;

/// The plugin.
#[derive(Debug)]
pub struct Regression;

/// What is measured.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    truth: String,
    prediction: String,
    #[serde(default)]
    slices: Vec<String>,
    #[serde(default = "one")]
    min_slice_rows: u64,
    #[serde(default = "fifty")]
    max_slices: u32,
}

fn one() -> u64 {
    1
}

fn fifty() -> u32 {
    50
}

const SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "additionalProperties": false,
  "required": ["truth", "prediction"],
  "properties": {
    "truth": {"type": "string", "description": "The column of true numbers"},
    "prediction": {"type": "string", "description": "The column of predicted numbers"},
    "slices": {"type": "array", "items": {"type": "string"}, "default": [], "description": "Columns by whose values the metrics are taken again"},
    "min_slice_rows": {"type": "integer", "default": 1, "minimum": 1, "description": "Slices of fewer rows are left out"},
    "max_slices": {"type": "integer", "default": 50, "minimum": 1, "maximum": 10000, "description": "The most values of a slice column, the most frequent ones"}
  }
}"#;

impl Evaluation for Regression {
    fn describe() -> Description {
        Description::new("Measures regressors: predicted numbers against the true ones")
            .parameters(SCHEMA)
            .outputs([
                "mse, rmse, mae, median_ae, max_error",
                "mape: relative to the truth, as a fraction; left out where a true value is 0",
                "r2, explained_variance: left out where the truth does not vary",
            ])
    }

    fn evaluate(parameters: &str, data: &Reader) -> Result<Report> {
        let parameters = modelyard_sdk::parameters::<Parameters>(parameters)?;
        let (mut truth, mut predicted) = (Vec::new(), Vec::new());
        let mut slices: Vec<BTreeMap<String, Vec<usize>>> = vec![BTreeMap::new(); parameters.slices.len()];
        for batch in data.batches(32_768) {
            progress::check()?;
            let batch = batch?;
            let before = truth.len();
            read(&batch, &parameters.truth, before, &mut truth)?;
            read(&batch, &parameters.prediction, before, &mut predicted)?;
            for (name, slice) in parameters.slices.iter().zip(&mut slices) {
                let column = batch.column(name)?;
                for row in 0..batch.rows() {
                    let value = column.text(row);
                    let value = value.as_deref().unwrap_or("null");
                    match slice.get_mut(value) {
                        Some(rows) => rows.push(before + row),
                        None => {
                            slice.insert(value.to_owned(), vec![before + row]);
                        }
                    }
                }
            }
        }
        if truth.is_empty() {
            return Err(Error::invalid("there are no rows to measure"));
        }
        let mut metrics = measure(&truth, &predicted, None);
        for (name, slice) in parameters.slices.iter().zip(slices) {
            let mut values: Vec<(String, Vec<usize>)> = slice.into_iter().collect();
            values.retain(|(_, rows)| rows.len() as u64 >= parameters.min_slice_rows);
            values.sort_by(|a, b| b.1.len().cmp(&a.1.len()).then_with(|| a.0.cmp(&b.0)));
            for (value, rows) in values.into_iter().take(parameters.max_slices as usize) {
                let pick =
                    |all: &[f64]| rows.iter().filter_map(|row| all.get(*row).copied()).collect::<Vec<_>>();
                metrics.extend(measure(&pick(&truth), &pick(&predicted), Some(&format!("{name}={value}"))));
            }
        }
        Ok(Report::new(metrics))
    }
}

/// Adds a column's numbers; a null, NaN or infinity is an error naming the row.
fn read(batch: &Table, name: &str, before: usize, numbers: &mut Vec<f64>) -> Result<()> {
    let column = batch.numbers(name)?;
    if let Some(row) = column.iter().position(|number| !number.is_finite()) {
        let message = "holds a null, NaN or infinity; leave such rows out";
        return Err(Error::column(name, message).at_row((before + row) as u64));
    }
    numbers.extend_from_slice(&column);
    Ok(())
}

fn measure(truth: &[f64], predicted: &[f64], slice: Option<&str>) -> Vec<Metric> {
    let values = [
        ("mse", regression::mse(truth, predicted)),
        ("rmse", regression::rmse(truth, predicted)),
        ("mae", regression::mae(truth, predicted)),
        ("mape", regression::mape(truth, predicted)),
        ("median_ae", regression::median_ae(truth, predicted)),
        ("r2", regression::r2(truth, predicted)),
        ("explained_variance", regression::explained_variance(truth, predicted)),
        ("max_error", regression::max_error(truth, predicted)),
    ];
    let metric = |(name, value): (&str, Option<f64>)| {
        let metric = Metric::new(name, value?, truth.len() as u64);
        Some(match slice {
            Some(slice) => metric.slice(slice),
            None => metric,
        })
    };
    values.into_iter().filter_map(metric).collect()
}

modelyard_sdk::export!(evaluation: Regression);
