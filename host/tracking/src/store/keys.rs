//! Keys of metrics, parameters and tags: each text is kept once and has a number.

use std::collections::HashMap;

use super::{Core, disk, state::State};
use crate::Text;

/// The keys by number, and back.
#[derive(Default)]
pub(super) struct Keys {
    numbers: HashMap<Text, u32>,
    names: Vec<Text>,
    /// The names as JSON, quotes and all.
    quoted: Vec<Box<str>>,
}

impl Keys {
    pub(super) fn get(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    pub(super) fn name(&self, number: u32) -> Text {
        self.names.get(number as usize).cloned().unwrap_or_default()
    }

    #[inline]
    pub(super) fn quoted(&self, number: u32) -> &str {
        self.quoted.get(number as usize).map_or("\"\"", |quoted| quoted)
    }

    /// The number the next new key gets.
    fn next(&self) -> u32 {
        u32::try_from(self.names.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn add(&mut self, name: Text) {
        let number = self.next();
        self.quoted.push(serde_json::Value::from(name.as_str()).to_string().into_boxed_str());
        self.names.push(name.clone());
        self.numbers.insert(name, number);
    }
}

/// Keys that a command needs numbers for, and the new ones among them.
pub(super) struct NewKeys {
    first: u32,
    numbers: HashMap<Text, u32>,
    names: Vec<Text>,
}

impl NewKeys {
    pub(super) fn new(state: &State) -> Self {
        Self { first: state.keys.next(), numbers: HashMap::new(), names: Vec::new() }
    }

    /// The number of `name`, which is new where the store has none.
    pub(super) fn number(&mut self, state: &State, name: &Text) -> u32 {
        if let Some(number) = state.keys.get(name) {
            return number;
        }
        let next = self.first + u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        *self.numbers.entry(name.clone()).or_insert_with(|| {
            self.names.push(name.clone());
            next
        })
    }

    /// Adds the new keys' rows to `batch`.
    pub(super) fn store(&self, core: &Core, batch: &mut disk::Batch<'_>) {
        for (number, name) in (self.first..).zip(&self.names) {
            batch.insert(&core.disk.keys, number.to_be_bytes(), name.as_bytes());
        }
    }

    /// Makes the new keys known, once they are stored.
    pub(super) fn publish(self, state: &mut State) {
        for name in self.names {
            state.keys.add(name);
        }
    }
}
