//! Registry: models, their immutable versions, aliases, and what came from what.

mod again;
mod aliases;
mod format;
mod import;
pub mod mlmodel;
mod records;
mod registrations;
mod rollout;
mod scalar;
mod versions;

pub use format::Format;
pub use import::ModelFile;
pub use records::{AliasChange, Imported, Model, ModelSpec, Version, VersionStatus, version_id};
pub use registrations::{NewRegistration, Origin, Registration, Stage};
pub use versions::{Comparison, Difference};

use again::{again, bind};
use modelyard_catalog::{Direction, Edge, Order, Page, Query, Ref, Revision};
use modelyard_clock::Timestamp;

use crate::{Error, Platform, Result, governance::Actor, names};

/// Registry of a platform.
pub struct Registry<'p>(pub(crate) &'p Platform);

impl Model {
    /// A model that has no version yet.
    fn new(spec: ModelSpec, now: Timestamp) -> Self {
        Self {
            spec,
            latest: 0,
            aliases: Default::default(),
            properties: Default::default(),
            deleted_at: None,
            created_at: now,
            updated_at: now,
        }
    }
}

impl Registry<'_> {
    /// Creates a model or changes what is said about it.
    pub async fn put_model(&self, actor: &Actor, spec: ModelSpec) -> Result<Model> {
        names::check("name", &spec.name)?;
        again(|| self.try_put_model(actor, &spec)).await
    }

    async fn try_put_model(&self, actor: &Actor, spec: &ModelSpec) -> Result<Model> {
        let now = self.0.clock.now();
        let before = self.0.catalog.table::<Model>().get_revision(&spec.name).await?;
        let (model, read) = match before {
            Some((before, _)) if before.spec == *spec && before.deleted_at.is_none() => return Ok(before),
            Some((before, read)) => {
                (Model { spec: spec.clone(), deleted_at: None, updated_at: now, ..before }, Some(read))
            }
            None => (Model::new(spec.clone(), now), None),
        };
        let mut change = self.0.change(actor, "registry.model.put", Ref::of(&model));
        bind::<Model>(&mut change, &spec.name, read);
        change.put(&model).commit().await?;
        if model.latest > 0 {
            self.0.documentation().refresh_later(&model.spec.name, model.latest);
        }
        Ok(model)
    }

    /// A model.
    pub async fn model(&self, name: &str) -> Result<Model> {
        Ok(self.read_model(name).await?.0)
    }

    /// A model, and which state of it that is.
    async fn read_model(&self, name: &str) -> Result<(Model, Revision)> {
        let found = self.0.catalog.table::<Model>().get_revision(name).await?;
        found.ok_or_else(|| Error::not_found("model", name))
    }

    /// The models, by name.
    pub async fn models(&self, limit: usize, after: Option<String>) -> Result<Page<Model>> {
        Ok(self
            .0
            .catalog
            .table()
            .find(
                Query::new().eq("deleted_at", None::<u8>).order("name", Order::Asc).limit(limit).after(after),
            )
            .await?)
    }

    /// What a version came from, and what came of it, as edges.
    pub async fn lineage(&self, model: &str, version: u32) -> Result<Vec<Edge>> {
        self.known(model, version).await?;
        let node = Ref::to::<Version>(version_id(model, version));
        let mut edges = self.0.catalog.lineage(&node, Direction::Outgoing, 8).await?;
        edges.extend(self.0.catalog.lineage(&node, Direction::Incoming, 2).await?);
        Ok(edges)
    }
}
