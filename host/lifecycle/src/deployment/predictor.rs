//! A version ready to predict: the fitted features and then the model. The same
//! code evaluates a run and serves a deployment, so there is no skew.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use modelyard_blobs::{Blobs, Digest};
use modelyard_runtime::{
    Fetch, Model, ModelOptions, Source, Timings, Transformer,
    types::{Field, Signature, Table, Tensor},
};
use modelyard_tables::Schema;

use super::Limits;
use crate::{Error, Platform, Result, columns, features::Fitted, tensors};

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

struct FromBlobs(Blobs);

#[async_trait]
impl Fetch for FromBlobs {
    async fn fetch(&self, digest: &str) -> Result<Bytes, String> {
        let digest: Digest = digest.parse().map_err(|error| format!("{error}"))?;
        self.0.get(&digest).await.map_err(|error| error.to_string())
    }
}

impl Predictor {
    pub(crate) async fn new(platform: &Platform, parts: Parts<'_>, limits: &Limits) -> Result<Self> {
        let source = || Source::Fetch(Arc::new(FromBlobs(platform.blobs.clone())));
        let options = ModelOptions {
            reuse: limits.reuse,
            max_concurrency: limits.concurrency,
            queue: limits.queue,
            deadline: Duration::from_millis(limits.deadline_ms),
            memory_bytes: usize::try_from(limits.memory_bytes).unwrap_or(usize::MAX),
            idle_after: Duration::from_secs(limits.idle_seconds),
            unmap_after: Duration::from_secs(limits.idle_seconds.saturating_mul(10)),
            wasi: true,
            ..ModelOptions::default()
        };
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
                let (table, timings) = features.transform(rows).await?;
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
        let (outputs, timings) = self.model.predict(inputs).await.map_err(Error::from)?;
        let timings = Timings {
            queue_us: before.queue_us + timings.queue_us,
            instantiate_us: before.instantiate_us + timings.instantiate_us,
            compute_us: before.compute_us + timings.compute_us,
            cpu_us: before.cpu_us + timings.cpu_us,
            memory_bytes: before.memory_bytes + timings.memory_bytes,
        };
        Ok(Predicted { outputs, timings })
    }
}
