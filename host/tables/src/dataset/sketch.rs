//! Small summaries of large columns: how many distinct values (HyperLogLog)
//! and which quantiles (a reservoir sample). Both are deterministic, so that
//! the same rows always give the same statistics.

use std::hash::{DefaultHasher, Hash, Hasher};

/// Registers as a power of two: 2^12 of them give a standard error of
/// 1.04 / √4096 = 1.6 %.
const PRECISION: u32 = 12;

/// HyperLogLog with linear counting for small counts (Flajolet, Fusy, Gandouet
/// and Meunier, 2007).
#[derive(Clone, Debug)]
pub(crate) struct Distinct {
    registers: Vec<u8>,
}

impl Distinct {
    pub(crate) fn new() -> Self {
        Self { registers: vec![0; 1 << PRECISION] }
    }

    pub(crate) fn add_text(&mut self, text: &str) {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        self.add_hash(hasher.finish());
    }

    pub(crate) fn add_bits(&mut self, bits: u64) {
        self.add_hash(mix(bits));
    }

    fn add_hash(&mut self, hash: u64) {
        let index = usize::try_from(hash >> (64 - PRECISION)).unwrap_or(0);
        let rest = (hash << PRECISION) | (1 << (PRECISION - 1));
        let rank = u8::try_from(rest.leading_zeros() + 1).unwrap_or(u8::MAX);
        if let Some(register) = self.registers.get_mut(index) {
            *register = (*register).max(rank);
        }
    }

    pub(crate) fn estimate(&self) -> u64 {
        let m = self.registers.len() as f64;
        let alpha = 0.7213 / (1.0 + 1.079 / m);
        let sum: f64 = self.registers.iter().map(|rank| 2f64.powi(-i32::from(*rank))).sum();
        let raw = alpha * m * m / sum;
        let empty = self.registers.iter().filter(|rank| **rank == 0).count();
        let estimate = if raw <= 2.5 * m && empty > 0 { m * (m / empty as f64).ln() } else { raw };
        estimate.round() as u64
    }
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
fn mix(bits: u64) -> u64 {
    let mut z = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A uniform sample of fixed size over a stream (algorithm L: Li, 1994).
#[derive(Clone, Debug)]
pub(crate) struct Reservoir {
    sample: Vec<f64>,
    seen: u64,
    next: u64,
    w: f64,
    state: u64,
}

impl Reservoir {
    /// Quantiles are exact up to this many rows; beyond, the standard error of
    /// a quantile's rank is at most 0.5 / √10,000 = 0.5 %.
    pub(crate) const SIZE: usize = 10_000;

    pub(crate) fn new() -> Self {
        Self { sample: Vec::new(), seen: 0, next: 0, w: 1.0, state: 0x6d6f_6465_6c79 }
    }

    /// A number in (0, 1).
    fn random(&mut self) -> f64 {
        self.state = self.state.wrapping_add(1);
        ((mix(self.state) >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    fn skip(&mut self) {
        self.w *= (self.random().ln() / Self::SIZE as f64).exp();
        let gap = (self.random().ln() / (1.0 - self.w).ln()).floor();
        self.next = self.seen.saturating_add(gap as u64).saturating_add(1);
    }

    /// Takes a block of values; most are skipped unseen.
    pub(crate) fn extend(&mut self, values: &[f64]) {
        let mut rest = values;
        while let Some((first, others)) = rest.split_first() {
            if self.sample.len() == Self::SIZE {
                let gap = self.next.saturating_sub(self.seen + 1);
                if gap >= rest.len() as u64 {
                    self.seen += rest.len() as u64;
                    return;
                }
                if gap > 0 {
                    self.seen += gap;
                    rest = rest.get(usize::try_from(gap).unwrap_or(usize::MAX)..).unwrap_or_default();
                    continue;
                }
            }
            self.add(*first);
            rest = others;
        }
    }

    fn add(&mut self, value: f64) {
        self.seen += 1;
        if self.sample.len() < Self::SIZE {
            self.sample.push(value);
            if self.sample.len() == Self::SIZE {
                self.skip();
            }
        } else if self.seen >= self.next {
            let slot = (self.random() * Self::SIZE as f64) as usize;
            if let Some(old) = self.sample.get_mut(slot) {
                *old = value;
            }
            self.skip();
        }
    }

    /// Linear interpolation between order statistics (type 7 of Hyndman and
    /// Fan, 1996), as NumPy does by default. Empty for no values.
    pub(crate) fn quantiles(mut self, at: &[f64]) -> Vec<(f64, f64)> {
        self.sample.sort_by(f64::total_cmp);
        let Some(last) = self.sample.len().checked_sub(1) else { return Vec::new() };
        let quantile = |q: f64| {
            let position = q * last as f64;
            let low = position.floor();
            let a = self.sample.get(low as usize).copied()?;
            let b = self.sample.get(position.ceil() as usize).copied()?;
            Some((q, a + (b - a) * (position - low)))
        };
        at.iter().filter_map(|q| quantile(*q)).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn distinct_counts_are_within_a_few_percent() {
        for count in [1u64, 10, 1000, 50_000, 1_000_000] {
            let mut sketch = Distinct::new();
            for value in 0..count {
                sketch.add_bits(value);
                sketch.add_bits(value);
            }
            let error = (sketch.estimate() as f64 - count as f64).abs() / count as f64;
            assert!(error < 0.05, "{count}: {}", sketch.estimate());
        }
        let mut texts = Distinct::new();
        (0..3000).for_each(|n| texts.add_text(&format!("text {n}")));
        assert!((texts.estimate() as f64 - 3000.0).abs() < 150.0);
    }

    #[test]
    fn quantiles_are_exact_when_small_and_close_when_large() {
        let mut small = Reservoir::new();
        small.extend(&(0..=100).map(f64::from).collect::<Vec<_>>());
        assert_eq!(small.quantiles(&[0.0, 0.255, 1.0]), vec![(0.0, 0.0), (0.255, 25.5), (1.0, 100.0)]);
        let mut large = Reservoir::new();
        let many: Vec<f64> = (0..1_000_000).map(f64::from).collect();
        many.chunks(7_001).for_each(|chunk| large.extend(chunk));
        for (q, value) in large.quantiles(&[0.05, 0.5, 0.95]) {
            assert!((value / 1e6 - q).abs() < 0.02, "{q}: {value}");
        }
        assert!(Reservoir::new().quantiles(&[0.5]).is_empty());
    }
}
