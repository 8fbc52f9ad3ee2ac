//! Segments become Parquet blobs.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::sync::oneshot;

use super::{Inner, Limits, Prediction, PredictionLog, Sealed, record::Head, rows};
use crate::{
    Error, Result,
    dataset::FileInfo,
    log::{Entry, Segment},
};

/// How often size and age are looked at.
const TICK: Duration = Duration::from_millis(500);

/// How far sealing stands back, from 0 to 19.
const NICENESS: i32 = 10;

type Group = Vec<(Arc<Segment<Head>>, Entry<Head>)>;

/// Seals by size and age until the log is dropped.
pub(super) fn spawn(log: Weak<Inner>, limits: Limits) {
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(TICK).await;
            let Some(inner) = log.upgrade() else { return };
            let (bytes, age) = inner.log.current();
            if (bytes > limits.seal_bytes || (bytes > 0 && age > limits.seal_age))
                && let Err(error) = (PredictionLog { inner }).seal().await
            {
                tracing::error!(%error, "predictions could not be sealed; they stay in their segments");
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
        }
    });
}

impl PredictionLog {
    /// Seals everything that was handed over into blobs now; gives the number
    /// of files.
    pub async fn seal(&self) -> Result<usize> {
        let _sealing = self.inner.sealing.lock().await;
        self.seal_locked().await
    }

    /// For who holds `sealing`.
    pub(super) async fn seal_locked(&self) -> Result<usize> {
        self.flush().await?;
        let inner = self.inner.clone();
        if inner.log.current().0 > 0 {
            blocking(move || inner.log.rotate()).await?;
        }
        let mut segments = self.inner.log.segments();
        segments.pop();
        let Some(through) = segments.last().map(|segment| segment.sequence) else { return Ok(0) };
        let mut sealed = Vec::new();
        for group in groups(&segments).into_values() {
            sealed.push(self.seal_group(group).await?);
        }
        let count = sealed.len();
        let mut manifest = self.inner.manifest.read().clone();
        manifest.through = through;
        manifest.files.extend(sealed);
        let inner = self.inner.clone();
        blocking(move || {
            manifest.store(&inner.manifest_path)?;
            // Readers see the segments or the files, never both.
            let mut current = inner.manifest.write();
            *current = manifest;
            inner.log.remove(through)
        })
        .await?;
        Ok(count)
    }

    async fn seal_group(&self, group: Group) -> Result<Sealed> {
        let heads: Vec<Head> = group.iter().map(|(_, entry)| entry.meta.clone()).collect();
        let files = self.inner.files.clone();
        let writer = aside(move || {
            let calls = group.iter().map(|(segment, entry)| Prediction::decode(&segment.read(entry)?));
            let (schema, batches) = rows::table(calls.collect::<Result<_>>()?)?;
            let mut writer = files.writer(&schema)?;
            batches.iter().try_for_each(|batch| writer.push(batch))?;
            Ok(writer)
        })
        .await?;
        describe(&heads, &writer.finish().await?)
    }
}

/// Committed calls by deployment, model and version.
fn groups(segments: &[Arc<Segment<Head>>]) -> BTreeMap<(Arc<str>, Arc<str>, u32), Group> {
    let mut groups: BTreeMap<_, Group> = BTreeMap::new();
    for segment in segments {
        for entry in segment.entries(|_| true) {
            let head = &entry.meta;
            let key = (head.deployment.clone(), head.model.clone(), head.version);
            groups.entry(key).or_default().push((segment.clone(), entry));
        }
    }
    groups
}

fn describe(heads: &[Head], file: &FileInfo) -> Result<Sealed> {
    let first = heads.first().ok_or_else(|| Error::invalid("no predictions to seal"))?;
    let (ats, ids) = (|| heads.iter().map(|head| head.at), || heads.iter().map(|head| head.id));
    Ok(Sealed {
        digest: file.digest,
        deployment: first.deployment.to_string(),
        model: first.model.to_string(),
        version: first.version,
        rows: file.rows,
        bytes: file.bytes,
        first_at: ats().min().unwrap_or(first.at),
        last_at: ats().max().unwrap_or(first.at),
        first_id: ids().min().unwrap_or(first.id),
        last_id: ids().max().unwrap_or(first.id),
    })
}

/// Runs long work on a thread that the system runs when the others leave it
/// time, so that calls don't wait for what was asked before.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let (done, outcome) = oneshot::channel();
    let thread = std::thread::Builder::new().name("tables-seal".into()).spawn(move || {
        // Where that isn't allowed, it is a thread as any other.
        let _ = rustix::process::nice(NICENESS);
        let _ = done.send(work());
    });
    thread.map_err(Error::at(Path::new("a thread for sealing")))?;
    outcome.await.unwrap_or(Err(Error::Closed))
}

/// Runs blocking work of this crate.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(Error::Closed))
}
