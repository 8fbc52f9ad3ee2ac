//! Agreement with scikit-learn, and what is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use modelyard_sdk::prelude::*;
use scoring_linear::plugin::Linear as Scorer;
use serde_json::Value;
use training_linear::plugin::Linear;

fn settings(task: Task, parameters: &str) -> Settings {
    Settings {
        task,
        target: "y".into(),
        weight: None,
        ignore: Vec::new(),
        seed: 1,
        parameters: parameters.into(),
    }
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap_or(f64::NAN)).collect()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()).collect()
}

fn flags(value: &Value) -> Vec<bool> {
    value.as_array().unwrap().iter().map(|v| v.as_bool().unwrap()).collect()
}

struct Reference(Value);

impl Reference {
    fn read() -> Self {
        Self(serde_json::from_str(include_str!("data/reference.json")).unwrap())
    }

    fn table(&self, target: Column) -> Table {
        let b = numbers(&self.0["b"]);
        let there: Vec<bool> = b.iter().map(|v| !v.is_nan()).collect();
        Table::new([
            Column::f64("a", numbers(&self.0["a"])),
            Column::f64("b", b.iter().map(|v| if v.is_nan() { 0.0 } else { *v }).collect::<Vec<_>>())
                .with_validity(there),
            Column::boolean("flag", flags(&self.0["flag"])),
            Column::utf8("c", texts(&self.0["c"])),
            target,
        ])
        .unwrap()
    }

    fn tensors(&self) -> Vec<Tensor> {
        let flag = flags(&self.0["flag"]);
        vec![
            Tensor::vector("a", numbers(&self.0["a"])),
            Tensor::vector("b", numbers(&self.0["b"])),
            Tensor::new("flag", [flag.len() as i64], TensorData::Bool(flag)),
            Tensor::text("c", texts(&self.0["c"])),
        ]
    }
}

fn train(settings: Settings, table: Table) -> Result<Artifact> {
    Linear::train(settings, &Reader::from_table(table), None)
}

