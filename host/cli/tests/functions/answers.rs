//! What a handler sees and what its caller gets.

use std::time::Duration;

use futures::{StreamExt, future::join_all, stream};
use reqwest::{Body, Method};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    examples, got, metric, put, serving,
    support::{Yard, answer, eventually},
    text, to,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_answers_any_request() {
    let mut yard = serving(&[], json!({})).await;
    it_is_told_apart(&yard).await;
    it_sees_the_request(&yard).await;
    bodies_are_streamed(&yard).await;
    answers_come_as_they_are(&yard).await;
    variables_and_secrets(&yard).await;
    what_it_prints_is_logged(&yard).await;
    instances_are_fresh_or_reused(&yard).await;
    many_at_once(&yard).await;
    it_is_metered(&yard).await;

    yard.stop();
    yard.restart();
    assert_eq!(got(&yard, "rogue").await, "hello");
    assert_eq!(got(&yard, "rogue/environment?SECRET").await, "s3cret");
    records_go(&yard).await;
}

async fn it_is_told_apart(yard: &Yard) {
    let plugin = yard.get("/plugins/handler").await.ok();
    assert_eq!((&plugin["kind"], &plugin["protocol"]), (&json!("function"), &json!("http")), "{plugin}");
    assert_eq!(plugin["contract"], "wasi:http@0.2.10");
    let needs = plugin["capabilities"].as_array().unwrap();
    assert!(needs.contains(&json!("wasi:http/outgoing-handler@0.2.10")), "{plugin}");
    // By its own name it has the defaults; JSON is not its way.
    assert_eq!(got(yard, "handler").await, "hello");
    let told = yard.post("/functions/handler", json!({})).await.problem(422);
    assert!(told.contains("call it at /functions/handler"), "{told}");
}

async fn it_sees_the_request(yard: &Yard) {
    let request = to(yard, Method::from_bytes(b"PURGE").unwrap(), "rogue/request?a=%20b&c")
        .header("x-mine", "1")
        .header("authorization", "Bearer of nothing")
        .header("connection", "x-hop")
        .header("x-hop", "1")
        .header("te", "trailers")
        .header("x-forwarded-prefix", "/elsewhere");
    // Without tokens in the store a header that holds none is refused, as everywhere.
    assert_eq!(text(request.try_clone().unwrap()).await.0, 401);
    let request = to(yard, Method::from_bytes(b"PURGE").unwrap(), "rogue/request?a=%20b&c")
        .header("x-mine", "1")
        .header("connection", "x-hop")
        .header("x-hop", "1")
        .header("te", "trailers")
        .header("x-forwarded-prefix", "/elsewhere");
    let (status, seen) = text(request).await;
    let authority = yard.url.strip_prefix("http://").unwrap();
    assert_eq!(status, 200);
    assert!(seen.starts_with(&format!("PURGE /request?a=%20b&c {authority}\n")), "{seen}");
    for line in ["x-mine: 1", "x-forwarded-prefix: /functions/rogue", "spin-path-info: /request"] {
        assert!(seen.lines().any(|seen| seen == line), "{line} is missing in {seen}");
    }
    for name in ["connection", "x-hop", "te", "host", "authorization"] {
        assert!(!seen.lines().any(|line| line.starts_with(&format!("{name}:"))), "{name} is in {seen}");
    }
    let (_, seen) = text(to(yard, Method::POST, "rogue/request/").body("{}")).await;
    assert!(seen.starts_with("no such thing"), "{seen}");
    assert_eq!(got(yard, "rogue/").await, "hello");
    assert_eq!(text(to(yard, Method::GET, "nobody")).await.0, 404);
}

