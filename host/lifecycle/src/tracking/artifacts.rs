//! The files that clients log: a directory tree, written to as a whole or not at
//! all.
//!
//! A file is written beside the tree and moved into it when it is complete, so
//! nobody ever sees half of one; what a killed process was writing is removed at
//! the next start. Files are not synced one by one: an acknowledged file outlives
//! the process, and the last seconds before a power cut are the file system's.

use std::{
    fs::File,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use tokio::task::JoinHandle;

use super::ArtifactPath;
use crate::{Code, Error, Result};

/// How much of a file is gathered before it is handed to the disk, in bytes…
const GATHERED: usize = 1 << 20;
/// …and in pieces, as small as a client may send them.
const PIECES: usize = 1024;

/// The tree of files. A cheap handle.
#[derive(Clone)]
pub struct Artifacts(Arc<Places>);

struct Places {
    /// The tree.
    files: PathBuf,
    /// Files in the making.
    staging: PathBuf,
    /// Uploads in parts that are under way.
    uploads: PathBuf,
    /// What the addresses that are handed out are signed with.
    key: [u8; 32],
}

/// A file or directory of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name in the directory that was listed.
    pub name: String,
    /// Its size in bytes; none: it is a directory.
    pub size: Option<u64>,
}

/// A file in the making. It appears with [`Upload::finish`]; if it is dropped
/// before, nothing is left of it. While some of it is written, more is gathered.
#[derive(Debug)]
pub struct Upload {
    file: Arc<File>,
    gathered: Vec<Bytes>,
    gathered_bytes: usize,
    writing: Option<JoinHandle<io::Result<()>>>,
    staged: tempfile::TempPath,
    target: PathBuf,
    written: u64,
}

impl Artifacts {
    /// Opens the tree in a directory, which is made if it isn't there.
    pub fn open(root: &Path) -> Result<Self> {
        let staging = root.join("staging");
        match std::fs::remove_dir_all(&staging) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(&staging, &error)),
            _ => {}
        }
        let places = Places {
            files: root.join("files"),
            uploads: root.join("uploads"),
            key: super::uploads::key(&root.join("key"))?,
            staging,
        };
        for place in [&places.files, &places.staging, &places.uploads] {
            std::fs::create_dir_all(place).map_err(|error| failed(place, &error))?;
        }
        Ok(Self(Arc::new(places)))
    }

    /// Where uploads in parts lie.
    pub(super) fn uploads(&self) -> &Path {
        &self.0.uploads
    }

    /// What addresses are signed with.
    pub(super) fn key(&self) -> &[u8; 32] {
        &self.0.key
    }

    /// The directory or file of a path, whether it is there or not.
    pub fn place(&self, path: &ArtifactPath) -> PathBuf {
        path.below(&self.0.files)
    }

    /// Begins a file.
    ///
    /// # Errors
    /// [`Code::InvalidInput`] if it can't be there: it is a directory, or part of its path is a file.
    pub async fn upload(&self, path: &ArtifactPath) -> Result<Upload> {
        if path.is_root() {
            return Err(Error::field("path", "Invalid path: it names no file"));
        }
        let target = self.place(path);
        if tokio::fs::metadata(&target).await.is_ok_and(|known| known.is_dir()) {
            return Err(Error::field("path", format!("'{path}' is a directory")));
        }
        self.stage(target).await
    }

    /// Begins a file that is to be moved to `target`.
    pub(super) async fn stage(&self, target: PathBuf) -> Result<Upload> {
        let staging = self.0.staging.clone();
        let made = tokio::task::spawn_blocking(move || {
            tempfile::NamedTempFile::new_in(&staging).map_err(|error| failed(&staging, &error))
        });
        let (file, staged) = made.await??.into_parts();
        Ok(Upload {
            file: Arc::new(file),
            gathered: Vec::new(),
            gathered_bytes: 0,
            writing: None,
            staged,
            target,
            written: 0,
        })
    }

    /// A file to read, and its size in bytes.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    pub async fn read(&self, path: &ArtifactPath) -> Result<(File, u64)> {
        let (place, path) = (self.place(path), path.clone());
        let open = move || match File::open(&place).and_then(|file| Ok((file.metadata()?, file))) {
            Ok((known, file)) if !known.is_dir() => Ok((file, known.len())),
            Err(error) if !is_missing(&error) => Err(failed(&place, &error)),
            _ => Err(Error::new(Code::NotFound, format!("No such artifact: '{path}'"))),
        };
        tokio::task::spawn_blocking(open).await?
    }

    /// What a directory holds, by name; nothing if there is none.
    pub async fn list(&self, path: &ArtifactPath) -> Result<Vec<Entry>> {
        let place = self.place(path);
        tokio::task::spawn_blocking(move || {
            let entries = match std::fs::read_dir(&place) {
                Ok(entries) => entries,
                Err(error) if is_missing(&error) => return Ok(vec![]),
                Err(error) => return Err(failed(&place, &error)),
            };
            let mut found = Vec::new();
            for entry in entries {
                let entry = entry.map_err(|error| failed(&place, &error))?;
                // What is deleted meanwhile is not there.
                let Ok(known) = entry.metadata() else { continue };
                let name = entry.file_name().to_string_lossy().into_owned();
                found.push(Entry { name, size: known.is_file().then_some(known.len()) });
            }
            found.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(found)
        })
        .await?
    }

    /// Removes a file, or a directory with all that it holds; nothing if there is none.
    pub async fn delete(&self, path: &ArtifactPath) -> Result<()> {
        let place = self.place(path);
        let root = path.is_root();
        tokio::task::spawn_blocking(move || {
            let gone = match std::fs::symlink_metadata(&place) {
                Ok(known) if known.is_dir() => std::fs::remove_dir_all(&place),
                Ok(_) => std::fs::remove_file(&place),
                Err(error) => Err(error),
            };
            match gone {
                Err(error) if !is_missing(&error) => return Err(failed(&place, &error)),
                _ => {}
            }
            if root {
                std::fs::create_dir_all(&place).map_err(|error| failed(&place, &error))?;
            }
            Ok(())
        })
        .await?
    }
}

