//! Governance: judge a proposed change.

use crate::{Description, Result};

pub use crate::bindings::governance::exports::modelyard::lifecycle::governance::{Change, Decision};

/// Judges a proposed change.
pub trait Governance {
    /// What the plugin says of itself.
    fn describe() -> Description;

    /// Allows, denies with reasons, or asks a person.
    fn review(parameters: &str, change: Change) -> Result<Decision>;
}

#[doc(hidden)]
pub mod adapter {
    use super::*;

    pub fn review<P: Governance>(parameters: &str, change: Change) -> Result<Decision> {
        crate::panic::install();
        P::review(parameters, change)
    }
}
