//! Versions that clients of the tracking protocol registered, beside those that
//! were made here: one registry, one sequence of numbers.
//!
//! What such a client says about a version that no other version has (source,
//! stage, description, properties) is its [`Registration`]. A version that was
//! made here has none until something of the kind is said about it; it is shown
//! as if it had.

mod compare;
mod create;
mod records;
mod remove;
mod rollout;

pub use create::{NewRegistration, Origin};
pub use records::{Registration, Stage};

use std::collections::{BTreeMap, HashSet};

use modelyard_catalog::{Query, Ref};
use modelyard_notify::{Event, Severity};
use serde_json::json;

use super::{Model, ModelSpec, Registry, Version, VersionStatus, version_id, versions::blank};
use crate::{Error, Result, governance::Actor, names};

/// The property that makes a model a prompt: a text for a language model.
const PROMPT: &str = "mlflow.prompt.is_prompt";

impl From<&Version> for Registration {
    fn from(version: &Version) -> Self {
        let place = format!("modelyard:/{}", version_id(&version.model, version.version));
        Self {
            model: version.model.clone(),
            version: version.version,
            source: place.clone(),
            location: place,
            run: version.run.clone(),
            run_link: None,
            logged_model: None,
            description: String::new(),
            properties: BTreeMap::new(),
            stage: match version.status {
                VersionStatus::Archived => Stage::Archived,
                _ => Stage::None,
            },
            flavors: vec![],
            obstacle: None,
            created_by: version.created_by.clone(),
            created_at: version.created_at,
            updated_at: version.created_at,
            deleted_at: None,
        }
    }
}

impl Model {
    /// Whether it is a prompt.
    pub fn is_prompt(&self) -> bool {
        self.properties.get(PROMPT).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }
}

