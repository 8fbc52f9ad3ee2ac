//! Versions: registered, listed, compared.

use std::{collections::BTreeMap, time::Duration};

use modelyard_catalog::{Order, Page, Query, Ref, Revision};
use modelyard_clock::Timestamp;
use modelyard_notify::{Event, Severity};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    Model, ModelSpec, Registration, Registry, Version, VersionStatus,
    again::{again, bind},
    version_id,
};
use crate::{
    Error, Result,
    evaluation::Evaluation,
    experiments::{Run, Status},
    governance::Actor,
    names,
};

/// One thing in which two versions differ.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Difference {
    /// What: `metrics.roc_auc`, `parameters.rounds`, `datasets`.
    pub what: String,
    /// In the first.
    #[schema(value_type = Object)]
    pub left: Value,
    /// In the second.
    #[schema(value_type = Object)]
    pub right: Value,
}

/// Two versions side by side: only what differs.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Comparison {
    /// The first: `late@1`.
    pub left: String,
    /// The second.
    pub right: String,
    /// Where they differ.
    pub differences: Vec<Difference>,
}

impl Registry<'_> {
    /// Registers a finished run as the next version of a model, which is
    /// created if it isn't there. The same run twice is one version.
    pub async fn register(&self, actor: &Actor, model: &str, run: &str) -> Result<Version> {
        let run = self.0.experiments().run(run).await?;
        again(|| self.try_register(actor, model, &run)).await
    }

    async fn try_register(&self, actor: &Actor, model: &str, run: &Run) -> Result<Version> {
        let (model, read) = self.model_or_new(actor, model).await?;
        let known = Query::new().eq("run", &run.id).eq("model", &model.spec.name);
        if let Some(version) = self.0.catalog.table::<Version>().first(known).await? {
            return Ok(version);
        }
        let version = self.version_of(actor, &model, run).await?;
        let mut from = vec![("trained-by", Ref::of(run))];
        from.extend(version.datasets.iter().map(|name| ("trained-on", Ref::new("dataset_version", name))));
        from.extend(version.views.iter().map(|name| ("trained-on", Ref::new("view_version", name))));
        let source = json!({"run": run.id, "metrics": headline(&version)});
        self.add(actor, (model, read), version, source, from).await
    }

    /// The model of this name, created if it isn't there, and which state of it
    /// that is.
    pub(super) async fn model_or_new(&self, actor: &Actor, name: &str) -> Result<(Model, Revision)> {
        if let Some(found) = self.0.catalog.table::<Model>().get_revision(name).await? {
            return Ok(found);
        }
        names::check("name", name)?;
        let model = Model::new(ModelSpec { name: name.to_owned(), ..blank() }, self.0.clock.now());
        let mut change = self.0.change(actor, "registry.model.put", Ref::of(&model));
        bind::<Model>(&mut change, name, None);
        change.put(&model).commit().await?;
        self.read_model(name).await
    }

    /// Writes a version as the next of the model as it was read: with the edges to
    /// what it came `from`, and `source`, which the audit trail and the subscribers
    /// are told.
    pub(super) async fn add(
        &self,
        actor: &Actor,
        (model, read): (Model, Revision),
        version: Version,
        source: Value,
        from: Vec<(&str, Ref)>,
    ) -> Result<Version> {
        let id = version_id(&version.model, version.version);
        let updated = Model { latest: version.version, updated_at: version.created_at, ..model };
        let mut detail = source.clone();
        if let Value::Object(members) = &mut detail {
            members.insert("component".into(), json!(version.component));
        }
        let mut change = self
            .0
            .change(actor, "registry.version.created", Ref::of(&version))
            .detail(detail)
            .from_edge("version-of", Ref::of(&updated))
            .from_edge("runs", Ref::new("component", version.component.to_string()));
        for (kind, origin) in from {
            change = change.from_edge(kind, origin);
        }
        let how = if version.imported.is_some() { "imported" } else { "registered" };
        let event = Event::new(
            version.created_at,
            "dev.modelyard.registry.version.created",
            "registry",
            Severity::Info,
            format!("{id} was {how}"),
        )
        .model(&version.model)
        .version(version.version.to_string())
        .details(source);
        bind::<Model>(&mut change, &version.model, Some(read));
        change.put(&updated).insert(&version).event(event)?.commit().await?;
        self.0.documentation().refresh(&version.model, version.version).await?;
        Ok(version)
    }

    async fn version_of(&self, actor: &Actor, model: &Model, run: &Run) -> Result<Version> {
        let missing = || Error::conflict(format!("the run {} ({:?}) gave no model", run.id, run.status));
        if run.status != Status::Finished {
            return Err(missing());
        }
        let evaluation = match &run.evaluation {
            Some(id) => self.0.catalog.table::<Evaluation>().get(id).await?,
            None => None,
        };
        let component = run.component.ok_or_else(missing)?;
        let inspection = self.0.plugins().inspect(self.0.blobs.get(&component).await?).await?;
        let now = self.0.clock.now();
        Ok(Version {
            model: model.spec.name.clone(),
            version: model.latest + 1,
            status: VersionStatus::Registered,
            task: run.spec.task,
            run: Some(run.id.clone()),
            imported: None,
            component,
            artifact: run.artifact.ok_or_else(missing)?,
            runner: run.runner.clone().unwrap_or_default(),
            runner_component: run.plugins.get("scoring").copied().ok_or_else(missing)?,
            features: run.features.clone(),
            joins: run.spec.joins.clone(),
            columns: run.columns.clone(),
            signature: run.signature.clone().ok_or_else(missing)?,
            inputs: run.inputs.clone().ok_or_else(missing)?,
            datasets: run.datasets.clone(),
            views: run.views.clone(),
            training_set: run.training_set.clone(),
            capabilities: inspection.capabilities.iter().map(ToString::to_string).collect(),
            metrics: evaluation.map_or_else(|| run.metrics.clone(), |evaluation| evaluation.metrics),
            importance: run.importance.clone(),
            expires_at: expiry(model, now),
            archived_because: None,
            created_by: actor.name.clone(),
            created_at: now,
        })
    }

    /// A version that can be deployed.
    ///
    /// # Errors
    /// [`Code::NotFound`](crate::Code::NotFound) if there is none, and why if there is one of this
    /// number that can't be.
    pub async fn version(&self, model: &str, version: u32) -> Result<Version> {
        let id = version_id(model, version);
        if let Some(version) = self.0.catalog.table::<Version>().get(&id).await? {
            return Ok(version);
        }
        let mut error = Error::not_found("model version", &id);
        if let Some(Registration { obstacle: Some(obstacle), deleted_at: None, .. }) =
            self.0.catalog.table::<Registration>().get(&id).await?
        {
            error.message = format!("{id} can't be deployed: {obstacle}");
        }
        Err(error)
    }

    /// A version, as far as it can be deployed; none: it is only registered.
    pub(super) async fn known(&self, model: &str, version: u32) -> Result<Option<Version>> {
        let id = version_id(model, version);
        match self.0.catalog.table::<Version>().get(&id).await? {
            Some(version) => Ok(Some(version)),
            None => self.registration(model, version).await.map(|_| None),
        }
    }

    /// A version by its number, by an alias, or `latest`.
    pub async fn resolve(&self, model: &str, reference: &str) -> Result<Version> {
        let number = self.number(model, reference).await?;
        self.version(model, number).await
    }

    /// The number that a number, an alias or `latest` stands for.
    pub(super) async fn number(&self, model: &str, reference: &str) -> Result<u32> {
        let record = self.model(model).await?;
        Ok(match reference.parse() {
            Ok(number) => number,
            Err(_) if reference == "latest" && record.latest > 0 => record.latest,
            Err(_) => *record.aliases.get(reference).ok_or_else(|| {
                let known: Vec<_> = record.aliases.keys().map(String::as_str).collect();
                Error::field(
                    "version",
                    format!("{model:?} has no alias {reference:?}; its aliases are [{}]", known.join(", ")),
                )
            })?,
        })
    }

    /// The versions of a model, latest first.
    pub async fn versions(&self, model: &str, limit: usize, after: Option<String>) -> Result<Page<Version>> {
        self.model(model).await?;
        let query = Query::new().eq("model", model).order("version", Order::Desc).limit(limit).after(after);
        Ok(self.0.catalog.table().find(query).await?)
    }

    /// Where two versions of a model differ: parameters, data, features, plugins, metrics.
    pub async fn compare(&self, model: &str, left: &str, right: &str) -> Result<Comparison> {
        let (left, right) = (self.resolve(model, left).await?, self.resolve(model, right).await?);
        let (a, b) = (self.facts(&left).await?, self.facts(&right).await?);
        let names: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
        let differences = names
            .into_iter()
            .map(|name| {
                (name, a.get(name).cloned().unwrap_or_default(), b.get(name).cloned().unwrap_or_default())
            })
            .filter(|(_, left, right)| left != right)
            .map(|(what, left, right)| Difference { what: what.clone(), left, right })
            .collect();
        Ok(Comparison {
            left: version_id(&left.model, left.version),
            right: version_id(&right.model, right.version),
            differences,
        })
    }

    async fn facts(&self, version: &Version) -> Result<BTreeMap<String, Value>> {
        let mut facts = BTreeMap::from([
            ("component".to_owned(), json!(version.component)),
            ("datasets".to_owned(), json!(version.datasets)),
            ("views".to_owned(), json!(version.views)),
            ("features".to_owned(), json!(version.features)),
            ("runner".to_owned(), json!(version.runner_component)),
        ]);
        if let Some(imported) = &version.imported {
            facts.insert("imported".to_owned(), json!(imported));
        }
        for metric in version.metrics.iter().filter(|metric| metric.slice.is_none()) {
            facts.insert(format!("metrics.{}", metric.name), json!(metric.value));
        }
        for (column, share) in &version.importance {
            facts.insert(format!("importance.{column}"), json!(share));
        }
        if let Some(run) = &version.run
            && let Some(run) = self.0.catalog.table::<Run>().get(run).await?
        {
            for (name, value) in run.spec.training.parameters.as_object().into_iter().flatten() {
                facts.insert(format!("parameters.{name}"), value.clone());
            }
            for (kind, digest) in &run.plugins {
                facts.insert(format!("plugins.{kind}"), json!(digest));
            }
            facts.insert("seed".into(), json!(run.spec.seed));
            facts.insert("spine".into(), json!(run.spec.spine));
        }
        Ok(facts)
    }
}

/// The metrics without slices, by name.
pub(crate) fn headline(version: &Version) -> BTreeMap<String, f64> {
    let whole = version.metrics.iter().filter(|metric| metric.slice.is_none());
    whole.map(|metric| (metric.name.clone(), metric.value)).collect()
}

/// When a version that is made now must go, by what its model says.
pub(super) fn expiry(model: &Model, now: Timestamp) -> Option<Timestamp> {
    model.spec.expires_after_days.map(|days| now + Duration::from_secs(u64::from(days) * 86_400))
}

pub(super) fn blank() -> ModelSpec {
    ModelSpec {
        name: String::new(),
        description: String::new(),
        owner: String::new(),
        license: String::new(),
        intended_use: String::new(),
        limitations: String::new(),
        tags: vec![],
        expires_after_days: None,
    }
}
