//! Tensors in, tensors out.

use modelyard_sdk::learn::linear::{Model, format};
use modelyard_sdk::learn::{self, Rows};
use modelyard_sdk::prelude::{Description, Result, Scoring, Signature, Tensor};

/// The plugin: a model of the format `modelyard-linear-1`.
#[derive(Debug)]
pub struct Linear(Model);

impl Scoring for Linear {
    fn describe() -> Description {
        Description::new("Scores logistic and ridge regression (artifact modelyard-linear-1)").outputs([
            "probability: of the positive class [n], or of each class [n, k] (classification)",
            "label: the class, of two the positive one from 0.5 (classification)",
            "prediction: the number (regression)",
        ])
    }

    fn load(artifact: &[u8]) -> Result<Self> {
        Ok(Self(format::decode(artifact)?))
    }

    fn signature(&self) -> Signature {
        learn::signature(&self.0.inputs, &self.0.head)
    }

    fn predict(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let rows = Rows::read(&self.0.inputs, inputs)?;
        Ok(self.0.head.answer(self.0.score(&rows)))
    }
}
