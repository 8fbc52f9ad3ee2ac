//! Cross-validation that doesn't look ahead: an expanding window by event time.
//!
//! The rows that are not held out as test rows are ordered by time and cut into
//! `count` + 1 blocks of about equal rows. Fold i is trained on the blocks before
//! block i and validated on block i, i = 1 … count: time-series cross-validation
//! with an expanding window (Hyndman, Athanasopoulos: *Forecasting: Principles
//! and Practice*, 3rd edition 2021, section 5.10; scikit-learn's
//! `TimeSeriesSplit`). Rows of one moment are never parted. A gap before each
//! validation block leaves out rows whose outcome was not known yet.

use crate::{Error, Result};

/// One fold, in microseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::experiments) struct Fold {
    /// Trained on rows before this moment.
    pub(in crate::experiments) train_before: i64,
    /// Validated on rows at or after this moment …
    pub(in crate::experiments) from: i64,
    /// … and before this one; none: to the end.
    pub(in crate::experiments) before: Option<i64>,
}

impl Fold {
    /// Whether a row of this moment is trained on (0), validated on (1), or
    /// left out.
    pub(in crate::experiments) fn part(&self, at: i64) -> Option<u8> {
        match at {
            at if at < self.train_before => Some(0),
            at if at >= self.from && self.before.is_none_or(|before| at < before) => Some(1),
            _ => None,
        }
    }
}

/// The folds over rows of these times, in any order.
///
/// # Errors
/// Too few different times, or a gap that leaves nothing to train on.
pub(in crate::experiments) fn expanding(mut times: Vec<i64>, count: u32, gap: i64) -> Result<Vec<Fold>> {
    times.sort_unstable();
    let blocks = count as usize + 1;
    let starts: Vec<i64> = (1..blocks)
        .filter_map(|block| times.get((times.len() as u128 * block as u128 / blocks as u128) as usize))
        .copied()
        .collect();
    let rises = starts.windows(2).all(|pair| pair.first() < pair.last());
    let begins = times.first().is_some_and(|first| starts.first().is_some_and(|start| first < start));
    if starts.len() + 1 < blocks || !rises || !begins {
        return Err(Error::field(
            "folds.count",
            format!(
                "{} rows can't be cut into {blocks} blocks of different times; ask for fewer folds",
                times.len()
            ),
        ));
    }
    let folds: Vec<Fold> = starts
        .iter()
        .enumerate()
        .map(|(at, from)| Fold {
            train_before: from.saturating_sub(gap.max(0)),
            from: *from,
            before: starts.get(at + 1).copied(),
        })
        .collect();
    let first = times.first().copied().unwrap_or_default();
    if folds.first().is_some_and(|fold| fold.train_before <= first) {
        return Err(Error::field(
            "folds.gap_seconds",
            "the gap leaves no row to train the first fold on; make it shorter, or ask for fewer folds",
        ));
    }
    Ok(folds)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn twelve_rows_in_three_folds() {
        let folds = expanding((0..12).collect(), 3, 0).unwrap();
        let cuts: Vec<_> = folds.iter().map(|fold| (fold.train_before, fold.from, fold.before)).collect();
        assert_eq!(cuts, [(3, 3, Some(6)), (6, 6, Some(9)), (9, 9, None)]);
        let folds = expanding((0..12).collect(), 3, 2).unwrap();
        assert_eq!(folds[0].part(0), Some(0));
        assert_eq!(folds[0].part(1), None);
        assert_eq!(folds[0].part(3), Some(1));
        assert_eq!(folds[0].part(6), None);
    }

    #[test]
    fn what_cannot_be_cut_is_refused() {
        assert!(expanding(vec![1, 1, 1, 1], 1, 0).is_err());
        assert!(expanding(vec![1, 2], 3, 0).is_err());
        assert!(expanding(vec![], 1, 0).is_err());
        let error = expanding((0..12).collect(), 3, 3).unwrap_err();
        assert_eq!(error.location.field.as_deref(), Some("folds.gap_seconds"));
    }

    proptest! {
        #[test]
        fn no_fold_is_trained_on_its_future(
            times in proptest::collection::vec(-500_i64..500, 2..200), count in 1_u32..8, gap in 0_i64..50,
        ) {
            let Ok(folds) = expanding(times.clone(), count, gap) else { return Ok(()) };
            prop_assert_eq!(folds.len(), count as usize);
            let mut validated = 0;
            let mut trained_before = 0;
            for fold in &folds {
                let of = |part| times.iter().filter(move |at| fold.part(**at) == Some(part));
                let (trained, checked) = (of(0).count(), of(1).count());
                prop_assert!(trained > 0 && checked > 0);
                prop_assert!(of(0).max().unwrap() + gap < *of(1).min().unwrap());
                prop_assert!(trained >= trained_before, "the window expands");
                trained_before = trained;
                validated += checked;
            }
            // Each row from the first validation block on is validated once.
            let from = times.iter().filter(|at| **at >= folds[0].from).count();
            prop_assert_eq!(validated, from);
        }
    }
}
