//! Compiled code on disk: a private directory, a name that says what it was
//! made of, and a checksum that is looked at before the code is mapped.
//!
//! Mapping code is unsafe: whatever is in the file runs as this process. So the
//! directory is private (0700), nothing but this module writes to it, and only
//! what a compiler of this configuration gave. The checksum guards against a
//! damaged disk or a torn write, not against an attacker who can write here.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::error::Error;

/// What a file was like when its checksum was last found right.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

/// A directory of compiled code.
pub(crate) struct Cache {
    directory: PathBuf,
    fingerprint: String,
    /// Files whose checksum this process has verified or written, so that an
    /// idle model is mapped again without reading its code in full.
    verified: Mutex<HashMap<PathBuf, Seen>>,
}

impl Cache {
    pub(crate) fn open(directory: &Path, fingerprint: String) -> Result<Cache, Error> {
        let failed = |error| Error::Cache { path: directory.to_owned(), error };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
        Ok(Cache { directory: directory.to_owned(), fingerprint, verified: Mutex::default() })
    }

    fn path(&self, digest: &str) -> PathBuf {
        self.directory.join(format!("{}-{}.cwasm", digest.trim_start_matches("sha256:"), self.fingerprint))
    }

    /// Whether there is a file for a component; its content is not looked at.
    pub(crate) fn has(&self, digest: &str) -> bool {
        self.path(digest).exists()
    }

    /// The compiled component, if it is there and sound; a damaged file is
    /// removed.
    pub(crate) fn load(&self, engine: &Engine, digest: &str) -> Option<Component> {
        let path = self.path(digest);
        let seen = seen(&path)?;
        let known = self.verified.lock().get(&path) == Some(&seen);
        if !known && !sound(&path) {
            tracing::warn!(path = %path.display(), "compiled code is damaged; compiling again");
            self.remove(digest);
            return None;
        }
        // SAFETY: the file is in a private directory, was written by `store`
        // from the output of this engine's compiler, and has its checksum.
        match unsafe { Component::deserialize_file(engine, &path) } {
            Ok(component) => {
                self.verified.lock().insert(path, seen);
                Some(component)
            }
            Err(error) => {
                tracing::warn!(path = %path.display(), "compiled code can't be used; compiling again: {error:#}");
                self.remove(digest);
                None
            }
        }
    }

    /// Writes compiled code; whoever reads sees all of it or nothing.
    pub(crate) fn store(&self, digest: &str, code: &[u8]) -> Result<(), Error> {
        let path = self.path(digest);
        let failed = |error| Error::Cache { path: path.clone(), error };
        let mut sum = tempfile::NamedTempFile::new_in(&self.directory).map_err(failed)?;
        sum.write_all(&Sha256::digest(code)).map_err(failed)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.directory).map_err(failed)?;
        file.write_all(code).map_err(failed)?;
        // Between the two renames the checksum is of other bytes, which only
        // makes a reader compile again.
        sum.persist(sum_path(&path)).map_err(|error| failed(error.error))?;
        file.persist(&path).map_err(|error| failed(error.error))?;
        self.verified.lock().remove(&path);
        Ok(())
    }

    /// Forgets a component's code.
    pub(crate) fn remove(&self, digest: &str) {
        let path = self.path(digest);
        self.verified.lock().remove(&path);
        for path in [sum_path(&path), path] {
            if let Err(error) = fs::remove_file(&path)
                && error.kind() != std::io::ErrorKind::NotFound
            {
                tracing::warn!(path = %path.display(), "compiled code can't be removed: {error}");
            }
        }
    }
}

fn sum_path(path: &Path) -> PathBuf {
    path.with_extension("sha256")
}

fn seen(path: &Path) -> Option<Seen> {
    let metadata = fs::metadata(path).ok()?;
    Some(Seen {
        inode: metadata.ino(),
        size: metadata.size(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
    })
}

/// Whether a file has the checksum that was written with it.
fn sound(path: &Path) -> bool {
    let (Ok(sum), Ok(mut file)) = (fs::read(sum_path(path)), fs::File::open(path)) else { return false };
    let mut hash = Sha256::new();
    match std::io::copy(&mut file, &mut hash) {
        Ok(_) => hash.finalize().as_slice() == sum,
        Err(_) => false,
    }
}
