//! What the fuzzer begins with: the files of the plugins' own tests, which are
//! not kept twice. Each target writes its own into the directory that
//! `FUZZ_SEEDS` names, before libFuzzer looks there.

use std::fs;
use std::path::{Path, PathBuf};

use modelyard_sdk::learn::{Head, Input, Kind, Task, gbdt, linear};

/// LightGBM's text files.
pub fn lightgbm() {
    copy("scoring-lightgbm", "txt");
}

/// XGBoost's files of one ending.
pub fn xgboost(ending: &str) {
    copy("scoring-xgboost", ending);
}

/// Whole ONNX models, and one of each operator.
pub fn onnx() {
    copy("scoring-onnx", "onnx");
    let cases = fs::read(data("scoring-onnx").join("operators.json")).expect("the operators' cases");
    let cases: Vec<serde_json::Value> = serde_json::from_slice(&cases).expect("JSON");
    for (number, case) in cases.iter().enumerate() {
        let hex = case["model"].as_str().expect("a model").as_bytes();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let model: Option<Vec<u8>> = hex.chunks_exact(2).map(byte).collect();
        write(&format!("operator-{number}"), &model.expect("hexadecimal digits"));
    }
}

/// A model of each kind and task.
pub fn artifact() {
    let classes = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let category = Kind::Category(classes(&["a", "b", "c"]));
    let inputs = || {
        let kinds = [("x", Kind::Float), ("n", Kind::Integer), ("b", Kind::Boolean), ("c", category.clone())];
        kinds.map(|(name, kind)| Input { name: name.into(), kind }).to_vec()
    };
    let tree = gbdt::Tree {
        nodes: vec![
            gbdt::Node::Number { input: 0, threshold: 0.5, missing_left: true, right: 4 },
            gbdt::Node::Category { input: 3, left: vec![5], missing_left: false, right: 3 },
            gbdt::Node::Leaf { value: 1.0 },
            gbdt::Node::Leaf { value: -1.0 },
            gbdt::Node::Leaf { value: 2.5 },
        ],
    };
    for (number, (task, names)) in [
        (Task::Binary, classes(&["no", "yes"])),
        (Task::Multiclass, classes(&["1", "2", "5"])),
        (Task::Regression, vec![]),
    ]
    .into_iter()
    .enumerate()
    {
        let head = Head { task, target: "y".into(), integers: names.len() == 3, classes: names };
        let scores = head.scores();
        let each = |value: f64| vec![value; scores];
        let trees = vec![tree.clone(); 2 * scores];
        let model = gbdt::Model { head: head.clone(), inputs: inputs(), base: each(0.25), trees };
        write(&format!("gbdt-{number}"), &gbdt::format::encode(&model));
        let number_term = || linear::Term::Number { fill: 2.0, slope: each(3.0), missing: each(0.5) };
        let terms = vec![
            number_term(),
            number_term(),
            number_term(),
            linear::Term::Category { by_category: vec![1.0; 4 * scores] },
        ];
        let model = linear::Model { head, inputs: inputs(), terms, intercept: each(1.0) };
        write(&format!("linear-{number}"), &linear::format::encode(&model));
    }
}

/// Small files of every kind, under each way of reading.
pub fn csv() {
    let penguins = fs::read(root().join("examples/penguins/penguins-raw.csv")).expect("the penguins");
    let penguins: Vec<u8> = penguins.split_inclusive(|byte| *byte == b'\n').take(6).flatten().copied().collect();
    let files: [&[u8]; 8] = [
        &penguins,
        b"id,x,ok,when,name\n1,1.5,true,2013-01-01T10:00:00Z,Ann\n2,NA,,2013-01-02,\"NA\"\n",
        b"\xef\xbb\xbfa;b\r\n\"x;\r\ny\";\"say \"\"hi\"\"\"\r\n\r\n\"\";z\r\n",
        b"a,b\n1,2\n3\n4,5,6\n\"7,8\n9,\"0\"x\n",
        b"y,m,d,h,a,b\n2013,1,31,24,1e308,true\n2013,2,30,0,-inf,no\n",
        b"1,01/02/03 04:05:06.7\n2,31/12/99 23:59:60\n",
        b"a\tb\n'1\t2'\t3\n",
        b"a\n\n\n1\n9223372036854775808\n",
    ];
    each_way("file", &files, 7);
    each_way("gzip", &[&gzip(&penguins)], 7);
}

