//! The runs of one experiment: rows to answer with, columns to search by.

use std::{
    collections::{HashMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::column::{Column, Slots};
use crate::{LifecycleStage, Result, RunStatus, Text, error::Error};

/// A use of a data set by a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Input {
    /// The data set's number in its experiment.
    pub(super) dataset: u32,
    pub(super) tags: Vec<(Text, Text)>,
}

/// All of a run but its metrics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) id: u128,
    pub(super) experiment: u64,
    pub(super) name: Text,
    pub(super) user: Text,
    pub(super) status: RunStatus,
    pub(super) start: i64,
    pub(super) end: Option<i64>,
    pub(super) stage: LifecycleStage,
    /// By key's number.
    pub(super) params: Vec<(u32, Text)>,
    /// By key's number.
    pub(super) tags: Vec<(u32, Text)>,
    pub(super) inputs: Vec<Input>,
    pub(super) model_inputs: Vec<Text>,
    pub(super) model_outputs: Vec<(Text, i64)>,
}

/// The first byte of a stored head: which shape it has.
const SHAPE: u8 = 1;

impl Head {
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>> {
        postcard::to_extend(self, vec![SHAPE])
            .map_err(|cause| Error::internal(format!("can't write a run: {cause}")))
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let damaged = |cause: &dyn std::fmt::Display| {
            Error::internal(format!("the tracking store is damaged: a run can't be read: {cause}"))
        };
        match bytes.split_first() {
            Some((&SHAPE, rest)) => postcard::from_bytes(rest).map_err(|cause| damaged(&cause)),
            _ => Err(damaged(&"its shape is not known")),
        }
    }

    #[inline]
    pub(super) fn param(&self, key: u32) -> Option<&Text> {
        find(&self.params, key)
    }

    #[inline]
    pub(super) fn tag(&self, key: u32) -> Option<&Text> {
        find(&self.tags, key)
    }
}

#[inline]
fn find(pairs: &[(u32, Text)], key: u32) -> Option<&Text> {
    let at = pairs.binary_search_by_key(&key, |(key, _)| *key).ok()?;
    pairs.get(at).map(|(_, value)| value)
}

/// Sets `key` in pairs that are in order of key.
pub(super) fn set(pairs: &mut Vec<(u32, Text)>, key: u32, value: Text) {
    match pairs.binary_search_by_key(&key, |(key, _)| *key) {
        Ok(at) => {
            if let Some(pair) = pairs.get_mut(at) {
                pair.1 = value;
            }
        }
        Err(at) => pairs.insert(at, (key, value)),
    }
}

/// A point of a metric. What is no number is kept as NaN.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub(super) key: u32,
    pub(super) value: f64,
    pub(super) timestamp: i64,
    pub(super) step: i64,
}

impl Point {
    /// Whether this point is later than `other`, as MLflow sees it: by step, then time, then
    /// value, where NaN counts as 0.
    pub(super) fn is_after(&self, other: &Self) -> bool {
        let number = |value: f64| if value.is_nan() { 0.0 } else { value };
        (self.step, self.timestamp)
            .cmp(&(other.step, other.timestamp))
            .then_with(|| number(self.value).total_cmp(&(number(other.value) + 0.0)))
            .is_gt()
    }
}

/// Metrics in one row of `latest`.
const PART: usize = 64;
/// Bytes of one metric in such a row.
const WIDTH: usize = 28;
/// Metrics above which a run finds them by a map.
const MANY: usize = 64;

/// The latest points of a run's metrics, in the order they first came.
#[derive(Clone, Default)]
pub(super) struct Metrics {
    latest: Vec<Point>,
    positions: Option<Arc<HashMap<u32, u32>>>,
}

impl Metrics {
    pub(super) fn all(&self) -> &[Point] {
        &self.latest
    }

    fn position(&self, key: u32) -> Option<usize> {
        match &self.positions {
            Some(positions) => positions.get(&key).map(|position| *position as usize),
            None => self.latest.iter().position(|latest| latest.key == key),
        }
    }

    pub(super) fn get(&self, key: u32) -> Option<&Point> {
        self.latest.get(self.position(key)?)
    }

