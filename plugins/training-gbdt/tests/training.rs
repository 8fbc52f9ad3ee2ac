//! Training, and what scoring makes of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use modelyard_sdk::prelude::*;
use modelyard_sdk::stats;
use scoring_gbdt::plugin::Gbdt as Scorer;
use training_gbdt::plugin::Gbdt;
use training_gbdt::rng::Rng;

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

/// Numbers with missing values, a flag and categories; `odds` of the class.
struct Data {
    x: Vec<f64>,
    n: Vec<i64>,
    b: Vec<bool>,
    c: Vec<String>,
    odds: Vec<f64>,
    draw: Vec<f64>,
}

fn data(rows: usize, seed: u64) -> Data {
    let mut rng = Rng::new(seed);
    let mut data = Data { x: vec![], n: vec![], b: vec![], c: vec![], odds: vec![], draw: vec![] };
    for _ in 0..rows {
        let x = if rng.below(5) == 0 { f64::NAN } else { rng.below(1000) as f64 / 100.0 };
        let (n, b, c) = (rng.below(20) as i64, rng.below(2) == 1, rng.below(30));
        let by_x = if x.is_nan() { 2.0 } else { (x - 5.0) / 3.0 };
        let by_c = if c % 3 == 0 { 1.5 } else { -1.0 };
        data.odds.push(by_x + by_c + if b && n > 10 { 2.0 } else { -1.0 });
        data.x.push(x);
        data.n.push(n);
        data.b.push(b);
        data.c.push(format!("k{c}"));
        data.draw.push(rng.below(1_000_000) as f64 / 1e6);
    }
    data
}

impl Data {
    fn late(&self) -> Vec<bool> {
        let chance = |odds: &f64| 1.0 / (1.0 + (-odds).exp());
        self.odds.iter().zip(&self.draw).map(|(odds, draw)| *draw < chance(odds)).collect()
    }

    fn table(&self, target: Column) -> Table {
        Table::new([
            Column::f64("x", self.x.clone()),
            Column::s64("n", self.n.clone()),
            Column::boolean("b", self.b.clone()),
            Column::utf8("c", self.c.clone()),
            target,
        ])
        .unwrap()
    }

    fn binary(&self) -> Table {
        self.table(Column::boolean("y", self.late()))
    }

    fn tensors(&self) -> Vec<Tensor> {
        vec![
            Tensor::vector("x", self.x.clone()),
            Tensor::vector("n", self.n.iter().map(|n| *n as f64).collect()),
            Tensor::new("b", [self.b.len() as i64], TensorData::Bool(self.b.clone())),
            Tensor::text("c", self.c.clone()),
        ]
    }
}

fn train(settings: Settings, table: Table) -> Result<Artifact> {
    Gbdt::train(settings, &Reader::from_table(table), None)
}

fn metric(artifact: &Artifact, name: &str) -> f64 {
    artifact.metrics.iter().find(|m| m.name == name).unwrap_or_else(|| panic!("no {name}")).value
}

fn numbers(artifact: &Artifact, tensors: &[Tensor]) -> Vec<f64> {
    Scorer::load(&artifact.bytes).unwrap().predict(tensors).unwrap()[0].numbers().unwrap().into_owned()
}

#[test]
fn two_classes_are_told_apart_on_rows_not_seen() {
    let (seen, unseen) = (data(6000, 1), data(4000, 2));
    let artifact = train(settings(Task::BinaryClassification, ""), seen.binary()).unwrap();
    assert_eq!((artifact.format.as_str(), artifact.runner.as_str()), ("modelyard-gbdt-1", "scoring-gbdt"));
    assert_eq!(artifact.signature, Scorer::load(&artifact.bytes).unwrap().signature());
    let auc = stats::roc_auc(&numbers(&artifact, &unseen.tensors()), &unseen.late(), None).unwrap();
    let best = stats::roc_auc(&unseen.odds, &unseen.late(), None).unwrap();
    assert!(auc > best - 0.03, "{auc} where the true odds have {best}");
    let importance: f64 = artifact.importance.iter().map(|(_, share)| share).sum();
    assert!((importance - 1.0).abs() < 1e-9 && artifact.importance.len() == 4);
}

#[test]
fn scoring_agrees_with_training_to_the_last_digits() {
    for parameters in ["", r#"{"bagging_fraction": 0.6, "feature_fraction": 0.7, "max_bins": 15}"#] {
        let data = data(3000, 3);
        let artifact = train(settings(Task::BinaryClassification, parameters), data.binary()).unwrap();
        let p = numbers(&artifact, &data.tensors());
        let loss = stats::log_loss(&p, &data.late()).unwrap();
        assert!((loss - metric(&artifact, "train_log_loss")).abs() < 1e-9, "{parameters}");
        let auc = stats::roc_auc(&p, &data.late(), None).unwrap();
        assert!((auc - metric(&artifact, "train_roc_auc")).abs() < 1e-9);
    }
}

