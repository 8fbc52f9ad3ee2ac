//! Training: data and parameters in, an artifact out.

use crate::{Description, Reader, Result};

pub use crate::bindings::training::exports::modelyard::lifecycle::training::{Artifact, Settings, Task};

/// Trains a model.
pub trait Training {
    /// What the plugin says of itself.
    fn describe() -> Description;

    /// Trains on `data`. With `validation`, stops early where the parameters say so
    /// and reports metrics on it through [`progress`](crate::progress).
    fn train(settings: Settings, data: &Reader, validation: Option<&Reader>) -> Result<Artifact>;
}

#[doc(hidden)]
pub mod adapter {
    use super::*;

    pub fn train<P: Training>(
        settings: Settings,
        data: &crate::bindings::Reader,
        validation: Option<&crate::bindings::Reader>,
    ) -> Result<Artifact> {
        crate::panic::install();
        let validation = validation.map(Reader::borrowed);
        P::train(settings, &Reader::borrowed(data), validation.as_ref())
    }
}
