//! Sparse columns: one value for some of the slots of a table, in blocks of 64.
//!
//! A key that every run has costs little more than its values; a key that one run has costs one
//! block. Reading a column from end to end is a walk through memory in order.

/// Slots in a block.
const BLOCK: u32 = 64;

#[derive(Clone, Copy)]
struct Block {
    /// The first slot's number over [`BLOCK`].
    number: u32,
    /// Bit `i`: the block's slot `i` has a value.
    present: u64,
}

/// Values by slot.
pub(super) struct Column<T> {
    /// In order of number.
    blocks: Vec<Block>,
    /// Those of all blocks, one after the other.
    values: Vec<[T; BLOCK as usize]>,
}

impl<T> Default for Column<T> {
    fn default() -> Self {
        Self { blocks: Vec::new(), values: Vec::new() }
    }
}

impl<T: Copy + Default> Column<T> {
    fn find(&self, number: u32) -> Result<usize, usize> {
        // Where all slots have values, a block stands at its own number.
        if self.blocks.get(number as usize).is_some_and(|block| block.number == number) {
            return Ok(number as usize);
        }
        match self.blocks.last() {
            Some(last) if last.number < number => Err(self.blocks.len()),
            _ => self.blocks.binary_search_by_key(&number, |block| block.number),
        }
    }

    /// The value in `slot`.
    pub(super) fn get(&self, slot: u32) -> Option<T> {
        let at = self.find(slot / BLOCK).ok()?;
        let within = slot % BLOCK;
        let present = self.blocks.get(at)?.present >> within & 1 == 1;
        present.then(|| self.values.get(at)?.get(within as usize).copied())?
    }

    /// Sets the value in `slot`.
    pub(super) fn set(&mut self, slot: u32, value: T) {
        let number = slot / BLOCK;
        let at = self.find(number).unwrap_or_else(|at| {
            self.blocks.insert(at, Block { number, present: 0 });
            self.values.insert(at, [T::default(); BLOCK as usize]);
            at
        });
        let within = slot % BLOCK;
        if let (Some(block), Some(values)) = (self.blocks.get_mut(at), self.values.get_mut(at))
            && let Some(cell) = values.get_mut(within as usize)
        {
            block.present |= 1 << within;
            *cell = value;
        }
    }

    /// Takes the value out of `slot`.
    pub(super) fn clear(&mut self, slot: u32) {
        if let Ok(at) = self.find(slot / BLOCK)
            && let Some(block) = self.blocks.get_mut(at)
        {
            block.present &= !(1 << (slot % BLOCK));
        }
    }

    /// Keeps in `slots` those that have a value for which `keep` holds; `keep` is asked about
    /// those alone.
    pub(super) fn retain(&self, slots: &mut Slots, mut keep: impl FnMut(u32, T) -> bool) {
        self.filter(slots, |number, among, values| {
            let (mut left, mut kept) = (among, 0);
            while left != 0 {
                let within = left.trailing_zeros();
                left &= left - 1;
                if let Some(value) = values.get(within as usize)
                    && keep(number * BLOCK + within, *value)
                {
                    kept |= 1 << within;
                }
            }
            kept
        });
    }

    /// As [`Column::retain`], for tests so cheap that asking about all of a block is quicker than
    /// finding out whom to ask about.
    pub(super) fn retain_values(&self, slots: &mut Slots, keep: impl Fn(T) -> bool) {
        self.filter(slots, |_, _, values| {
            let bits = (0_u32..).zip(values).map(|(within, value)| u64::from(keep(*value)) << within);
            bits.fold(0, |all, bit| all | bit)
        });
    }

    /// Keeps of each block's slots what `keep` gives of those that have values.
    fn filter(&self, slots: &mut Slots, mut keep: impl FnMut(u32, u64, &[T; BLOCK as usize]) -> u64) {
        let mut at = 0;
        let length = slots.words.len();
        for (block, values) in self.blocks.iter().zip(&self.values) {
            let number = block.number as usize;
            for word in slots.words.get_mut(at..number.min(length)).unwrap_or_default() {
                *word = 0;
            }
            at = number + 1;
            let Some(word) = slots.words.get_mut(number) else { return };
            let among = *word & block.present;
            *word = if among == 0 { 0 } else { among & keep(block.number, among, values) };
        }
        for word in slots.words.get_mut(at..).unwrap_or_default() {
            *word = 0;
        }
    }

    /// Calls `visit` with those of `slots` that have a value, from the last to the first.
    pub(super) fn visit(&self, slots: &Slots, mut visit: impl FnMut(u32, T)) {
        for (block, values) in self.blocks.iter().zip(&self.values).rev() {
            let mut left = slots.words.get(block.number as usize).unwrap_or(&0) & block.present;
            while left != 0 {
                let within = 63 - left.leading_zeros();
                left &= !(1 << within);
                if let Some(value) = values.get(within as usize) {
                    visit(block.number * BLOCK + within, *value);
                }
            }
        }
    }

