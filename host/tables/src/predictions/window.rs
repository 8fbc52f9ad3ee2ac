//! Reading the log: windows, labels joined to them, counts, known ids.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, AsArray, BooleanArray, RecordBatch},
    compute::{SortOptions, concat_batches, filter_record_batch, sort_to_indices, take_record_batch},
};
use modelyard_blobs::Digest;
use modelyard_clock::Timestamp;
use uuid::Uuid;

use super::{
    CACHED_IDS, Ids, Inner, Prediction, PredictionId, PredictionLog, Sealed,
    record::Head,
    rows::{self, AT, ID, LABEL, LABEL_AT},
    seal::blocking,
};
use crate::{
    Column, ColumnType, Error, Field, FileInfo, Result, Scanner, Schema, TimeRange, Value,
    columns::{self, conform},
    dataset::{Filter, Plan, Source},
    log::{Entry, Segment},
};

/// Which predictions to read.
#[derive(Clone, Debug, Default)]
pub struct Window {
    /// The deployment.
    pub deployment: String,
    /// Only this model.
    pub model: Option<String>,
    /// Only this version.
    pub version: Option<u32>,
    /// The first moment that is in; none: from the beginning.
    pub from: Option<Timestamp>,
    /// The first moment that is out; none: to the end.
    pub to: Option<Timestamp>,
    /// These columns in this order; none: all. Labels always come last.
    pub columns: Option<Vec<String>>,
    /// The most rows in a batch; 0: 16,384.
    pub batch_rows: usize,
}

impl Window {
    /// All predictions of a deployment.
    pub fn of(deployment: impl Into<String>) -> Self {
        Self { deployment: deployment.into(), ..Self::default() }
    }

    fn serves(&self, deployment: &str, model: &str, version: u32) -> bool {
        self.deployment == deployment
            && self.model.as_deref().is_none_or(|wanted| wanted == model)
            && self.version.is_none_or(|wanted| wanted == version)
    }

    fn head(&self, head: &Head) -> bool {
        self.serves(&head.deployment, &head.model, head.version)
            && self.from.is_none_or(|from| head.at >= from)
            && self.to.is_none_or(|to| head.at < to)
    }

    fn file(&self, file: &Sealed) -> bool {
        self.serves(&file.deployment, &file.model, file.version)
            && self.from.is_none_or(|from| file.last_at >= from)
            && self.to.is_none_or(|to| file.first_at < to)
    }

    /// Whether all rows of a file are in.
    fn covers(&self, file: &Sealed) -> bool {
        self.from.is_none_or(|from| file.first_at >= from) && self.to.is_none_or(|to| file.last_at < to)
    }

    fn filter(&self) -> Filter {
        let range = TimeRange { column: AT.into(), from: self.from, to: self.to };
        let bounded = self.from.is_some() || self.to.is_some();
        Filter { range: bounded.then_some(range), ..Filter::default() }
    }
}

type Snapshot = (Vec<Sealed>, Vec<Arc<Segment<Head>>>);

impl Inner {
    /// The files and segments that hold the log at one moment.
    fn snapshot(&self) -> Snapshot {
        let manifest = self.manifest.read();
        (manifest.files.clone(), self.log.segments())
    }
}

/// What `entries` of a segment say, as rows.
fn read(segment: &Segment<Head>, entries: &[Entry<Head>]) -> Result<Source> {
    let calls = entries.iter().map(|entry| Prediction::decode(&segment.read(entry)?));
    let (schema, batches) = rows::table(calls.collect::<Result<_>>()?)?;
    Ok(Source::memory(schema, batches))
}

impl PredictionLog {
    /// The rows of a window: `prediction_id`, `at`, `model`, `version`,
    /// `latency_us`, `entity`, then features and outputs under their own names
    /// (prefixed `feature_` or `output_` where a name is taken). Includes
    /// everything handed over before the call.
    pub async fn window(&self, window: &Window) -> Result<Scanner> {
        let sources = self.sources(window).await?;
        Scanner::filtered(sources, window.filter(), window.columns.as_deref(), window.batch_rows)
    }

    /// A window as one dataset file.
    pub async fn window_file(&self, window: &Window) -> Result<FileInfo> {
        self.inner.files.write(self.window(window).await?).await
    }

