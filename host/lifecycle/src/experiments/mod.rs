//! Experiments: runs that can be done again, sweeps of them, and how they compare.

mod compare;
mod live;
mod prepare;
mod records;
mod runs;
mod sweep;
mod train;

pub use compare::{CompareSpec, ComparedRun, Differing, History, Method, Pair, RunComparison, Test};
pub(crate) use live::Trainings;
pub use records::{Experiment, ExperimentSpec, Point, Run, Split, SplitBy, Status, Task, TrainerSpec};
pub use sweep::{
    FeatureSet, FoldsSpec, HalvingSpec, RungValue, Strategy, Sweep, SweepSpec, TpeSpec, TrainerChoice, Trial,
    TrialStatus,
};

use crate::Platform;

/// Experiments of a platform.
pub struct Experiments<'p>(pub(crate) &'p Platform);
