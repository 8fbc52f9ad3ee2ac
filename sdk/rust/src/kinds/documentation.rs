//! Documentation: write documents from recorded facts.

use crate::{Description, Result};

pub use crate::bindings::documentation::exports::modelyard::lifecycle::documentation::{Document, Documents};

/// Writes documents from recorded facts.
pub trait Documentation {
    /// What the plugin says of itself.
    fn describe() -> Description;

    /// Renders the facts of a model version, a JSON object.
    fn render(parameters: &str, facts: &str) -> Result<Documents>;
}

#[doc(hidden)]
pub mod adapter {
    use super::*;

    pub fn render<P: Documentation>(parameters: &str, facts: &str) -> Result<Documents> {
        crate::panic::install();
        P::render(parameters, facts)
    }
}
