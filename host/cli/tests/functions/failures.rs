//! Handlers that fail, and callers that do.

use std::time::{Duration, Instant};

use futures::{StreamExt, future::join_all, stream};
use reqwest::{Body, Method};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    got, metric, put, serving,
    support::{Yard, answer, eventually},
    to,
};

const RUNNING: &str = "modelyard_function_running{function=\"rogue\"}";

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_fails_fails_alone() {
    let yard =
        serving(&[], json!({"deadline_ms": 1500, "memory_bytes": 64 << 20, "max_body_bytes": 100_000})).await;
    failures_before_the_answer(&yard).await;
    failures_in_the_answer(&yard).await;
    bodies_that_are_too_large(&yard).await;
    callers_that_leave(&yard).await;
    more_than_it_takes(&yard).await;
    records_that_cannot_be(&yard).await;
}

async fn failures_before_the_answer(yard: &Yard) {
    for (does, status, told) in [
        ("trap", 502, "unreachable"),
        ("loop", 504, "longer than 1500 ms"),
        ("sleep?60000", 504, "longer than 1500 ms"),
        ("silent", 502, "returned without a response"),
        ("error", 502, "ConfigurationError"),
        ("allocate", 502, "more than 67108864 bytes of memory"),
        ("fetch?http://nobody.example/", 200, "HttpRequestDenied"),
    ] {
        if status == 200 {
            let (_, text) = crate::text(to(yard, Method::GET, &format!("rogue/{does}"))).await;
            assert!(text.contains(told), "{does}: {text}");
            continue;
        }
        let target = format!("rogue/{does}");
        let (failed, other) = tokio::join!(answer(to(yard, Method::GET, &target)), got(yard, "handler"));
        let detail = failed.problem(status);
        assert!(detail.contains(told), "{does}: {detail}");
        assert_eq!(other, "hello");
    }
    // What it printed last is told with its failure, and it goes on answering.
    assert_eq!(got(yard, "rogue").await, "hello");
    let errors = metric(yard, "modelyard_function_errors_total{function=\"rogue\"}").await;
    assert_eq!(errors, 6.0);
}

/// The head is out; a body that is not whole must not look like one that is.
async fn failures_in_the_answer(yard: &Yard) {
    for does in ["trap-late", "loop-late", "unfinished"] {
        let response = to(yard, Method::GET, &format!("rogue/{does}")).send().await.unwrap();
        if does == "unfinished" && response.status() == 502 {
            // It returned before the head was out.
            continue;
        }
        assert_eq!(response.status(), 200, "{does}");
        let mut body = response.bytes_stream();
        assert_eq!(body.next().await.unwrap().unwrap(), "not all of it", "{does}");
        assert!(body.next().await.unwrap().is_err(), "{does}");
    }
    eventually("the end of every call", async || metric(yard, RUNNING).await == 0.0).await;
}

async fn bodies_that_are_too_large(yard: &Yard) {
    let told = answer(to(yard, Method::POST, "rogue/echo").body(vec![b'x'; 100_001])).await.problem(413);
    assert!(told.contains("more than 100000 bytes"), "{told}");
    // Its length is not told, and nothing of the answer is out when it is seen.
    let pieces = stream::iter((0..30).map(|_| std::io::Result::Ok(vec![b'x'; 10_000])));
    let request = to(yard, Method::POST, "rogue/echo?").body(Body::wrap_stream(pieces));
    let broken = match request.send().await {
        Ok(response) if response.status() == 413 => true,
        Ok(response) => response.bytes().await.is_err(),
        Err(_) => true,
    };
    assert!(broken);
    assert_eq!(got(yard, "rogue").await, "hello");
}

/// Whoever leaves takes the guest along, whatever it is doing.
async fn callers_that_leave(yard: &Yard) {
    put(yard, json!({"deadline_ms": 60_000})).await;
    for does in ["drip?20", "loop-late", "sleep?50000", "loop"] {
        let mut stream = TcpStream::connect(yard.url.strip_prefix("http://").unwrap()).await.unwrap();
        let head = format!("GET /functions/rogue/{does} HTTP/1.1\r\nhost: yard\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        eventually("a running guest", async || metric(yard, RUNNING).await == 1.0).await;
        if does.starts_with("drip") || does.ends_with("late") {
            let mut some = [0; 64];
            assert!(stream.read(&mut some).await.unwrap() > 0);
        }
        let left = Instant::now();
        drop(stream);
        eventually("the guest's end", async || metric(yard, RUNNING).await == 0.0).await;
        assert!(left.elapsed() < Duration::from_secs(20), "{does}");
    }
    // A body of which nothing more comes.
    let mut stream = TcpStream::connect(yard.url.strip_prefix("http://").unwrap()).await.unwrap();
    let head = "POST /functions/rogue/echo HTTP/1.1\r\nhost: yard\r\ncontent-length: 1000\r\n\r\nsome";
    stream.write_all(head.as_bytes()).await.unwrap();
    eventually("a running guest", async || metric(yard, RUNNING).await == 1.0).await;
    drop(stream);
    eventually("the guest's end", async || metric(yard, RUNNING).await == 0.0).await;
}

async fn more_than_it_takes(yard: &Yard) {
    put(yard, json!({"concurrency": 2, "queue": 2})).await;
    let answers = join_all((0..10).map(|_| async {
        let response = to(yard, Method::GET, "rogue/sleep?500").send().await.unwrap();
        let after = response.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
        (response.status().as_u16(), after)
    }))
    .await;
    let served = answers.iter().filter(|(status, _)| *status == 200).count();
    let busy = answers.iter().filter(|told| **told == (503, Some("1".to_owned()))).count();
    assert_eq!((served, busy), (4, 6), "{answers:?}");
}

async fn records_that_cannot_be(yard: &Yard) {
    for (more, field, told) in [
        (json!({"plugin": "nobody"}), "plugin", "no plugin is named"),
        (json!({"hosts": ["https://example.com/path"]}), "hosts[0]", "write example.com"),
        (json!({"deadline_ms": 0}), "deadline_ms", "write 1 to"),
        (json!({"environment": {"A": "1"}, "secrets": {"A": "2"}}), "secrets.A", "in one of them"),
        (json!({"hots": []}), "hots", "unknown field"),
    ] {
        let mut record = json!({"name": "rogue", "plugin": "handler"});
        record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let refused = yard.put("/functions", record).await;
        assert_eq!(refused.body["location"]["field"], field, "{refused:?}");
        let detail = refused.problem(400);
        assert!(detail.contains(told), "{detail}");
    }
    let told = yard.put("/functions", json!({"name": "a b", "plugin": "handler"})).await.problem(400);
    assert!(told.contains("is not a name"), "{told}");
}
