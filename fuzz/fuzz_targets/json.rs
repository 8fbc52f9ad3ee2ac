#![no_main]

use ingestion_json::Json;
use libfuzzer_sys::fuzz_target;
use modelyard_fuzz::{seeds, source};

const FILES: [&str; 5] = [
    r#"{"url": "file:///in"}"#,
    r#"{"url": "file:///in", "format": "document", "max_record_bytes": 64, "max_rejected": 1}"#,
    r#"{"url": "file:///in", "records": "/data/1/a~1b", "sample_rows": 2}"#,
    r#"{"url": "file:///in", "on_type_change": "widen", "max_rejected": 1}"#,
    r#"{"url": "file:///in", "columns": {"a": "int", "b.c": "timestamp"}, "timestamps": {"b.c": "unix_ms"}}"#,
];
/// Of an API there is one page.
const PAGES: [&str; 3] = [
    r#"{"url": "file:///in", "paging": {"by": "url", "field": "/next"}, "records": "/data"}"#,
    r#"{"url": "file:///in", "paging": {"by": "cursor", "parameter": "c", "field": "/next"}, "records": "/data"}"#,
    r#"{"url": "file:///in", "paging": {"by": "offset", "parameter": "o", "limit": 2}}"#,
];

// The first byte says how the rest is read, the second how many rows at a time.
fuzz_target!(init: seeds::json(), |bytes: &[u8]| {
    let [way, rows, bytes @ ..] = bytes else { return };
    let way = usize::from(way % 8);
    match FILES.get(way) {
        Some(parameters) => source::check::<Json>(parameters, bytes, 1 + u32::from(rows % 16), false),
        None => source::pull_any::<Json>(PAGES[way - FILES.len()], None, bytes),
    }
});
