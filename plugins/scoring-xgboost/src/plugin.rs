//! Tensors in, tensors out.

use modelyard_sdk::learn::trees::Ensemble;
use modelyard_sdk::prelude::{Description, Result, Scoring, Signature, Tensor};

use crate::model;

/// The plugin: a model file, read and laid out for scoring.
#[derive(Debug)]
pub struct XgBoost(Ensemble);

impl Scoring for XgBoost {
    fn describe() -> Description {
        Description::new("Scores XGBoost models (the file that save_model writes: .json or .ubj)").outputs([
            "probability: of class 1 [n] (binary:logistic), or of each class [n, k] (multi:softmax, multi:softprob)",
            "label: the number of the class, of two class 1 from 0.5",
            "prediction: the number [n], or of several targets [n, k] (regression, ranking as the raw score, survival)",
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
