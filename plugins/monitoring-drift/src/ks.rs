//! The two-sample Kolmogorov–Smirnov test, two-sided, as SciPy's `ks_2samp`
//! with `method="auto"` computes it: exact up to 10,000 rows on the larger
//! side, else by the distribution of the one-sample statistic.
//!
//! Sources: Hodges, "The significance probability of the Smirnov two-sample
//! test" (1958); Simard and L'Ecuyer, "Computing the two-sided
//! Kolmogorov–Smirnov distribution" (2011).

// Indices below come from windows whose bounds the loops compute and clamp to
// the vectors' lengths.
#![allow(clippy::indexing_slicing)]

use std::f64::consts::PI;

use crate::special::{binomial, stirling_error};

/// The largest side for which the p-value is exact.
pub const EXACT_ROWS: usize = 10_000;

/// The largest distance between the two empirical distribution functions, 0 to
/// 1. Both slices are sorted and not empty.
#[must_use]
pub fn statistic(reference: &[f64], current: &[f64]) -> f64 {
    let (n, m) = (reference.len() as f64, current.len() as f64);
    let (mut i, mut j, mut largest) = (0, 0, 0.0_f64);
    while i < reference.len() && j < current.len() {
        let value = reference[i].min(current[j]);
        while i < reference.len() && reference[i] <= value {
            i += 1;
        }
        while j < current.len() && current[j] <= value {
            j += 1;
        }
        largest = largest.max((i as f64 / n - j as f64 / m).abs());
    }
    largest
}

/// The chance of a statistic of at least `d` from two samples of the same
/// distribution, of `n` and `m` rows.
#[must_use]
pub fn p_value(d: f64, n: usize, m: usize) -> f64 {
    let (n, m) = (n.max(m), n.min(m));
    if m == 0 {
        return 1.0;
    }
    if n <= EXACT_ROWS {
        return exact(d, n, m).clamp(0.0, 1.0);
    }
    let (n, m) = (n as f64, m as f64);
    one_sample_sf((n * m / (n + m)).round_ties_even(), d).clamp(0.0, 1.0)
}

