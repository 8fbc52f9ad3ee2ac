use std::{
    collections::{HashMap, hash_map::Entry},
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use modelyard_clock::Timestamp;
use parking_lot::RwLock;

use super::{Put, record::Record};
use crate::{Error, Result, Value, log::codec::Encoder};

/// Readers of one shard wait for a writer of the same shard only.
const SHARDS: usize = 32;
/// Rows in a record of a compacted log.
const RECORD_ROWS: usize = 4096;

/// The latest values of a key.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) event_time: Timestamp,
    pub(crate) columns: Arc<[String]>,
    pub(crate) values: Box<[Value]>,
    pub(crate) key: Box<[Value]>,
}

type Shard = RwLock<HashMap<Box<[u8]>, Arc<Row>>>;

/// One feature view's rows.
pub(super) struct View {
    keys: Arc<[String]>,
    hasher: RandomState,
    shards: Vec<Shard>,
    /// About what the rows take in a log.
    bytes: AtomicU64,
}

/// A key as bytes, the same for the same values: a double that is an integer
/// is one.
pub(super) fn key_bytes(key: &[Value]) -> Box<[u8]> {
    let mut out = Encoder::default();
    for value in key {
        match value {
            Value::F64(number) if number.fract() == 0.0 && number.abs() < 9.0e18 => {
                out.value(&Value::S64(*number as i64));
            }
            value => out.value(value),
        }
    }
    out.0.into_boxed_slice()
}

fn size(row: &Row) -> u64 {
    let value = |value: &Value| 10 + value.as_str().map_or(0, str::len) as u64;
    9 + row.values.iter().chain(&row.key).map(value).sum::<u64>()
}

impl View {
    pub(super) fn new(keys: Arc<[String]>) -> Self {
        let shards = (0..SHARDS).map(|_| Shard::default()).collect();
        Self { keys, hasher: RandomState::new(), shards, bytes: AtomicU64::new(0) }
    }

    /// A view's keys stay those of its first rows.
    pub(super) fn check_keys(&self, view: &str, keys: &[&str]) -> Result<()> {
        if self.keys.iter().eq(keys) {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "view {view:?} is keyed by {}, not by {}; drop it to change its keys",
            self.keys.join(", "),
            keys.join(", ")
        )))
    }

    fn shard(&self, key: &[u8]) -> Option<&Shard> {
        let hash = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or(0);
        self.shards.get(hash)
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<Arc<Row>> {
        self.shard(key)?.read().get(key).cloned()
    }

    pub(super) fn put(&self, rows: &[Arc<Row>]) -> Put {
        let mut put = Put::default();
        for row in rows {
            let key = key_bytes(&row.key);
            let Some(shard) = self.shard(&key) else { continue };
            match shard.write().entry(key) {
                Entry::Occupied(old) if old.get().event_time > row.event_time => {
                    put.outdated += 1;
                    continue;
                }
                Entry::Occupied(mut old) => {
                    self.bytes.fetch_sub(size(old.get()), Ordering::Relaxed);
                    old.insert(row.clone());
                }
                Entry::Vacant(new) => {
                    new.insert(row.clone());
                }
            }
            self.bytes.fetch_add(size(row), Ordering::Relaxed);
            put.stored += 1;
        }
        put
    }

    pub(super) fn len(&self) -> u64 {
        self.shards.iter().map(|shard| shard.read().len() as u64).sum()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Removes the rows in which a key or value column equals `value`.
    pub(super) fn erase(&self, column: &str, value: &Value) -> u64 {
        let wanted = key_bytes(std::slice::from_ref(value));
        let same = |other: &Value| key_bytes(std::slice::from_ref(other)) == wanted;
        let holds = |names: &[String], values: &[Value]| {
            names.iter().zip(values).any(|(name, value)| name == column && same(value))
        };
        let mut removed = 0;
        for shard in &self.shards {
            shard.write().retain(|_, row| {
                let hit = holds(&self.keys, &row.key) || holds(&row.columns, &row.values);
                if hit {
                    removed += 1;
                    self.bytes.fetch_sub(size(row), Ordering::Relaxed);
                }
                !hit
            });
        }
        removed
    }

    /// All rows as records that make this view again.
    pub(super) fn records(&self, name: &str) -> Vec<Record> {
        let mut by_columns: HashMap<Arc<[String]>, Vec<Arc<Row>>> = HashMap::new();
        for shard in &self.shards {
            for row in shard.read().values() {
                by_columns.entry(row.columns.clone()).or_default().push(row.clone());
            }
        }
        let rows = by_columns.values().flat_map(|rows| rows.chunks(RECORD_ROWS));
        let record = |rows: &[Arc<Row>]| Record::Put {
            view: name.to_owned(),
            keys: self.keys.clone(),
            rows: rows.to_vec(),
        };
        rows.map(record).collect()
    }
}
