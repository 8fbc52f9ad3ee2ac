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

pub use create::{NewRegistration, Origin};
pub use records::{Registration, Stage};

use std::collections::{BTreeMap, HashSet};

use modelyard_catalog::{Query, Ref, Revision};
use modelyard_notify::{Event, Severity};
use serde_json::json;

use super::{
    Model, ModelSpec, Registry, Version, VersionStatus,
    again::{again, bind},
    version_id,
    versions::blank,
};
use crate::{Error, Result, governance::Actor, names, tracking};

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
            run: version.run.as_deref().map(tracking::run_id),
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
        again(|| self.try_create_model(actor, name, description, &properties)).await
    }

    async fn try_create_model(
        &self,
        actor: &Actor,
        name: &str,
        description: &str,
        properties: &BTreeMap<String, String>,
    ) -> Result<Model> {
        let now = self.0.clock.now();
        let before = self.0.catalog.table::<Model>().get_revision(name).await?;
        if before.as_ref().is_some_and(|(before, _)| before.deleted_at.is_none()) {
            return Err(Error::conflict(format!("the model {name:?} is there already")));
        }
        let spec = ModelSpec { name: name.to_owned(), description: description.to_owned(), ..blank() };
        let latest = before.as_ref().map_or(0, |(before, _)| before.latest);
        let model = Model { latest, properties: properties.clone(), ..Model::new(spec, now) };
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
        bind::<Model>(&mut change, name, before.map(|(_, read)| read));
        change.put(&model).event(event)?.commit().await?;
        Ok(model)
    }

    /// A model that isn't deleted.
    pub async fn named_model(&self, name: &str) -> Result<Model> {
        Ok(self.read_named_model(name).await?.0)
    }

    /// A model that isn't deleted, and which state of it that is.
    pub(super) async fn read_named_model(&self, name: &str) -> Result<(Model, Revision)> {
        let (model, read) = self.read_model(name).await?;
        match model.deleted_at {
            None => Ok((model, read)),
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
        again(|| async {
            let (before, read) = self.read_named_model(name).await?;
            let mut model = before.clone();
            how(&mut model);
            if model.properties == before.properties && model.spec == before.spec {
                return Ok(before);
            }
            model.updated_at = self.0.clock.now();
            let mut change =
                self.0.change(actor, "registry.model.put", Ref::of(&model)).detail(detail.clone());
            bind::<Model>(&mut change, name, Some(read));
            change.put(&model).commit().await?;
            Ok(model)
        })
        .await
    }

    /// A version as clients of the tracking protocol see it.
    pub async fn registration(&self, model: &str, version: u32) -> Result<Registration> {
        Ok(self.read_registration(model, version).await?.0)
    }

    /// The same, and which state of its record that is; none: it has no record.
    async fn read_registration(&self, model: &str, version: u32) -> Result<(Registration, Option<Revision>)> {
        self.named_model(model).await?;
        let id = version_id(model, version);
        let gone = || Error::not_found("model version", &id);
        let found = match self.0.catalog.table::<Registration>().get_revision(&id).await? {
            Some((registration, read)) => (registration, Some(read)),
            None => (Registration::from(&self.version(model, version).await.map_err(|_| gone())?), None),
        };
        if found.0.deleted_at.is_some() { Err(gone()) } else { Ok(found) }
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
        let detail = json!({"description": description});
        self.change_registration(actor, model, version, (detail, None), |registration| {
            description.clone_into(&mut registration.description);
        })
        .await
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
        let detail = json!({"property": key, "value": value});
        self.change_registration(actor, model, version, (detail, Some(event)), |registration| {
            set(&mut registration.properties, key, value);
        })
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
        self.registration(model, version).await?;
        let change = async |version: u32, stage: Stage| {
            let detail = json!({"stage": stage.name()});
            self.change_registration(actor, model, version, (detail, None), |registration| {
                registration.stage = stage;
            })
            .await
        };
        if alone {
            for other in self.registrations(Some(model)).await? {
                if other.stage == stage && other.version != version {
                    change(other.version, Stage::Archived).await?;
                }
            }
        }
        change(version, stage).await
    }

    /// Changes what is said about a version, with what the audit trail and the
    /// subscribers are told.
    async fn change_registration(
        &self,
        actor: &Actor,
        model: &str,
        version: u32,
        (detail, event): (serde_json::Value, Option<Event>),
        how: impl Fn(&mut Registration),
    ) -> Result<Registration> {
        let id = version_id(model, version);
        again(|| async {
            let (mut registration, read) = self.read_registration(model, version).await?;
            how(&mut registration);
            registration.updated_at = self.0.clock.now();
            let subject = Ref::to::<Version>(&id);
            let mut change = self.0.change(actor, "registry.version.changed", subject).detail(detail.clone());
            bind::<Registration>(&mut change, &id, read);
            if let Some(event) = &event {
                change = change.event(event.clone())?;
            }
            change.put(&registration).commit().await?;
            Ok(registration)
        })
        .await
    }
}

fn set(properties: &mut BTreeMap<String, String>, key: &str, value: Option<&str>) {
    match value {
        Some(value) => properties.insert(key.to_owned(), value.to_owned()),
        None => properties.remove(key),
    };
}
