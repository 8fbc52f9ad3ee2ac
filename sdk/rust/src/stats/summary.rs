//! Means, spreads and quantiles.

/// Arithmetic mean; `None` for no values or where it is not finite.
#[must_use]
pub fn mean(values: &[f64]) -> Option<f64> {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    mean.is_finite().then_some(mean)
}

/// Variance in two passes: Σ(x − x̄)² / (n − `ddof`); `ddof` is 0 for a
/// population, 1 for a sample. `None` for too few values or where it is not
/// finite.
#[must_use]
pub fn variance(values: &[f64], ddof: usize) -> Option<f64> {
    let centre = mean(values)?;
    let divisor = values.len().checked_sub(ddof).filter(|n| *n > 0)?;
    let variance = values.iter().map(|v| (v - centre).powi(2)).sum::<f64>() / divisor as f64;
    variance.is_finite().then_some(variance)
}

/// Square root of [`variance`].
#[must_use]
pub fn std_dev(values: &[f64], ddof: usize) -> Option<f64> {
    variance(values, ddof).map(f64::sqrt)
}

/// The `q`-quantile (0 to 1) by linear interpolation between order statistics,
/// Hyndman and Fan's type 7, NumPy's default. Sorts a copy. `None` for no
/// values, a NaN among them, or `q` out of range.
#[must_use]
pub fn quantile(values: &[f64], q: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    quantile_sorted(&sorted, q)
}

/// [`quantile`] of values that are sorted already.
#[must_use]
pub fn quantile_sorted(sorted: &[f64], q: f64) -> Option<f64> {
    let in_range = (0.0..=1.0).contains(&q);
    // total_cmp sorts NaN to an end, by its sign.
    let ends = [sorted.first()?, sorted.last()?];
    if !in_range || ends.iter().any(|v| v.is_nan()) {
        return None;
    }
    let position = q * (sorted.len() - 1) as f64;
    let below = position.floor() as usize;
    let low = *sorted.get(below)?;
    let high = sorted.get(below + 1).copied().unwrap_or(low);
    let share = position - below as f64;
    // Equal ends may be infinite, and share 0 must not make 0 · ∞.
    Some(if share == 0.0 || low == high { low } else { low + share * (high - low) })
}

/// The 0.5-[`quantile`].
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    quantile(values, 0.5)
}
