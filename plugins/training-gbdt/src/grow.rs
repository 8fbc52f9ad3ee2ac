//! One tree, grown leaf by leaf where the loss falls most.

// Leaves, nodes and rows are indices that this module hands out itself.
#![allow(clippy::indexing_slicing)]

use modelyard_sdk::learn::Kind;
use modelyard_sdk::learn::gbdt::model::{Node, Tree};
use modelyard_sdk::{Result, progress};

use crate::categorical;
use crate::dataset::{Bins, Feature};
use crate::histogram::{Cell, Layout, subtract};
use crate::params::Parameters;
use crate::split::{self, Bounds, Rule, Split, Sums};

/// A tree on bins.
#[derive(Debug)]
pub struct Grown {
    nodes: Vec<Branch>,
    /// The rows that it was grown on, leaf after leaf.
    rows: Vec<u32>,
    /// For each leaf its node and its part of `rows`.
    leaves: Vec<(usize, std::ops::Range<usize>)>,
}

#[derive(Debug)]
enum Branch {
    Leaf(f64),
    Split { split: Split, left: usize, right: usize },
}

/// What grows trees, with the memory that it uses again for each.
#[derive(Debug)]
pub struct Grower<'a> {
    features: &'a [Feature],
    bins: &'a Bins,
    layout: Layout,
    bounds: Bounds,
    max_leaves: usize,
    max_depth: u32,
    learning_rate: f64,
    /// Histograms that no leaf holds.
    free: Vec<Vec<Cell>>,
    /// Room for the right side while rows are parted.
    aside: Vec<u32>,
}

struct Leaf {
    node: usize,
    rows: std::ops::Range<usize>,
    depth: u32,
    histogram: Vec<Cell>,
    best: Option<Split>,
}

impl<'a> Grower<'a> {
    /// For trees on these bins.
    #[must_use]
    pub fn new(features: &'a [Feature], bins: &'a Bins, parameters: &Parameters) -> Self {
        Self {
            features,
            bins,
            layout: Layout::new(features),
            bounds: Bounds::from(parameters),
            max_leaves: parameters.max_leaves as usize,
            max_depth: parameters.max_depth,
            learning_rate: parameters.learning_rate,
            free: Vec::new(),
            aside: Vec::new(),
        }
    }

    /// The memory in bytes that histograms take at most.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.layout.cells().saturating_mul(self.max_leaves + 1).saturating_mul(size_of::<Cell>())
    }

    /// Grows a tree on `rows`, ascending, with their derivatives, splitting on
    /// the columns whose `usable` is true. Adds each split's gain to `gains`.
    pub fn grow(
        &mut self,
        rows: Vec<u32>,
        derivatives: &[[f32; 2]],
        usable: &[bool],
        gains: &mut [f64],
    ) -> Result<Grown> {
        let mut sums = Sums { rows: rows.len() as f64, ..Sums::default() };
        for row in &rows {
            let [g, h] = derivatives[*row as usize].map(f64::from);
            sums.g += g;
            sums.h += h;
        }
        let mut tree = Grown { nodes: Vec::new(), rows, leaves: Vec::new() };
        tree.nodes.push(Branch::Leaf(sums.output(self.bounds.l2) * self.learning_rate));
        let mut histogram = self.take();
        self.layout.fill(&mut histogram, self.bins, &tree.rows, derivatives);
        let root = Leaf { node: 0, rows: 0..tree.rows.len(), depth: 0, histogram, best: None };
        let mut leaves = vec![self.judged(root, sums, usable)];
        while leaves.len() < self.max_leaves {
            progress::check()?;
            let gain = |leaf: &Leaf| leaf.best.map_or(0.0, |best| best.gain);
            // Of equal gains the earlier leaf's, so that the tree is the same
            // everywhere.
            let mut chosen = 0;
            for (at, leaf) in leaves.iter().enumerate() {
                if gain(leaf) > gain(&leaves[chosen]) {
                    chosen = at;
                }
            }
            let Some(split) = leaves[chosen].best.take() else { break };
            let (left, right) = self.part(&mut leaves[chosen], split, &mut tree, derivatives);
            gains[split.feature] += split.gain;
            leaves[chosen] = self.judged(left, split.left, usable);
            leaves.push(self.judged(right, split.right, usable));
        }
        for leaf in leaves {
            tree.leaves.push((leaf.node, leaf.rows));
            self.give_back(leaf.histogram);
        }
        Ok(tree)
    }

    /// Splits a leaf: its rows in place, its histogram into those of the sides.
    fn part(
        &mut self,
        leaf: &mut Leaf,
        split: Split,
        tree: &mut Grown,
        derivatives: &[[f32; 2]],
    ) -> (Leaf, Leaf) {
        let (start, end) = (leaf.rows.start, leaf.rows.end);
        let middle = start + self.part_rows(&mut tree.rows[start..end], &split);
        let (mut larger, mut smaller) = (std::mem::take(&mut leaf.histogram), self.take());
        let left_is_smaller = middle - start < end - middle;
        let rows = if left_is_smaller { start..middle } else { middle..end };
        self.layout.fill(&mut smaller, self.bins, &tree.rows[rows], derivatives);
        subtract(&mut larger, &smaller);
        let (left, right) = if left_is_smaller { (smaller, larger) } else { (larger, smaller) };
        let first = tree.nodes.len();
        for side in [split.left, split.right] {
            tree.nodes.push(Branch::Leaf(side.output(split.l2) * self.learning_rate));
        }
        tree.nodes[leaf.node] = Branch::Split { split, left: first, right: first + 1 };
        let child = |node, rows, histogram| Leaf { node, rows, depth: leaf.depth + 1, histogram, best: None };
        (child(first, start..middle, left), child(first + 1, middle..end, right))
    }

    /// Moves the rows that go left to the front, both sides in order; gives how
    /// many there are.
    fn part_rows(&mut self, rows: &mut [u32], split: &Split) -> usize {
        let (width, column) = (self.bins.width, split.feature);
        self.aside.clear();
        self.aside.resize(rows.len(), 0);
        let aside = &mut self.aside[..rows.len()];
        let (mut left, mut right) = (0, 0);
        // Both are written and one is kept: no branch to mispredict.
        for at in 0..rows.len() {
            let row = rows[at];
            let goes_left = split.goes_left(self.bins.data[row as usize * width + column]);
            rows[left] = row;
            aside[right] = row;
            left += usize::from(goes_left);
            right += usize::from(!goes_left);
        }
        rows[left..].copy_from_slice(&aside[..right]);
        left
    }

    /// Looks for the leaf's best split; without one it gives up its histogram.
    fn judged(&mut self, mut leaf: Leaf, mut sums: Sums, usable: &[bool]) -> Leaf {
        sums.rows = leaf.rows.len() as f64;
        let deep = self.max_depth > 0 && leaf.depth >= self.max_depth;
        if !deep && sums.rows >= 2.0 * self.bounds.rows {
            for (at, feature) in self.features.iter().enumerate().filter(|(at, _)| usable[*at]) {
                let cells = self.layout.of(&leaf.histogram, at);
                let found = match feature.input.kind {
                    Kind::Category(_) => categorical::categories(at, cells, sums, &self.bounds),
                    _ => split::numbers(at, cells, sums, &self.bounds),
                };
                if let Some(found) = found
                    && leaf.best.is_none_or(|best| found.gain > best.gain)
                {
                    leaf.best = Some(found);
                }
            }
        }
        if leaf.best.is_none() {
            self.give_back(std::mem::take(&mut leaf.histogram));
        }
        leaf
    }

    fn take(&mut self) -> Vec<Cell> {
        self.free.pop().unwrap_or_else(|| vec![[0.0; 2]; self.layout.cells()])
    }

    fn give_back(&mut self, histogram: Vec<Cell>) {
        if !histogram.is_empty() {
            self.free.push(histogram);
        }
    }
}

