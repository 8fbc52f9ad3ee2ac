//! Settings in, an artifact `modelyard-linear-1` out.

use modelyard_sdk::learn::linear::{Model, format};
use modelyard_sdk::learn::{self, Head, Rows, Task, target};
use modelyard_sdk::prelude::{
    Artifact, Description, Metric, Reader, Result, Settings, Training, log, progress,
};
use modelyard_sdk::stats::{self, regression};

use crate::params::{self, Parameters};
use crate::{design, fit};

/// The plugin.
#[derive(Debug)]
pub struct Linear;

impl Training for Linear {
    fn describe() -> Description {
        Description::new("Trains logistic and ridge regression").parameters(params::SCHEMA).outputs([
            "train_log_loss, train_roc_auc, validation_log_loss, validation_roc_auc: classification (AUC: binary)",
            "train_rmse, train_mae, validation_rmse, validation_mae: regression",
        ])
    }

    fn train(settings: Settings, data: &Reader, validation: Option<&Reader>) -> Result<Artifact> {
        let parameters = modelyard_sdk::parameters::<Parameters>(&settings.parameters)?.check()?;
        let design = design::prepare(&settings, &parameters, data)?;
        let (model, importance) = fit::fit(&design, &parameters)?;
        drop(design);
        data.rewind()?;
        let mut metrics = measure("train", &model, &settings, data)?;
        if let Some(reader) = validation {
            metrics.extend(measure("validation", &model, &settings, reader)?);
        }
        progress::report(1.0, "done");
        Ok(Artifact {
            bytes: format::encode(&model),
            format: format::FORMAT.into(),
            runner: format::RUNNER.into(),
            signature: learn::signature(&model.inputs, &model.head),
            metrics,
            importance,
        })
    }
}

/// The metrics of a model on a table, row weights aside.
fn measure(part: &str, model: &Model, settings: &Settings, data: &Reader) -> Result<Vec<Metric>> {
    let (mut scores, mut truth) = (Vec::new(), Vec::new());
    for batch in data.batches(16_384) {
        progress::check()?;
        let batch = batch?;
        truth.extend(target::values(&model.head, batch.column(&settings.target)?, truth.len())?);
        let rows: Rows = design::rows_of(&model.inputs, &batch)?;
        scores.extend(model.score(&rows));
    }
    if truth.is_empty() {
        log::warn(format!("the {part} data has no rows"));
    }
    let named = |(name, value): (&str, Option<f64>)| {
        value.map(|value| Metric::new(format!("{part}_{name}"), value, truth.len() as u64))
    };
    Ok(values(&model.head, scores, &truth).into_iter().filter_map(named).collect())
}

fn values(head: &Head, mut scores: Vec<f64>, truth: &[f64]) -> Vec<(&'static str, Option<f64>)> {
    match head.task {
        Task::Regression => {
            vec![("rmse", regression::rmse(truth, &scores)), ("mae", regression::mae(truth, &scores))]
        }
        Task::Binary => {
            let positive: Vec<bool> = truth.iter().map(|y| *y == 1.0).collect();
            let auc = stats::roc_auc(&scores, &positive, None);
            scores.iter_mut().for_each(|score| *score = learn::sigmoid(*score));
            vec![("log_loss", stats::log_loss(&scores, &positive)), ("roc_auc", auc)]
        }
        Task::Multiclass => {
            let classes: Vec<usize> = truth.iter().map(|y| *y as usize).collect();
            scores.chunks_exact_mut(head.scores().max(1)).for_each(learn::softmax);
            vec![("log_loss", stats::multiclass_log_loss(&scores, head.scores(), &classes))]
        }
    }
}
