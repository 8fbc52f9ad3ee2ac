//! Runs: their attributes, parameters, tags, inputs and outputs.

use super::Store;
use crate::{
    CreateRun, DatasetSummary, Error, LogBatch, LogInputs, Metric, ModelOutput, Page, Param, Result, Run,
    RunInfo, SearchRuns, Tag, UpdateRun,
};

impl Store {
    /// Makes a run.
    ///
    /// # Errors
    /// `NotFound` or `InvalidState` for its experiment; `Invalid` where name and tag differ.
    pub async fn create_run(&self, _request: CreateRun) -> Result<Run> {
        Err(Error::internal("not yet"))
    }

    /// The run, deleted or not.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn run(&self, _run_id: &str) -> Result<Run> {
        Err(Error::internal("not yet"))
    }

    /// Changes status, end time or name of an active run.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` where it is deleted.
    pub async fn update_run(&self, _run_id: &str, _change: UpdateRun) -> Result<RunInfo> {
        Err(Error::internal("not yet"))
    }

    /// Marks the run deleted; again is not an error.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn delete_run(&self, _run_id: &str) -> Result<()> {
        Err(Error::internal("not yet"))
    }

    /// Takes a deletion back.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn restore_run(&self, _run_id: &str) -> Result<()> {
        Err(Error::internal("not yet"))
    }

    /// Adds a point to a metric; the same point again changes nothing.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` where the run is deleted or the metric is not acceptable.
    pub async fn log_metric(&self, _run_id: &str, _metric: Metric) -> Result<()> {
        Err(Error::internal("not yet"))
    }

    /// Sets a parameter; the same value again changes nothing.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` where it has another value.
    pub async fn log_param(&self, _run_id: &str, _param: Param) -> Result<()> {
        Err(Error::internal("not yet"))
    }

    /// Writes all of `batch`, or on an error nothing.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` for a limit, a parameter with another value, a deleted run.
    pub async fn log_batch(&self, _run_id: &str, _batch: LogBatch) -> Result<()> {
        Err(Error::internal("not yet"))
    }

    /// Sets a tag.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`.
    pub async fn set_tag(&self, _run_id: &str, _tag: Tag) -> Result<()> {
        Err(Error::internal("not yet"))
    }

    /// Removes a tag.
    ///
    /// # Errors
    /// `NotFound`, also for the tag.
    pub async fn delete_tag(&self, _run_id: &str, _key: &str) -> Result<()> {
        Err(Error::internal("not yet"))
    }

    /// Adds data sets and models that the run read; those that are there stay as they are.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`.
    pub async fn log_inputs(&self, _run_id: &str, _inputs: LogInputs) -> Result<()> {
        Err(Error::internal("not yet"))
    }

    /// Adds models that the run wrote.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`.
    pub async fn log_outputs(&self, _run_id: &str, _outputs: Vec<ModelOutput>) -> Result<()> {
        Err(Error::internal("not yet"))
    }

    /// Finds runs; newest first by default, then by id.
    ///
    /// # Errors
    /// `Invalid` or `Syntax` for a bad filter, order, page length or token.
    pub fn search_runs(&self, _search: &SearchRuns) -> Result<Page<Run>> {
        Err(Error::internal("not yet"))
    }

    /// As [`Store::search_runs`], written as MLflow's JSON answer `{"runs":[…],"next_page_token":…}`
    /// straight from the columns: for large pages.
    ///
    /// # Errors
    /// As [`Store::search_runs`].
    pub fn search_runs_json(&self, _search: &SearchRuns) -> Result<Vec<u8>> {
        Err(Error::internal("not yet"))
    }

    /// The data sets that runs of these experiments read, at most 1,000 (`experiments/search-datasets`).
    ///
    /// # Errors
    /// `Invalid`.
    pub fn dataset_summaries(&self, _experiment_ids: &[String]) -> Result<Vec<DatasetSummary>> {
        Err(Error::internal("not yet"))
    }
}
