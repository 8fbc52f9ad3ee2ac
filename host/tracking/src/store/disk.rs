//! What lies on disk: one log-structured store with a keyspace for each sort of row.
//!
//! | keyspace | key | value |
//! |---|---|---|
//! | `meta` | a name | the store's format and secret |
//! | `keys` | number of a metric's, parameter's or tag's key | the key |
//! | `experiments` | number | JSON |
//! | `inputs` | experiment, number | a data set, JSON |
//! | `runs` | number | all of a run but its metrics |
//! | `latest` | run, part | the latest values of 64 metrics |
//! | `points` | run, key, time, step, value | nothing: the key says it all |
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

use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode};

use crate::{Error, Result};

/// Bytes of blocks read lately that are kept.
const CACHE: u64 = 32 << 20;
/// Bytes that each keyspace gathers in memory before it writes a table.
const MEMTABLE: u64 = 16 << 20;
/// Bytes of journal after which what is in memory is written out: what a start must replay.
const JOURNAL: u64 = 64 << 20;

/// The keyspaces, by name.
pub(super) struct Disk {
    database: Database,
    pub(super) meta: Keyspace,
    pub(super) keys: Keyspace,
    pub(super) experiments: Keyspace,
    pub(super) inputs: Keyspace,
    pub(super) runs: Keyspace,
    pub(super) latest: Keyspace,
    pub(super) points: Keyspace,
    pub(super) models: Keyspace,
    pub(super) model_metrics: Keyspace,
    pub(super) datasets: Keyspace,
    pub(super) records: Keyspace,
    pub(super) record_keys: Keyspace,
    pub(super) traces: Keyspace,
    pub(super) trace_times: Keyspace,
    pub(super) trace_runs: Keyspace,
    pub(super) spans: Keyspace,
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
        let keyspace = |name: &str| {
            database.keyspace(name, || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE))
        };
        Ok(Self {
            meta: keyspace("meta")?,
            keys: keyspace("keys")?,
            experiments: keyspace("experiments")?,
            inputs: keyspace("inputs")?,
            runs: keyspace("runs")?,
            latest: keyspace("latest")?,
            points: keyspace("points")?,
            models: keyspace("models")?,
            model_metrics: keyspace("model_metrics")?,
            datasets: keyspace("datasets")?,
            records: keyspace("records")?,
            record_keys: keyspace("record_keys")?,
            traces: keyspace("traces")?,
            trace_times: keyspace("trace_times")?,
            trace_runs: keyspace("trace_runs")?,
            spans: keyspace("spans")?,
            database,
        })
    }

    /// Rows to be written together or not at all. Once committed they can be read; they are
    /// durable after the next [`Disk::persist`].
    pub(super) fn batch(&self) -> OwnedWriteBatch {
        self.database.batch()
    }

    /// Makes all that was committed durable.
    pub(super) fn persist(&self) -> Result<()> {
        Ok(self.database.persist(PersistMode::SyncData)?)
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
pub(super) fn signed(number: i64) -> [u8; 8] {
    (number.cast_unsigned() ^ (1 << 63)).to_be_bytes()
}

/// Takes back [`signed`].
pub(super) fn unsigned(bytes: [u8; 8]) -> i64 {
    (u64::from_be_bytes(bytes) ^ (1 << 63)).cast_signed()
}

/// A double such that whole numbers sort as the doubles do; what is no number comes last.
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
