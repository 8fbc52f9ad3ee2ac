//! Whether a difference between two models on the same rows is more than chance.
//!
//! - [`bootstrap`]: Efron, Tibshirani: *An Introduction to the Bootstrap*, 1993,
//!   chapter 13: rows are drawn with replacement, both models are measured on the
//!   same draw (paired), and the percentiles α/2 and 1−α/2 of the differences are
//!   the interval. Percentiles between two differences are interpolated linearly,
//!   as NumPy and SciPy do.
//! - [`mcnemar`]: McNemar: *Note on the sampling error of the difference between
//!   correlated proportions or percentages*, Psychometrika 1947: of the rows that
//!   exactly one of two classifiers gets right, b by the first and c by the
//!   second, half would be expected on each side. (b−c)²/(b+c) is χ² with one
//!   degree of freedom; with fewer than 25 such rows the binomial distribution
//!   itself is used, two-sided. No continuity correction.

use rand::{Rng, SeedableRng, rngs::StdRng};

/// Fewer rows than this on which two classifiers disagree are tested exactly.
pub(super) const EXACT_BELOW: u64 = 25;

/// What a bootstrap gives.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Interval {
    /// The metric of the first and of the second, on all rows.
    pub(super) values: (f64, f64),
    /// The lower end for first − second.
    pub(super) low: f64,
    /// The upper end.
    pub(super) high: f64,
    /// Draws on which the metric was defined for both.
    pub(super) draws: usize,
}

/// A percentile interval of the difference first − second of a metric of two
/// models. `measure` is given how often each row was drawn and gives the metric
/// of both; none where it is not defined, as an AUC of one class: such draws are
/// left out. The same seed gives the same interval on any machine.
///
/// None if there are no rows or the metric is not defined on all of them, or on
/// fewer than half of the draws.
pub(super) fn bootstrap(
    rows: usize,
    draws: usize,
    confidence: f64,
    seed: u64,
    measure: impl Fn(&[u32]) -> Option<(f64, f64)> + Sync,
) -> Option<Interval> {
    if rows == 0 {
        return None;
    }
    let values = measure(&vec![1; rows])?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from).min(draws.max(1));
    let some = |of: usize| -> Vec<f64> {
        let mut counts = vec![0_u32; rows];
        let mut found = Vec::new();
        // Each draw has a generator of its own: who does it doesn't matter.
        for draw in (of..draws).step_by(cores) {
            let mut rng = StdRng::seed_from_u64(seed.wrapping_add((draw as u64).wrapping_mul(GOLDEN)));
            counts.fill(0);
            for _ in 0..rows {
                if let Some(count) = counts.get_mut(rng.random_range(0..rows)) {
                    *count += 1;
                }
            }
            found.extend(measure(&counts).map(|(left, right)| left - right));
        }
        found
    };
    let mut differences: Vec<f64> = std::thread::scope(|scope| {
        let some = &some;
        let workers: Vec<_> = (0..cores).map(|of| scope.spawn(move || some(of))).collect();
        workers.into_iter().map(|worker| worker.join().unwrap_or_default()).collect::<Vec<_>>().concat()
    });
    differences.sort_by(f64::total_cmp);
    if differences.len() * 2 < draws.max(1) {
        return None;
    }
    let tail = (1.0 - confidence) / 2.0;
    let (low, high) = (percentile(&differences, tail)?, percentile(&differences, 1.0 - tail)?);
    Some(Interval { values, low, high, draws: differences.len() })
}

/// 2⁶⁴ over the golden ratio: neighbouring draws get far-apart seeds.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The value below which a share of the sorted values lies, interpolated.
fn percentile(sorted: &[f64], share: f64) -> Option<f64> {
    let at = share.clamp(0.0, 1.0) * (sorted.len().checked_sub(1)?) as f64;
    let (below, above) = (sorted.get(at.floor() as usize)?, sorted.get(at.ceil() as usize)?);
    Some(below + (above - below) * at.fract())
}

/// What McNemar's test gives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct McNemar {
    /// (b−c)²/(b+c); of the exact test the smaller of b and c.
    pub(super) statistic: f64,
    /// The chance of a difference at least as great if both are equally good.
    pub(super) p_value: f64,
    /// Whether the binomial distribution was used.
    pub(super) exact: bool,
}

