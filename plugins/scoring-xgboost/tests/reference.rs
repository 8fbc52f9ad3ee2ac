//! Against XGBoost itself: models that `data/make.py` trained, and what
//! XGBoost predicted with their files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::path::PathBuf;

use modelyard_sdk::prelude::{Datatype, Scoring, Signature, Tensor, TensorData};
use scoring_xgboost::plugin::XgBoost;
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

/// Sums are single and in XGBoost's order, so they agree to the bit. What
/// XGBoost then does to them in single precision is done in double here: a
/// relative error of 1e-6 is some eight single roundings.
fn close(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= 1e-6 * expected.abs()
}

/// The classes, where XGBoost predicts those.
fn labels(answer: &[Tensor]) -> Vec<f64> {
    let TensorData::Int64(labels) = &answer[1].data else { panic!("{:?}", answer[1]) };
    labels.iter().map(|label| *label as f64).collect()
}

#[test]
fn every_file_predicts_what_xgboost_predicts() {
    let all = expected();
    let cases = all["cases"].as_array().unwrap();
    assert!(cases.len() >= 20);
    for case in cases {
        let file = case["file"].as_str().unwrap();
        let model = XgBoost::load(&data(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        let signature = model.signature();
        let table = &all["tables"][case["table"].as_str().unwrap()];
        let rows = case["values"].as_array().unwrap().len();
        let answer = model.predict(&tensors(table, &signature, 0, rows)).unwrap();
        let found = answer[0].numbers().unwrap();
        let compared = if file == "multi-softmax.ubj" { labels(&answer) } else { found.to_vec() };
        let mut wanted = Vec::new();
        numbers(&case["values"], &mut wanted);
        assert_eq!(compared.len(), wanted.len(), "{file}");
        for (at, (found, wanted)) in compared.iter().zip(&wanted).enumerate() {
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
    for file in ["categories.ubj", "categories.json"] {
        let signature = XgBoost::load(&data(file)).unwrap().signature();
        let input = |name: &str| signature.inputs.iter().find(|input| input.name == name).unwrap();
        assert_eq!(input("Species").datatype, Datatype::Bytes);
        assert_eq!(input("Species").labels, ["Adelie", "Chinstrap", "Gentoo"]);
        assert_eq!(input("Year").labels, ["2007", "2008", "2009"]);
        assert_eq!(input("Culmen Length (mm)").datatype, Datatype::Fp64);
        assert_eq!(signature.outputs[0].name, "prediction");
    }
    let signature = XgBoost::load(&data("multi-softprob.ubj")).unwrap().signature();
    assert_eq!(signature.outputs[0].shape, [-1, 3]);
    assert_eq!(signature.outputs[1].labels, ["0", "1", "2"]);
    let signature = XgBoost::load(&data("binary-logistic.ubj")).unwrap().signature();
    assert_eq!(signature.outputs[0].labels, ["1"]);
    let signature = XgBoost::load(&data("several.ubj")).unwrap().signature();
    assert_eq!(signature.outputs[0].shape, [-1, 3]);
    let codes = XgBoost::load(&data("codes.ubj")).unwrap().signature();
    assert!(codes.inputs.iter().all(|input| input.datatype == Datatype::Fp64));
}

#[test]
fn an_unknown_category_is_a_missing_one() {
    let all = expected();
    let model = XgBoost::load(&data("categories.ubj")).unwrap();
    let mut rows = tensors(&all["tables"]["penguins"], &model.signature(), 0, 12);
    let mut answer = |text: &str| {
        rows[0] = Tensor::text("Species", [text; 12]);
        model.predict(&rows).unwrap()
    };
    assert_eq!(answer("Emperor"), answer(""));
    assert_ne!(answer("Gentoo"), answer("Adelie"));
}

#[test]
fn what_is_not_supported_is_named() {
    for (file, part) in [("gblinear.json", "`gblinear`"), ("vector-leaves.ubj", "multi_output_tree")] {
        let message = XgBoost::load(&data(file)).map(|_| ()).unwrap_err().message();
        assert!(message.contains(part), "{file}: {message}");
    }
}
