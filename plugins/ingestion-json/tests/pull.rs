//! Files and APIs as they come and as they should not, pulled as the host does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::io::Write as _;

use ingestion_json::Json;
use modelyard_sdk::objects::testing;
use modelyard_sdk::prelude::*;

const URL: &str = "file:///data/in.json";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn pull_from(url: &str, more: &str, cursor: Option<&str>, rows: u32) -> Result<Batch, Error> {
    let parameters = format!("{{\"url\": \"{url}\"{}{more}}}", if more.is_empty() { "" } else { ", " });
    Json::pull(&parameters, cursor.map(str::to_owned), Vec::new(), rows)
}

fn pull(more: &str, cursor: Option<&str>, rows: u32) -> Result<Batch, Error> {
    pull_from(URL, more, cursor, rows)
}

fn first(text: impl Into<Vec<u8>>, more: &str) -> Batch {
    testing::serve(URL, text);
    pull(more, None, 1_000_000).unwrap()
}

fn message(result: Result<Batch, Error>) -> String {
    result.unwrap_err().message()
}

fn types(batch: &Batch) -> Vec<(&str, ColumnType)> {
    batch.schema.iter().map(|field| (field.name.as_str(), field.type_)).collect()
}

fn texts(batch: &Batch, column: &str) -> Vec<String> {
    let strings = batch.rows.strings(column).unwrap();
    strings.into_iter().map(|text| text.map_or("-".to_owned(), |text| text.into_owned())).collect()
}

/// Pulls to the end, a few rows at a time; every other time by an instance that
/// remembers nothing.
fn all(url: &str, more: &str, rows: u32) -> (Vec<Batch>, Table) {
    let mut batches = vec![pull_from(url, more, None, rows).unwrap()];
    while !batches[batches.len() - 1].done {
        let cursor = batches[batches.len() - 1].cursor.clone();
        if batches.len() % 2 == 0 {
            let _ = pull_from("file:///nowhere", "", Some(&cursor), 1);
        }
        batches.push(pull_from(url, more, Some(&cursor), rows).unwrap());
        assert!(batches.len() < 1_000);
    }
    let mut table = batches[0].rows.clone();
    for batch in &batches[1..] {
        table.append(batch.rows.clone()).unwrap();
    }
    (batches, table)
}

#[test]
fn nested_objects_are_flattened_and_types_found() {
    let batch = first(
        "{\"id\": 1, \"user\": {\"name\": \"Ann\", \"geo\": {\"lat\": 1.5}}, \"ok\": true, \"tags\": [1, 2], \
         \"at\": \"2013-01-01T10:00:00Z\", \"code\": \"7\"}\r\n\n{\"id\": 2, \"user\": {\"name\": null}, \"late\": 3}\n",
        "",
    );
    assert_eq!(
        types(&batch),
        [
            ("id", ColumnType::S64),
            ("user.name", ColumnType::Utf8),
            ("user.geo.lat", ColumnType::F64),
            ("ok", ColumnType::Boolean),
            ("tags", ColumnType::Utf8),
            ("at", ColumnType::Timestamp),
            ("code", ColumnType::Utf8),
            ("late", ColumnType::S64)
        ]
    );
    assert_eq!(texts(&batch, "user.name"), ["Ann", "-"]);
    assert_eq!(texts(&batch, "tags"), ["[1,2]", "-"]);
    assert_eq!(texts(&batch, "late"), ["-", "3"]);
    assert!(batch.done && batch.rejected.is_empty());
}

fn lines(n: usize) -> String {
    (0..n)
        .map(|n| format!("{{\"n\": {n}, \"s\": \"a \\\"]}},{{ {n}\", \"deep\": {{\"x\": [{n}, {{}}]}}}}\n"))
        .collect()
}

#[test]
fn every_layout_and_batch_size_gives_the_same_rows() {
    let text = lines(500);
    let array = format!("[{}]", text.trim().replace('\n', ",\n "));
    let inside = format!(
        "\u{feff}{{\"skip\": {{\"items\": [\"]\"]}}, \"data\": [0, {{\"a/b\": {array}}}], \"z\": 1}}"
    );
    testing::serve(URL, text.clone());
    let (_, expected) = all(URL, "", 500);
    assert_eq!(expected.rows(), 500);
    let pointed = "\"records\": \"/data/1/a~1b\"";
    for (bytes, more) in [
        (text.clone().into_bytes(), ""),
        (gzip(text.as_bytes()), ""),
        (array.clone().into_bytes(), ""),
        (gzip(array.as_bytes()), ""),
        (inside.into_bytes(), pointed),
    ] {
        testing::serve(URL, bytes);
        for rows in [1, 7, 499, 500, 501] {
            assert_eq!(all(URL, more, rows).1, expected, "{more} {rows}");
        }
    }
}

