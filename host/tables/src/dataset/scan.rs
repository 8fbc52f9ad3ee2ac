use std::{collections::VecDeque, fmt, fs::File, path::PathBuf, sync::Arc};

use arrow::{array::RecordBatch, compute::concat_batches};
use parquet::arrow::{
    ProjectionMask,
    arrow_reader::{
        ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
    },
};

use super::{Filter, TimeRange};
use crate::{Error, Result, Schema, Value, columns::conform};

/// What to read of dataset files.
#[derive(Clone, Debug, Default)]
pub struct Scan {
    /// These columns in this order; none: all.
    pub columns: Option<Vec<String>>,
    /// Only rows of this time.
    pub range: Option<TimeRange>,
    /// Only rows where each column equals its value; null equals null.
    pub equals: Vec<(String, Value)>,
    /// The most rows in a batch; 0: 16,384.
    pub batch_rows: usize,
}

/// Rows come from here.
#[derive(Clone)]
pub(crate) enum Source {
    File { digest: String, path: PathBuf, metadata: ArrowReaderMetadata, schema: Schema },
    Memory { schema: Schema, batches: Arc<Vec<RecordBatch>> },
}

/// What a scanner does to every batch: reads the columns of `read`, keeps the
/// rows of `filter`, gives the columns of `output` through `transform`.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) read: Schema,
    pub(crate) filter: Filter,
    pub(crate) output: Schema,
    pub(crate) transform: Option<Transform>,
    /// The rows that come out, where a filter or transform makes that unclear
    /// and somebody has counted already.
    pub(crate) rows: Option<u64>,
    pub(crate) batch_rows: usize,
}

pub(crate) type Transform = Arc<dyn Fn(RecordBatch) -> Result<RecordBatch> + Send + Sync>;

/// Reads rows batch by batch; blocking, so call it from a blocking task.
///
/// Files of different schemas give one: every column of any file, in the
/// narrowest type that all widen to, null where a file lacks it.
pub struct Scanner {
    sources: Vec<Source>,
    plan: Plan,
    next: usize,
    reader: Option<ParquetRecordBatchReader>,
    ready: VecDeque<RecordBatch>,
}

impl fmt::Debug for Scanner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scanner")
            .field("schema", &self.plan.output)
            .field("sources", &self.sources.len())
            .finish_non_exhaustive()
    }
}

impl Source {
    /// Reads a file's footer.
    pub(crate) fn open(digest: String, path: PathBuf) -> Result<Self> {
        let file = File::open(&path).map_err(Error::at(&path))?;
        let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new())
            .map_err(|error| Error::Corrupt { digest: digest.clone(), message: error.to_string() })?;
        let schema = Schema::from_arrow(metadata.schema())?;
        Ok(Self::File { digest, path, metadata, schema })
    }

    pub(crate) fn memory(schema: Schema, batches: Vec<RecordBatch>) -> Self {
        Self::Memory { schema, batches: Arc::new(batches) }
    }

    pub(crate) fn schema(&self) -> &Schema {
        match self {
            Self::File { schema, .. } | Self::Memory { schema, .. } => schema,
        }
    }

    /// All rows, before any filter.
    pub(crate) fn rows(&self) -> u64 {
        match self {
            Self::File { metadata, .. } => {
                u64::try_from(metadata.metadata().file_metadata().num_rows()).unwrap_or(0)
            }
            Self::Memory { batches, .. } => batches.iter().map(|batch| batch.num_rows() as u64).sum(),
        }
    }
}

impl Scanner {
    /// Plans a scan over sources.
    pub(crate) fn new(sources: Vec<Source>, scan: &Scan) -> Result<Self> {
        let filter = Filter { range: scan.range.clone(), equals: scan.equals.clone(), except: None };
        Self::filtered(sources, filter, scan.columns.as_deref(), scan.batch_rows)
    }

    pub(crate) fn filtered(
        sources: Vec<Source>,
        filter: Filter,
        columns: Option<&[String]>,
        batch_rows: usize,
    ) -> Result<Self> {
        let unified = Schema::unify(sources.iter().map(Source::schema));
        filter.check(&unified)?;
        let output = match columns {
            Some(columns) => unified.project(columns, "in the dataset")?,
            None => unified.clone(),
        };
        let needed = |name: &str| output.field(name).is_some() || filter.columns().any(|c| c == name);
        let read =
            Schema { fields: unified.fields.iter().filter(|field| needed(&field.name)).cloned().collect() };
        Ok(Self::planned(sources, Plan { read, filter, output, transform: None, rows: None, batch_rows }))
    }

    pub(crate) fn planned(sources: Vec<Source>, plan: Plan) -> Self {
        Self { sources, plan, next: 0, reader: None, ready: VecDeque::new() }
    }

    /// Takes the plan apart, to wrap another around it.
    pub(crate) fn into_plan(self) -> (Vec<Source>, Plan) {
        (self.sources, self.plan)
    }

    /// The columns of every batch.
    pub fn schema(&self) -> &Schema {
        &self.plan.output
    }

