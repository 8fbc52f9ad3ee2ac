//! Tensors in, tensors out.

use modelyard_sdk::learn::{self, Rows};
use modelyard_sdk::prelude::*;

use crate::forest::{Forest, Ready};
use crate::format;

/// The plugin: a model of the format `modelyard-gbdt-1`.
#[derive(Debug)]
pub struct Gbdt(Ready);

impl Scoring for Gbdt {
    fn describe() -> Description {
        Description {
            summary: "Scores gradient-boosted decision trees (artifact modelyard-gbdt-1)".into(),
            parameters: r#"{"type":"object","additionalProperties":false}"#.into(),
            inputs: Vec::new(),
            outputs: vec![
                "probability: of the positive class [n], or of each class [n, k] (classification)".into(),
                "label: the class, of two the positive one from 0.5 (classification)".into(),
                "prediction: the number (regression)".into(),
            ],
        }
    }

    fn load(artifact: &[u8]) -> Result<Self, Error> {
        let model = format::decode(artifact)?;
        let forest = Forest::new(&model);
        Ok(Self(Ready { inputs: model.inputs, head: model.head, forest }))
    }

    fn signature(&self) -> Signature {
        learn::signature(&self.0.inputs, &self.0.head)
    }

    fn predict(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, Error> {
        let rows = Rows::read(&self.0.inputs, inputs)?;
        Ok(self.0.head.answer(self.0.forest.score(&rows)))
    }
}
