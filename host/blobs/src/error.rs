use std::{
    io,
    path::{Path, PathBuf},
};

use crate::Digest;

/// What this crate's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a blob could not be stored or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such blob.
    #[error("there is no blob {0}")]
    NotFound(Digest),
    /// The stored bytes are not those that the digest names.
    #[error("the blob {digest} is damaged: {place} holds {found}; put the content again to repair it")]
    Corrupt { digest: Digest, place: String, found: Digest },
    /// The disk, or what this user may use of it, is full. Nothing was kept.
    #[error("the disk that holds the blobs is full: {0}")]
    Full(String),
    /// The store's address is not one that can be opened.
    #[error("{url:?} is not a place for blobs: {reason}")]
    BadUrl { url: String, reason: String },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    /// The remote store reports an error.
    #[error("the blob store reports: {0}")]
    Store(String),
}

impl Error {
    /// A file error; a full disk is told apart.
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        if is_full(&source) {
            return Self::Full(format!("{}: {source}", path.display()));
        }
        Self::Io { path: path.to_owned(), source }
    }

    /// The same for callers that speak `std::io`.
    pub(crate) fn into_io(self) -> io::Error {
        match self {
            Self::Full(_) => io::Error::new(io::ErrorKind::StorageFull, self),
            Self::Io { ref source, .. } => io::Error::new(source.kind(), self),
            other => io::Error::other(other),
        }
    }
}

/// Whether there is no room: of the disk, of a quota, of a limit on file sizes.
pub fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}