#[test]
fn bad_records_are_rejected_with_their_number() {
    let batch = first(
        "{\"a\": 1}\n{\"a\": }\n3\n{\"a\": \"x\"}\n{\"a\": 2}\n{\"a\": 5",
        "\"columns\": {\"a\": \"s64\"}",
    );
    assert_eq!(texts(&batch, "a"), ["1", "2"]);
    let mut rejected: Vec<_> =
        batch.rejected.iter().map(|row| (row.row, row.column.as_deref(), row.reason.as_str())).collect();
    rejected.sort();
    assert_eq!(rejected.len(), 4);
    assert!(rejected[0].0 == 2 && rejected[0].2.contains("no valid JSON"), "{rejected:?}");
    assert_eq!(rejected[1], (3, None, "the record is no JSON object"));
    assert_eq!(rejected[2], (4, Some("a"), "\"x\" is not of type s64"));
    assert!(rejected[3].0 == 6 && rejected[3].2.contains("EOF"), "{rejected:?}");
    // Nothing is lost without a word, in whichever pull it comes.
    for rows in [1, 4] {
        testing::serve(URL, "{}\n{\"a\": {}}\n{\"a\": 1}\n{}\n");
        let (batches, table) = all(URL, "", rows);
        let rejected: Vec<u64> = batches.iter().flat_map(|b| &b.rejected).map(|row| row.row).collect();
        assert_eq!((rejected, table.rows()), (vec![1, 2, 4], 1));
        assert_eq!(batches[0].rejected[0].reason, "the record has no values");
    }
    let batch = first("{\"a.b\": 1, \"a\": {\"b\": 2}}", "");
    assert!(batch.rejected[0].reason.contains("two values"), "{:?}", batch.rejected);
}

#[test]
fn a_type_change_rejects_or_widens() {
    let text: String = (0..200_000).map(|n| format!("{{\"v\": {n}}}\n")).collect();
    testing::serve(URL, format!("{text}{{\"v\": 0.5}}\n{{\"v\": \"n/a?\"}}\n"));
    let batch = pull("", None, 200_000).unwrap();
    let next = pull("", Some(&batch.cursor), 10).unwrap();
    assert_eq!((next.rows.rows(), next.rejected.len(), next.rejected[0].row), (0, 2, 200_001));
    let wide = "\"on_type_change\": \"widen\"";
    let batch = pull(wide, None, 200_000).unwrap();
    let next = pull(wide, Some(&batch.cursor), 1).unwrap();
    assert_eq!(types(&next), [("v", ColumnType::F64)]);
    let last = pull(wide, Some(&next.cursor), 1).unwrap();
    assert_eq!(types(&last), [("v", ColumnType::Utf8)]);
    assert_eq!(texts(&last, "v"), ["n/a?"]);
}

#[test]
fn declared_columns_timestamps_and_nulls_apply() {
    let batch = first(
        "[{\"t\": 1500, \"d\": \"31.01.2013\", \"x\": \"NA\", \"y\": 2.0}, {\"t\": \"2500\", \"x\": \"1.5\"}]",
        r#""columns": {"x": "f64", "y": "s64", "absent": "boolean"}, "timestamps": {"t": "unix_ms", "d": "%d.%m.%Y"}"#,
    );
    assert_eq!(texts(&batch, "t")[1], "1970-01-01T00:00:02.500000Z");
    assert_eq!(texts(&batch, "d"), ["2013-01-31T00:00:00.000000Z", "-"]);
    assert_eq!(texts(&batch, "x"), ["-", "1.5"]);
    assert_eq!(texts(&batch, "y"), ["2", "-"]);
    assert_eq!(texts(&batch, "absent"), ["-", "-"]);
}

#[test]
fn files_that_grew_are_continued_and_replaced_ones_noticed() {
    let one = first("[{\"a\": 1},\n{\"a\": 2}\n]\n", "");
    let same = pull("", Some(&one.cursor), 10).unwrap();
    assert!(same.done && same.rows.rows() == 0 && same.schema == one.schema);
    testing::serve(URL, "[{\"a\": 1},\n{\"a\": 2}, {\"a\": 3, \"b\": \"x\"}]");
    let more = pull("", Some(&one.cursor), 10).unwrap();
    assert_eq!((texts(&more, "a"), texts(&more, "b")), (vec!["3".to_owned()], vec!["x".to_owned()]));
    testing::serve(URL, "[{\"a\": 9},\n{\"a\": 2}, {\"a\": 3}]");
    assert!(message(pull("", Some(&one.cursor), 10)).contains("was replaced after 2 rows"));
    let again = pull("\"on_replaced\": \"restart\"", Some(&one.cursor), 10).unwrap();
    assert_eq!(texts(&again, "a"), ["9", "2", "3"]);
}

