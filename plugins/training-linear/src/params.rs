//! Parameters, their defaults and bounds.

use modelyard_sdk::{Error, Result};
use serde::Deserialize;

/// What a run is steered by.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Parameters {
    /// L2 regularisation of the coefficients on standardised columns.
    pub l2: f64,
    /// The most iterations of L-BFGS (classification).
    pub max_iterations: u32,
    /// The gradient of the mean loss at which it has converged.
    pub tolerance: f64,
    /// The most categories of a column; the rarest beyond count as missing.
    pub max_categories: u32,
    /// Which of two classes is the positive one; by default the last.
    pub positive_class: Option<String>,
}

impl Default for Parameters {
    fn default() -> Self {
        Self { l2: 1.0, max_iterations: 500, tolerance: 1e-9, max_categories: 256, positive_class: None }
    }
}

/// The JSON Schema of [`Parameters`].
pub const SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "l2": {"type": "number", "default": 1, "minimum": 0, "maximum": 1e12, "description": "L2 regularisation of the coefficients on standardised columns: 1/C of scikit-learn's LogisticRegression, alpha of its Ridge"},
    "max_iterations": {"type": "integer", "default": 500, "minimum": 1, "maximum": 100000, "description": "The most iterations of L-BFGS (classification)"},
    "tolerance": {"type": "number", "default": 1e-9, "exclusiveMinimum": 0, "maximum": 1, "description": "The greatest entry of the mean loss's gradient at which it has converged"},
    "max_categories": {"type": "integer", "default": 256, "minimum": 1, "maximum": 65536, "description": "The most categories of a column; the rarest beyond count as missing"},
    "positive_class": {"type": ["string", "null"], "default": null, "description": "Which of two classes is the positive one; by default the last in order"}
  }
}"#;

impl Parameters {
    /// Checks every bound.
    pub fn check(self) -> Result<Self> {
        let refuse = |name: &str, message: String| Err(Error::parameter(format!("/{name}"), message));
        if !(0.0..=1e12).contains(&self.l2) {
            return refuse("l2", format!("{} is not in 0..=1e12", self.l2));
        }
        if !(1..=100_000).contains(&self.max_iterations) {
            return refuse("max_iterations", format!("{} is not in 1..=100000", self.max_iterations));
        }
        if !(self.tolerance > 0.0 && self.tolerance <= 1.0) {
            return refuse("tolerance", format!("{} is not above 0 and up to 1", self.tolerance));
        }
        if !(1..=65_536).contains(&self.max_categories) {
            return refuse("max_categories", format!("{} is not in 1..=65536", self.max_categories));
        }
        Ok(self)
    }
}
