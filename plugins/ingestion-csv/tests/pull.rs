//! Files as they come and as they should not, pulled as the host pulls them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::fmt::Write as _;
use std::io::Write as _;

use ingestion_csv::Csv;
use modelyard_sdk::objects::testing;
use modelyard_sdk::prelude::*;

const URL: &str = "file:///data/in.csv";

fn serve(bytes: impl Into<Vec<u8>>) {
    testing::serve(URL, bytes);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn parameters(more: &str) -> String {
    format!("{{\"url\": \"{URL}\"{}{more}}}", if more.is_empty() { "" } else { ", " })
}

fn pull(more: &str, cursor: Option<&str>, rows: u32) -> Result<Batch, Error> {
    Csv::pull(&parameters(more), cursor.map(str::to_owned), Vec::new(), rows)
}

/// A pull by an instance that remembers nothing.
fn pull_afresh(more: &str, cursor: &str, rows: u32) -> Result<Batch, Error> {
    let _ = Csv::pull("{\"url\": \"file:///nowhere\"}", Some(cursor.to_owned()), Vec::new(), 1);
    pull(more, Some(cursor), rows)
}

fn first(text: impl Into<Vec<u8>>, more: &str) -> Batch {
    serve(text);
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

#[test]
fn types_are_inferred_and_nulls_are_nulls() {
    let batch = first(
        "id,x,ok,when,name,zip\n1,1.5,true,2013-01-01T10:00:00Z,Ann,00501\n2,NA,,2013-01-02,\"NA\",10001\n",
        "",
    );
    assert_eq!(
        types(&batch),
        [
            ("id", ColumnType::S64),
            ("x", ColumnType::F64),
            ("ok", ColumnType::Boolean),
            ("when", ColumnType::Timestamp),
            ("name", ColumnType::Utf8),
            ("zip", ColumnType::Utf8)
        ]
    );
    assert_eq!(texts(&batch, "x"), ["1.5", "-"]);
    assert_eq!(texts(&batch, "ok"), ["true", "-"]);
    assert_eq!(texts(&batch, "when")[1], "2013-01-02T00:00:00.000000Z");
    assert_eq!(texts(&batch, "name"), ["Ann", "NA"]);
    assert_eq!(texts(&batch, "zip"), ["00501", "10001"]);
    assert!(batch.done && batch.rejected.is_empty());
}

#[test]
fn quoted_fields_hold_line_ends_delimiters_and_quotes() {
    let text = "\u{feff}a;b\r\n\"x;\r\ny\";\"say \"\"hi\"\"\"\r\n\r\n\"\";z\r\n";
    let batch = first(text, "\"delimiter\": \";\"");
    assert_eq!(texts(&batch, "a"), ["x;\r\ny", ""]);
    assert_eq!(texts(&batch, "b"), ["say \"hi\"", "z"]);
    let batch = first("a\tb\n'1\t2'\t3\n", "\"delimiter\": \"tab\", \"quote\": \"'\"");
    assert_eq!(texts(&batch, "a"), ["1\t2"]);
}

#[test]
fn batches_of_any_size_give_the_same_rows() {
    let mut text = String::from("n,text,x\n");
    for n in 0..2_000 {
        writeln!(text, "{n},\"line {n}\r\nof \"\"two\"\"\",{}", f64::from(n) / 7.0).unwrap();
    }
    for bytes in [text.clone().into_bytes(), gzip(text.as_bytes())] {
        serve(bytes);
        let whole = pull("", None, 1_000_000).unwrap();
        assert_eq!(whole.rows.rows(), 2_000);
        for (size, afresh) in [(1, false), (7, false), (999, true), (2_000, true)] {
            let mut batch = pull("", None, size).unwrap();
            let mut rows = batch.rows.clone();
            let mut steps = 0;
            while !batch.done && steps < 2_100 {
                batch = if afresh {
                    pull_afresh("", &batch.cursor, size).unwrap()
                } else {
                    pull("", Some(&batch.cursor), size).unwrap()
                };
                rows.append(batch.rows.clone()).unwrap();
                steps += 1;
            }
            assert_eq!(rows, whole.rows, "{size}");
            assert_eq!(batch.cursor, whole.cursor);
        }
    }
}

#[test]
fn gzip_is_opened_once_while_the_instance_lives() {
    let text: String = std::iter::once("n\n".to_owned()).chain((0..100).map(|n| format!("{n}\n"))).collect();
    serve(gzip(text.as_bytes()));
    testing::requests();
    let mut batch = pull("", None, 10).unwrap();
    while !batch.done {
        batch = pull("", Some(&batch.cursor), 10).unwrap();
    }
    assert_eq!(testing::requests().len(), 1);
}

#[test]
fn a_value_that_does_not_fit_rejects_its_row() {
    let batch = first("a,b\n1,2\n3,x y\n5,6\n", r#""columns": {"a": "int", "b": "f64"}"#);
    assert_eq!(texts(&batch, "a"), ["1", "5"]);
    let rejected = &batch.rejected[0];
    assert_eq!((rejected.row, rejected.column.as_deref()), (2, Some("b")));
    assert_eq!(rejected.reason, "\"x y\" is not of type f64");
    assert_eq!(rejected.raw, "3,x y");
}

#[test]
fn short_and_long_rows_are_rejected() {
    let batch = first("a,b\n1,2\n3\n4,5,6\n7,8", "");
    assert_eq!(texts(&batch, "a"), ["1", "7"]);
    let reasons: Vec<_> =
        batch.rejected.iter().map(|row| (row.row, row.reason.as_str(), row.raw.as_str())).collect();
    assert_eq!(
        reasons,
        [
            (2, "the row is too short: 1 fields, not 2", "3"),
            (3, "the row is too long: 3 fields, not 2", "4,5,6")
        ]
    );
}

#[test]
fn a_missing_closing_quote_takes_one_row_and_not_the_file() {
    let mut text = String::from("a,b\n1,x\n2,\"never closed\n");
    for n in 3..500 {
        writeln!(text, "{n},y").unwrap();
    }
    let batch = first(text, "");
    assert_eq!(batch.rows.rows(), 498);
    assert_eq!(batch.rejected.len(), 1);
    let rejected = &batch.rejected[0];
    assert_eq!((rejected.row, rejected.column.as_deref()), (2, Some("b")));
    assert!(rejected.reason.contains("opens at byte 10 has no closing quote"), "{}", rejected.reason);
    assert_eq!(rejected.raw, "2,\"never closed");
}

#[test]
fn a_missing_closing_quote_before_other_quotes_takes_one_row_too() {
    let batch = first("a,b\n1,\"x\n2,\"y\"\n3,\"z\"\n", "");
    assert_eq!(texts(&batch, "b"), ["y", "z"]);
    assert!(
        batch.rejected[0].reason.contains("text follows a closing quote at byte 12"),
        "{:?}",
        batch.rejected
    );
}

#[test]
fn an_open_quote_is_given_up_at_the_longest_record() {
    let mut text = String::from("a,b\n1,\"open\n");
    for n in 2..200_000 {
        writeln!(text, "{n},some text").unwrap();
    }
    serve(text);
    let batch = pull("\"max_record_bytes\": 1000", None, 10).unwrap();
    assert_eq!(batch.rows.rows(), 9);
    assert_eq!(batch.rejected[0].row, 1);
}

#[test]
fn an_empty_file_is_an_error() {
    for text in ["", "\u{feff}", "\n\n"] {
        serve(text);
        let message = message(pull("", None, 10));
        assert!(message.contains("is empty"), "{message}");
    }
    serve(gzip(b""));
    assert!(message(pull("", None, 10)).contains("is empty"));
}

#[test]
fn a_header_alone_gives_columns_and_types_once_rows_come() {
    let batch = first("a,b\n", "");
    assert_eq!(types(&batch), [("a", ColumnType::Utf8), ("b", ColumnType::Utf8)]);
    assert!(batch.done && batch.rows.rows() == 0);
    serve("a,b\n1,2.5\n");
    let next = pull("", Some(&batch.cursor), 10).unwrap();
    assert_eq!(types(&next), [("a", ColumnType::S64), ("b", ColumnType::F64)]);
    assert_eq!(texts(&next, "b"), ["2.5"]);
}

#[test]
fn other_encodings_are_errors_with_row_and_byte() {
    serve(b"name\nAnn\ncaf\xe9\n".to_vec());
    let wrong = message(pull("", None, 10));
    assert!(wrong.contains("row 2 is not utf-8 at byte 12"), "{wrong}");
    serve(b"\xff\xfea\0,\0".to_vec());
    assert!(message(pull("", None, 10)).contains("UTF-16"));
    let batch = first(b"na\xefve,x\ncaf\xe9,\x80\n".to_vec(), "\"encoding\": \"latin1\"");
    assert_eq!(texts(&batch, "naïve"), ["café"]);
    let batch = first(b"x\n\x80 5\n".to_vec(), "\"encoding\": \"windows-1252\"");
    assert_eq!(texts(&batch, "x"), ["€ 5"]);
}

/// A column that is numbers for a long time and then is not.
fn changing(rows: usize, after: &str, changed: usize) -> String {
    let mut text = String::from("id,v\n");
    for n in 1..rows {
        writeln!(text, "{n},{}", n * 2).unwrap();
    }
    for n in rows..rows + changed {
        writeln!(text, "{n},{after}").unwrap();
    }
    text
}

#[test]
fn a_type_change_at_row_200000_rejects_the_rows() {
    serve(changing(200_000, "unknown", 50));
    let mut batch = pull("", None, 65_536).unwrap();
    let (mut rows, mut rejected) = (batch.rows.rows(), batch.rejected.clone());
    while !batch.done {
        batch = pull("", Some(&batch.cursor), 65_536).unwrap();
        rows += batch.rows.rows();
        rejected.append(&mut batch.rejected);
    }
    assert_eq!((rows, rejected.len()), (199_999, 50));
    assert_eq!((rejected[0].row, rejected[0].column.as_deref()), (200_000, Some("v")));
    assert_eq!(rejected[0].raw, "200000,unknown");
}

#[test]
fn a_type_change_widens_where_that_is_the_policy() {
    let policy = "\"on_type_change\": \"widen\"";
    for (after, wide) in [("unknown", ColumnType::Utf8), ("0.5", ColumnType::F64)] {
        serve(changing(200_000, after, 3));
        let mut batch = pull(policy, None, 150_000).unwrap();
        assert_eq!(types(&batch)[1], ("v", ColumnType::S64));
        batch = pull(policy, Some(&batch.cursor), 150_000).unwrap();
        assert_eq!(types(&batch)[1], ("v", wide));
        assert_eq!(batch.rows.rows(), 50_002);
        assert!(batch.rejected.is_empty() && batch.done);
        assert_eq!(texts(&batch, "v")[49_998..], ["399998", after, after, after]);
    }
    // A declared type is never widened.
    serve(changing(2_000, "unknown", 3));
    let batch = pull(r#""on_type_change": "widen", "columns": {"v": "s64"}"#, None, 5_000).unwrap();
    assert_eq!(batch.rejected.len(), 3);
}

#[test]
fn too_many_rejected_rows_fail_the_pull() {
    serve(changing(2_000, "unknown", 1_000));
    let wrong = message(pull("", None, 10_000));
    assert!(wrong.contains("rows were rejected") && wrong.contains("column \"v\""), "{wrong}");
    assert_eq!(pull("\"max_rejected\": 1", None, 10_000).unwrap().rejected.len(), 1_000);
}

#[test]
fn expected_types_are_kept_where_they_fit_and_shown_where_not() {
    serve("a,b,c\n1,2,3\n4,5,x\n6,7,y\n");
    let expected = vec![
        Field::new("a", ColumnType::F64),
        Field::new("b", ColumnType::Utf8),
        Field::new("c", ColumnType::S64),
    ];
    let batch = Csv::pull(&parameters(""), None, expected, 10).unwrap();
    assert_eq!(types(&batch), [("a", ColumnType::F64), ("b", ColumnType::Utf8), ("c", ColumnType::Utf8)]);
    assert_eq!(batch.rows.rows(), 3);
}

#[test]
fn a_file_that_grew_is_continued() {
    for wrap in [<[u8]>::to_vec as fn(&[u8]) -> Vec<u8>, gzip] {
        serve(wrap(b"a,b\n1,x\n2,y"));
        let batch = pull("", None, 10).unwrap();
        assert!(batch.done);
        let again = pull("", Some(&batch.cursor), 10).unwrap();
        assert!(again.done && again.rows.rows() == 0 && again.schema == batch.schema);
        serve(wrap(b"a,b\n1,x\n2,y\n3,z\n4,\n"));
        let more = pull("", Some(&batch.cursor), 10).unwrap();
        assert_eq!(texts(&more, "a"), ["3", "4"]);
        assert_eq!(texts(&more, "b"), ["z", "-"]);
        serve(wrap(b"a,b\n1,x\n2,y\n3,z\n4,\nx,y\n"));
        let bad = pull("", Some(&more.cursor), 10).unwrap();
        assert_eq!(bad.rejected[0].row, 5);
    }
}

#[test]
fn a_replaced_file_is_an_error_or_read_again() {
    let rest = "1,some text that is long enough\n".repeat(400);
    let original = format!("a,b\n{rest}");
    for replaced in [
        format!("a,c\n{rest}{rest}"),
        "a,b\n".to_owned(),
        format!("{}9,x\n", &original[..original.len() - 4]),
    ] {
        serve(original.clone());
        let batch = pull("", None, 10_000).unwrap();
        serve(replaced.clone());
        let wrong = message(pull("", Some(&batch.cursor), 10));
        assert!(wrong.contains("was replaced after 400 rows"), "{wrong}");
        let batch = pull("\"on_replaced\": \"restart\"", Some(&batch.cursor), 10_000).unwrap();
        assert_eq!(batch.rows.rows() + batch.rejected.len(), replaced.lines().count() - 1);
    }
}

#[test]
fn a_last_record_that_grew_is_a_replaced_file() {
    serve("a\n1\n2");
    let batch = pull("", None, 10).unwrap();
    serve("a\n1\n23\n4\n");
    let wrong = message(pull("", Some(&batch.cursor), 10));
    assert!(wrong.contains("last record has changed"), "{wrong}");
}

#[test]
fn a_cursor_of_another_source_starts_at_its_beginning() {
    serve("a\n1\n2\n");
    let batch = pull("", None, 10).unwrap();
    testing::serve("file:///data/other.csv", "a\n7\n");
    let next = Csv::pull("{\"url\": \"file:///data/other.csv\"}", Some(batch.cursor), vec![], 10).unwrap();
    assert_eq!(texts(&next, "a"), ["7"]);
}

#[test]
fn a_source_that_fails_or_ends_in_the_middle_is_an_error() {
    let text = format!("a\n{}", "123456\n".repeat(500_000));
    testing::fail_after(URL, text.clone(), 2_000_000, Error::unavailable("ended early", Some(5)));
    let mut batch = pull("", None, 100_000).unwrap();
    let error = loop {
        match pull("", Some(&batch.cursor), 100_000) {
            Ok(next) => batch = next,
            Err(error) => break error,
        }
        assert!(!batch.done);
    };
    assert!(matches!(error, Error::Unavailable(_)));
    // The cursor before the failure still works once the source does.
    serve(text.clone());
    assert_eq!(pull("", Some(&batch.cursor), 10).unwrap().rows.rows(), 10);

    let whole = gzip(text.as_bytes());
    serve(whole[..whole.len() / 2].to_vec());
    let wrong = message(pull("\"max_rejected\": 1", None, 1_000_000));
    assert!(wrong.contains("ends in the middle"), "{wrong}");
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 64].fill(0xaa);
    serve(damaged);
    assert!(message(pull("", None, 1_000_000)).contains("gzip source"));
    testing::fail(URL, Error::unavailable("500", None));
    assert!(matches!(pull("", None, 1).unwrap_err(), Error::Unavailable(_)));
}

#[test]
fn timestamps_follow_formats_and_are_made_up_from_columns() {
    let batch = first(
        "d,t,year,month,day,hour\n31/01/2013,1,2013,1,31,10\n01/02/2013,2,2013,NA,31,10\n02/02/2013,3,2013,2,31,10\n",
        r#""timestamps": {"d": "%d/%m/%Y", "t": "unix",
           "at": {"from": ["year", "month", "day", "hour"], "zone": "+01:00"}}"#,
    );
    assert_eq!(texts(&batch, "d")[0], "2013-01-31T00:00:00.000000Z");
    assert_eq!(texts(&batch, "t")[0], "1970-01-01T00:00:01.000000Z");
    assert_eq!(texts(&batch, "at"), ["2013-01-31T09:00:00.000000Z", "-"]);
    assert_eq!(batch.rejected[0].row, 3);
    assert!(batch.rejected[0].reason.contains("is no date"), "{:?}", batch.rejected);
}

#[test]
fn files_without_a_header_get_names() {
    let batch = first("1,a\n2,b\n", "\"header\": false");
    assert_eq!(types(&batch), [("column_1", ColumnType::S64), ("column_2", ColumnType::Utf8)]);
    assert_eq!(batch.rows.rows(), 2);
    let batch = first("1,a\n", "\"header\": false, \"names\": [\"x\", \"y\"]");
    assert_eq!(types(&batch)[1].0, "y");
}

#[test]
fn bad_headers_and_parameters_are_named() {
    serve("a,a\n1,2\n");
    assert!(message(pull("", None, 1)).contains("two columns have the name \"a\""));
    serve("a,b\n1,2\n");
    for (more, part) in [
        ("\"columns\": {\"z\": \"s64\"}", "\"z\""),
        ("\"columns\": {\"a\": \"decimal\"}", "decimal"),
        ("\"names\": [\"x\"]", "/names"),
        ("\"delimiter\": \"::\"", "/delimiter"),
        ("\"quote\": \",\"", "/quote"),
        ("\"max_rejected\": 2", "/max_rejected"),
        ("\"sample_rows\": 0", "/sample_rows"),
        ("\"max_record_bytes\": 1", "/max_record_bytes"),
        ("\"colour\": 1", "colour"),
        ("\"timestamps\": {\"a\": \"%Q\"}", "/timestamps/a"),
        ("\"timestamps\": {\"a\": {\"format\": \"iso\", \"zone\": \"CET\"}}", "CET"),
        ("\"timestamps\": {\"t\": {\"from\": [\"a\", \"b\"]}}", "three to six"),
        ("\"timestamps\": {\"t\": {\"from\": [\"a\", \"b\", \"c\"]}}", "\"c\""),
        ("\"timestamps\": {\"a\": {\"from\": [\"a\", \"b\", \"b\"]}}", "replace a column"),
        ("\"timestamps\": {\"a\": \"iso\"}, \"columns\": {\"a\": \"s64\"}", "another type"),
        ("\"header\": false, \"columns\": {\"a\": \"s64\"}", "/names"),
    ] {
        let message = message(pull(more, None, 10));
        assert!(message.contains(part), "{more}: {message}");
    }
    assert!(message(Csv::pull("", None, vec![], 1)).contains("url"));
    assert!(message(pull("", Some("not a cursor"), 1)).contains("cursor"));
    assert!(message(pull("", None, 0)).contains("max-rows"));
}

#[test]
fn headers_of_requests_are_passed_on() {
    testing::serve("https://x/a.csv", "a\n1\n");
    testing::requests();
    Csv::pull(r#"{"url": "https://x/a.csv", "headers": {"accept": "text/csv"}}"#, None, vec![], 1).unwrap();
    assert_eq!(testing::requests()[0].1, [("accept".to_owned(), "text/csv".to_owned())]);
}

#[test]
fn one_column_keeps_its_empty_lines() {
    let batch = first("a\n1\n\n3\n", "");
    assert_eq!(texts(&batch, "a"), ["1", "-", "3"]);
}

#[test]
fn any_bytes_give_rows_rejections_or_an_error_and_never_a_panic_or_a_loop() {
    let mut state = 7u64;
    let alphabet = b"1,\"\n\ra;x.-e\xe9\xff\0";
    for _ in 0..3_000 {
        let mut bytes = b"a,b\n".to_vec();
        for _ in 0..(state >> 40) % 60 {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            bytes.push(alphabet[(state >> 33) as usize % alphabet.len()]);
        }
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        serve(bytes.clone());
        let mut result = pull("\"encoding\": \"latin1\"", None, 2);
        for _ in 0..100 {
            let Ok(batch) = &result else { break };
            if batch.done {
                break;
            }
            result = pull("\"encoding\": \"latin1\"", Some(&batch.cursor.clone()), 2);
        }
        assert!(result.is_err() || result.is_ok_and(|batch| batch.done), "{bytes:?}");
        let _ = pull("", None, 100);
        let _ = pull("\"header\": false, \"on_type_change\": \"widen\", \"sample_rows\": 1", None, 100);
    }
}
