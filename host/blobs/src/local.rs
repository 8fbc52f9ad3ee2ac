//! Blobs as files: `<root>/sha256/<2 digits>/<62 digits>`, temporary ones in `<root>/tmp`.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use bytes::Bytes;

use crate::{Blob, Digest, Error, Result, digest::Hash};

pub(crate) struct Local {
    root: PathBuf,
    /// Length and modification time of files whose content was found right.
    verified: Mutex<HashMap<Digest, (u64, SystemTime)>>,
    next: AtomicU64,
}

/// A file in the making; removed when dropped before it is kept.
pub(crate) struct Temporary {
    path: PathBuf,
    /// Locked while the writer lives, so that a sweep knows it is in use.
    file: File,
    hash: Hash,
    kept: bool,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Temporary {
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|source| Error::io(&self.path, source))?;
        self.hash.add(bytes);
        Ok(())
    }

    /// Digest and length of what was written so far.
    pub(crate) fn digest(&self) -> (Digest, u64) {
        self.hash.clone().finish()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Local {
    /// Opens or creates the directory and sweeps what killed writers left.
    pub(crate) fn open(root: &Path) -> Result<Self> {
        for directory in [root.join("sha256"), root.join("tmp")] {
            fs::create_dir_all(&directory).map_err(|source| Error::io(&directory, source))?;
        }
        sync_directory(root)?;
        let local = Self { root: root.to_owned(), verified: Mutex::default(), next: AtomicU64::new(0) };
        local.sweep()?;
        Ok(local)
    }

    fn directory(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.root.join("sha256").join(hex.get(..2).unwrap_or_default())
    }

    pub(crate) fn path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.directory(digest).join(hex.get(2..).unwrap_or_default())
    }

    fn temporary_directory(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// Held shared while a temporary file is made and locked, alone while they are swept.
    fn guard(&self) -> Result<File> {
        let path = self.root.join("lock");
        let open = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        open.map_err(|source| Error::io(&path, source))
    }

    fn sweep(&self) -> Result<()> {
        let directory = self.temporary_directory();
        let io = |source| Error::io(&directory, source);
        let guard = self.guard()?;
        guard.lock().map_err(io)?;
        for entry in fs::read_dir(&directory).map_err(io)? {
            let path = entry.map_err(io)?.path();
            let Ok(file) = File::open(&path) else { continue };
            match file.try_lock() {
                Ok(()) => {
                    tracing::info!(path = %path.display(), "removed what a killed writer left");
                    fs::remove_file(&path).map_err(io)?;
                }
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(source)) => return Err(io(source)),
            }
        }
        Ok(())
    }

    pub(crate) fn temporary(&self) -> Result<Temporary> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        // The address tells two handles of one process apart that opened the same directory.
        let name = format!("{}-{:x}-{number}", std::process::id(), std::ptr::from_ref(self).addr());
        let path = self.temporary_directory().join(name);
        let io = |source| Error::io(&path, source);
        let guard = self.guard()?;
        guard.lock_shared().map_err(io)?;
        let file = OpenOptions::new().create(true).truncate(true).write(true).open(&path).map_err(io)?;
        file.lock().map_err(io)?;
        Ok(Temporary { path, file, hash: Hash::default(), kept: false })
    }

    /// Makes a complete file the blob that it is.
    pub(crate) fn keep(&self, mut temporary: Temporary) -> Result<(Digest, u64)> {
        let (digest, length) = temporary.digest();
        if self.is_right(&digest, Some(length))? {
            return Ok((digest, length));
        }
        temporary.file.sync_all().map_err(|source| Error::io(&temporary.path, source))?;
        self.place(&temporary.path, &digest)?;
        temporary.kept = true;
        Ok((digest, length))
    }

    /// Renames a complete, synced file into place, durably.
    fn place(&self, from: &Path, digest: &Digest) -> Result<()> {
        let (directory, path) = (self.directory(digest), self.path(digest));
        match fs::create_dir(&directory) {
            Ok(()) => sync_directory(&self.root.join("sha256"))?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(Error::io(&directory, source)),
        }
        set_read_only(from)?;
        fs::rename(from, &path).map_err(|source| Error::io(&path, source))?;
        sync_directory(&directory)?;
        self.remember(digest, &path);
        Ok(())
    }

    fn remember(&self, digest: &Digest, path: &Path) {
        if let Some(stamp) = stamp(path) {
            self.verified.lock().unwrap_or_else(PoisonError::into_inner).insert(*digest, stamp);
        }
    }

    fn is_remembered(&self, digest: &Digest, path: &Path) -> bool {
        let known = self.verified.lock().unwrap_or_else(PoisonError::into_inner).get(digest).copied();
        known.is_some() && known == stamp(path)
    }

    /// Whether the blob is there and holds what it should.
    fn is_right(&self, digest: &Digest, length: Option<u64>) -> Result<bool> {
        let path = self.path(digest);
        match fs::metadata(&path) {
            Ok(metadata) if length.is_some_and(|length| length != metadata.len()) => return Ok(false),
            Ok(_) => {}
            Err(_) => return Ok(false),
        }
        match self.verify(digest) {
            Ok(_) => Ok(true),
            Err(Error::Corrupt { .. } | Error::NotFound(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn put(&self, bytes: &[u8]) -> Result<Digest> {
        let mut temporary = {
            let digest = Digest::of(bytes);
            if self.is_right(&digest, Some(bytes.len() as u64))? {
                return Ok(digest);
            }
            self.temporary()?
        };
        temporary.write(bytes)?;
        self.keep(temporary).map(|(digest, _)| digest)
    }

    pub(crate) fn put_file(&self, from: &Path) -> Result<(Digest, u64)> {
        let io = |source| Error::io(from, source);
        let file = File::open(from).map_err(io)?;
        let (digest, length) = Digest::of_reader(&file).map_err(io)?;
        if self.is_right(&digest, Some(length))? {
            fs::remove_file(from).map_err(io)?;
            return Ok((digest, length));
        }
        file.sync_all().map_err(io)?;
        match self.place(from, &digest) {
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::CrossesDevices => {
                let kept = self.copy(from)?;
                fs::remove_file(from).map_err(io)?;
                Ok(kept)
            }
            placed => placed.map(|()| (digest, length)),
        }
    }

    fn copy(&self, from: &Path) -> Result<(Digest, u64)> {
        let io = |source| Error::io(from, source);
        let mut file = File::open(from).map_err(io)?;
        let mut temporary = self.temporary()?;
        let mut buffer = vec![0; 256 * 1024];
        loop {
            let read = file.read(&mut buffer).map_err(io)?;
            if read == 0 {
                return self.keep(temporary);
            }
            temporary.write(buffer.get(..read).unwrap_or_default())?;
        }
    }

    pub(crate) fn get(&self, digest: &Digest) -> Result<Bytes> {
        let path = self.path(digest);
        let bytes = fs::read(&path).map_err(|source| missing(digest, &path, source))?;
        let found = Digest::of(&bytes);
        if found == *digest {
            return Ok(bytes.into());
        }
        Err(Error::Corrupt { digest: *digest, place: path.display().to_string(), found })
    }

    /// The blob's path, after its content was found right.
    pub(crate) fn verify(&self, digest: &Digest) -> Result<PathBuf> {
        let path = self.path(digest);
        if self.is_remembered(digest, &path) {
            return Ok(path);
        }
        // Taken before reading, so that a later change is noticed.
        let before = stamp(&path);
        let file = File::open(&path).map_err(|source| missing(digest, &path, source))?;
        let (found, _) = Digest::of_reader(file).map_err(|source| Error::io(&path, source))?;
        if found != *digest {
            return Err(Error::Corrupt { digest: *digest, place: path.display().to_string(), found });
        }
        if let Some(before) = before {
            self.verified.lock().unwrap_or_else(PoisonError::into_inner).insert(*digest, before);
        }
        Ok(path)
    }

    pub(crate) fn size(&self, digest: &Digest) -> Result<u64> {
        let path = self.path(digest);
        Ok(fs::metadata(&path).map_err(|source| missing(digest, &path, source))?.len())
    }

    pub(crate) fn delete(&self, digest: &Digest) -> Result<bool> {
        let path = self.path(digest);
        self.verified.lock().unwrap_or_else(PoisonError::into_inner).remove(digest);
        match fs::remove_file(&path) {
            Ok(()) => sync_directory(&self.directory(digest)).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(Error::io(&path, source)),
        }
    }

    /// All blobs, by digest; files that are none are passed over.
    pub(crate) fn list(&self) -> Result<Vec<Blob>> {
        let root = self.root.join("sha256");
        let mut blobs = Vec::new();
        for directory in entries(&root)? {
            let prefix = directory.file_name().to_string_lossy().into_owned();
            if !directory.path().is_dir() {
                continue;
            }
            for entry in entries(&directory.path())? {
                let name = format!("sha256:{prefix}{}", entry.file_name().to_string_lossy());
                let (Ok(digest), Ok(metadata)) = (name.parse(), entry.metadata()) else { continue };
                blobs.push(Blob { digest, size: metadata.len() });
            }
        }
        blobs.sort_by_key(|blob| blob.digest);
        Ok(blobs)
    }
}

fn entries(directory: &Path) -> Result<Vec<fs::DirEntry>> {
    let read = fs::read_dir(directory).and_then(Iterator::collect);
    read.map_err(|source| Error::io(directory, source))
}

fn missing(digest: &Digest, path: &Path, source: io::Error) -> Error {
    if source.kind() == io::ErrorKind::NotFound { Error::NotFound(*digest) } else { Error::io(path, source) }
}

fn stamp(path: &Path) -> Option<(u64, SystemTime)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.len(), metadata.modified().ok()?))
}

/// Makes the names in a directory durable.
fn sync_directory(path: &Path) -> Result<()> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(|source| Error::io(path, source))
}

fn set_read_only(path: &Path) -> Result<()> {
    let io = |source| Error::io(path, source);
    let mut permissions = fs::metadata(path).map_err(io)?.permissions();
    permissions.set_readonly(true);
    fs::set_permissions(path, permissions).map_err(io)
}
