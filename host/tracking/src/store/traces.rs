//! Traces.

use super::Store;
use crate::{
    Assessment, DeleteTraces, Error, Page, Result, SearchTraces, Span, Trace, TraceInfo, UpdateAssessment,
};

impl Store {
    /// Writes a trace's head; where it is there (its spans came first), merges into it.
    ///
    /// # Errors
    /// `NotFound` or `InvalidState` for its experiment; `Invalid`.
    pub async fn start_trace(&self, _info: TraceInfo) -> Result<TraceInfo> {
        Err(Error::internal("not yet"))
    }

    /// Writes spans, which may be of several traces; makes the heads that are missing from them.
    ///
    /// # Errors
    /// `NotFound` for the experiment; `Invalid`.
    pub async fn log_spans(&self, _experiment_id: &str, _spans: Vec<Span>) -> Result<()> {
        Err(Error::internal("not yet"))
    }

    /// A trace's head.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn trace_info(&self, _trace_id: &str) -> Result<TraceInfo> {
        Err(Error::internal("not yet"))
    }

    /// A trace with its spans.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn trace(&self, _trace_id: &str) -> Result<Trace> {
        Err(Error::internal("not yet"))
    }

    /// The traces that exist among `trace_ids`, in that order.
    pub fn batch_traces(&self, _trace_ids: &[String]) -> Result<Vec<Trace>> {
        Err(Error::internal("not yet"))
    }

    /// Finds traces; newest first by default.
    ///
    /// # Errors
    /// `Invalid` or `Syntax`.
    pub fn search_traces(&self, _search: &SearchTraces) -> Result<Page<TraceInfo>> {
        Err(Error::internal("not yet"))
    }

    /// Removes traces and says how many there were.
    ///
    /// # Errors
    /// `Invalid` where both ids and a time or number are given, or neither.
    pub async fn delete_traces(&self, _request: DeleteTraces) -> Result<usize> {
        Err(Error::internal("not yet"))
    }

    /// Sets a tag.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`.
    pub async fn set_trace_tag(&self, _trace_id: &str, _key: &str, _value: &str) -> Result<()> {
        Err(Error::internal("not yet"))
    }

    /// Removes a tag.
    ///
    /// # Errors
    /// `NotFound`, also for the tag.
    pub async fn delete_trace_tag(&self, _trace_id: &str, _key: &str) -> Result<()> {
        Err(Error::internal("not yet"))
    }

    /// Adds an assessment; one that it overrides is no longer valid.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`.
    pub async fn create_assessment(&self, _assessment: Assessment) -> Result<Assessment> {
        Err(Error::internal("not yet"))
    }

    /// One assessment.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn assessment(&self, _trace_id: &str, _assessment_id: &str) -> Result<Assessment> {
        Err(Error::internal("not yet"))
    }

    /// Changes an assessment.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`.
    pub async fn update_assessment(
        &self,
        _trace_id: &str,
        _assessment_id: &str,
        _change: UpdateAssessment,
    ) -> Result<Assessment> {
        Err(Error::internal("not yet"))
    }

    /// Removes an assessment; one that it overrode is valid again.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn delete_assessment(&self, _trace_id: &str, _assessment_id: &str) -> Result<()> {
        Err(Error::internal("not yet"))
    }

    /// Says that traces (at most 100) belong to a run, so that `run_id` finds them.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`.
    pub async fn link_traces_to_run(&self, _trace_ids: Vec<String>, _run_id: &str) -> Result<()> {
        Err(Error::internal("not yet"))
    }
}
