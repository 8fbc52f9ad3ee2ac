//! What is kept of a version that a client of the tracking protocol registered.

use std::collections::BTreeMap;

use modelyard_catalog::{Index, Record};
use modelyard_clock::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::version_id;

/// The stage of a version, as MLflow knew it before aliases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum Stage {
    /// None of the others.
    #[default]
    None,
    /// Being tried.
    Staging,
    /// In use.
    Production,
    /// No longer in use.
    Archived,
}

impl Stage {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::None, Self::Staging, Self::Production, Self::Archived];

    /// The stage of this name, in whatever case.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.name().eq_ignore_ascii_case(name))
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Staging => "Staging",
            Self::Production => "Production",
            Self::Archived => "Archived",
        }
    }
}

/// A version as it was registered by a client of the tracking protocol. If its
/// files hold a model that can be imported, there is a
/// [`Version`](super::super::Version) of the same number, which can be deployed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Registration {
    /// The model.
    pub model: String,
    /// The version's number, counted from 1.
    pub version: u32,
    /// Where the client said that it comes from: `models:/m-…`, `runs:/…`.
    pub source: String,
    /// Where its files are: `mlflow-artifacts:/…`.
    pub location: String,
    /// The tracked run that it comes from.
    pub run: Option<String>,
    /// A page about the run.
    pub run_link: Option<String>,
    /// The logged model that it is.
    pub logged_model: Option<String>,
    /// What it is.
    pub description: String,
    /// Whatever else is said about it, by key.
    pub properties: BTreeMap<String, String>,
    /// Its stage.
    pub stage: Stage,
    /// Its flavors, as its `MLmodel` says.
    pub flavors: Vec<String>,
    /// Why it can't be deployed; none: it can.
    pub obstacle: Option<String>,
    /// Who registered it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// When what is said about it last changed.
    pub updated_at: Timestamp,
    /// When it was deleted; its number isn't given again.
    #[serde(default)]
    pub deleted_at: Option<Timestamp>,
}

impl Record for Registration {
    const TABLE: &'static str = "model_registration";
    const INDEXES: &'static [Index] =
        &[Index::on(&["model", "version"]), Index::on(&["run"]), Index::on(&["logged_model"])];
    fn id(&self) -> String {
        version_id(&self.model, self.version)
    }
}
