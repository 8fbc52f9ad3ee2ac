//! The format under hostile bytes, and scoring against a plain walk of the trees.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use modelyard_sdk::learn::gbdt::{Forest, Model, Node, Tree, format};
use modelyard_sdk::learn::{Head, Input, Kind, Rows, Task};
use modelyard_sdk::prelude::{Scoring, Tensor, TensorData};
use scoring_gbdt::plugin::Gbdt;

/// The same numbers every time.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

fn model(task: Task, trees: usize) -> Model {
    let classes: Vec<String> = match task {
        Task::Binary => vec!["no".into(), "yes".into()],
        Task::Multiclass => vec!["1".into(), "2".into(), "5".into()],
        Task::Regression => Vec::new(),
    };
    let head = Head { task, target: "y".into(), integers: task == Task::Multiclass, classes };
    let categories = (0..100).map(|c| format!("c{c:02}")).collect();
    let inputs = vec![
        Input { name: "x".into(), kind: Kind::Float },
        Input { name: "n".into(), kind: Kind::Integer },
        Input { name: "b".into(), kind: Kind::Boolean },
        Input { name: "c".into(), kind: Kind::Category(categories) },
    ];
    let mut state = 1;
    let base = vec![0.25; head.scores()];
    let trees = (0..trees * base.len()).map(|_| tree(&mut state)).collect();
    Model { head, inputs, base, trees }
}

fn tree(state: &mut u64) -> Tree {
    fn grow(state: &mut u64, depth: u32, nodes: &mut Vec<Node>) {
        let missing_left = random(state).is_multiple_of(2);
        if depth == 0 || random(state).is_multiple_of(5) {
            nodes.push(Node::Leaf { value: random(state) as f64 / 1e9 - 1.0 });
            return;
        }
        let at = nodes.len();
        let input = (random(state) % 4) as u32;
        nodes.push(if input == 3 {
            let mut left: Vec<u8> = (0..13).map(|_| random(state) as u8).collect();
            left[12] &= 0x0f;
            Node::Category { input, left, missing_left, right: 0 }
        } else {
            Node::Number {
                input,
                threshold: (random(state) % 100) as f64 / 50.0 - 1.0,
                missing_left,
                right: 0,
            }
        });
        grow(state, depth - 1, nodes);
        let next = nodes.len() as u32;
        if let Node::Number { right, .. } | Node::Category { right, .. } = &mut nodes[at] {
            *right = next;
        }
        grow(state, depth - 1, nodes);
    }
    let mut nodes = Vec::new();
    grow(state, 6, &mut nodes);
    Tree { nodes }
}

/// One tree by the letter of the model.
fn walk(tree: &Tree, row: &[f64]) -> f64 {
    let mut at = 0;
    loop {
        let (left, right) = match &tree.nodes[at] {
            Node::Leaf { value } => return *value,
            Node::Number { input, threshold, missing_left, right } => {
                let x = row[*input as usize];
                (if x.is_nan() { *missing_left } else { x <= *threshold }, *right)
            }
            Node::Category { input, left, missing_left, right } => {
                let c = row[*input as usize] as usize;
                (if c >= 100 { *missing_left } else { left[c / 8] >> (c % 8) & 1 == 1 }, *right)
            }
        };
        at = if left { at + 1 } else { right as usize };
    }
}

fn rows(count: usize) -> Rows {
    let mut state = 99;
    let mut values = Vec::new();
    for _ in 0..count {
        let mut number = || {
            let r = random(&mut state);
            match r % 10 {
                0 => f64::NAN,
                1 => f64::INFINITY,
                2 => f64::NEG_INFINITY,
                _ => (r % 1000) as f64 / 400.0 - 1.2,
            }
        };
        let (x, n) = (number(), number());
        values.extend([x, n, (random(&mut state) % 2) as f64, (random(&mut state) % 101) as f64]);
    }
    Rows { rows: count, values }
}

#[test]
fn the_forest_says_what_the_trees_say_in_batches_of_any_size() {
    for task in [Task::Binary, Task::Multiclass, Task::Regression] {
        let model = model(task, 37);
        let (forest, k) = (Forest::new(&model), model.base.len());
        let all = rows(203);
        let scores = forest.score(&all);
        for (row, scores) in all.values.chunks(4).zip(scores.chunks(k)) {
            let mut expected = model.base.clone();
            model.trees.iter().enumerate().for_each(|(i, tree)| expected[i % k] += walk(tree, row));
            assert_eq!(scores, expected, "a plain walk");
            assert_eq!(scores, forest.score(&Rows { rows: 1, values: row.to_vec() }), "the row alone");
        }
    }
}

#[test]
fn what_is_written_is_read() {
    for task in [Task::Binary, Task::Multiclass, Task::Regression] {
        let model = model(task, 5);
        assert_eq!(format::decode(&format::encode(&model)).unwrap(), model);
    }
}

