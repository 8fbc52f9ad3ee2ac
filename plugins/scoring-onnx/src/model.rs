//! An ONNX file's messages, decoded and checked. Field numbers are those of
//! `onnx.proto` (ONNX 1.x, IR version 3 and above).

use std::collections::BTreeMap;

use modelyard_sdk::prelude::{Error, Result};

use crate::proto::Message;
use crate::value::{Data, Type, Value, count};

/// The model: the graph and the versions of the operator sets that it uses.
#[derive(Debug, Default)]
pub struct Model {
    /// Version by domain; the empty domain is `ai.onnx`.
    pub opsets: BTreeMap<String, i64>,
    /// What is computed.
    pub graph: Graph,
}

/// What is computed.
#[derive(Debug, Default)]
pub struct Graph {
    /// The operators, in any order.
    pub nodes: Vec<NodeDef>,
    /// Constant tensors by name.
    pub initializers: Vec<(String, Value)>,
    /// What goes in; may name initializers too.
    pub inputs: Vec<ValueInfo>,
    /// What comes out.
    pub outputs: Vec<ValueInfo>,
}

/// One operator of the graph.
#[derive(Clone, Debug, Default)]
pub struct NodeDef {
    /// Its name, or that of its first output.
    pub name: String,
    /// What it does.
    pub op: String,
    /// Whose operator it is; empty for `ai.onnx`.
    pub domain: String,
    /// Names of tensors; empty for an input left out.
    pub inputs: Vec<String>,
    /// Names of tensors; empty for an output that nobody wants.
    pub outputs: Vec<String>,
    /// Settings by name.
    pub attributes: Vec<(String, Attribute)>,
}

/// A setting of an operator.
#[derive(Clone, Debug, PartialEq)]
pub enum Attribute {
    /// A number
    Float(f32),
    /// An integer
    Int(i64),
    /// A text
    Text(Vec<u8>),
    /// A tensor
    Tensor(Value),
    /// Numbers
    Floats(Vec<f32>),
    /// Integers
    Ints(Vec<i64>),
    /// Texts
    Texts(Vec<Vec<u8>>),
    /// Subgraphs, sparse tensors, types: nothing here takes them.
    Other,
}

/// The name and the type of an input or output of the graph.
#[derive(Clone, Debug, Default)]
pub struct ValueInfo {
    /// The tensor's name.
    pub name: String,
    /// The number of the element type; 0 where it is not stated.
    pub element: i64,
    /// The dimensions, none for one that is open; none where no shape is stated.
    pub shape: Option<Vec<Option<i64>>>,
    /// Whether it is a list of maps from class to score, as `ZipMap` gives it.
    pub maps: bool,
}

/// Reads a file.
pub fn decode(bytes: &[u8]) -> Result<Model> {
    let mut file = Message::new(bytes);
    let mut model = Model::default();
    let mut graph = None;
    while let Some((number, field)) = file.field()? {
        match number {
            7 => graph = Some(decode_graph(field.message(&file)?)?),
            8 => {
                let (domain, version) = opset(field.message(&file)?)?;
                let domain = if domain == "ai.onnx" { String::new() } else { domain };
                model.opsets.insert(domain, version);
            }
            25 => return Err(Error::unsupported("the model defines functions of its own; inline them")),
            _ => {}
        }
    }
    model.graph = graph.ok_or_else(|| file.fault("there is no graph in it"))?;
    Ok(model)
}

fn opset(mut message: Message<'_>) -> Result<(String, i64)> {
    let (mut domain, mut version) = (String::new(), 0);
    while let Some((number, field)) = message.field()? {
        match number {
            1 => domain = field.text(&message)?,
            2 => version = field.integer(&message)?,
            _ => {}
        }
    }
    Ok((domain, version))
}

fn decode_graph(mut message: Message<'_>) -> Result<Graph> {
    let mut graph = Graph::default();
    while let Some((number, field)) = message.field()? {
        match number {
            1 => graph.nodes.push(node(field.message(&message)?)?),
            5 => graph.initializers.push(tensor(field.message(&message)?)?),
            11 => graph.inputs.push(value_info(field.message(&message)?)?),
            12 => graph.outputs.push(value_info(field.message(&message)?)?),
            15 => return Err(Error::unsupported("the graph has sparse initializers; make them dense")),
            _ => {}
        }
    }
    Ok(graph)
}