    /// Takes `point` where it is the latest of its key; says which part of the row changed.
    pub(super) fn offer(&mut self, point: Point) -> Option<usize> {
        if let Some(at) = self.position(point.key) {
            let latest = self.latest.get_mut(at).filter(|latest| point.is_after(latest))?;
            *latest = point;
            return Some(at / PART);
        }
        let at = self.latest.len();
        self.push(point);
        Some(at / PART)
    }

    fn push(&mut self, point: Point) {
        let at = u32::try_from(self.latest.len()).unwrap_or(u32::MAX);
        self.latest.push(point);
        if let Some(positions) = &mut self.positions {
            Arc::make_mut(positions).insert(point.key, at);
        } else if self.latest.len() > MANY {
            let positions = (0..).zip(&self.latest).map(|(at, latest)| (latest.key, at)).collect();
            self.positions = Some(Arc::new(positions));
        }
    }

    /// One part as it is stored.
    pub(super) fn part(&self, part: usize) -> Vec<u8> {
        encode(self.latest.iter().skip(part * PART).take(PART))
    }

    /// Takes in a stored part; parts come in order.
    pub(super) fn load(&mut self, bytes: &[u8]) {
        self.latest.reserve_exact(bytes.len() / WIDTH);
        for point in decode(bytes) {
            self.push(point);
        }
    }

    /// Makes room for as many new metrics, and no more.
    pub(super) fn reserve(&mut self, more: usize) {
        self.latest.reserve_exact(more);
    }
}

/// Writes points, each in as many bytes.
pub(super) fn encode<'a>(points: impl Iterator<Item = &'a Point>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(points.size_hint().1.unwrap_or(PART) * WIDTH);
    for point in points {
        bytes.extend(point.key.to_be_bytes());
        bytes.extend(point.value.to_bits().to_be_bytes());
        bytes.extend(point.timestamp.to_be_bytes());
        bytes.extend(point.step.to_be_bytes());
    }
    bytes
}

/// Reads what [`encode`] wrote.
pub(super) fn decode(bytes: &[u8]) -> impl Iterator<Item = Point> {
    let (points, _) = bytes.as_chunks::<WIDTH>();
    points.iter().filter_map(|point| {
        let [k0, k1, k2, k3, rest @ ..] = *point;
        let (numbers, _) = rest.as_chunks::<8>();
        let [value, timestamp, step] = *numbers else { return None };
        Some(Point {
            key: u32::from_be_bytes([k0, k1, k2, k3]),
            value: f64::from_bits(u64::from_be_bytes(value)),
            timestamp: i64::from_be_bytes(timestamp),
            step: i64::from_be_bytes(step),
        })
    })
}

/// One run.
#[derive(Clone)]
pub(super) struct Row {
    /// Its number in the store: keys on disk begin with it.
    pub(super) number: u64,
    pub(super) head: Arc<Head>,
    pub(super) metrics: Metrics,
}

/// The runs of one experiment, each in a slot of its own for good.
#[derive(Default)]
pub(super) struct Table {
    pub(super) rows: Vec<Row>,
    pub(super) ids: Vec<u128>,
    pub(super) starts: Vec<i64>,
    pub(super) ends: Vec<Option<i64>>,
    pub(super) statuses: Vec<RunStatus>,
    /// The runs that are active.
    pub(super) active: Slots,
    pub(super) metrics: HashMap<u32, Column<f64>>,
    pub(super) params: HashMap<u32, Column<Word>>,
    pub(super) tags: HashMap<u32, Column<Word>>,
}

/// What a column keeps of a text; the text itself is in the row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Word {
    /// Equal texts have equal hashes.
    pub(super) hash: u64,
    /// Seven bytes and the length: a smaller text has a smaller rank or the same. More than zero.
    pub(super) rank: u64,
}

/// Bytes of a text that its rank holds in full.
const RANKED: usize = 7;

impl Word {
    pub(super) fn new(text: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        let mut bytes = [0; 8];
        for (byte, from) in bytes.iter_mut().zip(text.bytes().take(RANKED)) {
            *byte = from;
        }
        let length = u64::try_from(text.len().min(RANKED + 1)).unwrap_or_default() + 1;
        Self { hash: hasher.finish(), rank: u64::from_be_bytes(bytes) | length }
    }

    /// Whether no other text has this rank.
    #[inline]
    pub(super) fn is_exact(self) -> bool {
        self.rank & 0xff <= RANKED as u64 + 1
    }
}

