//! The answer of an inference on the wire: JSON, and the raw data of the
//! outputs that are asked for so.

use modelyard_lifecycle::Error;
use modelyard_lifecycle::runtime::{
    check,
    types::{Tensor, TensorData},
};
use serde::{Serialize, Serializer, ser::Error as _};

use super::{
    call::{Answered, Told},
    datatype, raw,
};

#[derive(Serialize)]
struct InferResponse<'a> {
    model_name: &'a str,
    model_version: &'a str,
    id: &'a str,
    parameters: &'a Told,
    outputs: Vec<Output<'a>>,
}

#[derive(Serialize)]
struct Output<'a> {
    name: &'a str,
    shape: &'a [i64],
    datatype: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Raw>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Flat<'a>>,
}

#[derive(Serialize)]
struct Raw {
    binary_data_size: usize,
}

/// Elements as one list. JSON has no NaN or infinity: they become null.
struct Flat<'a>(&'a TensorData);

impl Serialize for Flat<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            TensorData::Bool(values) => values.serialize(serializer),
            TensorData::Uint8(values) => values.serialize(serializer),
            TensorData::Uint16(values) => values.serialize(serializer),
            TensorData::Uint32(values) => values.serialize(serializer),
            TensorData::Uint64(values) => values.serialize(serializer),
            TensorData::Int8(values) => values.serialize(serializer),
            TensorData::Int16(values) => values.serialize(serializer),
            TensorData::Int32(values) => values.serialize(serializer),
            TensorData::Int64(values) => values.serialize(serializer),
            TensorData::Fp32(values) => values.serialize(serializer),
            TensorData::Fp64(values) => values.serialize(serializer),
            TensorData::Bytes(values) => {
                let texts: Result<Vec<&str>, _> =
                    values.iter().map(|bytes| std::str::from_utf8(bytes)).collect();
                texts.map_err(S::Error::custom)?.serialize(serializer)
            }
        }
    }
}

fn output((tensor, raw): &(Tensor, bool)) -> Output<'_> {
    let (_, kind) = check::elements(&tensor.data);
    Output {
        name: &tensor.name,
        shape: &tensor.shape,
        datatype: datatype::name(kind),
        parameters: raw.then(|| Raw { binary_data_size: raw::size(&tensor.data) }),
        data: (!raw).then_some(Flat(&tensor.data)),
    }
}

/// The body of a model's answer, and the length of its JSON if raw data follow.
///
/// # Errors
/// `InvalidInput` if bytes that are no text are wanted in JSON.
pub(super) fn body(model_name: &str, answered: &Answered) -> Result<(Vec<u8>, Option<usize>), Error> {
    let Answered { id, version, told, outputs } = answered;
    let response = InferResponse {
        model_name,
        model_version: version,
        id,
        parameters: told,
        outputs: outputs.iter().map(output).collect(),
    };
    let mut body = serde_json::to_vec(&response).map_err(|error| {
        let message = format!("an output is no text ({error}); ask for it with the parameter binary_data");
        Error::field("outputs", message)
    })?;
    let length = body.len();
    let raw: Vec<_> = outputs.iter().filter(|(_, raw)| *raw).collect();
    body.reserve_exact(raw.iter().map(|(tensor, _)| raw::size(&tensor.data)).sum());
    raw.iter().for_each(|(tensor, _)| raw::append(&tensor.data, &mut body));
    Ok((body, (!raw.is_empty()).then_some(length)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn tensor(name: &str, data: TensorData) -> Tensor {
        let (length, _) = check::elements(&data);
        Tensor { name: name.into(), shape: vec![length as i64], data }
    }

    fn answered<const N: usize>(outputs: [(Tensor, bool); N]) -> Answered {
        let told = Told { model: "m".into(), ..Told::default() };
        Answered { id: "i".into(), version: "3".into(), told, outputs: outputs.into() }
    }

    #[test]
    fn json_has_the_protocols_members() {
        let outputs = [
            (tensor("x", TensorData::Fp64(vec![0.1, f64::NAN, f64::INFINITY])), false),
            (tensor("y", TensorData::Fp32(vec![0.1])), false),
            (tensor("z", TensorData::Bytes(vec!["é".into()])), false),
        ];
        let (body, length) = body("m", &answered(outputs)).unwrap();
        assert_eq!(length, None);
        let read: Value = serde_json::from_slice(&body).unwrap();
        let told = json!({
            "prediction_id": "00000000-0000-0000-0000-000000000000", "model": "m",
            "queue_us": 0, "instantiate_us": 0, "compute_us": 0, "total_us": 0,
        });
        let expected = json!({"model_name": "m", "model_version": "3", "id": "i", "parameters": told, "outputs": [
            {"name": "x", "shape": [3], "datatype": "FP64", "data": [0.1, null, null]},
            {"name": "y", "shape": [1], "datatype": "FP32", "data": [0.1]},
            {"name": "z", "shape": [1], "datatype": "BYTES", "data": ["é"]},
        ]});
        assert_eq!(read, expected);
    }

    #[test]
    fn raw_data_follow_in_the_order_of_the_outputs() {
        let outputs = [
            (tensor("x", TensorData::Int16(vec![1, -1])), true),
            (tensor("y", TensorData::Bool(vec![true])), false),
            (tensor("z", TensorData::Bytes(vec![vec![0xff]])), true),
        ];
        let (body, length) = body("m", &answered(outputs)).unwrap();
        let (json, raw) = body.split_at(length.unwrap());
        assert_eq!(raw, [1, 0, 0xff, 0xff, 1, 0, 0, 0, 0xff]);
        let read: Value = serde_json::from_slice(json).unwrap();
        let sizes =
            read["outputs"].as_array().unwrap().iter().map(|one| &one["parameters"]["binary_data_size"]);
        assert_eq!(sizes.collect::<Vec<_>>(), [&json!(4), &Value::Null, &json!(5)]);
        assert!(read["outputs"][0].get("data").is_none());
    }

    #[test]
    fn bytes_that_are_no_text_are_not_bent_into_one() {
        let outputs = [(tensor("x", TensorData::Bytes(vec![vec![0xff]])), false)];
        let error = body("m", &answered(outputs)).unwrap_err();
        assert!(error.message.contains("binary_data"), "{error}");
    }
}
