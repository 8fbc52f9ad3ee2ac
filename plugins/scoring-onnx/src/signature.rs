//! What a graph's inputs and outputs are, as the platform states them: dimension
//! 0 is the batch, the classes of a classifier are labels.

use modelyard_sdk::prelude::{Datatype, Error, Result, TensorSpec};

use crate::model::{Attribute, Graph, ValueInfo};
use crate::value::{Data, Type, Value};

/// An input that a prediction must give.
#[derive(Clone, Debug)]
pub struct Input {
    /// The tensor's name.
    pub name: String,
    /// The type that the graph computes with.
    pub kind: Type,
    /// All dimensions but the first; none for one of any size.
    pub rest: Vec<Option<usize>>,
}

impl Input {
    /// An input of the graph that no initializer gives.
    pub fn new(info: &ValueInfo) -> Result<Self> {
        let name = info.name.clone();
        if info.maps {
            return Err(Error::unsupported(format!(
                "the input `{name}` is a sequence or a map, not a tensor"
            )));
        }
        let kind = Type::of(info.element)
            .map_err(|fault| Error::unsupported(format!("the input `{name}`: {fault}")))?;
        let rest = match info.shape.as_deref() {
            Some([]) => {
                return Err(Error::unsupported(format!("the input `{name}` has no dimension for rows")));
            }
            Some([_, rest @ ..]) => rest.iter().map(|n| n.and_then(|n| usize::try_from(n).ok())).collect(),
            None => Vec::new(),
        };
        Ok(Self { name, kind, rest })
    }

    /// What is said of it.
    pub fn spec(&self) -> TensorSpec {
        TensorSpec::new(&self.name, datatype(self.kind), self.shape())
    }

    /// The shape, -1 for what is open.
    pub fn shape(&self) -> Vec<i64> {
        [-1].into_iter().chain(self.rest.iter().map(|n| n.map_or(-1, |n| n as i64))).collect()
    }

    /// One row of zeros or empty texts, where the shape of a row is known.
    pub fn blank(&self) -> Option<Value> {
        let rest: Vec<usize> = self.rest.iter().copied().collect::<Option<_>>()?;
        let dims = [&[1], rest.as_slice()].concat();
        let n = crate::value::count(&dims).ok()?;
        let data = match self.kind {
            Type::F32 => Data::F32(vec![0.0; n]),
            Type::F64 => Data::F64(vec![0.0; n]),
            Type::I64 => Data::I64(vec![0; n]),
            Type::I32 => Data::I32(vec![0; n]),
            Type::U8 => Data::U8(vec![0; n]),
            Type::Bool => Data::Bool(vec![false; n]),
            Type::Text => Data::Text(vec![Vec::new(); n]),
        };
        Some(Value { dims, data })
    }
}

/// The platform's name of a type.
pub fn datatype(kind: Type) -> Datatype {
    match kind {
        Type::F32 => Datatype::Fp32,
        Type::F64 => Datatype::Fp64,
        Type::I64 => Datatype::Int64,
        Type::I32 => Datatype::Int32,
        Type::U8 => Datatype::Uint8,
        Type::Bool => Datatype::Bool,
        Type::Text => Datatype::Bytes,
    }
}

/// Whether the graph states enough of an output.
pub fn is_stated(info: &ValueInfo) -> bool {
    !info.maps && Type::of(info.element).is_ok() && info.shape.as_ref().is_some_and(|dims| !dims.is_empty())
}

/// What is said of an output; `seen` is what one row gave, where that was tried.
pub fn output(info: &ValueInfo, seen: Option<&Value>, classes: &[String]) -> TensorSpec {
    let stated = info.shape.as_deref().filter(|dims| !dims.is_empty() && is_stated(info));
    let open = |n: &Option<i64>| n.unwrap_or(-1);
    let rest: Vec<i64> = match (stated, seen) {
        (Some(dims), _) => dims.iter().skip(1).map(open).collect(),
        (None, Some(value)) => value.dims.iter().skip(1).map(|&n| n as i64).collect(),
        (None, None) => Vec::new(),
    };
    let kind = match (seen, Type::of(info.element)) {
        (Some(value), _) => value.data.kind(),
        (None, Ok(kind)) => kind,
        (None, Err(_)) => Type::F32,
    };
    let shape: Vec<i64> = [-1].into_iter().chain(rest.iter().copied()).collect();
    let spec = TensorSpec::new(&info.name, datatype(kind), shape);
    let named = match (kind, rest.as_slice()) {
        (Type::I64 | Type::Text, []) => true,
        (Type::F32 | Type::F64, [n]) => *n == classes.len() as i64,
        _ => false,
    };
    if named { spec.labels(classes.iter().cloned()) } else { spec }
}

/// The classes that the graph's classifier names, if all nodes that name some
/// name the same.
pub fn classes(graph: &Graph) -> Vec<String> {
    let mut found: Vec<Vec<String>> = Vec::new();
    for node in &graph.nodes {
        for (name, attribute) in &node.attributes {
            if name.starts_with("classlabels_") {
                found.extend(texts(attribute));
            }
        }
    }
    // Networks end with a choice from a constant list of classes.
    if found.is_empty() {
        for node in graph.nodes.iter().filter(|node| node.op == "ArrayFeatureExtractor") {
            let list = graph.initializers.iter().find(|(name, _)| Some(name) == node.inputs.first());
            found.extend(list.and_then(|(_, value)| names(&value.data)));
        }
    }
    found.retain(|list| !list.is_empty());
    match found.split_first() {
        Some((first, others)) if others.iter().all(|other| other == first) => first.clone(),
        _ => Vec::new(),
    }
}

fn texts(attribute: &Attribute) -> Option<Vec<String>> {
    match attribute {
        Attribute::Ints(labels) => Some(labels.iter().map(ToString::to_string).collect()),
        Attribute::Texts(labels) => Some(labels.iter().map(|text| text_of(text)).collect()),
        _ => None,
    }
}

fn names(data: &Data) -> Option<Vec<String>> {
    match data {
        Data::I64(labels) => Some(labels.iter().map(ToString::to_string).collect()),
        Data::I32(labels) => Some(labels.iter().map(ToString::to_string).collect()),
        Data::Text(labels) => Some(labels.iter().map(|text| text_of(text)).collect()),
        _ => None,
    }
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
