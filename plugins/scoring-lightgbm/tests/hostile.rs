//! Files that are broken, by chance and on purpose: refused with what is wrong,
//! or scored, and never a panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::fmt::Write as _;

use modelyard_sdk::prelude::{Datatype, Scoring, Tensor};
use scoring_lightgbm::plugin::LightGbm;

const FILE: &str = "tree
version=v4
num_class=1
num_tree_per_iteration=1
label_index=0
max_feature_idx=1
objective=regression
feature_names=a b
feature_infos=[0:1] 0:1:2
tree_sizes=300

Tree=0
num_leaves=3
num_cat=1
split_feature=0 1
threshold=0.5 0
decision_type=2 1
left_child=1 -1
right_child=-3 -2
leaf_value=1 2 3
cat_boundaries=0 1
cat_threshold=5
is_linear=0
shrinkage=1


end of trees

parameters:
[boosting: gbdt]
end of parameters
";

/// The same numbers every time.
fn random(state: &mut u64) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as usize
}

/// Scores rows that are odd in every way; every walk has to end.
fn score(model: &LightGbm) {
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
    LightGbm::load(bytes).map(|_| ()).unwrap_err().message()
}

/// The file with the texts of its categories, and two trees of it.
fn larger() -> String {
    let (from, to) = (FILE.find("num_leaves").unwrap(), FILE.find("end of trees").unwrap());
    let more = format!("Tree=1\n{}end of trees", &FILE[from..to]);
    let file = FILE.replacen("end of trees", &more, 1).replacen("tree_sizes=300", "tree_sizes=300 300", 1);
    format!("{file}\npandas_categorical:[[\"x\", \"2008\", \"Gentoo\"]]\n")
}

#[test]
fn the_plain_file_scores() {
    let model = LightGbm::load(FILE.as_bytes()).unwrap();
    let answer = model
        .predict(&[
            Tensor::vector("a", vec![0.5, 0.5, 0.5, 0.6, f64::NAN]),
            Tensor::vector("b", vec![2.0, 1.0, f64::NAN, 0.0, -0.9]),
        ])
        .unwrap();
    assert_eq!(answer[0].numbers().unwrap().as_ref(), [1.0, 2.0, 2.0, 3.0, 1.0]);
    score(&model);
}

#[test]
fn every_fault_is_named() {
    for (from, to, part) in [
        ("tree\nversion", "forest\nversion", "`tree` is expected"),
        ("version=v4", "version=v9", "\"v9\""),
        ("objective=regression", "objective=poison", "`poison`"),
        ("objective=regression", "objective=binary sigmoid:-1", "sigmoid"),
        ("objective=regression", "objective=multiclass num_class:3", "1 scores"),
        ("iteration=1", "iteration=4294967295", "4294967295 trees for an iteration"),
        ("iteration=1", "iteration=0", "0 trees for an iteration"),
        ("max_feature_idx=1", "max_feature_idx=4294967295", "features"),
        ("max_feature_idx=1", "max_feature_idx=2", "2 names for 3"),
        ("feature_names=a b", "feature_names=a a", "two features have the name `a`"),
        ("tree_sizes=300", "tree_sizes=300 300", "2 trees are announced"),
        ("Tree=0", "Tree=7", "tree 0 is expected"),
        ("num_leaves=3", "num_leaves=0", "no leaves"),
        ("num_leaves=3", "num_leaves=4294967295", "4294967295 are announced"),
        ("num_leaves=3", "num_leaves=-3", "no whole number"),
        ("num_cat=1", "num_cat=4294967295", "are announced"),
        ("cat_boundaries=0 1", "cat_boundaries=0 4294967295", "4294967295 are announced"),
        ("cat_boundaries=0 1", "cat_boundaries=2 1", "out of range"),
        ("cat_boundaries=0 1", "cat_boundaries=0 -1", "\"-1\""),
        ("split_feature=0 1", "split_feature=0 2", "feature 2, there are 2"),
        ("split_feature=0 1", "split_feature=0", "`split_feature` has 1 values"),
        ("threshold=0.5 0", "threshold=nan 0", "threshold NaN"),
        ("threshold=0.5 0", "threshold=inf 0", "threshold inf"),
        ("threshold=0.5 0", "threshold=0.5 1", "set of categories 1"),
        ("threshold=0.5 0", "threshold=0.5 -1e300", "set of categories"),
        ("decision_type=2 1", "decision_type=14 1", "missing type 3"),
        ("decision_type=2 1", "decision_type=300 1", "\"300\""),
        ("left_child=1 -1", "left_child=0 -1", "two nodes lead to node 0"),
        ("left_child=1 -1", "left_child=1 0", "two nodes lead to node 0"),
        ("left_child=1 -1", "left_child=2 -1", "child 2, out of range"),
        ("left_child=1 -1", "left_child=-2 -1", "2 of its 5 nodes can't be reached"),
        ("right_child=-3 -2", "right_child=-3 -2147483648", "child -2147483648, out of range"),
        ("right_child=-3 -2", "right_child=-3 -1", "two nodes lead to node 2"),
        ("leaf_value=1 2 3", "leaf_value=1 NaN 3", "leaf of the value NaN"),
        ("is_linear=0", "is_linear=1", "linear_tree"),
        ("v4", "v2\naverage_output\nobjective=poisson", "random forest of version v2"),
        ("end of trees", "", "`end of trees`"),
        ("end of parameters", "", "`end of parameters`"),
    ] {
        assert!(FILE.contains(from), "{from}");
        let message = refusal(FILE.replacen(from, to, 1).as_bytes());
        assert!(message.contains(part), "{to:?}: {message}");
    }
}

