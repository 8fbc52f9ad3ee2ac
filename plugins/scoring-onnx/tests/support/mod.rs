//! The stored cases: models, inputs and what ONNX Runtime gave. `data/make.py`
//! writes them.
#![allow(dead_code)]

use std::path::PathBuf;

use modelyard_sdk::prelude::{Tensor, TensorData};
use serde_json::Value as Json;

/// A model with inputs and ONNX Runtime's outputs.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) model: Vec<u8>,
    pub(crate) inputs: Vec<Tensor>,
    pub(crate) outputs: Vec<Tensor>,
    pub(crate) json: Json,
}

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

fn case(name: &str, model: Vec<u8>, json: Json) -> Case {
    let tensors = |key: &str| json[key].as_array().unwrap().iter().map(tensor).collect();
    Case { name: name.to_owned(), model, inputs: tensors("inputs"), outputs: tensors("outputs"), json }
}

/// The whole models.
pub(crate) fn models() -> Vec<Case> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "onnx"));
    paths.sort();
    let read = |path: PathBuf| {
        let json = serde_json::from_slice(&std::fs::read(path.with_extension("json")).unwrap()).unwrap();
        case(path.file_stem().unwrap().to_str().unwrap(), std::fs::read(&path).unwrap(), json)
    };
    paths.into_iter().map(read).collect()
}

/// One of the whole models.
pub(crate) fn model(name: &str) -> Case {
    models().into_iter().find(|case| case.name == name).unwrap()
}

/// The models of a single operator.
pub(crate) fn operators() -> Vec<Case> {
    let text = std::fs::read(directory().join("operators.json")).unwrap();
    let all: Vec<Json> = serde_json::from_slice(&text).unwrap();
    let read = |json: Json| {
        let hex = json["model"].as_str().unwrap().as_bytes();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        let model = hex.chunks_exact(2).map(byte).collect();
        let name = json["name"].as_str().unwrap().to_owned();
        case(&name, model, json)
    };
    all.into_iter().map(read).collect()
}

fn tensor(json: &Json) -> Tensor {
    let data = json["data"].as_array().unwrap();
    let floats = || data.iter().map(|x| x.as_f64().unwrap_or(f64::NAN));
    let integers = || data.iter().map(|x| x.as_i64().unwrap());
    let data = match json["type"].as_str().unwrap() {
        "FP32" => TensorData::Fp32(floats().map(|x| x as f32).collect()),
        "FP64" => TensorData::Fp64(floats().collect()),
        "INT64" => TensorData::Int64(integers().collect()),
        "INT32" => TensorData::Int32(integers().map(|x| x as i32).collect()),
        "UINT8" => TensorData::Uint8(integers().map(|x| x as u8).collect()),
        "BOOL" => TensorData::Bool(data.iter().map(|x| x.as_bool().unwrap()).collect()),
        "BYTES" => TensorData::Bytes(data.iter().map(|x| x.as_str().unwrap().into()).collect()),
        other => panic!("{other}"),
    };
    let shape: Vec<i64> = json["shape"].as_array().unwrap().iter().map(|n| n.as_i64().unwrap()).collect();
    // The platform has no tensors without dimensions.
    Tensor::new(json["name"].as_str().unwrap(), if shape.is_empty() { vec![1] } else { shape }, data)
}

/// What is wrong with an answer, if something is.
pub(crate) fn difference(given: &[Tensor], expected: &[Tensor]) -> Option<String> {
    if given.len() != expected.len() {
        return Some(format!("{} outputs, not {}", given.len(), expected.len()));
    }
    for (a, b) in given.iter().zip(expected) {
        if a.name != b.name || a.shape != b.shape {
            return Some(format!("{} {:?} is not {} {:?}", a.name, a.shape, b.name, b.shape));
        }
        let same = match (&a.data, &b.data) {
            (TensorData::Fp32(a), TensorData::Fp32(b)) => {
                close(a.iter().map(|x| f64::from(*x)), b.iter().map(|x| f64::from(*x)))
            }
            (TensorData::Fp64(a), TensorData::Fp64(b)) => close(a.iter().copied(), b.iter().copied()),
            (a, b) => a == b,
        };
        if !same {
            return Some(format!("{}: {:?} is not {:?}", a.name, a.data, b.data));
        }
    }
    None
}

/// Within 1e-5 of each other, of their size where that is above 1.
fn close(a: impl ExactSizeIterator<Item = f64>, b: impl ExactSizeIterator<Item = f64>) -> bool {
    a.len() == b.len()
        && a.zip(b)
            .all(|(a, b)| (a.is_nan() && b.is_nan()) || a == b || (a - b).abs() <= 1e-5 * b.abs().max(1.0))
}
