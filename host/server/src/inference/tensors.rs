//! Tensors between JSON and the contract. `null` is a missing value: NaN in a
//! floating tensor, an empty text in BYTES; an integer or BOOL tensor with
//! nulls becomes FP64.

use modelyard_lifecycle::Error;
use modelyard_lifecycle::runtime::types::{Datatype, Tensor, TensorData};
use serde_json::{Number, Value, json};

use super::InferTensor;

const KNOWN: &str = "BOOL, UINT8, UINT16, UINT32, UINT64, INT8, INT16, INT32, INT64, FP32, FP64 and BYTES";

/// The protocol's name of a datatype.
pub(super) fn datatype(datatype: Datatype) -> &'static str {
    match datatype {
        Datatype::Bool => "BOOL",
        Datatype::Uint8 => "UINT8",
        Datatype::Uint16 => "UINT16",
        Datatype::Uint32 => "UINT32",
        Datatype::Uint64 => "UINT64",
        Datatype::Int8 => "INT8",
        Datatype::Int16 => "INT16",
        Datatype::Int32 => "INT32",
        Datatype::Int64 => "INT64",
        Datatype::Fp32 => "FP32",
        Datatype::Fp64 => "FP64",
        Datatype::Bytes => "BYTES",
    }
}

fn fault(name: &str, message: String) -> Error {
    let mut error = Error::invalid(format!("the input {name:?}: {message}"));
    error.location.column = Some(name.to_owned());
    error
}

/// The elements in row-major order, whether they came nested or flat.
fn flatten(value: Value, depth: usize, into: &mut Vec<Value>) -> Result<(), String> {
    match value {
        Value::Array(items) if depth < 16 => {
            into.reserve(items.len());
            items.into_iter().try_for_each(|item| flatten(item, depth + 1, into))
        }
        Value::Array(_) => Err("its data is nested more than 16 deep".into()),
        Value::Object(_) => {
            Err("its data holds an object; numbers, texts, booleans and null are accepted".into())
        }
        other => {
            into.push(other);
            Ok(())
        }
    }
}

/// A tensor from its JSON form, held to its shape.
pub(super) fn decode(tensor: InferTensor) -> Result<Tensor, Error> {
    let InferTensor { name, shape, datatype, data, .. } = tensor;
    let wrong = |message: String| fault(&name, message);
    if !data.is_array() {
        return Err(wrong("its data is no list".into()));
    }
    let mut values = Vec::new();
    flatten(data, 0, &mut values).map_err(wrong)?;
    let expected = shape.iter().try_fold(1u64, |product, size| {
        let size =
            u64::try_from(*size).map_err(|_| wrong(format!("the shape {shape:?} has a negative size")))?;
        product.checked_mul(size).ok_or_else(|| wrong(format!("the shape {shape:?} is too large to be")))
    })?;
    if expected != values.len() as u64 {
        return Err(wrong(format!("the shape {shape:?} has {expected} elements, its data {}", values.len())));
    }
    let data = elements(&datatype, values).map_err(|error| match error {
        None => wrong(format!("the datatype {datatype:?} is not known; {KNOWN} are")),
        Some(value) => wrong(format!("{value} is no {datatype}")),
    })?;
    Ok(Tensor { name, shape, data })
}

/// The elements as what the datatype says; `Err(None)` for an unknown one,
/// `Err(Some(value))` for a value that isn't of it.
fn elements(datatype: &str, values: Vec<Value>) -> Result<TensorData, Option<Value>> {
    fn all<T>(values: Vec<Value>, of: impl Fn(&Value) -> Option<T>) -> Result<Vec<T>, Option<Value>> {
        values.into_iter().map(|value| of(&value).ok_or(Some(value))).collect()
    }
    fn unsigned<T: TryFrom<u64>>(value: &Value) -> Option<T> {
        value.as_u64().and_then(|value| T::try_from(value).ok())
    }
    fn signed<T: TryFrom<i64>>(value: &Value) -> Option<T> {
        value.as_i64().and_then(|value| T::try_from(value).ok())
    }
    let float = |value: &Value| match value {
        Value::Null => Some(f64::NAN),
        Value::Bool(value) => Some(f64::from(u8::from(*value))),
        other => other.as_f64(),
    };
    let nulls = values.contains(&Value::Null);
    Ok(match datatype {
        "FP64" => TensorData::Fp64(all(values, float)?),
        "BYTES" => TensorData::Bytes(all(values, |value| match value {
            Value::Null => Some(Vec::new()),
            other => other.as_str().map(|text| text.as_bytes().to_vec()),
        })?),
        "FP32" => TensorData::Fp32(all(values, |value| float(value).map(|value| value as f32))?),
        "BOOL" | "UINT8" | "UINT16" | "UINT32" | "UINT64" | "INT8" | "INT16" | "INT32" | "INT64" if nulls => {
            TensorData::Fp64(all(values, float)?)
        }
        "BOOL" => TensorData::Bool(all(values, Value::as_bool)?),
        "UINT8" => TensorData::Uint8(all(values, unsigned)?),
        "UINT16" => TensorData::Uint16(all(values, unsigned)?),
        "UINT32" => TensorData::Uint32(all(values, unsigned)?),
        "UINT64" => TensorData::Uint64(all(values, unsigned)?),
        "INT8" => TensorData::Int8(all(values, signed)?),
        "INT16" => TensorData::Int16(all(values, signed)?),
        "INT32" => TensorData::Int32(all(values, signed)?),
        "INT64" => TensorData::Int64(all(values, signed)?),
        _ => return Err(None),
    })
}

