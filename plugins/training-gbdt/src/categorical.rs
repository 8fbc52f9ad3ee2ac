//! The best split of a column of categories into two sets.
//!
//! Sorted by G/(H + smoothing), the best two sets of a convex loss are a prefix
//! and the rest (Fisher, 1958); prefixes are grown from both ends up to a bound,
//! as in LightGBM. Few categories are tried one against the rest. Missing
//! values are one more category.

use crate::histogram::Cell;
use crate::split::{Bounds, Rule, Split, Sums, set};

/// Up to so many categories, each is tried alone.
const ONE_AGAINST_REST: usize = 4;

struct Candidate {
    bin: u8,
    sums: Sums,
}

/// The best split of the column, as [`crate::split::numbers`].
#[must_use]
pub fn categories(feature: usize, cells: &[Cell], leaf: Sums, bounds: &Bounds) -> Option<Split> {
    let rows_per_h = if leaf.h > 0.0 { leaf.rows / leaf.h } else { return None };
    let mut candidates: Vec<Candidate> = Vec::with_capacity(cells.len());
    for (bin, cell) in (0_u8..=u8::MAX).zip(cells) {
        let mut sums = Sums::default();
        sums.add(*cell, rows_per_h);
        if sums.rows >= 0.5 {
            candidates.push(Candidate { bin, sums });
        }
    }
    if candidates.len() < 2 {
        return None;
    }
    if candidates.len() <= ONE_AGAINST_REST {
        return one_against_rest(feature, &candidates, leaf, bounds);
    }
    candidates.retain(|candidate| candidate.sums.rows >= bounds.cat_smooth);
    let order = |c: &Candidate| c.sums.g / (c.sums.h + bounds.cat_smooth);
    candidates.sort_by(|a, b| order(a).total_cmp(&order(b)));
    let forwards = prefixes(feature, candidates.iter(), candidates.len(), leaf, bounds);
    let backwards = prefixes(feature, candidates.iter().rev(), candidates.len(), leaf, bounds);
    match (forwards, backwards) {
        (Some(a), Some(b)) => Some(if b.gain > a.gain { b } else { a }),
        (a, b) => a.or(b),
    }
}

fn one_against_rest(feature: usize, candidates: &[Candidate], leaf: Sums, bounds: &Bounds) -> Option<Split> {
    let parent = leaf.score(bounds.l2) + bounds.gain;
    let mut best: Option<Split> = None;
    for candidate in candidates {
        let (left, right) = (candidate.sums, leaf.minus(candidate.sums));
        if !bounds.admit(left) || !bounds.admit(right) {
            continue;
        }
        let gain = left.score(bounds.l2) + right.score(bounds.l2) - parent;
        if gain > best.as_ref().map_or(0.0, |best| best.gain) {
            let mut left_bins = [0; 4];
            set(&mut left_bins, candidate.bin);
            best = Some(Split { feature, rule: Rule::Set, left_bins, gain, left, right, l2: bounds.l2 });
        }
    }
    best
}

fn prefixes<'a>(
    feature: usize,
    candidates: impl Iterator<Item = &'a Candidate>,
    count: usize,
    leaf: Sums,
    bounds: &Bounds,
) -> Option<Split> {
    let l2 = bounds.l2 + bounds.cat_l2;
    let parent = leaf.score(bounds.l2) + bounds.gain;
    let mut left = Sums::default();
    let mut left_bins = [0; 4];
    let mut group = 0.0;
    let mut best: Option<Split> = None;
    for candidate in candidates.take(bounds.max_cat_threshold.min(count.div_ceil(2))) {
        set(&mut left_bins, candidate.bin);
        left.g += candidate.sums.g;
        left.h += candidate.sums.h;
        left.rows += candidate.sums.rows;
        group += candidate.sums.rows;
        if !bounds.admit(left) {
            continue;
        }
        let right = leaf.minus(left);
        if !bounds.admit(right) || right.rows < bounds.min_data_per_group {
            break;
        }
        if group < bounds.min_data_per_group {
            continue;
        }
        group = 0.0;
        let gain = left.score(l2) + right.score(l2) - parent;
        if gain > best.as_ref().map_or(0.0, |best| best.gain) {
            best = Some(Split { feature, rule: Rule::Set, left_bins, gain, left, right, l2 });
        }
    }
    best
}
