use std::{
    borrow::Cow,
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
use crate::{ColumnType, Error, Result, Value, log::codec::Encoder};

/// Readers of one shard wait for a writer of the same shard only.
const SHARDS: usize = 32;
/// Rows in a record of a compacted log.
const RECORD_ROWS: usize = 4096;

/// Values of a key from a moment on.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) event_time: Timestamp,
    /// Of two rows of one moment the later created counts.
    pub(crate) created_at: Option<Timestamp>,
    pub(crate) columns: Arc<[String]>,
    pub(crate) values: Box<[Value]>,
    pub(crate) key: Box<[Value]>,
}

/// A key's rows in the order of their moments, one of each: the one that
/// counts, and those whose moment hasn't come.
type Held = Vec<Arc<Row>>;

type Shard = RwLock<HashMap<Box<[u8]>, Held>>;

/// One feature view's rows.
pub(super) struct View {
    keys: Arc<[String]>,
    /// The types that the keys of its first row have.
    types: Box<[Option<ColumnType>]>,
    hasher: RandomState,
    shards: Vec<Shard>,
    /// About what the rows take in a log.
    bytes: AtomicU64,
}

/// A key as bytes, the same for the same values: a double that is an integer
/// is one.
fn key_bytes<'a>(key: impl IntoIterator<Item = &'a Value>) -> Box<[u8]> {
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

/// A value as a key of that type where one of them is a text and the other
/// isn't: as in a join, 7 meets what is written as 7.
fn as_key(value: &Value, kind: Option<ColumnType>) -> Cow<'_, Value> {
    let text = matches!(value, Value::Utf8(_));
    let other = kind.filter(|kind| text != (*kind == ColumnType::Utf8) && !value.is_null());
    let cast = other.and_then(|kind| value.cast(kind));
    cast.filter(|cast| cast.to_string() == value.to_string()).map_or(Cow::Borrowed(value), Cow::Owned)
}

fn size(row: &Row) -> u64 {
    let value = |value: &Value| 10 + value.as_str().map_or(0, str::len) as u64;
    9 + row.values.iter().chain(&row.key).map(value).sum::<u64>()
}

/// The row that counts at `now`: the latest that isn't of the future.
fn at(held: &[Arc<Row>], now: Timestamp) -> Option<&Arc<Row>> {
    held.get(held.partition_point(|row| row.event_time <= now).checked_sub(1)?)
}

/// Takes a row in and gives the rows that neither `now` nor a later moment will
/// ask for any more; none if that is true of the row itself.
fn take_in(held: &mut Held, row: &Arc<Row>, now: Timestamp) -> Option<Vec<Arc<Row>>> {
    let place = held.partition_point(|other| other.event_time < row.event_time);
    let same = held.get(place).filter(|other| other.event_time == row.event_time);
    let next = held.get(place + usize::from(same.is_some()));
    let overtaken = next.is_some_and(|next| next.event_time <= now);
    if overtaken || same.is_some_and(|other| other.created_at > row.created_at) {
        return None;
    }
    let mut gone = Vec::new();
    match (same.is_some(), held.get_mut(place)) {
        (true, Some(other)) => gone.push(std::mem::replace(other, row.clone())),
        _ => held.insert(place, row.clone()),
    }
    let past = held.partition_point(|row| row.event_time <= now);
    gone.extend(held.drain(..past.saturating_sub(1)));
    Some(gone)
}

impl View {
    /// A view that will hold rows like this one.
    pub(super) fn new(keys: Arc<[String]>, first: Option<&Arc<Row>>) -> Self {
        let types = first.iter().flat_map(|row| &row.key).map(Value::column_type).collect();
        let shards = (0..SHARDS).map(|_| Shard::default()).collect();
        Self { keys, types, hasher: RandomState::new(), shards, bytes: AtomicU64::new(0) }
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

    pub(super) fn get(&self, key: &[Value], now: Timestamp) -> Option<Arc<Row>> {
        let types = self.types.iter().copied().chain(std::iter::repeat(None));
        let key: Vec<_> = key.iter().zip(types).map(|(value, kind)| as_key(value, kind)).collect();
        let key = key_bytes(key.iter().map(AsRef::as_ref));
        at(self.shard(&key)?.read().get(&key)?, now).cloned()
    }

    pub(super) fn put(&self, rows: &[Arc<Row>], now: Timestamp) -> Put {
        let mut put = Put::default();
        for row in rows {
            let key = key_bytes(row.key.iter());
            let Some(shard) = self.shard(&key) else { continue };
            let gone = match shard.write().entry(key) {
                Entry::Occupied(mut held) => take_in(held.get_mut(), row, now),
                Entry::Vacant(new) => {
                    new.insert(vec![row.clone()]);
                    Some(Vec::new())
                }
            };
            let Some(gone) = gone else {
                put.outdated += 1;
                continue;
            };
            self.bytes.fetch_sub(gone.iter().map(|row| size(row)).sum(), Ordering::Relaxed);
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
        let wanted = key_bytes([value]);
        let same = |other: &Value| key_bytes([other]) == wanted;
        let holds = |names: &[String], values: &[Value]| {
            names.iter().zip(values).any(|(name, value)| name == column && same(value))
        };
        let mut removed = 0;
        for shard in &self.shards {
            shard.write().retain(|_, held| {
                held.retain(|row| {
                    let hit = holds(&self.keys, &row.key) || holds(&row.columns, &row.values);
                    if hit {
                        removed += 1;
                        self.bytes.fetch_sub(size(row), Ordering::Relaxed);
                    }
                    !hit
                });
                !held.is_empty()
            });
        }
        removed
    }

    /// All rows as records that make this view again.
    pub(super) fn records(&self, name: &str) -> Vec<Record> {
        let mut by_columns: HashMap<Arc<[String]>, Vec<Arc<Row>>> = HashMap::new();
        for shard in &self.shards {
            for row in shard.read().values().flatten() {
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