    /// Takes out of `slots` those that have a value.
    pub(super) fn exclude(&self, slots: &mut Slots) {
        for block in &self.blocks {
            if let Some(word) = slots.words.get_mut(block.number as usize) {
                *word &= !block.present;
            }
        }
    }
}

/// A set of slots.
#[derive(Clone, Default)]
pub(super) struct Slots {
    words: Vec<u64>,
    /// Slots of the table; those beyond are in no set.
    length: usize,
}

impl Slots {
    /// No slots of a table of `length`.
    pub(super) fn none(length: usize) -> Self {
        Self { words: vec![0; length.div_ceil(64)], length }
    }

    /// Those slots of the table that are not in the set.
    pub(super) fn complement(&self) -> Self {
        let mut words: Vec<u64> = self.words.iter().map(|word| !word).collect();
        if !self.length.is_multiple_of(64)
            && let Some(last) = words.last_mut()
        {
            *last &= (1 << (self.length % 64)) - 1;
        }
        Self { words, length: self.length }
    }

    /// Adds a slot to the table.
    pub(super) fn push(&mut self, within: bool) {
        if self.length.is_multiple_of(64) {
            self.words.push(0);
        }
        self.length += 1;
        if within && let Ok(slot) = u32::try_from(self.length - 1) {
            self.set(slot, true);
        }
    }

    /// Puts `slot` into the set, or takes it out.
    pub(super) fn set(&mut self, slot: u32, within: bool) {
        if let Some(word) = self.words.get_mut(slot as usize / 64) {
            let bit = 1 << (slot % 64);
            *word = if within { *word | bit } else { *word & !bit };
        }
    }

    /// Whether `slot` is in the set.
    pub(super) fn contains(&self, slot: u32) -> bool {
        self.words.get(slot as usize / 64).is_some_and(|word| word >> (slot % 64) & 1 == 1)
    }

    /// Keeps the slots for which `keep` holds.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(u32) -> bool) {
        for (number, word) in (0_u32..).zip(&mut self.words) {
            let mut left = *word;
            while left != 0 {
                let within = left.trailing_zeros();
                left &= left - 1;
                if !keep(number * 64 + within) {
                    *word &= !(1 << within);
                }
            }
        }
    }

    /// Calls `visit` with every slot, from the last to the first: the newest run first.
    pub(super) fn for_each_from_last(&self, mut visit: impl FnMut(u32)) {
        let mut number = u32::try_from(self.words.len()).unwrap_or(u32::MAX);
        for word in self.words.iter().rev() {
            number -= 1;
            let mut left = *word;
            while left != 0 {
                let within = 63 - left.leading_zeros();
                left &= !(1 << within);
                visit(number * 64 + within);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// A column is a map, and its filters are the map's.
        #[test]
        fn a_column_is_a_map(
            steps in prop::collection::vec((0_u32..700, any::<bool>(), 0..9_i64), 0..200),
            length in 0..700_usize,
        ) {
            let mut column = Column::default();
            let mut map = BTreeMap::new();
            for (slot, set, value) in steps {
                if set {
                    column.set(slot, value);
                    map.insert(slot, value);
                } else {
                    column.clear(slot);
                    map.remove(&slot);
                }
            }
            for slot in 0..700 {
                prop_assert_eq!(column.get(slot), map.get(&slot).copied());
            }
            let mut slots = Slots::none(length).complement();
            column.retain(&mut slots, |slot, value| { assert_eq!(map[&slot], value); value > 4 });
            let kept: BTreeSet<u32> =
                map.iter().filter(|(s, v)| (**s as usize) < length && **v > 4).map(|(s, _)| *s).collect();
            let mut values = Slots::none(length).complement();
            column.retain_values(&mut values, |value| value > 4);
            let mut found = BTreeSet::new();
            values.for_each_from_last(|slot| { found.insert(slot); });
            prop_assert_eq!(&found, &kept);
            let mut found = BTreeSet::new();
            slots.for_each_from_last(|slot| { found.insert(slot); });
            prop_assert_eq!(&found, &kept);
            let mut rest = Slots::none(length).complement();
            column.exclude(&mut rest);
            let mut last = None;
            rest.for_each_from_last(|slot| {
                assert!(!map.contains_key(&slot) && (slot as usize) < length);
                assert!(last.is_none_or(|last| slot < last));
                last = Some(slot);
            });
            let mut grown = Slots::default();
            for slot in 0..length {
                grown.push(slot % 3 == 0);
            }
            let mut visited = Vec::new();
            column.visit(&grown.complement(), |slot, _| visited.push(slot));
            let expected: Vec<u32> =
                map.keys().rev().copied().filter(|s| (*s as usize) < length && s % 3 != 0).collect();
            prop_assert_eq!(visited, expected);
        }
    }
}