    async fn sources(&self, window: &Window) -> Result<Vec<Source>> {
        self.flush().await?;
        let mut attempt = 0;
        loop {
            let (files, segments) = self.inner.snapshot();
            let digests: Vec<Digest> =
                files.iter().filter(|file| window.file(file)).map(|file| file.digest).collect();
            let sealed = match self.inner.files.open(&digests).await {
                // An erasure has replaced the file since.
                Err(Error::NotFound(_)) if attempt < 3 => {
                    attempt += 1;
                    continue;
                }
                sealed => sealed?,
            };
            // Even an empty window has the fixed columns, and has them first.
            let mut sources = vec![Source::memory(rows::fixed(), Vec::new())];
            sources.extend(sealed);
            let wanted = window.clone();
            let open = blocking(move || {
                let segments = segments.iter().map(|segment| {
                    let entries = segment.entries(|head| wanted.head(head));
                    if entries.is_empty() { Ok(None) } else { read(segment, &entries).map(Some) }
                });
                segments.filter_map(Result::transpose).collect::<Result<Vec<_>>>()
            });
            sources.extend(open.await?);
            return Ok(sources);
        }
    }

    /// A window with the labels known now: columns `label` and `label_at` come
    /// last, null where there is none, or with `only_labelled` such rows are
    /// left out. `label` has the narrowest type that holds the window's labels;
    /// f64 if there are none.
    pub async fn joined(&self, window: &Window, only_labelled: bool) -> Result<Scanner> {
        let sources = self.sources(window).await?;
        let labels = self.inner.labels.clone();
        let window = window.clone();
        blocking(move || {
            let ids = Some(vec![ID.to_owned()]);
            let pass = Scanner::filtered(sources.clone(), window.filter(), ids.as_deref(), 0)?;
            let mut known: HashMap<PredictionId, (Value, Timestamp)> = HashMap::new();
            let mut rows = 0;
            for batch in pass {
                let ids = parse_ids(&batch?)?;
                rows += ids.len() as u64;
                let found = labels.get(&ids).into_iter().flatten();
                known.extend(found.map(|label| (label.prediction_id, (label.value, label.at))));
            }
            let labelled = known.len() as u64;
            join(sources, &window, known, only_labelled, if only_labelled { labelled } else { rows })
        })
        .await
    }

    /// The last `most` rows of a window by time, the latest first, with the
    /// labels known now.
    pub async fn latest(&self, window: &Window, most: usize) -> Result<(Schema, RecordBatch)> {
        let scanner = self.joined(window, false).await?;
        blocking(move || {
            let schema = scanner.schema().clone();
            let mut kept = RecordBatch::new_empty(schema.to_arrow());
            for batch in scanner {
                kept = concat_batches(&kept.schema(), [&kept, &batch?])?;
                if kept.num_rows() > most {
                    kept = last(&kept, most)?;
                }
            }
            Ok((schema, last(&kept, most)?))
        })
        .await
    }

    /// The number of predictions of a deployment in [from, to).
    pub async fn count(
        &self,
        deployment: &str,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
    ) -> Result<u64> {
        self.count_in(&Window { from, to, ..Window::of(deployment) }).await
    }

    /// The number of predictions in a window.
    pub async fn count_in(&self, window: &Window) -> Result<u64> {
        self.flush().await?;
        let (files, segments) = self.inner.snapshot();
        let mut count: u64 = 0;
        for segment in segments {
            segment.each(|head| count += u64::from(if window.head(head) { head.rows } else { 0 }));
        }
        let mut partly = Vec::new();
        for file in files.iter().filter(|file| window.file(file)) {
            if window.covers(file) {
                count += file.rows;
            } else {
                partly.push(file.digest);
            }
        }
        if !partly.is_empty() {
            let sources = self.inner.files.open(&partly).await?;
            let filter = window.filter();
            let at = Some(vec![AT.to_owned()]);
            count += blocking(move || Scanner::filtered(sources, filter, at.as_deref(), 0)?.rows()).await?;
        }
        Ok(count)
    }
}

/// The last `most` rows by time, the latest first.
fn last(batch: &RecordBatch, most: usize) -> Result<RecordBatch> {
    let at = batch.column_by_name(AT).ok_or_else(|| Error::no_column(AT, "among the predictions", []))?;
    let latest = SortOptions { descending: true, nulls_first: false };
    Ok(take_record_batch(batch, &sort_to_indices(at, Some(latest), Some(most))?)?)
}

pub(super) fn parse_ids(batch: &RecordBatch) -> Result<Vec<PredictionId>> {
    let ids = batch.column_by_name(ID).and_then(|ids| ids.as_string_opt::<i32>());
    let ids = ids.ok_or_else(|| Error::no_column(ID, "among the predictions", []))?;
    ids.iter().map(|id| id.unwrap_or_default().parse()).collect()
}

