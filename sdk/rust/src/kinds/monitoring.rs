//! Monitoring: compare a window of current data with a reference.

use crate::{Description, Finding, Metric, Reader, Result};

pub use crate::bindings::monitoring::exports::modelyard::lifecycle::monitoring::Report;

/// Compares a window of current data with a reference.
pub trait Monitoring {
    /// What the plugin says of itself.
    fn describe() -> Description;

    /// Compares. The parameters name columns, tests and bounds; both tables have the
    /// same columns.
    fn check(parameters: &str, reference: &Reader, current: &Reader) -> Result<Report>;
}

impl Report {
    /// A report of everything that was measured and what crossed a bound.
    pub fn new(metrics: Vec<Metric>, findings: Vec<Finding>) -> Report {
        Report { metrics, findings }
    }
}

#[doc(hidden)]
pub mod adapter {
    use super::*;

    pub fn check<P: Monitoring>(
        parameters: &str,
        reference: &crate::bindings::Reader,
        current: &crate::bindings::Reader,
    ) -> Result<Report> {
        crate::panic::install();
        P::check(parameters, &Reader::borrowed(reference), &Reader::borrowed(current))
    }
}
