//! One tree.

use modelyard_sdk::learn::trees::{Builder, Node, Test};

use crate::value::{Value, whole};

/// From here on a category is no category: single precision has no odd numbers.
const NO_CATEGORY: usize = 1 << 24;

/// Adds a tree to the forest; its leaves count `weight` times.
pub(crate) fn add(builder: &mut Builder, tree: &Value, score: usize, weight: f32) -> Result<(), String> {
    if let Some(param) = tree.find("tree_param")
        && param.count_or("size_leaf_vector", 1)? > 1
    {
        return Err("leaves of several targets (multi_strategy=multi_output_tree) are not supported; \
                    train with one_output_per_tree"
            .to_owned());
    }
    let tree = Tree::new(tree)?;
    builder.tree(score, tree.left.len(), |at| tree.node(at, weight))?;
    Ok(())
}

/// The lists of a tree: one value per node, and those about categories, one per
/// node that splits by them.
struct Tree<'a> {
    left: &'a [f64],
    right: &'a [f64],
    input: &'a [f64],
    /// A split's threshold, a leaf's value.
    condition: &'a [f64],
    default_left: &'a [f64],
    /// 1 for a split by categories; empty in old files.
    kind: &'a [f64],
    nodes: &'a [f64],
    segments: &'a [f64],
    sizes: &'a [f64],
    categories: &'a [f64],
}

impl<'a> Tree<'a> {
    fn new(tree: &'a Value) -> Result<Self, String> {
        let some = |key: &str| -> Result<&'a [f64], String> {
            if tree.find(key).is_some() { tree.numbers(key) } else { Ok(&[]) }
        };
        let found = Self {
            left: tree.numbers("left_children")?,
            right: tree.numbers("right_children")?,
            input: tree.numbers("split_indices")?,
            condition: tree.numbers("split_conditions")?,
            default_left: tree.numbers("default_left")?,
            kind: some("split_type")?,
            nodes: some("categories_nodes")?,
            segments: some("categories_segments")?,
            sizes: some("categories_sizes")?,
            categories: some("categories")?,
        };
        let count = found.left.len();
        for (name, list) in [
            ("right_children", found.right),
            ("split_indices", found.input),
            ("split_conditions", found.condition),
            ("default_left", found.default_left),
        ] {
            if list.len() != count {
                return Err(format!("`{name}` has {} values for {count} nodes", list.len()));
            }
        }
        if !found.kind.is_empty() && found.kind.len() != count {
            return Err(format!("`split_type` has {} values for {count} nodes", found.kind.len()));
        }
        if let Some(param) = tree.find("tree_param")
            && param.count_or("num_nodes", count)? != count
        {
            return Err(format!("it has {count} nodes and announces {}", param.count("num_nodes")?));
        }
        if found.segments.len() != found.nodes.len() || found.sizes.len() != found.nodes.len() {
            return Err("the lists about its categories differ in length".to_owned());
        }
        let rising = found.nodes.iter().zip(found.nodes.iter().skip(1)).all(|(node, next)| node < next);
        if rising { Ok(found) } else { Err("`categories_nodes` does not rise".to_owned()) }
    }

    fn node(&self, at: usize, weight: f32) -> Result<Node, String> {
        let value = |list: &[f64], name: &str| {
            list.get(at).copied().ok_or_else(|| format!("`{name}` has no value for node {at}"))
        };
        let condition = value(self.condition, "split_conditions")? as f32;
        let left = value(self.left, "left_children")?;
        if left == -1.0 {
            return Ok(Node::Leaf { value: f64::from(condition * weight) });
        }
        let right = value(self.right, "right_children")?;
        let input = value(self.input, "split_indices")?;
        let limit = u32::MAX as usize;
        let (Some(left), Some(right)) = (whole(left, limit), whole(right, limit)) else {
            return Err(format!("node {at} has the children {left} and {right}"));
        };
        let Some(input) = whole(input, limit) else {
            return Err(format!("node {at} asks for feature {input}"));
        };
        let test = match self.kind.get(at) {
            Some(1.0) => self.category(at)?,
            Some(0.0) | None => Test::Number { threshold: threshold(condition, at)?, zero_is_missing: false },
            Some(kind) => return Err(format!("node {at} has the split type {kind}; 0 and 1 are known")),
        };
        let missing_left = value(self.default_left, "default_left")? != 0.0;
        Ok(Node::Split { input, test, missing_left, left, right })
    }

    /// The categories of a split go right, all others left.
    fn category(&self, at: usize) -> Result<Test, String> {
        let found = self.nodes.binary_search_by(|node| node.total_cmp(&(at as f64)));
        let place = found.map_err(|_| format!("node {at} has no categories"))?;
        let of = |list: &[f64]| list.get(place).and_then(|value| whole(*value, u32::MAX as usize));
        let (from, size) = of(self.segments).zip(of(self.sizes)).unwrap_or((0, 0));
        let categories = from.checked_add(size).and_then(|end| self.categories.get(from..end));
        let categories = categories.filter(|categories| !categories.is_empty());
        let categories =
            categories.ok_or_else(|| format!("node {at} has categories that are out of range"))?;
        let mut right: Vec<u64> = Vec::new();
        for category in categories {
            let Some(category) = whole(*category, NO_CATEGORY) else {
                return Err(format!("node {at} has the category {category}; 0 to {NO_CATEGORY} are known"));
            };
            if right.len() <= category / 64 {
                right.resize(category / 64 + 1, 0);
            }
            if let Some(word) = right.get_mut(category / 64) {
                *word |= 1 << (category % 64);
            }
        }
        Ok(Test::Category { left: right.into_iter().map(|word| !word).collect(), outside_left: true })
    }
}

/// XGBoost goes left for `x < threshold`; of single precision that is
/// `x <= the number before`.
fn threshold(condition: f32, at: usize) -> Result<f64, String> {
    if condition.is_nan() || condition == f32::NEG_INFINITY {
        return Err(format!("node {at} has the threshold {condition}"));
    }
    Ok(f64::from(condition.next_down()))
}