async fn bodies_are_streamed(yard: &Yard) {
    // What was sent comes back before the rest is sent.
    let (sender, receiver) = tokio::sync::mpsc::channel::<Vec<u8>>(1);
    let pieces = stream::unfold(receiver, |mut receiver| async {
        Some((std::io::Result::Ok(receiver.recv().await?), receiver))
    });
    let request = to(yard, Method::POST, "rogue/echo").body(Body::wrap_stream(pieces));
    sender.send(b"first".to_vec()).await.unwrap();
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    let mut answers = response.bytes_stream();
    assert_eq!(answers.next().await.unwrap().unwrap(), "first");
    sender.send(b"second".to_vec()).await.unwrap();
    assert_eq!(answers.next().await.unwrap().unwrap(), "second");
    drop(sender);
    assert!(answers.next().await.is_none());

    // Much more than anybody holds, and the number of its bytes in a trailer.
    let mut stream = TcpStream::connect(yard.url.strip_prefix("http://").unwrap()).await.unwrap();
    let length = 40 << 20;
    let head = format!(
        "POST /functions/rogue/echo HTTP/1.1\r\nhost: yard\r\nte: trailers\r\nconnection: te, close\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let sent = tokio::spawn(async move {
        let piece = vec![b'y'; 1 << 20];
        for _ in 0..length >> 20 {
            writer.write_all(&piece).await.unwrap();
        }
        writer
    });
    let mut got = Vec::new();
    reader.read_to_end(&mut got).await.unwrap();
    sent.await.unwrap();
    let begins = got.windows(4).position(|end| end == b"\r\n\r\n").unwrap();
    let ends = got.windows(5).rposition(|last| last == b"\r\n0\r\n").unwrap();
    assert_eq!(got[begins..ends].iter().filter(|byte| **byte == b'y').count(), length);
    let tail = String::from_utf8_lossy(&got[got.len() - 60..]).into_owned();
    assert!(tail.contains(&format!("x-bytes: {length}")), "{tail}");
}

async fn answers_come_as_they_are(yard: &Yard) {
    for status in [201, 418, 503] {
        let response = to(yard, Method::GET, &format!("rogue/status?{status}")).send().await.unwrap();
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(response.headers()["x-answered-by"], "guest");
        let policy = response.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("sandbox ") && !policy.contains("allow-same-origin"), "{policy}");
        assert_eq!(response.text().await.unwrap(), "as asked");
    }
    for target in ["rogue/status?204", "rogue/status?304"] {
        assert_eq!(text(to(yard, Method::GET, target)).await.1, "");
    }
    assert_eq!(text(to(yard, Method::HEAD, "rogue/large?100")).await, (200, String::new()));
    assert_eq!(got(yard, "rogue/large?100").await.len(), 100 << 16);
    // The answer doesn't wait for what the guest does afterwards.
    assert_eq!(got(yard, "rogue/afterwards?300").await, "answered");
    eventually("what comes afterwards", async || yard.log().contains("afterwards")).await;
}

async fn variables_and_secrets(yard: &Yard) {
    let more = json!({"environment": {"MODE": "dark"}, "secrets": {"SECRET": "s3cret"}});
    let shown = put(yard, more).await;
    assert_eq!((&shown["environment"]["MODE"], &shown["secrets"]["SECRET"]), (&json!("dark"), &json!("***")));
    for (name, value) in [("MODE", "dark"), ("SECRET", "s3cret"), ("HOME", "")] {
        assert_eq!(got(yard, &format!("rogue/environment?{name}")).await, value);
        assert_eq!(got(yard, &format!("rogue/config?{name}")).await, value);
    }
    // As it is shown it may be put again, with something else changed.
    let mut again = shown.clone();
    again["environment"]["MODE"] = json!("light");
    yard.put("/functions", again).await.ok();
    assert_eq!(got(yard, "rogue/environment?SECRET").await, "s3cret");
    assert_eq!(got(yard, "rogue/environment?MODE").await, "light");
    let listed = yard.get("/functions").await.ok();
    let audit = yard.get("/governance/audit?limit=100").await.ok();
    for told in [&listed, &audit] {
        assert!(told.to_string().contains("SECRET") && !told.to_string().contains("s3cret"), "{told}");
    }
    let unknown = json!({"name": "other", "plugin": "handler", "secrets": {"KEY": "***"}});
    let told = yard.put("/functions", unknown).await.problem(400);
    assert!(told.contains("no value yet"), "{told}");
}

async fn what_it_prints_is_logged(yard: &Yard) {
    assert_eq!(got(yard, "rogue/print?3").await, "printed");
    let log = yard.log();
    let line = |what: &str| log.lines().find(|line| line.contains(what)).unwrap_or_default().to_owned();
    assert!(line("printed 2").contains("rogue") && line("printed 2").contains("INFO"), "{log}");
    assert!(line("printed to standard error").contains("WARN"), "{log}");
    assert_eq!(got(yard, "rogue/print?2000").await, "printed");
    eventually("the rest", async || yard.log().contains("more lines were dropped")).await;
    assert!(!yard.log().contains("printed 1500"));
}

