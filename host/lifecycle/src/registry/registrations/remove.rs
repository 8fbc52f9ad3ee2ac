//! Versions and models that are taken away, and models under another name. What
//! is written in the history stays: a number is never given twice, and what
//! served can be asked for as before.

use modelyard_catalog::Ref;
use serde_json::json;

use super::{
    super::{
        Model, Registry, Version, VersionStatus,
        again::{again, bind},
        version_id,
    },
    Registration,
};
use crate::{Error, Result, governance::Actor, names};

/// Why a version that is deleted can't be deployed.
const DELETED: &str = "deleted from the registry";

impl Registry<'_> {
    /// Deletes a version: it is no longer listed, and can't be deployed.
    ///
    /// # Errors
    /// [`Code::Conflict`](crate::Code::Conflict) while it is deployed.
    pub async fn delete_version(&self, actor: &Actor, model: &str, version: u32) -> Result<()> {
        again(|| self.try_delete_version(actor, model, version)).await
    }

    async fn try_delete_version(&self, actor: &Actor, model: &str, version: u32) -> Result<()> {
        let (before, read) = self.read_named_model(model).await?;
        let (registration, state) = self.read_registration(model, version).await?;
        self.unused(model, Some(version)).await?;
        let now = self.0.clock.now();
        let mut left = before.clone();
        left.aliases.retain(|_, named| *named != version);
        left.updated_at = now;
        let gone = Registration { deleted_at: Some(now), updated_at: now, ..registration };
        let subject = Ref::to::<Version>(version_id(model, version));
        let mut change = self.0.change(actor, "registry.version.deleted", subject);
        bind::<Model>(&mut change, model, Some(read));
        bind::<Registration>(&mut change, &version_id(model, version), state);
        change = change.put(&left).put(&gone);
        if let Some(archived) = self.archived(model, version, DELETED).await? {
            change = change.put(&archived);
        }
        for (alias, _) in before.aliases.iter().filter(|(_, named)| **named == version) {
            change = change.insert(&self.moved(actor, &before, alias, None, DELETED));
        }
        change.commit().await
    }

    /// Deletes a model with its versions. Its name can be used again; the
    /// versions are counted on.
    ///
    /// # Errors
    /// [`Code::Conflict`](crate::Code::Conflict) while one of them is deployed.
    pub async fn delete_model(&self, actor: &Actor, name: &str) -> Result<()> {
        again(|| self.try_delete_model(actor, name)).await
    }

    async fn try_delete_model(&self, actor: &Actor, name: &str) -> Result<()> {
        let (before, read) = self.read_named_model(name).await?;
        self.unused(name, None).await?;
        let now = self.0.clock.now();
        let gone =
            Model { aliases: Default::default(), deleted_at: Some(now), updated_at: now, ..before.clone() };
        let mut change = self.0.change(actor, "registry.model.deleted", Ref::of(&gone));
        bind::<Model>(&mut change, name, Some(read));
        change = change.put(&gone);
        for registration in self.registrations(Some(name)).await? {
            if let Some(archived) = self.archived(name, registration.version, DELETED).await? {
                change = change.put(&archived);
            }
            change = change.put(&Registration { deleted_at: Some(now), updated_at: now, ..registration });
        }
        for alias in before.aliases.keys() {
            change = change.insert(&self.moved(actor, &before, alias, None, DELETED));
        }
        change.commit().await
    }

    /// Gives a model another name, its versions with it.
    ///
    /// # Errors
    /// [`Code::Conflict`](crate::Code::Conflict) if the name is taken, or while
    /// one of its versions is deployed.
    pub async fn rename_model(&self, actor: &Actor, name: &str, new: &str) -> Result<Model> {
        names::check_model("new_name", new)?;
        again(|| self.try_rename_model(actor, name, new)).await
    }

    async fn try_rename_model(&self, actor: &Actor, name: &str, new: &str) -> Result<Model> {
        let (before, read) = self.read_named_model(name).await?;
        if self.0.catalog.table::<Model>().exists(new).await? {
            return Err(Error::conflict(format!(
                "the model {new:?} is there already, or was and its history is"
            )));
        }
        self.unused(name, None).await?;
        let now = self.0.clock.now();
        let mut renamed = before.clone();
        new.clone_into(&mut renamed.spec.name);
        renamed.updated_at = now;
        let gone =
            Model { aliases: Default::default(), deleted_at: Some(now), updated_at: now, ..before.clone() };
        let why = format!("renamed to {new}");
        let mut change = self
            .0
            .change(actor, "registry.model.renamed", Ref::of(&renamed))
            .detail(json!({"from": name, "to": new}))
            .from_edge("renamed-from", Ref::of(&gone));
        bind::<Model>(&mut change, name, Some(read));
        change = change.insert(&renamed).put(&gone);
        for registration in self.registrations(Some(name)).await? {
            let number = registration.version;
            if let Some(version) = self.0.catalog.table::<Version>().get(&version_id(name, number)).await? {
                change = change.insert(&Version { model: new.to_owned(), ..version });
            }
            if let Some(archived) = self.archived(name, number, &why).await? {
                change = change.put(&archived);
            }
            let old = Registration { deleted_at: Some(now), updated_at: now, ..registration.clone() };
            let moved = Registration { model: new.to_owned(), updated_at: now, ..registration };
            change = change.put(&old).insert(&moved);
        }
        for (alias, version) in &before.aliases {
            change = change.insert(&self.moved(actor, &before, alias, None, &why));
            let empty = Model { aliases: Default::default(), ..renamed.clone() };
            change = change.insert(&self.moved(actor, &empty, alias, Some(*version), &why));
        }
        change.commit().await?;
        Ok(renamed)
    }

    /// Refuses while a version, or any, is deployed.
    async fn unused(&self, model: &str, version: Option<u32>) -> Result<()> {
        let live = self.0.deployment().of_model(model).await?;
        let uses = |deployment: &&crate::deployment::Deployment| {
            version.is_none_or(|version| deployment.spec.uses(version))
        };
        match live.iter().find(uses) {
            Some(deployment) => Err(Error::conflict(format!(
                "{model} is deployed as {:?}: stop the deployment, or let it serve another version, first",
                deployment.spec.name
            ))),
            None => Ok(()),
        }
    }

    /// The version as archived, where it is one that can be deployed.
    async fn archived(&self, model: &str, version: u32, why: &str) -> Result<Option<Version>> {
        let found = self.0.catalog.table::<Version>().get(&version_id(model, version)).await?;
        Ok(found.map(|version| Version {
            status: VersionStatus::Archived,
            archived_because: Some(why.to_owned()),
            ..version
        }))
    }
}
