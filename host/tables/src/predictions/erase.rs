use std::collections::HashSet;

use modelyard_blobs::Digest;
use serde::{Deserialize, Serialize};

use super::{PredictionId, PredictionLog, Sealed, seal::blocking, window::parse_ids};
use crate::{
    FileInfo, Result, Scanner, Value,
    dataset::Filter,
    erase::{Erased, erase_file},
};

/// What an erasure removed from the prediction log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasedPredictions {
    /// Rows removed.
    pub rows: u64,
    /// Labels removed with them.
    pub labels: u64,
    /// Files that were rewritten or removed.
    pub files: u64,
}

/// Labels go first: while the rows are there, a second attempt still finds
/// which labels belong to them.
pub(super) async fn erase(log: &PredictionLog, column: &str, value: &Value) -> Result<ErasedPredictions> {
    let _sealing = log.inner.sealing.lock().await;
    log.collect_garbage().await?;
    log.seal_locked().await?;
    let mut manifest = log.inner.manifest.read().clone();
    let mut done = ErasedPredictions::default();
    let mut files = Vec::with_capacity(manifest.files.len());
    for file in manifest.files {
        let ids = log.ids_where(&file, column, value).await?;
        if ids.is_empty() {
            files.push(file);
            continue;
        }
        done.labels += log.inner.labels.erase(&ids).await?;
        let Some(Erased { new, rows_removed, .. }) =
            erase_file(&log.inner.files, &file.digest, column, value).await?
        else {
            files.push(file);
            continue;
        };
        done.rows += rows_removed;
        done.files += 1;
        manifest.garbage.push(file.digest);
        if let Some(new) = new {
            files.push(log.rewritten(file, &new).await?);
        }
    }
    manifest.files = files;
    if done.files > 0 {
        let inner = log.inner.clone();
        blocking(move || {
            manifest.store(&inner.manifest_path)?;
            *inner.manifest.write() = manifest;
            Ok(())
        })
        .await?;
        log.collect_garbage().await?;
    }
    Ok(done)
}

impl PredictionLog {
    /// The ids of a file's rows in which the column equals the value.
    async fn ids_where(&self, file: &Sealed, column: &str, value: &Value) -> Result<Vec<PredictionId>> {
        let sources = self.inner.files.open(&[file.digest]).await?;
        if sources.iter().all(|source| source.schema().field(column).is_none()) {
            return Ok(Vec::new());
        }
        let filter = Filter { equals: vec![(column.to_owned(), value.clone())], ..Filter::default() };
        blocking(move || {
            let only = Some(vec![super::rows::ID.to_owned()]);
            let mut ids = Vec::new();
            for batch in Scanner::filtered(sources, filter, only.as_deref(), 0)? {
                ids.extend(parse_ids(&batch?)?);
            }
            Ok(ids)
        })
        .await
    }

    /// The entry of a file that lost rows. Its bounds are taken anew: an erased
    /// call's id must not stay in them.
    async fn rewritten(&self, old: Sealed, new: &FileInfo) -> Result<Sealed> {
        let moment = |value: &Option<Value>, old| match value {
            Some(Value::Timestamp(at)) => *at,
            _ => old,
        };
        let at = new.stats.iter().find(|stats| stats.name == super::rows::AT);
        let sources = self.inner.files.open(&[new.digest]).await?;
        let bounds = blocking(move || {
            let only = Some(vec![super::rows::ID.to_owned()]);
            let mut calls = Vec::new();
            for batch in Scanner::filtered(sources, Filter::default(), only.as_deref(), 0)? {
                calls.extend(parse_ids(&batch?)?.into_iter().map(|id| id.call));
            }
            Ok((calls.iter().min().copied(), calls.iter().max().copied()))
        });
        let (first, last) = bounds.await?;
        Ok(Sealed {
            digest: new.digest,
            rows: new.rows,
            bytes: new.bytes,
            first_at: at.map_or(old.first_at, |at| moment(&at.min, old.first_at)),
            last_at: at.map_or(old.last_at, |at| moment(&at.max, old.last_at)),
            first_id: first.unwrap_or(old.first_id),
            last_id: last.unwrap_or(old.last_id),
            ..old
        })
    }

    /// Deletes blobs that an erasure replaced. They are in the manifest until
    /// they are gone, so that a crash can't leave erased rows behind.
    async fn collect_garbage(&self) -> Result<()> {
        let mut manifest = self.inner.manifest.read().clone();
        if manifest.garbage.is_empty() {
            return Ok(());
        }
        let used: HashSet<Digest> = manifest.files.iter().map(|file| file.digest).collect();
        for digest in std::mem::take(&mut manifest.garbage) {
            self.inner.ids.lock().remove(&digest);
            if !used.contains(&digest) {
                self.inner.files.blobs.delete(&digest).await?;
            }
        }
        let inner = self.inner.clone();
        blocking(move || {
            manifest.store(&inner.manifest_path)?;
            *inner.manifest.write() = manifest;
            Ok(())
        })
        .await
    }
}
