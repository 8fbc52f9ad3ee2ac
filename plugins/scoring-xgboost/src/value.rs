//! What JSON and UBJSON have in common: a document, of which only the members
//! that scoring asks for are kept.

/// How deep lists and objects may lie in each other; XGBoost needs 8.
pub(crate) const MAX_DEPTH: usize = 32;

/// The most texts, lists and objects of a document.
const MAX_VALUES: usize = 16_000_000;

/// The members that are kept. All others are read over.
const KEYS: &[&str] = &[
    "attributes",
    "base_score",
    "best_iteration",
    "categories",
    "categories_nodes",
    "categories_segments",
    "categories_sizes",
    "cats",
    "default_left",
    "enc",
    "feature_names",
    "feature_types",
    "gbtree",
    "gbtree_model_param",
    "gradient_booster",
    "iteration_indptr",
    "learner",
    "learner_model_param",
    "left_children",
    "model",
    "name",
    "num_class",
    "num_feature",
    "num_nodes",
    "num_parallel_tree",
    "num_target",
    "num_trees",
    "objective",
    "offsets",
    "right_children",
    "size_leaf_vector",
    "split_conditions",
    "split_indices",
    "split_type",
    "tree_info",
    "tree_param",
    "trees",
    "values",
    "weight_drop",
];

/// A value. Lists of numbers lie flat; booleans in a list are numbers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// Null, or what was read over.
    Null,
    Flag(bool),
    Number(f64),
    Text(String),
    Numbers(Vec<f64>),
    List(Vec<Value>),
    Object(Vec<(&'static str, Value)>),
}

/// The kept member of a name.
pub(crate) fn key(name: &[u8]) -> Option<&'static str> {
    KEYS.iter().copied().find(|key| key.as_bytes() == name)
}

/// What is left of [`MAX_VALUES`].
#[derive(Debug)]
pub(crate) struct Budget(usize);

impl Budget {
    pub(crate) fn new() -> Self {
        Self(MAX_VALUES)
    }

    pub(crate) fn spend(&mut self) -> Result<(), String> {
        self.0 = self.0.checked_sub(1).ok_or_else(|| format!("more than {MAX_VALUES} values"))?;
        Ok(())
    }
}

/// A list as it grows.
#[derive(Debug, Default)]
pub(crate) struct Items {
    numbers: Vec<f64>,
    list: Vec<Value>,
}

impl Items {
    pub(crate) fn push(&mut self, value: Value) -> Result<(), String> {
        let number = match value {
            Value::Number(number) => Some(number),
            Value::Flag(flag) => Some(f64::from(u8::from(flag))),
            _ => None,
        };
        match number {
            Some(number) if self.list.is_empty() => self.numbers.push(number),
            None if self.numbers.is_empty() => self.list.push(value),
            _ => return Err("a list of numbers and other values".to_owned()),
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> Value {
        if self.list.is_empty() { Value::Numbers(self.numbers) } else { Value::List(self.list) }
    }
}

impl Value {
    /// A member, where it is there and not null.
    pub(crate) fn find(&self, key: &str) -> Option<&Value> {
        let Value::Object(members) = self else { return None };
        let found = members.iter().find(|(name, _)| *name == key)?;
        Some(&found.1).filter(|value| !matches!(value, Value::Null))
    }

    pub(crate) fn get(&self, key: &str) -> Result<&Value, String> {
        self.find(key).ok_or_else(|| format!("`{key}` is missing"))
    }

    /// A member that is text.
    pub(crate) fn text(&self, key: &str) -> Result<&str, String> {
        match self.get(key)? {
            Value::Text(text) => Ok(text),
            _ => Err(format!("`{key}` is no text")),
        }
    }

    /// A member that is a list of numbers.
    pub(crate) fn numbers(&self, key: &str) -> Result<&[f64], String> {
        match self.get(key)? {
            Value::Numbers(numbers) => Ok(numbers),
            _ => Err(format!("`{key}` is no list of numbers")),
        }
    }

    /// A member that is a list of anything but numbers.
    pub(crate) fn list(&self, key: &str) -> Result<&[Value], String> {
        match self.get(key)? {
            Value::List(list) => Ok(list),
            Value::Numbers(numbers) if numbers.is_empty() => Ok(&[]),
            _ => Err(format!("`{key}` is no list of what it should be")),
        }
    }

    /// A member that is a list of texts; empty where it is missing.
    pub(crate) fn texts<'a>(&'a self, key: &str) -> Result<Vec<&'a str>, String> {
        if self.find(key).is_none() {
            return Ok(Vec::new());
        }
        let text = |value: &'a Value| match value {
            Value::Text(text) => Ok(text.as_str()),
            _ => Err(format!("`{key}` is no list of texts")),
        };
        self.list(key)?.iter().map(text).collect()
    }

    /// A member that counts something, as a number or as the text of one.
    pub(crate) fn count(&self, key: &str) -> Result<usize, String> {
        let value = self.get(key)?;
        let count = match value {
            Value::Text(text) => text.parse::<u32>().ok(),
            Value::Number(number) => whole(*number, u32::MAX as usize).map(|count| count as u32),
            _ => None,
        };
        count.map(|count| count as usize).ok_or_else(|| format!("`{key}` is no whole number"))
    }

    /// The same, or `default` where it is missing.
    pub(crate) fn count_or(&self, key: &str, default: usize) -> Result<usize, String> {
        if self.find(key).is_some() { self.count(key) } else { Ok(default) }
    }
}

/// A whole number from 0 to below `limit`.
pub(crate) fn whole(number: f64, limit: usize) -> Option<usize> {
    (number >= 0.0 && number.fract() == 0.0 && number < limit as f64).then_some(number as usize)
}
