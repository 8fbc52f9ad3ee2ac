//! A step before a model: a number in another unit, `factor * x + offset`.

use modelyard_sdk::prelude::*;

/// The parameters.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Rescale {
    input: String,
    output: String,
    #[serde(default = "one")]
    factor: f64,
    #[serde(default)]
    offset: f64,
}

fn one() -> f64 {
    1.0
}

impl Scoring for Rescale {
    fn describe() -> Description {
        Description::new("Gives a number in another unit").parameters(
            r#"{"type": "object", "additionalProperties": false, "required": ["input", "output"],
                "properties": {
                    "input": {"type": "string", "description": "The number's name"},
                    "output": {"type": "string", "description": "Its name in the other unit"},
                    "factor": {"type": "number", "default": 1, "description": "What it is multiplied by"},
                    "offset": {"type": "number", "default": 0, "description": "What is added then"}}}"#,
        )
    }

    fn load(parameters: &[u8]) -> Result<Self> {
        modelyard_sdk::parameters(&String::from_utf8_lossy(parameters))
    }

    fn signature(&self) -> Signature {
        Signature::new([TensorSpec::fp64(&self.input, [-1])], [TensorSpec::fp64(&self.output, [-1])])
    }

    fn predict(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let given = inputs.named(&self.input)?.numbers()?;
        let rescaled = given.iter().map(|value| self.factor * value + self.offset).collect();
        Ok(vec![Tensor::vector(&self.output, rescaled)])
    }
}

modelyard_sdk::export!(scoring: Rescale);
