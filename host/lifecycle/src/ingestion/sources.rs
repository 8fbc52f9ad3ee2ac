//! Sources: created, changed, listed, removed.

use modelyard_catalog::{Order, Page, Query, Record, Ref};
use modelyard_runtime::Kind;
use serde_json::{Value, json};

use super::{Dataset, Ingestion, Pulled, Source, SourceSpec, pull::Origin};
use crate::{Error, Result, governance::Actor, jobs::Job, names, schedules::Wanted};

impl Ingestion<'_> {
    /// Creates a source, or changes one: its cursor stays, unless it reads
    /// another place now.
    pub async fn put_source(&self, actor: &Actor, spec: SourceSpec) -> Result<Source> {
        names::check("name", &spec.name)?;
        if let Some(dataset) = &spec.dataset {
            names::check("dataset", dataset)?;
        }
        let plugin = self.0.plugins().of_kind("plugin", &spec.plugin, Kind::Ingestion).await?;
        crate::plugins::check_parameters("parameters", &plugin, &spec.parameters, false)?;
        let schedule =
            Wanted::of("ingestion.pull", &spec.name, spec.schedule.as_deref(), spec.timezone.as_deref())?;
        let table = self.0.catalog.table::<Source>();
        let before = table.get(&spec.name).await?;
        let source = match before {
            Some(before) => {
                let moved = before.spec.parameters.get("url") != spec.parameters.get("url")
                    || before.spec.plugin != spec.plugin
                    || before.spec.dataset != spec.dataset;
                let cursor = before.cursor.filter(|_| !moved);
                Source { spec, cursor, last_error: None, ..before }
            }
            None => Source {
                spec,
                cursor: None,
                rows: 0,
                rejected: 0,
                created_at: self.0.clock.now(),
                pulled_at: None,
                last_error: None,
            },
        };
        self.0
            .change(actor, "ingestion.source.put", Ref::of(&source))
            .detail(json!({"plugin": source.spec.plugin, "dataset": source.dataset()}))
            .put(&source)
            .commit()
            .await?;
        self.0.want(schedule).await?;
        Ok(source)
    }

    /// A source.
    pub async fn source(&self, name: &str) -> Result<Source> {
        self.0.catalog.table::<Source>().get(name).await?.ok_or_else(|| Error::not_found("source", name))
    }

    /// The sources, by name.
    pub async fn sources(&self, limit: usize, after: Option<String>) -> Result<Page<Source>> {
        Ok(self
            .0
            .catalog
            .table()
            .find(Query::new().order("name", Order::Asc).limit(limit).after(after))
            .await?)
    }

    /// Removes a source; its dataset stays.
    pub async fn delete_source(&self, actor: &Actor, name: &str) -> Result<()> {
        let source = self.source(name).await?;
        self.0.unwant("ingestion.pull", name).await?;
        self.0
            .change(actor, "ingestion.source.deleted", Ref::of(&source))
            .delete::<Source>(&source.id())
            .commit()
            .await
    }

    /// Pulls a source to its end: a job that gives [`Pulled`].
    pub async fn start_pull(&self, actor: &Actor, name: &str) -> Result<Job> {
        self.source(name).await?;
        let (actor, name) = (actor.clone(), name.to_owned());
        self.0
            .jobs()
            .start(
                &actor.name.clone(),
                "ingestion.pull",
                &name.clone(),
                move |platform, progress| async move {
                    let pulled = platform.ingestion().pull(&actor, &name, &progress).await?;
                    Ok(serde_json::to_value(pulled)?)
                },
            )
            .await
    }

    /// Appends uploaded bytes to a dataset, all of their rows or none: a source
    /// without a cursor of its own. With `once`, an upload that was done under
    /// the same key before is not done again: what came of it is given.
    #[allow(clippy::too_many_arguments)]
    pub async fn upload(
        &self,
        actor: &Actor,
        dataset: &str,
        plugin: &str,
        parameters: Value,
        policy: super::SchemaPolicy,
        bytes: &modelyard_blobs::Digest,
        once: Option<&str>,
    ) -> Result<Pulled> {
        names::check("dataset", dataset)?;
        self.0.plugins().of_kind("plugin", plugin, Kind::Ingestion).await?;
        let parameters =
            crate::plugins::with_defaults(&parameters, json!({"url": format!("upload:{bytes}")}))?;
        let event_time = parameters.get("event_time").and_then(Value::as_str).map(str::to_owned);
        let mut parameters = parameters;
        if let Value::Object(members) = &mut parameters {
            members.remove("event_time");
        }
        let spec = SourceSpec {
            name: dataset.to_owned(),
            dataset: Some(dataset.to_owned()),
            plugin: plugin.to_owned(),
            parameters,
            schema_policy: policy,
            event_time,
            schedule: None,
            timezone: None,
        };
        self.pull_spec(actor, &spec, Origin::Upload(once), &crate::progress::Progress::default()).await
    }

    /// A dataset.
    pub async fn dataset(&self, name: &str) -> Result<Dataset> {
        self.0.catalog.table::<Dataset>().get(name).await?.ok_or_else(|| Error::not_found("dataset", name))
    }

    /// The datasets, by name.
    pub async fn datasets(&self, limit: usize, after: Option<String>) -> Result<Page<Dataset>> {
        Ok(self
            .0
            .catalog
            .table()
            .find(Query::new().order("name", Order::Asc).limit(limit).after(after))
            .await?)
    }
}
