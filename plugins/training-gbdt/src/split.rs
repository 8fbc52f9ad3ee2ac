//! The best split of a leaf.
//!
//! With G and H the sums of first and second derivatives on a side and λ the
//! L2 regularisation, a split gains G²ₗ/(Hₗ+λ) + G²ᵣ/(Hᵣ+λ) − G²/(H+λ) (Chen and
//! Guestrin, 2016), and a side answers −G/(H+λ).

use crate::bins::MISSING;
use crate::histogram::Cell;
use crate::params::Parameters;

/// Sums over the rows of a leaf or of a side.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sums {
    /// First derivatives.
    pub g: f64,
    /// Second derivatives.
    pub h: f64,
    /// Rows. Of a side it is estimated from `h`, as LightGBM does, until the
    /// rows are parted.
    pub rows: f64,
}

impl Sums {
    pub(crate) fn minus(self, other: Self) -> Self {
        Self { g: self.g - other.g, h: self.h - other.h, rows: self.rows - other.rows }
    }

    pub(crate) fn add(&mut self, cell: Cell, rows_per_h: f64) {
        self.g += cell[0];
        self.h += cell[1];
        self.rows += cell[1] * rows_per_h;
    }

    /// What the sums are worth together.
    #[must_use]
    pub fn score(self, l2: f64) -> f64 {
        let divisor = self.h + l2;
        if divisor > 0.0 { self.g * self.g / divisor } else { 0.0 }
    }

    /// What they answer.
    #[must_use]
    pub fn output(self, l2: f64) -> f64 {
        let divisor = self.h + l2;
        if divisor > 0.0 { -self.g / divisor } else { 0.0 }
    }
}

/// What a split looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Bins up to this one go left.
    UpTo(u8),
    /// A set of bins goes left.
    Set,
}

/// A way to split a leaf.
#[derive(Clone, Copy, Debug)]
pub struct Split {
    /// The column.
    pub feature: usize,
    /// How it was found.
    pub rule: Rule,
    /// Bit `bin % 64` of word `bin / 64`: whether the bin goes left.
    pub left_bins: [u64; 4],
    /// How much the loss falls, doubled.
    pub gain: f64,
    /// The left side.
    pub left: Sums,
    /// The right side.
    pub right: Sums,
    /// The L2 regularisation of both sides' answers.
    pub l2: f64,
}

impl Split {
    /// Whether a bin goes left.
    #[inline]
    #[must_use]
    pub fn goes_left(&self, bin: u8) -> bool {
        let word = self.left_bins.get(usize::from(bin >> 6)).copied().unwrap_or_default();
        word >> (bin & 63) & 1 == 1
    }
}

/// The bounds that a split keeps.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The fewest rows of a side.
    pub rows: f64,
    /// The least sum of second derivatives of a side.
    pub hessian: f64,
    /// The least gain.
    pub gain: f64,
    /// L2 regularisation.
    pub l2: f64,
    /// For categories, as in [`Parameters`].
    pub cat_smooth: f64,
    /// For categories, as in [`Parameters`].
    pub cat_l2: f64,
    /// For categories, as in [`Parameters`].
    pub max_cat_threshold: usize,
    /// For categories, as in [`Parameters`].
    pub min_data_per_group: f64,
}

impl From<&Parameters> for Bounds {
    fn from(parameters: &Parameters) -> Self {
        Self {
            rows: f64::from(parameters.min_data_in_leaf),
            hessian: parameters.min_hessian_in_leaf,
            gain: parameters.min_gain,
            l2: parameters.lambda_l2,
            cat_smooth: parameters.cat_smooth,
            cat_l2: parameters.cat_l2,
            max_cat_threshold: parameters.max_cat_threshold as usize,
            min_data_per_group: f64::from(parameters.min_data_per_group),
        }
    }
}

impl Bounds {
    pub(crate) fn admit(&self, side: Sums) -> bool {
        // Half a row of slack: the count is estimated.
        side.rows + 0.5 >= self.rows && side.h >= self.hessian && side.h > 0.0
    }
}

/// The best split of a column of numbers: every threshold, with the missing
/// values on either side.
#[must_use]
pub fn numbers(feature: usize, cells: &[Cell], leaf: Sums, bounds: &Bounds) -> Option<Split> {
    let rows_per_h = if leaf.h > 0.0 { leaf.rows / leaf.h } else { return None };
    let mut missing = Sums::default();
    missing.add(cells.first().copied().unwrap_or_default(), rows_per_h);
    let some_missing = missing.rows >= 0.5;
    let parent = leaf.score(bounds.l2) + bounds.gain;
    let mut best: Option<(f64, u8, bool, Sums)> = None;
    for missing_left in [false, true] {
        if missing_left && !some_missing {
            break;
        }
        let mut left = if missing_left { missing } else { Sums::default() };
        // The last threshold parts all numbers from the missing values.
        let last = cells.len() - usize::from(!some_missing || missing_left);
        for (bin, cell) in cells.iter().enumerate().take(last).skip(1) {
            left.add(*cell, rows_per_h);
            if left.rows + 0.5 < bounds.rows || left.h < bounds.hessian {
                continue;
            }
            let right = leaf.minus(left);
            if !bounds.admit(right) {
                break;
            }
            let gain = left.score(bounds.l2) + right.score(bounds.l2) - parent;
            if gain > best.map_or(0.0, |best| best.0) {
                best = Some((gain, bin as u8, missing_left, left));
            }
        }
    }
    let (gain, bin, missing_left, left) = best?;
    let right = leaf.minus(left);
    let missing_left = if some_missing { missing_left } else { left.rows >= right.rows };
    let mut left_bins = [0; 4];
    (1..=bin).for_each(|bin| set(&mut left_bins, bin));
    if missing_left {
        set(&mut left_bins, MISSING);
    }
    Some(Split { feature, rule: Rule::UpTo(bin), left_bins, gain, left, right, l2: bounds.l2 })
}

pub(crate) fn set(bins: &mut [u64; 4], bin: u8) {
    if let Some(word) = bins.get_mut(usize::from(bin >> 6)) {
        *word |= 1 << (bin & 63);
    }
}
