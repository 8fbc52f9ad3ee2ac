//! Inferences as messages: a request becomes a [`Call`], what was answered a
//! response.

use std::collections::BTreeMap;

use modelyard_lifecycle::Error;
use modelyard_lifecycle::runtime::{
    check,
    types::{Tensor, TensorData},
};
use serde_json::{Map, Value};

use super::proto::{
    InferParameter, InferTensorContents, ModelInferRequest, ModelInferResponse,
    infer_parameter::ParameterChoice, model_infer_request::InferInputTensor,
    model_infer_response::InferOutputTensor,
};
use crate::inference::{
    call::{self, Answered, Call, Outputs, Told, Wanted},
    datatype, input, raw,
};

/// What a request asks of a model; `sticky` is what the metadata say.
///
/// # Errors
/// `InvalidInput`: what is wrong with which input or output.
pub(in crate::inference) fn call(request: ModelInferRequest, sticky: Option<String>) -> Result<Call, Error> {
    let ModelInferRequest { model_name, model_version, id, parameters, inputs, outputs, raw_input_contents } =
        request;
    let version =
        (!model_version.is_empty()).then(|| call::version(&model_name, &model_version)).transpose()?;
    input::distinct(inputs.iter().map(|input| input.name.as_str()))?;
    let halves = call::halves(inputs.iter().map(|input| (input.name.as_str(), input.datatype.as_str())));
    let is_raw = !raw_input_contents.is_empty();
    let inputs = if is_raw { raw_tensors(inputs, &raw_input_contents) } else { typed_tensors(inputs) }?;
    let parameters = values(parameters);
    let wanted = outputs
        .into_iter()
        .map(|output| Wanted { name: output.name, parameters: Some(values(output.parameters)) });
    let outputs = Outputs::new(&parameters, wanted.collect(), is_raw)?;
    outputs.alike()?;
    Ok(Call {
        id: (!id.is_empty()).then_some(id),
        asked: call::asked(inputs, &parameters, sticky, version),
        outputs,
        halves,
    })
}

fn values(parameters: BTreeMap<String, InferParameter>) -> Map<String, Value> {
    parameters.into_iter().map(|(name, parameter)| (name, value(parameter))).collect()
}

/// A parameter as JSON has it; a number that JSON has not is null.
fn value(parameter: InferParameter) -> Value {
    match parameter.parameter_choice {
        None => Value::Null,
        Some(ParameterChoice::BoolParam(value)) => value.into(),
        Some(ParameterChoice::Int64Param(value)) => value.into(),
        Some(ParameterChoice::StringParam(value)) => value.into(),
        Some(ParameterChoice::DoubleParam(value)) => value.into(),
        Some(ParameterChoice::Uint64Param(value)) => value.into(),
    }
}

fn parameter(value: Value) -> InferParameter {
    let choice = match value {
        Value::Bool(value) => ParameterChoice::BoolParam(value),
        Value::String(value) => ParameterChoice::StringParam(value),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(value), _) => ParameterChoice::Int64Param(value),
            (_, Some(value)) => ParameterChoice::Uint64Param(value),
            _ => ParameterChoice::DoubleParam(number.as_f64().unwrap_or(f64::NAN)),
        },
        other => ParameterChoice::StringParam(other.to_string()),
    };
    InferParameter { parameter_choice: Some(choice) }
}

/// Inputs whose elements come apart from them, one after the other.
fn raw_tensors(inputs: Vec<InferInputTensor>, contents: &[bytes::Bytes]) -> Result<Vec<Tensor>, Error> {
    let count = inputs.len();
    if let Some(more) = contents.len().checked_sub(count).filter(|more| *more > 0) {
        let message =
            format!("{more} raw_input_contents too many: each of the {count} inputs has one, in their order");
        return Err(Error::field("raw_input_contents", message));
    }
    // An input in shared memory has none, so all after it would be out of step.
    refuse_shared(&inputs)?;
    let tensor = |(index, input): (usize, InferInputTensor)| {
        let InferInputTensor { name, datatype, shape, contents: typed, .. } = input;
        input::tensor(name, shape, &datatype, |_, count| {
            if typed.as_ref().is_some_and(|typed| filled(typed).next().is_some()) {
                return Err(
                    "it has contents where others have raw_input_contents: all have one or the other".into(),
                );
            }
            let bytes = contents.get(index).ok_or_else(|| {
                format!(
                    "it has none of the {} raw_input_contents: each input has one, in their order",
                    contents.len()
                )
            })?;
            raw::decode(&datatype, bytes, count)
        })
    };
    inputs.into_iter().enumerate().map(tensor).collect()
}

