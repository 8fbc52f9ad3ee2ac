//! A model as trainers build it.

use crate::learn::{Head, Input};

/// Trees whose leaf values add up to raw scores.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// What it answers.
    pub head: Head,
    /// The columns that it takes.
    pub inputs: Vec<Input>,
    /// The raw scores before any tree, [`Head::scores`] of them.
    pub base: Vec<f64>,
    /// Tree `i` adds to score `i % base.len()`.
    pub trees: Vec<Tree>,
}

/// A binary tree in pre-order: the left child of a split is the next node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tree {
    /// At least one node, the first is the root.
    pub nodes: Vec<Node>,
}

/// A leaf, or a question with two answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// The end of a path.
    Leaf {
        /// What it adds to the score.
        value: f64,
    },
    /// Left for `x <= threshold`. Infinities count as the greatest finite
    /// numbers.
    Number {
        /// An index into the model's inputs: one of numbers or booleans.
        input: u32,
        /// Finite.
        threshold: f64,
        /// Where a missing value goes.
        missing_left: bool,
        /// The index of the right child.
        right: u32,
    },
    /// Left for the categories of a set.
    Category {
        /// An index into the model's inputs: one of categories.
        input: u32,
        /// Bit `c % 8` of byte `c / 8`: whether category `c` goes left.
        left: Vec<u8>,
        /// Where a missing or unknown category goes.
        missing_left: bool,
        /// The index of the right child.
        right: u32,
    },
}
