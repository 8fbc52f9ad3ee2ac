//! What an operator sees of its node: its attributes while the model is loaded,
//! its tensors while it runs.

use std::borrow::Cow;

use crate::model::{Attribute, NodeDef};
use crate::value::{Done, Value};

/// An operator, ready to run: its attributes are read and checked. It gives one
/// tensor for each of the node's outputs, as far as they are wanted.
pub type Kernel = Box<dyn Fn(&mut Args<'_>) -> Done<Vec<Value>>>;

/// A node whose attributes are taken out one by one; what is left at the end was
/// not understood.
#[derive(Debug)]
pub struct Node {
    def: NodeDef,
    /// The version of the operator set.
    pub opset: i64,
}

impl Node {
    /// A node under a version of its operator set.
    pub fn new(def: NodeDef, opset: i64) -> Self {
        Self { def, opset }
    }

    /// How many outputs the node names.
    pub fn outputs(&self) -> usize {
        self.def.outputs.len()
    }

    fn take(&mut self, name: &str) -> Option<Attribute> {
        let at = self.def.attributes.iter().position(|(known, _)| known == name)?;
        Some(self.def.attributes.swap_remove(at).1)
    }

    /// An integer, where it is given.
    pub fn int(&mut self, name: &str) -> Done<Option<i64>> {
        match self.take(name) {
            None => Ok(None),
            Some(Attribute::Int(value)) => Ok(Some(value)),
            Some(_) => Err(format!("the attribute `{name}` must be an integer")),
        }
    }

    /// A flag: 0 or 1.
    pub fn flag(&mut self, name: &str, default: bool) -> Done<bool> {
        Ok(self.int(name)?.map_or(default, |value| value != 0))
    }

    /// A number.
    pub fn float(&mut self, name: &str, default: f32) -> Done<f32> {
        Ok(self.float_or_none(name)?.unwrap_or(default))
    }

    /// A number, where it is given.
    pub fn float_or_none(&mut self, name: &str) -> Done<Option<f32>> {
        match self.take(name) {
            None => Ok(None),
            Some(Attribute::Float(value)) => Ok(Some(value)),
            Some(_) => Err(format!("the attribute `{name}` must be a float")),
        }
    }

    /// A text, where it is given.
    pub fn text(&mut self, name: &str) -> Done<Option<String>> {
        match self.take(name) {
            None => Ok(None),
            Some(Attribute::Text(value)) => match String::from_utf8(value) {
                Ok(text) => Ok(Some(text)),
                Err(_) => Err(format!("the attribute `{name}` is not UTF-8")),
            },
            Some(_) => Err(format!("the attribute `{name}` must be a string")),
        }
    }

    /// One of several words; the first is the default.
    pub fn word<T: Copy>(&mut self, name: &str, words: &[(&str, T)]) -> Done<T> {
        let text = self.text(name)?;
        let found = match &text {
            None => words.first(),
            Some(text) => words.iter().find(|(word, _)| word == text),
        };
        found.map(|(_, meaning)| *meaning).ok_or_else(|| {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            format!("the attribute `{name}` is {text:?}; {} are supported", known.join(", "))
        })
    }

    /// Integers, where they are given.
    pub fn ints(&mut self, name: &str) -> Done<Option<Vec<i64>>> {
        match self.take(name) {
            None => Ok(None),
            Some(Attribute::Ints(values)) => Ok(Some(values)),
            Some(_) => Err(format!("the attribute `{name}` must be integers")),
        }
    }

    /// Numbers; none where they are not given.
    pub fn floats(&mut self, name: &str) -> Done<Vec<f32>> {
        match self.take(name) {
            None => Ok(Vec::new()),
            Some(Attribute::Floats(values)) => Ok(values),
            Some(_) => Err(format!("the attribute `{name}` must be floats")),
        }
    }

    /// Texts; none where they are not given.
    pub fn texts(&mut self, name: &str) -> Done<Vec<Vec<u8>>> {
        match self.take(name) {
            None => Ok(Vec::new()),
            Some(Attribute::Texts(values)) => Ok(values),
            Some(_) => Err(format!("the attribute `{name}` must be strings")),
        }
    }

    /// A tensor, where it is given.
    pub fn tensor(&mut self, name: &str) -> Done<Option<Value>> {
        match self.take(name) {
            None => Ok(None),
            Some(Attribute::Tensor(value)) => Ok(Some(value)),
            Some(_) => Err(format!("the attribute `{name}` must be a tensor")),
        }
    }

    /// Leaves out an attribute that says nothing for scoring.
    pub fn ignore(&mut self, name: &str) {
        self.take(name);
    }

    /// Nothing may be left.
    pub fn finish(&self) -> Done<()> {
        match self.def.attributes.first() {
            None => Ok(()),
            Some((name, _)) => Err(format!("the attribute `{name}` is not supported here")),
        }
    }
}

/// A node's input tensors: owned where nobody needs them after it, so that they
/// can be changed in place.
#[derive(Debug)]
pub struct Args<'a>(pub Vec<Option<Cow<'a, Value>>>);

impl Args<'_> {
    /// How many inputs the node names.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// An input that may be left out.
    pub fn optional(&self, at: usize) -> Option<&Value> {
        self.0.get(at)?.as_deref()
    }

    /// An input that must be there.
    pub fn get(&self, at: usize) -> Done<&Value> {
        self.optional(at).ok_or_else(|| format!("input {at} is missing"))
    }

    /// An input that must be there, to keep or change; copied only where others
    /// need it too.
    pub fn take(&mut self, at: usize) -> Done<Value> {
        let taken = self.0.get_mut(at).and_then(Option::take);
        taken.map(Cow::into_owned).ok_or_else(|| format!("input {at} is missing"))
    }
}
