//! A model laid out for scoring: all trees in one array of 16-byte nodes, eight
//! walks at a time, each step without a branch that could be mispredicted.
//!
//! A walk ends by standing still: a leaf's children are the leaf itself. Of a
//! number a row holds two copies that differ for a missing value only: −∞ for
//! the splits that send it left, +∞ for those that send it right.

// Steps, slots and offsets were computed from a checked model; see `Forest::new`.
#![allow(clippy::indexing_slicing)]

use crate::learn::{Input, Kind, Rows};

use super::model::{Model, Node, Tree};

/// Walks that are done side by side.
const LANES: usize = 8;
/// Rows that are prepared together.
const BLOCK: usize = 64;

/// A model that scores.
#[derive(Debug, Default)]
pub struct Forest {
    nodes: Vec<Flat>,
    /// The first node of each tree.
    roots: Vec<u32>,
    /// Bits of the category sets, 64 to a word.
    sets: Vec<u64>,
    base: Vec<f64>,
    columns: Vec<Column>,
    slots: usize,
    categorical: bool,
}

#[derive(Clone, Copy, Debug)]
struct Flat {
    /// A threshold, a leaf's value, or the first word of a set.
    bits: u64,
    slot: u16,
    category: bool,
    left: u8,
    right: u16,
}

#[derive(Clone, Copy, Debug)]
struct Column {
    slot: u16,
    category: bool,
}

impl Forest {
    /// Lays out a model that was decoded, or built under the same rules. An
    /// index that is out of range counts as 0, a tree too large as a leaf of 0.
    #[must_use]
    pub fn new(model: &Model) -> Self {
        let mut forest = Self { base: model.base.clone(), ..Self::default() };
        for input in &model.inputs {
            let category = matches!(input.kind, Kind::Category(_));
            forest.columns.push(Column { slot: forest.slots as u16, category });
            forest.slots += if category { 1 } else { 2 };
        }
        for tree in &model.trees {
            forest.roots.push(forest.nodes.len() as u32);
            forest.lay_out(tree, &model.inputs);
        }
        forest
    }

    fn lay_out(&mut self, tree: &Tree, inputs: &[Input]) {
        let leaf = |value: f64| Flat { bits: value.to_bits(), slot: 0, category: false, left: 0, right: 0 };
        let first = self.nodes.len();
        for (at, node) in tree.nodes.iter().enumerate() {
            let step = |right: u32| (right as usize).saturating_sub(at).min(usize::from(u16::MAX)) as u16;
            let flat = match node {
                Node::Leaf { value } => leaf(*value),
                Node::Number { input, threshold, missing_left, right } => {
                    let slot = self.slot(*input) + u16::from(!missing_left);
                    Flat { bits: threshold.to_bits(), slot, category: false, left: 1, right: step(*right) }
                }
                Node::Category { input, left, missing_left, right } => {
                    let categories = match inputs.get(*input as usize).map(|input| &input.kind) {
                        Some(Kind::Category(categories)) => categories.len(),
                        _ => 0,
                    };
                    let bits = self.add_set(left, categories, *missing_left);
                    self.categorical = true;
                    Flat { bits, slot: self.slot(*input), category: true, left: 1, right: step(*right) }
                }
            };
            self.nodes.push(flat);
        }
        if self.nodes.len() == first {
            self.nodes.push(leaf(0.0));
        }
    }

    fn slot(&self, input: u32) -> u16 {
        self.columns.get(input as usize).map_or(0, |column| column.slot)
    }

    /// Adds a set with one bit more than categories, for a missing one; gives
    /// the index of its first word.
    fn add_set(&mut self, left: &[u8], categories: usize, missing_left: bool) -> u64 {
        let first = self.sets.len();
        self.sets.resize(first + categories / 64 + 1, 0);
        let bit = |c: usize| left.get(c / 8).is_some_and(|byte| byte >> (c % 8) & 1 == 1);
        for c in (0..categories).filter(|c| bit(*c)).chain(missing_left.then_some(categories)) {
            self.sets[first + c / 64] |= 1 << (c % 64);
        }
        first as u64
    }

    /// How many scores a row has.
    #[must_use]
    pub fn scores(&self) -> usize {
        self.base.len()
    }

    /// The raw scores of all rows, row after row. The same row gives the same
    /// bits alone and in any batch. Rows hold
    /// one value per input of the model.
    #[must_use]
    pub fn score(&self, batch: &Rows) -> Vec<f64> {
        let outputs = self.base.len();
        let mut scores: Vec<f64> = self.base.iter().copied().cycle().take(outputs * batch.rows).collect();
        if self.slots == 0 || outputs == 0 {
            self.constant(&mut scores);
            return scores;
        }
        let width = self.columns.len();
        let mut slots = vec![0.0; self.slots * batch.rows.min(BLOCK)];
        let blocks = batch.values.chunks(width * BLOCK).zip(scores.chunks_mut(outputs * BLOCK));
        for (rows, scores) in blocks {
            let count = rows.len() / width;
            for (row, slots) in rows.chunks_exact(width).zip(slots.chunks_exact_mut(self.slots)) {
                self.prepare(row, slots);
            }
            match (count < LANES, self.categorical) {
                (true, false) => self.few::<false>(&slots, count, scores),
                (true, true) => self.few::<true>(&slots, count, scores),
                (false, false) => self.many::<false>(&slots, count, scores),
                (false, true) => self.many::<true>(&slots, count, scores),
            }
        }
        scores
    }

