//! The format under hostile bytes, and what a model answers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use modelyard_sdk::learn::linear::{Model, Term, format};
use modelyard_sdk::learn::{Head, Input, Kind, Rows, Task};
use modelyard_sdk::prelude::{Scoring, Tensor};
use scoring_linear::plugin::Linear;

fn model() -> Model {
    Model {
        head: Head { task: Task::Regression, target: "y".into(), classes: Vec::new(), integers: false },
        inputs: vec![
            Input { name: "x".into(), kind: Kind::Float },
            Input { name: "c".into(), kind: Kind::Category(vec!["a".into(), "b".into()]) },
        ],
        terms: vec![
            Term::Number { fill: 2.0, slope: vec![3.0], missing: vec![0.5] },
            Term::Category { by_category: vec![10.0, 20.0, 40.0] },
        ],
        intercept: vec![1.0],
    }
}

#[test]
fn scores_are_sums_of_terms() {
    let linear = Linear::load(&format::encode(&model())).unwrap();
    let tensors =
        [Tensor::text("c", ["a", "b", "", "z"]), Tensor::vector("x", vec![1.0, -1.0, f64::NAN, 0.0])];
    let answer = linear.predict(&tensors).unwrap();
    assert_eq!(answer[0].numbers().unwrap()[..], [14.0, 18.0, 47.5, 41.0]);
}

#[test]
fn what_is_written_is_read_and_what_is_cut_is_refused() {
    let bytes = format::encode(&model());
    assert_eq!(format::decode(&bytes).unwrap(), model());
    for end in 0..bytes.len() {
        assert!(format::decode(&bytes[..end]).is_err(), "cut at {end}");
    }
    assert!(format::decode(&[bytes.as_slice(), &[0]].concat()).is_err());
    let mut nan = bytes.clone();
    let at = nan.len() - 8;
    nan[at..].copy_from_slice(&f64::NAN.to_le_bytes());
    assert!(format::decode(&nan).unwrap_err().message().contains("not finite"));
}

#[test]
fn flipped_bytes_are_refused_or_score_without_a_panic() {
    let bytes = format::encode(&model());
    let mut refused = 0;
    for at in 0..bytes.len() {
        for value in [0, 1, 2, 3, 0x7f, 0x80, 0xff] {
            let mut bytes = bytes.clone();
            bytes[at] = value;
            match format::decode(&bytes) {
                Ok(model) if model.inputs.len() == 2 => {
                    let rows = Rows { rows: 2, values: vec![1.0, 0.0, f64::NAN, 2.0] };
                    assert_eq!(model.score(&rows).len(), 2 * model.intercept.len());
                }
                Ok(_) => {}
                Err(_) => refused += 1,
            }
        }
    }
    assert!(refused > 100, "{refused}");
}
