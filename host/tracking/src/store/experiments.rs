//! Experiments.

use super::Store;
use crate::{CreateExperiment, Error, Experiment, Page, Result, Search, Tag, ViewType};

impl Store {
    /// Makes an experiment; its id is the next whole number.
    ///
    /// # Errors
    /// `Exists` where the name is taken, by a deleted one too; `Invalid` for a bad name or tag.
    pub async fn create_experiment(&self, _request: CreateExperiment) -> Result<Experiment> {
        Err(Error::internal("not yet"))
    }

    /// The experiment, deleted or not.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn experiment(&self, _experiment_id: &str) -> Result<Experiment> {
        Err(Error::internal("not yet"))
    }

    /// The experiment called `name`, deleted or not.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn experiment_by_name(&self, _name: &str) -> Result<Experiment> {
        Err(Error::internal("not yet"))
    }

    /// Finds experiments; newest first by default, 1,000 a page (at most 50,000).
    ///
    /// # Errors
    /// `Invalid` or `Syntax` for a bad filter, order, page length or token.
    pub fn search_experiments(&self, _search: &Search, _view: ViewType) -> Result<Page<Experiment>> {
        Err(Error::internal("not yet"))
    }

    /// Renames an active experiment.
    ///
    /// # Errors
    /// `NotFound`, `Exists`, `InvalidState` where it is deleted, `Invalid`.
    pub async fn rename_experiment(&self, _experiment_id: &str, _name: &str) -> Result<()> {
        Err(Error::internal("not yet"))
    }

    /// Marks the experiment and its runs deleted.
    ///
    /// # Errors
    /// `NotFound` where there is none that is active.
    pub async fn delete_experiment(&self, _experiment_id: &str) -> Result<()> {
        Err(Error::internal("not yet"))
    }

    /// Takes a deletion back, of the experiment and its runs.
    ///
    /// # Errors
    /// `NotFound` where there is none that is deleted.
    pub async fn restore_experiment(&self, _experiment_id: &str) -> Result<()> {
        Err(Error::internal("not yet"))
    }

    /// Sets a tag of an active experiment.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`.
    pub async fn set_experiment_tag(&self, _experiment_id: &str, _tag: Tag) -> Result<()> {
        Err(Error::internal("not yet"))
    }

    /// Removes a tag of an active experiment.
    ///
    /// # Errors
    /// `NotFound`, also for the tag.
    pub async fn delete_experiment_tag(&self, _experiment_id: &str, _key: &str) -> Result<()> {
        Err(Error::internal("not yet"))
    }
}
