//! An ingestion plugin whose parameters say what it does wrong. The cursor is
//! the URL that it reads.

#[allow(dead_code)]
#[path = "../../../../../../sdk/rust/src/panic.rs"]
mod panic;

wit_bindgen::generate!({ path: "../../../../../wit", world: "ingestion-plugin" });

use std::hint::black_box;

use exports::modelyard::lifecycle::ingestion::{Batch, Guest};
use modelyard::lifecycle::log::{Level, log};
use modelyard::lifecycle::objects::{Request, open};
use modelyard::lifecycle::progress;
use modelyard::lifecycle::types::{Column, ColumnData, ColumnType, Description, Error, Field};

struct Source;

impl Guest for Source {
    fn describe() -> Description {
        Description {
            summary: "Reads".into(),
            parameters: "{}".into(),
            inputs: Vec::new(),
            outputs: Vec::new(),
        }
    }

    fn pull(
        parameters: String,
        cursor: Option<String>,
        _: Vec<Field>,
        max_rows: u32,
    ) -> Result<Batch, Error> {
        panic::install();
        let request = || Request { url: cursor.clone().unwrap_or_default(), headers: Vec::new() };
        let fields = vec![field("a"), field("b")];
        let batch =
            |rows, schema| Ok(Batch { schema, rows, rejected: vec![], cursor: String::new(), done: true });
        // From a server they come as JSON: a text in quotes.
        match parameters.trim_matches('"') {
            "loop" => loop {
                black_box(());
            },
            "grow" => loop {
                black_box(vec![1u8; 1 << 20]).leak();
            },
            "recurse" => batch(vec![s64("a", &[recurse(1)]), s64("b", &[1])], fields),
            "huge" => {
                let cursor = "a".repeat(300 << 20);
                Ok(Batch { schema: vec![], rows: vec![], rejected: vec![], cursor, done: true })
            }
            "nan" => {
                let data = ColumnData::F64(vec![f64::NAN, 1.5]);
                let a = Column { name: "a".into(), data, validity: None };
                let schema = vec![Field { type_: ColumnType::F64, ..field("a") }, field("b")];
                batch(vec![a, s64("b", &[1, 2])], schema)
            }
            "read" => {
                let object = open(&request())?;
                let (mut bytes, mut at) = (0, 0);
                loop {
                    let part = object.read(at, 1000)?;
                    assert!(part.len() <= 1000, "the host gave {} bytes", part.len());
                    if part.is_empty() {
                        break;
                    }
                    at += part.len() as u64;
                    bytes += part.iter().map(|byte| i64::from(*byte)).sum::<i64>();
                }
                batch(vec![s64("a", &[object.size() as i64]), s64("b", &[bytes])], fields)
            }
            "log" => {
                for n in 0..20 {
                    log(Level::Warn, &format!("line {n}"));
                }
                log(Level::Error, &"ä".repeat(10_000));
                panic!("after logging")
            }
            "calls" => loop {
                log(Level::Debug, "again");
            },
            "handles" => {
                let mut held = Vec::new();
                loop {
                    held.push(open(&request())?);
                }
            }
            "progress" => {
                progress::report(0.5, "half");
                progress::metric("rows", 1, 2.0);
                match progress::cancelled() {
                    true => Err(Error::Cancelled),
                    false => batch(vec![s64("a", &[]), s64("b", &[])], fields),
                }
            }
            "unequal" => batch(vec![s64("a", &[1, 2]), s64("b", &[1])], fields),
            "twice" => batch(vec![s64("a", &[1]), s64("a", &[1])], vec![field("a"), field("a")]),
            "schema" => batch(vec![s64("a", &[1]), s64("c", &[1])], fields),
            "many" => {
                let rows = vec![1; max_rows as usize + 1];
                batch(vec![s64("a", &rows), s64("b", &rows)], fields)
            }
            _ => batch(vec![s64("a", &[1]), s64("b", &[2])], fields),
        }
    }
}

#[allow(unconditional_recursion)]
fn recurse(depth: i64) -> i64 {
    black_box(recurse(black_box(depth + 1))) + 1
}

fn field(name: &str) -> Field {
    Field { name: name.into(), type_: ColumnType::S64, nullable: false }
}

fn s64(name: &str, values: &[i64]) -> Column {
    Column { name: name.into(), data: ColumnData::S64(values.to_vec()), validity: None }
}

export!(Source);
