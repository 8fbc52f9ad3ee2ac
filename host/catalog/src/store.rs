//! The connection: sends queries, repeats those that collide, names what went wrong.

use std::{
    collections::HashMap,
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
    path::PathBuf,
    sync::Mutex,
    time::{Duration, Instant},
};

use rand::Rng;
use surrealdb::{
    IndexedResults, Surreal,
    engine::any::Any,
    types::{AlreadyExistsError, Array, Object, QueryError, RecordId, RecordIdKey, Value as Db},
};

use crate::{
    Error, Result,
    record::{Kept, UNIQUE},
};

/// How long colliding writers are repeated before the caller hears of it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// The longest pause between two attempts.
const MAX_PAUSE: Duration = Duration::from_millis(40);
const SHARDS: usize = 64;

pub(crate) struct Store {
    pub(crate) db: Surreal<Any>,
    pub(crate) url: String,
    /// The directory of an embedded store.
    pub(crate) directory: Option<PathBuf>,
    /// Tables that were defined by this process, and how long they keep their records.
    pub(crate) defined: Mutex<HashMap<&'static str, Option<Kept>>>,
    /// Held while tables are defined, so that two tasks don't collide on it.
    pub(crate) defining: tokio::sync::Mutex<()>,
    /// One of these is held while a record is read, changed and written back, so that
    /// writers of one process queue up instead of repeating their work.
    updating: Vec<tokio::sync::Mutex<()>>,
}

/// What a failed statement reports, and which statement it was.
pub(crate) struct Failure {
    pub(crate) statement: usize,
    pub(crate) error: surrealdb::Error,
}

/// Parameters of a query.
#[derive(Clone, Default)]
pub(crate) struct Binds(Object);

impl Binds {
    pub(crate) fn set(&mut self, name: impl Into<String>, value: Db) {
        self.0.insert(name, value);
    }

    pub(crate) fn with(mut self, name: &str, value: Db) -> Self {
        self.set(name, value);
        self
    }
}

impl Binds {
    pub(crate) fn into_object(self) -> Object {
        self.0
    }
}

impl Store {
    pub(crate) fn new(db: Surreal<Any>, url: String, directory: Option<PathBuf>) -> Self {
        let updating = (0..SHARDS).map(|_| tokio::sync::Mutex::new(())).collect();
        Self {
            db,
            url,
            directory,
            defined: Mutex::default(),
            defining: tokio::sync::Mutex::new(()),
            updating,
        }
    }

    /// Waits for this process's other writers of the record.
    pub(crate) async fn queue_for(&self, table: &str, id: &str) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one((table, id));
        let shard = usize::try_from(hash % SHARDS as u64).unwrap_or(0);
        match self.updating.get(shard) {
            Some(mutex) => Some(mutex.lock().await),
            None => None,
        }
    }

    /// Runs a query; repeats it while it collides with other writers.
    pub(crate) async fn run(&self, text: &str, binds: &Binds) -> Result<IndexedResults> {
        self.try_run(text, binds).await?.map_err(|failure| self.name(&failure.error))
    }

    /// As [`Store::run`], but the failed statement is handed out for a closer look.
    pub(crate) async fn try_run(&self, text: &str, binds: &Binds) -> Result<Result<IndexedResults, Failure>> {
        let start = Instant::now();
        let mut attempt = 0;
        loop {
            attempt += 1;
            let failure = match self.db.query(text).bind(binds.0.clone()).await {
                Err(error) => Failure { statement: 0, error },
                Ok(mut results) => match first_failure(&mut results) {
                    None => return Ok(Ok(results)),
                    Some(failure) => failure,
                },
            };
            if !is_conflict(&failure.error) {
                return Ok(Err(failure));
            }
            if start.elapsed() > PATIENCE {
                return Err(Error::Conflict { attempts: attempt });
            }
            pause(attempt).await;
        }
    }

    /// The error for a failed statement that says nothing about a certain record.
    pub(crate) fn name(&self, error: &surrealdb::Error) -> Error {
        let text = chain(error);
        if is_full(&text) {
            return Error::Full(text);
        }
        if text.contains("outcome is unknown") {
            return Error::OutcomeUnknown(text);
        }
        if error.is_not_allowed() {
            return Error::Unauthorized(text);
        }
        if error.is_connection() {
            return Error::Open { url: self.url.clone(), reason: text };
        }
        Error::Database(text)
    }

    /// The error for a failed write of a certain record.
    pub(crate) fn name_for(&self, error: &surrealdb::Error, table: &str, id: &str) -> Error {
        if matches!(error.already_exists_details(), Some(AlreadyExistsError::Record { .. })) {
            return Error::Exists { table: table.to_owned(), id: id.to_owned(), index: None };
        }
        if let Some(index) = violated_index(error.message()) {
            return Error::Exists { table: table.to_owned(), id: id.to_owned(), index: Some(index) };
        }
        self.name(error)
    }
}

