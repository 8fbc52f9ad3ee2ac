//! Documentation: cards written from recorded facts, and written again when
//! the facts change.

mod facts;
mod records;

pub use records::{Card, DocumentRef};

use modelyard_catalog::Ref;
use modelyard_runtime::{Grants, Kind};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::{Error, Platform, Result, governance::Actor, registry::version_id};

/// The plugin that writes the cards of every version.
const PLUGIN: &str = "documentation-model-card";

/// Documentation of a platform.
pub struct Documentation<'p>(pub(crate) &'p Platform);

impl Documentation<'_> {
    /// The card of a version, as its facts are now.
    pub async fn card(&self, model: &str, version: u32) -> Result<Card> {
        self.0.registry().version(model, version).await?;
        self.refresh(model, version).await
    }

    /// Writes a version's card if its facts changed.
    pub async fn refresh(&self, model: &str, version: u32) -> Result<Card> {
        let facts = self.facts(model, version).await?.to_string();
        let plugin = self.0.plugins().of_kind("plugin", PLUGIN, Kind::Documentation).await?;
        let hash = hex::encode(Sha256::digest(format!("{}{facts}", plugin.digest)));
        let table = self.0.catalog.table::<Card>();
        let before = table.get(&version_id(model, version)).await?;
        if let Some(card) = before.filter(|card| card.facts == hash) {
            return Ok(card);
        }
        let mut session = self.0.plugins().session(&plugin.digest, Grants::default()).await?;
        let written = session.render("{}", &facts).await?;
        let mut documents = Vec::new();
        for document in written.documents {
            let digest = self.0.blobs.put(document.text.into()).await?;
            documents.push(DocumentRef { name: document.name, media_type: document.media_type, digest });
        }
        let card = Card {
            model: model.to_owned(),
            version,
            plugin: plugin.name,
            facts: hash,
            documents,
            gaps: written.gaps,
            written_at: self.0.clock.now(),
        };
        self.0
            .change(&Actor::system(), "documentation.card.written", Ref::of(&card))
            .detail(json!({"gaps": card.gaps}))
            .put(&card)
            .commit()
            .await?;
        Ok(card)
    }

    /// Writes a version's card soon, beside what is going on.
    pub(crate) fn refresh_later(&self, model: &str, version: u32) {
        let (platform, model) = (self.0.clone(), model.to_owned());
        tokio::spawn(async move {
            if let Err(error) = platform.documentation().refresh(&model, version).await {
                tracing::warn!(%error, model, version, "a card could not be written");
            }
        });
    }

    /// One document of a card: its media type and text.
    pub async fn document(&self, model: &str, version: u32, name: &str) -> Result<(String, bytes::Bytes)> {
        let card = self.card(model, version).await?;
        let document = card.documents.iter().find(|document| document.name == name).ok_or_else(|| {
            let known: Vec<_> = card.documents.iter().map(|document| document.name.as_str()).collect();
            Error::not_found("document", format!("{name} (there are {})", known.join(", ")))
        })?;
        Ok((document.media_type.clone(), self.0.blobs.get(&document.digest).await?))
    }
}
