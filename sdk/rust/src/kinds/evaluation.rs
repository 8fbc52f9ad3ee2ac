//! Evaluation: hold predictions against the truth.

use crate::{Description, Metric, Reader, Result};

pub use crate::bindings::evaluation::exports::modelyard::lifecycle::evaluation::{Confusion, Curve, Report};

/// Holds predictions against the truth.
pub trait Evaluation {
    /// What the plugin says of itself.
    fn describe() -> Description;

    /// Reads the columns that the parameters name (`truth`, `prediction`, `slices` …)
    /// and measures.
    fn evaluate(parameters: &str, data: &Reader) -> Result<Report>;
}

impl Report {
    /// A report of metrics, without curves.
    pub fn new(metrics: Vec<Metric>) -> Report {
        Report { metrics, curves: Vec::new(), confusion: None }
    }
}

#[doc(hidden)]
pub mod adapter {
    use super::*;

    pub fn evaluate<P: Evaluation>(parameters: &str, data: &crate::bindings::Reader) -> Result<Report> {
        crate::panic::install();
        P::evaluate(parameters, &Reader::borrowed(data))
    }
}