#[test]
fn broken_documents_are_errors_with_a_place() {
    for (text, more, part) in [
        ("", "", "is empty"),
        (" \n", "", "is empty"),
        ("[{\"a\": 1}, {\"a\"", "", "ends in the middle, at byte 15"),
        ("[{\"a\": 1}", "", "ends in the middle"),
        ("[{\"a\": 1} {\"a\": 2}]", "", "byte 10"),
        ("{\"x\": [1]}", "\"records\": \"/data/items\"", "no \"data\""),
        ("{\"data\": {\"items\": 3}}", "\"records\": \"/data/items\"", "is no array"),
        ("{\"data\": [[1]]}", "\"records\": \"/data/1\"", "no \"1\""),
        ("{\"data\": ", "\"records\": \"/data/items\"", "ends in the middle"),
        ("7", "\"format\": \"document\"", "is no array"),
    ] {
        testing::serve(URL, text);
        let message = message(pull(more, None, 10));
        assert!(message.contains(part), "{text}: {message}");
    }
    testing::serve(URL, gzip(lines(9_000).as_bytes())[..9_000].to_vec());
    assert!(message(pull("", None, 1_000_000)).contains("ends in the middle"));
    testing::serve(URL, format!("{{\"a\": \"{}\"}}\n", "x".repeat(5_000)));
    assert!(message(pull("\"max_record_bytes\": 1000", None, 10)).contains("max_record_bytes"));
    testing::serve(URL, format!("[{{\"a\": \"{}\"}}]", "x".repeat(5_000)));
    assert!(message(pull("\"max_record_bytes\": 1000", None, 10)).contains("max_record_bytes"));
    testing::serve(URL, b"\xff\xfe[\0".to_vec());
    assert!(message(pull("", None, 10)).contains("UTF-16"));
}

fn items(from: usize, to: usize) -> String {
    (from..to).map(|n| format!("{{\"n\": {n}}}")).collect::<Vec<_>>().join(",")
}

#[test]
fn pages_by_number_and_offset_are_read_to_the_end_and_beyond() {
    let api = "https://api/x?q=1";
    for page in 1..=3 {
        let to = if page == 3 { 25 } else { page * 10 };
        testing::serve(format!("{api}&page={page}"), format!("{{\"d\": [{}]}}", items((page - 1) * 10, to)));
        testing::serve(
            format!("{api}&offset={}&limit=10", (page - 1) * 10),
            format!("{{\"d\": [{}]}}", items((page - 1) * 10, to)),
        );
    }
    let by_page = r#""records": "/d", "paging": {"by": "page", "parameter": "page", "size": 10}"#;
    let by_offset = r#""records": "/d", "paging": {"by": "offset", "parameter": "offset", "limit_parameter": "limit", "limit": 10}"#;
    for more in [by_page, by_offset] {
        for rows in [1, 4, 10, 100] {
            let (batches, table) = all(api, more, rows);
            let expected: Vec<f64> = (0..25).map(f64::from).collect();
            assert_eq!(*table.numbers("n").unwrap(), expected);
            let cursor = &batches[batches.len() - 1].cursor;
            assert_eq!(pull_from(api, more, Some(cursor), 9).unwrap().rows.rows(), 0);
        }
    }
    // Two more records on the last page.
    let cursor = all(api, by_page, 100).0.pop().unwrap().cursor;
    testing::serve(format!("{api}&page=3"), format!("{{\"d\": [{}]}}", items(20, 27)));
    assert_eq!(texts(&pull_from(api, by_page, Some(&cursor), 9).unwrap(), "n"), ["25", "26"]);
    testing::serve(format!("{api}&page=3"), "{\"d\": []}");
    assert!(message(pull_from(api, by_page, Some(&cursor), 9)).contains("was replaced"));
    // Without a size an empty page is the last.
    let endless = r#""records": "/d", "paging": {"by": "page", "parameter": "page"}"#;
    assert_eq!(all(api, endless, 7).1.rows(), 20);
}

