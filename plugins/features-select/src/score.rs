//! What a column says about a target: the scores.
#![allow(clippy::indexing_slicing)] // Codes are below their count by construction, and rows below their number.

use modelyard_sdk::prelude::*;

use crate::data::Codes;

/// The population variance of the values that are there; 0 for fewer than two.
/// Of a column of one value it is 0 whatever the rounding, as in
/// scikit-learn's `VarianceThreshold`.
pub fn variance(values: &[f64]) -> f64 {
    let there: Vec<f64> = values.iter().copied().filter(|x| x.is_finite()).collect();
    if there.iter().all(|x| Some(x) == there.first()) {
        return 0.0;
    }
    let mean = there.iter().sum::<f64>() / there.len() as f64;
    there.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / there.len() as f64
}

/// The absolute value of Pearson's correlation over the rows where both are
/// there; 0 where one of them doesn't vary.
pub fn pearson(x: &[f64], y: &[f64]) -> f64 {
    let (x, y) = both(x, y);
    correlation(&x, &y)
}

/// The absolute value of Spearman's correlation: Pearson's of the ranks, equal
/// values sharing the mean of theirs.
pub fn spearman(x: &[f64], y: &[f64]) -> f64 {
    let (x, y) = both(x, y);
    correlation(&ranks(&x), &ranks(&y))
}

fn both(x: &[f64], y: &[f64]) -> (Vec<f64>, Vec<f64>) {
    x.iter().zip(y).filter(|(x, y)| x.is_finite() && y.is_finite()).map(|(x, y)| (*x, *y)).unzip()
}

fn correlation(x: &[f64], y: &[f64]) -> f64 {
    let n = x.len() as f64;
    let (mean_x, mean_y) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (x, y) in x.iter().zip(y) {
        let (dx, dy) = (x - mean_x, y - mean_y);
        xx += dx * dx;
        yy += dy * dy;
        xy += dx * dy;
    }
    let scale = xx.sqrt() * yy.sqrt();
    // Rounding leaves a column of one value a little off its mean.
    let flat = |squares: f64, mean: f64| squares <= (n * mean * f64::EPSILON).powi(2);
    if n < 2.0 || flat(xx, mean_x) || flat(yy, mean_y) || scale.is_nan() || scale == 0.0 {
        return 0.0;
    }
    (xy / scale).abs().min(1.0)
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for tied in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let rank = before as f64 + (tied.len() as f64 + 1.0) / 2.0;
        tied.iter().for_each(|row| ranks[*row] = rank);
        before += tied.len();
    }
    ranks
}

/// Mutual information in nats, Σ p(x,y) ln(p(x,y) / (p(x) p(y))), of the codes'
/// shares (Cover and Thomas, Elements of Information Theory, eq. 2.28);
/// scikit-learn's `mutual_info_score`.
pub fn mutual_information(x: &Codes, y: &Codes) -> f64 {
    let n = x.codes.len() as f64;
    let (table, of_x, of_y) = contingency(x, y);
    let mut sum = 0.0;
    for (cell, count) in table.iter().enumerate().filter(|(_, count)| **count > 0.0) {
        let (i, j) = (cell / y.count, cell % y.count);
        sum += count / n * (count * n / (of_x[i] * of_y[j])).ln();
    }
    sum.max(0.0)
}

fn contingency(x: &Codes, y: &Codes) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let mut table = vec![0.0; x.count * y.count];
    let (mut of_x, mut of_y) = (vec![0.0; x.count], vec![0.0; y.count]);
    for (i, j) in x.codes.iter().zip(&y.codes) {
        table[i * y.count + j] += 1.0;
        of_x[*i] += 1.0;
        of_y[*j] += 1.0;
    }
    (table, of_x, of_y)
}

/// Chi-squared of a column of frequencies by class: Σ (o − e)² / e with o the
/// sum of the values in a class and e the class's share of their total;
/// scikit-learn's `chi2`. Missing values count as 0.
pub fn chi2(values: &[f64], classes: &Codes) -> f64 {
    let n = classes.codes.len() as f64;
    let (mut observed, mut shares) = (vec![0.0; classes.count], vec![0.0; classes.count]);
    for (x, class) in values.iter().zip(&classes.codes) {
        observed[*class] += if x.is_finite() { *x } else { 0.0 };
        shares[*class] += 1.0 / n;
    }
    let total: f64 = observed.iter().sum();
    if total <= 0.0 {
        return 0.0;
    }
    observed.iter().zip(&shares).map(|(o, share)| (o - share * total).powi(2) / (share * total)).sum()
}

/// Pearson's chi-squared of the contingency table of a column of categories
/// and the classes: the sum of [`chi2`] over the columns of 0 and 1 that the
/// categories would be.
pub fn chi2_categories(x: &Codes, classes: &Codes) -> f64 {
    let n = x.codes.len() as f64;
    let (table, of_x, of_y) = contingency(x, classes);
    let cells = table.iter().enumerate().map(|(cell, observed)| {
        let expected = of_x[cell / classes.count] * of_y[cell % classes.count] / n;
        if expected > 0.0 { (observed - expected).powi(2) / expected } else { 0.0 }
    });
    cells.sum()
}

/// The F statistic of a one-way analysis of variance of the column by class;
/// scikit-learn's `f_classif`. Missing values are left out; 0 for a column of
/// one value or a single class, `f64::MAX` where classes don't vary within.
pub fn anova_f(values: &[f64], classes: &Codes) -> f64 {
    let mut groups = vec![(0.0, 0.0); classes.count];
    for (x, class) in values.iter().zip(&classes.codes).filter(|(x, _)| x.is_finite()) {
        groups[*class].0 += 1.0;
        groups[*class].1 += x;
    }
    let n: f64 = groups.iter().map(|(count, _)| count).sum();
    let k = groups.iter().filter(|(count, _)| *count > 0.0).count() as f64;
    if k < 2.0 || n <= k {
        return 0.0;
    }
    let mean = groups.iter().map(|(_, sum)| sum).sum::<f64>() / n;
    let between: f64 = groups
        .iter()
        .filter(|(count, _)| *count > 0.0)
        .map(|(count, sum)| count * (sum / count - mean).powi(2))
        .sum();
    let within: f64 = values
        .iter()
        .zip(&classes.codes)
        .filter(|(x, _)| x.is_finite())
        .map(|(x, class)| (x - groups[*class].1 / groups[*class].0).powi(2))
        .sum();
    if variance(values) == 0.0 {
        return 0.0;
    }
    if within == 0.0 {
        return f64::MAX;
    }
    (between / (k - 1.0)) / (within / (n - k))
}

/// The place of a value that isn't a frequency.
pub fn negative(values: &[f64]) -> Option<usize> {
    values.iter().position(|x| *x < 0.0)
}

/// An error for a target that can't be told into classes.
pub fn too_many_classes(target: &str, count: usize, most: usize) -> Error {
    let why =
        format!("the target has {count} classes, more than {most}; is it a number? use pearson or spearman");
    Error::column(target, why)
}
