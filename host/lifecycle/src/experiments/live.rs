//! Trainings under way in this process, so that a run shows its live metrics
//! while it runs.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use super::Point;
use crate::progress::Progress;

/// Progress by run.
#[derive(Clone, Default)]
pub(crate) struct Trainings(Arc<Mutex<HashMap<String, Progress>>>);

/// A training that is shown until this is dropped.
pub(super) struct Shown {
    trainings: Trainings,
    run: String,
}

impl Trainings {
    /// Shows a run's training.
    pub(super) fn show(&self, run: &str, progress: &Progress) -> Shown {
        self.0.lock().insert(run.to_owned(), progress.clone());
        Shown { trainings: self.clone(), run: run.to_owned() }
    }

    /// The live metrics of a run that is trained now.
    pub(super) fn points(&self, run: &str) -> Option<Vec<Point>> {
        let progress = self.0.lock().get(run).cloned();
        progress.map(|progress| progress.seen().points)
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.trainings.0.lock().remove(&self.run);
    }
}