#[test]
fn categories_that_make_no_sense_are_refused() {
    for (json, part) in [
        (r#"[["x","y","x"]]"#, "\"x\" is there twice"),
        (r#"[["x",null]]"#, "category null"),
        (r#"[["x"],["y"]]"#, "unordered"),
        (r#"{"a":1}"#, "no list of lists"),
        ("[[1,2", "no list of lists"),
    ] {
        let message = refusal(format!("{FILE}\npandas_categorical:{json}\n").as_bytes());
        assert!(message.contains(part), "{json}: {message}");
    }
    let deep = "[".repeat(1_000_000);
    assert!(refusal(format!("{FILE}\npandas_categorical:{deep}\n").as_bytes()).contains("no list of lists"));
    let many: Vec<usize> = (0..70_000).collect();
    let many = format!("{FILE}\npandas_categorical:[{many:?}]\n");
    assert!(refusal(many.as_bytes()).contains("65536 is the most"));
    for json in ["null", "[]", "[[true,\"\",7]]"] {
        score(&LightGbm::load(format!("{FILE}\npandas_categorical:{json}\n").as_bytes()).unwrap());
    }
}

#[test]
fn a_tree_that_is_one_long_path_scores() {
    let splits = 200_000;
    let mut lists = [String::new(), String::new(), String::new(), String::new(), String::new()];
    for at in 0..splits {
        write!(lists[0], "{} ", at % 2).unwrap();
        write!(lists[1], "{} ", splits - at).unwrap();
        lists[2].push_str("2 ");
        write!(lists[3], "{} ", if at + 1 < splits { at + 1 } else { -1 }).unwrap();
        write!(lists[4], "{} ", -at - 2).unwrap();
    }
    let [features, thresholds, decisions, left, right] = lists;
    let values = "1 ".repeat(splits as usize + 1);
    let start = FILE.find("num_leaves").unwrap();
    let file = format!(
        "{}num_leaves={}\nnum_cat=0\nsplit_feature={features}\nthreshold={thresholds}\ndecision_type={decisions}\nleft_child={left}\nright_child={right}\nleaf_value={values}\n\nend of trees\n",
        &FILE[..start],
        splits + 1
    );
    score(&LightGbm::load(file.as_bytes()).unwrap());
}

#[test]
fn a_file_cut_anywhere_before_the_end_of_its_trees_is_refused() {
    let text = larger();
    let bytes = text.as_bytes();
    score(&LightGbm::load(bytes).unwrap());
    let whole = text.find("end of trees").unwrap() + "end of trees".len();
    for end in 0..whole {
        assert!(LightGbm::load(&bytes[..end]).is_err(), "cut at {end}");
    }
    // After that it may be cut at a line that nothing says was the last but one.
    for end in whole..bytes.len() {
        if let Ok(model) = LightGbm::load(&bytes[..end]) {
            score(&model);
        }
    }
}

#[test]
fn changed_bytes_are_refused_or_score_without_a_panic() {
    let (mut state, mut refused) = (11, 0);
    for file in [FILE.to_owned(), larger()] {
        let whole = file.into_bytes();
        for _ in 0..5_000 {
            let mut bytes = whole.clone();
            for _ in 0..1 + random(&mut state) % 3 {
                let at = random(&mut state) % bytes.len();
                // Digits and signs change meaning, most others only spoil it.
                let odd = b"0123456789-= \n.e\xff";
                bytes[at] = odd[random(&mut state) % odd.len()];
            }
            match LightGbm::load(&bytes) {
                Ok(model) => score(&model),
                Err(_) => refused += 1,
            }
        }
    }
    assert!(refused > 1_000, "{refused}");
}
