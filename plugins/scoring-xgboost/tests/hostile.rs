//! Files that are broken, by chance and on purpose: refused with what is wrong,
//! or scored, and never a panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::path::PathBuf;

use modelyard_sdk::prelude::{Datatype, Scoring, Tensor};
use scoring_xgboost::plugin::XgBoost;

const FILE: &str = r#"{"learner":{"attributes":{"scikit_learn":"{}"},"feature_names":["a","b\u00e9"],
"gradient_booster":{"model":{"gbtree_model_param":{"num_parallel_tree":"1","num_trees":"1"},"tree_info":[0],
"trees":[{"base_weights":[0,NaN,-Infinity,1E-1,2],"left_children":[1,3,-1,-1,-1],"right_children":[2,4,-1,-1,-1],
"split_indices":[0,1,0,0,0],"split_conditions":[5E-1,0,3,1,2],"default_left":[1,0,0,0,0],"split_type":[0,1,0,0,0],
"categories_nodes":[1],"categories_segments":[0],"categories_sizes":[2],"categories":[0,2],
"tree_param":{"num_nodes":"5","size_leaf_vector":"1"}}]},"name":"gbtree"},
"learner_model_param":{"base_score":"5E-1","num_class":"0","num_feature":"2","num_target":"1"},
"objective":{"name":"reg:squarederror"}},"version":[2,1,0]}"#;

/// The same numbers every time.
fn random(state: &mut u64) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as usize
}

/// Scores rows that are odd in every way; every walk has to end.
fn score(model: &XgBoost) {
    let odd = vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.5, 1e300, 63.0, 64.0, 4e9];
    let inputs = model.signature().inputs;
    let tensor = |(at, input): (usize, &modelyard_sdk::prelude::TensorSpec)| match input.datatype {
        Datatype::Bytes => Tensor::text(&input.name, ["", "2008", "Gentoo", "x", "", "", "", "MALE", ""]),
        _ => {
            let mut odd = odd.clone();
            odd.rotate_left(at % 9);
            Tensor::vector(&input.name, odd)
        }
    };
    let tensors: Vec<Tensor> = inputs.iter().enumerate().map(tensor).collect();
    assert_eq!(model.predict(&tensors).unwrap()[0].rows(), 9);
}

fn refusal(bytes: &[u8]) -> String {
    XgBoost::load(bytes).map(|_| ()).unwrap_err().message()
}

fn data(file: &str) -> Vec<u8> {
    std::fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(file)).unwrap()
}

#[test]
fn the_plain_file_scores() {
    let model = XgBoost::load(FILE.as_bytes()).unwrap();
    let answer = model
        .predict(&[
            // The threshold itself goes right, what single precision takes for it too.
            Tensor::vector("a", vec![0.4, 0.5, 0.499_999_999_9, f64::NAN, 0.0, 0.0, 0.0]),
            Tensor::vector("bé", vec![2.0, 0.0, 0.0, 1.0, f64::NAN, -0.5, 64.0]),
        ])
        .unwrap();
    assert_eq!(answer[0].numbers().unwrap().as_ref(), [2.5, 3.5, 3.5, 1.5, 2.5, 1.5, 1.5]);
    score(&model);
}

