#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::path::Path;

use modelyard_blobs::{Blobs, Digest};
use modelyard_clock::{Clock, Timestamp};
use modelyard_tables::{
    Column, FileInfo, Options, Prediction, RecordBatch, Scan, Scanner, Tables, Value, Values, from_batch,
    to_batch,
};
use uuid::Uuid;

/// Tables in `dir`, committing at once and sealing only when told.
pub async fn open(dir: &Path) -> Tables {
    open_with(dir, |_| ()).await
}

pub async fn open_with(dir: &Path, change: impl FnOnce(&mut Options)) -> Tables {
    let mut options = Options { commit_interval_ms: 1, ..Options::new(dir.join("tables")) };
    change(&mut options);
    let blobs = Blobs::open(&modelyard_blobs::Options::directory(dir.join("blobs"))).await.unwrap();
    Tables::open(options, blobs, Clock::system()).await.unwrap()
}

/// The file of a blob: found by name, wherever the store keeps it.
pub fn blob_path(dir: &Path, digest: &Digest) -> std::path::PathBuf {
    let hex = digest.hex();
    let mut found = Vec::new();
    let mut queue = vec![dir.join("blobs")];
    while let Some(next) = queue.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                queue.push(path);
            } else if hex.ends_with(path.file_name().unwrap().to_str().unwrap()) {
                found.push(path);
            }
        }
    }
    assert_eq!(found.len(), 1, "{hex}");
    found.remove(0)
}

pub fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn f64s(name: &str, values: &[f64]) -> Column {
    Column::new(name, Values::F64(values.to_vec()))
}

pub fn s64s(name: &str, values: &[i64]) -> Column {
    Column::new(name, Values::S64(values.to_vec()))
}

pub fn texts(name: &str, values: &[&str]) -> Column {
    Column::new(name, Values::Utf8(values.iter().map(|v| (*v).to_owned()).collect()))
}

pub fn times(name: &str, values: &[&str]) -> Column {
    Column::new(name, Values::Timestamp(values.iter().map(|v| time(v).micros()).collect()))
}

pub fn table(columns: Vec<Column>) -> RecordBatch {
    to_batch(columns).unwrap()
}

pub async fn file(tables: &Tables, columns: Vec<Column>) -> FileInfo {
    let batch = table(columns);
    let schema = modelyard_tables::Schema::from_arrow(&batch.schema()).unwrap();
    tables.write_batches(&schema, vec![batch]).await.unwrap()
}

/// Every row of a scanner as values, in the scanner's order of columns.
pub fn rows(scanner: Scanner) -> Vec<Vec<Value>> {
    let mut rows = Vec::new();
    for batch in scanner {
        let columns = from_batch(batch.unwrap()).unwrap();
        let count = columns.first().map_or(0, Column::len);
        rows.extend((0..count).map(|row| columns.iter().map(|column| column.value(row)).collect::<Vec<_>>()));
    }
    rows
}

pub async fn all(tables: &Tables, files: &[Digest]) -> Vec<Vec<Value>> {
    rows(tables.scan(files, Scan::default()).await.unwrap())
}

/// A call of one row with feature `x` and output `p`.
pub fn prediction(deployment: &str, version: u32, at: &str, x: f64) -> Prediction {
    Prediction {
        id: Uuid::now_v7(),
        deployment: deployment.into(),
        model: "delay".into(),
        version,
        at: time(at),
        rows: 1,
        features: vec![f64s("x", &[x]), texts("carrier", &["UA"])],
        outputs: vec![f64s("p", &[x / 10.0])],
        latency_us: 120,
        entities: vec![Some(format!("person-{x}"))],
    }
}
