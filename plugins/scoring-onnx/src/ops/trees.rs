//! Ensembles of decision trees. The nodes of all trees lie in one array, each
//! before its subtrees and its true branch right after it, so that a walk only
//! goes forward and always ends.

use std::collections::BTreeMap;

use super::number::Number;
use super::one;
use super::score::{Labels, Second, Transform, largest, pair, probit};
use crate::node::{Kernel, Node};
use crate::value::{Data, Done, Value, count};

/// A node in 16 bytes.
#[derive(Clone, Copy, Debug)]
struct Flat {
    /// What the feature is compared with.
    threshold: f64,
    /// The feature's index, and in the lower four bits whether a missing value
    /// goes to the true branch and the [`Mode`].
    key: u32,
    /// The false branch; of a leaf, its number.
    other: u32,
}

/// How a feature is compared with the threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Leq,
    Lt,
    Gte,
    Gt,
    Eq,
    Neq,
    Leaf,
}

const MODES: [(&[u8], Mode); 7] = [
    (b"BRANCH_LEQ", Mode::Leq),
    (b"BRANCH_LT", Mode::Lt),
    (b"BRANCH_GTE", Mode::Gte),
    (b"BRANCH_GT", Mode::Gt),
    (b"BRANCH_EQ", Mode::Eq),
    (b"BRANCH_NEQ", Mode::Neq),
    (b"LEAF", Mode::Leaf),
];

const MISSING_IS_TRUE: u32 = 8;
const LEAF: u32 = Mode::Leaf as u32;
const MOST_FEATURES: i64 = 1 << 28;

/// The trees.
#[derive(Debug, Default)]
struct Forest {
    nodes: Vec<Flat>,
    roots: Vec<u32>,
    /// The weights of leaf i are those from `leaves[i]` to `leaves[i + 1]`.
    leaves: Vec<u32>,
    /// Which score a weight belongs to, and the weight.
    weights: Vec<(u32, f64)>,
    /// One more than the largest feature's index.
    features: usize,
    base: Vec<f64>,
    /// Whether sums are of doubles, as with the attributes `…_as_tensor`.
    double: bool,
}

/// The attributes, as parallel lists.
struct Lists {
    trees: Vec<i64>,
    ids: Vec<i64>,
    features: Vec<i64>,
    modes: Vec<Mode>,
    thresholds: Vec<f64>,
    yes: Vec<i64>,
    no: Vec<i64>,
    missing: Vec<i64>,
}

fn list<T: Copy>(values: &[T], at: usize) -> Done<T> {
    values.get(at).copied().ok_or_else(|| format!("there is no element {at}"))
}

/// Numbers from an attribute of floats or, for doubles, of the same name with
/// `_as_tensor`.
fn numbers(node: &mut Node, name: &str, double: &mut bool) -> Done<Vec<f64>> {
    let floats = node.floats(name)?;
    match node.tensor(&format!("{name}_as_tensor"))? {
        None => Ok(floats.into_iter().map(f64::from).collect()),
        Some(_) if !floats.is_empty() => Err(format!("`{name}` is there as floats and as a tensor")),
        Some(Value { data: Data::F64(values), .. }) => {
            *double = true;
            Ok(values)
        }
        Some(value) => Ok(value.floats()?.iter().map(|&x| f64::from(x)).collect()),
    }
}