/// Whether a message is about a disk, a quota or a file size that is used up: ENOSPC, EDQUOT, EFBIG.
pub(crate) fn is_full(message: &str) -> bool {
    ["os error 28)", "os error 122)", "os error 27)", "No space left"]
        .iter()
        .any(|text| message.contains(text))
}

/// A short random pause that grows with the attempts, so that colliding writers drift apart.
pub(crate) async fn pause(attempt: u32) {
    let most = Duration::from_micros(500).saturating_mul(1 << attempt.min(10)).min(MAX_PAUSE);
    let pause = rand::rng().random_range(Duration::from_micros(100)..=most);
    tokio::time::sleep(pause).await;
}

fn is_conflict(error: &surrealdb::Error) -> bool {
    matches!(error.query_details(), Some(QueryError::TransactionConflict))
        || error.message().contains("This transaction can be retried")
}

/// The failure that explains the others: statements of a failed transaction that were
/// not run report only that. A commit that failed by itself is of their kind, but says why.
fn first_failure(results: &mut IndexedResults) -> Option<Failure> {
    let mut failures: Vec<_> = results.take_errors().into_iter().collect();
    failures.sort_by_key(|(statement, error)| {
        let bystander =
            matches!(error.query_details(), Some(QueryError::NotExecuted | QueryError::Cancelled))
                && !error.message().starts_with("Cannot COMMIT");
        (bystander, *statement)
    });
    failures.into_iter().next().map(|(statement, error)| Failure { statement, error })
}

fn chain(error: &surrealdb::Error) -> String {
    let mut text = error.message().to_owned();
    let mut cause = error.cause();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(error.message());
        cause = error.cause();
    }
    text
}

/// The fields of the unique index that a message says was violated. The index's name says them.
fn violated_index(message: &str) -> Option<String> {
    let name = message.split_once("index `")?.1.split_once('`')?.0;
    message.contains("already contains").then(|| name.trim_start_matches(UNIQUE).to_owned())
}

/// A record's id in the database.
pub(crate) fn record_id(table: &str, id: &str) -> Db {
    Db::RecordId(RecordId::new(table.to_owned(), RecordIdKey::String(id.to_owned())))
}

/// A name for use inside a query text. Names come from code, not from users; they are checked all the same.
pub(crate) fn quoted(name: &str) -> Result<String> {
    if name.is_empty() || name.contains(|c: char| c == '`' || c == '\\' || c.is_control()) {
        return Err(Error::BadField(name.to_owned()));
    }
    Ok(format!("`{name}`"))
}

/// The values of an array, or the one value that is none, or nothing.
pub(crate) fn rows(value: Db) -> Vec<Db> {
    match value {
        Db::Array(items) => Array::into_inner(items),
        Db::None | Db::Null => Vec::new(),
        other => vec![other],
    }
}

/// Takes a text member out of an object.
pub(crate) fn take_text(object: &mut Object, key: &str) -> Option<String> {
    match object.remove(key) {
        Some(Db::String(text)) => Some(text),
        _ => None,
    }
}

/// The text key of a record id.
pub(crate) fn key_of(value: &Db) -> Option<(String, String)> {
    match value {
        Db::RecordId(id) => match &id.key {
            RecordIdKey::String(key) => Some((id.table.to_string(), key.clone())),
            _ => None,
        },
        _ => None,
    }
}
