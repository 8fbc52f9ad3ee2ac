//! Views: defined, materialised, looked up.

use std::{collections::BTreeMap, time::Duration};

use arrow::{
    array::Array,
    compute::{filter_record_batch, is_not_null},
};
use modelyard_blobs::Digest;
use modelyard_catalog::{Order, Page, Query, Record, Ref};
use modelyard_tables::{Layout, RecordBatch, Scan, Value as Cell};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{Features, Materialized, View, ViewSpec, ViewVersion};
use crate::{
    Code, Error, Result, governance::Actor, ingestion::Resolved, jobs::Job, names, progress::Progress,
    schedules::Wanted,
};

/// The latest values of one entity.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OnlineRow {
    /// `present`, `not_found` or `outside_max_age`.
    pub status: String,
    /// From when the values are known.
    pub event_time: Option<modelyard_clock::Timestamp>,
    /// The values by column.
    #[schema(value_type = Object)]
    pub values: BTreeMap<String, Value>,
}

impl Features<'_> {
    /// Defines a view, or gives it a new definition, which is a new version.
    pub async fn put_view(&self, actor: &Actor, spec: ViewSpec) -> Result<View> {
        names::check("name", &spec.name)?;
        if spec.keys.is_empty() {
            return Err(Error::field("keys", "a view needs at least one key column"));
        }
        let sources = self.sources(&spec.dataset, &spec.sql).await?;
        let datasets: Vec<String> = sources.iter().map(|source| source.name.clone()).collect();
        let schema = self.schema(&spec, &sources).await?;
        let columns =
            spec.keys.iter().chain([&spec.event_time]).chain(&spec.created_time).chain(&spec.columns);
        for column in columns {
            if schema.field(column).is_none() {
                let known: Vec<_> = schema.names().collect();
                return Err(Error::field(
                    "columns",
                    format!("the view's rows have no column {column:?}; they have {}", known.join(", ")),
                ));
            }
        }
        let time = schema.field(&spec.event_time).map(|field| field.r#type);
        if time != Some(modelyard_tables::ColumnType::Timestamp) {
            return Err(Error::field("event_time", format!("column {:?} holds no times", spec.event_time)));
        }
        let schedule = Wanted::of(
            "features.materialize",
            &spec.name,
            spec.schedule.as_deref(),
            spec.timezone.as_deref(),
        )?;
        let table = self.0.catalog.table::<View>();
        let before = table.get(&spec.name).await?;
        if let Some(before) = &before
            && before.spec == spec
        {
            return Ok(before.clone());
        }
        let version = before.map_or(0, |before| before.version) + 1;
        let now = self.0.clock.now();
        let view = View { spec: spec.clone(), version, datasets, created_at: now, materialized: None };
        let mut change =
            self.0.change(actor, "features.view.put", Ref::of(&view)).detail(json!({"version": version}));
        for source in &view.datasets {
            change = change.from_edge("reads", Ref::new("dataset", source));
        }
        change.put(&view).insert(&ViewVersion { spec, version, created_at: now }).commit().await?;
        self.0.want(schedule).await?;
        Ok(view)
    }

    /// The datasets that a view or spine reads, at their latest or the named versions.
    pub(super) async fn sources(
        &self,
        dataset: &Option<String>,
        sql: &Option<String>,
    ) -> Result<Vec<Resolved>> {
        let ingestion = self.0.ingestion();
        match (dataset, sql) {
            (Some(dataset), None) => Ok(vec![ingestion.resolve(dataset).await?]),
            (None, Some(sql)) => {
                let sources = ingestion.resolve_query(sql).await?;
                if sources.is_empty() {
                    return Err(Error::field("sql", "the query names no dataset that exists"));
                }
                Ok(sources)
            }
            _ => Err(Error::field("dataset", "give either a dataset or a query as sql")),
        }
    }

    async fn schema(&self, spec: &ViewSpec, sources: &[Resolved]) -> Result<modelyard_tables::Schema> {
        match &spec.sql {
            None => {
                let dataset = sources.first().map(|source| source.name.clone()).unwrap_or_default();
                Ok(self.0.ingestion().dataset(&dataset).await?.schema)
            }
            Some(sql) => Ok(self.0.tables.sql(sql, &files_of(sources), Some(1)).await?.0),
        }
    }

    /// A view.
    pub async fn view(&self, name: &str) -> Result<View> {
        self.0.catalog.table::<View>().get(name).await?.ok_or_else(|| Error::not_found("view", name))
    }

    /// The views, by name.
    pub async fn views(&self, limit: usize, after: Option<String>) -> Result<Page<View>> {
        Ok(self
            .0
            .catalog
            .table()
            .find(Query::new().order("name", Order::Asc).limit(limit).after(after))
            .await?)
    }

    /// Removes a view and its online values.
    pub async fn delete_view(&self, actor: &Actor, name: &str) -> Result<()> {
        let view = self.view(name).await?;
        self.0.unwant("features.materialize", name).await?;
        self.0
            .change(actor, "features.view.deleted", Ref::of(&view))
            .delete::<View>(&view.id())
            .commit()
            .await?;
        Ok(self.0.tables.online().drop_view(name).await?)
    }

    /// Materialises a view: a job that gives [`Materialized`].
    pub async fn start_materialize(&self, actor: &Actor, name: &str) -> Result<Job> {
        self.view(name).await?;
        let (actor, name) = (actor.clone(), name.to_owned());
        self.0
            .jobs()
            .start(
                &actor.name.clone(),
                "features.materialize",
                &name.clone(),
                move |platform, progress| async move {
                    let done = platform.features().materialize(&actor, &name, &progress).await?;
                    Ok(serde_json::to_value(done)?)
                },
            )
            .await
    }

    /// Brings a view's rows, and with `online` its latest values, up to the
    /// latest dataset versions.
    pub async fn materialize(&self, actor: &Actor, name: &str, progress: &Progress) -> Result<Materialized> {
        let view = self.view(name).await?;
        let sources = self.sources(&view.spec.dataset, &view.spec.sql).await?;
        let from: Vec<String> = sources.iter().map(|source| source.reference.clone()).collect();
        if let Some(done) = &view.materialized
            && done.from == from
        {
            return Ok(done.clone());
        }
        progress.say(0.1, "reading");
        let (files, rows) = match &view.spec.sql {
            Some(sql) => {
                let file = self.0.tables.write_sql(sql, &files_of(&sources)).await?;
                (vec![file.digest], file.rows)
            }
            None => {
                let source = sources.first().ok_or_else(|| Error::internal("a view reads nothing"))?;
                (source.files.clone(), self.0.ingestion().dataset(&source.name).await?.rows)
            }
        };
        if view.spec.online {
            progress.say(0.5, "writing the latest values");
            self.serve(&view, &files).await?;
        }
        let done = Materialized { files, rows, from, at: self.0.clock.now() };
        let updated = View { materialized: Some(done.clone()), ..self.view(name).await? };
        self.0
            .change(actor, "features.view.materialized", Ref::of(&updated))
            .detail(json!({"rows": rows, "from": done.from}))
            .put(&updated)
            .commit()
            .await?;
        Ok(done)
    }

    /// Puts the rows that files hold, and an earlier materialisation of a plain
    /// dataset view didn't, into the online store.
    async fn serve(&self, view: &View, files: &[Digest]) -> Result<()> {
        let before = match (&view.spec.sql, &view.materialized) {
            (None, Some(before)) => before.files.as_slice(),
            _ => &[],
        };
        let new: Vec<Digest> = files.iter().filter(|file| !before.contains(file)).cloned().collect();
        if new.is_empty() {
            return Ok(());
        }
        let spec = &view.spec;
        let online = self.0.tables.online();
        // What an earlier definition put must not outlive it.
        if view.materialized.is_none() && online.keys(&spec.name) > 0 {
            online.drop_view(&spec.name).await?;
        }
        let features = self.feature_columns(view, &new).await?;
        let placed: Vec<&String> = spec.keys.iter().chain([&spec.event_time]).collect();
        let mut columns: Vec<String> = Vec::new();
        for column in placed.iter().copied().chain(&spec.created_time).chain(&features) {
            if !columns.contains(column) {
                columns.push(column.clone());
            }
        }
        let scan = Scan { columns: Some(columns), ..Scan::default() };
        let mut scanner = self.0.tables.scan(&new, scan).await?;
        let keys: Vec<&str> = spec.keys.iter().map(String::as_str).collect();
        let kept: Vec<&str> = features.iter().map(String::as_str).collect();
        let layout = Layout {
            created_at: spec.created_time.as_deref(),
            columns: Some(&kept),
            ..Layout::new(&keys, &spec.event_time)
        };
        loop {
            let (back, batch) = tokio::task::spawn_blocking(move || {
                let batch = scanner.next_rows(65_536);
                (scanner, batch)
            })
            .await?;
            scanner = back;
            let Some(batch) = batch? else { return Ok(()) };
            let batch = complete(batch, &placed)?;
            online.put(&spec.name, &layout, &batch).await?;
        }
    }

    /// The view's feature columns: those it names, or all but keys and times.
    pub(super) async fn feature_columns(&self, view: &View, files: &[Digest]) -> Result<Vec<String>> {
        if !view.spec.columns.is_empty() {
            return Ok(view.spec.columns.clone());
        }
        let scanner = self.0.tables.scan(files, Scan::default()).await?;
        let spec = &view.spec;
        Ok(scanner
            .schema()
            .names()
            .filter(|name| {
                !spec.keys.iter().any(|key| key == name)
                    && *name != spec.event_time
                    && spec.created_time.as_deref() != Some(*name)
            })
            .map(str::to_owned)
            .collect())
    }

    /// The latest values for keys: each an object with the view's key columns.
    pub async fn lookup(&self, name: &str, keys: &[Value]) -> Result<Vec<OnlineRow>> {
        let view = self.view(name).await?;
        if !view.spec.online {
            return Err(Error::new(Code::Conflict, format!("the view {name:?} is not kept online")));
        }
        let keys = keys
            .iter()
            .enumerate()
            .map(|(row, key)| self.key(&view, row, key))
            .collect::<Result<Vec<_>>>()?;
        let ttl = view.spec.ttl_seconds.map(Duration::from_secs);
        let found = self.0.tables.online().get(name, &keys, self.0.clock.now(), ttl);
        found
            .into_iter()
            .map(|lookup| {
                let values =
                    lookup.values().map(|(name, value)| Ok((name.to_owned(), serde_json::to_value(value)?)));
                Ok(OnlineRow {
                    status: match lookup.status {
                        modelyard_tables::Status::Present => "present",
                        modelyard_tables::Status::NotFound => "not_found",
                        modelyard_tables::Status::OutsideMaxAge => "outside_max_age",
                    }
                    .to_owned(),
                    event_time: lookup.event_time(),
                    values: values.collect::<Result<_>>()?,
                })
            })
            .collect()
    }

    fn key(&self, view: &View, row: usize, key: &Value) -> Result<Vec<Cell>> {
        view.spec
            .keys
            .iter()
            .map(|column| {
                let value = key.get(column).ok_or_else(|| {
                    let mut error = Error::field("keys", format!("row {row} gives no {column:?}"));
                    error.location.row = Some(row as u64);
                    error
                })?;
                serde_json::from_value(value.clone())
                    .map_err(|_| Error::field("keys", format!("{value} in row {row} can't be a key")))
            })
            .collect()
    }
}

/// The rows without a null in these columns. A row without its key or its time
/// is nobody's: a join doesn't see it either.
fn complete(rows: RecordBatch, columns: &[&String]) -> Result<RecordBatch> {
    let mut rows = rows;
    for column in columns {
        let Some(array) = rows.column_by_name(column).filter(|array| array.null_count() > 0) else {
            continue;
        };
        let given = is_not_null(array).and_then(|given| filter_record_batch(&rows, &given));
        rows = given.map_err(|error| Error::internal(error.to_string()))?;
    }
    Ok(rows)
}

/// What [`modelyard_tables::Tables::sql`] takes.
pub(super) fn files_of(sources: &[Resolved]) -> Vec<(&str, Vec<Digest>)> {
    sources.iter().map(|source| (source.name.as_str(), source.files.clone())).collect()
}
