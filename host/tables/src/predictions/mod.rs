//! The prediction log: what every model was asked and what it answered, off
//! the request path yet complete.
//!
//! Calls go to the segments of an append log; segments are sealed by size and
//! age into Parquet blobs, one per deployment, model and version. A manifest
//! beside the segments lists the sealed files and is replaced atomically, so
//! that every call is in exactly one of the two.

mod erase;
mod manifest;
mod record;
mod rows;
mod seal;
mod window;

use std::{
    collections::HashMap,
    fs::File,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use modelyard_blobs::Digest;
use modelyard_clock::Timestamp;
use parking_lot::{Mutex, RwLock};
use uuid::Uuid;

pub use erase::ErasedPredictions;
use manifest::Manifest;
pub use manifest::Sealed;
use record::{Head, decode_head};
pub use record::{Prediction, PredictionId};
pub(crate) use seal::blocking;
pub use window::Window;

use crate::{
    Labels, Result, Value,
    dataset::Files,
    log::{Log, codec::Decoder, committed},
};

/// The call ids of a sealed file and the rows of each call.
type Ids = Arc<HashMap<Uuid, Vec<u32>>>;
/// Sealed files whose ids are kept in memory for [`PredictionLog::known`].
const CACHED_IDS: usize = 64;

/// Predictions as they were made. A cheap handle.
#[derive(Clone)]
pub struct PredictionLog {
    inner: Arc<Inner>,
}

struct Inner {
    log: Log<Head>,
    manifest: RwLock<Manifest>,
    manifest_path: PathBuf,
    files: Files,
    labels: Labels,
    /// One sealing or erasure at a time.
    sealing: tokio::sync::Mutex<()>,
    ids: Mutex<HashMap<Digest, Ids>>,
    last: Last,
    /// Whether `record` waits.
    immediate: bool,
    /// The directory is this process's as long as somebody can write to it.
    _lock: Arc<File>,
}

/// When segments are sealed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) interval: Duration,
    pub(crate) seal_bytes: u64,
    pub(crate) seal_age: Duration,
}

impl PredictionLog {
    /// Opens the log in `dir`. Blocking: replays the segments.
    pub(crate) fn open(
        dir: &Path,
        limits: Limits,
        files: Files,
        labels: Labels,
        lock: Arc<File>,
    ) -> Result<Self> {
        std::fs::create_dir_all(dir).map_err(crate::Error::at(dir))?;
        crate::log::remove_temporary(dir)?;
        let manifest_path = dir.join("manifest.json");
        let manifest = Manifest::load(&manifest_path)?;
        let last = Last::default();
        for file in &manifest.files {
            last.called(&file.deployment, file.last_at);
        }
        let log = Log::open(&dir.join("segments"), limits.interval, manifest.through, |payload| {
            let head = decode_head(&mut Decoder(payload))?;
            last.called(&head.deployment, head.at);
            Ok(head)
        })?;
        let inner = Arc::new(Inner {
            log,
            manifest: RwLock::new(manifest),
            manifest_path,
            files,
            labels,
            sealing: tokio::sync::Mutex::new(()),
            ids: Mutex::new(HashMap::new()),
            last,
            immediate: limits.interval.is_zero(),
            _lock: lock,
        });
        seal::spawn(Arc::downgrade(&inner), limits);
        Ok(Self { inner })
    }

    /// Hands a call over without waiting: it is on the disk within the commit
    /// interval. While the disk is full, calls wait in memory up to a bound;
    /// past it this is [`crate::Error::Full`].
    pub fn append(&self, prediction: &Prediction) -> Result<()> {
        prediction.check()?;
        self.inner.log.append(&prediction.encode(), prediction.index())?;
        self.inner.last.called(&prediction.deployment, prediction.at);
        Ok(())
    }

    /// Hands a call over and waits until it is on the disk, or fails.
    pub async fn append_durable(&self, prediction: &Prediction) -> Result<()> {
        prediction.check()?;
        let done = self.inner.log.append_durable(&prediction.encode(), prediction.index())?;
        committed(done).await?;
        self.inner.last.called(&prediction.deployment, prediction.at);
        Ok(())
    }

    /// `append_durable` with a commit interval of 0, `append` otherwise.
    pub async fn record(&self, prediction: &Prediction) -> Result<()> {
        if self.inner.immediate { self.append_durable(prediction).await } else { self.append(prediction) }
    }

    /// Waits until every call handed over before is on the disk.
    pub async fn flush(&self) -> Result<()> {
        committed(self.inner.log.flush()?).await
    }

    /// When a deployment was last called; none if never.
    pub fn last_at(&self, deployment: &str) -> Option<Timestamp> {
        self.inner.last.at(deployment)
    }

    /// The deployments that were ever called, in order of name.
    pub fn deployments(&self) -> Vec<String> {
        let mut names: Vec<_> = self.inner.last.0.load().keys().map(|name| name.to_string()).collect();
        names.sort();
        names
    }

    /// The sealed files, for whoever collects unused blobs or shows sizes.
    pub fn sealed(&self) -> Vec<Sealed> {
        self.inner.manifest.read().files.clone()
    }

    /// Whether each prediction is in the log.
    pub async fn known(&self, ids: &[PredictionId]) -> Result<Vec<bool>> {
        self.flush().await?;
        window::known(&self.inner, ids).await
    }

    /// Removes the rows in which a column (`entity`, a feature, an output)
    /// equals `value`, their labels with them, from memory and from the disk.
    /// Run again after a failure, it finishes the work.
    pub async fn erase(&self, column: &str, value: &Value) -> Result<ErasedPredictions> {
        erase::erase(self, column, value).await
    }
}

/// When each deployment was last called, in microseconds. Calls of one take no
/// lock that calls of another wait for.
#[derive(Default)]
struct Last(ArcSwap<HashMap<Arc<str>, Arc<AtomicI64>>>);

impl Last {
    fn called(&self, deployment: &str, at: Timestamp) {
        if let Some(last) = self.0.load().get(deployment) {
            last.fetch_max(at.micros(), Relaxed);
            return;
        }
        let (name, first): (Arc<str>, _) = (deployment.into(), Arc::new(AtomicI64::new(at.micros())));
        self.0.rcu(|all| {
            let mut all = HashMap::clone(all);
            let last = all.entry(name.clone()).or_insert_with(|| first.clone());
            last.fetch_max(at.micros(), Relaxed);
            all
        });
    }

    fn at(&self, deployment: &str) -> Option<Timestamp> {
        self.0.load().get(deployment).map(|last| Timestamp::from_micros(last.load(Relaxed)))
    }
}