impl Registry<'_> {
    /// Creates a model by a name that a client of the tracking protocol gives:
    /// any text without `/` and `:`.
    ///
    /// # Errors
    /// [`Code::Conflict`](crate::Code::Conflict) if it is there.
    pub async fn create_model(
        &self,
        actor: &Actor,
        name: &str,
        description: &str,
        properties: BTreeMap<String, String>,
    ) -> Result<Model> {
        names::check_model("name", name)?;
        let now = self.0.clock.now();
        let before = self.0.catalog.table::<Model>().get(name).await?;
        if before.as_ref().is_some_and(|before| before.deleted_at.is_none()) {
            return Err(Error::conflict(format!("the model {name:?} is there already")));
        }
        let spec = ModelSpec { name: name.to_owned(), description: description.to_owned(), ..blank() };
        let model = Model {
            spec,
            latest: before.as_ref().map_or(0, |before| before.latest),
            aliases: BTreeMap::new(),
            properties: properties.clone(),
            deleted_at: None,
            created_at: now,
            updated_at: now,
        };
        let event = Event::new(
            now,
            "dev.modelyard.registry.model.created",
            "registry",
            Severity::Info,
            format!("the model {name} was created"),
        )
        .model(name)
        .details(json!({
            "tags": properties, "prompt": model.is_prompt(),
            "description": Some(description).filter(|text| !text.is_empty()),
        }));
        let mut change = self.0.change(actor, "registry.model.put", Ref::of(&model));
        match &before {
            Some(before) => {
                change.tx.require::<Model>(name, "deleted_at", before.deleted_at);
                change = change.put(&model);
            }
            None => change = change.insert(&model),
        }
        change.event(event)?.commit().await?;
        Ok(model)
    }

    /// A model that isn't deleted.
    pub async fn named_model(&self, name: &str) -> Result<Model> {
        let model = self.model(name).await?;
        match model.deleted_at {
            None => Ok(model),
            Some(_) => Err(Error::not_found("model", name)),
        }
    }

    /// Every model that isn't deleted, in no order.
    pub async fn all_models(&self) -> Result<Vec<Model>> {
        Ok(self.0.catalog.table().all(Query::new().eq("deleted_at", None::<u8>)).await?)
    }

    /// Changes a model's description.
    pub async fn describe_model(&self, actor: &Actor, name: &str, description: &str) -> Result<Model> {
        self.change_model(actor, name, json!({"description": description}), |model| {
            description.clone_into(&mut model.spec.description);
        })
        .await
    }

    /// Sets a property of a model, or removes it.
    pub async fn set_model_property(
        &self,
        actor: &Actor,
        name: &str,
        key: &str,
        value: Option<&str>,
    ) -> Result<Model> {
        self.change_model(actor, name, json!({"property": key, "value": value}), |model| {
            set(&mut model.properties, key, value);
        })
        .await
    }

    async fn change_model(
        &self,
        actor: &Actor,
        name: &str,
        detail: serde_json::Value,
        how: impl Fn(&mut Model),
    ) -> Result<Model> {
        let before = self.named_model(name).await?;
        let mut model = before.clone();
        how(&mut model);
        if model.properties == before.properties && model.spec == before.spec {
            return Ok(before);
        }
        model.updated_at = self.0.clock.now();
        let mut change = self.0.change(actor, "registry.model.put", Ref::of(&model)).detail(detail);
        change.tx.require::<Model>(name, "updated_at", before.updated_at);
        change.put(&model).commit().await?;
        Ok(model)
    }

    /// A version as clients of the tracking protocol see it.
    pub async fn registration(&self, model: &str, version: u32) -> Result<Registration> {
        self.named_model(model).await?;
        let id = version_id(model, version);
        let gone = || Error::not_found("model version", &id);
        let found = match self.0.catalog.table::<Registration>().get(&id).await? {
            Some(registration) => registration,
            None => Registration::from(&self.version(model, version).await.map_err(|_| gone())?),
        };
        if found.deleted_at.is_some() { Err(gone()) } else { Ok(found) }
    }

    /// Every version of a model, or of all, that isn't deleted; in no order.
    pub async fn registrations(&self, model: Option<&str>) -> Result<Vec<Registration>> {
        let query = || match model {
            Some(model) => Query::new().eq("model", model),
            None => Query::new(),
        };
        let mut all: Vec<Registration> = self.0.catalog.table().all(query()).await?;
        let known: HashSet<String> =
            all.iter().map(|known| version_id(&known.model, known.version)).collect();
        let made_here: Vec<Version> = self.0.catalog.table().all(query()).await?;
        let unknown = made_here.iter().filter(|made| !known.contains(&version_id(&made.model, made.version)));
        all.extend(unknown.map(Registration::from));
        all.retain(|registration| registration.deleted_at.is_none());
        Ok(all)
    }

    /// Changes a version's description.
    pub async fn describe_version(
        &self,
        actor: &Actor,
        model: &str,
        version: u32,
        description: &str,
    ) -> Result<Registration> {
        let before = self.registration(model, version).await?;
        let after = Registration { description: description.to_owned(), ..before.clone() };
        self.put_registration(actor, &before, after, json!({"description": description}), None).await
    }

    /// Sets a property of a version, or removes it.
    pub async fn set_version_property(
        &self,
        actor: &Actor,
        model: &str,
        version: u32,
        key: &str,
        value: Option<&str>,
    ) -> Result<Registration> {
        let prompt = self.named_model(model).await?.is_prompt();
        let before = self.registration(model, version).await?;
        let mut after = before.clone();
        set(&mut after.properties, key, value);
        let what = if value.is_some() { "set" } else { "deleted" };
        let event = Event::new(
            self.0.clock.now(),
            format!("dev.modelyard.registry.version.tag.{what}"),
            "registry",
            Severity::Info,
            format!("the tag {key} of {} was {what}", version_id(model, version)),
        )
        .model(model)
        .version(version.to_string())
        .details(json!({"key": key, "value": value, "prompt": prompt}));
        self.put_registration(actor, &before, after, json!({"property": key, "value": value}), Some(event))
            .await
    }

    /// Moves a version to a stage; with `alone`, the others of that stage are
    /// archived.
    pub async fn set_stage(
        &self,
        actor: &Actor,
        model: &str,
        version: u32,
        stage: Stage,
        alone: bool,
    ) -> Result<Registration> {
        let before = self.registration(model, version).await?;
        if alone {
            for other in self.registrations(Some(model)).await? {
                if other.stage == stage && other.version != version {
                    let archived = Registration { stage: Stage::Archived, ..other.clone() };
                    self.put_registration(actor, &other, archived, json!({"stage": "Archived"}), None)
                        .await?;
                }
            }
        }
        let after = Registration { stage, ..before.clone() };
        self.put_registration(actor, &before, after, json!({"stage": stage.name()}), None).await
    }

    async fn put_registration(
        &self,
        actor: &Actor,
        before: &Registration,
        after: Registration,
        detail: serde_json::Value,
        event: Option<Event>,
    ) -> Result<Registration> {
        let after = Registration { updated_at: self.0.clock.now(), ..after };
        let id = version_id(&after.model, after.version);
        let subject = Ref::to::<Version>(&id);
        let mut change = self.0.change(actor, "registry.version.changed", subject).detail(detail);
        if self.0.catalog.table::<Registration>().exists(&id).await? {
            change.tx.require::<Registration>(&id, "updated_at", before.updated_at);
        } else {
            change.tx.require_absent::<Registration>(&id);
        }
        if let Some(event) = event {
            change = change.event(event)?;
        }
        change.put(&after).commit().await?;
        Ok(after)
    }
}

fn set(properties: &mut BTreeMap<String, String>, key: &str, value: Option<&str>) {
    match value {
        Some(value) => properties.insert(key.to_owned(), value.to_owned()),
        None => properties.remove(key),
    };
}
