//! Compiled code on disk: a private directory, a name that says what it was
//! made of, and a checksum that is looked at before the code is mapped.
//!
//! Mapping code is unsafe: whatever is in the file runs as this process. So the
//! directory is private (0700), nothing but this module writes to it, and only
//! what a compiler of this configuration gave. The checksum, a CRC-32, guards
//! against a damaged disk or a torn write, not against an attacker who can write
//! here; it is fast because a model's first call may wait for it.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
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
        let path = self.verify(digest)?;
        // SAFETY: the file is in a private directory, was written by `store`
        // from the output of this engine's compiler, and has its checksum.
        match unsafe { Component::deserialize_file(engine, &path) } {
            Ok(component) => Some(component),
            Err(error) => {
                tracing::warn!(path = %path.display(), "compiled code can't be used; compiling again: {error:#}");
                self.remove(digest);
                None
            }
        }
    }

    /// The file with a component's code if it is there and has its checksum; a
    /// damaged one is removed. Blocking: reads it unless this process has.
    pub(crate) fn verify(&self, digest: &str) -> Option<PathBuf> {
        let path = self.path(digest);
        let seen = seen(&path)?;
        if self.verified.lock().get(&path) == Some(&seen) {
            return Some(path);
        }
        if !sound(&path) {
            tracing::warn!(path = %path.display(), "compiled code is damaged; compiling again");
            self.remove(digest);
            return None;
        }
        self.verified.lock().insert(path.clone(), seen);
        Some(path)
    }

    /// Writes compiled code; whoever reads sees all of it or nothing.
    pub(crate) fn store(&self, digest: &str, code: &[u8]) -> Result<(), Error> {
        let path = self.path(digest);
        let failed = |error| Error::Cache { path: path.clone(), error };
        let mut sum = tempfile::NamedTempFile::new_in(&self.directory).map_err(failed)?;
        sum.write_all(&crc32fast::hash(code).to_le_bytes()).map_err(failed)?;
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
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(path = %path.display(), "compiled code can't be removed: {error}");
            }
        }
    }
}

fn sum_path(path: &Path) -> PathBuf {
    path.with_extension("crc32")
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
    let (Ok(sum), Ok(found)) = (fs::read(sum_path(path)), checksum(path)) else { return false };
    sum == found.to_le_bytes()
}

fn checksum(path: &Path) -> io::Result<u32> {
    // As much as stays in a core's cache between reading and summing.
    let mut buffer = vec![0; 128 << 10];
    let (mut file, mut hash) = (fs::File::open(path)?, crc32fast::Hasher::new());
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hash.finalize()),
            Ok(read) => hash.update(buffer.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
