//! Clients that send too much, too slowly, half of it, or only connect.

use std::{fs, time::Duration};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::Yard;

const INFER: &str = "POST /v2/models/side/infer HTTP/1.1\r\nhost: yard\r\ncontent-type: application/json\r\n";

async fn connect(yard: &Yard) -> TcpStream {
    TcpStream::connect(yard.url.strip_prefix("http://").unwrap()).await.unwrap()
}

/// What the server says, up to the end or as much as comes in a while.
async fn said(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let mut part = [0; 4096];
    loop {
        match timeout(Duration::from_secs(20), stream.read(&mut part)).await {
            Ok(Ok(0)) | Ok(Err(_)) => break,
            Ok(Ok(length)) => all.extend_from_slice(&part[..length]),
            Err(_) => panic!("neither an answer nor an end came: {:?}", String::from_utf8_lossy(&all)),
        }
        if String::from_utf8_lossy(&all).contains("\r\n\r\n") {
            break;
        }
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// A configuration of a server whose clients have little time.
fn impatient(text: &str) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("yard.toml");
    fs::write(&file, text).unwrap();
    let path = file.to_str().unwrap().to_owned();
    (dir, path)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_a_gigabyte_is_refused_and_not_held() {
    let yard = Yard::start(&[]);
    yard.infer(0.5, 0.5).await.ok();
    let before = yard.resident_bytes();
    // One that says so is refused by its head.
    let mut stream = connect(&yard).await;
    stream.write_all(format!("{INFER}content-length: 1073741824\r\n\r\n").as_bytes()).await.unwrap();
    let told = said(&mut stream).await;
    assert!(told.starts_with("HTTP/1.1 413 "), "{told}");
    // One that doesn't is refused on the way.
    let mut stream = connect(&yard).await;
    stream.write_all(format!("{INFER}transfer-encoding: chunked\r\n\r\n").as_bytes()).await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let chunk = [b"100000\r\n".to_vec(), vec![b' '; 1 << 20], b"\r\n".to_vec()].concat();
    let send = async {
        let mut sent = 0;
        while sent < 1024 && writer.write_all(&chunk).await.is_ok() {
            sent += 1;
        }
        sent
    };
    let answer = async {
        let mut head = [0; 12];
        reader.read_exact(&mut head).await.unwrap();
        String::from_utf8_lossy(&head).into_owned()
    };
    // The server need not read what it has refused: the answer comes first.
    let told = tokio::select! {
        told = answer => told,
        sent = send => panic!("{sent} MiB were taken without an answer"),
    };
    assert_eq!(told, "HTTP/1.1 413");
    let grown = yard.resident_bytes().saturating_sub(before);
    assert!(grown < 400 << 20, "it holds {grown} bytes more");
    yard.sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_at_a_time_and_half_a_request_end_by_themselves() {
    let (_dir, config) = impatient("[server.connections]\nhead_seconds = 2\nbody_seconds = 2\n");
    let yard = Yard::start(&["--config", &config]);
    // A body that trickles is told so.
    let mut trickle = connect(&yard).await;
    trickle.write_all(format!("{INFER}content-length: 1000\r\n\r\n").as_bytes()).await.unwrap();
    let told = {
        let (mut reader, mut writer) = trickle.split();
        let send = async {
            while writer.write_all(b" ").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            std::future::pending::<()>().await;
        };
        let mut head = [0; 12];
        let read = timeout(Duration::from_secs(20), reader.read_exact(&mut head));
        tokio::select! {
            () = send => unreachable!(),
            read = read => read.expect("it is given up").unwrap(),
        };
        String::from_utf8_lossy(&head).into_owned()
    };
    assert_eq!(told, "HTTP/1.1 408");
    // A head that trickles is closed, with or without a word.
    let mut trickle = connect(&yard).await;
    trickle.write_all(b"GET /v2 HTTP/1.1\r\nhost: ya").await.unwrap();
    let told = said(&mut trickle).await;
    assert!(told.is_empty() || told.starts_with("HTTP/1.1 408"), "{told}");
    // Who leaves in the middle leaves nothing behind.
    for _ in 0..50 {
        let mut stream = connect(&yard).await;
        stream
            .write_all(format!("{INFER}content-length: 1000\r\n\r\n{{\"inputs\": [").as_bytes())
            .await
            .unwrap();
        drop(stream);
    }
    yard.sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_connections_keep_nobody_out() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
    let files = usize::try_from(limit.maximum.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
    // As many as this process may open, where that is less.
    let many = 10_000.min(files.saturating_sub(200));
    let yard = Yard::start(&[]);
    let mut crowd = Vec::with_capacity(many);
    for number in 0..many {
        let mut stream = connect(&yard).await;
        if number % 2 == 0 {
            // Half of them have begun to say something.
            let _ = stream.write_all(b"GET /v2 HTTP/1.1\r\nhost: ").await;
        }
        crowd.push(stream);
        if number % 1000 == 999 {
            yard.infer(0.5, 0.5).await.ok();
        }
    }
    for _ in 0..20 {
        // Each by a connection of its own.
        let fresh = reqwest::Client::new();
        let answer =
            fresh.get(format!("{}/v2", yard.url)).timeout(Duration::from_secs(20)).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    yard.infer(0.5, 0.5).await.ok();
    drop(crowd);
    yard.sound().await;
}
