//! One tree.

use modelyard_sdk::learn::trees::{Builder, Node, Test};

use crate::text::Section;

/// The bit of a decision type for a split by categories.
const CATEGORICAL: u8 = 1;
/// The bit for a missing value that goes left.
const DEFAULT_LEFT: u8 = 2;

/// Adds a tree to the forest.
pub(crate) fn add(builder: &mut Builder, section: &Section<'_>, score: usize) -> Result<(), String> {
    if section.count_or("is_linear", 0)? != 0 {
        return Err("linear models in the leaves (linear_tree) are not supported".to_owned());
    }
    let tree = Tree::new(section)?;
    let nodes = tree.leaves.len() + tree.splits();
    let reached = builder.tree(score, nodes, |at| tree.node(at))?;
    if reached == nodes {
        Ok(())
    } else {
        Err(format!("{} of its {nodes} nodes can't be reached", nodes - reached))
    }
}

/// The lists of a tree. Its splits are numbered from 0, the first is the root;
/// its leaves come after them.
struct Tree {
    leaves: Vec<f64>,
    input: Vec<usize>,
    threshold: Vec<f64>,
    decision: Vec<u8>,
    /// A split, or a leaf in ones' complement.
    left: Vec<i32>,
    right: Vec<i32>,
    /// Where the sets begin in `sets`, and where the last one ends.
    boundaries: Vec<usize>,
    /// Bits of the sets of categories that go left.
    sets: Vec<u32>,
}

impl Tree {
    fn new(section: &Section<'_>) -> Result<Self, String> {
        let leaves = section.count("num_leaves")?;
        let Some(splits) = leaves.checked_sub(1) else {
            return Err("it has no leaves".to_owned());
        };
        let sets = section.count_or("num_cat", 0)?;
        let boundaries =
            if sets == 0 { Vec::new() } else { section.values("cat_boundaries", sets.saturating_add(1))? };
        let words = boundaries.last().copied().unwrap_or(0);
        Ok(Self {
            leaves: section.values("leaf_value", leaves)?,
            input: section.values("split_feature", splits)?,
            threshold: section.values("threshold", splits)?,
            decision: section.values("decision_type", splits)?,
            left: section.values("left_child", splits)?,
            right: section.values("right_child", splits)?,
            sets: if sets == 0 { Vec::new() } else { section.values("cat_threshold", words)? },
            boundaries,
        })
    }

    fn splits(&self) -> usize {
        self.input.len()
    }

    fn node(&self, at: usize) -> Result<Node, String> {
        if let Some(leaf) = at.checked_sub(self.splits()) {
            let value = self.leaves.get(leaf).copied();
            return value.map(|value| Node::Leaf { value }).ok_or_else(|| format!("leaf {leaf} is missing"));
        }
        let missing = || format!("split {at} is missing");
        let input = *self.input.get(at).ok_or_else(missing)?;
        let threshold = *self.threshold.get(at).ok_or_else(missing)?;
        let decision = *self.decision.get(at).ok_or_else(missing)?;
        let left = self.child(at, *self.left.get(at).ok_or_else(missing)?)?;
        let right = self.child(at, *self.right.get(at).ok_or_else(missing)?)?;
        if decision & CATEGORICAL != 0 {
            // A missing value is in no set.
            let test = Test::Category { left: self.set(at, threshold)?, outside_left: false };
            return Ok(Node::Split { input, test, missing_left: false, left, right });
        }
        if !threshold.is_finite() {
            return Err(format!("split {at} has the threshold {threshold}"));
        }
        let default_left = decision & DEFAULT_LEFT != 0;
        let (missing_left, zero_is_missing) = match decision >> 2 {
            // None: a missing value is taken as 0.
            0 => (0.0 <= threshold, false),
            // Zero: both go the default way.
            1 => (default_left, true),
            // NaN.
            2 => (default_left, false),
            kind => {
                return Err(format!("split {at} has the missing type {kind}; None, Zero and NaN are known"));
            }
        };
        let test = Test::Number { threshold, zero_is_missing };
        Ok(Node::Split { input, test, missing_left, left, right })
    }

    /// The number of a child among splits and leaves.
    fn child(&self, at: usize, child: i32) -> Result<usize, String> {
        let (place, count) =
            if child < 0 { ((!child) as usize, self.leaves.len()) } else { (child as usize, self.splits()) };
        if place >= count {
            return Err(format!("split {at} has the child {child}, out of range"));
        }
        Ok(if child < 0 { self.splits() + place } else { place })
    }

    /// The set of a split, which its threshold is the number of.
    fn set(&self, at: usize, number: f64) -> Result<Vec<u64>, String> {
        let fault = || format!("split {at} has the set of categories {number}, out of range");
        if !(number >= 0.0 && number < self.boundaries.len() as f64) {
            return Err(fault());
        }
        let number = number as usize;
        let range = self.boundaries.get(number).zip(self.boundaries.get(number + 1));
        let words = range.and_then(|(from, to)| self.sets.get(*from..*to)).ok_or_else(fault)?;
        let pair = |pair: &[u32]| {
            let word = |at: usize| pair.get(at).copied().map_or(0, u64::from);
            word(0) | word(1) << 32
        };
        Ok(words.chunks(2).map(pair).collect())
    }
}