impl Lists {
    fn read(node: &mut Node, double: &mut bool) -> Done<Self> {
        for name in ["nodes_hitrates", "nodes_hitrates_as_tensor"] {
            node.ignore(name);
        }
        let modes = node.texts("nodes_modes")?;
        let mode = |text: &Vec<u8>| {
            let known = MODES.iter().find(|(name, _)| *name == text.as_slice());
            known
                .map(|(_, mode)| *mode)
                .ok_or_else(|| format!("the mode {:?} in `nodes_modes`", String::from_utf8_lossy(text)))
        };
        let lists = Self {
            trees: needed(node, "nodes_treeids")?,
            ids: needed(node, "nodes_nodeids")?,
            features: needed(node, "nodes_featureids")?,
            modes: modes.iter().map(mode).collect::<Done<_>>()?,
            thresholds: numbers(node, "nodes_values", double)?,
            yes: needed(node, "nodes_truenodeids")?,
            no: needed(node, "nodes_falsenodeids")?,
            missing: node.ints("nodes_missing_value_tracks_true")?.unwrap_or_default(),
        };
        let n = lists.trees.len();
        let lengths = [
            ("nodes_nodeids", lists.ids.len()),
            ("nodes_featureids", lists.features.len()),
            ("nodes_modes", lists.modes.len()),
            ("nodes_values", lists.thresholds.len()),
            ("nodes_truenodeids", lists.yes.len()),
            ("nodes_falsenodeids", lists.no.len()),
            (
                "nodes_missing_value_tracks_true",
                if lists.missing.is_empty() { n } else { lists.missing.len() },
            ),
        ];
        match lengths.iter().find(|(_, length)| *length != n) {
            Some((name, length)) => Err(format!("`{name}` has {length} elements and `nodes_treeids` {n}")),
            None if n == 0 => Err("it has no nodes".into()),
            None => Ok(lists),
        }
    }
}

fn needed(node: &mut Node, name: &str) -> Done<Vec<i64>> {
    node.ints(name)?.ok_or_else(|| format!("the attribute `{name}` is missing"))
}

impl Forest {
    /// Reads the trees; the attributes of weights begin with `target` or `class`.
    fn read(node: &mut Node, prefix: &str, scores: usize) -> Done<Self> {
        let mut forest = Self::default();
        let lists = Lists::read(node, &mut forest.double)?;
        let trees = needed(node, &format!("{prefix}_treeids"))?;
        let nodes = needed(node, &format!("{prefix}_nodeids"))?;
        let ids = needed(node, &format!("{prefix}_ids"))?;
        let weights = numbers(node, &format!("{prefix}_weights"), &mut forest.double)?;
        forest.base = numbers(node, "base_values", &mut forest.double)?;
        if [nodes.len(), ids.len(), weights.len()] != [trees.len(); 3] {
            return Err(format!("the lists `{prefix}_…` differ in length"));
        }
        let mut by_leaf: BTreeMap<(i64, i64), Vec<(u32, f64)>> = BTreeMap::new();
        for ((tree, node), (id, weight)) in trees.into_iter().zip(nodes).zip(ids.into_iter().zip(weights)) {
            let score = u32::try_from(id).ok().filter(|id| (*id as usize) < scores);
            let score =
                score.ok_or_else(|| format!("`{prefix}_ids` holds {id}; there are {scores} scores"))?;
            by_leaf.entry((tree, node)).or_default().push((score, weight));
        }
        forest.grow(&lists, &by_leaf)?;
        Ok(forest)
    }

    fn grow(&mut self, lists: &Lists, weights: &BTreeMap<(i64, i64), Vec<(u32, f64)>>) -> Done<()> {
        let mut places = BTreeMap::new();
        let keys = || lists.trees.iter().copied().zip(lists.ids.iter().copied());
        for (at, key) in keys().enumerate() {
            if places.insert(key, at).is_some() {
                return Err(format!("tree {} has the node {} twice", key.0, key.1));
            }
        }
        if let Some((tree, node)) = weights.keys().find(|key| !places.contains_key(key)) {
            return Err(format!("a weight belongs to node {node} of tree {tree}, which is not there"));
        }
        let mut seen = vec![false; lists.ids.len()];
        self.leaves.push(0);
        let mut before = None;
        for (at, tree) in lists.trees.iter().enumerate() {
            // The first node of a tree is its root.
            if before.replace(*tree) != Some(*tree) {
                self.roots.push(u32::try_from(self.nodes.len()).map_err(|_| "too many nodes")?);
                self.grow_tree(lists, at, &places, weights, &mut seen)?;
            }
        }
        Ok(())
    }