#[test]
fn an_artifact_cut_anywhere_is_refused() {
    let bytes = format::encode(&model(Task::Binary, 3));
    for end in 0..bytes.len() {
        assert!(format::decode(&bytes[..end]).is_err(), "cut at {end}");
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert!(format::decode(&longer).unwrap_err().message().contains("after the end"));
    assert!(format::decode(b"modelyard-linear-1....").unwrap_err().message().contains("modelyard-gbdt-1"));
}

#[test]
fn flipped_bytes_are_refused_or_score_without_a_panic() {
    let bytes = format::encode(&model(Task::Multiclass, 4));
    let (mut state, mut refused, batch) = (7, 0, rows(9));
    for _ in 0..4_000 {
        let mut bytes = bytes.clone();
        for _ in 0..1 + random(&mut state) % 3 {
            let at = random(&mut state) as usize % bytes.len();
            bytes[at] = random(&mut state) as u8;
        }
        match format::decode(&bytes) {
            Ok(model) if model.inputs.len() == 4 => {
                let scores = Forest::new(&model).score(&batch);
                assert_eq!(scores.len(), 9 * model.base.len());
            }
            Ok(_) => {}
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 200, "{refused}");
}

#[test]
fn absurd_counts_reserve_no_memory() {
    let model = model(Task::Regression, 1);
    let bytes = format::encode(&Model { trees: Vec::new(), ..model });
    // The last byte is the number of trees.
    let mut absurd = bytes[..bytes.len() - 1].to_vec();
    absurd.extend([0xff, 0xff, 0x3c]);
    assert!(format::decode(&absurd).unwrap_err().message().contains("trees are announced"));
}

fn tensors() -> Vec<Tensor> {
    vec![
        Tensor::vector("x", vec![0.5, f64::NAN]),
        Tensor::int64("n", [2], vec![1, 2]),
        Tensor::new("b", [2, 1], TensorData::Bool(vec![true, false])),
        Tensor::text("c", ["c01", "not seen"]),
    ]
}

fn loaded(task: Task) -> Gbdt {
    Gbdt::load(&format::encode(&model(task, 9))).unwrap()
}

#[test]
fn tensors_in_any_order_and_numeric_datatype_score_alike() {
    let gbdt = loaded(Task::Binary);
    let answer = gbdt.predict(&tensors()).unwrap();
    assert_eq!((answer[0].name.as_str(), answer[1].name.as_str()), ("probability", "label"));
    let p = answer[0].numbers().unwrap();
    assert!(p.iter().all(|p| (0.0..=1.0).contains(p)));
    for (p, label) in p.iter().zip(answer[1].texts().unwrap()) {
        assert_eq!(label, if *p >= 0.5 { "yes" } else { "no" });
    }
    let mut other = tensors();
    other.reverse();
    other[2] = Tensor::new("n", [2], TensorData::Uint8(vec![1, 2]));
    assert_eq!(gbdt.predict(&other).unwrap(), answer);
    let missing = |text: &str| {
        let mut tensors = tensors();
        tensors[3] = Tensor::text("c", ["c01", text]);
        gbdt.predict(&tensors).unwrap()
    };
    assert_eq!(missing(""), answer);
}

#[test]
fn signature_and_answers_go_with_the_task() {
    let gbdt = loaded(Task::Multiclass);
    let signature = gbdt.signature();
    assert_eq!(signature.inputs[3].labels.len(), 100);
    assert_eq!(signature.outputs[0].shape, [-1, 3]);
    assert_eq!(signature.outputs[1].labels, ["1", "2", "5"]);
    let answer = gbdt.predict(&tensors()).unwrap();
    assert_eq!(answer[0].shape, [2, 3]);
    assert!((answer[0].numbers().unwrap().iter().sum::<f64>() - 2.0).abs() < 1e-12);
    assert!(
        matches!(&answer[1].data, TensorData::Int64(labels) if labels.iter().all(|l| [1, 2, 5].contains(l)))
    );
    assert_eq!(loaded(Task::Regression).predict(&tensors()).unwrap()[0].name, "prediction");
    let none = [
        Tensor::vector("x", vec![]),
        Tensor::vector("n", vec![]),
        Tensor::vector("b", vec![]),
        Tensor::text::<String>("c", []),
    ];
    assert_eq!(gbdt.predict(&none).unwrap()[0].shape, [0, 3]);
}

#[test]
fn a_wrong_tensor_is_named_with_what_is_accepted() {
    let gbdt = loaded(Task::Binary);
    let refuse = |change: &dyn Fn(&mut Vec<Tensor>)| {
        let mut tensors = tensors();
        change(&mut tensors);
        gbdt.predict(&tensors).unwrap_err().message()
    };
    for (change, parts) in [
        (
            &(|t: &mut Vec<Tensor>| t[0].name = "z".into()) as &dyn Fn(&mut Vec<Tensor>),
            vec!["`x` is missing"],
        ),
        (&|t| t.push(Tensor::vector("z", vec![1.0, 2.0])), vec!["no input `z`", "`x`, `n`, `b`, `c`"]),
        (&|t| t.push(t[0].clone()), vec!["`x` is there twice"]),
        (&|t| t[0] = Tensor::text("x", ["1", "2"]), vec!["`x` has the datatype BYTES", "any numeric"]),
        (&|t| t[3] = Tensor::vector("c", vec![1.0, 2.0]), vec!["`c` has the datatype FP64", "BYTES"]),
        (&|t| t[2] = Tensor::vector("b", vec![0.0, 2.0]), vec!["`b` holds 2", "row 1"]),
        (&|t| t[0] = Tensor::fp64("x", [2, 2], vec![0.0; 4]), vec!["`x` has the shape [2, 2]", "[n]"]),
        (&|t| t[0] = Tensor::fp64("x", [-1], vec![0.0; 2]), vec!["shape [-1]"]),
        (&|t| t[1] = Tensor::vector("n", vec![0.0; 3]), vec!["`n` has 3 rows"]),
    ] {
        let message = refuse(change);
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    }
}
