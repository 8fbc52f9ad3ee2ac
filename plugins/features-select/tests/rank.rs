//! Agreement with scikit-learn and SciPy, the rules that select, and everything
//! that can be wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use features_select::Select;
use modelyard_sdk::prelude::*;
use serde_json::{Value, json};

fn reference() -> Value {
    serde_json::from_str(include_str!("data/reference.json")).unwrap()
}

fn input() -> Table {
    let reference = reference();
    let mut columns = Vec::new();
    for (name, values) in reference["input"].as_object().unwrap() {
        let values = values.as_array().unwrap();
        columns.push(if name == "word" {
            Column::utf8(name, values.iter().map(|value| value.as_str().unwrap()).collect::<Vec<_>>())
        } else if name == "y" {
            Column::s64(name, values.iter().map(|value| value.as_i64().unwrap()).collect::<Vec<_>>())
        } else {
            Column::f64(name, values.iter().map(|value| value.as_f64().unwrap()).collect::<Vec<_>>())
        });
    }
    Table::new(columns).unwrap()
}

fn rank(parameters: Value, table: &Table, target: &str) -> Result<Vec<Ranked>> {
    let parts: Vec<Table> = (0..table.rows().div_ceil(17)).map(|part| table.slice(part * 17, 17)).collect();
    Select::rank(&parameters.to_string(), &Reader::from_tables(table.schema(), parts), target)
}

fn score(ranked: &[Ranked], name: &str) -> f64 {
    ranked.iter().find(|ranked| ranked.column == name).unwrap().score
}

fn names(ranked: &[Ranked]) -> Vec<&str> {
    ranked.iter().map(|ranked| ranked.column.as_str()).collect()
}

fn message<T>(result: Result<T>) -> String {
    result.err().unwrap().message()
}

#[test]
fn scores_agree_with_scikit_learn_and_scipy() {
    let (reference, table) = (reference(), input());
    for method in ["variance", "pearson", "spearman", "chi2", "anova-f", "mutual-information"] {
        let ranked = rank(json!({ "method": method }), &table, "y").unwrap();
        assert_eq!(ranked.len(), 6);
        assert!(ranked.is_sorted_by(|a, b| a.score >= b.score), "{ranked:?}");
        assert!(ranked.iter().all(|ranked| ranked.selected));
        for (name, expected) in reference[method].as_object().unwrap() {
            let (found, expected) = (score(&ranked, name), expected.as_f64().unwrap());
            let bound = 1e-9 * expected.abs().max(1.0);
            assert!((found - expected).abs() <= bound, "{method} {name}: {found} is not {expected}");
        }
    }
}

#[test]
fn a_column_of_one_value_says_nothing() {
    let table = input();
    for method in ["variance", "pearson", "spearman", "anova-f", "mutual-information", "importance"] {
        let ranked = rank(json!({ "method": method }), &table, "y").unwrap();
        assert!(score(&ranked, "same").abs() < 1e-12, "{method}: {ranked:?}");
    }
}

#[test]
fn importance_is_the_models_or_a_forests() {
    let table = input();
    let given = json!({"method": "importance", "importance": {"noise": 0.7, "word": 0.3}, "top_k": 1});
    let ranked = rank(given, &table, "y").unwrap();
    assert_eq!(names(&ranked)[..2], ["noise", "word"]);
    assert_eq!(ranked.iter().filter(|ranked| ranked.selected).count(), 1);
    for target in ["y", "close", "word"] {
        let ranked = rank(json!({"method": "importance"}), &table, target).unwrap();
        let total: f64 = ranked.iter().map(|ranked| ranked.score).sum();
        assert!((total - 1.0).abs() < 1e-9, "{total}");
        assert_eq!(ranked, rank(json!({"method": "importance"}), &table, target).unwrap());
        let best = if target == "y" { "close" } else { "y" };
        assert_eq!(names(&ranked)[0], best, "{ranked:?}");
        assert!(score(&ranked, best) > 3.0 * score(&ranked, "noise"), "{ranked:?}");
    }
}

#[test]
fn rules_select_and_excluded_columns_are_not_ranked() {
    let table = input();
    let ranked = rank(
        json!({"method": "pearson", "top_k": 3, "threshold": 0.2, "exclude": ["word", "same"]}),
        &table,
        "y",
    )
    .unwrap();
    assert_eq!(ranked.len(), 4);
    for (place, ranked) in ranked.iter().enumerate() {
        assert_eq!(ranked.selected, place < 3 && ranked.score > 0.2, "{ranked:?}");
    }
    let none = rank(json!({"method": "pearson", "top_k": 0}), &table, "y").unwrap();
    assert!(none.iter().all(|ranked| !ranked.selected));
}