impl Grown {
    /// Whether it has no split.
    #[must_use]
    pub fn is_leaf(&self) -> bool {
        self.nodes.len() < 2
    }

    /// The rows of each leaf and what the leaf answers.
    pub fn leaves(&self) -> impl Iterator<Item = (&[u32], f64)> {
        self.leaves.iter().map(|(node, rows)| {
            let value = match self.nodes[*node] {
                Branch::Leaf(value) => value,
                Branch::Split { .. } => 0.0,
            };
            (&self.rows[rows.clone()], value)
        })
    }

    /// Sets what each leaf answers, by its rows.
    pub fn renew(&mut self, answer: impl Fn(&[u32]) -> f64) {
        for (node, rows) in &self.leaves {
            self.nodes[*node] = Branch::Leaf(answer(&self.rows[rows.clone()]));
        }
    }

    /// What a row of bins is answered.
    #[must_use]
    pub fn answer(&self, bins: &[u8]) -> f64 {
        let mut at = 0;
        loop {
            match &self.nodes[at] {
                Branch::Leaf(value) => return *value,
                Branch::Split { split, left, right } => {
                    at = if split.goes_left(bins[split.feature]) { *left } else { *right };
                }
            }
        }
    }

    /// The tree on values, in pre-order.
    #[must_use]
    pub fn tree(&self, features: &[Feature]) -> Tree {
        let mut nodes = Vec::with_capacity(self.nodes.len());
        // Each branch still to come, with the split that it is the right side of.
        let mut open = vec![(0, None)];
        while let Some((at, parent)) = open.pop() {
            let here = nodes.len();
            if let Some(parent) = parent
                && let Some(Node::Number { right, .. } | Node::Category { right, .. }) = nodes.get_mut(parent)
            {
                *right = here as u32;
            }
            match &self.nodes[at] {
                Branch::Leaf(value) => nodes.push(Node::Leaf { value: *value }),
                Branch::Split { split, left, right } => {
                    nodes.push(node(split, &features[split.feature]));
                    open.push((*right, Some(here)));
                    open.push((*left, None));
                }
            }
        }
        Tree { nodes }
    }
}

fn node(split: &Split, feature: &Feature) -> Node {
    let input = split.feature as u32;
    let missing_left = split.goes_left(crate::bins::MISSING);
    match (split.rule, &feature.input.kind, &feature.mapper) {
        (Rule::Set, Kind::Category(categories), crate::bins::Mapper::Categories { places, .. }) => {
            let mut left = vec![0; categories.len().div_ceil(8)];
            for (bin, place) in (1..=u8::MAX).zip(places) {
                if split.goes_left(bin) {
                    left[*place as usize / 8] |= 1 << (place % 8);
                }
            }
            Node::Category { input, left, missing_left, right: 0 }
        }
        (Rule::UpTo(bin), ..) => {
            Node::Number { input, threshold: feature.mapper.threshold(bin), missing_left, right: 0 }
        }
        // A set goes with categories; without them nothing is in it.
        (Rule::Set, ..) => Node::Number { input, threshold: f64::MIN, missing_left, right: 0 },
    }
}
