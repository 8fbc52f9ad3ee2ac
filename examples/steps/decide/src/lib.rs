//! A step after a model: a decision made of its probability, and of a number
//! that the caller sent.

use modelyard_sdk::prelude::*;

/// The parameters.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Decide {
    /// Where the probability reaches it, the answer is yes.
    threshold: f64,
    /// The number whose limit makes a person decide.
    amount: String,
    limit: f64,
}

impl Scoring for Decide {
    fn describe() -> Description {
        Description::new("Decides: yes, no, or a person has to").parameters(
            r#"{"type": "object", "additionalProperties": false, "required": ["threshold", "amount", "limit"],
                "properties": {
                    "threshold": {"type": "number", "minimum": 0, "maximum": 1,
                        "description": "The probability from which the decision is yes"},
                    "amount": {"type": "string", "description": "The number that is limited"},
                    "limit": {"type": "number", "description": "The amount above which a person decides"}}}"#,
        )
    }

    fn load(parameters: &[u8]) -> Result<Self> {
        modelyard_sdk::parameters(&String::from_utf8_lossy(parameters))
    }

    fn signature(&self) -> Signature {
        Signature::new(
            [TensorSpec::fp64("probability", [-1]), TensorSpec::fp64(&self.amount, [-1])],
            [TensorSpec::new("decision", Datatype::Bytes, [-1])],
        )
    }

    fn predict(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let probability = inputs.named("probability")?.numbers()?;
        let amount = inputs.named(&self.amount)?.numbers()?;
        let decide = |(probability, amount): (&f64, &f64)| {
            match (*amount > self.limit, *probability >= self.threshold) {
                (true, _) => "ask",
                (false, true) => "yes",
                (false, false) => "no",
            }
        };
        Ok(vec![Tensor::text("decision", probability.iter().zip(amount.iter()).map(decide))])
    }
}

modelyard_sdk::export!(scoring: Decide);
