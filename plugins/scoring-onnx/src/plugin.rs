//! Tensors in, tensors out.

use std::collections::BTreeSet;

use modelyard_sdk::prelude::{Description, Error, Result, Scoring, Signature, Tensor, TensorData};

use crate::model::{ValueInfo, decode};
use crate::plan::Plan;
use crate::signature::{self, Input};
use crate::value::{Data, Type, Value};

/// The plugin: a graph, ready to run.
#[derive(Debug)]
pub struct Onnx {
    inputs: Vec<Input>,
    signature: Signature,
    plan: Plan,
}

impl Scoring for Onnx {
    fn describe() -> Description {
        Description::new(
            "Scores ONNX models (artifact .onnx: ai.onnx opset 7 to 25, ai.onnx.ml opset 1 to 5, data inside the file)",
        )
        .outputs([
            "the graph's outputs, by their names; a ZipMap's as a tensor with the classes as labels",
        ])
    }

    fn load(artifact: &[u8]) -> Result<Self> {
        let model = decode(artifact)?;
        let initializers: BTreeSet<&str> =
            model.graph.initializers.iter().map(|(name, _)| name.as_str()).collect();
        let infos: Vec<ValueInfo> = model
            .graph
            .inputs
            .iter()
            .filter(|info| !initializers.contains(info.name.as_str()))
            .cloned()
            .collect();
        let inputs = infos.iter().map(Input::new).collect::<Result<Vec<Input>>>()?;
        if inputs.is_empty() || model.graph.outputs.is_empty() {
            return Err(Error::invalid("a model needs at least one input and one output"));
        }
        let (outputs, classes) = (model.graph.outputs.clone(), signature::classes(&model.graph));
        let plan = Plan::new(model, &infos)?;
        let signature = describe(&plan, &inputs, &outputs, &classes);
        Ok(Self { inputs, signature, plan })
    }

    fn signature(&self) -> Signature {
        self.signature.clone()
    }

    fn predict(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let values = self.inputs.iter().map(|input| read(input, self.find(input, inputs)?));
        let values = values.collect::<Result<Vec<Value>>>()?;
        if let Some(other) = inputs.iter().find(|tensor| self.inputs.iter().all(|i| i.name != tensor.name)) {
            let message = format!("the model has no input `{}`; it takes {}", other.name, self.names());
            return Err(Error::column(&other.name, message));
        }
        let outputs = self.plan.run(values)?;
        Ok(outputs
            .into_iter()
            .zip(&self.signature.outputs)
            .map(|(value, spec)| give(&spec.name, value))
            .collect())
    }
}

impl Onnx {
    fn names(&self) -> String {
        let shown: Vec<String> =
            self.inputs.iter().take(40).map(|input| format!("`{}`", input.name)).collect();
        shown.join(", ")
    }

    fn find<'a>(&self, input: &Input, tensors: &'a [Tensor]) -> Result<&'a Tensor> {
        let mut found = tensors.iter().filter(|tensor| tensor.name == input.name);
        let name = &input.name;
        match (found.next(), found.next()) {
            (Some(tensor), None) => Ok(tensor),
            (Some(_), Some(_)) => Err(Error::column(name, format!("the tensor `{name}` is there twice"))),
            (None, _) => {
                let message = format!("the tensor `{name}` is missing; the model takes {}", self.names());
                Err(Error::column(name, message))
            }
        }
    }
}

/// The signature. Where the graph does not state an output's shape, one blank row
/// shows it.
fn describe(plan: &Plan, inputs: &[Input], outputs: &[ValueInfo], classes: &[String]) -> Signature {
    let blank = || inputs.iter().map(Input::blank).collect::<Option<Vec<Value>>>();
    let seen = match outputs.iter().all(signature::is_stated) {
        true => None,
        false => blank().and_then(|row| plan.run(row).ok()),
    };
    let specs = outputs
        .iter()
        .enumerate()
        .map(|(at, info)| signature::output(info, seen.as_ref().and_then(|seen| seen.get(at)), classes));
    Signature::new(inputs.iter().map(Input::spec), specs)
}

/// A tensor as the graph takes it.
fn read(input: &Input, tensor: &Tensor) -> Result<Value> {
    tensor.check()?;
    let dims: Vec<usize> = tensor.shape.iter().map(|&n| usize::try_from(n).unwrap_or(0)).collect();
    let fault = |message: String| Error::column(&input.name, message);
    let rest = dims.get(1..).unwrap_or_default();
    let fits = rest.len() == input.rest.len()
        && rest.iter().zip(&input.rest).all(|(n, stated)| stated.is_none_or(|stated| stated == *n));
    // One value per row may be given with or without a dimension for it.
    let dims = match (fits, rest, input.rest.as_slice()) {
        (true, ..) => dims,
        (false, [], [None | Some(1)]) => dims.iter().copied().chain([1]).collect(),
        (false, [1], []) => dims.iter().copied().take(1).collect(),
        _ => {
            return Err(fault(format!(
                "the tensor `{}` has the shape {:?}; {:?} is needed, -1 for any size",
                input.name,
                tensor.shape,
                input.shape()
            )));
        }
    };
    crate::value::count(&dims).map_err(&fault)?;
    let data = convert(&tensor.data, input.kind).ok_or_else(|| {
        fault(format!(
            "the tensor `{}` has the datatype {}; {} is needed",
            input.name,
            tensor.data.datatype().name(),
            accepted(input.kind)
        ))
    })?;
    Value::new(dims, data).map_err(fault)
}