    fn grow_tree(
        &mut self,
        lists: &Lists,
        root: usize,
        places: &BTreeMap<(i64, i64), usize>,
        weights: &BTreeMap<(i64, i64), Vec<(u32, f64)>>,
        seen: &mut [bool],
    ) -> Done<()> {
        // A node to place, and the node whose false branch it is.
        let mut waiting: Vec<(usize, Option<usize>)> = vec![(root, None)];
        while let Some((at, parent)) = waiting.pop() {
            let here = self.nodes.len();
            let (tree, id) = (list(&lists.trees, at)?, list(&lists.ids, at)?);
            match seen.get_mut(at) {
                Some(seen) if !*seen => *seen = true,
                _ => return Err(format!("node {id} of tree {tree} is reached twice; trees have no circles")),
            }
            if let Some(parent) = parent.and_then(|parent| self.nodes.get_mut(parent)) {
                parent.other = here as u32;
            }
            let mode = list(&lists.modes, at)?;
            let (mut flat, missing) = (Flat { threshold: 0.0, key: LEAF, other: 0 }, lists.missing.get(at));
            if mode == Mode::Leaf {
                flat.other = (self.leaves.len() - 1) as u32;
                self.weights.extend(weights.get(&(tree, id)).into_iter().flatten());
                self.leaves.push(self.weights.len() as u32);
                self.nodes.push(flat);
                continue;
            }
            let feature = list(&lists.features, at)?;
            if !(0..MOST_FEATURES).contains(&feature) {
                return Err(format!("node {id} of tree {tree} takes the feature {feature}"));
            }
            self.features = self.features.max(feature as usize + 1);
            flat.threshold = list(&lists.thresholds, at)?;
            flat.key = (feature as u32) << 4 | mode as u32;
            if missing.is_some_and(|missing| *missing != 0) {
                flat.key |= MISSING_IS_TRUE;
            }
            self.nodes.push(flat);
            for (branch, parent) in [(&lists.no, Some(here)), (&lists.yes, None)] {
                let next = list(branch, at)?;
                let place = places.get(&(tree, next)).copied();
                let place = place
                    .ok_or_else(|| format!("node {id} of tree {tree} leads to {next}, which is not there"))?;
                waiting.push((place, parent));
            }
        }
        Ok(())
    }

    /// The weights of the leaf that a row comes to.
    fn walk<X: Copy + Into<f64>>(&self, root: u32, row: &[X]) -> &[(u32, f64)] {
        let mut at = root as usize;
        while let Some(node) = self.nodes.get(at) {
            let mode = node.key & 7;
            if mode == LEAF {
                let bound = |at: usize| self.leaves.get(at).map_or(0, |bound| *bound as usize);
                let leaf = node.other as usize;
                return self.weights.get(bound(leaf)..bound(leaf + 1)).unwrap_or_default();
            }
            let x: f64 = row.get((node.key >> 4) as usize).map_or(f64::NAN, |x| (*x).into());
            let holds = match mode {
                0 => x <= node.threshold,
                1 => x < node.threshold,
                2 => x >= node.threshold,
                3 => x > node.threshold,
                4 => x == node.threshold,
                _ => x != node.threshold,
            };
            let holds = holds || (x.is_nan() && node.key & MISSING_IS_TRUE != 0);
            at = if holds { at + 1 } else { node.other as usize };
        }
        &[]
    }