#[test]
fn pages_by_token_url_and_link_are_followed() {
    let api = "https://api/y";
    testing::serve(api, format!("{{\"d\": [{}], \"next\": \"a b\"}}", items(0, 2)));
    testing::serve("https://api/y?after=a%20b", format!("{{\"d\": [{}], \"next\": null}}", items(2, 5)));
    let more = r#""records": "/d", "paging": {"by": "cursor", "parameter": "after", "field": "/next"}"#;
    assert_eq!(all(api, more, 2).1.rows(), 5);
    testing::serve(api, format!("{{\"d\": [{}], \"next\": \"/z?p=2\"}}", items(0, 2)));
    testing::serve("https://api/z?p=2", format!("{{\"d\": [{}]}}", items(2, 4)));
    assert_eq!(all(api, r#""records": "/d", "paging": {"by": "url", "field": "/next"}"#, 3).1.rows(), 4);
    testing::serve_with_headers(api, format!("[{}]", items(0, 2)), &[("Link", "<?p=2>; rel=\"next\"")]);
    testing::serve("https://api/y?p=2", format!("[{}]", items(2, 3)));
    testing::requests();
    assert_eq!(all(api, r#""headers": {"authorization": "t"}, "paging": {"by": "link"}"#, 10).1.rows(), 3);
    let requests = testing::requests();
    assert_eq!(requests.len(), 2);
    assert!(requests.iter().all(|(_, headers)| headers[0].1 == "t"));
}

#[test]
fn pages_that_lead_astray_are_errors() {
    let api = "https://api/w";
    let link = "\"paging\": {\"by\": \"link\"}";
    testing::serve_with_headers(api, "[{}]", &[("Link", "<https://evil/w>; rel=\"next\"")]);
    assert!(message(pull_from(api, link, None, 1)).contains("another host"));
    testing::serve_with_headers(api, "[{}]", &[("Link", "<https://api/w>; rel=\"next\"")]);
    assert!(message(pull_from(api, link, None, 1)).contains("names itself"));
    testing::serve(api, "{\"error\": \"x\"}");
    assert!(
        message(pull_from(api, "\"records\": \"/d\", \"paging\": {\"by\": \"link\"}", None, 1))
            .contains("/records")
    );
    testing::serve(api, "<html>");
    assert!(message(pull_from(api, link, None, 1)).contains("no valid JSON"));
    testing::serve(api, format!("[{}]", items(0, 100)));
    assert!(
        message(pull_from(api, &format!("{link}, \"max_page_bytes\": 10"), None, 1))
            .contains("max_page_bytes")
    );
    testing::fail(api, Error::unavailable("429", Some(1000)));
    assert!(matches!(pull_from(api, link, None, 1).unwrap_err(), Error::Unavailable(_)));
}

#[test]
fn bad_parameters_are_named() {
    testing::serve(URL, "{}");
    for (more, part) in [
        ("\"records\": \"data\"", "/records"),
        ("\"paging\": {\"by\": \"magic\"}", "magic"),
        ("\"paging\": {\"by\": \"url\", \"field\": \"next\"}", "/paging/field"),
        ("\"paging\": {\"by\": \"link\"}, \"format\": \"ndjson\"", "/format"),
        ("\"max_rejected\": -1", "/max_rejected"),
        ("\"sample_rows\": 0", "/sample_rows"),
        ("\"timestamps\": {\"a\": \"%Q\"}", "/timestamps/a"),
        ("\"timestamps\": {\"a\": \"iso\"}, \"columns\": {\"a\": \"s64\"}", "another type"),
        ("\"colour\": 1", "colour"),
    ] {
        let message = message(pull(more, None, 10));
        assert!(message.contains(part), "{more}: {message}");
    }
    assert!(message(pull("", Some("{}"), 1)).contains("cursor"));
    assert!(message(pull("", None, 0)).contains("max-rows"));
    let keys: String = (0..5_000).map(|n| format!("{{\"k{n}\": 1}}\n")).collect();
    testing::serve(URL, keys);
    assert!(message(pull("", None, 10_000)).contains("4096 columns"));
}

#[test]
fn any_bytes_give_rows_rejections_or_an_error_and_never_a_panic_or_a_loop() {
    let mut state = 3u64;
    let alphabet = b"[{\"a\":1,}]\n \\e\xe9.-tn";
    for start in ["", "[", "{\"d\": [", "[{\"a\": 1},"] {
        for _ in 0..2_000 {
            let mut bytes = start.as_bytes().to_vec();
            for _ in 0..(state >> 40) % 40 {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                bytes.push(alphabet[(state >> 33) as usize % alphabet.len()]);
            }
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            testing::serve(URL, bytes.clone());
            for more in ["", "\"records\": \"/d\""] {
                let mut result = pull(more, None, 2);
                for _ in 0..60 {
                    let Ok(batch) = &result else { break };
                    if batch.done {
                        break;
                    }
                    result = pull(more, Some(&batch.cursor.clone()), 2);
                }
                assert!(result.is_err() || result.is_ok_and(|batch| batch.done), "{bytes:?}");
            }
        }
    }
}
