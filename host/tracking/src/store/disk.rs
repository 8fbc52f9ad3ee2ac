//! What lies on disk: one log-structured store, in which each sort of row has a space of its own.
//!
//! | space | key | value |
//! |---|---|---|
//! | `meta` | a name | the store's format and secret |
//! | `keys` | number of a metric's, parameter's or tag's key | the key |
//! | `experiments` | number | JSON |
//! | `inputs` | experiment, number | a data set, JSON |
//! | `runs` | number | all of a run but its metrics |
//! | `latest` | run, part | the latest values of 64 metrics |
//! | `points` | run, key, time, step, value | nothing: the key says it all |
//! | `chunks` | run, digest of the points | many points that came together |
//! | `models` | id | a logged model without its metrics, JSON |
//! | `model_metrics` | id, number | a metric, JSON |
//! | `datasets` | id | JSON |
//! | `records` | dataset, time, id | JSON |
//! | `record_keys` | dataset, digest of the inputs | key in `records` |
//! | `traces` | id | a trace's head, JSON |
//! | `trace_times` | experiment, time, id | nothing |
//! | `trace_runs` | trace, run that it was linked to | nothing |
//! | `spans` | trace, span | a span |
//!
//! Numbers in keys are big-endian, so that they sort.

use std::{
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use fjall::{
    Database, Guard, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode, UserKey, UserValue,
};

use crate::{Error, Result};

/// Bytes of blocks read lately that are kept.
const CACHE: u64 = 32 << 20;
/// Bytes of rows gathered in memory before they are written to tables.
const MEMTABLE: u64 = 24 << 20;
/// How long the writer waits between two trips to the disk while tables are written. The journal's
/// lock is held during a trip and is not a fair one: without a pause the thread that writes tables
/// would hardly ever get it.
const PAUSE: Duration = Duration::from_micros(200);
/// Bytes of journal after which what is in memory is written out: what a start must replay.
const JOURNAL: u64 = 64 << 20;

/// The spaces, by name. What is read as a whole at the start lies apart from what grows without
/// bound; beyond that a keyspace costs a dozen trips to the disk to make, and a byte before the
/// key tells rows apart as well.
pub(super) struct Disk {
    database: Database,
    keyspaces: [Keyspace; 2],
    /// Bytes of rows since tables were last written.
    gathered: AtomicU64,
    pub(super) meta: Space,
    pub(super) keys: Space,
    pub(super) experiments: Space,
    pub(super) inputs: Space,
    pub(super) runs: Space,
    pub(super) latest: Space,
    pub(super) models: Space,
    pub(super) model_metrics: Space,
    pub(super) datasets: Space,
    pub(super) trace_times: Space,
    pub(super) points: Space,
    pub(super) chunks: Space,
    pub(super) records: Space,
    pub(super) record_keys: Space,
    pub(super) traces: Space,
    pub(super) trace_runs: Space,
    pub(super) spans: Space,
}

impl From<fjall::Error> for Error {
    fn from(error: fjall::Error) -> Self {
        Self::internal(format!("the tracking store failed: {error}"))
    }
}

impl Disk {
    /// Opens or makes the store at `path`.
    ///
    /// # Errors
    /// [`Error::Internal`] where the directory can't be used.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let unusable = |cause: &dyn std::fmt::Display| {
            Error::internal(format!("can't open the tracking store at {}: {cause}", path.display()))
        };
        std::fs::create_dir_all(path).map_err(|cause| unusable(&cause))?;
        let database = Database::builder(path)
            .cache_size(CACHE)
            .max_journaling_size(JOURNAL)
            .worker_threads(1)
            .open()
            .map_err(|cause| unusable(&cause))?;
        // When to write tables is decided here, for all rows at once.
        let keyspace = |name: &str| {
            database.keyspace(name, || KeyspaceCreateOptions::default().max_memtable_size(u64::MAX))
        };
        let (state, history) = (keyspace("state")?, keyspace("history")?);
        let keyspaces = [state.clone(), history.clone()];
        // What this start replayed is written to tables, so that the next has no more to replay
        // however often processes are killed.
        for keyspace in &keyspaces {
            keyspace.rotate_memtable()?;
        }
        let state = |tag: u8| Space { keyspace: state.clone(), tag };
        let history = |tag: u8| Space { keyspace: history.clone(), tag };
        Ok(Self {
            meta: state(b'm'),
            keys: state(b'k'),
            experiments: state(b'e'),
            inputs: state(b'i'),
            runs: state(b'r'),
            latest: state(b'l'),
            models: state(b'o'),
            model_metrics: state(b'q'),
            datasets: state(b'd'),
            trace_times: state(b't'),
            points: history(b'p'),
            chunks: history(b'c'),
            records: history(b'r'),
            record_keys: history(b'k'),
            traces: history(b't'),
            trace_runs: history(b'u'),
            spans: history(b's'),
            keyspaces,
            gathered: AtomicU64::new(0),
            database,
        })
    }

    /// Rows to be written together or not at all.
    pub(super) fn batch(&self) -> Batch<'_> {
        Batch { rows: self.database.batch(), bytes: 0, gathered: &self.gathered }
    }

    /// Makes all that was committed durable.
    pub(super) fn persist(&self) -> Result<()> {
        self.database.persist(PersistMode::SyncData)?;
        if self.gathered.load(Ordering::Relaxed) > MEMTABLE {
            self.gathered.store(0, Ordering::Relaxed);
            for keyspace in &self.keyspaces {
                keyspace.rotate_memtable()?;
            }
        }
        if self.keyspaces.iter().any(|keyspace| keyspace.sealed_memtable_count() > 0) {
            thread::sleep(PAUSE);
        }
        Ok(())
    }
}

