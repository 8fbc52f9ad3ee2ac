use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use arrow::array::RecordBatch;
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    file::properties::{EnabledStatistics, WriterProperties},
    schema::types::ColumnPath,
};
use tempfile::TempPath;

use super::{FileInfo, Files, stats::Collector};
use modelyard_blobs::is_full;

use crate::{ColumnType, Error, Result, Schema, columns::conform};

/// Rows in a row group: what a filter by time can skip at once.
const ROW_GROUP: usize = 65_536;

/// Writes one dataset file: Parquet (zstd, level 1), streamed to a temporary
/// file and put into the blob store at the end; statistics are taken in the
/// same pass. The same batches always give the same bytes, thus the same
/// digest. Dropped before `finish`, it leaves nothing behind.
pub struct Writer {
    files: Files,
    schema: Schema,
    parquet: ArrowWriter<Sink>,
    path: TempPath,
    full: Arc<AtomicBool>,
    stats: Vec<Collector>,
    rows: u64,
}

/// A buffered file that remembers whether the disk was full: Parquet's own
/// errors keep only a text in places.
struct Sink {
    file: BufWriter<File>,
    full: Arc<AtomicBool>,
}

impl Sink {
    fn note<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if result.as_ref().is_err_and(is_full) {
            self.full.store(true, Ordering::Relaxed);
        }
        result
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.file.write(bytes);
        self.note(result)
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.file.flush();
        self.note(result)
    }
}

impl Writer {
    pub(super) fn new(files: Files, schema: &Schema) -> Result<Self> {
        let schema = Schema::new(schema.fields.clone())?;
        let file = tempfile::Builder::new()
            .suffix(".parquet")
            .tempfile_in(&files.tmp)
            .map_err(Error::at(&files.tmp))?;
        let (file, path) = file.into_parts();
        let full = Arc::new(AtomicBool::new(false));
        let sink = Sink { file: BufWriter::with_capacity(1 << 18, file), full: full.clone() };
        let level = ZstdLevel::try_new(1).map_err(|error| Error::invalid(error.to_string()))?;
        let floats = schema.fields.iter().filter(|field| field.r#type == ColumnType::F64);
        // Parquet's bounds pass over NaN, and whoever trusts them loses it: a
        // column of NaN and 1.5 would be read as 1.5 alone.
        let properties = floats.fold(WriterProperties::builder(), |properties, field| {
            let path = ColumnPath::new(vec![field.name.clone()]);
            properties.set_column_statistics_enabled(path, EnabledStatistics::None)
        });
        let properties = properties
            .set_created_by("modelyard".into())
            .set_compression(Compression::ZSTD(level))
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_max_row_group_row_count(Some(ROW_GROUP))
            .build();
        let parquet = ArrowWriter::try_new(sink, schema.to_arrow(), Some(properties))
            .map_err(|error| Error::invalid(error.to_string()))?;
        let stats = schema.fields.iter().map(|field| Collector::new(&field.name, field.r#type)).collect();
        Ok(Self { files, schema, parquet, path, full, stats, rows: 0 })
    }

    /// The columns that are written.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Adds rows. Columns are found by name; a narrower type is widened and a
    /// missing nullable column filled with nulls, but a column that the schema
    /// doesn't have is an error. Blocking: compresses and writes.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        let arrow = batch.schema();
        if let Some(extra) = arrow.fields().iter().find(|field| self.schema.field(field.name()).is_none()) {
            return Err(Error::no_column(extra.name(), "in the file's schema", self.schema.names()));
        }
        let batch = conform(batch, &self.schema)?;
        self.parquet.write(&batch).map_err(|error| fault(&self.full, &self.path, &error))?;
        for (stats, array) in self.stats.iter_mut().zip(batch.columns()) {
            stats.add(array);
        }
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    /// Closes the file and puts it into the blob store.
    pub async fn finish(self) -> Result<FileInfo> {
        let files = self.files.clone();
        let close = move || {
            let Self { schema, parquet, path, full, stats, rows, .. } = self;
            let mut sink = parquet.into_inner().map_err(|error| fault(&full, &path, &error))?;
            sink.flush().map_err(Error::at(&path))?;
            let stats = stats.into_iter().map(Collector::finish).collect();
            Ok::<_, Error>((path, schema, stats, rows))
        };
        let (path, schema, stats, rows) =
            tokio::task::spawn_blocking(close).await.map_err(|_| Error::Closed)??;
        let (digest, bytes) = files.blobs.put_file(&path).await?;
        Ok(FileInfo { digest, rows, bytes, schema, stats })
    }
}

fn fault(full: &AtomicBool, path: &Path, error: &parquet::errors::ParquetError) -> Error {
    if full.load(Ordering::Relaxed) {
        Error::Full(path.display().to_string())
    } else {
        Error::writing(path, error)
    }
}
