//! Logged models.

use super::Store;
use crate::{
    CreateLoggedModel, Error, LoggedModel, LoggedModelStatus, Page, Param, Result, SearchLoggedModels, Tag,
};

impl Store {
    /// Makes a logged model, pending.
    ///
    /// # Errors
    /// `NotFound`, `InvalidState`, `Invalid`; `Exists` for a given id.
    pub async fn create_logged_model(&self, _request: CreateLoggedModel) -> Result<LoggedModel> {
        Err(Error::internal("not yet"))
    }

    /// The model, unless deleted.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn logged_model(&self, _model_id: &str) -> Result<LoggedModel> {
        Err(Error::internal("not yet"))
    }

    /// The model, deleted or not.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn logged_model_any(&self, _model_id: &str) -> Result<LoggedModel> {
        Err(Error::internal("not yet"))
    }

    /// Sets the status.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn finalize_logged_model(
        &self,
        _model_id: &str,
        _status: LoggedModelStatus,
    ) -> Result<LoggedModel> {
        Err(Error::internal("not yet"))
    }

    /// Marks the model deleted.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn delete_logged_model(&self, _model_id: &str) -> Result<()> {
        Err(Error::internal("not yet"))
    }

    /// Sets tags.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`.
    pub async fn set_logged_model_tags(&self, _model_id: &str, _tags: Vec<Tag>) -> Result<LoggedModel> {
        Err(Error::internal("not yet"))
    }

    /// Removes a tag.
    ///
    /// # Errors
    /// `NotFound`, also for the tag.
    pub async fn delete_logged_model_tag(&self, _model_id: &str, _key: &str) -> Result<()> {
        Err(Error::internal("not yet"))
    }

    /// Adds parameters.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` where one has another value.
    pub async fn log_logged_model_params(&self, _model_id: &str, _params: Vec<Param>) -> Result<LoggedModel> {
        Err(Error::internal("not yet"))
    }

    /// Finds active models; newest first by default.
    ///
    /// # Errors
    /// `Invalid` or `Syntax`.
    pub fn search_logged_models(&self, _search: &SearchLoggedModels) -> Result<Page<LoggedModel>> {
        Err(Error::internal("not yet"))
    }
}
