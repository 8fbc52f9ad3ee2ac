use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use arrow::array::RecordBatch;
use modelyard_blobs::{Blobs, Digest};
use modelyard_clock::Clock;
use serde::{Deserialize, Serialize};

use crate::{
    Erased, Error, FileInfo, Labels, OnlineStore, PointInTime, PredictionLog, Result, Scan, Scanner, Schema,
    Value, Writer,
    dataset::Files,
    erase::erase_file,
    join,
    predictions::{Limits, blocking},
    sql::Engine,
};

/// How tables are kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Where logs, the online store and temporary files are.
    pub dir: PathBuf,
    /// How long a group of writes gathers before it is synced, in
    /// milliseconds; 0: as soon as there is one.
    pub commit_interval_ms: u64,
    /// A segment of the prediction log is sealed into Parquet at this size, in
    /// bytes.
    pub seal_bytes: u64,
    /// … or at this age, in seconds of real time.
    pub seal_age_s: u64,
    /// The online store's log is rewritten above this size, in bytes, when
    /// two thirds of it are outdated.
    pub compact_bytes: u64,
    /// The memory that one query may use, in bytes; past it, it spills to disk
    /// or fails.
    pub sql_memory: usize,
    /// How long one query may take, in seconds.
    pub sql_timeout_s: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            dir: PathBuf::from("tables"),
            commit_interval_ms: 10,
            seal_bytes: 16 << 20,
            seal_age_s: 3600,
            compact_bytes: 64 << 20,
            sql_memory: 1 << 30,
            sql_timeout_s: 60,
        }
    }
}

impl Options {
    /// The usual, in this directory.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), ..Self::default() }
    }
}

/// Takes a directory for this process. Waits a moment for a predecessor that is
/// about to end.
fn lock(path: &Path) -> Result<File> {
    let file = File::create(path).map_err(Error::at(path))?;
    for _ in 0..20 {
        if file.try_lock().is_ok() {
            return Ok(file);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Err(Error::Locked(path.display().to_string()))
}

/// Dataset files, joins, queries, and the logs beside them. A cheap handle.
#[derive(Clone)]
pub struct Tables {
    inner: Arc<Inner>,
}

struct Inner {
    files: Files,
    engine: Engine,
    online: OnlineStore,
    predictions: PredictionLog,
    labels: Labels,
    clock: Clock,
}

impl Tables {
    /// Opens the tables, replays their logs and repairs what a crash left. One
    /// process at a time can have a directory open. Needs a tokio runtime, on
    /// which the prediction log is sealed.
    pub async fn open(options: Options, blobs: Blobs, clock: Clock) -> Result<Self> {
        let handle = tokio::runtime::Handle::current();
        blocking(move || {
            let _runtime = handle.enter();
            Self::open_blocking(&options, blobs, clock)
        })
        .await
    }

    fn open_blocking(options: &Options, blobs: Blobs, clock: Clock) -> Result<Self> {
        let dir = &options.dir;
        std::fs::create_dir_all(dir).map_err(Error::at(dir))?;
        let lock_path = dir.join("lock");
        let lock = Arc::new(lock(&lock_path)?);
        // Nothing in it outlives the process that wrote it.
        let tmp = dir.join("tmp");
        if tmp.exists() {
            std::fs::remove_dir_all(&tmp).map_err(Error::at(&tmp))?;
        }
        std::fs::create_dir_all(&tmp).map_err(Error::at(&tmp))?;
        let interval = Duration::from_millis(options.commit_interval_ms);
        let files = Files { blobs, tmp: tmp.clone() };
        let engine = Engine::new(options.sql_memory, Duration::from_secs(options.sql_timeout_s), tmp)?;
        let (compact, held) = (options.compact_bytes, lock.clone());
        let online = OnlineStore::open(&dir.join("online"), interval, compact, clock.clone(), held)?;
        let labels = Labels::open(&dir.join("labels"), interval, lock.clone())?;
        let limits = Limits {
            interval,
            seal_bytes: options.seal_bytes,
            seal_age: Duration::from_secs(options.seal_age_s),
        };
        let predictions =
            PredictionLog::open(&dir.join("predictions"), limits, files.clone(), labels.clone(), lock)?;
        Ok(Self { inner: Arc::new(Inner { files, engine, online, predictions, labels, clock }) })
    }

    /// The clock that the tables were opened with.
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// Starts a dataset file.
    pub fn writer(&self, schema: &Schema) -> Result<Writer> {
        self.inner.files.writer(schema)
    }

    /// Writes everything that a scanner gives as one dataset file.
    pub async fn write(&self, scanner: Scanner) -> Result<FileInfo> {
        self.inner.files.write(scanner).await
    }

    /// Writes batches as one dataset file.
    pub async fn write_batches(&self, schema: &Schema, batches: Vec<RecordBatch>) -> Result<FileInfo> {
        let mut writer = self.writer(schema)?;
        let writer = blocking(move || {
            batches.iter().try_for_each(|batch| writer.push(batch))?;
            Ok(writer)
        });
        writer.await?.finish().await
    }

    /// Opens dataset files for reading, each verified against its digest. No
    /// files: no columns.
    pub async fn scan(&self, files: &[Digest], scan: Scan) -> Result<Scanner> {
        self.inner.files.scan(files, scan).await
    }

    /// Reads rows that are at hand as if they were a dataset file.
    pub fn scan_batches(&self, batches: Vec<RecordBatch>, scan: &Scan) -> Result<Scanner> {
        let sources = batches.into_iter().map(|batch| {
            let schema = Schema::from_arrow(&batch.schema())?;
            Ok(crate::dataset::Source::memory(schema, vec![batch]))
        });
        Scanner::new(sources.collect::<Result<_>>()?, scan)
    }

    /// The rows of one SELECT over named tables, at most `limit` of them.
    pub async fn sql(
        &self,
        query: &str,
        tables: &[(&str, Vec<Digest>)],
        limit: Option<usize>,
    ) -> Result<(Schema, Vec<RecordBatch>)> {
        self.inner.engine.query(&self.inner.files, query, tables, limit).await
    }

    /// The rows of one SELECT as a dataset file, the same each time.
    pub async fn write_sql(&self, query: &str, tables: &[(&str, Vec<Digest>)]) -> Result<FileInfo> {
        self.inner.engine.write(&self.inner.files, query, tables).await
    }

    /// Adds to each row of a spine what feature views knew at its moment: the
    /// view's latest row of the same key that isn't later than the moment and
    /// not older than the time to live; nulls if there is none. Rows of the
    /// spine and their order stay. Views are held in memory, the spine isn't.
    pub async fn point_in_time_join(&self, spine: &[Digest], how: PointInTime) -> Result<FileInfo> {
        join::run(&self.inner.files, spine, how).await
    }

    /// Rewrites the files that hold rows in which `column` equals `value`,
    /// without these rows. Files without such a column or row are left as they
    /// are and not in the result. Old blobs stay until the caller, having
    /// listed the new ones, deletes them.
    pub async fn erase(&self, files: &[Digest], column: &str, value: &Value) -> Result<Vec<Erased>> {
        let mut erased = Vec::new();
        for digest in files {
            erased.extend(erase_file(&self.inner.files, digest, column, value).await?);
        }
        Ok(erased)
    }

    /// The latest values for serving.
    pub fn online(&self) -> &OnlineStore {
        &self.inner.online
    }

    /// The prediction log.
    pub fn predictions(&self) -> &PredictionLog {
        &self.inner.predictions
    }

    /// Labels by prediction id.
    pub fn labels(&self) -> &Labels {
        &self.inner.labels
    }
}
