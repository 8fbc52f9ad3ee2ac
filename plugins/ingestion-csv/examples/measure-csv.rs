//! Times the reading of a CSV file, a batch at a time:
//! `cargo run -p ingestion-csv --example measure-csv -- FILE [ROWS]`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Instant;

use ingestion_csv::Csv;
use modelyard_sdk::objects::testing;
use modelyard_sdk::prelude::*;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().expect("a file");
    let rows: u32 = arguments.next().map_or(50_000, |rows| rows.parse().expect("a number of rows"));
    testing::serve("file:///in", std::fs::read(&file).expect("a readable file"));
    let begin = Instant::now();
    let (mut count, mut rejected, mut cursor) = (0, 0, None);
    loop {
        let batch = Csv::pull("{\"url\": \"file:///in\"}", cursor, vec![], rows).unwrap();
        count += batch.rows.rows();
        rejected += batch.rejected.len();
        if batch.done {
            for field in batch.schema {
                println!("{}: {}", field.name, field.type_.name());
            }
            break;
        }
        cursor = Some(batch.cursor);
    }
    println!("{count} rows, {rejected} rejected, {:.2} s", begin.elapsed().as_secs_f64());
}
