//! One pull: batches from the plugin, files, and one transaction for each
//! stretch of rows with the cursor that follows them.

use std::{collections::HashMap, sync::Arc, time::Instant};

use modelyard_catalog::Ref;
use modelyard_notify::{Event, Severity};
use modelyard_runtime::{
    Grants, Kind,
    types::{Batch, RejectedRow},
};
use modelyard_tables::{Change, FileInfo, Schema, Writer};
use parking_lot::Mutex;
use serde_json::json;

use super::{
    Dataset, DatasetFile, DatasetVersion, Ingestion, Pulled, SchemaPolicy, Source, SourceSpec, Upload,
    objects::Sources,
};
use crate::{Code, Error, Result, columns, governance::Actor, plugins, progress::Progress};

/// Rows after which what was read is committed, with the cursor.
const STRETCH: u64 = 1 << 20;

/// One writer per dataset at a time.
#[derive(Default)]
pub(crate) struct Writers(Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>);

impl Writers {
    pub(crate) fn of(&self, dataset: &str) -> Arc<tokio::sync::Mutex<()>> {
        self.0.lock().entry(dataset.to_owned()).or_default().clone()
    }
}

/// Where rows come from, which says what is written with them.
#[derive(Clone, Copy)]
pub(super) enum Origin<'a> {
    /// A source: its cursor, so that a pull that is cut off goes on from there.
    Source(&'a Source),
    /// An upload, whole or not at all: its key, if it may be sent again.
    Upload(Option<&'a str>),
}

impl<'a> Origin<'a> {
    fn source(self) -> Option<&'a Source> {
        match self {
            Self::Source(source) => Some(source),
            Self::Upload(_) => None,
        }
    }
}

/// Rows read and not yet committed.
struct Stretch {
    schema: Schema,
    files: Vec<FileInfo>,
    writer: Option<Writer>,
    rejected: Vec<RejectedRow>,
    rows: u64,
}

impl Stretch {
    /// None yet, to follow what the dataset has.
    fn after(dataset: Option<&Dataset>) -> Self {
        let schema = dataset.map(|dataset| dataset.schema.clone()).unwrap_or_default();
        Self { schema, files: vec![], writer: None, rejected: vec![], rows: 0 }
    }
}

