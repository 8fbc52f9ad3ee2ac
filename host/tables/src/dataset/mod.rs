//! Dataset files: immutable Parquet in the blob store, with statistics taken
//! while they are written.

mod filter;
mod scan;
mod sketch;
mod stats;
mod writer;

use std::path::PathBuf;

use modelyard_blobs::{Blobs, Digest};
use serde::{Deserialize, Serialize};

pub(crate) use filter::Filter;
pub use filter::TimeRange;
pub(crate) use scan::{Plan, Source};
pub use scan::{Scan, Scanner};
pub use stats::{ColumnStats, QUANTILES};
pub use writer::Writer;

use crate::{Error, Result, Schema};

/// A dataset file: what the catalogue keeps of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileInfo {
    /// The blob.
    pub digest: Digest,
    /// Its rows.
    pub rows: u64,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its columns.
    pub schema: Schema,
    /// One entry per column, in order.
    pub stats: Vec<ColumnStats>,
}

/// Writes and opens dataset files.
#[derive(Clone)]
pub(crate) struct Files {
    pub(crate) blobs: Blobs,
    /// Where files are written before they are blobs.
    pub(crate) tmp: PathBuf,
}

impl Files {
    pub(crate) fn writer(&self, schema: &Schema) -> Result<Writer> {
        Writer::new(self.clone(), schema)
    }

    /// The verified local path of a blob.
    pub(crate) async fn path(&self, digest: &Digest) -> Result<PathBuf> {
        self.blobs.open_verified_path(digest).await.map_err(Error::from)
    }

    /// Opens files for reading, each verified against its digest.
    pub(crate) async fn open(&self, files: &[Digest]) -> Result<Vec<Source>> {
        let mut sources = Vec::with_capacity(files.len());
        for digest in files {
            let path = self.path(digest).await?;
            let digest = digest.to_string();
            let open = move || Source::open(digest, path);
            sources.push(tokio::task::spawn_blocking(open).await.map_err(|_| Error::Closed)??);
        }
        Ok(sources)
    }

    pub(crate) async fn scan(&self, files: &[Digest], scan: Scan) -> Result<Scanner> {
        Scanner::new(self.open(files).await?, &scan)
    }

    /// Writes everything that a scanner gives as one file.
    pub(crate) async fn write(&self, mut scanner: Scanner) -> Result<FileInfo> {
        let files = self.clone();
        let fill = move || {
            let mut writer = files.writer(scanner.schema())?;
            for batch in &mut scanner {
                writer.push(&batch?)?;
            }
            Ok::<_, Error>(writer)
        };
        tokio::task::spawn_blocking(fill).await.map_err(|_| Error::Closed)??.finish().await
    }
}