    /// The number of rows in all, wherever the scanner stands. With a filter
    /// this reads the columns that the filter looks at (once).
    pub fn rows(&mut self) -> Result<u64> {
        if let Some(rows) = self.plan.rows {
            return Ok(rows);
        }
        let rows = if self.plan.filter.is_empty() && self.plan.transform.is_none() {
            self.sources.iter().map(Source::rows).sum()
        } else {
            let mut plan = self.plan.clone();
            if plan.transform.is_none() {
                plan.read.fields.retain(|field| plan.filter.columns().any(|column| *column == field.name));
                plan.output = plan.read.clone();
            }
            let mut rows = 0;
            for batch in &mut Self::planned(self.sources.clone(), plan) {
                rows += batch?.num_rows() as u64;
            }
            rows
        };
        self.plan.rows = Some(rows);
        Ok(rows)
    }

    /// Back to the first row.
    pub fn rewind(&mut self) {
        self.next = 0;
        self.reader = None;
        self.ready.clear();
    }

    /// Exactly `max` rows, fewer only at the end; none past it.
    pub fn next_rows(&mut self, max: usize) -> Result<Option<RecordBatch>> {
        let max = max.max(1);
        let mut parts = Vec::new();
        let mut missing = max;
        while missing > 0 {
            let Some(batch) = self.next_batch()? else { break };
            let take = batch.num_rows().min(missing);
            if take < batch.num_rows() {
                self.ready.push_front(batch.slice(take, batch.num_rows() - take));
            }
            parts.push(batch.slice(0, take));
            missing -= take;
        }
        match parts.as_slice() {
            [] => Ok(None),
            [only] => Ok(Some(only.clone())),
            [first, ..] => Ok(Some(concat_batches(&first.schema(), &parts)?)),
        }
    }

    /// The next batch that isn't empty.
    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(Some(batch));
            }
            if let Some(raw) = self.read()? {
                let batch = self.plan.run(&raw)?;
                if batch.num_rows() > 0 {
                    self.ready.push_back(batch);
                }
            } else if !self.advance()? {
                return Ok(None);
            }
        }
    }

    /// The next batch of the file that is open.
    fn read(&mut self) -> Result<Option<RecordBatch>> {
        let Some(reader) = &mut self.reader else { return Ok(None) };
        match reader.next().transpose() {
            Ok(Some(batch)) => Ok(Some(batch)),
            Ok(None) => {
                self.reader = None;
                Ok(None)
            }
            Err(error) => {
                self.reader = None;
                let digest = match self.next.checked_sub(1).and_then(|index| self.sources.get(index)) {
                    Some(Source::File { digest, .. }) => digest.clone(),
                    _ => String::new(),
                };
                Err(Error::Corrupt { digest, message: error.to_string() })
            }
        }
    }

    /// Opens the next source; false at the end.
    fn advance(&mut self) -> Result<bool> {
        let Some(source) = self.sources.get(self.next) else { return Ok(false) };
        self.next += 1;
        match source {
            Source::Memory { batches, .. } => {
                for batch in batches.iter() {
                    let batch = self.plan.run(batch)?;
                    let step = self.plan.batch_rows();
                    let starts = (0..batch.num_rows()).step_by(step);
                    self.ready
                        .extend(starts.map(|start| batch.slice(start, step.min(batch.num_rows() - start))));
                }
            }
            Source::File { digest, path, metadata, .. } => {
                self.reader = Some(self.plan.open(digest, path, metadata)?);
            }
        }
        Ok(true)
    }
}

impl Plan {
    fn batch_rows(&self) -> usize {
        if self.batch_rows == 0 { 16_384 } else { self.batch_rows }
    }

    fn open(
        &self,
        digest: &str,
        path: &PathBuf,
        metadata: &ArrowReaderMetadata,
    ) -> Result<ParquetRecordBatchReader> {
        let file = File::open(path).map_err(|error| {
            if error.kind() == std::io::ErrorKind::NotFound {
                Error::NotFound(digest.to_owned())
            } else {
                Error::io(path, &error)
            }
        })?;
        let columns = metadata.schema().fields().iter().enumerate();
        let wanted: Vec<usize> = columns
            .filter(|(_, field)| self.read.field(field.name()).is_some())
            .map(|(index, _)| index)
            .collect();
        let groups = metadata.metadata().row_groups().iter().enumerate();
        let groups = groups.filter(|(_, group)| self.filter.may_match(group)).map(|(index, _)| index);
        ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata.clone())
            .with_projection(ProjectionMask::roots(metadata.parquet_schema(), wanted))
            .with_row_groups(groups.collect())
            .with_batch_size(self.batch_rows())
            .build()
            .map_err(|error| Error::Corrupt { digest: digest.to_owned(), message: error.to_string() })
    }

    fn run(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let batch = self.filter.apply(conform(batch, &self.read)?)?;
        match &self.transform {
            Some(transform) if batch.num_rows() > 0 => transform(batch),
            Some(_) => Ok(batch),
            None if self.read == self.output => Ok(batch),
            None => conform(&batch, &self.output),
        }
    }
}

impl Iterator for Scanner {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.next_batch().transpose();
        if matches!(batch, Some(Err(_))) {
            // A fault ends the iteration; `rewind` starts it again.
            self.next = self.sources.len();
        }
        batch
    }
}
