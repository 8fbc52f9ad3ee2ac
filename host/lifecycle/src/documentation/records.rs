//! What documentation records.

use modelyard_blobs::Digest;
use modelyard_catalog::{Index, Record};
use modelyard_clock::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One written document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DocumentRef {
    /// Its file name: `README.md`.
    pub name: String,
    /// Its media type.
    pub media_type: String,
    /// Its text.
    #[schema(value_type = String)]
    pub digest: Digest,
}

/// The documents of a model version, made from recorded facts.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Card {
    /// The model.
    pub model: String,
    /// The version.
    pub version: u32,
    /// The documentation plugin.
    pub plugin: String,
    /// SHA-256 of the facts: the card is rebuilt when it changes.
    pub facts: String,
    /// The documents.
    pub documents: Vec<DocumentRef>,
    /// Sections without content.
    pub gaps: Vec<String>,
    /// When it was written.
    pub written_at: Timestamp,
}

impl Record for Card {
    const TABLE: &'static str = "card";
    const INDEXES: &'static [Index] = &[Index::on(&["model"])];
    fn id(&self) -> String {
        crate::registry::version_id(&self.model, self.version)
    }
}