    /// Calls `finish` with every row's sums, or its least or largest weights, and
    /// which of them any leaf gave.
    fn rows<S: Number, X: Copy + Into<f64>>(
        &self,
        (values, width): (&[X], usize),
        scores: usize,
        aggregate: Aggregate,
        mut finish: impl FnMut(&mut [S], &mut [bool]),
    ) {
        let (mut sums, mut given) = (vec![S::default(); scores], vec![false; scores]);
        for row in values.chunks_exact(width) {
            sums.fill(S::default());
            given.fill(false);
            for root in &self.roots {
                for (score, weight) in self.walk(*root, row) {
                    let at = *score as usize;
                    let (Some(sum), Some(given)) = (sums.get_mut(at), given.get_mut(at)) else { continue };
                    let weight = S::of(*weight);
                    *sum = match aggregate {
                        Aggregate::Sum | Aggregate::Average => sum.plus(weight),
                        _ if !*given => weight,
                        Aggregate::Min => sum.smaller(weight),
                        Aggregate::Max => sum.larger(weight),
                    };
                    *given = true;
                }
            }
            finish(&mut sums, &mut given);
        }
    }

    /// [`rows`](Self::rows) over an input of any number type, given as floats.
    fn score(
        &self,
        value: &Value,
        scores: usize,
        aggregate: Aggregate,
        mut finish: impl FnMut(&mut [f32], &[bool]),
    ) -> Done<usize> {
        let (rows, width) = value.matrix()?;
        if width < self.features || width == 0 {
            return Err(format!("the trees take {} features; the input has {width}", self.features));
        }
        let mut narrow = vec![0.0_f32; scores];
        let mut wide = |sums: &mut [f64], given: &mut [bool]| {
            narrow.iter_mut().zip(sums.iter()).for_each(|(to, from)| *to = *from as f32);
            finish(&mut narrow, given);
        };
        let trees = self.roots.len() as f64;
        match (&value.data, self.double) {
            (Data::F64(values), true) => {
                self.rows((values, width), scores, aggregate, |sums, given| {
                    self.based::<f64>(sums, aggregate, trees);
                    wide(sums, given);
                });
            }
            (Data::F64(values), false) => {
                self.rows((values, width), scores, aggregate, |sums: &mut [f32], given| {
                    self.based(sums, aggregate, trees);
                    finish(sums, given);
                });
            }
            (_, double) => {
                let values = value.floats()?;
                if double {
                    self.rows((&values, width), scores, aggregate, |sums, given| {
                        self.based::<f64>(sums, aggregate, trees);
                        wide(sums, given);
                    });
                } else {
                    self.rows((&values, width), scores, aggregate, |sums: &mut [f32], given| {
                        self.based(sums, aggregate, trees);
                        finish(sums, given);
                    });
                }
            }
        }
        Ok(rows)
    }

    /// Averages, and adds the base values.
    fn based<S: Number>(&self, sums: &mut [S], aggregate: Aggregate, trees: f64) {
        for (at, sum) in sums.iter_mut().enumerate() {
            if aggregate == Aggregate::Average {
                *sum = sum.over(S::of(trees));
            }
            if let Some(base) = self.base.get(at) {
                *sum = sum.plus(S::of(*base));
            }
        }
    }
}

/// What the trees' weights become together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aggregate {
    Sum,
    Average,
    Min,
    Max,
}

/// TreeEnsembleRegressor
pub fn regressor(node: &mut Node) -> Done<Kernel> {
    let words = [
        ("SUM", Aggregate::Sum),
        ("AVERAGE", Aggregate::Average),
        ("MIN", Aggregate::Min),
        ("MAX", Aggregate::Max),
    ];
    let aggregate = node.word("aggregate_function", &words)?;
    let transform = Transform::read(node)?;
    let targets = node.int("n_targets")?.unwrap_or(1);
    let targets = usize::try_from(targets).ok().filter(|n| (1..=65_536).contains(n));
    let targets = targets.ok_or("the attribute `n_targets` must be from 1 to 65536")?;
    let forest = Forest::read(node, "target", targets)?;
    if !forest.base.is_empty() && forest.base.len() != targets {
        return Err(format!("`base_values` has {} elements for {targets} targets", forest.base.len()));
    }
    one(move |args| {
        let value = args.get(0)?;
        let mut out = Vec::with_capacity(count(&[value.matrix()?.0, targets])?);
        let rows = forest.score(value, targets, aggregate, |scores, _| {
            match scores {
                // ONNX Runtime transforms a single score in this one way only.
                [score] if transform == Transform::Probit => *score = probit(*score),
                [_] => {}
                _ => transform.apply(scores),
            }
            out.extend_from_slice(scores);
        })?;
        Value::f32(vec![rows, targets], out)
    })
}