    /// Without inputs every tree is a leaf.
    fn constant(&self, scores: &mut [f64]) {
        let outputs = self.base.len().max(1);
        for row in scores.chunks_exact_mut(outputs) {
            for (tree, root) in self.roots.iter().enumerate() {
                row[tree % outputs] += self.value(*root);
            }
        }
    }

    fn prepare(&self, row: &[f64], slots: &mut [f64]) {
        for (column, value) in self.columns.iter().zip(row) {
            let slot = usize::from(column.slot);
            if column.category {
                // The index as it is in memory, for want of an integer slot.
                slots[slot] = f64::from_bits(*value as u64);
            } else if value.is_nan() {
                slots[slot] = f64::NEG_INFINITY;
                slots[slot + 1] = f64::INFINITY;
            } else {
                let value = value.clamp(f64::MIN, f64::MAX);
                slots[slot] = value;
                slots[slot + 1] = value;
            }
        }
    }

    /// Several trees at a time for each row.
    fn few<const CATEGORICAL: bool>(&self, slots: &[f64], rows: usize, scores: &mut [f64]) {
        let outputs = self.base.len();
        let rows = slots.chunks_exact(self.slots).take(rows);
        for (row, scores) in rows.zip(scores.chunks_exact_mut(outputs)) {
            let mut output = 0;
            let (groups, rest) = self.roots.as_chunks::<LANES>();
            for group in groups {
                for at in self.walk::<CATEGORICAL, LANES>(*group, [row; LANES]) {
                    scores[output] += self.value(at);
                    output = if output + 1 == outputs { 0 } else { output + 1 };
                }
            }
            for root in rest {
                let [at] = self.walk::<CATEGORICAL, 1>([*root], [row]);
                scores[output] += self.value(at);
                output = if output + 1 == outputs { 0 } else { output + 1 };
            }
        }
    }

    /// Several rows at a time for each tree.
    fn many<const CATEGORICAL: bool>(&self, slots: &[f64], rows: usize, scores: &mut [f64]) {
        let (outputs, width) = (self.base.len(), self.slots);
        let row = |at: usize| &slots[at * width..(at + 1) * width];
        let whole = rows - rows % LANES;
        for (tree, root) in self.roots.iter().enumerate() {
            let output = tree % outputs;
            for first in (0..whole).step_by(LANES) {
                let lanes = std::array::from_fn(|lane| row(first + lane));
                let ends = self.walk::<CATEGORICAL, LANES>([*root; LANES], lanes);
                for (lane, at) in ends.into_iter().enumerate() {
                    scores[(first + lane) * outputs + output] += self.value(at);
                }
            }
            for last in whole..rows {
                let [at] = self.walk::<CATEGORICAL, 1>([*root], [row(last)]);
                scores[last * outputs + output] += self.value(at);
            }
        }
    }

    #[inline(always)]
    fn walk<const CATEGORICAL: bool, const N: usize>(&self, mut at: [u32; N], rows: [&[f64]; N]) -> [u32; N] {
        loop {
            let mut moved = 0;
            for (at, row) in at.iter_mut().zip(rows) {
                let step = self.step::<CATEGORICAL>(&self.nodes[*at as usize], row);
                *at += step;
                moved |= step;
            }
            if moved == 0 {
                return at;
            }
        }
    }

    #[inline(always)]
    fn step<const CATEGORICAL: bool>(&self, node: &Flat, row: &[f64]) -> u32 {
        let value = row[usize::from(node.slot)];
        let mut left = value <= f64::from_bits(node.bits);
        if CATEGORICAL {
            // Both are worked out and one is kept, as a branch would often be
            // mispredicted. A number looks at word 0 and does not use it.
            let mask = u64::from(node.category).wrapping_neg();
            let category = value.to_bits();
            let at = (node.bits.wrapping_add(category / 64) & mask) as usize;
            let word = self.sets.get(at).copied().unwrap_or_default();
            let in_set = word >> (category % 64) & 1 == 1;
            left = (node.category & in_set) | (!node.category & left);
        }
        if left { u32::from(node.left) } else { u32::from(node.right) }
    }

    #[inline(always)]
    fn value(&self, leaf: u32) -> f64 {
        f64::from_bits(self.nodes[leaf as usize].bits)
    }
}
