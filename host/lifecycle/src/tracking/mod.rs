//! Tracking: what clients of MLflow's protocol log, and what becomes of it.
//!
//! Runs, metrics and the like are kept by the tracking store
//! ([`modelyard_tracking`]); their files by [`Artifacts`]. What is here beside
//! that leads from one to the registry: a logged model becomes a version
//! ([`register`]); and from our own experiments to the store: what is trained
//! here is seen there ([`runs`]).

mod artifacts;
mod native;
mod path;
mod register;
mod runs;
mod uploads;

pub use artifacts::{Artifacts, Entry, Upload};
/// The store's records, operations and search language.
pub use modelyard_tracking as store;
pub(crate) use native::run_id;
pub use path::ArtifactPath;
pub use register::Wanted;
pub(crate) use runs::Followed;
pub use uploads::Part;

use crate::Platform;

/// How the places of artifacts that this server keeps begin.
pub const ARTIFACT_ROOT: &str = "mlflow-artifacts:/";

/// Tracking on a platform.
pub struct Tracking<'p>(pub(crate) &'p Platform);
