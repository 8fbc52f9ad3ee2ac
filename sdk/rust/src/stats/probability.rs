//! How good probabilities are.

/// Logarithmic loss of the positive class's probabilities, in nats:
/// −mean(y ln p + (1−y) ln(1−p)), p kept within the machine epsilon of 0 and 1
/// as scikit-learn does. `None` for no rows or a p outside 0..=1.
#[must_use]
pub fn log_loss(probability: &[f64], positive: &[bool]) -> Option<f64> {
    if !probabilities(probability, positive.len()) {
        return None;
    }
    let mut sum = 0.0;
    for (p, y) in probability.iter().zip(positive) {
        sum -= if *y { clip(*p).ln() } else { clip(1.0 - p).ln() };
    }
    Some(sum / probability.len() as f64)
}

/// Logarithmic loss of `classes` probabilities per row, row-major; `truth` is
/// the index of the true class. Rows are divided by their sum first. `None` for
/// no rows, an index out of range, a negative or NaN probability, or a row that
/// sums to zero.
#[must_use]
pub fn multiclass_log_loss(probability: &[f64], classes: usize, truth: &[usize]) -> Option<f64> {
    let fits = truth.len().checked_mul(classes) == Some(probability.len());
    if truth.is_empty() || classes == 0 || !fits {
        return None;
    }
    let mut sum = 0.0;
    for (row, class) in probability.chunks_exact(classes).zip(truth) {
        let total: f64 = row.iter().sum();
        // Written so that a NaN is refused as well.
        let valid = total > 0.0 && total.is_finite() && row.iter().all(|p| *p >= 0.0);
        if !valid {
            return None;
        }
        sum -= clip(row.get(*class)? / total).ln();
    }
    Some(sum / truth.len() as f64)
}

/// Brier score: mean((p − y)²), 0 is best. `None` for no rows or a p outside
/// 0..=1.
#[must_use]
pub fn brier(probability: &[f64], positive: &[bool]) -> Option<f64> {
    if !probabilities(probability, positive.len()) {
        return None;
    }
    let error = |(p, y): (&f64, &bool)| (p - f64::from(u8::from(*y))).powi(2);
    let sum: f64 = probability.iter().zip(positive).map(error).sum();
    Some(sum / probability.len() as f64)
}

/// A bin of a calibration curve that has rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bin {
    /// The mean probability of its rows.
    pub predicted: f64,
    /// The share of positives among them.
    pub observed: f64,
    /// How many rows it has.
    pub rows: u64,
}

/// The calibration curve over `bins` bins of equal width; empty bins are left
/// out. A probability on an inner edge falls into the lower bin, as in
/// scikit-learn's `calibration_curve`. `None` as for [`brier`], or for no bins.
#[must_use]
pub fn calibration(probability: &[f64], positive: &[bool], bins: usize) -> Option<Vec<Bin>> {
    if !probabilities(probability, positive.len()) || bins == 0 || bins > 10_000 {
        return None;
    }
    // The edges of numpy.linspace(0, 1, bins + 1), without the outer ones.
    let step = 1.0 / bins as f64;
    let edges: Vec<f64> = (1..bins).map(|i| i as f64 * step).collect();
    let mut sums = vec![(0.0, 0.0, 0_u64); bins];
    for (p, y) in probability.iter().zip(positive) {
        let sum = &mut sums[edges.partition_point(|edge| edge < p)];
        sum.0 += p;
        sum.1 += f64::from(u8::from(*y));
        sum.2 += 1;
    }
    let bin = |(predicted, observed, rows): (f64, f64, u64)| Bin {
        predicted: predicted / rows as f64,
        observed: observed / rows as f64,
        rows,
    };
    Some(sums.into_iter().filter(|sum| sum.2 > 0).map(bin).collect())
}

/// Expected calibration error: Σ (rows of the bin / rows) · |observed −
/// predicted| (Naeini et al., 2015). `None` for no rows.
#[must_use]
pub fn expected_calibration_error(curve: &[Bin]) -> Option<f64> {
    let rows: u64 = curve.iter().map(|bin| bin.rows).sum();
    let error = |bin: &Bin| bin.rows as f64 * (bin.observed - bin.predicted).abs();
    (rows > 0).then(|| curve.iter().map(error).sum::<f64>() / rows as f64)
}

fn probabilities(values: &[f64], rows: usize) -> bool {
    rows > 0 && values.len() == rows && values.iter().all(|p| (0.0..=1.0).contains(p))
}

fn clip(p: f64) -> f64 {
    p.clamp(f64::EPSILON, 1.0 - f64::EPSILON)
}
