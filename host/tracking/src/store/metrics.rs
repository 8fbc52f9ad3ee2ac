//! Histories of metrics.

use super::Store;
use crate::{Error, Metric, Page, Result};

impl Store {
    /// All points of a metric in order of step, then time, then value; all on one page where
    /// `max_results` is absent.
    ///
    /// # Errors
    /// `NotFound` for the run; `Invalid` for the page.
    pub fn metric_history(
        &self,
        _run_id: &str,
        _key: &str,
        _max_results: Option<i64>,
        _page_token: Option<&str>,
    ) -> Result<Page<Metric>> {
        Err(Error::internal("not yet"))
    }

    /// The points of one metric in several runs, by run id, then time, then step; at most `max_results`.
    ///
    /// # Errors
    /// `Invalid`.
    pub fn metric_history_bulk(
        &self,
        _run_ids: &[String],
        _key: &str,
        _max_results: usize,
    ) -> Result<Vec<Metric>> {
        Err(Error::internal("not yet"))
    }

    /// A sample of at most `max_results` steps between (and with) `steps`, the same steps in every run,
    /// with each run's first and last point (`metrics/get-history-bulk-interval`).
    ///
    /// # Errors
    /// `Invalid`.
    pub fn metric_history_interval(
        &self,
        _run_ids: &[String],
        _key: &str,
        _steps: Option<(i64, i64)>,
        _max_results: usize,
    ) -> Result<Vec<Metric>> {
        Err(Error::internal("not yet"))
    }
}