fn node(mut message: Message<'_>) -> Result<NodeDef> {
    let mut node = NodeDef::default();
    while let Some((number, field)) = message.field()? {
        match number {
            1 => node.inputs.push(field.text(&message)?),
            2 => node.outputs.push(field.text(&message)?),
            3 => node.name = field.text(&message)?,
            4 => node.op = field.text(&message)?,
            5 => node.attributes.push(attribute(field.message(&message)?)?),
            7 => node.domain = field.text(&message)?,
            _ => {}
        }
    }
    if node.domain == "ai.onnx" {
        node.domain.clear();
    }
    if node.name.is_empty() {
        node.name = node.outputs.first().cloned().unwrap_or_default();
    }
    Ok(node)
}

fn attribute(mut message: Message<'_>) -> Result<(String, Attribute)> {
    let (mut name, mut kind, mut other) = (String::new(), 0, false);
    let (mut float, mut int, mut text, mut value) = (None, None, None, None);
    let (mut floats, mut ints, mut texts) = (Vec::new(), Vec::new(), Vec::new());
    while let Some((number, field)) = message.field()? {
        match number {
            1 => name = field.text(&message)?,
            2 => float = Some(field.float(&message)?),
            3 => int = Some(field.integer(&message)?),
            4 => text = Some(field.message(&message)?.bytes().to_vec()),
            5 => value = Some(tensor(field.message(&message)?)?.1),
            6 | 10 | 11 | 14 | 15 | 21..=23 => other = true,
            7 => field.floats(&message, &mut floats)?,
            8 => field.integers(&message, &mut ints)?,
            9 => texts.push(field.message(&message)?.bytes().to_vec()),
            20 => kind = field.integer(&message)?,
            _ => {}
        }
    }
    let missing = || message.fault(format!("the attribute `{name}` has no value of its type {kind}"));
    let found = match kind {
        _ if other => Attribute::Other,
        1 => Attribute::Float(float.unwrap_or_default()),
        2 => Attribute::Int(int.unwrap_or_default()),
        3 => Attribute::Text(text.unwrap_or_default()),
        4 => Attribute::Tensor(value.ok_or_else(missing)?),
        6 => Attribute::Floats(floats),
        7 => Attribute::Ints(ints),
        8 => Attribute::Texts(texts),
        // Writers before IR version 2 leave the type out.
        0 => match (float, int, text, value) {
            (Some(float), ..) => Attribute::Float(float),
            (_, Some(int), ..) => Attribute::Int(int),
            (_, _, Some(text), _) => Attribute::Text(text),
            (.., Some(value)) => Attribute::Tensor(value),
            _ if !floats.is_empty() => Attribute::Floats(floats),
            _ if !ints.is_empty() => Attribute::Ints(ints),
            _ if !texts.is_empty() => Attribute::Texts(texts),
            _ => return Err(missing()),
        },
        _ => Attribute::Other,
    };
    Ok((name, found))
}

/// The fields of a `TensorProto` as they stand.
#[derive(Default)]
struct RawTensor<'a> {
    name: String,
    dims: Vec<i64>,
    element: i64,
    external: bool,
    raw: Option<&'a [u8]>,
    floats: Vec<f32>,
    doubles: Vec<f64>,
    int32s: Vec<i64>,
    int64s: Vec<i64>,
    texts: Vec<Vec<u8>>,
}

fn tensor(mut message: Message<'_>) -> Result<(String, Value)> {
    let mut raw = RawTensor::default();
    while let Some((number, field)) = message.field()? {
        match number {
            1 => field.integers(&message, &mut raw.dims)?,
            2 => raw.element = field.integer(&message)?,
            4 => field.floats(&message, &mut raw.floats)?,
            5 => field.integers(&message, &mut raw.int32s)?,
            6 => raw.texts.push(field.message(&message)?.bytes().to_vec()),
            7 => field.integers(&message, &mut raw.int64s)?,
            8 => raw.name = field.text(&message)?,
            9 => raw.raw = Some(field.message(&message)?.bytes()),
            10 => field.doubles(&message, &mut raw.doubles)?,
            13 => raw.external = true,
            14 => raw.external |= field.integer(&message)? != 0,
            _ => {}
        }
    }
    let name = raw.name.clone();
    if raw.external {
        return Err(Error::unsupported(format!(
            "the tensor `{name}` keeps its data in another file; save the model with its data inside"
        )));
    }
    match raw.value() {
        Ok(value) => Ok((name, value)),
        Err(fault) => Err(message.fault(format!("the tensor `{name}`: {fault}"))),
    }
}