/// TreeEnsembleClassifier
pub fn classifier(node: &mut Node) -> Done<Kernel> {
    let labels = Labels::read(node, "classlabels_int64s", "classlabels_strings")?;
    let (transform, classes) = (Transform::read(node)?, labels.len());
    if classes < 2 {
        return Err("one class is nothing to choose from".into());
    }
    let mut forest = Forest::read(node, "class", classes)?;
    let base = std::mem::take(&mut forest.base);
    if base.len() > classes {
        return Err(format!("`base_values` has {} elements for {classes} classes", base.len()));
    }
    let first = forest.weights.first().map(|(class, _)| *class);
    let binary = Binary {
        one_score: classes == 2 && forest.weights.iter().all(|(class, _)| Some(*class) == first),
        probability: forest.weights.iter().all(|(_, weight)| *weight >= 0.0),
        transform,
    };
    Ok(Box::new(move |args| {
        let value = args.get(0)?;
        let rows = value.matrix()?.0;
        let mut scores_out = Vec::with_capacity(count(&[rows, classes])?);
        let mut winners = Vec::with_capacity(rows);
        forest.score(value, classes, Aggregate::Sum, |scores, given| {
            if let [first, second] = scores {
                let (winner, pair) = binary.finish([*first, *second], [true, binary.given(given)], &base);
                winners.push(winner);
                scores_out.extend_from_slice(&pair);
                return;
            }
            let based = scores.iter_mut().zip(&base);
            based.for_each(|(score, base)| *score += *base as f32);
            let open = |(at, score): (usize, &f32)| match given.get(at) {
                Some(false) if base.is_empty() => f32::NEG_INFINITY,
                _ => *score,
            };
            let ranked: Vec<f32> = scores.iter().enumerate().map(open).collect();
            winners.push(largest(&ranked));
            transform.apply(scores);
            scores_out.extend_from_slice(scores);
        })?;
        Ok(vec![labels.of(&winners)?, Value::f32(vec![rows, classes], scores_out)?])
    }))
}

/// How two classes are told apart.
#[derive(Clone, Copy, Debug)]
struct Binary {
    /// Whether all weights belong to one score.
    one_score: bool,
    /// Whether that score is a probability; a margin otherwise.
    probability: bool,
    transform: Transform,
}

impl Binary {
    fn given(self, given: &[bool]) -> bool {
        given.get(1).copied().unwrap_or(false)
    }

    /// The class and both scores, by the rules of ONNX Runtime.
    fn finish(self, [mut a, mut b]: [f32; 2], [_, has_b]: [bool; 2], base: &[f64]) -> (usize, [f32; 2]) {
        let mut both = has_b;
        match base {
            [_, base] if has_b => {
                b = *base as f32 + a;
                a = -b;
            }
            [base_a, base_b] => {
                a += *base_a as f32;
                b += *base_b as f32;
                both = true;
            }
            [base] => a += *base as f32,
            _ => {}
        }
        let decisive = if has_b { b } else { a };
        let limit = if self.one_score && self.probability { 0.5 } else { 0.0 };
        let winner = usize::from(decisive > limit);
        let mut scores = [a, b];
        if both {
            self.transform.apply(&mut scores);
        } else {
            let complement = self.probability && self.transform != Transform::Logistic;
            let second = if complement { Second::Complement } else { Second::Opposite };
            scores = pair(a, second, self.transform);
        }
        (winner, scores)
    }
}
