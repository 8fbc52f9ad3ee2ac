//! Distances between two samples, with the bins and the treatment of empty
//! bins of Evidently 0.7.

/// The first Wasserstein (earth mover's) distance: ∫ |F(x) − G(x)| dx. Both
/// slices are sorted and not empty; in the column's own unit.
#[must_use]
pub fn wasserstein(reference: &[f64], current: &[f64]) -> f64 {
    let (n, m) = (reference.len() as f64, current.len() as f64);
    let (mut left, mut right) = (reference.iter().peekable(), current.iter().peekable());
    let (mut i, mut j, mut distance) = (0.0, 0.0, 0.0);
    let mut before: Option<f64> = None;
    loop {
        let value = match (left.peek(), right.peek()) {
            (Some(a), Some(b)) => a.min(**b),
            (Some(a), None) => **a,
            (None, Some(b)) => **b,
            (None, None) => return distance,
        };
        if let Some(before) = before {
            distance += (f64::abs(i / n - j / m)) * (value - before);
        }
        before = Some(value);
        while left.next_if(|a| **a <= value).is_some() {
            i += 1.0;
        }
        while right.next_if(|b| **b <= value).is_some() {
            j += 1.0;
        }
    }
}

/// [`wasserstein`] in units of the reference's standard deviation (of a
/// population), at least 0.001.
#[must_use]
pub fn wasserstein_normed(distance: f64, reference: &[f64]) -> f64 {
    let deviation = modelyard_sdk::stats::std_dev(reference, 0).unwrap_or(0.0);
    distance / deviation.max(0.001)
}

/// Counts of both sides over the same bins, in the same order.
pub type Counts = Vec<(u64, u64)>;

/// Equal bins over both samples, as many as Sturges's rule gives:
/// ⌈log₂ n + 1⌉; bins of whole numbers are at least 1 wide. Both slices are
/// sorted and not empty.
#[must_use]
pub fn sturges(reference: &[f64], current: &[f64], whole: bool) -> Counts {
    let ends = |s: &[f64]| Some((*s.first()?, *s.last()?));
    let (Some((a, b)), Some((c, d))) = (ends(reference), ends(current)) else { return Vec::new() };
    let (low, high) = (a.min(c), b.max(d));
    let rows = (reference.len() + current.len()) as f64;
    let mut width = (high - low) / (rows.log2() + 1.0);
    if whole {
        width = width.max(1.0);
    }
    let bins = ((high - low) / width).ceil();
    // A constant, or ends so far apart that their distance overflows.
    if !bins.is_finite() || bins < 1.0 {
        return vec![(reference.len() as u64, current.len() as u64)];
    }
    let step = (high - low) / bins;
    let below = |s: &[f64], edge: f64| s.partition_point(|v| *v < edge) as u64;
    let (mut counts, mut last) = (Vec::with_capacity(bins as usize), (0, 0));
    for i in 1..bins as usize {
        let edge = i as f64 * step + low;
        let here = (below(reference, edge), below(current, edge));
        counts.push((here.0 - last.0, here.1 - last.1));
        last = here;
    }
    counts.push((reference.len() as u64 - last.0, current.len() as u64 - last.1));
    counts
}

/// Counts by distinct value. Both slices are sorted.
#[must_use]
pub fn by_value(reference: &[f64], current: &[f64]) -> Counts {
    let (mut left, mut right) = (reference.iter().peekable(), current.iter().peekable());
    let mut counts = Vec::new();
    loop {
        let value = match (left.peek(), right.peek()) {
            (Some(a), Some(b)) => a.min(**b),
            (Some(a), None) => **a,
            (None, Some(b)) => **b,
            (None, None) => return counts,
        };
        let (mut here, mut there) = (0, 0);
        while left.next_if(|a| **a <= value).is_some() {
            here += 1;
        }
        while right.next_if(|b| **b <= value).is_some() {
            there += 1;
        }
        counts.push((here, there));
    }
}

fn shares(counts: &[(u64, u64)]) -> Option<(Vec<f64>, Vec<f64>)> {
    let n: u64 = counts.iter().map(|c| c.0).sum();
    let m: u64 = counts.iter().map(|c| c.1).sum();
    (n > 0 && m > 0).then(|| {
        (
            counts.iter().map(|c| c.0 as f64 / n as f64).collect(),
            counts.iter().map(|c| c.1 as f64 / m as f64).collect(),
        )
    })
}

/// Population stability index: Σ (r − c) ln(r/c) over the bins' shares. An
/// empty bin counts as 0.0001, or as a millionth of the side's smallest share
/// where that is no larger. `None` when a side is empty.
#[must_use]
pub fn psi(counts: &[(u64, u64)]) -> Option<f64> {
    let (mut reference, mut current) = shares(counts)?;
    fill_zeros(&mut reference);
    fill_zeros(&mut current);
    Some(reference.iter().zip(&current).map(|(r, c)| (r - c) * (r / c).ln()).sum())
}

fn fill_zeros(shares: &mut [f64]) {
    let smallest = shares.iter().copied().filter(|s| *s > 0.0).fold(f64::INFINITY, f64::min);
    let fill = if smallest <= 0.0001 { smallest / 1e6 } else { 0.0001 };
    shares.iter_mut().filter(|s| **s == 0.0).for_each(|s| *s = fill);
}

/// Jensen–Shannon distance: the root of the divergence, natural logarithm, 0 to
/// √ln 2. `None` when a side is empty.
#[must_use]
pub fn jensen_shannon(counts: &[(u64, u64)]) -> Option<f64> {
    let (reference, current) = shares(counts)?;
    let entropy = |p: f64, middle: f64| if p > 0.0 { p * (p / middle).ln() } else { 0.0 };
    let sum: f64 = reference
        .iter()
        .zip(&current)
        .map(|(r, c)| {
            let middle = (r + c) / 2.0;
            entropy(*r, middle) + entropy(*c, middle)
        })
        .sum();
    Some((sum / 2.0).max(0.0).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shift_is_its_own_distance() {
        let a = [0.0, 1.0, 2.0];
        assert!((wasserstein(&a, &[3.0, 4.0, 5.0]) - 3.0).abs() < 1e-14);
        assert_eq!(wasserstein(&a, &a), 0.0);
    }

    #[test]
    fn a_constant_is_one_bin() {
        assert_eq!(sturges(&[1.0, 1.0], &[1.0], false), [(2, 1)]);
        assert_eq!(sturges(&[-f64::MAX], &[f64::MAX], false), [(1, 1)]);
        assert_eq!(sturges(&[], &[1.0], false), []);
    }

    #[test]
    fn an_empty_side_has_no_distance() {
        assert_eq!(psi(&[(0, 3)]), None);
        assert_eq!(jensen_shannon(&[(3, 0)]), None);
        assert_eq!(psi(&[]), None);
    }

    #[test]
    fn disjoint_samples_are_as_far_as_can_be() {
        let distance = jensen_shannon(&[(5, 0), (0, 5)]).unwrap();
        assert!((distance - 2_f64.ln().sqrt()).abs() < 1e-15);
        assert!(psi(&[(5, 0), (0, 5)]).unwrap() > 18.0);
    }
}
