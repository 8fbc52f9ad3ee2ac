//! A version ready to predict: the fitted features and then the model. The same
//! code evaluates a run and serves a deployment, so there is no skew.

use std::{sync::Arc, time::Duration};

use modelyard_blobs::Digest;
use modelyard_runtime::{
    Model, ModelOptions, Timings, Transformer,
    types::{Field, Signature, Table, Tensor},
};
use modelyard_tables::Schema;
use tracing::Instrument as _;

use super::{Limits, chain::sum};
use crate::{Error, Platform, Result, SPANS, columns, features::Fitted, tensors};

/// Features and model, warm. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Predictor {
    features: Option<Transformer>,
    model: Model,
    /// The raw columns that the features take; the model's inputs otherwise.
    fields: Arc<[Field]>,
    signature: Arc<Signature>,
}

/// What is needed to make a [`Predictor`].
pub(crate) struct Parts<'a> {
    pub(crate) component: Digest,
    pub(crate) features: Option<&'a Fitted>,
    pub(crate) columns: &'a Schema,
    pub(crate) signature: &'a Signature,
}

/// What a prediction gave.
pub(crate) struct Predicted {
    pub(crate) outputs: Vec<Tensor>,
    pub(crate) timings: Timings,
}

impl Limits {
    /// How the runtime is to keep each of a deployment's components.
    pub(super) fn options(&self) -> ModelOptions {
        ModelOptions {
            reuse: self.reuse,
            max_concurrency: self.concurrency,
            queue: self.queue,
            deadline: Duration::from_millis(self.deadline_ms),
            memory_bytes: usize::try_from(self.memory_bytes).unwrap_or(usize::MAX),
            warm: self.warm,
            idle_after: Duration::from_secs(self.idle_seconds),
            unmap_after: Duration::from_secs(self.idle_seconds.saturating_mul(10)),
            wasi: true,
            ..ModelOptions::default()
        }
    }
}

impl Predictor {
    pub(crate) async fn new(platform: &Platform, parts: Parts<'_>, limits: &Limits) -> Result<Self> {
        let source = || platform.plugins().source();
        let options = limits.options();
        let signature = Some(parts.signature.clone());
        let model = platform
            .runtime
            .model(&parts.component.to_string(), source(), ModelOptions { signature, ..options.clone() })
            .await?;
        let features = match parts.features {
            None => None,
            Some(fitted) => {
                let state = platform.blobs.get(&fitted.state).await?;
                let runtime = &platform.runtime;
                Some(runtime.transformer(&fitted.component.to_string(), source(), state, options).await?)
            }
        };
        Ok(Self {
            features,
            model,
            fields: columns::to_fields(parts.columns).into(),
            signature: Arc::new(parts.signature.clone()),
        })
    }

    /// Makes the instances that are to be warm.
    pub(crate) async fn keep_warm(&self) {
        self.model.keep_warm().await;
        if let Some(features) = &self.features {
            features.keep_warm().await;
        }
    }

    /// The names of the inputs: the raw columns where there are features, the
    /// model's own tensors else.
    pub(crate) fn inputs(&self) -> Vec<&str> {
        match self.features {
            Some(_) => self.fields.iter().map(|field| field.name.as_str()).collect(),
            None => self.signature.inputs.iter().map(|spec| spec.name.as_str()).collect(),
        }
    }

    /// Looked-up tensors of the datatypes that the model takes; the features
    /// take them as they are.
    pub(crate) fn fit(&self, found: Vec<Tensor>) -> Vec<Tensor> {
        match self.features {
            Some(_) => found,
            None => tensors::cast_all(found, &self.signature.inputs),
        }
    }

    /// The caller's tensors of the rank that the model takes; the features take
    /// either.
    pub(crate) fn reshape(&self, inputs: &mut [Tensor]) {
        if self.features.is_none() {
            tensors::reshape(inputs, &self.signature.inputs);
        }
    }

    /// The columns that go in.
    pub(crate) fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// What the model gives.
    pub(crate) fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Predicts from raw columns.
    pub(crate) async fn predict_table(&self, rows: Table) -> Result<Predicted> {
        let (inputs, before) = match &self.features {
            None => (tensors::from_table(rows, &self.signature.inputs)?, Timings::default()),
            Some(features) => {
                let span = tracing::debug_span!(target: SPANS, "features");
                let (table, timings) = features.transform(rows).instrument(span).await?;
                (tensors::from_table(table, &self.signature.inputs)?, timings)
            }
        };
        self.score(inputs, before).await
    }

    /// Predicts from tensors. With features, or where the request's columns
    /// are wanted for the log, they become columns first.
    pub(crate) async fn predict_tensors(&self, inputs: Vec<Tensor>) -> Result<Predicted> {
        match &self.features {
            None => self.score(inputs, Timings::default()).await,
            Some(_) => self.predict_table(columns::to_columns(inputs, &self.fields)?).await,
        }
    }

    async fn score(&self, inputs: Vec<Tensor>, before: Timings) -> Result<Predicted> {
        let span = tracing::debug_span!(target: SPANS, "model");
        // Boxed: every future around it would hold it, and is moved on its way.
        let predicted = Box::pin(self.model.predict(inputs)).instrument(span);
        let (outputs, timings) = predicted.await.map_err(Error::from)?;
        Ok(Predicted { outputs, timings: sum(before, timings) })
    }
}