#[test]
fn the_seed_decides_every_byte() {
    let parameters = r#"{"rounds": 20, "bagging_fraction": 0.5, "feature_fraction": 0.5}"#;
    let bytes = |seed| {
        let mut settings = settings(Task::BinaryClassification, parameters);
        settings.seed = seed;
        train(settings, data(2000, 4).binary()).unwrap().bytes
    };
    assert_eq!(bytes(1), bytes(1));
    assert_ne!(bytes(1), bytes(2));
}

#[test]
fn missing_and_unknown_values_go_the_way_that_was_learned() {
    let seen = data(6000, 5);
    let artifact = train(settings(Task::BinaryClassification, ""), seen.binary()).unwrap();
    let one = |x: f64, c: &str| {
        let tensors = [
            Tensor::vector("x", vec![x]),
            Tensor::vector("n", vec![5.0]),
            Tensor::vector("b", vec![0.0]),
            Tensor::text("c", [c]),
        ];
        numbers(&artifact, &tensors)[0]
    };
    // Missing x counts like a large one in the data.
    assert!(one(f64::NAN, "k0") > one(1.0, "k0") + 0.3);
    assert_eq!(one(3.0, "never seen"), one(3.0, ""));
    assert!(one(3.0, "k0") > one(3.0, "k1"));
}

