//! Reads a window's labelled predictions.

use modelyard_sdk::prelude::*;
use serde_json::Value;

use crate::parameters::{Parameters, Task};

/// Rows pulled at once.
const BATCH: u32 = 65_536;

/// Labelled predictions: 9 to 16 bytes a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Pairs {
    /// Probabilities, and whether the truth is positive.
    Binary {
        /// Probability of the positive class.
        scores: Vec<f64>,
        /// The truth.
        positive: Vec<bool>,
    },
    /// How many predicted classes were right.
    Multiclass {
        /// Right ones.
        right: u64,
    },
    /// True and predicted numbers.
    Regression {
        /// The truth.
        truth: Vec<f64>,
        /// The predictions.
        predicted: Vec<f64>,
    },
}

/// One window.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// All rows.
    pub rows: u64,
    /// Rows with a truth and a prediction.
    pub labelled: u64,
    /// Rows with a truth and no prediction.
    pub unscored: u64,
    /// The labelled rows.
    pub pairs: Pairs,
}

/// Reads a window.
///
/// # Errors
/// `invalid-input` for a missing column, one of the wrong type, a truth that is
/// neither class, a probability outside 0 to 1; `cancelled`.
pub fn read(parameters: &Parameters, reader: &Reader) -> Result<Window, Error> {
    let pairs = match parameters.task {
        Task::Binary => Pairs::Binary { scores: Vec::new(), positive: Vec::new() },
        Task::Multiclass => Pairs::Multiclass { right: 0 },
        Task::Regression => Pairs::Regression { truth: Vec::new(), predicted: Vec::new() },
    };
    let mut window = Window { rows: 0, labelled: 0, unscored: 0, pairs };
    for name in [&parameters.truth, &parameters.prediction] {
        check_column(parameters, reader, name)?;
    }
    for batch in reader.batches(BATCH) {
        progress::check()?;
        let batch = batch?;
        let (truth, prediction) = (batch.column(&parameters.truth)?, batch.column(&parameters.prediction)?);
        window.add(parameters, truth, prediction)?;
    }
    Ok(window)
}

fn check_column(parameters: &Parameters, reader: &Reader, name: &str) -> Result<(), Error> {
    let schema = reader.schema();
    let Some(field) = schema.iter().find(|f| f.name == name) else {
        let names: Vec<&str> = schema.iter().map(|f| f.name.as_str()).collect();
        return Err(Error::column(name, format!("no column `{name}`: the columns are {}", names.join(", "))));
    };
    let text = field.type_ == ColumnType::Utf8;
    let number = match parameters.task {
        Task::Binary => name == parameters.prediction,
        Task::Multiclass => false,
        Task::Regression => true,
    };
    if text && number {
        return Err(Error::column(name, format!("column `{name}` holds text where numbers are needed")));
    }
    if text && parameters.task == Task::Binary && parameters.positive.is_none() {
        let message = format!("the truth column `{name}` holds text: say which class is the positive one");
        return Err(Error::parameter("/positive", message));
    }
    Ok(())
}

impl Window {
    fn add(&mut self, parameters: &Parameters, truth: &Column, prediction: &Column) -> Result<(), Error> {
        let before = self.rows;
        self.rows += truth.len() as u64;
        match &mut self.pairs {
            Pairs::Multiclass { right } => {
                for row in 0..truth.len() {
                    let Some(label) = truth.text(row) else { continue };
                    match prediction.text(row) {
                        Some(class) => {
                            self.labelled += 1;
                            *right += u64::from(class == label);
                        }
                        None => self.unscored += 1,
                    }
                }
            }
            Pairs::Regression { truth: truths, predicted } => {
                for (label, value) in
                    truth.numbers()?.iter().copied().zip(prediction.numbers()?.iter().copied())
                {
                    if !label.is_finite() {
                        continue;
                    }
                    if value.is_finite() {
                        truths.push(label);
                        predicted.push(value);
                        self.labelled += 1;
                    } else {
                        self.unscored += 1;
                    }
                }
            }
            Pairs::Binary { scores, positive } => {
                let labels = classes(parameters, truth, before)?;
                for (row, (label, score)) in
                    labels.into_iter().zip(prediction.numbers()?.iter().copied()).enumerate()
                {
                    let Some(label) = label else { continue };
                    if score.is_nan() {
                        self.unscored += 1;
                    } else if (0.0..=1.0).contains(&score) {
                        scores.push(score);
                        positive.push(label);
                        self.labelled += 1;
                    } else {
                        let name = &parameters.prediction;
                        let message =
                            format!("{score} in `{name}` is no probability: it must be from 0 to 1");
                        return Err(Error::column(name, message).at_row(before + row as u64));
                    }
                }
            }
        }
        Ok(())
    }
}

/// Whether each row is positive; none: no label.
fn classes(parameters: &Parameters, column: &Column, before: u64) -> Result<Vec<Option<bool>>, Error> {
    if let Some(positive) = &parameters.positive {
        if let (Some(positive), false) = (positive.as_f64(), matches!(column.data, ColumnData::Utf8(_))) {
            let is = |value: f64| (!value.is_nan()).then_some(value == positive);
            return Ok(column.numbers()?.iter().copied().map(is).collect());
        }
        let positive = match positive {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        return Ok((0..column.len()).map(|row| column.text(row).map(|t| t == positive)).collect());
    }
    let class = |(row, value): (usize, f64)| match value {
        v if v.is_nan() => Ok(None),
        1.0 => Ok(Some(true)),
        0.0 => Ok(Some(false)),
        v => {
            let name = &parameters.truth;
            let message =
                format!("{v} in `{name}` is neither 0 nor 1: say with `positive` which class is positive");
            Err(Error::column(name, message).at_row(before + row as u64))
        }
    };
    column.numbers()?.iter().copied().enumerate().map(class).collect()
}
