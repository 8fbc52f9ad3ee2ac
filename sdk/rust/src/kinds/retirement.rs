//! Retirement: judge whether a model version should go.

use crate::{Description, Result};

pub use crate::bindings::retirement::exports::modelyard::lifecycle::retirement::{Usage, Verdict};

/// Judges whether a model version should go.
pub trait Retirement {
    /// What the plugin says of itself.
    fn describe() -> Description;

    /// Keeps, warns, or proposes to retire.
    fn assess(parameters: &str, usage: Usage) -> Result<Verdict>;
}

#[doc(hidden)]
pub mod adapter {
    use super::*;

    pub fn assess<P: Retirement>(parameters: &str, usage: Usage) -> Result<Verdict> {
        crate::panic::install();
        P::assess(parameters, usage)
    }
}
