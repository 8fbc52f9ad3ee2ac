//! Metrics of one window, each with its standard error.
//!
//! | metric | standard error |
//! |---|---|
//! | `roc_auc` | DeLong, DeLong and Clarke-Pearson (1988): √(s²(V₁₀)/p + s²(V₀₁)/n), V₁₀ each positive's share of negatives below it, V₀₁ each negative's share of positives above it, ties half |
//! | `accuracy` a | binomial: √(a(1−a)/N) |
//! | `log_loss`, `brier`, `mae`, gap | of a mean: s/√N |
//! | `rmse` | of the mean squared error, by the delta method: se(MSE) / (2 RMSE) |
//! | `f1` F | of a ratio of sums, linearised: √((2−2F)² TP + F² (FP+FN)) / (2TP+FP+FN) |
//! | `r2` | of a ratio of sums, linearised: √Σ(e² − (1−R²)(y−ȳ)²)² / Σ(y−ȳ)² |
//!
//! The linearised variance of a ratio of sums is that of Cochran, *Sampling
//! Techniques* (1977), §2.11.

use modelyard_sdk::stats::{self, Counts, regression};

use crate::window::{Pairs, Window};

/// A measured value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The metric.
    pub name: &'static str,
    /// Its value.
    pub value: f64,
    /// Its standard error.
    pub error: f64,
    /// Whether more is better.
    pub higher_is_better: bool,
}

/// The gap between what is predicted and what happens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gap {
    /// Mean prediction.
    pub predicted: f64,
    /// Mean truth: for classes the share of positives.
    pub observed: f64,
    /// Standard error of their difference.
    pub error: f64,
    /// Population standard deviation of the truth.
    pub spread: f64,
}

impl Gap {
    /// Mean prediction − mean truth.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.predicted - self.observed
    }
}

/// Every metric of the window that is defined on it.
#[must_use]
pub fn metrics(window: &Window, threshold: f64) -> Vec<Estimate> {
    match &window.pairs {
        Pairs::Binary { scores, positive } => binary(scores, positive, threshold),
        Pairs::Multiclass { right } => accuracy(*right, window.labelled).into_iter().collect(),
        Pairs::Regression { truth, predicted } => numbers(truth, predicted),
    }
}

/// The gap of the window; none without rows or for more than two classes.
#[must_use]
pub fn gap(window: &Window) -> Option<Gap> {
    let flags: Vec<f64>;
    let (truth, predicted) = match &window.pairs {
        Pairs::Binary { scores, positive } => {
            flags = positive.iter().map(|p| f64::from(u8::from(*p))).collect();
            (&flags, scores)
        }
        Pairs::Regression { truth, predicted } => (truth, predicted),
        Pairs::Multiclass { .. } => return None,
    };
    let differences: Vec<f64> = predicted.iter().zip(truth).map(|(p, t)| p - t).collect();
    Some(Gap {
        predicted: stats::mean(predicted)?,
        observed: stats::mean(truth)?,
        error: error_of_mean(&differences)?,
        spread: stats::std_dev(truth, 0)?,
    })
}

fn error_of_mean(values: &[f64]) -> Option<f64> {
    Some(stats::std_dev(values, 1)? / (values.len() as f64).sqrt())
}

fn accuracy(right: u64, rows: u64) -> Option<Estimate> {
    let value = (rows > 0).then(|| right as f64 / rows as f64)?;
    let error = (value * (1.0 - value) / rows as f64).sqrt();
    Some(Estimate { name: "accuracy", value, error, higher_is_better: true })
}

