//! How far long work is: the plugins' `progress` capability, seen from outside.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use modelyard_runtime as runtime;
use parking_lot::Mutex;
use serde::Serialize;
use utoipa::ToSchema;

use crate::experiments::Point;

/// The most metric points kept of one piece of work.
const POINTS: usize = 20_000;

/// What can be seen of work under way.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct Seen {
    /// From 0 to 1.
    pub fraction: f64,
    /// What it is doing.
    pub message: String,
    /// Live metrics.
    #[serde(skip)]
    pub points: Vec<Point>,
}

/// Is told of each live metric: its name, step and value; whether the work
/// should stop.
pub type Watch = Box<dyn Fn(&str, u64, f64) -> bool + Send + Sync>;

/// Work under way. A cheap handle.
#[derive(Clone, Default)]
pub struct Progress(Arc<State>);

#[derive(Default)]
struct State {
    seen: Mutex<Seen>,
    cancelled: AtomicBool,
    interrupted: AtomicBool,
    parent: Option<Progress>,
    watch: Option<Watch>,
}

impl Progress {
    /// Progress that is cancelled when `self` is, and seen apart from it.
    pub fn child(&self) -> Self {
        Self(Arc::new(State { parent: Some(self.clone()), ..State::default() }))
    }

    /// A child whose live metrics somebody watches.
    pub fn watched(&self, watch: Watch) -> Self {
        Self(Arc::new(State { parent: Some(self.clone()), watch: Some(watch), ..State::default() }))
    }

    /// What can be seen now.
    pub fn seen(&self) -> Seen {
        self.0.seen.lock().clone()
    }

    /// Live metrics in the order in which they came, from the one of this number
    /// on; at most so many.
    pub fn points(&self, first: usize, most: usize) -> Vec<Point> {
        self.0.seen.lock().points.iter().skip(first).take(most).cloned().collect()
    }

    /// Says how far the work is.
    pub fn say(&self, fraction: f64, message: impl Into<String>) {
        let mut seen = self.0.seen.lock();
        seen.fraction = if fraction.is_finite() { fraction.clamp(0.0, 1.0) } else { seen.fraction };
        seen.message = message.into();
    }

    /// Asks the work to stop.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::Relaxed);
    }

    /// Asks the work to stop because the process ends, unless somebody has
    /// cancelled it already.
    pub(crate) fn interrupt(&self) {
        if !self.0.cancelled.swap(true, Ordering::Relaxed) {
            self.0.interrupted.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the work stops because the process ends.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.0.interrupted.load(Ordering::Relaxed)
    }

    /// Whether somebody asked the work to stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Relaxed) || self.0.parent.as_ref().is_some_and(Self::is_cancelled)
    }

    /// The capability to grant to a plugin.
    pub fn capability(&self) -> Arc<dyn runtime::Progress> {
        self.0.clone()
    }
}

impl runtime::Progress for State {
    fn report(&self, fraction: f64, message: &str) {
        let mut seen = self.seen.lock();
        seen.fraction = if fraction.is_finite() { fraction.clamp(0.0, 1.0) } else { seen.fraction };
        seen.message = message.chars().take(200).collect();
    }

    fn metric(&self, name: &str, step: u64, value: f64) {
        if self.watch.as_ref().is_some_and(|watch| watch(name, step, value)) {
            self.cancelled.store(true, Ordering::Relaxed);
        }
        let mut seen = self.seen.lock();
        if seen.points.len() < POINTS && value.is_finite() {
            seen.points.push(Point { name: name.chars().take(80).collect(), step, value });
        }
    }

    fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed) || self.parent.as_ref().is_some_and(Progress::is_cancelled)
    }
}
