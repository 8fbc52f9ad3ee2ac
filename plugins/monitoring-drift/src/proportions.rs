//! Tests of counts by category.

use crate::special::{chi_square_sf, normal_two_sided};

/// A test's statistic and its p-value. The statistic is infinite where a
/// category occurs in the current window alone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Test {
    /// χ² or z.
    pub statistic: f64,
    /// The chance of a statistic at least as far out without drift.
    pub p_value: f64,
}

/// Pearson's chi-square of the current counts against the reference's, scaled
/// to the current rows; one degree of freedom less than categories. As in
/// Evidently, the reference's shares are taken as exact. `None` when a side is
/// empty.
#[must_use]
pub fn chi_square(counts: &[(u64, u64)]) -> Option<Test> {
    let n: u64 = counts.iter().map(|c| c.0).sum();
    let m: u64 = counts.iter().map(|c| c.1).sum();
    if n == 0 || m == 0 {
        return None;
    }
    let scale = m as f64 / n as f64;
    let statistic: f64 = counts
        .iter()
        .filter(|c| **c != (0, 0))
        .map(|(reference, current)| {
            let expected = *reference as f64 * scale;
            (*current as f64 - expected).powi(2) / expected
        })
        .sum();
    let df = counts.iter().filter(|c| **c != (0, 0)).count() as f64 - 1.0;
    let p_value = if df < 1.0 { 1.0 } else { chi_square_sf(statistic, df) };
    Some(Test { statistic, p_value })
}

/// The two-proportion z-test with a pooled variance, on the share of the second
/// of at most two categories. `None` when a side is empty or there are more.
#[must_use]
pub fn two_proportions(counts: &[(u64, u64)]) -> Option<Test> {
    let n: u64 = counts.iter().map(|c| c.0).sum();
    let m: u64 = counts.iter().map(|c| c.1).sum();
    if n == 0 || m == 0 || counts.len() > 2 {
        return None;
    }
    let (a, b) = counts.get(1).copied().unwrap_or((0, 0));
    let (n, m, a, b) = (n as f64, m as f64, a as f64, b as f64);
    let pooled = (a + b) / (n + m);
    let error = (pooled * (1.0 - pooled) * (1.0 / n + 1.0 / m)).sqrt();
    if error == 0.0 {
        return Some(Test { statistic: 0.0, p_value: 1.0 });
    }
    let statistic = (a / n - b / m) / error;
    Some(Test { statistic, p_value: normal_two_sided(statistic) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_category_cannot_be_chance() {
        let test = chi_square(&[(50, 49), (50, 50), (0, 1)]).unwrap();
        assert_eq!((test.statistic, test.p_value), (f64::INFINITY, 0.0));
    }

    #[test]
    fn one_category_does_not_drift() {
        assert_eq!(chi_square(&[(5, 9)]).unwrap().p_value, 1.0);
        assert_eq!(two_proportions(&[(5, 9)]).unwrap().p_value, 1.0);
    }

    #[test]
    fn what_is_not_defined_is_none() {
        assert_eq!(chi_square(&[(0, 9)]), None);
        assert_eq!(two_proportions(&[(9, 0)]), None);
        assert_eq!(two_proportions(&[(1, 1), (1, 1), (1, 1)]), None);
    }
}
