//! What a function may reach, and who may reach it.

use std::{fs, net::TcpListener};

use axum::{Router, body::Bytes, http::HeaderMap, response::Redirect, routing::any};
use reqwest::Method;
use serde_json::json;

use crate::{
    got, put, serving,
    support::{Yard, answer},
    text, to,
};

/// A server that says what it was asked, and its port.
async fn somebody() -> u16 {
    let told = |headers: HeaderMap, body: Bytes| async move {
        let host = headers["host"].to_str().unwrap_or_default().to_owned();
        format!("{host} was told {}", String::from_utf8_lossy(&body))
    };
    let app = Router::new()
        .route("/told", any(told))
        .route("/moved", any(|| async { Redirect::temporary("http://169.254.169.254/latest") }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, app).await });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn only_allowed_hosts_are_called() {
    let (open, other) = (somebody().await, somebody().await);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("yard.toml");
    let private = format!("[functions]\nprivate_hosts = [\"127.0.0.1:{open}\", \"127.0.0.1:{closed}\"]\n");
    fs::write(&config, private).unwrap();
    let yard = serving(&["--config", config.to_str().unwrap()], json!({})).await;
    let fetched = async |url: &str| text(to(&yard, Method::GET, &format!("rogue/fetch?{url}"))).await;

    let url = format!("http://127.0.0.1:{open}/told");
    assert_eq!(fetched(&url).await, (502, "ErrorCode::HttpRequestDenied".to_owned()), "nothing is granted");
    put(&yard, json!({"hosts": ["localhost", "127.0.0.1", "https://only.example"]})).await;
    assert_eq!(fetched(&url).await, (200, format!("127.0.0.1:{open} was told from a guest")));
    // Redirects are the guest's to follow.
    assert_eq!(fetched(&format!("http://127.0.0.1:{open}/moved")).await.0, 307);
    for (url, told) in [
        // Named by the function, not by the operator.
        (format!("http://127.0.0.1:{other}/told"), "DestinationIpProhibited"),
        (format!("http://localhost:{other}/told"), "DestinationIpProhibited"),
        // Named by nobody.
        ("http://169.254.169.254/latest".to_owned(), "HttpRequestDenied"),
        ("http://only.example/".to_owned(), "HttpRequestDenied"),
        ("https://only.example:444/".to_owned(), "HttpRequestDenied"),
        (format!("http://127.0.0.1:{closed}/"), "ConnectionRefused"),
    ] {
        let (status, text) = fetched(&url).await;
        assert!(status == 502 && text.contains(told), "{url}: {status} {text}");
    }
    put(&yard, json!({"hosts": [format!("127.0.0.1:{other}")]})).await;
    assert_eq!(fetched(&url).await.1, "ErrorCode::HttpRequestDenied");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_private_host_is_refused_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("yard.toml");
    fs::write(&config, "[functions]\nprivate_hosts = [\"10.0.0.0/8\"]\n").unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_modelyard"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(&config);
    let output = command.arg("--data").arg(dir.path().join("data")).output().unwrap();
    assert!(!output.status.success());
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("10.0.0.0/8") && told.contains("write example.com"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_function_needs_no_token_and_sees_none_of_ours() {
    let yard = serving(&[], json!({})).await;
    yard.put("/functions", json!({"name": "open", "plugin": "handler", "public": true})).await.ok();
    let admin = yard.post("/governance/tokens", json!({"name": "root", "role": "admin"})).await.ok();
    let admin = admin["token"].as_str().unwrap().to_owned();
    let viewer = yard.request(Method::POST, "/governance/tokens").bearer_auth(&admin);
    let viewer = answer(viewer.json(&json!({"name": "eye", "role": "viewer"}))).await.ok();
    let viewer = viewer["token"].as_str().unwrap().to_owned();

    for method in [Method::GET, Method::DELETE] {
        answer(to(&yard, method.clone(), "rogue/request")).await.problem(401);
        let (status, seen) = text(to(&yard, method.clone(), "rogue/request").bearer_auth(&viewer)).await;
        assert!(status == 200 && !seen.contains("authorization"), "{status} {seen}");
        let (status, seen) = text(to(&yard, method.clone(), "open/request").basic_auth("x", Some("y"))).await;
        assert!(status == 200 && seen.contains("authorization: Basic"), "{status} {seen}");
        let (status, seen) = text(to(&yard, method, "open/request").bearer_auth(&viewer)).await;
        assert!(status == 200 && !seen.contains("authorization"), "{status} {seen}");
    }
    assert_eq!(got(&yard, "open").await, "hello");
    // A name that is written otherwise is not the function's.
    answer(to(&yard, Method::GET, "%6fpen")).await.problem(401);
    answer(to(&yard, Method::GET, "%6fpen").bearer_auth(&viewer)).await.problem(404);
    // Its record is not open.
    answer(yard.request(Method::GET, "/functions")).await.problem(401);
    changes_need_more(&yard, &viewer).await;
}

async fn changes_need_more(yard: &Yard, viewer: &str) {
    let record = json!({"name": "rogue", "plugin": "handler", "public": true});
    answer(yard.request(Method::PUT, "/functions").bearer_auth(viewer).json(&record)).await.problem(403);
    answer(yard.request(Method::DELETE, "/functions/rogue").bearer_auth(viewer)).await.problem(403);
}
