//! Selection: rank columns by how much they say about a target.

use crate::{Description, Reader, Result};

pub use crate::bindings::selection::exports::modelyard::lifecycle::selection::Ranked;

/// Ranks columns by how much they say about a target.
pub trait Selection {
    /// What the plugin says of itself.
    fn describe() -> Description;

    /// Every column but the target, best first.
    fn rank(parameters: &str, data: &Reader, target: &str) -> Result<Vec<Ranked>>;
}

#[doc(hidden)]
pub mod adapter {
    use super::*;

    pub fn rank<P: Selection>(
        parameters: &str,
        data: &crate::bindings::Reader,
        target: &str,
    ) -> Result<Vec<Ranked>> {
        crate::panic::install();
        P::rank(parameters, &Reader::borrowed(data), target)
    }
}
