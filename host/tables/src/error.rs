use std::{io, path::Path};

use arrow::error::ArrowError;
use modelyard_blobs::{self as blobs, is_full};
use parquet::errors::ParquetError;

use crate::ColumnType;

/// Why tables could not be read or written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// A column that isn't there.
    #[error("no column {name:?} {place}; its columns are {}", known.join(", "))]
    NoColumn {
        /// The column asked for.
        name: String,
        /// Where it was looked for, as "in the spine".
        place: String,
        /// What is there instead.
        known: Vec<String>,
    },
    /// A value or a column of another type than its place takes.
    #[error("column {column:?} is {found} where {expected} is expected{}", row.map(|r| format!(" (row {r})")).unwrap_or_default())]
    Type {
        /// The column at fault.
        column: String,
        /// What it holds.
        found: String,
        /// What it should hold.
        expected: ColumnType,
        /// The row at fault, counted from 0 in the data as given, where it is one row's fault.
        row: Option<u64>,
    },
    /// Columns that make no table: unequal lengths, a name twice, nulls where none may be.
    #[error("{0}")]
    Invalid(String),
    /// A query that can't be parsed, planned or run.
    #[error("the query failed: {0}")]
    Query(String),
    /// A statement that would change something.
    #[error("only one SELECT is accepted: {0}")]
    NotReadOnly(String),
    /// A query that ran out of time.
    #[error("the query took longer than {0:?} and was stopped; narrow it or raise sql_timeout")]
    Timeout(std::time::Duration),
    /// A query that ran out of memory.
    #[error("the query needs more memory than its limit: {0}; narrow it or raise sql_memory")]
    Memory(String),
    /// A blob that is missing.
    #[error("dataset file {0} is not in the blob store")]
    NotFound(String),
    /// A blob whose bytes are not what was written.
    #[error("dataset file {digest} is damaged: {message}")]
    Corrupt {
        /// The blob's digest.
        digest: String,
        /// What is wrong with it.
        message: String,
    },
    /// A log of this crate that can't be read.
    #[error("log {path} is damaged at byte {offset}: {message}")]
    CorruptLog {
        /// The file.
        path: String,
        /// Where the damage starts.
        offset: u64,
        /// What is wrong with it.
        message: String,
    },
    /// No space is left; nothing of the refused write stays.
    #[error("no space left on the device while writing {0}; free some and send it again")]
    Full(String),
    /// Another process has these tables open.
    #[error("{0} is in use by another process")]
    Locked(String),
    /// The operating system refused.
    #[error("{path}: {message}")]
    Io {
        /// The file.
        path: String,
        /// What the system said.
        message: String,
    },
    /// The blob store failed.
    #[error("blob store: {0}")]
    Blobs(String),
    /// The log's thread has ended.
    #[error("the tables are closed")]
    Closed,
}

/// This crate's results.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Looks for a full disk anywhere in a chain of errors.
fn chain_is_full(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.downcast_ref::<io::Error>().is_some_and(is_full) {
            return true;
        }
        next = error.source();
    }
    false
}

impl Error {
    /// An I/O error and the file that it befell.
    pub(crate) fn io(path: &Path, error: &io::Error) -> Self {
        if is_full(error) {
            Self::Full(path.display().to_string())
        } else {
            Self::Io { path: path.display().to_string(), message: error.to_string() }
        }
    }

    /// For `map_err` on an I/O result.
    pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |error| Self::io(path, &error)
    }

    /// A Parquet error while writing.
    pub(crate) fn writing(path: &Path, error: &ParquetError) -> Self {
        if chain_is_full(error) {
            Self::Full(path.display().to_string())
        } else {
            Self::Io { path: path.display().to_string(), message: error.to_string() }
        }
    }

    /// A column that isn't there.
    pub(crate) fn no_column<'a>(
        name: &str,
        place: impl Into<String>,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        Self::NoColumn {
            name: name.to_owned(),
            place: place.into(),
            known: known.into_iter().map(str::to_owned).collect(),
        }
    }

    /// Columns that make no table.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(message.into())
    }
}

impl From<ArrowError> for Error {
    fn from(error: ArrowError) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl From<blobs::Error> for Error {
    fn from(error: blobs::Error) -> Self {
        match error {
            blobs::Error::NotFound(digest) => Self::NotFound(digest.to_string()),
            blobs::Error::Corrupt { digest, .. } => {
                Self::Corrupt { digest: digest.to_string(), message: error.to_string() }
            }
            blobs::Error::Full(message) => Self::Full(message),
            other => Self::Blobs(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_room_is_no_room_for_whatever_reason() {
        // ENOSPC, EDQUOT and EFBIG.
        for number in [28, 122, 27] {
            let error = io::Error::from_raw_os_error(number);
            assert!(matches!(Error::io(Path::new("x"), &error), Error::Full(_)), "{error}");
            let writing = ParquetError::External(Box::new(error));
            assert!(matches!(Error::writing(Path::new("x"), &writing), Error::Full(_)), "{writing}");
        }
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        assert!(matches!(Error::io(Path::new("x"), &denied), Error::Io { .. }));
    }
}