/// A scanner that puts labels beside the rows.
fn join(
    sources: Vec<Source>,
    window: &Window,
    known: HashMap<PredictionId, (Value, Timestamp)>,
    only_labelled: bool,
    rows: u64,
) -> Result<Scanner> {
    let base = Scanner::filtered(sources, window.filter(), window.columns.as_deref(), window.batch_rows)?;
    let (sources, mut plan) = base.into_plan();
    let types = known.values().filter_map(|(value, _)| value.column_type());
    let label = types.reduce(ColumnType::unify).unwrap_or(ColumnType::F64);
    if plan.read.field(ID).is_none() {
        plan.read.fields.push(Field::required(ID, ColumnType::Utf8));
    }
    let mut output = plan.output;
    output.fields.push(Field { nullable: !only_labelled, ..Field::new(LABEL, label) });
    output.fields.push(Field { nullable: !only_labelled, ..Field::new(LABEL_AT, ColumnType::Timestamp) });
    let shape = output.clone();
    let transform = move |batch: RecordBatch| label_rows(&batch, &known, only_labelled, &shape);
    let plan = Plan { output, transform: Some(Arc::new(transform)), rows: Some(rows), ..plan };
    Ok(Scanner::planned(sources, plan))
}

fn label_rows(
    batch: &RecordBatch,
    known: &HashMap<PredictionId, (Value, Timestamp)>,
    only_labelled: bool,
    output: &Schema,
) -> Result<RecordBatch> {
    let found: Vec<_> = parse_ids(batch)?.iter().map(|id| known.get(id)).collect();
    let label = output.field(LABEL).map_or(ColumnType::F64, |field| field.r#type);
    let values: Vec<Value> =
        found.iter().map(|f| f.and_then(|(value, _)| value.cast(label)).unwrap_or_default()).collect();
    let times: Vec<Value> = found.iter().map(|f| f.map(|(_, at)| *at).into()).collect();
    let mut fields = Schema::from_arrow(&batch.schema())?.fields;
    let mut arrays: Vec<ArrayRef> = batch.columns().to_vec();
    for (name, r#type, values) in [(LABEL, label, values), (LABEL_AT, ColumnType::Timestamp, times)] {
        let array = Column::from_values(name, &values).into_array()?;
        arrays.push(columns::cast_to(name, &array, r#type)?);
        fields.push(Field::new(name, r#type));
    }
    let joined = columns::batch(&Schema { fields }, arrays, batch.num_rows())?;
    if !only_labelled {
        return conform(&joined, output);
    }
    let keep: BooleanArray = found.iter().map(|found| Some(found.is_some())).collect();
    conform(&filter_record_batch(&joined, &keep)?, output)
}

/// Whether each id is in a segment or a sealed file.
pub(super) async fn known(inner: &Arc<Inner>, ids: &[PredictionId]) -> Result<Vec<bool>> {
    let (files, segments) = inner.snapshot();
    let mut open: HashMap<Uuid, u32> = HashMap::new();
    let wanted: HashSet<Uuid> = ids.iter().map(|id| id.call).collect();
    for segment in segments {
        segment.each(|head| {
            if wanted.contains(&head.id) {
                open.insert(head.id, head.rows);
            }
        });
    }
    let mut known: Vec<bool> =
        ids.iter().map(|id| open.get(&id.call).is_some_and(|rows| id.row < *rows)).collect();
    for file in &files {
        let missing = || ids.iter().zip(&known).filter(|(_, known)| !**known).map(|(id, _)| id);
        if !missing().any(|id| (file.first_id..=file.last_id).contains(&id.call)) {
            continue;
        }
        let sealed = file_ids(inner, file.digest).await?;
        for (id, known) in ids.iter().zip(&mut known) {
            *known |= sealed.get(&id.call).is_some_and(|rows| rows.binary_search(&id.row).is_ok());
        }
    }
    Ok(known)
}

/// The ids of a sealed file, from memory if they were asked for lately.
async fn file_ids(inner: &Arc<Inner>, digest: Digest) -> Result<Ids> {
    if let Some(ids) = inner.ids.lock().get(&digest) {
        return Ok(ids.clone());
    }
    let sources = inner.files.open(&[digest]).await?;
    let ids = blocking(move || {
        let mut ids: HashMap<Uuid, Vec<u32>> = HashMap::new();
        let only = Some(vec![ID.to_owned()]);
        for batch in Scanner::filtered(sources, Filter::default(), only.as_deref(), 0)? {
            for id in parse_ids(&batch?)? {
                ids.entry(id.call).or_default().push(id.row);
            }
        }
        ids.values_mut().for_each(|rows| rows.sort_unstable());
        Ok(Arc::new(ids))
    })
    .await?;
    let mut cache = inner.ids.lock();
    if cache.len() >= CACHED_IDS
        && let Some(any) = cache.keys().next().copied()
    {
        cache.remove(&any);
    }
    cache.insert(digest, ids.clone());
    Ok(ids)
}
