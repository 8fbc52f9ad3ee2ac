//! The artifact `modelyard-gbdt-1`.
//!
//! ```text
//! artifact  = "modelyard-gbdt-1" head inputs base trees
//! head      = task:u8 target:text integers:u8 count class:text*
//! inputs    = count (name:text kind:u8 [count category:text*])*
//! base      = f64*                        one per score
//! trees     = count (count node*)*        a multiple of the scores
//! node      = 0:u8 value:f64                                    leaf
//!           | 1|2:u8 input:integer threshold:f64 left right     missing right, left
//!           | 3|4:u8 input:integer set:u8* left right           missing right, left
//! ```
//! Task: 0 binary, 1 multiclass, 2 regression. Kind: 0 float, 1 integer,
//! 2 boolean, 3 categories, which are sorted. A set has a bit per category,
//! rounded up to bytes. Counts and integers are unsigned LEB128, doubles are
//! little-endian and finite, a text is its length and UTF-8. Nodes are in
//! pre-order, so a tree can neither share a node nor run in a circle, and its
//! end follows from its nodes.

use crate::Error;
use crate::learn::codec::{Decoder, Writer};
use crate::learn::{Head, Input, Kind};

use super::model::{Model, Node, Tree};

/// The format's name, which an artifact begins with.
pub const FORMAT: &str = "modelyard-gbdt-1";
/// The plugin that scores it.
pub const RUNNER: &str = "scoring-gbdt";
/// The most nodes of a tree.
pub const MAX_NODES: usize = 65_535;
/// The most trees of a model.
pub const MAX_TREES: usize = 1_000_000;

/// Writes a model.
#[must_use]
pub fn encode(model: &Model) -> Vec<u8> {
    let mut writer = Writer::new(FORMAT);
    model.head.encode(&mut writer);
    Input::encode_all(&model.inputs, &mut writer);
    model.base.iter().for_each(|base| writer.number(*base));
    writer.count(model.trees.len());
    for tree in &model.trees {
        writer.count(tree.nodes.len());
        for node in &tree.nodes {
            match node {
                Node::Leaf { value } => {
                    writer.byte(0);
                    writer.number(*value);
                }
                Node::Number { input, threshold, missing_left, .. } => {
                    writer.byte(1 + u8::from(*missing_left));
                    writer.integer(u64::from(*input));
                    writer.number(*threshold);
                }
                Node::Category { input, left, missing_left, .. } => {
                    writer.byte(3 + u8::from(*missing_left));
                    writer.integer(u64::from(*input));
                    writer.raw(left);
                }
            }
        }
    }
    writer.finish()
}

/// Reads a model, or says where and why the bytes are not one.
pub fn decode(bytes: &[u8]) -> Result<Model, Error> {
    let mut decoder = Decoder::new(bytes, FORMAT)?;
    let head = Head::decode(&mut decoder)?;
    let inputs = Input::decode_all(&mut decoder)?;
    let scores = head.scores();
    let base = (0..scores).map(|_| decoder.number()).collect::<Result<Vec<_>, _>>()?;
    let count = decoder.count("trees", MAX_TREES, 10)?;
    if count % scores != 0 {
        return Err(decoder.fault(format!("{count} trees for {scores} scores: not a multiple")));
    }
    let mut trees = Vec::with_capacity(count);
    for _ in 0..count {
        trees.push(tree(&mut decoder, &inputs)?);
    }
    decoder.finish()?;
    Ok(Model { head, inputs, base, trees })
}

fn tree(decoder: &mut Decoder<'_>, inputs: &[Input]) -> Result<Tree, Error> {
    let count = decoder.count("nodes", MAX_NODES, 2)?;
    let mut nodes: Vec<Node> = Vec::with_capacity(count);
    // Splits whose right child has not begun.
    let mut open: Vec<usize> = Vec::new();
    for at in 0..count {
        let node = node(decoder, inputs)?;
        let leaf = matches!(node, Node::Leaf { .. });
        nodes.push(node);
        if !leaf {
            open.push(at);
            continue;
        }
        match open.pop().and_then(|split| nodes.get_mut(split)) {
            Some(Node::Number { right, .. } | Node::Category { right, .. }) => *right = at as u32 + 1,
            _ if at + 1 == count => return Ok(Tree { nodes }),
            _ => return Err(decoder.fault("a tree ends before its last node")),
        }
    }
    Err(decoder.fault("a tree of no nodes, or with a branch that has no leaf"))
}

fn node(decoder: &mut Decoder<'_>, inputs: &[Input]) -> Result<Node, Error> {
    let tag = decoder.byte()?;
    if tag == 0 {
        return Ok(Node::Leaf { value: decoder.number()? });
    }
    let missing_left = match tag {
        1 | 3 => false,
        2 | 4 => true,
        _ => return Err(decoder.fault(format!("there is no kind {tag} of node"))),
    };
    let index = decoder.index("input", inputs.len())?;
    let input = index as u32;
    match inputs.get(index).map(|input| &input.kind) {
        Some(Kind::Category(categories)) if tag >= 3 => {
            let left = decoder.raw(categories.len().div_ceil(8))?.to_vec();
            Ok(Node::Category { input, left, missing_left, right: 0 })
        }
        Some(Kind::Float | Kind::Integer | Kind::Boolean) if tag < 3 => {
            Ok(Node::Number { input, threshold: decoder.number()?, missing_left, right: 0 })
        }
        _ => Err(decoder.fault(format!("a node of kind {tag} does not go with input {input}"))),
    }
}