/// One sort of row.
pub(super) struct Space {
    keyspace: Keyspace,
    tag: u8,
}

impl Space {
    fn tagged(&self, key: &[u8]) -> Vec<u8> {
        let mut tagged = Vec::with_capacity(key.len() + 1);
        tagged.push(self.tag);
        tagged.extend_from_slice(key);
        tagged
    }

    /// The row at `key`.
    pub(super) fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<UserValue>> {
        Ok(self.keyspace.get(self.tagged(key.as_ref()))?)
    }

    /// All rows, in order of key.
    pub(super) fn iter(&self) -> Rows {
        self.prefix([])
    }

    /// The rows whose keys begin with `prefix`, in order of key.
    pub(super) fn prefix(&self, prefix: impl AsRef<[u8]>) -> Rows {
        Rows(self.keyspace.prefix(self.tagged(prefix.as_ref())))
    }
}

/// A walk over rows.
pub(super) struct Rows(fjall::Iter);

impl Iterator for Rows {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        self.0.next().map(Row)
    }
}

/// A row that a walk comes by.
pub(super) struct Row(Guard);

impl Row {
    pub(super) fn key(self) -> Result<Key> {
        Ok(Key(self.0.key()?))
    }

    pub(super) fn value(self) -> Result<UserValue> {
        Ok(self.0.value()?)
    }

    pub(super) fn into_inner(self) -> Result<(Key, UserValue)> {
        let (key, value) = self.0.into_inner()?;
        Ok((Key(key), value))
    }
}

/// A row's key without its space's tag.
pub(super) struct Key(UserKey);

impl std::ops::Deref for Key {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.get(1..).unwrap_or_default()
    }
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

/// Rows that are written together or not at all.
pub(super) struct Batch<'a> {
    rows: OwnedWriteBatch,
    bytes: u64,
    gathered: &'a AtomicU64,
}

impl Batch<'_> {
    pub(super) fn insert(&mut self, space: &Space, key: impl AsRef<[u8]>, value: impl Into<UserValue>) {
        let (key, value) = (space.tagged(key.as_ref()), value.into());
        self.bytes += (key.len() + value.len()) as u64;
        self.rows.insert(&space.keyspace, key, value);
    }

    pub(super) fn remove(&mut self, space: &Space, key: impl AsRef<[u8]>) {
        let key = space.tagged(key.as_ref());
        self.bytes += key.len() as u64;
        self.rows.remove(&space.keyspace, key);
    }

    /// Writes the rows. From now on they can be read; they are durable after the next
    /// [`Disk::persist`].
    pub(super) fn commit(self) -> Result<()> {
        self.rows.commit()?;
        self.gathered.fetch_add(self.bytes, Ordering::Relaxed);
        Ok(())
    }
}

/// Joins the parts of a row's key.
pub(super) fn key(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// The key of text, which may be followed by more: no text contains the closing zero.
pub(super) fn text(text: &str) -> Vec<u8> {
    let mut bytes: Vec<u8> = text.bytes().filter(|byte| *byte != 0).collect();
    bytes.push(0);
    bytes
}

/// A signed number such that bytes sort as numbers do.
#[inline]
pub(super) fn signed(number: i64) -> [u8; 8] {
    (number.cast_unsigned() ^ (1 << 63)).to_be_bytes()
}

/// Takes back [`signed`].
pub(super) fn unsigned(bytes: [u8; 8]) -> i64 {
    (u64::from_be_bytes(bytes) ^ (1 << 63)).cast_signed()
}

/// A double such that whole numbers sort as the doubles do; what is no number comes last.
#[inline]
pub(super) fn ordered(value: f64) -> u64 {
    if value.is_nan() {
        return u64::MAX;
    }
    // Both zeros are one value.
    let bits = (value + 0.0).to_bits();
    if bits >> 63 == 1 { !bits } else { bits | (1 << 63) }
}

/// Takes back [`ordered`].
pub(super) fn value(ordered: u64) -> f64 {
    if ordered == u64::MAX {
        return f64::NAN;
    }
    f64::from_bits(if ordered >> 63 == 1 { ordered & !(1 << 63) } else { !ordered })
}

/// The `N` bytes at `at` in a row's key.
///
/// # Errors
/// [`Error::Internal`] where the key is too short: the file is damaged.
pub(super) fn part<const N: usize>(key: &[u8], at: usize) -> Result<[u8; N]> {
    key.get(at..at + N)
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| Error::internal("the tracking store is damaged: a key is too short"))
}

/// Writes a record as JSON.
pub(super) fn json<T: serde::Serialize>(record: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(record).map_err(|cause| Error::internal(format!("can't write a record: {cause}")))
}

/// Reads a record that [`json`] wrote.
pub(super) fn from_json<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes)
        .map_err(|cause| Error::internal(format!("the tracking store is damaged: {cause}")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_sort_as_bytes_and_come_back(a: i64, b: i64, x: f64, y: f64) {
            prop_assert_eq!(a.cmp(&b), signed(a).cmp(&signed(b)));
            prop_assert_eq!(unsigned(signed(a)), a);
            if let Some(ordering) = x.partial_cmp(&y) {
                prop_assert_eq!(ordering, ordered(x).cmp(&ordered(y)));
            }
            if x.is_nan() {
                prop_assert!(value(ordered(x)).is_nan());
            } else {
                prop_assert!(value(ordered(x)) == x);
            }
        }
    }
}
