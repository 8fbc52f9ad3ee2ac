//! Which columns of a table a model learns from.

use super::Task;
use crate::training::{self, Settings};
use crate::{ColumnType, Error, Field, Result};

impl From<training::Task> for Task {
    fn from(task: training::Task) -> Self {
        match task {
            training::Task::BinaryClassification => Self::Binary,
            training::Task::MulticlassClassification => Self::Multiclass,
            training::Task::Regression => Self::Regression,
        }
    }
}

/// Every column but the target, the weight and those to ignore, in order. A
/// target or weight that is not there, a column of times among the rest, or no
/// column left is an error that says the way out. Names to ignore that are not
/// there do no harm.
pub fn features(schema: &[Field], settings: &Settings) -> Result<Vec<Field>> {
    let there = |name: &str| schema.iter().any(|field| field.name == name);
    for name in [Some(&settings.target), settings.weight.as_ref()].into_iter().flatten() {
        if !there(name) {
            let names: Vec<&str> = schema.iter().take(40).map(|field| field.name.as_str()).collect();
            return Err(Error::column(name, format!("there is no such column; there are {names:?}")));
        }
    }
    let left_out = |name: &String| {
        *name == settings.target || settings.weight.as_ref() == Some(name) || settings.ignore.contains(name)
    };
    let features: Vec<Field> = schema.iter().filter(|field| !left_out(&field.name)).cloned().collect();
    if let Some(time) = features.iter().find(|field| field.type_ == ColumnType::Timestamp) {
        let message = "holds times, which a model does not learn from as they are: \
            put the column into `ignore`, or turn it into date parts with features-standard";
        return Err(Error::column(&time.name, message));
    }
    if features.is_empty() {
        return Err(Error::invalid("no column is left to learn from besides target, weight and `ignore`"));
    }
    if features.len() > super::MAX_INPUTS {
        let message = format!("{} columns to learn from; {} is the most", features.len(), super::MAX_INPUTS);
        return Err(Error::invalid(message));
    }
    Ok(features)
}