async fn instances_are_fresh_or_reused(yard: &Yard) {
    for _ in 0..3 {
        assert_eq!(got(yard, "rogue/calls").await, "1");
    }
    yard.put("/functions", json!({"name": "kept", "plugin": "handler", "reuse": 3, "concurrency": 1}))
        .await
        .ok();
    let mut calls = Vec::new();
    for _ in 0..5 {
        calls.push(got(yard, "kept/calls").await);
    }
    assert_eq!(calls, ["1", "2", "3", "1", "2"]);
}

async fn many_at_once(yard: &Yard) {
    let answers = join_all((0..100).map(|number| async move {
        let request = to(yard, Method::POST, "rogue/echo").body(number.to_string().repeat(10_000));
        let (status, text) = text(request).await;
        assert_eq!((status, text), (200, number.to_string().repeat(10_000)));
    }));
    tokio::time::timeout(Duration::from_secs(60), answers).await.unwrap();
    assert_eq!(metric(yard, "modelyard_function_running{function=\"rogue\"}").await, 0.0);
}

async fn it_is_metered(yard: &Yard) {
    let calls = metric(yard, "modelyard_function_calls_total{function=\"rogue\"}").await;
    assert!(calls > 100.0);
    let counted = metric(yard, "modelyard_function_call_seconds_count{function=\"rogue\"}").await;
    assert!(counted > 100.0 && counted <= calls, "{counted} of {calls}");
    let bill = yard.get("/scaling/usage").await.ok();
    let bills = bill["items"].as_array().unwrap();
    let bill = bills.iter().find(|bill| bill["deployment"] == "functions/rogue").unwrap();
    assert_eq!(bill["calls"].as_f64().unwrap(), calls, "{bill}");
    assert!(bill["cpu_seconds"].as_f64().unwrap() > 0.0 && bill["memory_gib_hours"].as_f64().unwrap() > 0.0);
}

async fn records_go(yard: &Yard) {
    let told = answer(yard.request(Method::DELETE, "/plugins/handler")).await.problem(409);
    assert!(told.contains("kept, rogue"), "{told}");
    for name in ["kept", "rogue"] {
        answer(yard.request(Method::DELETE, &format!("/functions/{name}"))).await.ok();
        assert_eq!(text(to(yard, Method::GET, name)).await.0, 404);
    }
    assert_eq!(got(yard, "handler").await, "hello");
    answer(yard.request(Method::DELETE, "/plugins/handler")).await.ok();
    assert_eq!(text(to(yard, Method::GET, "handler")).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_with_json_is_mounted_too() {
    let yard = Yard::empty(&[]);
    let home = yard.home().join("hello");
    let new = ["plugin", "new", "hello", "--kind", "function", "--dir"];
    let run = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_modelyard"));
        let output = command.args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let sdk = examples().join("../..").display().to_string();
    run(&[&new[..], &[home.to_str().unwrap(), "--sdk", &sdk]].concat());
    let built = yard.home().join("hello.wasm");
    run(&["plugin", "build", home.to_str().unwrap(), "--out", built.to_str().unwrap()]);
    yard.plugin("hello", &std::fs::read(built).unwrap(), "hello").await.ok();

    let input = json!({"numbers": [1, 2, 6]});
    for function in ["hello", "kept"] {
        let record = json!({"name": "kept", "plugin": "hello", "reuse": 1000, "max_body_bytes": 1000});
        yard.put("/functions", record).await.ok();
        assert_eq!(yard.post(&format!("/functions/{function}"), input.clone()).await.ok()["mean"], 3.0);
        let mounted = answer(to(&yard, Method::POST, function).json(&input)).await;
        assert_eq!((mounted.media.as_str(), &mounted.body["mean"]), ("application/json", &json!(3.0)));
    }
    let refused = to(&yard, Method::GET, "hello").send().await.unwrap();
    assert_eq!((refused.status().as_u16(), &refused.headers()["allow"]), (405, &"POST".parse().unwrap()));
    answer(to(&yard, Method::POST, "hello/deeper").json(&input)).await.problem(404);
    answer(to(&yard, Method::POST, "hello").body("{").header("content-type", "application/json"))
        .await
        .problem(400);
    let large = json!({"numbers": vec![1; 1000]});
    answer(to(&yard, Method::POST, "kept").json(&large)).await.problem(413);
    let told = answer(to(&yard, Method::POST, "hello").json(&json!({"numbers": []}))).await;
    assert_eq!(told.body["location"]["field"], Value::from("/numbers"), "{told:?}");
}
