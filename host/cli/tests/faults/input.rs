//! Wrong uploads, rows, sources and calls: refused with what is wrong, and
//! nothing comes of them.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::{
    configured, csv, ids,
    support::{Answer, Yard, answer, source, tensor},
};

/// A component with other words in the place of as many.
fn renamed(component: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = component.to_vec();
    for at in 0..=bytes.len() - from.len() {
        if bytes[at..].starts_with(from.as_bytes()) {
            bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        }
    }
    assert_ne!(bytes, component);
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_components_are_refused_with_their_fault() {
    let yard = Yard::start(&[]);
    let scoring = yard.component("scoring-linear").await;
    let newer = renamed(&scoring, "@0.1.0", "@9.9.0");
    let foreign = renamed(&scoring, "modelyard:lifecycle", "elsewhere:lifecycle");
    let before = yard.get("/plugins").await.ok();
    let cases: [(&str, &[u8], &str); 7] = [
        ("text", b"name: flights\nschedule: daily\n", "text file"),
        ("cut", &scoring[..scoring.len() / 2], "cut off"),
        ("core", b"\0asm\x01\0\0\0", "metadata"),
        ("stranger", b"\0asm\x0d\0\x01\0", "modelyard:lifecycle"),
        ("foreign", &foreign, "elsewhere:lifecycle/scoring"),
        ("newer", &newer, "9.9.0"),
        ("empty", b"", "empty"),
    ];
    for (name, bytes, told) in cases {
        let refused = yard.plugin(name, bytes, name).await;
        let (text, detail) = (refused.body.to_string(), refused.problem(400));
        assert!(text.contains(told), "{name}: {detail}");
        yard.get(&format!("/plugins/{name}")).await.problem(404);
    }
    let large = vec![0; (64 << 20) + 1];
    let request = yard.request(Method::POST, "/plugins?name=large").body(large);
    assert!(answer(request).await.problem(413).contains("64 MiB"));
    assert_eq!(yard.get("/plugins").await.ok(), before);
    assert_eq!(yard.unfinished(), Vec::<std::path::PathBuf>::new());
    yard.sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_rows_are_refused_or_kept_apart() {
    let yard = Yard::start(&[]);
    // Bad rows: kept apart with their place, the good ones taken.
    let late = csv(1..200_101).replace("\n200000,0\n", "\n200000,oops\n");
    let cases = [
        ("quote", "id,x\n1,2\n2,\"3\n3,4\n".to_owned(), 2, json!([2, "x"]), "no closing quote"),
        ("short", "id,x\n1,2\n2\n3,4\n".to_owned(), 2, json!([2, ""]), "too short"),
        ("late", late, 200_099, json!([200_000, "x"]), "\"oops\" is not of type s64"),
    ];
    for (name, text, rows, place, reason) in cases {
        let pulled = yard.rows(name, &text, None).await.ok();
        assert_eq!((&pulled["rows"], &pulled["rejected"]), (&json!(rows), &json!(1)), "{name}: {pulled}");
        assert_eq!(yard.row(&format!("SELECT count(*) FROM {name}")).await, json!([rows]));
        let columns = "\"row\", \"column\", reason";
        let kept = yard.row(&format!("SELECT {columns} FROM {name}_quarantine")).await;
        assert_eq!(json!([kept[0], kept[1]]), place, "{name}: {kept}");
        assert!(kept[2].as_str().unwrap().contains(reason), "{name}: {kept}");
        let files = yard.get(&format!("/ingestion/datasets/{name}/files?quarantine=true")).await.ok();
        assert_eq!(files["items"][0]["file"]["rows"], 1, "{files}");
    }
    // Files that are none: refused, and nothing comes to be.
    let utf16: Vec<u8> = "\u{feff}id,x\n1,2\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let cases: [(&str, &[u8], &str); 3] = [
        ("nothing", b"", "is empty"),
        ("wide", &utf16, "UTF-16"),
        ("latin", b"id,x\n1,2\n2,caf\xe9\n", "row 2 is not utf-8 at byte"),
    ];
    for (name, bytes, told) in cases {
        let detail = answer(yard.upload(name, bytes.to_vec(), None)).await.problem(400);
        assert!(detail.contains(told), "{name}: {detail}");
        yard.get(&format!("/ingestion/datasets/{name}")).await.problem(404);
    }
    // Other columns than the data set's: refused, and it stays as it was.
    let changed = yard.rows("short", "id,z\n9,9\n", None).await.problem(409);
    assert!(changed.contains('z') && changed.contains("schema_policy"), "{changed}");
    assert_eq!(yard.row("SELECT count(*) FROM short").await, json!([2]));

    // The same request twice is one; the same key for another is refused.
    let rows = csv(1..51);
    let first = yard.rows("once", &rows, Some("k")).await;
    let again = yard.rows("once", &rows, Some("k")).await;
    assert!(!first.replayed && again.replayed);
    assert_eq!(first.ok(), again.ok());
    yard.rows("once", &csv(51..61), Some("k")).await.problem(422);
    yard.rows("twice", &rows, Some("k")).await.problem(422);
    assert_eq!(ids(&yard, "once").await, (50, 50));
    yard.get("/ingestion/datasets/twice").await.problem(404);
    // Without a key it is another request, whatever it holds.
    yard.rows("once", &rows, None).await.ok();
    assert_eq!(ids(&yard, "once").await, (100, 50));
    yard.sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_is_one_run_also_when_it_comes_several_times_at_once() {
    let yard = Yard::start(&[]);
    let runs = async || {
        let runs = yard.get("/experiments/runs?experiment=side").await.ok();
        runs["items"].as_array().unwrap().len()
    };
    let before = runs().await;
    let train = |key: &str| {
        let request = yard.request(Method::POST, "/experiments/side/runs?wait=true");
        answer(request.header("idempotency-key", key).json(&json!({})))
    };
    // A run has no name of its own: nothing but the key tells one from two.
    let mut answers = Vec::new();
    for sending in [(); 6].map(|()| tokio::spawn(train("once"))) {
        answers.push(sending.await.unwrap());
    }
    let done: Vec<_> = answers.iter().filter(|answer| answer.status == 200 && !answer.replayed).collect();
    assert_eq!(done.len(), 1, "{answers:?}");
    for other in answers.iter().filter(|answer| answer.status != 200 || answer.replayed) {
        assert!(other.status == 409 || other.body == done[0].body, "{other:?}");
    }
    let again = train("once").await;
    assert!(again.replayed && again.body == done[0].body, "{again:?}");
    assert_eq!(runs().await, before + 1);
    train("another").await.ok();
    assert_eq!(runs().await, before + 2);
}

/// A source that begins to answer and says no more.
async fn stalling() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/stalls", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let begun = b"HTTP/1.1 200 OK\r\ncontent-length: 9000\r\n\r\nid,x\n1,2\n";
            let _ = stream.write_all(begun).await;
            held.push(stream);
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_sources_leave_nothing_behind() {
    let (_dir, config) = configured("[ingestion]\ntimeout_seconds = 1\n");
    let yard = Yard::start(&["--config", &config, "--ingest-host", "127.0.0.1"]);
    let cut = Arc::new(AtomicBool::new(true));
    let url = source(csv(1..2001), cut.clone()).await;
    let stalls = stalling().await;
    for (path, told) in
        [("fails", "answered 500"), ("hangs", "did not answer"), ("stalls", "ended"), ("cut", "ended")]
    {
        let url = if path == "stalls" { stalls.clone() } else { format!("{url}/{path}") };
        let parameters = json!({"url": url});
        let spec = json!({"name": path, "plugin": "ingestion-csv", "parameters": parameters});
        yard.put("/ingestion/sources", spec).await.ok();
        let detail =
            yard.post(&format!("/ingestion/sources/{path}/pull?wait=true"), json!({})).await.problem(503);
        assert!(detail.contains(told), "{path}: {detail}");
        let source = yard.get(&format!("/ingestion/sources/{path}")).await.ok();
        assert!(source["last_error"].as_str().unwrap().contains(told), "{source}");
        assert_eq!((&source["rows"], &source["cursor"]), (&json!(0), &Value::Null));
        yard.get(&format!("/ingestion/datasets/{path}")).await.problem(404);
    }
    cut.store(false, Relaxed);
    let pulled = yard.post("/ingestion/sources/cut/pull?wait=true", json!({})).await.ok();
    assert_eq!(pulled["rows"], 2000, "{pulled}");
    assert_eq!(ids(&yard, "cut").await, (2000, 2000));
    assert_eq!(yard.get("/ingestion/sources/cut").await.ok()["last_error"], Value::Null);
    let events = yard.get("/events?stage=ingestion").await.ok();
    assert_eq!(events.to_string().matches("dev.modelyard.ingestion.failed").count(), 4, "{events}");
    yard.sound().await;
}

/// The protocol's error with this status.
#[track_caller]
fn fault(answer: &Answer, status: u16, told: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    let error = answer.body["error"].as_str().unwrap_or_else(|| panic!("{answer:?}"));
    assert!(error.contains(told), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_calls_of_a_model_say_what_is_wrong_and_damaged_code_is_compiled_again() {
    let mut yard = Yard::start(&[]);
    let ask = |inputs: Value| yard.post("/v2/models/side/infer", json!({"inputs": inputs}));
    let (x1, x2) = (tensor("x1", json!([1.0])), tensor("x2", json!([1.0])));
    fault(&yard.post("/v2/models/nobody/infer", json!({"inputs": [x1]})).await, 404, "nobody");
    fault(&yard.post("/v2/models/side/versions/9/infer", json!({"inputs": [x1, x2]})).await, 404, "9");
    fault(&ask(json!([x1, tensor("y", json!([1.0]))])).await, 400, "\"y\"");
    fault(&ask(json!([x1])).await, 400, "x2");
    fault(&ask(json!([x1, x2, x1])).await, 400, "x1");
    let bytes = json!({"name": "x2", "shape": [1], "datatype": "BYTES", "data": ["a"]});
    fault(&ask(json!([x1, bytes])).await, 400, "x2");
    let unknown = json!({"name": "x2", "shape": [1], "datatype": "FP16", "data": [1]});
    fault(&ask(json!([x1, unknown])).await, 400, "FP16");
    let text = json!({"name": "x2", "shape": [1], "datatype": "FP64", "data": ["NaN"]});
    fault(&ask(json!([x1, text])).await, 400, "NaN");
    let wide = |name: &str| json!({"name": name, "shape": [1, 2], "datatype": "FP64", "data": [1, 2]});
    fault(&ask(json!([wide("x1"), wide("x2")])).await, 400, "shape");
    let short = json!({"name": "x2", "shape": [2], "datatype": "FP64", "data": [1]});
    fault(&ask(json!([x1, short])).await, 400, "2 elements");
    fault(&ask(json!([x1, tensor("x2", json!([1.0, 2.0]))])).await, 400, "x2");
    let five = json!([1, 2, 3, 4, 5]);
    fault(&ask(json!([tensor("x1", five.clone()), tensor("x2", five)])).await, 413, "5 rows");
    for body in ["{\"inputs\": [", "[]", "", "{\"inputs\": [{\"name\": \"x1\", \"data\": [NaN]}]}"] {
        let request = yard.request(Method::POST, "/v2/models/side/infer").body(body);
        fault(&answer(request).await, 400, "can't be read");
    }
    // A missing value is null, and the answer is a number.
    let answered = ask(json!([x1, tensor("x2", json!([null]))])).await.ok();
    assert!(answered["outputs"][0]["data"][0].as_f64().unwrap() > 0.0, "{answered}");
    let expected = yard.infer(0.25, -0.5).await.ok()["outputs"].clone();

    // Compiled code whose bytes were flipped is never run.
    yard.stop();
    let compiled: Vec<_> =
        fs::read_dir(yard.data.join("compiled")).unwrap().map(|one| one.unwrap().path()).collect();
    let code: Vec<_> =
        compiled.iter().filter(|path| path.extension().is_some_and(|end| end == "cwasm")).collect();
    assert!(code.len() > 2);
    for (number, path) in code.into_iter().enumerate() {
        let mut bytes = fs::read(path).unwrap();
        match number % 3 {
            0 => bytes.truncate(bytes.len() / 2),
            _ => (1..10).for_each(|tenth| {
                let at = bytes.len() * tenth / 10;
                bytes[at] ^= 0x55;
            }),
        }
        fs::write(path, bytes).unwrap();
    }
    yard.restart();
    assert_eq!(yard.infer(0.25, -0.5).await.ok()["outputs"], expected);
    yard.rows("after", &csv(1..11), None).await.ok();
    assert!(yard.log().contains("damaged"), "{}", yard.log());
    yard.sound().await;
}
