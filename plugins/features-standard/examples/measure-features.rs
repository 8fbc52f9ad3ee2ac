//! Times the transform of one row and of many:
//! `cargo run -p features-standard --example measure-features`.
#![allow(clippy::unwrap_used)]

use std::time::Instant;

use features_standard::Standard;
use modelyard_sdk::prelude::*;

fn main() {
    let n = 100_000i64;
    let numbers = |name: &str| Column::f64(name, (0..n).map(|row| (row % 977) as f64).collect::<Vec<_>>());
    let table = Table::new([
        numbers("a"),
        numbers("b"),
        numbers("c"),
        Column::utf8("carrier", (0..n).map(|row| format!("C{}", row % 16)).collect::<Vec<_>>()),
        Column::timestamp("at", (0..n).map(|row| row * 3_600_000_000).collect::<Vec<_>>()),
    ])
    .unwrap();
    let parameters = r#"{"steps": [
        {"do": "impute", "with": "median", "columns": ["a", "b", "c"]},
        {"do": "scale", "with": "standard", "columns": ["a", "b"]},
        {"do": "bucketise", "with": "quantile", "columns": ["c"]},
        {"do": "one-hot", "columns": ["carrier"]},
        {"do": "date-parts", "parts": ["month", "weekday"], "cyclic": ["hour"], "columns": ["at"]}]}"#;
    let begin = Instant::now();
    let state = Standard::fit(parameters, &Reader::from_table(table.clone())).unwrap();
    println!("fit {n} rows: {:?}", begin.elapsed());
    let fitted = Standard::load(&state).unwrap();
    let begin = Instant::now();
    let columns = fitted.transform(table.clone()).unwrap().columns().len();
    println!("transform {n} rows to {columns} columns: {:?}", begin.elapsed());
    let rows: Vec<Table> = (0..10_000).map(|row| table.slice(row, 1)).collect();
    let begin = Instant::now();
    for row in rows {
        fitted.transform(row).unwrap();
    }
    println!("transform one row: {:?}", begin.elapsed() / 10_000);
}
