//! Settings in, an artifact `modelyard-gbdt-1` out.

use modelyard_sdk::learn;
use modelyard_sdk::learn::gbdt::format;
use modelyard_sdk::prelude::*;

use crate::params::{self, Parameters};
use crate::{boost, dataset};

/// The plugin.
#[derive(Debug)]
pub struct Gbdt;

impl Training for Gbdt {
    fn describe() -> Description {
        Description::new("Trains gradient-boosted decision trees on histograms")
            .parameters(params::SCHEMA)
            .outputs([
                "train_log_loss, train_roc_auc, validation_log_loss, validation_roc_auc: classification (AUC: binary)",
                "train_rmse, train_mae, validation_rmse, validation_mae: regression",
                "rounds: how many the model keeps",
            ])
    }

    fn train(settings: Settings, data: &Reader, validation: Option<&Reader>) -> Result<Artifact> {
        let task = learn::Task::from(settings.task);
        let parameters = modelyard_sdk::parameters::<Parameters>(&settings.parameters)?.check(task)?;
        if parameters.early_stopping_rounds > 0 && validation.is_none() {
            log::warn("early_stopping_rounds has no effect without validation data");
        }
        let prepared = dataset::prepare(&settings, &parameters, data, validation)?;
        let outcome = boost::train(prepared, &parameters, settings.seed)?;
        Ok(Artifact {
            bytes: format::encode(&outcome.model),
            format: format::FORMAT.into(),
            runner: format::RUNNER.into(),
            signature: learn::signature(&outcome.model.inputs, &outcome.model.head),
            metrics: outcome.metrics,
            importance: outcome.importance,
        })
    }
}