#[test]
fn every_fault_is_named() {
    for (from, to, part) in [
        ("{\"learner\"", "binf", "JSON or UBJSON is expected"),
        ("\"learner\"", "\"teacher\"", "`learner` is missing"),
        ("reg:squarederror", "reg:cubed", "`reg:cubed`"),
        ("\"name\":\"gbtree\"", "\"name\":\"gblinear\"", "`gblinear`"),
        ("\"name\":\"gbtree\"", "\"name\":\"dart\"", "`gbtree` is missing"),
        ("\"num_class\":\"0\"", "\"num_class\":\"4294967295\"", "4294967295 classes"),
        ("\"num_class\":\"0\"", "\"num_class\":\"-1\"", "no whole number"),
        ("\"num_feature\":\"2\"", "\"num_feature\":\"4294967295\"", "4294967295 features"),
        ("\"num_feature\":\"2\"", "\"num_feature\":\"3\"", "2 names for 3"),
        ("b\\u00e9", "a", "two features have the name `a`"),
        ("b\\u00e9", "b\\ud800", "surrogate"),
        ("\"base_score\":\"5E-1\"", "\"base_score\":\"half\"", "\"half\""),
        ("\"base_score\":\"5E-1\"", "\"base_score\":\"[1,2]\"", "2 base scores for 1"),
        ("\"base_score\":\"5E-1\"", "\"base_score\":\"NaN\"", "base score NaN"),
        ("\"num_trees\":\"1\"", "\"num_trees\":\"4000000000\"", "announces 4000000000 trees"),
        ("\"tree_info\":[0]", "\"tree_info\":[1]", "score 1, there are 1"),
        ("\"tree_info\":[0]", "\"tree_info\":[]", "of 0 what they add to"),
        ("\"tree_info\":[0]", "\"tree_info\":[-1]", "the score -1"),
        ("\"tree_info\":[0]", "\"weight_drop\":[1,1],\"tree_info\":[0]", "2 weights for 1 trees"),
        ("\"num_nodes\":\"5\"", "\"num_nodes\":\"4000000000\"", "announces 4000000000"),
        ("\"size_leaf_vector\":\"1\"", "\"size_leaf_vector\":\"3\"", "multi_output_tree"),
        ("[1,3,-1,-1,-1]", "[1,3,-1,-1]", "`right_children` has 5 values for 4"),
        ("[1,3,-1,-1,-1]", "[0,3,-1,-1,-1]", "two nodes lead to node 0"),
        ("[1,3,-1,-1,-1]", "[1,2,-1,-1,-1]", "two nodes lead to node 2"),
        ("[1,3,-1,-1,-1]", "[1,7,-1,-1,-1]", "node 7 is out of range"),
        ("[1,3,-1,-1,-1]", "[1,-2,-1,-1,-1]", "children -2 and 4"),
        ("[1,3,-1,-1,-1]", "[1,3e9,-1,-1,-1]", "node 3000000000 is out of range"),
        ("[1,3,-1,-1,-1]", "[1,3e19,-1,-1,-1]", "children 30000000000000000000"),
        ("[1,3,-1,-1,-1]", "[1,NaN,-1,-1,-1]", "children NaN"),
        ("[2,4,-1,-1,-1]", "[2,-1,-1,-1,-1]", "children 3 and -1"),
        ("[0,1,0,0,0],\"split_c", "[0,2,0,0,0],\"split_c", "feature 2, there are 2"),
        ("[0,1,0,0,0],\"split_c", "[0,1.5,0,0,0],\"split_c", "feature 1.5"),
        ("[5E-1,0,3,1,2]", "[NaN,0,3,1,2]", "threshold NaN"),
        ("[5E-1,0,3,1,2]", "[5E-1,0,Infinity,1,2]", "leaf of the value inf"),
        ("[0,1,0,0,0],\n", "[0,2,0,0,0],\n", "split type 2"),
        ("[0,1,0,0,0],\n", "[1,1,0,0,0],\n", "node 0 has no categories"),
        ("\"categories_nodes\":[1]", "\"categories_nodes\":[1,1]", "differ in length"),
        ("\"categories_segments\":[0]", "\"categories_segments\":[1]", "out of range"),
        ("\"categories_sizes\":[2]", "\"categories_sizes\":[0]", "out of range"),
        ("\"categories\":[0,2]", "\"categories\":[0,16777216]", "category 16777216"),
        ("\"categories\":[0,2]", "\"categories\":[0,-2]", "category -2"),
        ("\"categories\":[0,2]", "\"categories\":[0,\"2\"]", "a list of numbers and other values"),
        ("\"tree_info\"", "\"cats\":{\"enc\":[{\"values\":[]}]},\"tree_info\"", "about 1 features"),
        ("\"version\":[2,1,0]}", "\"version\":[2,1,0]", "ends where `}` is expected"),
        ("\"version\":[2,1,0]}", "\"version\":[2,1,0]}}", "after the end"),
    ] {
        assert!(FILE.contains(from), "{from}");
        let message = refusal(FILE.replacen(from, to, 1).as_bytes());
        assert!(message.contains(part), "{to:?}: {message}");
    }
}

