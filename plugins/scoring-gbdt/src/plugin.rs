//! Tensors in, tensors out.

use modelyard_sdk::learn::gbdt::{Forest, format};
use modelyard_sdk::learn::{self, Head, Input, Rows};
use modelyard_sdk::prelude::{Description, Result, Scoring, Signature, Tensor};

/// The plugin: a model, decoded and laid out for scoring.
#[derive(Debug)]
pub struct Gbdt {
    inputs: Vec<Input>,
    head: Head,
    forest: Forest,
}

impl Scoring for Gbdt {
    fn describe() -> Description {
        Description::new("Scores gradient-boosted decision trees (artifact modelyard-gbdt-1)").outputs([
            "probability: of the positive class [n], or of each class [n, k] (classification)",
            "label: the class, of two the positive one from 0.5 (classification)",
            "prediction: the number (regression)",
        ])
    }

    fn load(artifact: &[u8]) -> Result<Self> {
        let model = format::decode(artifact)?;
        let forest = Forest::new(&model);
        Ok(Self { inputs: model.inputs, head: model.head, forest })
    }

    fn signature(&self) -> Signature {
        learn::signature(&self.inputs, &self.head)
    }

    fn predict(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let rows = Rows::read(&self.inputs, inputs)?;
        Ok(self.head.answer(self.forest.score(&rows)))
    }
}
