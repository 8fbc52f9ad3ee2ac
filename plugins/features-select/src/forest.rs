//! Importance by a small forest.
//!
//! Fifty trees of depth five over columns cut into at most 64 intervals; each
//! tree grows on a bootstrap sample, each node looks at a third of the columns
//! (at least one). A column's importance is how much its splits lower the
//! impurity (Breiman, Random Forests, 2001: mean decrease in impurity), summing
//! to 1: the variance of a target of numbers, the Gini index of classes. The
//! seed is fixed, so the same data gives the same importance.
#![allow(clippy::indexing_slicing)] // Codes are below BINS, rows below their number, by construction.

use crate::data::Codes;

const TREES: usize = 50;
const DEPTH: usize = 5;
/// Intervals of a column at most.
pub const BINS: usize = 64;
/// Fewest rows of a leaf.
const LEAF: usize = 5;

/// What a row is to be told as: one number, or one indicator per class.
pub struct Goal {
    /// One vector per number.
    pub values: Vec<Vec<f64>>,
}

struct Random(u64);

impl Random {
    /// SplitMix64.
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound.max(1) as u64) as usize
    }
}

/// The importance of each column, summing to 1; all 0 where nothing helps.
pub fn importance(columns: &[Codes], goal: &Goal) -> Vec<f64> {
    let rows = goal.values.first().map_or(0, Vec::len);
    let mut gains = vec![0.0; columns.len()];
    if rows == 0 || columns.is_empty() {
        return gains;
    }
    let mut random = Random(42);
    for _ in 0..TREES {
        let mut sample: Vec<usize> = (0..rows).map(|_| random.below(rows)).collect();
        grow(columns, goal, &mut sample, DEPTH, &mut random, &mut gains);
    }
    let total: f64 = gains.iter().sum();
    if total > 0.0 {
        gains.iter_mut().for_each(|gain| *gain /= total);
    }
    gains
}

/// Splits the rows where it lowers the impurity most, and goes on below.
fn grow(
    columns: &[Codes],
    goal: &Goal,
    rows: &mut [usize],
    depth: usize,
    random: &mut Random,
    gains: &mut [f64],
) {
    if depth == 0 || rows.len() < 2 * LEAF {
        return;
    }
    let wanted = columns.len().div_ceil(3);
    let mut order: Vec<usize> = (0..columns.len()).collect();
    let mut best: Option<(f64, usize, usize)> = None;
    for looked in 0..columns.len() {
        // A node whose chosen columns don't split looks at further ones.
        if looked >= wanted && best.is_some() {
            break;
        }
        let other = looked + random.below(columns.len() - looked);
        order.swap(looked, other);
        let column = order[looked];
        if let Some((gain, cut)) = split(&columns[column], goal, rows)
            && best.is_none_or(|(most, _, _)| gain > most)
        {
            best = Some((gain, column, cut));
        }
    }
    let Some((gain, column, cut)) = best else { return };
    gains[column] += gain;
    let codes = &columns[column].codes;
    rows.sort_unstable_by_key(|row| codes[*row] > cut);
    let left = rows.partition_point(|row| codes[*row] <= cut);
    let (low, high) = rows.split_at_mut(left);
    grow(columns, goal, low, depth - 1, random, gains);
    grow(columns, goal, high, depth - 1, random, gains);
}

/// The cut of a column (codes up to it go left) that lowers the sum of squares
/// most, and by how much.
fn split(column: &Codes, goal: &Goal, rows: &[usize]) -> Option<(f64, usize)> {
    let width = goal.values.len();
    let mut counts = vec![0.0; column.count];
    let mut sums = vec![0.0; column.count * width];
    for row in rows {
        let code = column.codes[*row];
        counts[code] += 1.0;
        for (place, values) in goal.values.iter().enumerate() {
            sums[code * width + place] += values[*row];
        }
    }
    let n = rows.len() as f64;
    let mut total = vec![0.0; width];
    for (at, sum) in sums.iter().enumerate() {
        total[at % width] += sum;
    }
    let whole: f64 = total.iter().map(|sum| sum * sum / n).sum();
    let mut left = vec![0.0; width];
    let mut left_count = 0.0;
    let mut best = None;
    for code in 0..column.count.saturating_sub(1) {
        left_count += counts[code];
        for place in 0..width {
            left[place] += sums[code * width + place];
        }
        let right_count = n - left_count;
        if left_count < LEAF as f64 || right_count < LEAF as f64 {
            continue;
        }
        let parts: f64 = left
            .iter()
            .zip(&total)
            .map(|(left, total)| left * left / left_count + (total - left).powi(2) / right_count)
            .sum();
        let gain = parts - whole;
        if gain > 1e-9 * whole.abs().max(1e-12) && best.is_none_or(|(most, _)| gain > most) {
            best = Some((gain, code));
        }
    }
    best
}
