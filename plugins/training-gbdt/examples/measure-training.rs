//! Trains on one CSV file, scores another, and prints times and metrics:
//! `cargo run --profile guest --example measure-training -- TRAIN TEST TARGET TASK [PARAMETERS] [IGNORE,…]`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use modelyard_sdk::learn::{Rows, Task, gbdt};
use modelyard_sdk::prelude::*;
use modelyard_sdk::stats;
use training_gbdt::plugin::Gbdt;

fn table(path: &str) -> Table {
    let mut reader = csv::Reader::from_path(path).expect("a CSV file");
    let names: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.unwrap()).collect();
    let column = |(at, name): (usize, &String)| {
        let texts: Vec<&str> = rows.iter().map(|row| &row[at]).collect();
        if texts.iter().all(|t| t.is_empty() || t.parse::<f64>().is_ok()) {
            Column::f64(name, texts.iter().map(|t| t.parse().unwrap_or(f64::NAN)).collect::<Vec<_>>())
        } else {
            Column::utf8(name, texts)
        }
    };
    Table::new(names.iter().enumerate().map(column).collect::<Vec<_>>()).unwrap()
}

fn tensors(table: &Table, signature: &Signature) -> Vec<Tensor> {
    let tensor = |spec: &TensorSpec| table.column(&spec.name).unwrap().to_tensor();
    signature.inputs.iter().map(tensor).collect()
}

trait ToTensor {
    fn to_tensor(&self) -> Tensor;
}

impl ToTensor for Column {
    fn to_tensor(&self) -> Tensor {
        match &self.data {
            ColumnData::Utf8(values) => Tensor::text(&self.name, values.clone()),
            _ => Tensor::vector(&self.name, self.numbers().unwrap().to_vec()),
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (train, test, target) = (table(&arguments[0]), table(&arguments[1]), &arguments[2]);
    let task = match arguments[3].as_str() {
        "binary" => modelyard_sdk::training::Task::BinaryClassification,
        "multiclass" => modelyard_sdk::training::Task::MulticlassClassification,
        _ => modelyard_sdk::training::Task::Regression,
    };
    let settings = Settings {
        task,
        target: target.clone(),
        weight: None,
        ignore: arguments.get(5).map(|list| list.split(',').map(str::to_owned).collect()).unwrap_or_default(),
        seed: 1,
        parameters: arguments.get(4).cloned().unwrap_or_default(),
    };
    let rows = train.rows();
    let reader = Reader::from_table(train);
    let start = now();
    let artifact = Gbdt::train(settings, &reader, None).unwrap();
    println!("{rows} rows trained in {:.3} s, {} bytes", now() - start, artifact.bytes.len());
    artifact.metrics.iter().for_each(|m| println!("  {} {:.6}", m.name, m.value));
    artifact.importance.iter().take(8).for_each(|(name, share)| println!("  {share:.3} {name}"));
    let start = now();
    let model = scoring_gbdt::plugin::Gbdt::load(&artifact.bytes).unwrap();
    println!("loaded in {:.1} µs", (now() - start) * 1e6);
    let inputs = tensors(&test, &artifact.signature);
    let outputs = model.predict(&inputs).unwrap();
    let took = least(|| drop(model.predict(&inputs)));
    println!(
        "{} rows scored in {:.3} ms, {:.3} µs each",
        test.rows(),
        took * 1e3,
        took * 1e6 / test.rows() as f64
    );
    quality(Task::from(task), &outputs, test.column(target).unwrap(), &artifact.signature);
    single(&model, &test, &artifact);
}

fn quality(task: Task, outputs: &[Tensor], truth: &Column, signature: &Signature) {
    let answers = outputs[0].numbers().unwrap();
    match task {
        Task::Binary => {
            let positive = &signature.outputs[0].labels[0];
            let truth: Vec<bool> = truth.strings().iter().map(|t| t.as_deref() == Some(positive)).collect();
            println!("roc_auc {:?}", stats::roc_auc(&answers, &truth, None));
            println!("log_loss {:?}", stats::log_loss(&answers, &truth));
        }
        Task::Multiclass => {
            let classes = &signature.outputs[0].labels;
            let index = |t: Option<Text<'_>>| classes.iter().position(|c| t.as_deref() == Some(c)).unwrap();
            let truth: Vec<usize> = truth.strings().into_iter().map(index).collect();
            println!("log_loss {:?}", stats::multiclass_log_loss(&answers, classes.len(), &truth));
        }
        Task::Regression => {
            println!("rmse {:?}", stats::regression::rmse(&truth.numbers().unwrap(), &answers))
        }
    }
}

fn single(model: &scoring_gbdt::plugin::Gbdt, test: &Table, artifact: &Artifact) {
    let count = 2000.min(test.rows());
    let rows: Vec<Vec<Tensor>> =
        (0..count).map(|row| tensors(&test.slice(row, 1), &artifact.signature)).collect();
    let took = least(|| rows.iter().for_each(|row| drop(model.predict(row)))) / count as f64;
    println!("one row at a time: {:.3} µs each", took * 1e6);
    let inputs = artifact.signature.inputs.iter();
    println!("categorical inputs: {}", inputs.filter(|i| i.datatype == Datatype::Bytes).count());
    let decoded = gbdt::format::decode(&artifact.bytes).unwrap();
    let prepared = gbdt::Forest::new(&decoded);
    let batch = Rows::read(&decoded.inputs, &tensors(test, &artifact.signature)).unwrap();
    let width = decoded.inputs.len();
    let rows: Vec<Rows> =
        batch.values.chunks(width).take(count).map(|row| Rows { rows: 1, values: row.to_vec() }).collect();
    let took = least(|| rows.iter().for_each(|row| drop(prepared.score(row)))) / count as f64;
    println!("the trees alone: {:.3} µs each", took * 1e6);
}

/// Processor time in seconds, so that other work on the machine does not count;
/// elsewhere than on Linux the time on the wall.
fn now() -> f64 {
    let used = std::fs::read_to_string("/proc/thread-self/schedstat");
    match used.ok().and_then(|text| text.split(' ').next()?.parse::<f64>().ok()) {
        Some(nanoseconds) => nanoseconds * 1e-9,
        None => std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs_f64(),
    }
}

/// Seconds of the fastest of some runs.
fn least(mut run: impl FnMut()) -> f64 {
    let time = |_| {
        let start = now();
        run();
        now() - start
    };
    (0..9).map(time).fold(f64::INFINITY, f64::min)
}
