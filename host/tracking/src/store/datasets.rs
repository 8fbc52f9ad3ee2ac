//! Evaluation datasets.

use super::Store;
use crate::{
    CreateDataset, DatasetRecord, Error, EvaluationDataset, NewDatasetRecord, Page, Result, Search, Upserted,
};
use serde_json::{Map, Value};

impl Store {
    /// Makes a dataset without records.
    ///
    /// # Errors
    /// `Invalid`, `NotFound` for an experiment.
    pub async fn create_dataset(&self, _request: CreateDataset) -> Result<EvaluationDataset> {
        Err(Error::internal("not yet"))
    }

    /// The dataset without its records.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn dataset(&self, _dataset_id: &str) -> Result<EvaluationDataset> {
        Err(Error::internal("not yet"))
    }

    /// Removes the dataset and its records; one that is not there is not an error.
    pub async fn delete_dataset(&self, _dataset_id: &str) -> Result<()> {
        Err(Error::internal("not yet"))
    }

    /// Finds datasets of the experiments (of all where empty); newest first by default.
    ///
    /// # Errors
    /// `Invalid` or `Syntax`.
    pub fn search_datasets(
        &self,
        _experiment_ids: &[String],
        _search: &Search,
    ) -> Result<Page<EvaluationDataset>> {
        Err(Error::internal("not yet"))
    }

    /// Sets tags; a null removes one.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`.
    pub async fn set_dataset_tags(
        &self,
        _dataset_id: &str,
        _tags: Map<String, Value>,
    ) -> Result<EvaluationDataset> {
        Err(Error::internal("not yet"))
    }

    /// Removes a tag; one that is not there is not an error.
    ///
    /// # Errors
    /// `NotFound` for the dataset.
    pub async fn delete_dataset_tag(&self, _dataset_id: &str, _key: &str) -> Result<()> {
        Err(Error::internal("not yet"))
    }

    /// Adds records; where one with the same inputs is there, merges into it.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`.
    pub async fn upsert_dataset_records(
        &self,
        _dataset_id: &str,
        _records: Vec<NewDatasetRecord>,
    ) -> Result<Upserted> {
        Err(Error::internal("not yet"))
    }

    /// Records, oldest first; all on one page where `max_results` is absent.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`.
    pub fn dataset_records(
        &self,
        _dataset_id: &str,
        _max_results: Option<i64>,
        _page_token: Option<&str>,
    ) -> Result<Page<DatasetRecord>> {
        Err(Error::internal("not yet"))
    }

    /// Removes records and says how many there were.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn delete_dataset_records(&self, _dataset_id: &str, _record_ids: Vec<String>) -> Result<usize> {
        Err(Error::internal("not yet"))
    }

    /// Lets the dataset belong to more experiments.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn add_dataset_to_experiments(
        &self,
        _dataset_id: &str,
        _experiment_ids: Vec<String>,
    ) -> Result<EvaluationDataset> {
        Err(Error::internal("not yet"))
    }

    /// Takes the dataset out of experiments.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn remove_dataset_from_experiments(
        &self,
        _dataset_id: &str,
        _experiment_ids: Vec<String>,
    ) -> Result<EvaluationDataset> {
        Err(Error::internal("not yet"))
    }
}