impl RawTensor<'_> {
    fn value(self) -> Result<Value, String> {
        let dims = self.dims.iter().map(|&n| usize::try_from(n).map_err(|_| format!("the dimension {n}")));
        let dims = dims.collect::<Result<Vec<usize>, String>>()?;
        let elements = count(&dims)?;
        let kind = Type::of(self.element)?;
        let data = match self.raw {
            Some(raw) => from_bytes(kind, raw)?,
            None => match kind {
                Type::F32 => Data::F32(self.floats),
                Type::F64 => Data::F64(self.doubles),
                Type::I64 => Data::I64(self.int64s),
                Type::I32 => Data::I32(self.int32s.iter().map(|&v| v as i32).collect()),
                Type::U8 => Data::U8(self.int32s.iter().map(|&v| v as u8).collect()),
                Type::Bool => Data::Bool(self.int32s.iter().map(|&v| v != 0).collect()),
                Type::Text => Data::Text(self.texts),
            },
        };
        if data.len() != elements {
            return Err(format!("its shape {dims:?} has {elements} elements and its data {}", data.len()));
        }
        Ok(Value { dims, data })
    }
}

fn from_bytes(kind: Type, raw: &[u8]) -> Result<Data, String> {
    fn all<const N: usize, T>(raw: &[u8], read: impl Fn([u8; N]) -> T) -> Result<Vec<T>, String> {
        match raw.as_chunks::<N>() {
            (all, []) => Ok(all.iter().map(|bytes| read(*bytes)).collect()),
            _ => Err(format!("its {} bytes are no multiple of {N}", raw.len())),
        }
    }
    Ok(match kind {
        Type::F32 => Data::F32(all(raw, f32::from_le_bytes)?),
        Type::F64 => Data::F64(all(raw, f64::from_le_bytes)?),
        Type::I64 => Data::I64(all(raw, i64::from_le_bytes)?),
        Type::I32 => Data::I32(all(raw, i32::from_le_bytes)?),
        Type::U8 => Data::U8(raw.to_vec()),
        Type::Bool => Data::Bool(raw.iter().map(|&v| v != 0).collect()),
        Type::Text => return Err("texts can't be raw data".into()),
    })
}

fn value_info(mut message: Message<'_>) -> Result<ValueInfo> {
    let mut info = ValueInfo::default();
    while let Some((number, field)) = message.field()? {
        match number {
            1 => info.name = field.text(&message)?,
            2 => type_proto(field.message(&message)?, &mut info)?,
            _ => {}
        }
    }
    Ok(info)
}

fn type_proto(mut message: Message<'_>, info: &mut ValueInfo) -> Result<()> {
    while let Some((number, field)) = message.field()? {
        match number {
            1 => {
                let mut tensor = field.message(&message)?;
                while let Some((number, field)) = tensor.field()? {
                    match number {
                        1 => info.element = field.integer(&tensor)?,
                        2 => info.shape = Some(shape(field.message(&tensor)?)?),
                        _ => {}
                    }
                }
            }
            // A sequence or a map: only what ZipMap gives is one.
            4 | 5 => info.maps = true,
            _ => {}
        }
    }
    Ok(())
}

fn shape(mut message: Message<'_>) -> Result<Vec<Option<i64>>> {
    let mut dims = Vec::new();
    while let Some((number, field)) = message.field()? {
        if number != 1 {
            continue;
        }
        let mut dim = field.message(&message)?;
        let mut size = None;
        while let Some((number, field)) = dim.field()? {
            if number == 1 {
                size = Some(field.integer(&dim)?).filter(|&n| n >= 0);
            }
        }
        dims.push(size);
    }
    Ok(dims)
}
