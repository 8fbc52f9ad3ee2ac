use std::{fs, io, path::Path};

use modelyard_blobs::Digest;
use modelyard_clock::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Error, Result, log::replace};

/// A sealed file: predictions of one version of one model behind one
/// deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sealed {
    /// The blob.
    pub digest: Digest,
    /// The deployment.
    pub deployment: String,
    /// The model.
    pub model: String,
    /// Its version.
    pub version: u32,
    /// Its rows.
    pub rows: u64,
    /// Its size in bytes.
    pub bytes: u64,
    /// The earliest prediction in it.
    pub first_at: Timestamp,
    /// The latest prediction in it.
    pub last_at: Timestamp,
    /// The least call id in it.
    pub first_id: Uuid,
    /// The greatest call id in it.
    pub last_id: Uuid,
}

/// Which files hold what the segments no longer do.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// Segments up to this are in `files`.
    pub(crate) through: u64,
    pub(crate) files: Vec<Sealed>,
    /// Blobs that an erasure replaced and that are still to be deleted.
    #[serde(default)]
    pub(crate) garbage: Vec<Digest>,
}

impl Manifest {
    /// Reads it; a log that was never sealed has none.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(Error::io(path, &error)),
        };
        serde_json::from_slice(&bytes).map_err(|error| Error::CorruptLog {
            path: path.display().to_string(),
            offset: 0,
            message: error.to_string(),
        })
    }

    /// Replaces the file atomically. Blocking.
    pub(crate) fn store(&self, path: &Path) -> Result<()> {
        let bytes = serde_json::to_vec(self).map_err(|error| Error::invalid(error.to_string()))?;
        replace(path, &bytes)
    }
}