/// McNemar's test: `first_only` rows only the first classifier got right,
/// `second_only` only the second.
pub(super) fn mcnemar(first_only: u64, second_only: u64) -> McNemar {
    let (few, all) = (first_only.min(second_only), first_only + second_only);
    if all < EXACT_BELOW {
        // P(X ≤ few) of a fair coin thrown `all` times, term by term.
        let mut term = 0.5_f64.powi(all as i32);
        let mut below = 0.0;
        for k in 0..=few {
            below += term;
            term *= (all - k) as f64 / (k + 1) as f64;
        }
        return McNemar { statistic: few as f64, p_value: (2.0 * below).min(1.0), exact: true };
    }
    let difference = first_only.abs_diff(second_only) as f64;
    let statistic = difference * difference / all as f64;
    // The upper tail of χ² with one degree of freedom.
    McNemar { statistic, p_value: libm::erfc((statistic / 2.0).sqrt()), exact: false }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::Value;

    use super::{
        super::paired::{Metric, Said},
        *,
    };

    fn reference() -> Value {
        serde_json::from_str(include_str!("../../../tests/data/significance.json")).unwrap()
    }

    fn numbers(value: &Value) -> Vec<f64> {
        serde_json::from_value(value.clone()).unwrap()
    }

    #[test]
    fn intervals_are_those_of_scipy_on_the_same_draws() {
        let reference = reference();
        let close = |ours: f64, theirs: &Value| {
            assert!((ours - theirs.as_f64().unwrap()).abs() < 1e-12, "{ours}, not {theirs}");
        };
        let said = |which: &str| -> BTreeMap<&str, Metric> {
            let truth: Vec<bool> = serde_json::from_value(reference["binary"]["truth"].clone()).unwrap();
            let mut metrics =
                Said::Binary { truth, probability: numbers(&reference["binary"][which]) }.metrics();
            let regression = &reference["regression"];
            let (truth, predicted) = (numbers(&regression["truth"]), numbers(&regression[which]));
            metrics.append(&mut Said::Regression { truth, predicted }.metrics());
            metrics
        };
        let (left, right) = (said("left"), said("right"));
        let draws: Vec<Vec<u32>> = reference["draws"]
            .as_array()
            .unwrap()
            .iter()
            .map(|draw| draw.as_str().unwrap().chars().map(|digit| digit.to_digit(10).unwrap()).collect())
            .collect();
        for (name, expected) in reference["bootstrap"].as_object().unwrap() {
            let difference =
                |counts: &[u32]| left[&**name].on(counts).unwrap() - right[&**name].on(counts).unwrap();
            close(difference(&[1; 40]), &expected["difference"]);
            let mut found: Vec<f64> = draws.iter().map(|counts| difference(counts)).collect();
            found.sort_by(f64::total_cmp);
            let tail = (1.0 - reference["confidence"].as_f64().unwrap()) / 2.0;
            close(percentile(&found, tail).unwrap(), &expected["low"]);
            close(percentile(&found, 1.0 - tail).unwrap(), &expected["high"]);
        }
    }

    #[test]
    fn mcnemar_is_that_of_statsmodels() {
        for expected in reference()["mcnemar"].as_array().unwrap() {
            let count = |which: &str| expected[which].as_u64().unwrap();
            let found = mcnemar(count("first_only"), count("second_only"));
            let (statistic, p) =
                (expected["statistic"].as_f64().unwrap(), expected["p_value"].as_f64().unwrap());
            assert_eq!(found.exact, expected["exact"].as_bool().unwrap(), "{expected}");
            assert!((found.statistic - statistic).abs() < 1e-12, "{found:?}, not {expected}");
            assert!((found.p_value - p).abs() <= 1e-10 * p, "{found:?}, not {expected}");
        }
    }

    #[test]
    fn a_seed_gives_one_interval_and_covers_the_difference() {
        let values: Vec<f64> = (0..500).map(|row| f64::from(row * 37 % 101) / 101.0).collect();
        let mean = |counts: &[u32]| {
            let sum: f64 = values.iter().zip(counts).map(|(value, count)| value * f64::from(*count)).sum();
            Some((sum / 500.0, 0.0))
        };
        let ask = |seed| bootstrap(500, 1000, 0.95, seed, mean).unwrap();
        let interval = ask(1);
        assert_eq!(interval, ask(1));
        assert_ne!(interval, ask(2));
        // The mean's standard error is 0.0130, so the interval is about ±0.0255.
        assert!(interval.low < interval.values.0 && interval.values.0 < interval.high);
        assert!((interval.high - interval.low - 0.0511).abs() < 0.005, "{interval:?}");
        assert!(bootstrap(0, 100, 0.95, 1, mean).is_none());
        assert!(bootstrap(500, 100, 0.95, 1, |_| None).is_none());
    }

    proptest! {
        #[test]
        fn mcnemar_knows_no_first_and_second(b in 0_u64..200, c in 0_u64..200) {
            let (one, other) = (mcnemar(b, c), mcnemar(c, b));
            prop_assert_eq!(one, other);
            prop_assert!((0.0..=1.0).contains(&one.p_value));
            prop_assert!(b != c || one.p_value > 0.999_999);
        }
    }
}
