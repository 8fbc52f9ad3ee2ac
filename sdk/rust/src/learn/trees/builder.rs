//! From a file's linked nodes to a forest.

use super::Precision;
use super::forest::{CATEGORY, Flat, Forest, MISSING_LEFT, OUTSIDE_LEFT, ZERO_IS_MISSING};

/// The most words of category sets in one model: 64 MiB. A file can ask for a
/// large set with a few bytes.
const MAX_WORDS: usize = 8 << 20;

/// A node as a file gives it.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// The end of a path.
    Leaf {
        /// What it adds to the score.
        value: f64,
    },
    /// A question with two answers.
    Split {
        /// The input that is asked for.
        input: usize,
        /// What is asked.
        test: Test,
        /// Where a missing value goes.
        missing_left: bool,
        /// The file's number of the left child.
        left: usize,
        /// The file's number of the right child.
        right: usize,
    },
}

/// What sends a value left.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// Left for `x <= threshold`.
    Number {
        /// Not NaN.
        threshold: f64,
        /// Whether 0 goes where a missing value goes.
        zero_is_missing: bool,
    },
    /// Left for the codes of a set; a code is the value without its fraction.
    Category {
        /// Bit `c % 64` of word `c / 64`: whether code `c` goes left.
        left: Vec<u64>,
        /// Where a code past the set and a negative value go. Where they go
        /// left, a value between -1 and 0 is negative; otherwise it is code 0.
        outside_left: bool,
    },
}

/// Builds a [`Forest`] tree by tree. Errors are sentences without the tree's
/// number, which the caller knows.
#[derive(Debug)]
pub struct Builder {
    inputs: usize,
    forest: Forest,
}

impl Builder {
    /// For rows of `inputs` values and as many scores as `base` has, which are
    /// the scores before any tree.
    pub fn new(inputs: usize, base: Vec<f64>, precision: Precision) -> Result<Self, String> {
        if inputs == 0 || inputs > crate::learn::MAX_INPUTS {
            return Err(format!("{inputs} features; 1 to {} are accepted", crate::learn::MAX_INPUTS));
        }
        if base.is_empty() || base.len() > crate::learn::MAX_CLASSES {
            let most = crate::learn::MAX_CLASSES;
            return Err(format!("{} scores for a row; 1 to {most} are accepted", base.len()));
        }
        if base.iter().any(|score| !score.is_finite()) {
            return Err("a score before any tree is not finite".to_owned());
        }
        let single = precision == Precision::Single;
        Ok(Self { inputs, forest: Forest { width: inputs, base, single, ..Forest::default() } })
    }

    /// Adds a tree to score `score`. The tree's nodes are numbered from 0, which
    /// is the root, to below `count`; `node` gives one. Returns how many nodes
    /// can be reached.
    ///
    /// Fails for a node number or an input that is out of range, a node that two
    /// others lead to or that leads to itself, a NaN threshold, a leaf that is
    /// not finite, and what `node` fails for. It needs time and memory for
    /// `count` nodes, so the caller has made sure that the file holds them.
    pub fn tree(
        &mut self,
        score: usize,
        count: usize,
        mut node: impl FnMut(usize) -> Result<Node, String>,
    ) -> Result<usize, String> {
        if score >= self.forest.base.len() {
            return Err(format!("it adds to score {score}, there are {}", self.forest.base.len()));
        }
        let first = self.forest.nodes.len();
        // No recursion: a file can be one long path.
        let mut seen = vec![false; count];
        let mut open: Vec<(usize, Option<usize>)> = vec![(0, None)];
        while let Some((id, parent)) = open.pop() {
            match seen.get_mut(id) {
                None => return Err(format!("node {id} is out of range, there are {count}")),
                Some(true) => return Err(format!("two nodes lead to node {id}, or it leads to itself")),
                Some(slot) => *slot = true,
            }
            let at = self.forest.nodes.len();
            if let Some(parent) = parent {
                self.link(parent, at)?;
            }
            let flat = match node(id)? {
                Node::Leaf { value } if value.is_finite() => Flat::leaf(value),
                Node::Leaf { value } => return Err(format!("node {id} is a leaf of the value {value}")),
                Node::Split { input, test, missing_left, left, right } => {
                    open.push((right, Some(at)));
                    open.push((left, None));
                    self.split(input, &test, missing_left).map_err(|error| format!("node {id} {error}"))?
                }
            };
            self.forest.nodes.push(flat);
        }
        let root = u32::try_from(first).map_err(|_| "there are too many nodes".to_owned())?;
        self.forest.roots.push((root, score as u32));
        Ok(self.forest.nodes.len() - first)
    }

    /// Sets how far the right child is from its parent.
    fn link(&mut self, parent: usize, at: usize) -> Result<(), String> {
        let step = u32::try_from(at.saturating_sub(parent));
        match (self.forest.nodes.get_mut(parent), step, u32::try_from(at)) {
            (Some(node), Ok(step), Ok(_)) => {
                node.right = step;
                Ok(())
            }
            _ => Err("there are too many nodes".to_owned()),
        }
    }

    fn split(&mut self, input: usize, test: &Test, missing_left: bool) -> Result<Flat, String> {
        if input >= self.inputs {
            return Err(format!("asks for feature {input}, there are {}", self.inputs));
        }
        let mut flags = if missing_left { MISSING_LEFT } else { 0 };
        let bits = match test {
            Test::Number { threshold, .. } if threshold.is_nan() => {
                return Err("has the threshold NaN".to_owned());
            }
            Test::Number { threshold, zero_is_missing } => {
                flags |= if *zero_is_missing { ZERO_IS_MISSING } else { 0 };
                threshold.to_bits()
            }
            Test::Category { left, outside_left } => {
                flags |= CATEGORY | if *outside_left { OUTSIDE_LEFT } else { 0 };
                let first = self.forest.sets.len();
                if first.saturating_add(left.len()) > MAX_WORDS {
                    return Err("has a set of categories, and the sets take more than 64 MiB".to_owned());
                }
                self.forest.sets.extend_from_slice(left);
                (first as u64) << 32 | left.len() as u64
            }
        };
        self.forest.special |= flags & (CATEGORY | ZERO_IS_MISSING) != 0;
        // The right child's distance follows when it is reached.
        Ok(Flat { bits, right: 0, input: input as u16, left: 1, flags })
    }

    /// The forest.
    #[must_use]
    pub fn finish(self) -> Forest {
        self.forest
    }
}