fn exact(d: f64, n: usize, m: usize) -> f64 {
    let divisor = greatest_common_divisor(n, m);
    let multiple = n / divisor * m;
    let h = (d * multiple as f64).round_ties_even() as usize;
    if h == 0 {
        1.0
    } else if n == m {
        outside_square(n, h)
    } else {
        outside_band(n, m, divisor, h)
    }
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// The share of lattice paths from (0, 0) to (n, n) that leave the band of
/// half-width `h` around the diagonal: 2 Σₖ (−1)ᵏ⁻¹ C(2n, n−kh) / C(2n, n).
fn outside_square(n: usize, h: usize) -> f64 {
    let mut p = 0.0;
    for k in (0..=n / h).rev() {
        let mut ratio = 1.0;
        for j in 0..h {
            if n < k * h + j {
                ratio = 0.0;
                break;
            }
            ratio *= (n - k * h - j) as f64 / (n + k * h + j + 1) as f64;
        }
        p = ratio * (1.0 - p);
    }
    2.0 * p
}

/// The share of lattice paths from (0, 0) to (n, m), n > m, that touch
/// |m x − n y| ≥ h · divisor: one column at a time, each entry already divided
/// by the number of all paths to its point.
fn outside_band(n: usize, m: usize, divisor: usize, h: usize) -> f64 {
    let (step_n, step_m) = (n / divisor, m / divisor);
    let (mut from, mut to) = (0, h.div_ceil(step_n).min(m + 1));
    let mut column = vec![1.0; (2 * to + 2).min(m + 1)];
    column[..to].fill(0.0);
    for i in 1..=n {
        let (last_from, last_length) = (from, to - from);
        from = match (step_m * i).checked_sub(h) {
            Some(above) => (above / step_n + 1).min(m),
            None => 0,
        };
        to = (step_m * i + h).div_ceil(step_n).min(m + 1);
        if to <= from {
            return 1.0;
        }
        let mut value = if from == 0 { 0.0 } else { 1.0 };
        for (offset, j) in (from..to).enumerate() {
            let before = column.get(j - last_from).copied().unwrap_or(1.0);
            value = (before * i as f64 + value * j as f64) / (i + j) as f64;
            column[offset] = value;
        }
        let length = to - from;
        if last_length > length {
            column[length..last_length].fill(1.0);
        }
    }
    column[to - from - 1]
}

/// P(Dₙ > x) of the one-sample two-sided statistic.
fn one_sample_sf(n: f64, x: f64) -> f64 {
    let t = n * x;
    if n < 1.0 || x <= 0.0 || t <= 0.5 {
        return 1.0;
    }
    if x >= 1.0 {
        return 0.0;
    }
    if t <= 1.0 {
        // Ruben and Gambino: n! ((2t − 1)/n)ⁿ.
        let ln_share = 0.5 * (2.0 * PI * n).ln() - n + stirling_error(n);
        return 1.0 - (ln_share + n * (2.0 * t - 1.0).ln()).exp();
    }
    if t >= n - 1.0 {
        return 2.0 * (1.0 - x).powf(n);
    }
    let square = t * x;
    if square >= 370.0 {
        return 0.0;
    }
    if x >= 0.5 || square >= if n <= 140.0 { 4.0 } else { 2.2 } {
        return 2.0 * smirnov_sf(n, x);
    }
    if n <= 140.0 || (n <= 100_000.0 && n * x.powf(1.5) <= 1.4) {
        return 1.0 - durbin_cdf(n, x);
    }
    1.0 - pelz_good_cdf(n, x)
}

/// P(Dₙ⁺ > x): Σⱼ x C(n, j) (x + j/n)ʲ⁻¹ (1 − x − j/n)ⁿ⁻ʲ (Smirnov, 1944), each
/// term as a binomial probability, so that it neither overflows nor cancels.
fn smirnov_sf(n: f64, x: f64) -> f64 {
    let last = (n * (1.0 - x)).floor();
    let (mut sum, mut j) = (0.0, 0.0);
    while j <= last {
        let p = x + j / n;
        sum += x / p * binomial(j, n, p, (n - j) / n - x);
        j += 1.0;
    }
    sum
}

/// P(Dₙ ≤ d) by Durbin's matrix (Marsaglia, Tsang and Wang, 2003).
fn durbin_cdf(n: f64, d: f64) -> f64 {
    let t = n * d;
    let k = t.ceil();
    let h = k - t;
    let (k, m) = (k as usize, 2 * k as usize - 1);
    let mut matrix = vec![0.0; m * m];
    let mut factorial = vec![1.0; m + 1];
    for i in 1..=m {
        factorial[i] = factorial[i - 1] / i as f64;
    }
    for row in 0..m {
        for column in 1..m {
            if column <= row + 1 {
                matrix[row * m + column] = factorial[row + 1 - column];
            }
        }
        matrix[row * m] = (1.0 - h.powi(row as i32 + 1)) * factorial[row + 1];
    }
    let corner = (2.0 * h - 1.0).max(0.0).powi(m as i32) - 2.0 * h.powi(m as i32);
    matrix[(m - 1) * m] = (1.0 + corner) * factorial[m];
    for column in 1..m {
        matrix[(m - 1) * m + column] = matrix[(m - 1 - column) * m];
    }
    let (centre, mut exponent) = power_centre(matrix, m, k - 1, n as u64);
    let mut p = centre;
    let mut i = 1.0;
    while i <= n {
        p = i * p / n;
        if p.abs() < SMALL {
            p *= LARGE;
            exponent -= 128;
        }
        i += 1.0;
    }
    p * 2_f64.powi(exponent)
}

/// 2¹²⁸ and its inverse: entries are kept between them.
const LARGE: f64 = 3.402_823_669_209_385e38;
const SMALL: f64 = 1.0 / LARGE;

/// The entry (c, c) of matrixᵖ as (mantissa, power of two).
fn power_centre(mut matrix: Vec<f64>, m: usize, c: usize, mut power: u64) -> (f64, i32) {
    let mut result: Vec<f64> = (0..m * m).map(|i| if i % (m + 1) == 0 { 1.0 } else { 0.0 }).collect();
    let (mut result_exponent, mut matrix_exponent) = (0, 0);
    while power > 0 {
        if power % 2 == 1 {
            result = multiply(&result, &matrix, m);
            result_exponent += matrix_exponent;
            if result[c * m + c].abs() > LARGE {
                result.iter_mut().for_each(|v| *v *= SMALL);
                result_exponent += 128;
            }
        }
        matrix = multiply(&matrix, &matrix, m);
        matrix_exponent *= 2;
        if matrix[c * m + c].abs() > LARGE {
            matrix.iter_mut().for_each(|v| *v *= SMALL);
            matrix_exponent += 128;
        }
        power /= 2;
    }
    (result[c * m + c], result_exponent)
}

fn multiply(a: &[f64], b: &[f64], m: usize) -> Vec<f64> {
    let mut out = vec![0.0; m * m];
    for i in 0..m {
        for k in 0..m {
            let factor = a[i * m + k];
            if factor != 0.0 {
                for j in 0..m {
                    out[i * m + j] += factor * b[k * m + j];
                }
            }
        }
    }
    out
}

/// P(Dₙ ≤ x) by Pelz and Good's series (1976).
fn pelz_good_cdf(n: f64, x: f64) -> f64 {
    let z = n.sqrt() * x;
    let (z2, z4, z6) = (z.powi(2), z.powi(4), z.powi(6));
    let (pi2, pi4, pi6) = (PI.powi(2), PI.powi(4), PI.powi(6));
    let root = (2.0 * PI).sqrt();
    let q_log = -pi2 / 8.0 / z2;
    let mut k = [0.0_f64; 4];
    for i in 1..=(16.0 * z / PI).ceil() as i32 {
        let odd = f64::from(2 * i - 1);
        let (m2, m4, m6) = (odd.powi(2), odd.powi(4), odd.powi(6));
        let q = (q_log * m2).exp();
        k[0] += q;
        k[1] += q * (pi2 / 4.0 * m2 - z2);
        k[2] += q
            * (6.0 * z6
                + 2.0 * z4
                + (2.0 * z4 - 5.0 * z2) * pi2 / 4.0 * m2
                + pi4 * (1.0 - 2.0 * z2) / 16.0 * m4);
        k[3] += q
            * (-30.0 * z6 - 90.0 * z.powi(8)
                + pi2 * (135.0 * z4 - 96.0 * z6) / 4.0 * m2
                + pi4 * (-60.0 * z2 + 212.0 * z4) / 16.0 * m4
                + pi6 * (5.0 - 30.0 * z2) / 64.0 * m6);
    }
    let scales = [z, 6.0 * z4, 72.0 * z.powi(7), 6480.0 * z.powi(10)];
    for (sum, scale) in k.iter_mut().zip(scales) {
        *sum *= root / scale;
    }
    for i in 1..=(16.0 * z / PI).ceil() as i32 {
        let i = f64::from(i);
        let q = (-pi2 / 2.0 / z2 * i * i).exp();
        k[2] -= pi2 * root / (36.0 * z.powi(3)) * i * i * q;
        k[3] += pi2 * root / (216.0 * z6) * (3.0 * z2 - (PI * i).powi(2)) * i * i * q;
    }
    k[0] + k[1] / n.sqrt() + k[2] / n + k[3] / n.powf(1.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_on_both_sides_count_once() {
        assert_eq!(statistic(&[1.0, 1.0, 2.0], &[1.0, 2.0, 2.0]), 2.0 / 3.0 - 1.0 / 3.0);
        assert_eq!(statistic(&[1.0, 2.0], &[1.0, 2.0]), 0.0);
        assert_eq!(statistic(&[1.0, 2.0], &[3.0]), 1.0);
    }

    #[test]
    fn certain_cases() {
        assert_eq!(p_value(0.0, 10, 20), 1.0);
        assert_eq!(p_value(0.5, 0, 20), 1.0);
        // Two of the C(4, 2) = 6 orders separate the samples.
        assert!((p_value(1.0, 2, 2) - 1.0 / 3.0).abs() < 1e-15);
        // Two of the C(3, 1) = 3 orders.
        assert!((p_value(1.0, 2, 1) - 2.0 / 3.0).abs() < 1e-15);
        assert_eq!(p_value(0.0, 20_000, 20_000), 1.0);
        assert_eq!(p_value(1.0, 20_000, 20_000), 0.0);
    }
}