impl Upload {
    /// Appends these bytes.
    pub async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.written += bytes.len() as u64;
        self.gathered_bytes += bytes.len();
        self.gathered.push(bytes);
        match self.gathered_bytes < GATHERED && self.gathered.len() < PIECES {
            true => Ok(()),
            false => self.hand_over().await,
        }
    }

    /// Hands what was gathered to the disk, as soon as it has taken what it was
    /// handed before.
    async fn hand_over(&mut self) -> Result<()> {
        if let Some(writing) = self.writing.take() {
            writing.await?.map_err(|error| failed(&self.target, &error))?;
        }
        let (file, pieces) = (self.file.clone(), std::mem::take(&mut self.gathered));
        self.gathered_bytes = 0;
        let write = move || pieces.iter().try_for_each(|piece| (&*file).write_all(piece));
        self.writing = Some(tokio::task::spawn_blocking(write));
        Ok(())
    }

    /// How many bytes it has so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Puts the file into its place, where it replaces one that is there.
    ///
    /// # Errors
    /// As [`Artifacts::upload`].
    pub async fn finish(mut self) -> Result<()> {
        self.hand_over().await?;
        if let Some(writing) = self.writing.take() {
            writing.await?.map_err(|error| failed(&self.target, &error))?;
        }
        let (staged, target) = (self.staged, self.target);
        tokio::task::spawn_blocking(move || settle(staged, &target)).await?
    }
}

/// Moves a complete file to its place.
pub(super) fn settle(mut staged: tempfile::TempPath, target: &Path) -> Result<()> {
    // A directory that somebody deletes meanwhile is made again.
    for _ in 0..3 {
        if let Some(directory) = target.parent() {
            std::fs::create_dir_all(directory).map_err(|error| failed(target, &error))?;
        }
        match staged.persist(target) {
            Ok(()) => return Ok(()),
            Err(refused) if refused.error.kind() == io::ErrorKind::NotFound => staged = refused.path,
            Err(refused) => return Err(failed(target, &refused.error)),
        }
    }
    Err(Error::conflict("the directory was deleted while a file was put into it; send the file again"))
}

/// Whether there is nothing at a path, or a file where it leads through.
fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// What a failure of the file system means to the caller.
pub(super) fn failed(place: &Path, error: &io::Error) -> Error {
    use io::ErrorKind as Kind;
    let name = place.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    match error.kind() {
        Kind::StorageFull | Kind::QuotaExceeded | Kind::FileTooLarge => {
            Error::new(Code::Full, format!("the disk that holds the artifacts is full: {error}"))
        }
        Kind::NotADirectory | Kind::AlreadyExists | Kind::IsADirectory => Error::field(
            "path",
            format!("'{name}' can't be written: part of its path is a file, or it is a directory"),
        ),
        Kind::InvalidFilename => Error::field("path", format!("'{name}' is too long to be a file's name")),
        _ => Error::internal(format!("{}: {error}", place.display())),
    }
}
