//! Live progress of long work, and whether to go on.
//!
//! Natively nothing is shown; [`testing`] lets a test see what was reported and
//! ask the plugin to stop.

use crate::{Error, Result};

#[cfg(target_arch = "wasm32")]
use crate::bindings::host::modelyard::lifecycle::progress as host;

/// Says how far the work is: a fraction from 0 to 1 (values outside are clamped,
/// NaN is 0).
pub fn report(fraction: f64, message: impl AsRef<str>) {
    let fraction = if fraction.is_nan() { 0.0 } else { fraction.clamp(0.0, 1.0) };
    #[cfg(target_arch = "wasm32")]
    host::report(fraction, message.as_ref());
    #[cfg(not(target_arch = "wasm32"))]
    testing::record_report(fraction, message.as_ref());
}

/// Records a metric at a step (an iteration, an epoch), shown live.
pub fn metric(name: impl AsRef<str>, step: u64, value: f64) {
    #[cfg(target_arch = "wasm32")]
    host::metric(name.as_ref(), step, value);
    #[cfg(not(target_arch = "wasm32"))]
    testing::record_metric(name.as_ref(), step, value);
}

/// Whether the caller wants the work to stop. A plugin that sees true returns
/// [`Error::Cancelled`] soon.
pub fn cancelled() -> bool {
    #[cfg(target_arch = "wasm32")]
    return host::cancelled();
    #[cfg(not(target_arch = "wasm32"))]
    return testing::is_cancelled();
}

/// [`cancelled`] as a line: `progress::check()?;` in a loop.
pub fn check() -> Result<()> {
    if cancelled() { Err(Error::Cancelled) } else { Ok(()) }
}

/// What a native test sees of the progress, per thread.
#[cfg(not(target_arch = "wasm32"))]
pub mod testing {
    use std::cell::{Cell, RefCell};

    thread_local! {
        static CANCELLED: Cell<bool> = const { Cell::new(false) };
        static REPORTS: RefCell<Vec<(f64, String)>> = const { RefCell::new(Vec::new()) };
        static METRICS: RefCell<Vec<(String, u64, f64)>> = const { RefCell::new(Vec::new()) };
    }

    /// Asks plugins called on this thread to stop, or no longer.
    pub fn cancel(cancelled: bool) {
        CANCELLED.set(cancelled);
    }

    /// Takes what was reported on this thread since the last call: fraction and
    /// message.
    pub fn reports() -> Vec<(f64, String)> {
        REPORTS.take()
    }

    /// Takes the metrics recorded on this thread since the last call: name, step
    /// and value.
    pub fn metrics() -> Vec<(String, u64, f64)> {
        METRICS.take()
    }

    pub(super) fn is_cancelled() -> bool {
        CANCELLED.get()
    }

    pub(super) fn record_report(fraction: f64, message: &str) {
        REPORTS.with_borrow_mut(|reports| reports.push((fraction, message.to_owned())));
    }

    pub(super) fn record_metric(name: &str, step: u64, value: f64) {
        METRICS.with_borrow_mut(|metrics| metrics.push((name.to_owned(), step, value)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_see_reports_and_can_cancel() {
        report(f64::NAN, "start");
        report(7.0, "end");
        metric("log_loss", 3, 0.25);
        assert_eq!(testing::reports(), vec![(0.0, "start".to_owned()), (1.0, "end".to_owned())]);
        assert_eq!(testing::metrics(), vec![("log_loss".to_owned(), 3, 0.25)]);
        assert_eq!(check(), Ok(()));
        testing::cancel(true);
        assert_eq!(check(), Err(Error::Cancelled));
        testing::cancel(false);
    }
}
