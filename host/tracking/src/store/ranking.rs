//! Orders of runs, read straight from columns.
//!
//! Every hit gets two whole numbers that sort as its first two keys do, so that nearly all
//! comparisons are of numbers side by side. Only where those are equal, or a text is longer than a
//! number can say, are the keys themselves compared.
//!
//! What is called for every run is marked for inlining, here and where it comes from: units of
//! this crate are not optimised across each other, and a real call costs more than the comparison.

use std::cmp::Ordering;

use super::{
    column::{Column, Slots},
    disk,
    keys::Keys,
    state::{Home, run_id},
    table::{Table, Word},
};
use crate::search::{Direction, Entity, Order};

/// A run that was found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hit {
    ranks: [u64; 2],
    /// Which of the searched tables.
    pub(super) table: u32,
    pub(super) slot: u32,
}

/// Comes after every value.
const MISSING: u64 = u64::MAX;
/// Comes after every number, before what is missing.
const NOT_A_NUMBER: u64 = u64::MAX - 1;

enum Key<'a> {
    Metric(Option<&'a Column<f64>>),
    Param(Option<(u32, &'a Column<Word>)>),
    Tag(Option<(u32, &'a Column<Word>)>),
    Start,
    End,
    Status,
    Id,
    Name,
    User,
    ArtifactUri,
}

/// An order, resolved against one table.
pub(super) struct Ranking<'a> {
    home: &'a Home,
    keys: Vec<(Key<'a>, Direction)>,
}

impl<'a> Ranking<'a> {
    pub(super) fn new(order: &Order, names: &Keys, home: &'a Home) -> Self {
        let keys = order.keys().iter().map(|(entity, key, direction)| {
            let number = names.get(key);
            let key = match (entity, key.as_str()) {
                (Entity::Metric, _) => Key::Metric(number.and_then(|key| home.table.metrics.get(&key))),
                (Entity::Param, _) => {
                    Key::Param(number.and_then(|key| Some((key, home.table.params.get(&key)?))))
                }
                (Entity::Tag, _) => Key::Tag(number.and_then(|key| Some((key, home.table.tags.get(&key)?)))),
                (_, "start_time") => Key::Start,
                (_, "end_time") => Key::End,
                (_, "status") => Key::Status,
                (_, "run_name") => Key::Name,
                (_, "user_id") => Key::User,
                (_, "artifact_uri") => Key::ArtifactUri,
                _ => Key::Id,
            };
            (key, *direction)
        });
        Self { home, keys: keys.collect() }
    }

    fn table(&self) -> &'a Table {
        &self.home.table
    }

    /// Offers `slots` of this table, whose number is `table`, to `first`.
    pub(super) fn offer(&self, table: u32, slots: &Slots, first: &mut First<'_>) {
        let Some((key, direction)) = self.keys.first() else { return };
        let mut offer = |slot, (rank, exact)| {
            let rank = directed(rank, *direction);
            if first.may_take(rank) {
                first.take(Hit { ranks: [rank, self.second(slot, exact)], table, slot });
            }
        };
        // A column is read from end to end, and what it lacks comes last.
        let mut missing = slots.clone();
        match key {
            Key::Metric(column) => {
                if let Some(column) = column {
                    column.visit(slots, |slot, value| offer(slot, (number(value), true)));
                    column.exclude(&mut missing);
                }
                missing.for_each_from_last(|slot| offer(slot, (MISSING, true)));
            }
            Key::Param(column) | Key::Tag(column) => {
                if let Some((_, column)) = column {
                    column.visit(slots, |slot, word| offer(slot, (word.rank, word.is_exact())));
                    column.exclude(&mut missing);
                }
                missing.for_each_from_last(|slot| offer(slot, (MISSING, true)));
            }
            // The default order: nearly all runs are passed over by one comparison each.
            Key::Start => {
                let starts = &self.table().starts;
                slots.for_each_from_last(|slot| {
                    if let Some(time) = starts.get(slot as usize) {
                        offer(slot, (whole(*time), true));
                    }
                });
            }
            key => slots.for_each_from_last(|slot| offer(slot, self.rank(key, slot))),
        }
    }

    /// The second key's rank; it says nothing where the first is not exact.
    fn second(&self, slot: u32, exact: bool) -> u64 {
        match self.keys.get(1) {
            Some((key, direction)) if exact => directed(self.rank(key, slot).0, *direction),
            _ => 0,
        }
    }

    /// A number that sorts as the key does, and whether equal numbers mean equal keys.
    fn rank(&self, key: &Key<'_>, slot: u32) -> (u64, bool) {
        let at = slot as usize;
        match key {
            Key::Metric(column) => (column.and_then(|column| column.get(slot)).map_or(MISSING, number), true),
            Key::Param(column) | Key::Tag(column) => match column.and_then(|(_, column)| column.get(slot)) {
                Some(word) => (word.rank, word.is_exact()),
                None => (MISSING, true),
            },
            Key::Start => (self.table().starts.get(at).map_or(MISSING, |time| whole(*time)), true),
            Key::End => (self.table().ends.get(at).copied().flatten().map_or(MISSING, whole), true),
            Key::Id => {
                let id = self.table().ids.get(at).copied().unwrap_or_default();
                (u64::try_from(id >> 65).unwrap_or_default() + 1, false)
            }
            key => self.with_text(key, slot, |text| match text.map(Word::new) {
                Some(word) => (word.rank, word.is_exact()),
                None => (MISSING, true),
            }),
        }
    }

    fn with_text<T>(&self, key: &Key<'_>, slot: u32, then: impl FnOnce(Option<&str>) -> T) -> T {
        let Some(row) = self.table().row(slot) else { return then(None) };
        let head = &row.head;
        match key {
            Key::Param(key) => then(key.and_then(|(key, _)| head.param(key)).map(|text| text.as_str())),
            Key::Tag(key) => then(key.and_then(|(key, _)| head.tag(key)).map(|text| text.as_str())),
            Key::Status => then(Some(head.status.as_str())),
            Key::Name => then(Some(&head.name)),
            Key::User => then(Some(&head.user)),
            Key::ArtifactUri => then(Some(&super::answers::info(self.home, head).artifact_uri)),
            Key::Id => then(Some(&run_id(head.id))),
            Key::Metric(_) | Key::Start | Key::End => then(None),
        }
    }

    /// Compares two hits of equal ranks, which may be of two tables.
    fn compare(&self, a: Hit, other: &Self, b: Hit) -> Ordering {
        for ((key, direction), (other_key, _)) in self.keys.iter().zip(&other.keys) {
            let ordering = match key {
                Key::Metric(_) | Key::Start | Key::End => {
                    let (a, b) = (self.rank(key, a.slot).0, other.rank(other_key, b.slot).0);
                    match (a.max(b), direction) {
                        (MISSING | NOT_A_NUMBER, _) => a.cmp(&b),
                        (_, direction) => direction.apply(a.cmp(&b)),
                    }
                }
                key => self.with_text(key, a.slot, |a| {
                    other.with_text(other_key, b.slot, |b| match (a, b) {
                        (Some(a), Some(b)) => direction.apply(a.cmp(b)),
                        (a, b) => a.is_none().cmp(&b.is_none()),
                    })
                }),
            };
            if ordering.is_ne() {
                return ordering;
            }
        }
        Ordering::Equal
    }
}

#[inline]
fn whole(number: i64) -> u64 {
    u64::from_be_bytes(disk::signed(number))
}

#[inline]
fn number(value: f64) -> u64 {
    if value.is_nan() { NOT_A_NUMBER } else { disk::ordered(value) }
}

/// Turns an ascending rank around, but for what comes last either way.
#[inline]
fn directed(rank: u64, direction: Direction) -> u64 {
    match direction {
        Direction::Descending if rank < NOT_A_NUMBER => !rank,
        _ => rank,
    }
}

/// The first hits of an order, however many come by.
pub(super) struct First<'a> {
    rankings: &'a [Ranking<'a>],
    most: usize,
    hits: Vec<Hit>,
    /// The ranks of the last hit that is still among the first.
    bar: Option<[u64; 2]>,
}

impl<'a> First<'a> {
    pub(super) fn new(rankings: &'a [Ranking<'a>], most: usize) -> Self {
        Self { rankings, most, hits: Vec::new(), bar: None }
    }

    /// Whether a hit with this first rank may be among the first.
    #[inline]
    fn may_take(&self, rank: u64) -> bool {
        self.bar.is_none_or(|bar| rank <= bar[0])
    }

    fn take(&mut self, hit: Hit) {
        if self.bar.is_some_and(|bar| hit.ranks > bar) {
            return;
        }
        self.hits.push(hit);
        if self.hits.len() >= self.most.saturating_mul(2).max(512) {
            self.cut();
        }
    }

    fn cut(&mut self) {
        let rankings = self.rankings;
        if self.hits.len() > self.most && self.most > 0 {
            self.hits.select_nth_unstable_by(self.most - 1, |a, b| compare(rankings, *a, *b));
            self.hits.truncate(self.most);
            self.bar = self.hits.get(self.most - 1).map(|hit| hit.ranks);
        }
    }

    /// The first hits, in order.
    pub(super) fn sorted(mut self) -> Vec<Hit> {
        self.cut();
        let rankings = self.rankings;
        self.hits.sort_unstable_by(|a, b| compare(rankings, *a, *b));
        self.hits
    }
}

fn compare(rankings: &[Ranking<'_>], a: Hit, b: Hit) -> Ordering {
    a.ranks.cmp(&b.ranks).then_with(|| {
        match (rankings.get(a.table as usize), rankings.get(b.table as usize)) {
            (Some(of_a), Some(of_b)) => of_a.compare(a, of_b, b),
            _ => Ordering::Equal,
        }
    })
}