impl Ingestion<'_> {
    /// Pulls a source to its end.
    pub async fn pull(&self, actor: &Actor, name: &str, progress: &Progress) -> Result<Pulled> {
        let source = self.source(name).await?;
        let outcome = self.pull_spec(actor, &source.spec, Origin::Source(&source), progress).await;
        if let Err(error) = &outcome
            && let Err(unwritten) = self.failed(actor, name, error).await
        {
            // A full disk has room for neither; the caller hears of the pull.
            tracing::error!(error = %unwritten, source = name, "a failed pull could not be noted");
        }
        outcome
    }

    /// Notes why a pull failed, and tells the subscribers.
    async fn failed(&self, actor: &Actor, name: &str, error: &Error) -> Result<()> {
        let (message, now) = (error.to_string(), self.0.clock.now());
        let event = Event::new(
            now,
            "dev.modelyard.ingestion.failed",
            "ingestion",
            Severity::Warning,
            format!("The source {name} could not be pulled: {message}"),
        )
        .subject(name)
        .fold_key(format!("ingestion.failed/{name}"));
        let failed = Source { last_error: Some(message), ..self.source(name).await? };
        let change = self.0.change(actor, "ingestion.pull.failed", Ref::of(&failed));
        change.put(&failed).event(event)?.commit().await
    }

    /// Pulls what a specification says; a source from its cursor on.
    pub(super) async fn pull_spec(
        &self,
        actor: &Actor,
        spec: &SourceSpec,
        origin: Origin<'_>,
        progress: &Progress,
    ) -> Result<Pulled> {
        let started = Instant::now();
        let name = spec.dataset.as_deref().unwrap_or(&spec.name).to_owned();
        let writing = self.0.writing.of(&name);
        let _writing = writing.lock().await;
        // Read again under the lock: a pull that just ended moved the cursor.
        let mut cursor = match origin {
            Origin::Source(source) => self.source(&source.spec.name).await?.cursor,
            Origin::Upload(Some(key)) => match self.0.catalog.table::<Upload>().get(key).await? {
                Some(done) => return Ok(done.pulled),
                None => None,
            },
            Origin::Upload(None) => None,
        };
        let plugin = self.0.plugins().of_kind("plugin", &spec.plugin, Kind::Ingestion).await?;
        let sources = Sources::new(self.0);
        let grants = Grants {
            objects: Some(sources.clone()),
            progress: Some(progress.capability()),
            ..Grants::default()
        };
        let mut session = self.0.plugins().session(&plugin.digest, grants).await?;
        let parameters = plugins::parameters(&spec.parameters);
        let mut dataset = self.0.catalog.table::<Dataset>().get(&name).await?;
        let mut total = Pulled { dataset: name.clone(), ..Pulled::default() };
        loop {
            let mut stretch = Stretch::after(dataset.as_ref());
            let mut done = false;
            while !done && (stretch.rows < STRETCH || origin.source().is_none()) {
                if progress.is_cancelled() {
                    return Err(Error::new(
                        Code::Cancelled,
                        "the pull was cancelled; what was committed stays",
                    ));
                }
                let expected = columns::to_fields(&stretch.schema);
                let batch_rows = self.0.options.ingestion.batch_rows;
                let pulled = session.pull(&parameters, cursor.as_deref(), &expected, batch_rows).await;
                let batch = pulled.map_err(|call| sources.failure(call))?;
                done = batch.done;
                cursor = Some(batch.cursor.clone());
                self.take(spec, &mut stretch, batch).await?;
                progress.say(0.5, format!("{} rows", total.rows + stretch.rows));
            }
            total.rows += stretch.rows;
            total.rejected += stretch.rejected.len() as u64;
            let last = self.commit(actor, spec, origin, dataset, stretch, cursor.clone(), done).await?;
            total.version = last.as_ref().map_or(0, |dataset| dataset.version);
            dataset = last;
            if done {
                total.seconds = started.elapsed().as_secs_f64();
                return Ok(total);
            }
        }
    }

    /// Checks a batch's columns and appends its rows.
    async fn take(&self, spec: &SourceSpec, stretch: &mut Stretch, batch: Batch) -> Result<()> {
        stretch.rejected.extend(batch.rejected);
        let rows = batch.rows.first().map_or(0, |column| modelyard_runtime::check::column_len(&column.data));
        if batch.schema.is_empty() {
            return Ok(());
        }
        let schema = reconcile(spec, &stretch.schema, &columns::to_schema(&batch.schema)?)?;
        if schema != stretch.schema || stretch.writer.is_none() {
            if let Some(writer) = stretch.writer.take() {
                stretch.files.push(writer.finish().await?);
            }
            stretch.schema = schema;
        }
        if rows == 0 {
            return Ok(());
        }
        let mut writer = match stretch.writer.take() {
            Some(writer) => writer,
            None => self.0.tables.writer(&stretch.schema)?,
        };
        stretch.rows += rows as u64;
        let written = tokio::task::spawn_blocking(move || {
            let batch = columns::to_batch(batch.rows)?;
            writer.push(&batch)?;
            Ok::<_, Error>(writer)
        })
        .await??;
        stretch.writer = Some(written);
        Ok(())
    }

    /// Rows, quarantine, cursor and dataset version, together or not at all.
    #[allow(clippy::too_many_arguments)]
    async fn commit(
        &self,
        actor: &Actor,
        spec: &SourceSpec,
        origin: Origin<'_>,
        dataset: Option<Dataset>,
        mut stretch: Stretch,
        cursor: Option<String>,
        done: bool,
    ) -> Result<Option<Dataset>> {
        if let Some(writer) = stretch.writer.take() {
            stretch.files.push(writer.finish().await?);
        }
        let (now, source) = (self.0.clock.now(), origin.source());
        let name = spec.dataset.as_deref().unwrap_or(&spec.name);
        let rejected = stretch.rejected.len() as u64;
        let mut head = dataset.clone().unwrap_or_else(|| Dataset {
            name: name.to_owned(),
            version: 0,
            rows: 0,
            schema: Schema::default(),
            event_time: None,
            erasures: 0,
            created_at: now,
            updated_at: now,
        });
        if let Some(column) = &spec.event_time {
            if !stretch.schema.fields.is_empty() && stretch.schema.field(column).is_none() {
                let known: Vec<_> = stretch.schema.names().collect();
                return Err(Error::field(
                    "event_time",
                    format!("the rows have no column {column:?}; they have {}", known.join(", ")),
                ));
            }
            head.event_time = Some(column.clone());
        }
        let changed =
            stretch.rows > 0 || rejected > 0 || (dataset.is_none() && !stretch.schema.fields.is_empty());
        let mut change = self.0.change(actor, "ingestion.pulled", Ref::to::<Dataset>(name)).detail(
            json!({"source": source.map(|source| &source.spec.name), "rows": stretch.rows, "rejected": rejected}),
        );
        if changed {
            head.version += 1;
            head.rows += stretch.rows;
            head.schema = stretch.schema.clone();
            head.updated_at = now;
            let version = DatasetVersion {
                dataset: name.to_owned(),
                version: head.version,
                rows: head.rows,
                added: stretch.rows,
                rejected,
                schema: stretch.schema,
                source: source.map(|source| source.spec.name.clone()),
                created_at: now,
            };
            change = change.put(&head).insert(&version);
            let quarantine = self.quarantine(&stretch.rejected).await?;
            let files = stretch
                .files
                .into_iter()
                .map(|file| (false, file))
                .chain(quarantine.map(|file| (true, file)));
            for (part, (quarantine, file)) in files.enumerate() {
                let part = u32::try_from(part).unwrap_or(u32::MAX);
                let file =
                    DatasetFile { dataset: name.to_owned(), version: head.version, part, quarantine, file };
                change = change.insert(&file);
            }
        }
        if let Some(source) = source {
            // As it stands now: its specification may have changed meanwhile.
            let current = self.source(&source.spec.name).await?;
            change = change.put(&Source {
                cursor,
                rows: current.rows + version_rows(changed, &head, &dataset),
                rejected: current.rejected + rejected,
                pulled_at: if done { Some(now) } else { current.pulled_at },
                last_error: None,
                ..current
            });
        }
        if rejected > 0 {
            change = change.event(
                Event::new(
                    now,
                    "dev.modelyard.ingestion.rejected",
                    "ingestion",
                    Severity::Info,
                    format!("{rejected} rows of {name} could not be read and are in quarantine"),
                )
                .subject(name)
                .details(json!({"value": rejected, "dataset": name}))
                .fold_key(format!("ingestion.rejected/{name}")),
            )?;
        }
        if let (Origin::Upload(Some(key)), true) = (origin, changed) {
            let pulled = Pulled {
                dataset: name.to_owned(),
                version: head.version,
                rows: head.rows - dataset.as_ref().map_or(0, |before| before.rows),
                rejected,
                seconds: 0.0,
            };
            change = change.insert(&Upload { key: key.to_owned(), pulled, at: now });
        }
        if changed || source.is_some() {
            change.commit().await?;
        }
        Ok(if changed { Some(head) } else { dataset })
    }

    async fn quarantine(&self, rejected: &[RejectedRow]) -> Result<Option<FileInfo>> {
        use modelyard_tables::{Column, Values};
        if rejected.is_empty() {
            return Ok(None);
        }
        let text = |of: fn(&RejectedRow) -> String| Values::Utf8(rejected.iter().map(of).collect());
        let rows = rejected.iter().map(|row| i64::try_from(row.row).unwrap_or(i64::MAX)).collect();
        let table = vec![
            Column::new("row", Values::S64(rows)),
            Column::new("column", text(|row| row.column.clone().unwrap_or_default())),
            Column::new("reason", text(|row| row.reason.clone())),
            Column::new("raw", text(|row| row.raw.clone())),
        ];
        let schema = Schema::new(table.iter().map(Column::field).collect())?;
        let batch = modelyard_tables::to_batch(table)?;
        let mut writer = self.0.tables.writer(&schema)?;
        writer.push(&batch)?;
        Ok(Some(writer.finish().await?))
    }
}

