//! The parameters and cursors of the ingestion plugins, which come by the API
//! and from records.
#![no_main]

use ingestion_csv::Csv;
use ingestion_json::Json;
use libfuzzer_sys::fuzz_target;
use modelyard_fuzz::{seeds, source};

// Parameters, a cursor and the source's content, divided by zero bytes.
fuzz_target!(init: seeds::parameters(), |bytes: &[u8]| {
    let mut parts = bytes.splitn(3, |byte| *byte == 0);
    let mut text = || parts.next().and_then(|part| std::str::from_utf8(part).ok()).unwrap_or_default();
    let (parameters, cursor) = (text(), text());
    let cursor = Some(cursor).filter(|cursor| !cursor.is_empty());
    let content = parts.next().unwrap_or_default();
    source::pull_any::<Csv>(parameters, cursor, content);
    source::pull_any::<Json>(parameters, cursor, content);
});