impl Table {
    #[inline]
    pub(super) fn row(&self, slot: u32) -> Option<&Row> {
        self.rows.get(slot as usize)
    }

    /// Adds a run and says its slot.
    pub(super) fn add(&mut self, row: Row) -> u32 {
        let slot = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
        let head = &row.head;
        self.starts.push(head.start);
        self.ends.push(head.end);
        self.statuses.push(head.status);
        self.ids.push(head.id);
        self.active.push(head.stage == LifecycleStage::Active);
        for (key, value) in &head.params {
            self.params.entry(*key).or_default().set(slot, Word::new(value));
        }
        for (key, value) in &head.tags {
            self.tags.entry(*key).or_default().set(slot, Word::new(value));
        }
        for latest in row.metrics.all() {
            self.metrics.entry(latest.key).or_default().set(slot, latest.value);
        }
        self.rows.push(row);
        slot
    }

    /// Puts a changed head in place.
    pub(super) fn set_head(&mut self, slot: u32, head: Arc<Head>) {
        let at = slot as usize;
        let Some(row) = self.rows.get_mut(at) else { return };
        if let (Some(end), Some(status)) = (self.ends.get_mut(at), self.statuses.get_mut(at)) {
            (*end, *status) = (head.end, head.status);
        }
        self.active.set(slot, head.stage == LifecycleStage::Active);
        update(&mut self.params, slot, &row.head.params, &head.params);
        update(&mut self.tags, slot, &row.head.tags, &head.tags);
        row.head = head;
    }

    /// Puts changed metrics in place; `keys` says which.
    pub(super) fn set_metrics(&mut self, slot: u32, metrics: Metrics, keys: &[u32]) {
        for key in keys {
            if let Some(latest) = metrics.get(*key) {
                self.metrics.entry(*key).or_default().set(slot, latest.value);
            }
        }
        if let Some(row) = self.rows.get_mut(slot as usize) {
            row.metrics = metrics;
        }
    }
}

/// Brings columns from the pairs `before` to the pairs `after`.
fn update(
    columns: &mut HashMap<u32, Column<Word>>,
    slot: u32,
    before: &[(u32, Text)],
    after: &[(u32, Text)],
) {
    for (key, _) in before {
        if find(after, *key).is_none()
            && let Some(column) = columns.get_mut(key)
        {
            column.clear(slot);
        }
    }
    for (key, value) in after {
        if find(before, *key) != Some(value) {
            columns.entry(*key).or_default().set(slot, Word::new(value));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn point() -> impl Strategy<Value = Point> {
        let value = prop_oneof![Just(f64::NAN), -3.0..3.0_f64, Just(0.0), Just(-0.0)];
        (0..90_u32, value, 0..4_i64, -2..4_i64).prop_map(|(key, value, timestamp, step)| Point {
            key,
            value,
            timestamp,
            step,
        })
    }

    proptest! {
        /// Whatever order points come in, the latest of each key is the greatest by step, time
        /// and value; and what is stored comes back.
        #[test]
        fn the_latest_is_the_greatest(points in prop::collection::vec(point(), 0..300)) {
            let mut metrics = Metrics::default();
            for point in &points {
                metrics.offer(*point);
            }
            let number = |value: f64| if value.is_nan() { 0.0 } else { value };
            for key in 0..90 {
                let greatest = points
                    .iter()
                    .filter(|point| point.key == key)
                    .map(|point| (point.step, point.timestamp, number(point.value)))
                    .max_by(|a, b| a.partial_cmp(b).unwrap());
                let latest = metrics.get(key).map(|p| (p.step, p.timestamp, number(p.value)));
                prop_assert_eq!(latest, greatest);
            }
            let mut loaded = Metrics::default();
            for part in 0..metrics.all().len().div_ceil(PART) {
                loaded.load(&metrics.part(part));
            }
            prop_assert_eq!(loaded.all().len(), metrics.all().len());
            for (a, b) in loaded.all().iter().zip(metrics.all()) {
                prop_assert!(a == b || (a.key == b.key && a.value.is_nan() && b.value.is_nan()));
                prop_assert_eq!(loaded.get(a.key).map(|p| p.step), Some(b.step));
            }
        }
    }
}