#[test]
fn missing_values_are_left_out_or_a_value_of_their_own() {
    let n = 40;
    let y: Vec<i64> = (0..n).map(|row| row % 2).collect();
    let x: Vec<f64> = (0..n).map(|row| if row % 4 < 2 { (row % 2) as f64 } else { f64::NAN }).collect();
    let validity: Vec<bool> = y.iter().map(|y| *y == 1).collect();
    let table = Table::new([
        Column::f64("x", x),
        Column::f64("gone", vec![1.0; 40]).with_validity(validity),
        Column::f64("all_null", vec![0.0; 40]).with_validity(vec![false; 40]),
        Column::s64("y", y),
    ])
    .unwrap();
    let ranked = rank(json!({"method": "pearson"}), &table, "y").unwrap();
    assert!((score(&ranked, "x") - 1.0).abs() < 1e-12 && score(&ranked, "all_null") == 0.0);
    let ranked = rank(json!({"method": "mutual-information"}), &table, "y").unwrap();
    assert!((score(&ranked, "gone") - 2f64.ln()).abs() < 1e-12, "{ranked:?}");
    let ranked = rank(json!({"method": "anova-f"}), &table, "y").unwrap();
    assert_eq!((score(&ranked, "x"), score(&ranked, "all_null")), (f64::MAX, 0.0));
}

#[test]
fn text_targets_of_two_classes_are_numbers() {
    let table = Table::new([
        Column::f64("x", [1.0, 2.0, 3.0, 4.0]),
        Column::utf8("y", ["no", "no", "yes", "yes"]),
        Column::utf8("three", ["a", "b", "c", "a"]),
    ])
    .unwrap();
    let ranked = rank(json!({"method": "pearson"}), &table, "y").unwrap();
    assert!((score(&ranked, "x") - 0.894_427_190_999_915_9).abs() < 1e-12);
    assert!(message(rank(json!({"method": "pearson"}), &table, "three")).contains("two classes"));
}

#[test]
fn of_large_tables_a_part_is_looked_at() {
    let table = input();
    let whole = rank(json!({"method": "variance"}), &table, "y").unwrap();
    let part = rank(json!({"method": "variance", "max_rows": 100}), &table, "y").unwrap();
    assert_ne!(score(&whole, "loose"), score(&part, "loose"));
    let every_third: Vec<usize> = (0..300).step_by(3).collect();
    let columns: Vec<Column> = table.columns().iter().map(|column| column.take(&every_third)).collect();
    assert_eq!(part, rank(json!({"method": "variance"}), &Table::new(columns).unwrap(), "y").unwrap());
}

#[test]
fn wrong_parameters_and_data_are_named() {
    let table = input();
    for (parameters, target, part) in [
        (json!({"method": "magic"}), "y", "magic"),
        (json!({}), "y", "method"),
        (json!({"method": "pearson", "bins": 1}), "y", "/bins"),
        (json!({"method": "pearson", "max_rows": 0}), "y", "/max_rows"),
        (json!({"method": "pearson", "exclude": ["nowhere"]}), "y", "nowhere"),
        (json!({"method": "importance", "importance": {"nowhere": 1}}), "y", "nowhere"),
        (json!({"method": "pearson", "colour": 1}), "y", "colour"),
        (json!({"method": "pearson"}), "nowhere", "nowhere"),
    ] {
        let message = message(rank(parameters.clone(), &table, target));
        assert!(message.contains(part), "{parameters}: {message}");
    }
    let negative = Table::new([Column::f64("x", [1.0, -1.0]), Column::s64("y", [0, 1])]).unwrap();
    let wrong = message(rank(json!({"method": "chi2"}), &negative, "y"));
    assert!(wrong.contains("\"x\", row 1"), "{wrong}");
    let many = Table::new([
        Column::f64("x", vec![1.0; 2000]),
        Column::f64("y", (0..2000).map(f64::from).collect::<Vec<_>>()),
    ])
    .unwrap();
    assert!(message(rank(json!({"method": "anova-f"}), &many, "y")).contains("2000 classes"));
}

#[test]
fn odd_tables_are_ranked_without_a_panic() {
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN, 0.0];
    let tables = [
        Table::new([Column::f64("x", []), Column::s64("y", [])]).unwrap(),
        Table::new([Column::f64("x", [1.0]), Column::s64("y", [1])]).unwrap(),
        Table::new([Column::f64("x", odd), Column::s64("y", [0, 0, 0, 1, 1, 1])]).unwrap(),
        Table::new([Column::utf8("x", ["a", "b"]), Column::f64("y", [f64::NAN, f64::NAN])]).unwrap(),
        Table::new([Column::boolean("x", [true, false]), Column::utf8("y", ["a", "a"])]).unwrap(),
        Table::new([Column::s64("y", [1, 2])]).unwrap(),
    ];
    for table in &tables {
        for method in
            ["variance", "pearson", "spearman", "mutual-information", "chi2", "anova-f", "importance"]
        {
            if let Ok(ranked) = rank(json!({ "method": method }), table, "y") {
                assert_eq!(ranked.len(), table.columns().len() - 1, "{method}");
            }
        }
    }
}
