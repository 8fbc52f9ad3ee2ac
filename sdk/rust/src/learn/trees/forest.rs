//! Trees laid out for scoring: all of them in one array of 16-byte nodes, in
//! pre-order, so that a left child is the next node. Eight walks are done side
//! by side; a walk ends by standing still, since a leaf's steps are 0.

// Steps, inputs and offsets were checked by `Builder`, the only one to fill a
// forest, and rows are cut to the width here.
#![allow(clippy::indexing_slicing)]

use crate::learn::Rows;

/// Walks that are done side by side.
const LANES: usize = 8;

/// A missing value goes left.
pub(super) const MISSING_LEFT: u8 = 1;
/// `bits` names a set: its first word and, in the low half, its words.
pub(super) const CATEGORY: u8 = 2;
/// 0 goes where a missing value goes.
pub(super) const ZERO_IS_MISSING: u8 = 4;
/// Codes past the set and negative values go left.
pub(super) const OUTSIDE_LEFT: u8 = 8;

/// Trees that score rows of numbers, NaN where missing.
#[derive(Debug, Default)]
pub struct Forest {
    pub(super) nodes: Vec<Flat>,
    /// The first node of each tree, and the score that it adds to.
    pub(super) roots: Vec<(u32, u32)>,
    /// Bits of the category sets.
    pub(super) sets: Vec<u64>,
    /// The scores before any tree.
    pub(super) base: Vec<f64>,
    /// The values of a row.
    pub(super) width: usize,
    /// Whether every sum is rounded to single precision.
    pub(super) single: bool,
    /// Whether there are nodes that are not plain comparisons.
    pub(super) special: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Flat {
    /// A threshold, a leaf's value, or a set.
    pub(super) bits: u64,
    /// How far the right child is; 0 for a leaf.
    pub(super) right: u32,
    pub(super) input: u16,
    /// How far the left child is: 1, or 0 for a leaf.
    pub(super) left: u8,
    pub(super) flags: u8,
}

impl Flat {
    pub(super) fn leaf(value: f64) -> Self {
        Self { bits: value.to_bits(), right: 0, input: 0, left: 0, flags: 0 }
    }
}

impl Forest {
    /// How many scores a row has.
    #[must_use]
    pub fn scores(&self) -> usize {
        self.base.len()
    }

    /// How many trees there are.
    #[must_use]
    pub fn trees(&self) -> usize {
        self.roots.len()
    }

    /// The raw scores of all rows, row after row. Trees add up in their order,
    /// so a row gives the same bits alone and in any batch. A value that is
    /// missing is NaN.
    #[must_use]
    pub fn score(&self, rows: &Rows) -> Vec<f64> {
        let outputs = self.base.len();
        let mut scores: Vec<f64> = self.base.iter().copied().cycle().take(outputs * rows.rows).collect();
        if self.width == 0 || outputs == 0 {
            return scores;
        }
        let (rows, last) = rows.values.as_slice().split_at(rows.values.len() / self.width * self.width);
        debug_assert!(last.is_empty());
        match (self.special, self.single) {
            (false, false) => self.rows::<false, false>(rows, &mut scores),
            (false, true) => self.rows::<false, true>(rows, &mut scores),
            (true, false) => self.rows::<true, false>(rows, &mut scores),
            (true, true) => self.rows::<true, true>(rows, &mut scores),
        }
        scores
    }

    /// Whole groups of rows go through each tree together, the others go alone
    /// through groups of trees.
    fn rows<const SPECIAL: bool, const SINGLE: bool>(&self, rows: &[f64], scores: &mut [f64]) {
        let outputs = self.base.len();
        let groups = rows.chunks(self.width * LANES).zip(scores.chunks_mut(outputs * LANES));
        for (rows, scores) in groups {
            if rows.len() == self.width * LANES {
                self.together::<SPECIAL, SINGLE>(rows, scores);
            } else {
                for (row, scores) in rows.chunks_exact(self.width).zip(scores.chunks_exact_mut(outputs)) {
                    self.alone::<SPECIAL, SINGLE>(row, scores);
                }
            }
        }
    }

    fn together<const SPECIAL: bool, const SINGLE: bool>(&self, rows: &[f64], scores: &mut [f64]) {
        let outputs = self.base.len();
        let lanes: [&[f64]; LANES] =
            std::array::from_fn(|lane| &rows[lane * self.width..(lane + 1) * self.width]);
        for (root, score) in &self.roots {
            let ends = self.walk::<SPECIAL, LANES>([*root; LANES], lanes);
            for (lane, end) in ends.into_iter().enumerate() {
                self.add::<SINGLE>(&mut scores[lane * outputs + *score as usize], end);
            }
        }
    }

    fn alone<const SPECIAL: bool, const SINGLE: bool>(&self, row: &[f64], scores: &mut [f64]) {
        let (groups, rest) = self.roots.as_chunks::<LANES>();
        for group in groups {
            let ends = self.walk::<SPECIAL, LANES>(group.map(|(root, _)| root), [row; LANES]);
            for (end, (_, score)) in ends.into_iter().zip(group) {
                self.add::<SINGLE>(&mut scores[*score as usize], end);
            }
        }
        for (root, score) in rest {
            let [end] = self.walk::<SPECIAL, 1>([*root], [row]);
            self.add::<SINGLE>(&mut scores[*score as usize], end);
        }
    }

    /// Single: the double sum of two single numbers, rounded, is their single sum.
    #[inline(always)]
    fn add<const SINGLE: bool>(&self, score: &mut f64, leaf: u32) {
        let sum = *score + f64::from_bits(self.nodes[leaf as usize].bits);
        *score = if SINGLE { f64::from(sum as f32) } else { sum };
    }

    #[inline(always)]
    fn walk<const SPECIAL: bool, const N: usize>(&self, mut at: [u32; N], rows: [&[f64]; N]) -> [u32; N] {
        loop {
            let mut moved = 0;
            for (at, row) in at.iter_mut().zip(rows) {
                let node = &self.nodes[*at as usize];
                let step = self.step::<SPECIAL>(node, row[usize::from(node.input)]);
                *at += step;
                moved |= step;
            }
            if moved == 0 {
                return at;
            }
        }
    }

    #[inline(always)]
    fn step<const SPECIAL: bool>(&self, node: &Flat, value: f64) -> u32 {
        let left = if SPECIAL && node.flags & (CATEGORY | ZERO_IS_MISSING) != 0 {
            self.special(node, value)
        } else {
            // Without a branch that could be mispredicted.
            (value <= f64::from_bits(node.bits)) | (value.is_nan() & (node.flags & MISSING_LEFT != 0))
        };
        if left { u32::from(node.left) } else { node.right }
    }

    fn special(&self, node: &Flat, value: f64) -> bool {
        let missing = value.is_nan() || (node.flags & ZERO_IS_MISSING != 0 && value == 0.0);
        if missing {
            return node.flags & MISSING_LEFT != 0;
        }
        if node.flags & CATEGORY == 0 {
            return value <= f64::from_bits(node.bits);
        }
        let outside_left = node.flags & OUTSIDE_LEFT != 0;
        if value <= -1.0 || (outside_left && value < 0.0) {
            return outside_left;
        }
        let (first, words) = ((node.bits >> 32) as usize, u64::from(node.bits as u32));
        // Truncates, and takes what is too large as the largest.
        let code = value as u64;
        if code / 64 >= words {
            return outside_left;
        }
        self.sets[first + (code / 64) as usize] >> (code % 64) & 1 == 1
    }
}