fn version_rows(changed: bool, head: &Dataset, before: &Option<Dataset>) -> u64 {
    if changed { head.rows - before.as_ref().map_or(0, |before| before.rows) } else { 0 }
}

/// The columns afterwards, or why the new ones can't be taken.
fn reconcile(spec: &SourceSpec, known: &Schema, new: &Schema) -> Result<Schema> {
    if known.fields.is_empty() {
        return Ok(new.clone());
    }
    let unified = Schema::unify([known, new]);
    let faults: Vec<String> = known
        .compare(new)
        .iter()
        .filter(|change| match (spec.schema_policy, change) {
            (_, Change::Nullability { .. }) => false,
            // A narrower type than the dataset's fits in it.
            (_, Change::Retyped { from, to, .. }) if to.widens_to(*from) => false,
            (SchemaPolicy::Refuse, _) => true,
            (SchemaPolicy::Evolve, Change::Retyped { widening, .. }) => !widening,
            (SchemaPolicy::Evolve, Change::Added { .. } | Change::Removed { .. }) => false,
        })
        .map(ToString::to_string)
        .collect();
    if faults.is_empty() {
        return Ok(unified);
    }
    let hint = match spec.schema_policy {
        SchemaPolicy::Refuse => "set schema_policy to evolve to take new, missing and wider columns",
        SchemaPolicy::Evolve => "ingest it into another dataset, or declare the column's type",
    };
    let mut error = Error::new(Code::Conflict, format!("the columns changed: {}; {hint}", faults.join("; ")));
    error.details = faults;
    Err(error)
}
