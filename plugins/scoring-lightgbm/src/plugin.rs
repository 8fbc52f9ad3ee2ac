//! Tensors in, tensors out.

use modelyard_sdk::learn::trees::Ensemble;
use modelyard_sdk::prelude::{Description, Result, Scoring, Signature, Tensor};

use crate::model;

/// The plugin: a model file, read and laid out for scoring.
#[derive(Debug)]
pub struct LightGbm(Ensemble);

impl Scoring for LightGbm {
    fn describe() -> Description {
        Description::new("Scores LightGBM models (the text file that save_model writes)").outputs([
            "probability: of class 1 [n] (binary), or of each class [n, k] (multiclass, multiclassova)",
            "label: the number of the class, of two class 1 from 0.5",
            "prediction: the number [n] (regression, ranking and no objective as the raw score, cross entropy)",
        ])
    }

    fn load(artifact: &[u8]) -> Result<Self> {
        model::read(artifact).map(Self)
    }

    fn signature(&self) -> Signature {
        self.0.signature()
    }

    fn predict(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        self.0.predict(inputs)
    }
}