#[test]
fn categories_that_make_no_sense_are_refused() {
    let with = |column: &str| {
        let cats = format!("\"cats\":{{\"enc\":[{{\"values\":[]}},{column}]}},\"tree_info\"");
        FILE.replacen("\"tree_info\"", &cats, 1).into_bytes()
    };
    for (column, part) in [
        (r#"{"values":[3,4,3]}"#, "\"3\" is there twice"),
        (r#"{"values":[0.5]}"#, "category 0.5"),
        (r#"{"values":[NaN]}"#, "category NaN"),
        (r#"{"values":[120,121],"offsets":[0,3]}"#, "offset out of range"),
        (r#"{"values":[120,121],"offsets":[2,1]}"#, "offset out of range"),
        (r#"{"values":[120,121],"offsets":[-1,1]}"#, "offset out of range"),
        (r#"{"values":[-1,121],"offsets":[0,1]}"#, "not UTF-8"),
        (r#"{"values":[1e99,0.5],"offsets":[0,1]}"#, "byte out of range"),
        (r#"{"offsets":[0,1]}"#, "`values` is missing"),
    ] {
        let message = refusal(&with(column));
        assert!(message.contains(part), "{column}: {message}");
    }
    score(&XgBoost::load(&with(r#"{"values":[120,-61,-87],"offsets":[0,1,3]}"#)).unwrap());
    score(&XgBoost::load(&with(r#"{"values":[-7,2008],"type":13}"#)).unwrap());
}

#[test]
fn sets_of_categories_take_no_more_memory_than_allowed() {
    // Each of 40 splits asks for a set of 2 MiB with one number.
    let list = |value: &dyn Fn(usize) -> String| (0..81).map(value).collect::<Vec<_>>().join(",");
    let left = list(&|at| if at < 40 { (2 * at + 1).to_string() } else { "-1".into() });
    let right = list(&|at| if at < 40 { (2 * at + 2).to_string() } else { "-1".into() });
    let zeros = list(&|_| "0".into());
    let kinds = list(&|at| u8::from(at < 40).to_string());
    let first = |value: &dyn Fn(usize) -> String| (0..40).map(value).collect::<Vec<_>>().join(",");
    let tree = format!(
        r#"{{"left_children":[{left}],"right_children":[{right}],"split_indices":[{zeros}],"split_conditions":[{zeros}],"default_left":[{zeros}],"split_type":[{kinds}],"categories_nodes":[{}],"categories_segments":[{}],"categories_sizes":[{}],"categories":[{}]}}"#,
        first(&|at| at.to_string()),
        first(&|at| at.to_string()),
        first(&|_| "1".into()),
        first(&|_| "16777215".into()),
    );
    let (from, to) = (FILE.find("[{\"base_w").unwrap() + 1, FILE.find("]},\"name\":\"gbtree\"").unwrap());
    let message = refusal(format!("{}{tree}{}", &FILE[..from], &FILE[to..]).as_bytes());
    assert!(message.contains("64 MiB"), "{message}");
}

#[test]
fn a_tree_that_is_one_long_path_scores() {
    let splits = 200_000_usize;
    let list = |value: &dyn Fn(usize) -> i64| {
        (0..2 * splits + 1).map(|at| value(at).to_string()).collect::<Vec<_>>().join(",")
    };
    let left = list(&|at| if at >= splits { -1 } else { at as i64 + 1 });
    let right = list(&|at| if at >= splits { -1 } else { (splits + 1 + at) as i64 });
    let (conditions, zeros) = (list(&|at| -(at as i64)), list(&|_| 0));
    let tree = format!(
        r#"{{"left_children":[{left}],"right_children":[{right}],"split_indices":[{zeros}],"split_conditions":[{conditions}],"default_left":[{}]}}"#,
        list(&|_| 1)
    );
    let (from, to) = (FILE.find("[{\"base_w").unwrap() + 1, FILE.find("]},\"name\":\"gbtree\"").unwrap());
    score(&XgBoost::load(format!("{}{tree}{}", &FILE[..from], &FILE[to..]).as_bytes()).unwrap());
}

#[test]
fn what_lies_too_deep_or_is_announced_too_long_is_refused() {
    for open in ["[", "{\"trees\":", "{\"x\":"] {
        let deep = format!("{{\"learner\":{}", open.repeat(500_000));
        assert!(refusal(deep.as_bytes()).contains("in each other"), "{open}");
    }
    let member = |value: &[u8]| [b"{U\x07learner".as_slice(), value].concat();
    for open in [b"[".as_slice(), b"{U\x01x", b"{U\x05trees", b"[#U\x01", b"{#U\x01U\x01x"] {
        let message = refusal(&member(&open.repeat(500_000)));
        assert!(message.contains("in each other"), "{open:?}: {message}");
    }
    for (value, part) in [
        (b"[$d#L\x7f\xff\xff\xff\xff\xff\xff\xff".as_slice(), "9223372036854775807 is announced"),
        (b"[$L#L\xff\xff\xff\xff\xff\xff\xff\xff", "-1 is announced"),
        (b"[$L#U\x04123456789", "32 more bytes"),
        (b"[$Z#l\x7f\xff\xff\xff", "one type 'Z'"),
        (b"[$dL", "no length"),
        (b"[#l\x7f\xff\xff\xff", "2147483647 is announced"),
        (b"S#", "a length can't begin"),
        (b"SU\x02\xc3\x28", "not UTF-8"),
        (b"HU\x03abc", "no number"),
        (b"{$", "objects of one type"),
        (b"?", "begins no value"),
        (b"", "ends where"),
    ] {
        let message = refusal(&member(value));
        assert!(message.contains(part), "{value:?}: {message}");
    }
    assert!(refusal(b"{\"learner\":\"\\u12").contains("hexadecimal"));
    assert!(refusal(b"{\"learner\":\"x").contains("within a text"));
    assert!(refusal(b"{\"learner\":+1}").contains("a value is expected"));
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    for (file, step) in [("categories.ubj", 3), ("multi-softprob.json", 2), ("nameless.ubj", 1)] {
        let bytes = data(file);
        for end in (0..bytes.len()).step_by(step).chain([bytes.len() - 1]) {
            assert!(XgBoost::load(&bytes[..end]).is_err(), "{file} cut at {end}");
        }
    }
}

#[test]
fn changed_bytes_are_refused_or_score_without_a_panic() {
    let (mut state, mut refused) = (11, 0);
    for file in ["categories.ubj", "categories.json", "dart.json", "codes.ubj", "multi-softprob.ubj"] {
        let whole = data(file);
        let text = file.ends_with("json");
        for _ in 0..1_500 {
            let mut bytes = whole.clone();
            for _ in 0..1 + random(&mut state) % 3 {
                let at = random(&mut state) % bytes.len();
                // In a text, digits and signs change meaning, most others only spoil it.
                let odd = b"0123456789-,[]{}\"E\xff";
                bytes[at] = if text { odd[random(&mut state) % odd.len()] } else { random(&mut state) as u8 };
            }
            match XgBoost::load(&bytes) {
                Ok(model) => score(&model),
                Err(_) => refused += 1,
            }
        }
    }
    assert!(refused > 1_000, "{refused}");
}
