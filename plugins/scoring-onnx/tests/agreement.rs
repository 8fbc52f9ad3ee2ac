//! Models give what ONNX Runtime gives.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use modelyard_sdk::prelude::{Datatype, Scoring, Tensor, TensorData};
use scoring_onnx::plugin::Onnx;
use support::{difference, model, models, operators};

/// One row of every tensor.
fn row(tensors: &[Tensor], at: usize) -> Vec<Tensor> {
    fn part<T: Clone>(values: &[T], at: usize, width: usize) -> Vec<T> {
        values[at * width..(at + 1) * width].to_vec()
    }
    let cut = |tensor: &Tensor| {
        let width = tensor.len() / tensor.shape[0] as usize;
        let mut shape = tensor.shape.clone();
        shape[0] = 1;
        let data = match &tensor.data {
            TensorData::Fp32(values) => TensorData::Fp32(part(values, at, width)),
            TensorData::Int64(values) => TensorData::Int64(part(values, at, width)),
            TensorData::Bytes(values) => TensorData::Bytes(part(values, at, width)),
            other => panic!("{other:?}"),
        };
        Tensor::new(&tensor.name, shape, data)
    };
    tensors.iter().map(cut).collect()
}

#[test]
fn whole_models_agree_in_batches_and_row_by_row() {
    let models = models();
    assert!(models.len() >= 18, "{}", models.len());
    for case in models {
        let onnx = Onnx::load(&case.model).unwrap_or_else(|e| panic!("{}: {e:?}", case.name));
        let answer = onnx.predict(&case.inputs).unwrap_or_else(|e| panic!("{}: {e:?}", case.name));
        assert_eq!(difference(&answer, &case.outputs), None, "{}", case.name);
        for at in 0..case.inputs[0].shape[0] as usize {
            let answer = onnx.predict(&row(&case.inputs, at)).unwrap();
            assert_eq!(difference(&answer, &row(&case.outputs, at)), None, "{}, row {at}", case.name);
        }
    }
}

#[test]
fn every_operator_agrees() {
    let (mut wrong, cases) = (Vec::new(), operators());
    assert!(cases.len() > 230, "{}", cases.len());
    for case in cases {
        let answer = Onnx::load(&case.model).and_then(|onnx| onnx.predict(&case.inputs));
        let fault = match answer {
            Err(error) => Some(error.message()),
            Ok(answer) => difference(&answer, &case.outputs),
        };
        wrong.extend(fault.map(|fault| format!("{}: {fault}", case.name)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_convolutional_network_reads_digits_it_has_not_seen() {
    let case = model("digits-cnn");
    let answer = Onnx::load(&case.model).unwrap().predict(&case.inputs).unwrap();
    let TensorData::Int64(labels) = &answer[1].data else { panic!("{:?}", answer[1]) };
    let truth: Vec<i64> =
        case.json["truth"].as_array().unwrap().iter().map(|y| y.as_i64().unwrap()).collect();
    let right = labels.iter().zip(&truth).filter(|(a, b)| a == b).count();
    assert!(right * 100 >= truth.len() * 95, "{right} of {}", truth.len());
}

#[test]
fn signatures_state_names_shapes_and_classes() {
    let signature = |name: &str| Onnx::load(&model(name).model).unwrap().signature();
    let iris = signature("iris-logistic");
    assert_eq!((iris.inputs[0].name.as_str(), iris.inputs[0].shape.as_slice()), ("X", &[-1, 4][..]));
    // This one ends with a ZipMap.
    assert_eq!(iris.outputs[1].datatype, Datatype::Fp32);
    assert_eq!(iris.outputs[1].shape, [-1, 3]);
    assert_eq!(iris.outputs[1].labels, ["0", "1", "2"]);
    assert_eq!(iris.outputs[0].datatype, Datatype::Int64);
    assert_eq!(iris.outputs[0].labels, ["0", "1", "2"]);
    let penguins = signature("penguins-forest");
    assert_eq!(penguins.inputs.len(), 6);
    assert_eq!(penguins.inputs[5].datatype, Datatype::Bytes);
    assert_eq!(penguins.outputs[1].labels, ["Adelie", "Chinstrap", "Gentoo"]);
    let digits = signature("digits-cnn");
    assert_eq!(digits.outputs[0].shape, [-1, 10]);
}

#[test]
fn inputs_come_in_any_order_numeric_datatype_and_with_or_without_a_column() {
    let case = model("penguins-logistic");
    let onnx = Onnx::load(&case.model).unwrap();
    let mut inputs = case.inputs.clone();
    inputs.reverse();
    for tensor in &mut inputs {
        tensor.shape.truncate(1);
        if let TensorData::Fp32(values) = &tensor.data {
            tensor.data = TensorData::Fp64(values.iter().map(|x| f64::from(*x)).collect());
        }
    }
    assert_eq!(difference(&onnx.predict(&inputs).unwrap(), &case.outputs), None);
    let none: Vec<Tensor> = onnx
        .signature()
        .inputs
        .iter()
        .map(|spec| match spec.datatype {
            Datatype::Bytes => Tensor::new(&spec.name, [0, 1], TensorData::Bytes(vec![])),
            _ => Tensor::new(&spec.name, [0, 1], TensorData::Fp32(vec![])),
        })
        .collect();
    assert_eq!(onnx.predict(&none).unwrap()[1].shape, [0, 3]);
}

#[test]
fn a_wrong_tensor_is_named_with_what_is_accepted() {
    let case = model("iris-forest");
    let onnx = Onnx::load(&case.model).unwrap();
    let refuse = |tensors: Vec<Tensor>| onnx.predict(&tensors).unwrap_err().message();
    let rows =
        |name: &str, shape: [i64; 2]| Tensor::fp64(name, shape, vec![0.0; (shape[0] * shape[1]) as usize]);
    for (tensors, parts) in [
        (vec![], vec!["`X` is missing"]),
        (vec![rows("Y", [1, 4])], vec!["`X` is missing", "takes `X`"]),
        (vec![rows("X", [1, 4]), rows("Y", [1, 4])], vec!["no input `Y`"]),
        (vec![rows("X", [1, 4]), rows("X", [1, 4])], vec!["`X` is there twice"]),
        (vec![rows("X", [1, 3])], vec!["shape [1, 3]", "[-1, 4]"]),
        (vec![Tensor::new("X", [1, 4], TensorData::Bytes(vec![vec![]; 4]))], vec!["BYTES", "any numeric"]),
    ] {
        let message = refuse(tensors);
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    }
}