fn accepted(kind: Type) -> &'static str {
    match kind {
        Type::F32 | Type::F64 => "any numeric datatype",
        Type::I64 | Type::I32 | Type::U8 => "an integer datatype with values in range, or whole numbers",
        Type::Bool => "BOOL",
        Type::Text => "BYTES",
    }
}

/// Elements of the type that the graph computes with; none where that would
/// change a value by more than rounding.
fn convert(data: &TensorData, kind: Type) -> Option<Data> {
    match (kind, data) {
        (Type::F32, TensorData::Fp32(values)) => return Some(Data::F32(values.clone())),
        (Type::F64, TensorData::Fp64(values)) => return Some(Data::F64(values.clone())),
        (Type::I64, TensorData::Int64(values)) => return Some(Data::I64(values.clone())),
        (Type::I32, TensorData::Int32(values)) => return Some(Data::I32(values.clone())),
        (Type::U8, TensorData::Uint8(values)) => return Some(Data::U8(values.clone())),
        (Type::Bool, TensorData::Bool(values)) => return Some(Data::Bool(values.clone())),
        (Type::Text, TensorData::Bytes(values)) => return Some(Data::Text(values.clone())),
        (Type::Bool | Type::Text, _) | (_, TensorData::Bytes(_)) => return None,
        _ => {}
    }
    let floats = || -> Vec<f64> {
        match data {
            TensorData::Fp64(values) => values.clone(),
            TensorData::Fp32(values) => values.iter().map(|&x| f64::from(x)).collect(),
            other => integers(other).unwrap_or_default().iter().map(|&x| x as f64).collect(),
        }
    };
    match kind {
        Type::F32 => Some(Data::F32(floats().into_iter().map(|x| x as f32).collect())),
        Type::F64 => Some(Data::F64(floats())),
        Type::I64 => integers(data).map(Data::I64),
        Type::I32 => {
            let narrow = integers(data)?.into_iter().map(|x| i32::try_from(x).ok());
            narrow.collect::<Option<_>>().map(Data::I32)
        }
        Type::U8 => {
            let narrow = integers(data)?.into_iter().map(|x| u8::try_from(x).ok());
            narrow.collect::<Option<_>>().map(Data::U8)
        }
        Type::Bool | Type::Text => None,
    }
}

/// Whole numbers of any datatype.
fn integers(data: &TensorData) -> Option<Vec<i64>> {
    let whole = |x: f64| (x.fract() == 0.0 && x.abs() <= 9.0e15).then_some(x as i64);
    Some(match data {
        TensorData::Int64(values) => values.clone(),
        TensorData::Int32(values) => values.iter().map(|&x| i64::from(x)).collect(),
        TensorData::Int16(values) => values.iter().map(|&x| i64::from(x)).collect(),
        TensorData::Int8(values) => values.iter().map(|&x| i64::from(x)).collect(),
        TensorData::Uint64(values) => values.iter().map(|&x| i64::try_from(x).ok()).collect::<Option<_>>()?,
        TensorData::Uint32(values) => values.iter().map(|&x| i64::from(x)).collect(),
        TensorData::Uint16(values) => values.iter().map(|&x| i64::from(x)).collect(),
        TensorData::Uint8(values) => values.iter().map(|&x| i64::from(x)).collect(),
        TensorData::Bool(values) => values.iter().map(|&x| i64::from(x)).collect(),
        TensorData::Fp64(values) => values.iter().map(|&x| whole(x)).collect::<Option<_>>()?,
        TensorData::Fp32(values) => values.iter().map(|&x| whole(f64::from(x))).collect::<Option<_>>()?,
        TensorData::Bytes(_) => return None,
    })
}

fn give(name: &str, value: Value) -> Tensor {
    let mut shape: Vec<i64> = value.dims.iter().map(|&n| n as i64).collect();
    if shape.is_empty() {
        shape.push(1);
    }
    let data = match value.data {
        Data::F32(values) => TensorData::Fp32(values),
        Data::F64(values) => TensorData::Fp64(values),
        Data::I64(values) => TensorData::Int64(values),
        Data::I32(values) => TensorData::Int32(values),
        Data::U8(values) => TensorData::Uint8(values),
        Data::Bool(values) => TensorData::Bool(values),
        Data::Text(values) => TensorData::Bytes(values),
    };
    Tensor::new(name, shape, data)
}
