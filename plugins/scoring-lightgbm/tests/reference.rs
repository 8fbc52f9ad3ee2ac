//! Against LightGBM itself: models that `data/make.py` trained, and what
//! LightGBM predicted with their files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::path::PathBuf;

use modelyard_sdk::prelude::{Datatype, Scoring, Signature, Tensor, TensorData};
use scoring_lightgbm::plugin::LightGbm;
use serde_json::Value;

fn data(file: &str) -> Vec<u8> {
    std::fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(file)).unwrap()
}

fn expected() -> Value {
    serde_json::from_slice(&data("expected.json")).unwrap()
}

/// The rows from `from` to `to` of a table, as the signature wants them.
fn tensors(table: &Value, signature: &Signature, from: usize, to: usize) -> Vec<Tensor> {
    let names: Vec<&String> = table.as_object().unwrap().keys().collect();
    assert_eq!(signature.inputs.iter().map(|input| &input.name).collect::<Vec<_>>(), names);
    let mut tensors = Vec::new();
    for input in &signature.inputs {
        let column = &table[&input.name].as_array().unwrap()[from..to];
        assert_eq!(input.shape, [-1]);
        tensors.push(match input.datatype {
            Datatype::Bytes => Tensor::text(&input.name, column.iter().map(|v| v.as_str().unwrap_or(""))),
            Datatype::Fp64 => {
                Tensor::vector(&input.name, column.iter().map(|v| v.as_f64().unwrap_or(f64::NAN)).collect())
            }
            other => panic!("{other:?}"),
        });
    }
    tensors
}

fn numbers(values: &Value, into: &mut Vec<f64>) {
    match values {
        Value::Array(values) => values.iter().for_each(|value| numbers(value, into)),
        value => into.push(value.as_f64().unwrap()),
    }
}

/// Doubles are added in LightGBM's order; what differs is the last bits of an
/// exponential.
fn close(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= 1e-12 * expected.abs()
}

#[test]
fn every_file_predicts_what_lightgbm_predicts() {
    let all = expected();
    let cases = all["cases"].as_array().unwrap();
    assert!(cases.len() >= 20);
    for case in cases {
        let file = case["file"].as_str().unwrap();
        let model = LightGbm::load(&data(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        let signature = model.signature();
        let table = &all["tables"][case["table"].as_str().unwrap()];
        let rows = case["values"].as_array().unwrap().len();
        let answer = model.predict(&tensors(table, &signature, 0, rows)).unwrap();
        let found = answer[0].numbers().unwrap();
        let mut wanted = Vec::new();
        numbers(&case["values"], &mut wanted);
        assert_eq!(found.len(), wanted.len(), "{file}");
        for (at, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
            assert!(close(*found, *wanted), "{file}, value {at}: {found} and not {wanted}");
        }
        for (output, tensor) in signature.outputs.iter().zip(&answer) {
            assert_eq!((&output.name, output.datatype), (&tensor.name, tensor.data.datatype()), "{file}");
            assert_eq!(output.shape[1..], tensor.shape[1..], "{file}");
        }
        // A row gives the same bits alone.
        let width = found.len() / rows;
        for row in 0..rows {
            let alone = model.predict(&tensors(table, &signature, row, row + 1)).unwrap();
            assert_eq!(
                alone[0].numbers().unwrap()[..],
                found[row * width..(row + 1) * width],
                "{file}, row {row}"
            );
        }
    }
}

#[test]
fn a_signature_has_the_files_names_and_categories() {
    let signature = LightGbm::load(&data("categories.txt")).unwrap().signature();
    let input = |name: &str| signature.inputs.iter().find(|input| input.name == name).unwrap();
    assert_eq!(input("Species").datatype, Datatype::Bytes);
    assert_eq!(input("Species").labels, ["Adelie", "Chinstrap", "Gentoo"]);
    assert_eq!(input("Year").labels, ["2007", "2008", "2009"]);
    assert_eq!(input("Culmen_Length_(mm)").datatype, Datatype::Fp64);
    assert_eq!(signature.outputs[0].name, "prediction");

    let signature = LightGbm::load(&data("multiclass.txt")).unwrap().signature();
    assert_eq!(signature.outputs[0].shape, [-1, 3]);
    assert_eq!(signature.outputs[1].labels, ["0", "1", "2"]);
    let signature = LightGbm::load(&data("binary.txt")).unwrap().signature();
    assert_eq!(signature.outputs[0].labels, ["1"]);
    let codes = LightGbm::load(&data("codes.txt")).unwrap().signature();
    assert!(codes.inputs.iter().all(|input| input.datatype == Datatype::Fp64));
}

#[test]
fn a_label_goes_with_its_probability() {
    let all = expected();
    let model = LightGbm::load(&data("binary.txt")).unwrap();
    let answer = model.predict(&tensors(&all["tables"]["cancer"], &model.signature(), 0, 40)).unwrap();
    let TensorData::Int64(labels) = &answer[1].data else { panic!("{:?}", answer[1]) };
    for (p, label) in answer[0].numbers().unwrap().iter().zip(labels) {
        assert_eq!(*label, i64::from(*p >= 0.5));
    }
    assert!(labels.contains(&0) && labels.contains(&1));
}

#[test]
fn an_unknown_category_is_a_missing_one() {
    let all = expected();
    let model = LightGbm::load(&data("categories.txt")).unwrap();
    let mut rows = tensors(&all["tables"]["penguins"], &model.signature(), 0, 12);
    let mut answer = |text: &str| {
        rows[6] = Tensor::text("Sex", [text; 12]);
        model.predict(&rows).unwrap()
    };
    assert_eq!(answer("unsure"), answer(""));
    assert_ne!(answer("MALE"), answer("FEMALE"));
}

#[test]
fn what_is_not_supported_is_named() {
    for (file, part) in [("linear-tree.txt", "linear_tree"), ("ordered.txt", "unordered categories only")] {
        let message = LightGbm::load(&data(file)).map(|_| ()).unwrap_err().message();
        assert!(message.contains(part), "{file}: {message}");
    }
}