/// The greatest difference of the model's answers from the expected ones.
fn difference(artifact: &Artifact, tensors: &[Tensor], expected: &[f64]) -> f64 {
    let model = Scorer::load(&artifact.bytes).unwrap();
    assert_eq!(model.signature(), artifact.signature);
    let answer = model.predict(tensors).unwrap();
    let answer = answer[0].numbers().unwrap();
    assert_eq!(answer.len(), expected.len());
    answer.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn probabilities_and_numbers_agree_to_1e6() {
    let reference = Reference::read();
    let tasks = [
        (Task::BinaryClassification, "binary", Column::boolean("y", flags(&reference.0["binary"])), 1e-6),
        (Task::MulticlassClassification, "three", Column::utf8("y", texts(&reference.0["three"])), 1e-6),
        (Task::Regression, "number", Column::f64("y", numbers(&reference.0["number"])), 1e-8),
    ];
    for fit in reference.0["fits"].as_array().unwrap() {
        for (task, name, target, tolerance) in &tasks {
            let parameters = format!(r#"{{"l2": {}}}"#, fit["l2"]);
            let artifact = train(settings(*task, &parameters), reference.table(target.clone())).unwrap();
            assert_eq!(artifact.format, "modelyard-linear-1");
            let error = difference(&artifact, &reference.tensors(), &numbers(&fit[*name]));
            assert!(error < *tolerance, "{name}, l2 {}: {error}", fit["l2"]);
        }
    }
}

#[test]
fn validation_is_measured_and_importance_sums_to_one() {
    let reference = Reference::read();
    let table = reference.table(Column::f64("y", numbers(&reference.0["number"])));
    let reader = Reader::from_table(table.clone());
    let held_out = Reader::from_table(table.slice(0, 50));
    let artifact = Linear::train(settings(Task::Regression, ""), &reader, Some(&held_out)).unwrap();
    let names: Vec<&str> = artifact.metrics.iter().map(|m| m.name.as_str()).collect();
    assert_eq!(names, ["train_rmse", "train_mae", "validation_rmse", "validation_mae"]);
    assert_eq!(artifact.metrics[2].rows, 50);
    assert!((artifact.importance.iter().map(|i| i.1).sum::<f64>() - 1.0).abs() < 1e-9);
}

#[test]
fn a_weight_is_as_many_rows() {
    let x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let y = [1.0, 2.5, 2.0, 4.0, 7.0, 5.0];
    let twice = |v: &[f64]| v.iter().chain(&v[3..]).copied().collect::<Vec<f64>>();
    let repeated = Table::new([Column::f64("x", twice(&x)), Column::f64("y", twice(&y))]).unwrap();
    let weighted = Table::new([
        Column::f64("x", x),
        Column::f64("y", y),
        Column::f64("w", [1.0, 1.0, 1.0, 2.0, 2.0, 2.0]),
    ]);
    let mut by_weight = settings(Task::Regression, "");
    by_weight.weight = Some("w".into());
    let a = train(by_weight, weighted.unwrap()).unwrap();
    let b = train(settings(Task::Regression, ""), repeated).unwrap();
    let tensors = [Tensor::vector("x", vec![0.0, 10.0])];
    let expected = Scorer::load(&b.bytes).unwrap().predict(&tensors).unwrap();
    assert!(difference(&a, &tensors, &expected[0].numbers().unwrap()) < 1e-9);
}

#[test]
fn columns_that_say_nothing_do_no_harm() {
    let reference = Reference::read();
    let mut table = reference.table(Column::boolean("y", flags(&reference.0["binary"])));
    let rows = table.rows();
    table.push(Column::f64("constant", vec![0.1; rows])).unwrap();
    table.push(Column::f64("nan", vec![f64::NAN; rows])).unwrap();
    table.push(Column::utf8("empty", vec![""; rows])).unwrap();
    let artifact = train(settings(Task::BinaryClassification, ""), table).unwrap();
    let mut tensors = reference.tensors();
    tensors.push(Tensor::vector("constant", vec![0.1; rows]));
    tensors.push(Tensor::vector("nan", vec![f64::NAN; rows]));
    tensors.push(Tensor::text("empty", vec![""; rows]));
    let expected = numbers(&reference.0["fits"][1]["binary"]);
    assert!(difference(&artifact, &tensors, &expected) < 1e-6);
}

#[test]
fn classes_told_apart_without_fail_converge() {
    let x: Vec<f64> = (0..100).map(f64::from).collect();
    let y: Vec<bool> = x.iter().map(|x| *x > 49.0).collect();
    let table = Table::new([Column::f64("x", x), Column::boolean("y", y)]).unwrap();
    let artifact = train(settings(Task::BinaryClassification, r#"{"l2": 0}"#), table).unwrap();
    assert!(artifact.metrics.iter().any(|m| m.name == "train_roc_auc" && m.value == 1.0));
}

#[test]
fn what_can_not_be_learned_is_refused() {
    let refuse = |columns: Vec<Column>, parameters: &str| {
        let result = train(settings(Task::Regression, parameters), Table::new(columns).unwrap());
        result.unwrap_err().message()
    };
    let (x, y) = (|| Column::f64("x", [1.0, 2.0, 3.0]), || Column::f64("y", [1.0, 2.0, 3.0]));
    assert!(refuse(vec![x(), y()], r#"{"l2": -1}"#).contains("/l2"));
    assert!(refuse(vec![x(), y()], r#"{"C": 1}"#).contains("/C"));
    let twin = Column::f64("z", [1.0, 2.0, 3.0]);
    assert!(refuse(vec![x(), twin, y()], r#"{"l2": 0}"#).contains("raise l2"));
    let infinite = Column::f64("x", [1.0, f64::INFINITY, 3.0]);
    assert!(refuse(vec![infinite, y()], "").contains("row 1"));
    assert!(refuse(vec![Column::timestamp("x", [1, 2, 3]), y()], "").contains("features-standard"));
    assert!(refuse(vec![x()], "").contains("\"y\""));
    progress::testing::cancel(true);
    let stopped = train(settings(Task::Regression, ""), Table::new([x(), y()]).unwrap());
    progress::testing::cancel(false);
    assert!(matches!(stopped, Err(Error::Cancelled)));
}
