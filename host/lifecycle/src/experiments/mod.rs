//! Experiments: runs that can be done again, and sweeps of them.

mod prepare;
mod records;
mod runs;
mod sweep;
mod train;

pub use records::{
    Experiment, ExperimentSpec, Point, Run, Split, SplitBy, Status, Strategy, Sweep, SweepSpec, Task,
    TrainerSpec,
};

use crate::Platform;

/// Experiments of a platform.
pub struct Experiments<'p>(pub(crate) &'p Platform);