/// Inputs with their elements.
fn typed_tensors(inputs: Vec<InferInputTensor>) -> Result<Vec<Tensor>, Error> {
    refuse_shared(&inputs)?;
    let tensor = |input: InferInputTensor| {
        let InferInputTensor { name, datatype, shape, contents, .. } = input;
        input::tensor(name, shape, &datatype, |shape, count| {
            let contents = match contents {
                Some(contents) => contents,
                None if count == 0 => InferTensorContents::default(),
                None => return Err("it has neither contents nor raw_input_contents".into()),
            };
            let data = elements(&datatype, contents)?;
            let (found, _) = check::elements(&data);
            input::fits(shape, count, found)?;
            Ok(data)
        })
    };
    inputs.into_iter().map(tensor).collect()
}

fn refuse_shared(inputs: &[InferInputTensor]) -> Result<(), Error> {
    let shared = |input: &&InferInputTensor| input.parameters.contains_key("shared_memory_region");
    inputs.iter().find(shared).map_or(Ok(()), |input| Err(input::wrong(&input.name, input::SHARED_MEMORY)))
}

/// The lists of contents that have elements.
fn filled(contents: &InferTensorContents) -> impl Iterator<Item = &'static str> {
    [
        ("bool_contents", contents.bool_contents.is_empty()),
        ("int_contents", contents.int_contents.is_empty()),
        ("int64_contents", contents.int64_contents.is_empty()),
        ("uint_contents", contents.uint_contents.is_empty()),
        ("uint64_contents", contents.uint64_contents.is_empty()),
        ("fp32_contents", contents.fp32_contents.is_empty()),
        ("fp64_contents", contents.fp64_contents.is_empty()),
        ("bytes_contents", contents.bytes_contents.is_empty()),
    ]
    .into_iter()
    .filter_map(|(list, empty)| (!empty).then_some(list))
}

/// The elements of a known datatype. Half precision has no list of its own: it
/// may come in single.
fn elements(datatype: &str, contents: InferTensorContents) -> Result<TensorData, String> {
    let list = match datatype {
        "BOOL" => "bool_contents",
        "INT8" | "INT16" | "INT32" => "int_contents",
        "INT64" => "int64_contents",
        "UINT8" | "UINT16" | "UINT32" => "uint_contents",
        "UINT64" => "uint64_contents",
        "FP16" | "BF16" | "FP32" => "fp32_contents",
        "FP64" => "fp64_contents",
        _ => "bytes_contents",
    };
    if let Some(other) = filled(&contents).find(|other| *other != list) {
        return Err(format!("it has {other}; elements of {datatype} are in {list}"));
    }
    Ok(match datatype {
        "BOOL" => TensorData::Bool(contents.bool_contents),
        "INT8" => TensorData::Int8(narrow(datatype, &contents.int_contents)?),
        "INT16" => TensorData::Int16(narrow(datatype, &contents.int_contents)?),
        "INT32" => TensorData::Int32(contents.int_contents),
        "INT64" => TensorData::Int64(contents.int64_contents),
        "UINT8" => TensorData::Uint8(narrow(datatype, &contents.uint_contents)?),
        "UINT16" => TensorData::Uint16(narrow(datatype, &contents.uint_contents)?),
        "UINT32" => TensorData::Uint32(contents.uint_contents),
        "UINT64" => TensorData::Uint64(contents.uint64_contents),
        "FP16" | "BF16" | "FP32" => TensorData::Fp32(contents.fp32_contents),
        "FP64" => TensorData::Fp64(contents.fp64_contents),
        _ => TensorData::Bytes(contents.bytes_contents.into_iter().map(Vec::from).collect()),
    })
}

fn narrow<W: Copy + ToString, N: TryFrom<W>>(datatype: &str, values: &[W]) -> Result<Vec<N>, String> {
    let narrow =
        |value: &W| N::try_from(*value).map_err(|_| format!("{} is no {datatype}", value.to_string()));
    values.iter().map(narrow).collect()
}

