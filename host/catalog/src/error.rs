use std::path::PathBuf;

use serde_json::Value;

/// What this crate's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the catalogue could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such record.
    #[error("there is no {table} {id:?}")]
    NotFound { table: String, id: String },
    /// A record with this id exists, or one with the same values of a unique index.
    #[error("{}", exists(table, id, index.as_deref()))]
    Exists {
        /// The table written to.
        table: String,
        /// The id of the record that was to be written.
        id: String,
        /// The fields of the violated unique index, joined by commas; `None`: the id itself is taken.
        index: Option<String>,
    },
    /// A condition that a transaction was bound to did not hold; nothing was written.
    #[error("{table} {id:?} was expected to have {field} = {expected}, and has not; nothing was written")]
    Precondition { table: String, id: String, field: String, expected: Box<Value> },
    /// Other writers kept changing the same records for as long as we tried.
    #[error("gave up after {attempts} attempts: other writers keep changing the same records; try again")]
    Conflict { attempts: u32 },
    /// A page cursor that this query did not hand out.
    #[error(
        "the cursor {0:?} does not belong to this query; pass the `next` of its previous page, or none to start over"
    )]
    BadCursor(String),
    /// A field name that can't be looked at.
    #[error(
        "{0:?} is not a field name; write names joined by dots, without backticks, backslashes or control characters"
    )]
    BadField(String),
    /// A value that can't be kept or compared.
    #[error("{what}: {reason}")]
    BadValue { what: String, reason: String },
    /// A stored record does not fit the type it is read as.
    #[error("{table} {id:?} can't be read: {reason}")]
    Decode { table: String, id: String, reason: String },
    /// The disk is full. The refused change may still turn up, whole, when there is room and the
    /// store is opened again.
    #[error("the disk that holds the catalogue is full: {0}")]
    Full(String),
    /// Another process has the directory open.
    #[error("the catalogue at {} is in use by another process; stop that one first, or give this one another directory", .0.display())]
    Locked(PathBuf),
    /// The store's address is not one that can be opened.
    #[error(
        "{url:?} is not a store's address: {reason}; write surrealkv://<directory>, mem:// or ws://<host>:<port>"
    )]
    BadUrl { url: String, reason: String },
    /// The store could not be reached or opened.
    #[error("the catalogue at {url} can't be opened: {reason}")]
    Open { url: String, reason: String },
    /// The credentials were refused.
    #[error("the catalogue's database refused the credentials: {0}")]
    Unauthorized(String),
    /// The store was written by a later version of the program.
    #[error(
        "the store is at schema version {found}, this program knows versions up to {known}; run the newer program, or restore an export of before"
    )]
    Newer { found: u32, known: u32 },
    /// A migration failed; its changes were not kept.
    #[error("migration {version} ({name}) failed and changed nothing: {reason}")]
    Migration { version: u32, name: String, reason: String },
    /// An export can't be read or does not fit here.
    #[error("the export {}: {reason}", path.display())]
    Export { path: PathBuf, reason: String },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    /// The shared store stopped answering while it committed: the change may or may not be there.
    #[error("it is not known whether the change was committed, read before writing again: {0}")]
    OutcomeUnknown(String),
    /// Anything else that the database reports.
    #[error("the database reports: {0}")]
    Database(String),
}

fn exists(table: &str, id: &str, index: Option<&str>) -> String {
    match index {
        None => format!("{table} {id:?} exists already"),
        Some(fields) => format!("{table} {id:?}: another {table} has the same {fields}"),
    }
}

impl Error {
    /// Whether the record asked for does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    /// Whether the id or a unique value is taken.
    pub fn is_exists(&self) -> bool {
        matches!(self, Self::Exists { .. })
    }

    /// A file error; a full disk is told apart.
    pub(crate) fn io(path: &std::path::Path, source: std::io::Error) -> Self {
        use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        if matches!(source.kind(), StorageFull | QuotaExceeded | FileTooLarge) {
            return Self::Full(format!("{}: {source}", path.display()));
        }
        Self::Io { path: path.to_owned(), source }
    }
}
