//! Agreement with scikit-learn, and everything that can be wrong with steps,
//! training data and rows.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use features_standard::Standard;
use features_standard::state::{Fitted, State, What};
use features_standard::transform::bucket;
use modelyard_sdk::prelude::*;
use serde_json::{Value, json};

fn reference() -> Value {
    serde_json::from_str(include_str!("data/reference.json")).unwrap()
}

fn doubles(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap_or(f64::NAN)).collect()
}

/// The reference's table in batches of 7 rows.
fn input() -> Table {
    let reference = reference();
    let input = &reference["input"];
    let mut columns = Vec::new();
    for name in ["x", "skewed", "same", "steps"] {
        columns.push(Column::f64(name, doubles(&input[name])));
    }
    let holes = doubles(&input["holes"]);
    let validity = holes.iter().map(|x| !x.is_nan()).collect();
    columns.push(Column::f64("holes", holes).with_validity(validity));
    let words: Vec<&str> =
        input["word"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    columns.push(Column::utf8("word", words));
    let numbers: Vec<i64> = input["number"].as_array().unwrap().iter().map(|n| n.as_i64().unwrap()).collect();
    columns.push(Column::s64("number", numbers));
    Table::new(columns).unwrap()
}

fn fit(steps: Value, table: &Table) -> Result<Standard> {
    let parts: Vec<Table> = (0..table.rows().div_ceil(7)).map(|part| table.slice(part * 7, 7)).collect();
    let schema: Vec<Field> = table.schema().into_iter().map(Field::nullable).collect();
    let state = Standard::fit(&json!({ "steps": steps }).to_string(), &Reader::from_tables(schema, parts))?;
    Standard::load(&state)
}

fn run(steps: Value, table: &Table) -> Table {
    let fitted = fit(steps, table).unwrap();
    let out = fitted.transform(table.clone()).unwrap();
    let names =
        |fields: Vec<Field>| fields.into_iter().map(|field| (field.name, field.type_)).collect::<Vec<_>>();
    assert_eq!(names(out.schema()), names(fitted.schema()));
    out
}

fn message<T>(result: Result<T>) -> String {
    result.err().unwrap().message()
}

fn close(found: &[f64], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (row, (found, expected)) in found.iter().zip(expected).enumerate() {
        let bound = 1e-9 * expected.abs().max(1.0);
        assert!((found - expected).abs() <= bound, "{what}, row {row}: {found} is not {expected}");
    }
}

#[test]
fn scaling_agrees_with_scikit_learn() {
    let (reference, table) = (reference(), input());
    for with in ["standard", "min-max", "robust"] {
        let out = run(json!([{"do": "scale", "with": with, "columns": ["x", "skewed", "same"]}]), &table);
        for name in ["x", "skewed", "same"] {
            let what = format!("{with} {name}");
            close(&out.numbers(name).unwrap(), &doubles(&reference[&what]), &what);
        }
    }
}

#[test]
fn imputing_agrees_with_scikit_learn() {
    let (reference, table) = (reference(), input());
    for with in ["mean", "median"] {
        let out =
            run(json!([{"do": "impute", "with": with, "columns": ["holes"], "indicator": true}]), &table);
        let what = format!("{with} holes");
        close(&out.numbers("holes").unwrap(), &doubles(&reference[&what]), &what);
        assert_eq!(out.numbers("holes_missing").unwrap().iter().sum::<f64>(), 23.0);
        assert_eq!(out.column("holes").unwrap().nulls(), 0);
    }
}

#[test]
fn encoding_agrees_with_scikit_learn() {
    let (reference, table) = (reference(), input());
    for (what, steps) in [
        ("one-hot word", json!([{"do": "one-hot", "columns": ["word"]}])),
        (
            "one-hot rare",
            json!([{"do": "one-hot", "columns": ["word"], "min_frequency": 10, "handle_unknown": "infrequent"}]),
        ),
    ] {
        let out = run(steps, &table);
        let expected = reference[what].as_object().unwrap();
        assert_eq!(out.columns().len(), expected.len());
        for ((category, values), column) in expected.iter().zip(out.columns()) {
            assert_eq!(column.name, format!("word_{category}"));
            close(&column.numbers().unwrap(), &doubles(values), what);
        }
    }
    let out = run(json!([{"do": "ordinal", "columns": ["word", "number"]}]), &table);
    for name in ["word", "number"] {
        let what = format!("ordinal {name}");
        close(&out.numbers(name).unwrap(), &doubles(&reference[&what]), &what);
    }
}

#[test]
fn bucketising_agrees_with_scikit_learn() {
    let (reference, table) = (reference(), input());
    for with in ["quantile", "uniform"] {
        let steps =
            json!([{"do": "bucketise", "with": with, "bins": 6, "columns": ["x", "skewed", "steps"]}]);
        let out = run(steps, &table);
        for name in ["x", "skewed", "steps"] {
            let what = format!("{with} {name}");
            close(&out.numbers(name).unwrap(), &doubles(&reference[&what]), &what);
        }
    }
    let out = run(json!([{"do": "bucketise", "edges": [40.0, 50.0], "columns": ["holes"]}]), &table);
    assert_eq!(out.column("holes").unwrap().nulls(), 23);
    let small = Table::new([Column::f64("v", [39.9, 40.0, 50.0, f64::INFINITY, f64::NAN])]).unwrap();
    let out = run(json!([{"do": "bucketise", "edges": [40.0, 50.0], "columns": ["v"]}]), &small);
    assert_eq!(out.column("v").unwrap().strings().iter().flatten().collect::<Vec<_>>(), ["0", "1", "2", "2"]);
}

#[test]
fn steps_on_one_column_follow_each_other() {
    let table =
        Table::new([Column::f64("v", [0.0, 9.0, 0.0, 99.0]).with_validity(vec![true, true, false, true])]);
    let out = run(
        json!([
            {"do": "impute", "with": "constant", "value": 9.0, "columns": ["v"]},
            {"do": "clip", "high": 9.0, "columns": ["v"]},
            {"do": "log1p", "columns": ["v"]},
            {"do": "scale", "with": "min-max", "columns": ["v"]}
        ]),
        &table.unwrap(),
    );
    close(&out.numbers("v").unwrap(), &[0.0, 1.0, 1.0, 1.0], "chain");
    let times = Table::new([Column::timestamp("t", [0, 86_400_000_000, 2 * 86_400_000_000])]).unwrap();
    let out = run(
        json!([{"do": "date-parts", "parts": ["day"], "columns": ["t"]},
               {"do": "scale", "with": "standard", "columns": ["t_day"]}]),
        &times,
    );
    close(
        &out.numbers("t_day").unwrap(),
        &[-1.224_744_871_391_589, 0.0, 1.224_744_871_391_589],
        "made column",
    );
}

#[test]
fn dates_are_split() {
    // 2013-02-28T23:59:59.999999Z, a Thursday; 2012-12-30T06:30Z, a Sunday; 1969-12-31T18:00Z, a Wednesday.
    let times = [1_362_095_999_999_999, 1_356_849_000_000_000, -21_600_000_000, 0];
    let column = Column::timestamp("t", times).with_validity(vec![true, true, true, false]);
    let out = run(
        json!([{"do": "date-parts", "columns": ["t"], "cyclic": ["hour", "month"],
            "parts": ["year", "month", "day", "day_of_year", "weekday", "hour", "minute", "is_weekend"]}]),
        &Table::new([column]).unwrap(),
    );
    let texts = |part: &str| {
        let strings = out.strings(&format!("t_{part}")).unwrap();
        strings
            .into_iter()
            .map(|text| text.map_or("-".to_owned(), |text| text.into_owned()))
            .collect::<Vec<_>>()
    };
    assert_eq!(texts("year"), ["2013", "2012", "1969", "-"]);
    assert_eq!(texts("month"), ["2", "12", "12", "-"]);
    assert_eq!(texts("day"), ["28", "30", "31", "-"]);
    assert_eq!(texts("day_of_year"), ["59", "365", "365", "-"]);
    assert_eq!(texts("weekday"), ["3", "6", "2", "-"]);
    assert_eq!(texts("hour"), ["23", "6", "18", "-"]);
    assert_eq!(texts("minute"), ["59", "30", "0", "-"]);
    assert_eq!(texts("is_weekend"), ["false", "true", "false", "-"]);
    close(&out.numbers("t_hour_sin").unwrap()[1..3], &[1.0, -1.0], "sine");
    close(&out.numbers("t_hour_cos").unwrap()[1..3], &[0.0, 0.0], "cosine");
}

#[test]
fn hashing_is_the_stated_function() {
    // FNV-1a of "" and "a" (published test vectors), then fmix64.
    fn fmix64(mut hash: u64) -> u64 {
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        hash ^ (hash >> 33)
    }
    assert_eq!(bucket("", 1000), (fmix64(0xcbf2_9ce4_8422_2325) % 1000) as i64);
    assert_eq!(bucket("a", 1000), (fmix64(0xaf63_dc4c_8601_ec8c) % 1000) as i64);
    let table =
        Table::new([Column::utf8("w", ["a", "", "a"]).with_validity(vec![true, false, true])]).unwrap();
    let out = run(json!([{"do": "hash", "buckets": 16, "columns": ["w"]}]), &table);
    let column = out.column("w").unwrap();
    assert_eq!((column.text(0), column.text(1)), (column.text(2), None));
    let counts = (0..16_000).fold(vec![0; 16], |mut counts, n| {
        counts[bucket(&format!("N{n}"), 16) as usize] += 1;
        counts
    });
    assert!(counts.iter().all(|count| (800..1200).contains(count)), "{counts:?}");
}

#[test]
fn unknown_categories_do_as_the_step_says() {
    let train =
        Table::new([Column::utf8("w", ["a", "b", "b", ""]).with_validity(vec![true, true, true, false])]);
    let train = train.unwrap();
    let rows =
        Table::new([Column::utf8("w", ["c", "b", ""]).with_validity(vec![true, true, false])]).unwrap();
    let with = |step: Value| fit(json!([step]), &train).unwrap().transform(rows.clone());
    let out = with(json!({"do": "one-hot", "columns": ["w"], "missing": true})).unwrap();
    assert_eq!(out.names().collect::<Vec<_>>(), ["w_a", "w_b", "w_missing"]);
    assert_eq!(*out.numbers("w_b").unwrap(), [0.0, 1.0, 0.0]);
    assert_eq!(*out.numbers("w_missing").unwrap(), [0.0, 0.0, 1.0]);
    let wrong = message(with(json!({"do": "one-hot", "columns": ["w"], "handle_unknown": "error"})));
    assert!(wrong.contains("\"w\", row 0") && wrong.contains("\"c\""), "{wrong}");
    let out = with(
        json!({"do": "one-hot", "columns": ["w"], "handle_unknown": "infrequent", "min_frequency": 0.5}),
    )
    .unwrap();
    assert_eq!(*out.numbers("w_infrequent").unwrap(), [1.0, 0.0, 0.0]);
    let out = with(json!({"do": "ordinal", "columns": ["w"], "unknown": -1})).unwrap();
    assert_eq!(out.numbers("w").unwrap()[..2], [-1.0, 1.0]);
    assert!(!out.column("w").unwrap().is_valid(2));
    assert!(message(with(json!({"do": "ordinal", "columns": ["w"]}))).contains("\"c\""));
}

#[test]
fn mode_fills_text_and_numbers() {
    let table = Table::new([
        Column::utf8("w", ["b", "a", "a", "b", ""]).with_validity(vec![true, true, true, true, false]),
        Column::s64("n", [10, 9, 10, 9, 0]).with_validity(vec![true, true, true, true, false]),
    ])
    .unwrap();
    let out = run(json!([{"do": "impute", "with": "mode", "columns": ["w", "n"]}]), &table);
    assert_eq!(out.strings("w").unwrap()[4].as_deref(), Some("a"));
    assert_eq!(out.numbers("n").unwrap()[4], 9.0);
}

#[test]
fn columns_are_left_out_kept_and_missed() {
    let table = input();
    let fitted = fit(json!([{"do": "keep", "columns": ["number", "x"]}]), &table).unwrap();
    let out = fitted.transform(table.clone()).unwrap();
    assert_eq!(out.names().collect::<Vec<_>>(), ["number", "x"]);
    let wrong = message(fitted.transform(Table::new([Column::f64("x", [1.0])]).unwrap()));
    assert!(wrong.contains("\"number\""), "{wrong}");
    let parameters = json!({"rest": "keep", "steps": [{"do": "drop", "columns": ["x", "word"]}]});
    let state = Standard::fit(&parameters.to_string(), &Reader::from_table(table.clone())).unwrap();
    let out = Standard::load(&state).unwrap().transform(table).unwrap();
    assert_eq!(out.names().collect::<Vec<_>>(), ["skewed", "same", "steps", "holes", "number"]);
}

#[test]
fn a_state_gives_the_same_features_row_by_row() {
    let table = input();
    let fitted = fit(
        json!([
            {"do": "impute", "with": "median", "columns": ["holes"], "indicator": true},
            {"do": "scale", "with": "standard", "columns": ["x", "holes"]},
            {"do": "one-hot", "columns": ["word"]},
            {"do": "bucketise", "with": "quantile", "bins": 4, "columns": ["skewed"]}
        ]),
        &table,
    )
    .unwrap();
    let whole = fitted.transform(table.clone()).unwrap();
    for row in 0..table.rows() {
        assert_eq!(fitted.transform(table.slice(row, 1)).unwrap(), whole.slice(row, 1));
    }
    let none = fitted.transform(table.slice(0, 0)).unwrap();
    assert_eq!((none.rows(), none.columns().len()), (0, whole.columns().len()));
}

#[test]
fn a_state_keeps_numbers_to_the_last_bit() {
    // Sevenths have seventeen digits, where reading JSON numbers may be off.
    let edges: Vec<f64> = (1..20_000).map(|n| f64::from(n) / 7.0 + 1e-13).collect();
    let what = |edges: &[f64]| What::Bucketise { edges: edges.to_vec() };
    let scale = What::Scale { center: edges[12], scale: edges[13_579] };
    let fitted = [what(&edges), scale.clone()].map(|what| Fitted { column: "v".to_owned(), what });
    let state = State { v: 1, inputs: Vec::new(), fitted: fitted.to_vec(), outputs: Vec::new() };
    let again = State::parse(&state.bytes().unwrap()).unwrap();
    assert_eq!(again.fitted[0].what, what(&edges));
    assert_eq!(again.fitted[1].what, scale);
}

#[test]
fn nullability_is_what_comes_out() {
    let table = input();
    let steps =
        json!([{"do": "impute", "with": "mean", "columns": ["holes"]}, {"do": "keep", "columns": ["x"]}]);
    let schema = fit(steps, &table).unwrap().schema();
    assert_eq!(schema.iter().map(|field| field.nullable).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn wrong_steps_and_data_are_named() {
    let table = input();
    for (steps, part) in [
        (json!([]), "/steps"),
        (json!([{"do": "scale", "with": "standard", "columns": []}]), "/steps/0/columns"),
        (json!([{"do": "scale", "with": "standard", "columns": ["nowhere"]}]), "nowhere"),
        (json!([{"do": "scale", "with": "log", "columns": ["x"]}]), "log"),
        (json!([{"do": "scale", "with": "standard", "columns": ["word"]}]), "\"word\""),
        (json!([{"do": "scale", "with": "standard", "columns": ["x"], "colour": 1}]), "colour"),
        (json!([{"do": "impute", "with": "constant", "columns": ["x"]}]), "/steps/0/value"),
        (json!([{"do": "impute", "with": "mean", "value": 1, "columns": ["x"]}]), "/steps/0/value"),
        (json!([{"do": "impute", "with": "mean", "columns": ["word"]}]), "\"word\""),
        (json!([{"do": "hash", "buckets": 1, "columns": ["x"]}]), "/steps/0/buckets"),
        (json!([{"do": "bucketise", "columns": ["x"]}]), "/steps/0/edges"),
        (json!([{"do": "bucketise", "edges": [2.0, 1.0], "columns": ["x"]}]), "/steps/0/edges"),
        (json!([{"do": "bucketise", "with": "uniform", "bins": 1, "columns": ["x"]}]), "/steps/0/bins"),
        (json!([{"do": "date-parts", "columns": ["x"]}]), "/steps/0/parts"),
        (json!([{"do": "date-parts", "parts": ["hour"], "columns": ["x"]}]), "timestamp"),
        (json!([{"do": "date-parts", "cyclic": ["year"], "columns": ["x"]}]), "/steps/0/cyclic"),
        (json!([{"do": "clip", "columns": ["x"]}]), "/steps/0/low"),
        (json!([{"do": "clip", "low": 2.0, "high": 1.0, "columns": ["x"]}]), "/steps/0/low"),
        (json!([{"do": "one-hot", "max_categories": 3, "columns": ["word"]}]), "max_categories"),
        (
            json!([{"do": "one-hot", "handle_unknown": "infrequent", "columns": ["word"]}]),
            "/steps/0/handle_unknown",
        ),
        (json!([{"do": "drop", "columns": ["x"]}, {"do": "log1p", "columns": ["x"]}]), "\"x\""),
    ] {
        let message = message(fit(steps.clone(), &table));
        assert!(message.contains(part), "{steps}: {message}");
    }
    let fitted = fit(json!([{"do": "log1p", "columns": ["x"]}]), &table).unwrap();
    let wrong = message(fitted.transform(Table::new([Column::f64("x", [0.0, -2.0])]).unwrap()));
    assert!(wrong.contains("\"x\", row 1"), "{wrong}");
    assert!(message(Standard::load(b"{}")).contains("state"));
    assert!(message(Standard::load(b"\xff")).contains("state"));
}

#[test]
fn columns_without_values_are_errors_and_odd_values_are_not() {
    let nulls = Table::new([Column::f64("v", [0.0, 0.0]).with_validity(vec![false, false])]).unwrap();
    let empty = nulls.slice(0, 0);
    for table in [&nulls, &empty] {
        for step in [
            json!({"do": "impute", "with": "mean", "columns": ["v"]}),
            json!({"do": "impute", "with": "mode", "columns": ["v"]}),
            json!({"do": "scale", "with": "standard", "columns": ["v"]}),
            json!({"do": "scale", "with": "min-max", "columns": ["v"]}),
            json!({"do": "scale", "with": "robust", "columns": ["v"]}),
            json!({"do": "bucketise", "with": "uniform", "columns": ["v"]}),
            json!({"do": "bucketise", "with": "quantile", "columns": ["v"]}),
        ] {
            let wrong = message(fit(json!([step]), table));
            assert!(wrong.contains("\"v\"") && wrong.contains("no values"), "{wrong}");
        }
    }
    let odd = Table::new([Column::f64("v", [1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.0])]).unwrap();
    for step in [
        json!({"do": "impute", "with": "mean", "columns": ["v"]}),
        json!({"do": "scale", "with": "standard", "columns": ["v"]}),
        json!({"do": "scale", "with": "robust", "columns": ["v"]}),
        json!({"do": "bucketise", "with": "quantile", "columns": ["v"]}),
        json!({"do": "bucketise", "with": "uniform", "columns": ["v"]}),
        json!({"do": "one-hot", "columns": ["v"]}),
    ] {
        assert_eq!(run(json!([step]), &odd).rows(), 5);
    }
}
