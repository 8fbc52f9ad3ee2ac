#![no_main]

use ingestion_csv::Csv;
use libfuzzer_sys::fuzz_target;
use modelyard_fuzz::{seeds, source};

const PARAMETERS: [&str; 6] = [
    r#"{"url": "file:///in"}"#,
    r#"{"url": "file:///in", "delimiter": ";", "quote": "'", "encoding": "latin1"}"#,
    r#"{"url": "file:///in", "delimiter": "tab", "quote": "", "sample_rows": 2}"#,
    r#"{"url": "file:///in", "header": false, "max_record_bytes": 64, "max_rejected": 1}"#,
    r#"{"url": "file:///in", "header": false, "names": ["a", "b"], "quoted_nulls": true,
        "columns": {"a": "int", "b": "timestamp"}, "timestamps": {"b": "%d/%m/%y %H:%M:%S%.f"}}"#,
    r#"{"url": "file:///in", "columns": {"a": "f64", "b": "bool"}, "max_rejected": 1,
        "timestamps": {"t": {"from": ["y", "m", "d", "h"], "zone": "+01:30"}}}"#,
];
const WIDENING: &str = r#"{"url": "file:///in", "on_type_change": "widen", "sample_rows": 1}"#;

// The first byte says how the rest is read, the second how many rows at a time.
fuzz_target!(init: seeds::csv(), |bytes: &[u8]| {
    let [way, rows, bytes @ ..] = bytes else { return };
    let rows = 1 + u32::from(rows % 16);
    match PARAMETERS.get(usize::from(way % 7)) {
        Some(parameters) => source::check::<Csv>(parameters, bytes, rows, true),
        None => source::check::<Csv>(WIDENING, bytes, rows, false),
    }
});