/// A tensor in its JSON form. JSON has no NaN or infinity: they become null.
pub(super) fn encode(tensor: Tensor) -> InferTensor {
    let float = |value: f64| Number::from_f64(value).map_or(Value::Null, Value::Number);
    let (datatype, data) = match tensor.data {
        TensorData::Bool(values) => ("BOOL", json!(values)),
        TensorData::Uint8(values) => ("UINT8", json!(values)),
        TensorData::Uint16(values) => ("UINT16", json!(values)),
        TensorData::Uint32(values) => ("UINT32", json!(values)),
        TensorData::Uint64(values) => ("UINT64", json!(values)),
        TensorData::Int8(values) => ("INT8", json!(values)),
        TensorData::Int16(values) => ("INT16", json!(values)),
        TensorData::Int32(values) => ("INT32", json!(values)),
        TensorData::Int64(values) => ("INT64", json!(values)),
        TensorData::Fp32(values) => {
            ("FP32", values.into_iter().map(|value| float(f64::from(value))).collect())
        }
        TensorData::Fp64(values) => ("FP64", values.into_iter().map(float).collect()),
        TensorData::Bytes(values) => {
            ("BYTES", values.iter().map(|bytes| json!(String::from_utf8_lossy(bytes))).collect())
        }
    };
    InferTensor {
        name: tensor.name,
        shape: tensor.shape,
        datatype: datatype.to_owned(),
        parameters: None,
        data,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(datatype: &str, shape: &[i64], data: Value) -> Result<Tensor, Error> {
        decode(InferTensor {
            name: "x".into(),
            shape: shape.to_vec(),
            datatype: datatype.into(),
            parameters: None,
            data,
        })
    }

    #[test]
    fn nested_and_flat_data_are_the_same() {
        let nested = tensor("FP64", &[2, 2], json!([[1, 2.5], [3, null]])).unwrap();
        let flat = tensor("FP64", &[2, 2], json!([1, 2.5, 3, null])).unwrap();
        assert_eq!(format!("{nested:?}"), format!("{flat:?}"));
        assert_eq!(encode(flat).data, json!([1.0, 2.5, 3.0, null]));
    }

    #[test]
    fn what_is_wrong_is_said_with_the_input() {
        let message = |result: Result<Tensor, Error>| result.unwrap_err().to_string();
        assert!(message(tensor("FP64", &[3], json!([1, 2]))).contains("3 elements"));
        assert!(message(tensor("FP16", &[1], json!([1]))).contains("BYTES"));
        assert!(message(tensor("INT8", &[1], json!([300]))).contains("300 is no INT8"));
        assert!(message(tensor("FP64", &[-1], json!([1]))).contains("negative"));
        assert!(message(tensor("FP64", &[i64::MAX, 4], json!([1]))).contains("too large"));
        assert!(message(tensor("BYTES", &[1], json!([{}]))).contains("object"));
        assert!(message(tensor("FP64", &[1], json!(1))).contains("no list"));
        assert!(message(tensor("FP64", &[1000000], json!([1]))).contains("\"x\""));
    }

    #[test]
    fn integers_with_nulls_become_doubles() {
        let tensor = tensor("INT64", &[2], json!([1, null])).unwrap();
        assert!(matches!(tensor.data, TensorData::Fp64(values) if values[0] == 1.0 && values[1].is_nan()));
    }
}