/// A model's answer: raw as a whole, or not at all.
pub(super) fn response(model_name: String, answered: Answered) -> ModelInferResponse {
    let mut outputs = Vec::with_capacity(answered.outputs.len());
    let mut raw_output_contents = Vec::new();
    for (tensor, is_raw) in answered.outputs {
        let Tensor { name, shape, data } = tensor;
        let (_, kind) = check::elements(&data);
        let contents = if is_raw {
            let mut bytes = Vec::with_capacity(raw::size(&data));
            raw::append(&data, &mut bytes);
            raw_output_contents.push(bytes.into());
            None
        } else {
            Some(typed(data))
        };
        let (datatype, parameters) = (datatype::name(kind).to_owned(), BTreeMap::new());
        outputs.push(InferOutputTensor { name, datatype, shape, parameters, contents });
    }
    ModelInferResponse {
        model_name,
        model_version: answered.version,
        id: answered.id,
        parameters: parameters(answered.told),
        outputs,
        raw_output_contents,
    }
}

fn parameters(told: Told) -> BTreeMap<String, InferParameter> {
    let Told { prediction_id, model, spent } = told;
    let times = [
        ("queue_us", spent.queue_us),
        ("instantiate_us", spent.instantiate_us),
        ("compute_us", spent.compute_us),
        ("total_us", spent.total_us),
    ];
    let times = times.map(|(name, micros)| (name, micros.into()));
    let texts = [("prediction_id", prediction_id.to_string().into()), ("model", model.into())];
    texts.into_iter().chain(times).map(|(name, value)| (name.to_owned(), parameter(value))).collect()
}

fn typed(data: TensorData) -> InferTensorContents {
    let mut contents = InferTensorContents::default();
    match data {
        TensorData::Bool(values) => contents.bool_contents = values,
        TensorData::Int8(values) => contents.int_contents = widened(values),
        TensorData::Int16(values) => contents.int_contents = widened(values),
        TensorData::Int32(values) => contents.int_contents = values,
        TensorData::Int64(values) => contents.int64_contents = values,
        TensorData::Uint8(values) => contents.uint_contents = widened(values),
        TensorData::Uint16(values) => contents.uint_contents = widened(values),
        TensorData::Uint32(values) => contents.uint_contents = values,
        TensorData::Uint64(values) => contents.uint64_contents = values,
        TensorData::Fp32(values) => contents.fp32_contents = values,
        TensorData::Fp64(values) => contents.fp64_contents = values,
        TensorData::Bytes(values) => {
            contents.bytes_contents = values.into_iter().map(bytes::Bytes::from).collect();
        }
    }
    contents
}