#[test]
fn more_classes_and_numbers_are_learned() {
    let seen = data(5000, 6);
    let class = |odds: &f64| if *odds < -1.0 { 10 } else { i64::from(*odds > 1.0) * 5 - 3 };
    let classes: Vec<i64> = seen.odds.iter().map(class).collect();
    let table = seen.table(Column::s64("y", classes.clone()));
    let artifact = train(settings(Task::MulticlassClassification, r#"{"rounds": 40}"#), table).unwrap();
    let answer = Scorer::load(&artifact.bytes).unwrap().predict(&seen.tensors()).unwrap();
    assert_eq!(artifact.signature.outputs[0].labels, ["-3", "2", "10"]);
    let TensorData::Int64(labels) = &answer[1].data else { panic!("whole numbers are answered as such") };
    let right = labels.iter().zip(&classes).filter(|(a, b)| a == b).count();
    assert!(right > 4500, "{right}");

    for (loss, most) in [("squared", 0.25), ("absolute", 0.25)] {
        let table = seen.table(Column::f64("y", seen.odds.clone()));
        let parameters = format!(r#"{{"loss": "{loss}"}}"#);
        let artifact = train(settings(Task::Regression, &parameters), table).unwrap();
        let predicted = numbers(&artifact, &seen.tensors());
        let mae = stats::regression::mae(&seen.odds, &predicted).unwrap();
        assert!(mae < most, "{loss}: {mae}");
        assert!((mae - metric(&artifact, "train_mae")).abs() < 1e-9);
    }
}

#[test]
fn training_stops_where_validation_gets_no_better() {
    let (seen, held_out) = (data(1500, 7), data(1500, 8));
    let parameters = r#"{"rounds": 400, "learning_rate": 0.3, "early_stopping_rounds": 10, "metric": "auc"}"#;
    let settings = settings(Task::BinaryClassification, parameters);
    progress::testing::metrics();
    let validation = Reader::from_table(held_out.binary());
    let artifact = Gbdt::train(settings, &Reader::from_table(seen.binary()), Some(&validation)).unwrap();
    let rounds = metric(&artifact, "rounds");
    assert!((1.0..200.0).contains(&rounds), "{rounds}");
    let auc = stats::roc_auc(&numbers(&artifact, &held_out.tensors()), &held_out.late(), None).unwrap();
    assert!((auc - metric(&artifact, "validation_roc_auc")).abs() < 1e-9);
    let live = progress::testing::metrics();
    assert!(live.iter().any(|(name, step, _)| name == "validation_roc_auc" && *step == 10), "{live:?}");
    assert!(live.iter().all(|(_, step, value)| *step <= 400 && value.is_finite()));
}

#[test]
fn rows_of_no_weight_teach_nothing() {
    let seen = data(4000, 9);
    let contrary: Vec<bool> = seen.late().iter().enumerate().map(|(i, y)| *y != (i % 2 == 1)).collect();
    let mut table = seen.table(Column::boolean("y", contrary));
    table.push(Column::s64("w", (0..4000).map(|i| i64::from(i % 2 == 0)).collect::<Vec<_>>())).unwrap();
    let mut settings = settings(Task::BinaryClassification, "");
    settings.weight = Some("w".into());
    let artifact = train(settings, table).unwrap();
    assert_eq!(artifact.signature.inputs.len(), 4);
    let auc = stats::roc_auc(&numbers(&artifact, &seen.tensors()), &seen.late(), None).unwrap();
    assert!(auc > 0.8, "{auc}");
}

#[test]
fn columns_that_say_nothing_do_no_harm() {
    let mut table = data(500, 10).binary();
    table.push(Column::f64("constant", vec![3.0; 500])).unwrap();
    table.push(Column::f64("nan", vec![f64::NAN; 500])).unwrap();
    table.push(Column::s64("null", vec![0; 500]).with_validity(vec![false; 500])).unwrap();
    table.push(Column::f64("infinite", vec![f64::INFINITY; 500])).unwrap();
    table.push(Column::utf8("empty", vec![""; 500])).unwrap();
    let artifact = train(settings(Task::BinaryClassification, ""), table).unwrap();
    assert_eq!(artifact.signature.inputs.len(), 9);
    // Fewer rows than a leaf needs: the answer is the share of the class.
    let few = data(10, 11);
    let artifact = train(settings(Task::BinaryClassification, ""), few.binary()).unwrap();
    let share = few.late().iter().filter(|y| **y).count() as f64 / 10.0;
    assert!(numbers(&artifact, &few.tensors()).iter().all(|p| (p - share).abs() < 1e-9));
}

#[test]
fn a_long_table_is_sampled_and_pulled_in_batches() {
    let rows = 250_000;
    let x: Vec<f64> = (0..rows).map(|i| f64::from(i * 7919 % 10_007)).collect();
    let y: Vec<f64> = x.iter().map(|x| (x / 1500.0).sin()).collect();
    let table = Table::new([Column::f64("x", x.clone()), Column::f64("y", y.clone())]).unwrap();
    let artifact =
        train(settings(Task::Regression, r#"{"rounds": 30, "learning_rate": 0.3}"#), table).unwrap();
    let rmse = stats::regression::rmse(&y, &numbers(&artifact, &[Tensor::vector("x", x)])).unwrap();
    assert!(rmse < 0.05, "{rmse}");
}

#[test]
fn the_caller_can_stop_it() {
    progress::testing::cancel(true);
    let result = train(settings(Task::BinaryClassification, ""), data(200, 12).binary());
    progress::testing::cancel(false);
    assert!(matches!(result, Err(Error::Cancelled)));
}

#[test]
fn what_can_not_be_learned_is_refused() {
    use Task::{BinaryClassification as Binary, Regression};
    let refuse = |task, parameters: &str, table: Table| {
        train(settings(task, parameters), table).unwrap_err().message()
    };
    let few = || data(60, 13);
    let with = |column: Column| {
        let mut table = few().binary();
        table.push(column).unwrap();
        table
    };
    let time = refuse(Binary, "", with(Column::timestamp("at", vec![0; 60])));
    assert!(
        time.contains("\"at\"") && time.contains("`ignore`") && time.contains("features-standard"),
        "{time}"
    );
    for (parameters, part) in [
        (r#"{"rounds": 0}"#, "/rounds"),
        (r#"{"max_bins": 256}"#, "/max_bins"),
        (r#"{"learning_rate": 0}"#, "/learning_rate"),
        (r#"{"metric": "rmse"}"#, "/metric"),
        (r#"{"loss": "absolute"}"#, "/loss"),
        (r#"{"leaves": 3}"#, "/leaves"),
        (r#"{"positive_class": "maybe"}"#, "/positive_class"),
    ] {
        let message = refuse(Binary, parameters, few().binary());
        assert!(message.contains(part), "{message}");
    }
    let y = |column: Column| few().table(column);
    assert!(refuse(Binary, "", y(Column::boolean("y", vec![true; 60]))).contains("one class"));
    let three = y(Column::s64("y", (0..60).map(|i| i % 3).collect::<Vec<_>>()));
    assert!(refuse(Binary, "", three).contains("3 classes"));
    let mut valid = vec![true; 60];
    valid[41] = false;
    let null = refuse(Binary, "", y(Column::boolean("y", few().late()).with_validity(valid)));
    assert!(null.contains("row 41"), "{null}");
    let mut numbers = vec![1.0; 60];
    numbers[7] = f64::NAN;
    assert!(refuse(Regression, "", y(Column::f64("y", numbers))).contains("row 7"));
    assert!(refuse(Regression, "", y(Column::utf8("y", vec!["a"; 60]))).contains("no numbers"));
    assert!(refuse(Binary, "", data(0, 1).binary()).contains("no rows"));
    let alone = Table::new([Column::boolean("y", few().late())]).unwrap();
    assert!(refuse(Binary, "", alone).contains("no column is left"));
    let mut other = settings(Binary, "");
    other.weight = Some("w".into());
    let negative = with(Column::f64("w", vec![-1.0; 60]));
    assert!(train(other.clone(), negative).unwrap_err().message().contains("0 or more"));
    assert!(train(other, few().binary()).unwrap_err().message().contains("no such column"));
    let validation = Table::new([Column::boolean("y", few().late())]).unwrap();
    let result = Gbdt::train(
        settings(Binary, ""),
        &Reader::from_table(few().binary()),
        Some(&Reader::from_table(validation)),
    );
    assert!(result.unwrap_err().message().contains("\"x\""));
}