/// Lines, documents and pages, under each way of reading.
pub fn json() {
    let files: [&[u8]; 7] = [
        b"{\"id\": 1, \"user\": {\"name\": \"Ann\", \"geo\": {\"lat\": 1.5}}, \"tags\": [1, {}]}\n\n{\"id\": 2, \"late\": 3}\n",
        b"[{\"a\": 1, \"b\": {\"c\": 1700000000000}}, {\"a\": \"x\"}, 3, null, {\"a\": 1e400}]",
        b"{\"skip\": [\"]\"], \"data\": [0, {\"a/b\": [{\"n\": 1}, {\"s\": \"\\u00e9\\\\\\\"]\"}]}], \"z\": 1}",
        b"{\"data\": [{\"n\": 1}], \"next\": \"file:///in?page=2\"}",
        b"{\"data\": [], \"next\": null}",
        b"[{\"a.b\": 1, \"a\": {\"b\": 2}}, {\"a\": 5",
        b"{\"a\": 9223372036854775808, \"b\": -0.0, \"c\": true}\r\n{\"a\": []}\n",
    ];
    each_way("file", &files, 8);
    each_way("gzip", &[&gzip(files[0])], 8);
}

/// Parameters and cursors as they are.
pub fn parameters() {
    let fingerprint = r#"{"head":14695981039346656037,"tail":14695981039346656037}"#;
    let csv = r#"{"url": "file:///in", "delimiter": "tab", "quote": "'", "header": false, "names": ["a", "b"], "encoding": "cp1252", "compression": "none", "columns": {"a": "int"}, "sample_rows": 3, "nulls": ["-"], "quoted_nulls": true, "timestamps": {"b": {"format": "%Y-%m-%dT%H:%M:%S%.f%:z", "zone": "+01:00"}}, "on_type_change": "widen", "max_rejected": 0.5, "on_replaced": "restart", "max_record_bytes": 64}"#;
    let composed = r#"{"url": "file:///in", "timestamps": {"t": {"from": ["y", "m", "d"], "zone": "Z"}, "u": "unix_us"}}"#;
    let json = r#"{"url": "file:///in", "format": "ndjson", "records": "/data/0", "paging": {"by": "page", "parameter": "p", "start": 0, "size": 2}, "columns": {"a.b": "timestamp"}, "timestamps": {"a.b": "%s"}, "max_page_bytes": 100}"#;
    let cursor = format!(
        r#"{{"v":1,"url":"file:///in","version":"0","position":4,"fingerprint":{fingerprint},"row":1,"rejected":0,"unterminated":true,"done":false,"columns":[["a","s64"]],"sampled":true}}"#
    );
    let place = format!(
        r#"{{"v":1,"url":"file:///in","place":{{"file":{{"version":"0","position":3,"fingerprint":{fingerprint},"document":true}}}},"row":1,"rejected":0,"done":false,"columns":[["a","utf8"]]}}"#
    );
    let page = r#"{"v":1,"url":"file:///in","place":{"page":{"url":"file:///in","number":1,"index":1}},"row":1,"rejected":0,"done":false,"columns":[]}"#;
    for (number, (parameters, cursor, content)) in [
        (csv, "", "1\t2013-01-01T10:00:00\n"),
        (csv, &*cursor, "a\tb\n1\tx\n"),
        (composed, "", "y,m,d,u\n2013,1,2,1700000000\n"),
        (r#"{"url": "file:///in"}"#, &*cursor, "a\n1\n2\n"),
        (r#"{"url": "file:///in"}"#, &*place, "[{\"a\": 1}, {\"a\": 2}]"),
        (json, page, "{\"data\": [[{\"a\": {\"b\": 5}}]]}"),
        (json, "", "{\"data\": [[]]}"),
    ]
    .into_iter()
    .enumerate()
    {
        write(&format!("seed-{number}"), format!("{parameters}\0{cursor}\0{content}").as_bytes());
    }
}

/// Files with two bytes in front: a way of reading, and how many rows.
fn each_way(name: &str, files: &[&[u8]], ways: u8) {
    for (number, file) in files.iter().enumerate() {
        for way in 0..ways {
            write(&format!("{name}-{number}-{way}"), &[&[way, 1], *file].concat());
        }
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn data(plugin: &str) -> PathBuf {
    root().join("plugins").join(plugin).join("tests/data")
}

/// The files of a plugin's tests that have an ending.
fn copy(plugin: &str, ending: &str) {
    for entry in fs::read_dir(data(plugin)).expect("the plugin's test data") {
        let path = entry.expect("a directory entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.ends_with(&format!(".{ending}")) && name != "expected.json" {
            write(name, &fs::read(&path).expect("a file of test data"));
        }
    }
}

fn write(name: &str, bytes: &[u8]) {
    let Some(directory) = std::env::var_os("FUZZ_SEEDS").map(PathBuf::from) else { return };
    fs::create_dir_all(&directory).expect("the directory of seeds");
    fs::write(directory.join(name), bytes).expect("a seed");
}
