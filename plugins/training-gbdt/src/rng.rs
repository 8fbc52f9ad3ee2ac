//! SplitMix64 (Steele, Lea and Flood, 2014): small, and the same everywhere.

/// A sequence that its seed decides.
#[derive(Debug)]
pub struct Rng(u64);

impl Rng {
    /// The sequence of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 up to but not including `limit`; 0 for 0.
    pub fn below(&mut self, limit: usize) -> usize {
        ((u128::from(self.bits()) * limit as u128) >> 64) as usize
    }

    /// `count` of `0..all` in ascending order, each set as likely.
    pub fn choose(&mut self, all: usize, count: usize) -> impl Iterator<Item = usize> {
        let mut needed = count.min(all);
        (0..all).filter(move |at| {
            let taken = self.below(all - at) < needed;
            needed -= usize::from(taken);
            taken
        })
    }
}