fn widened<N: Into<W>, W>(values: Vec<N>) -> Vec<W> {
    values.into_iter().map(Into::into).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed_input(name: &str, datatype: &str, shape: &[i64], data: TensorData) -> InferInputTensor {
        let mut input = raw_input(name, datatype, shape);
        input.contents = Some(typed(data));
        input
    }

    fn raw_input(name: &str, datatype: &str, shape: &[i64]) -> InferInputTensor {
        InferInputTensor {
            name: name.into(),
            datatype: datatype.into(),
            shape: shape.to_vec(),
            ..InferInputTensor::default()
        }
    }

    fn request(inputs: Vec<InferInputTensor>, raw: &[&[u8]]) -> ModelInferRequest {
        let raw_input_contents = raw.iter().map(|bytes| bytes::Bytes::copy_from_slice(bytes)).collect();
        ModelInferRequest {
            model_name: "m".into(),
            inputs,
            raw_input_contents,
            ..ModelInferRequest::default()
        }
    }

    fn read(inputs: Vec<InferInputTensor>, raw: &[&[u8]]) -> Result<Vec<TensorData>, String> {
        let call = call(request(inputs, raw), None).map_err(|error| error.message)?;
        Ok(call.asked.inputs.into_iter().map(|tensor| tensor.data).collect())
    }

    #[track_caller]
    fn fails(inputs: Vec<InferInputTensor>, raw: &[&[u8]], words: &str) {
        let message = read(inputs, raw).unwrap_err();
        assert!(message.contains(words), "{words:?} is not in {message:?}");
    }

    fn text(value: &str) -> InferParameter {
        parameter(value.into())
    }

    #[test]
    fn every_datatype_comes_typed_and_goes_so() {
        for (datatype, data) in [
            ("BOOL", TensorData::Bool(vec![true, false])),
            ("UINT8", TensorData::Uint8(vec![0, 255])),
            ("UINT16", TensorData::Uint16(vec![1, 0xff00])),
            ("UINT32", TensorData::Uint32(vec![1, u32::MAX])),
            ("UINT64", TensorData::Uint64(vec![1, u64::MAX])),
            ("INT8", TensorData::Int8(vec![-128, 127])),
            ("INT16", TensorData::Int16(vec![-2, 0x100])),
            ("INT32", TensorData::Int32(vec![i32::MIN, 3])),
            ("INT64", TensorData::Int64(vec![i64::MIN, 3])),
            ("FP16", TensorData::Fp32(vec![0.5, 2.0])),
            ("FP32", TensorData::Fp32(vec![0.1, f32::NEG_INFINITY])),
            ("FP64", TensorData::Fp64(vec![0.1, f64::INFINITY])),
            ("BYTES", TensorData::Bytes(vec![vec![], vec![0xff, 0]])),
        ] {
            let input = |shape| typed_input("x", datatype, shape, data.clone());
            assert_eq!(read(vec![input(&[2])], &[]), Ok(vec![data.clone()]), "{datatype}");
            assert_eq!(read(vec![input(&[2, 1])], &[]), Ok(vec![data.clone()]), "{datatype}");
            fails(vec![input(&[3])], &[], "the input \"x\": the shape [3] has 3 elements, its data 2");
            fails(vec![input(&[1])], &[], "its data 2");
            // In another datatype's list they are not taken.
            let other = if datatype == "BOOL" { "FP64" } else { "BOOL" };
            fails(vec![typed_input("x", other, &[2], data.clone())], &[], "_contents; elements of ");
        }
        fails(vec![typed_input("x", "INT8", &[1], TensorData::Int32(vec![128]))], &[], "128 is no INT8");
        fails(vec![typed_input("x", "UINT16", &[1], TensorData::Uint32(vec![65536]))], &[], "65536 is no");
        assert_eq!(read(vec![raw_input("x", "FP64", &[0])], &[]), Ok(vec![TensorData::Fp64(vec![])]));
    }

    #[test]
    fn raw_contents_belong_to_the_inputs_in_order() {
        let two = || vec![raw_input("x", "INT16", &[2]), raw_input("y", "BYTES", &[1])];
        let (x, y) = (&[1, 0, 255, 255][..], &[1, 0, 0, 0, b'a'][..]);
        let expected = vec![TensorData::Int16(vec![1, -1]), TensorData::Bytes(vec![b"a".to_vec()])];
        assert_eq!(read(two(), &[x, y]), Ok(expected));
        fails(two(), &[x], "the input \"y\": it has none of the 1 raw_input_contents");
        fails(two(), &[x, y, y], "1 raw_input_contents too many");
        fails(two(), &[y, x], "the input \"x\": 2 elements of INT16 have 2 bytes each, its raw data 5");
        fails(two(), &[x, &[9, 0, 0, 0, b'a']], "the input \"y\": element 0 of BYTES has the length 9");
        let mut both = two();
        both[1].contents = Some(typed(TensorData::Bytes(vec![b"a".to_vec()])));
        fails(both, &[x, y], "the input \"y\": it has contents where");
        let mut shared = two();
        shared[0].parameters.insert("shared_memory_region".into(), text("r"));
        fails(shared.clone(), &[y], "the input \"x\": shared memory");
        fails(shared, &[], "the input \"x\": shared memory");
    }

    #[test]
    fn what_is_wrong_is_said_with_the_input() {
        let one = |datatype: &str, shape: &[i64]| vec![raw_input("x", datatype, shape)];
        fails(one("FP8", &[1]), &[&[0]], "the input \"x\": the datatype \"FP8\" is not known; BOOL");
        fails(one("", &[1]), &[], "\"\" is not known");
        fails(one("FP64", &[-1]), &[&[0; 8]], "negative");
        fails(one("FP64", &[i64::MAX, 4]), &[&[0; 8]], "too large to be");
        fails(one("FP64", &[i64::MAX]), &[&[0; 8]], "its raw data 8");
        fails(one("FP64", &[1 << 61]), &[&[]], "its raw data 0");
        fails(one("FP64", &[1]), &[], "neither contents nor raw_input_contents");
        fails(one("BYTES", &[i64::MAX]), &[&[1, 0, 0, 0, b'a']], "its raw data 1");
        let twice = vec![raw_input("x", "FP64", &[1]), raw_input("x", "FP64", &[1])];
        fails(twice, &[&[0; 8], &[0; 8]], "the input \"x\" is there twice");
        let mut versioned = request(one("INT8", &[1]), &[&[1]]);
        versioned.model_version = "latest".into();
        let error = call(versioned, None).err().unwrap();
        assert_eq!(error.code, modelyard_lifecycle::Code::NotFound);
    }

    fn answered(outputs: Outputs) -> Result<ModelInferResponse, Error> {
        outputs.alike()?;
        let tensor = |name: &str, data| Tensor { name: name.into(), shape: vec![1], data };
        let answer = modelyard_lifecycle::deployment::Answer {
            prediction_id: uuid::Uuid::nil(),
            model: "m".into(),
            version: 3,
            outputs: vec![
                tensor("p", TensorData::Fp64(vec![f64::NAN])),
                tensor("label", TensorData::Bytes(vec![vec![0xff]])),
            ],
            spent: Default::default(),
        };
        Ok(response("d".into(), Answered::new(None, &outputs, answer)?))
    }

    #[test]
    fn an_answer_is_raw_or_typed_as_a_whole() {
        let outputs = |parameters: Value, wanted: &[(&str, Option<bool>)], raw: bool| {
            let Value::Object(parameters) = parameters else { unreachable!() };
            let wanted = wanted.iter().map(|(name, way)| {
                let way = way.map(|way| Map::from_iter([("binary_data".to_owned(), way.into())]));
                Wanted { name: (*name).into(), parameters: way }
            });
            answered(Outputs::new(&parameters, wanted.collect(), raw).unwrap())
        };
        let none = || Value::Object(Map::new());
        let raw = outputs(none(), &[], true).unwrap();
        assert_eq!((&*raw.model_version, &*raw.id), ("3", "00000000-0000-0000-0000-000000000000"));
        let names: Vec<_> = raw.parameters.keys().map(String::as_str).collect();
        assert_eq!(names, ["compute_us", "instantiate_us", "model", "prediction_id", "queue_us", "total_us"]);
        assert_eq!(raw.parameters["total_us"], parameter(0.into()));
        assert_eq!(raw.raw_output_contents, [&f64::NAN.to_le_bytes()[..], &[1, 0, 0, 0, 0xff]]);
        assert!(raw.outputs.iter().all(|output| output.contents.is_none()));
        let typed = outputs(none(), &[], false).unwrap();
        assert!(typed.raw_output_contents.is_empty());
        assert!(typed.outputs[0].contents.as_ref().unwrap().fp64_contents[0].is_nan());
        assert_eq!(typed.outputs[1].contents.as_ref().unwrap().bytes_contents, [&[0xff][..]]);
        // Asked for otherwise.
        let asked = outputs(serde_json::json!({"binary_data_output": true}), &[("p", None)], false).unwrap();
        assert_eq!((asked.outputs.len(), asked.raw_output_contents.len()), (1, 1));
        let asked = outputs(none(), &[("p", Some(false)), ("label", Some(false))], true).unwrap();
        assert!(asked.raw_output_contents.is_empty());
        let mixed = outputs(none(), &[("p", Some(false)), ("label", None)], true).unwrap_err();
        assert!(mixed.message.contains("\"p\" and \"label\""), "{mixed}");
    }

    #[test]
    fn parameters_say_whom_and_where() {
        let mut asked = request(vec![raw_input("x", "FP16", &[1])], &[&[0, 0x3c]]);
        asked.parameters.insert("sticky".into(), text("a"));
        asked.parameters.insert("entity".into(), text("ana"));
        asked.parameters.insert("anything".into(), InferParameter { parameter_choice: None });
        asked.id = "mine".into();
        asked.model_version = "7".into();
        let read = call(asked.clone(), None).unwrap();
        assert_eq!((read.id.as_deref(), read.asked.version), (Some("mine"), Some(7)));
        assert_eq!((read.asked.sticky.as_deref(), read.asked.entity.as_deref()), (Some("a"), Some("ana")));
        assert_eq!(read.halves, ["x"]);
        assert_eq!(call(asked, Some("b".into())).unwrap().asked.sticky.as_deref(), Some("b"));
        for choice in [
            ParameterChoice::BoolParam(true),
            ParameterChoice::Int64Param(-1),
            ParameterChoice::Uint64Param(u64::MAX),
            ParameterChoice::DoubleParam(0.5),
            ParameterChoice::StringParam("ü".into()),
        ] {
            let given = InferParameter { parameter_choice: Some(choice) };
            assert_eq!(parameter(value(given.clone())), given);
        }
    }
}