fn binary(scores: &[f64], positive: &[bool], threshold: f64) -> Vec<Estimate> {
    let lower = |name, value: Option<f64>, error: Option<f64>| {
        Some(Estimate { name, value: value?, error: error?, higher_is_better: false })
    };
    let rows = || scores.iter().zip(positive);
    let losses: Vec<f64> = rows()
        .map(|(score, positive)| {
            let p = score.clamp(f64::EPSILON, 1.0 - f64::EPSILON);
            -(if *positive { p } else { 1.0 - p }).ln()
        })
        .collect();
    let squares: Vec<f64> =
        rows().map(|(score, positive)| (score - f64::from(u8::from(*positive))).powi(2)).collect();
    let counts = Counts::at(scores, positive, threshold).unwrap_or_default();
    [
        area(scores, positive),
        lower("log_loss", stats::log_loss(scores, positive), error_of_mean(&losses)),
        lower("brier", stats::brier(scores, positive), error_of_mean(&squares)),
        accuracy(counts.true_positive + counts.true_negative, counts.rows()),
        f1(&counts),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn area(scores: &[f64], positive: &[bool]) -> Option<Estimate> {
    let value = stats::roc_auc(scores, positive, None)?;
    let error = de_long(scores, positive)?;
    Some(Estimate { name: "roc_auc", value, error, higher_is_better: true })
}

/// The standard error of the area under the ROC curve (DeLong et al., 1988),
/// from one sort. `None` with fewer than two rows of a class.
#[must_use]
pub fn de_long(scores: &[f64], positive: &[bool]) -> Option<f64> {
    let mut rows: Vec<(f64, bool)> = scores.iter().copied().zip(positive.iter().copied()).collect();
    rows.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let positives = rows.iter().filter(|r| r.1).count() as f64;
    let negatives = rows.len() as f64 - positives;
    let (mut above, mut below) = (Vec::new(), Vec::new());
    let (mut positives_before, mut negatives_before) = (0.0, 0.0);
    // Rows of one score; `==` and not bits: 0.0 and −0.0 are one score.
    for tie in rows.chunk_by(|a, b| a.0 == b.0) {
        let here = tie.iter().filter(|r| r.1).count() as f64;
        let others = tie.len() as f64 - here;
        let for_positive = (negatives_before + others / 2.0) / negatives;
        let for_negative = 1.0 - (positives_before + here / 2.0) / positives;
        for row in tie {
            if row.1 {
                below.push(for_positive);
            } else {
                above.push(for_negative);
            }
        }
        positives_before += here;
        negatives_before += others;
    }
    Some((stats::variance(&below, 1)? / positives + stats::variance(&above, 1)? / negatives).sqrt())
}

fn f1(counts: &Counts) -> Option<Estimate> {
    let value = counts.f1()?;
    let hits = counts.true_positive as f64;
    let misses = (counts.false_positive + counts.false_negative) as f64;
    let error = ((2.0 - 2.0 * value).powi(2) * hits + value * value * misses).sqrt() / (2.0 * hits + misses);
    Some(Estimate { name: "f1", value, error, higher_is_better: true })
}

fn numbers(truth: &[f64], predicted: &[f64]) -> Vec<Estimate> {
    let errors: Vec<f64> = truth.iter().zip(predicted).map(|(t, p)| t - p).collect();
    let squares: Vec<f64> = errors.iter().map(|e| e * e).collect();
    let absolute: Vec<f64> = errors.iter().map(|e| e.abs()).collect();
    let rmse = || {
        let value = regression::rmse(truth, predicted)?;
        let error = if value == 0.0 { 0.0 } else { error_of_mean(&squares)? / (2.0 * value) };
        Some(Estimate { name: "rmse", value, error, higher_is_better: false })
    };
    let mae = || {
        let value = regression::mae(truth, predicted)?;
        Some(Estimate { name: "mae", value, error: error_of_mean(&absolute)?, higher_is_better: false })
    };
    let r2 = || {
        let value = regression::r2(truth, predicted)?;
        let centre = stats::mean(truth)?;
        let spread: Vec<f64> = truth.iter().map(|t| (t - centre).powi(2)).collect();
        let parts = squares.iter().zip(&spread).map(|(e, s)| (e - (1.0 - value) * s).powi(2));
        let error = parts.sum::<f64>().sqrt() / spread.iter().sum::<f64>();
        Some(Estimate { name: "r2", value, error, higher_is_better: true })
    };
    [rmse(), mae(), r2()].into_iter().flatten().collect()
}

/// The `p`-quantile of the standard normal distribution, 0.5 ≤ p < 1, by
/// Acklam's rational approximation (2003), relative error below 1.2e-9.
#[must_use]
pub fn normal_quantile(p: f64) -> f64 {
    let polynomial = |coefficients: &[f64], x: f64| coefficients.iter().fold(0.0, |sum, c| sum * x + c);
    if p <= 0.975_75 {
        const A: [f64; 6] = [
            -39.696_830_286_653_76,
            220.946_098_424_520_5,
            -275.928_510_446_968_7,
            138.357_751_867_269,
            -30.664_798_066_147_16,
            2.506_628_277_459_239,
        ];
        const B: [f64; 6] = [
            -54.476_098_798_224_06,
            161.585_836_858_040_9,
            -155.698_979_859_886_6,
            66.801_311_887_719_72,
            -13.280_681_552_885_72,
            1.0,
        ];
        let q = p - 0.5;
        return polynomial(&A, q * q) * q / polynomial(&B, q * q);
    }
    const C: [f64; 6] = [
        -0.007_784_894_002_430_293,
        -0.322_396_458_041_136_5,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 5] = [
        0.007_784_695_709_041_462,
        0.322_467_129_070_039_8,
        2.445_134_137_142_996,
        3.754_408_661_907_416,
        1.0,
    ];
    let q = (-2.0 * (1.0 - p).ln()).sqrt();
    -polynomial(&C, q) / polynomial(&D, q)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_the_normal_distribution() {
        for (p, z) in [(0.5, 0.0), (0.95, 1.644_853_627), (0.975, 1.959_963_985), (0.999, 3.090_232_306)] {
            assert!((normal_quantile(p) - z).abs() < 1e-8, "{p}");
        }
    }

    // Shares below the positives: 1/2 and 1; above the negatives: 1 and 1/2.
    #[test]
    fn the_standard_error_of_an_area() {
        let positive = [false, false, true, true];
        let error = de_long(&[0.1, 0.4, 0.35, 0.8], &positive).unwrap();
        assert!((error - 0.125_f64.sqrt()).abs() < 1e-15);
        assert_eq!(de_long(&[0.5; 4], &positive), Some(0.0));
        assert_eq!(de_long(&[0.1, 0.2, 0.3, 0.4], &[false, true, true, true]), None);
        assert_eq!(de_long(&[], &[]), None);
    }

    // A bootstrap of 4,000 samples gives the same error within 10 %.
    #[test]
    fn linearised_errors_match_a_bootstrap() {
        let mut state = 42_u64;
        let mut uniform = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        let truth: Vec<f64> = (0..400).map(|_| uniform() * 10.0).collect();
        let predicted: Vec<f64> = truth.iter().map(|t| t + uniform() * 4.0 - 2.0).collect();
        let positive: Vec<bool> = truth.iter().map(|t| *t > 6.0).collect();
        let scores: Vec<f64> = predicted.iter().map(|p| (p / 10.0).clamp(0.0, 1.0)).collect();
        let both = |rows: &[usize]| {
            let pick = |values: &[f64]| rows.iter().map(|r| values[*r]).collect::<Vec<_>>();
            let flags: Vec<bool> = rows.iter().map(|r| positive[*r]).collect();
            let mut all = numbers(&pick(&truth), &pick(&predicted));
            all.extend(binary(&pick(&scores), &flags, 0.5));
            all
        };
        let whole = both(&(0..400).collect::<Vec<_>>());
        assert_eq!(whole.len(), 8);
        let samples: Vec<Vec<Estimate>> = (0..4000)
            .map(|_| both(&(0..400).map(|_| (uniform() * 400.0) as usize).collect::<Vec<_>>()))
            .collect();
        for (i, estimate) in whole.iter().enumerate() {
            let values: Vec<f64> = samples.iter().map(|s| s[i].value).collect();
            let deviation = stats::std_dev(&values, 1).unwrap();
            let ratio = estimate.error / deviation;
            assert!((ratio - 1.0).abs() < 0.1, "{}: {ratio}", estimate.name);
        }
    }
}
