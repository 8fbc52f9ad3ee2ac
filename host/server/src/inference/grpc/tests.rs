//! What is said to calls that come to nothing, and how calls end.

use std::{future::poll_fn, io::Write as _, pin::Pin, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes, HttpBody as _},
    http::{HeaderMap, Request},
    routing::post,
};
use flate2::{Compression, write::GzEncoder};
use modelyard_clock::Clock;
use modelyard_lifecycle::{Options, Platform, runtime::Worker};
use prost::Message as _;
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tonic::{Code, Status};
use tower::ServiceExt as _;

use super::{
    around,
    health_proto::{HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus},
    proto::{ModelInferRequest, ModelStreamInferResponse, ServerMetadataResponse},
    routes,
};
use crate::auth::Auth;

const MOST: usize = 10_000;
const METADATA: &str = "/inference.GRPCInferenceService/ServerMetadata";
const INFER: &str = "/inference.GRPCInferenceService/ModelInfer";

struct Server {
    platform: Platform,
    auth: Auth,
    router: Router,
    stop: watch::Sender<bool>,
    _dir: tempfile::TempDir,
}

async fn server() -> Server {
    let dir = tempfile::tempdir().unwrap();
    let mut options = Options::at(dir.path());
    options.worker = Worker::InProcess;
    let platform = Platform::open(options, Clock::system()).await.unwrap();
    let auth = Auth::new(platform.clone(), true).await.unwrap();
    let (stop, stopped) = watch::channel(false);
    let router = routes(platform.clone(), auth.clone(), MOST, stopped);
    Server { platform, auth, router, stop, _dir: dir }
}

/// A message as it is sent: whether it is compressed, its length, itself.
fn framed(compressed: bool, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[u8::from(compressed)], &length[..], message].concat()
}

fn gzipped(message: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(message).unwrap();
    encoder.finish().unwrap()
}

/// Headers, trailers among them, and the messages as they were sent.
async fn sent(
    router: &Router,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> (HeaderMap, Vec<u8>) {
    let mut request = Request::post(path).header("content-type", "application/grpc");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = router.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap();
    assert_eq!(response.status(), 200);
    let (parts, mut body) = response.into_parts();
    let (mut headers, mut bytes) = (parts.headers, Vec::new());
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        match frame.unwrap().into_data() {
            Ok(data) => bytes.extend_from_slice(&data),
            Err(frame) => headers.extend(frame.into_trailers().unwrap()),
        }
    }
    (headers, bytes)
}

async fn status(router: &Router, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Status {
    Status::from_header_map(&sent(router, path, headers, body).await.0).unwrap()
}

#[track_caller]
fn says(status: &Status, code: Code, words: &str) {
    assert_eq!(status.code(), code, "{status:?}");
    assert!(status.message().contains(words), "{words:?} is not in {status:?}");
}

#[test]
fn the_code_is_that_of_the_files() {
    for (file, code) in [
        (include_str!("../../../proto/inference.proto"), include_str!("generated/inference.rs")),
        (include_str!("../../../proto/health.proto"), include_str!("generated/grpc.health.v1.rs")),
    ] {
        let digest = hex::encode(Sha256::digest(file));
        let first = code.lines().next().unwrap();
        assert!(first.contains(&digest), "{first}: run cargo run --manifest-path scripts/proto/Cargo.toml");
    }
}

#[tokio::test]
async fn what_cant_be_read_is_the_callers_mistake() {
    let server = server().await;
    let call = async |headers: &[(&str, &str)], body| status(&server.router, INFER, headers, body).await;
    let gzip = &[("grpc-encoding", "gzip")];
    says(&call(&[], framed(false, b"\xff\xff\xff")).await, Code::InvalidArgument, "can't be read");
    says(&call(&[], framed(false, b"\x0a")).await, Code::InvalidArgument, "can't be read");
    says(&call(&[], framed(true, b"")).await, Code::InvalidArgument, "can't be read");
    says(&call(&[], vec![]).await, Code::InvalidArgument, "can't be read");
    says(&call(&[], vec![7, 0, 0, 0, 0]).await, Code::InvalidArgument, "can't be read");
    says(&call(gzip, framed(true, b"no gzip")).await, Code::InvalidArgument, "can't be read");
    says(&call(&[("grpc-encoding", "br")], framed(true, b"x")).await, Code::Unimplemented, "`br`");
    // Too large as it stands, by what it says of itself, and when decompressed.
    let large = "larger than 10000 bytes";
    says(&call(&[], framed(false, &[0; MOST + 1])).await, Code::ResourceExhausted, large);
    says(&call(&[], vec![0, 0xff, 0xff, 0xff, 0xff]).await, Code::ResourceExhausted, large);
    let bomb = gzipped(&[0; 10 << 20]);
    assert!(bomb.len() > MOST);
    says(&call(gzip, framed(true, &bomb)).await, Code::ResourceExhausted, large);
    let bomb = gzipped(&[0; 1 << 20]);
    assert!(bomb.len() < MOST);
    says(&call(gzip, framed(true, &bomb)).await, Code::ResourceExhausted, large);
    // What was read goes on, and is answered by the model, if there is one.
    let asked = ModelInferRequest { model_name: "nobody".into(), ..Default::default() };
    let plain = call(&[], framed(false, &asked.encode_to_vec())).await;
    let packed = call(gzip, framed(true, &gzipped(&asked.encode_to_vec()))).await;
    for told in [plain, packed] {
        says(&told, Code::NotFound, "nobody");
        assert_eq!(told.metadata().get("modelyard-code").unwrap(), "not_found");
    }
}

#[tokio::test]
async fn what_is_not_served_is_named() {
    let server = server().await;
    for path in ["/inference.GRPCInferenceService/LogSettings", "/other.Service/Call", "/", "/api/v1/jobs"] {
        says(&status(&server.router, path, &[], framed(false, b"")).await, Code::Unimplemented, path);
    }
}

#[tokio::test]
async fn who_compresses_is_answered_so() {
    let server = server().await;
    let both = [("grpc-encoding", "gzip"), ("grpc-accept-encoding", "identity, deflate, gzip")];
    for (headers, encoding) in [(&both[1..], None), (&both[..], Some("deflate")), (&both[..1], None)] {
        let (told, body) = sent(&server.router, METADATA, headers, framed(false, b"")).await;
        assert_eq!(told.get("grpc-encoding").map(|value| value.to_str().unwrap()), encoding);
        assert_eq!((told["grpc-status"].as_bytes(), body[0]), (&b"0"[..], u8::from(encoding.is_some())));
        if encoding.is_none() {
            assert_eq!(ServerMetadataResponse::decode(&body[5..]).unwrap().name, "modelyard");
        }
    }
}

#[tokio::test]
async fn a_call_ends_in_time_and_a_panic_ends_only_itself() {
    let server = server().await;
    let slow = async || tokio::time::sleep(Duration::from_secs(60)).await;
    let broken = async || -> () { panic!("a password") };
    let calls = Router::new().route("/a.B/Slow", post(slow)).route("/a.B/Broken", post(broken));
    let router = around(calls, server.auth.clone(), MOST);
    let told = status(&router, "/a.B/Slow", &[("grpc-timeout", "20m")], vec![]).await;
    says(&told, Code::DeadlineExceeded, "20ms");
    let told = status(&router, "/a.B/Broken", &[], vec![]).await;
    says(&told, Code::Internal, "a fault of the server");
    assert!(!told.message().contains("password"), "{told:?}");
    let (told, _) = sent(&server.router, METADATA, &[], framed(false, b"")).await;
    assert_eq!(told["grpc-status"], "0");
}

#[tokio::test]
async fn the_first_token_closes_both_doors() {
    let server = server().await;
    let auth = Auth::new(server.platform.clone(), true).await.unwrap();
    let (_stop, stopped) = watch::channel(false);
    let router = routes(server.platform.clone(), auth.clone(), MOST, stopped);
    let asked =
        framed(false, &ModelInferRequest { model_name: "x".into(), ..Default::default() }.encode_to_vec());
    says(&status(&router, INFER, &[], asked.clone()).await, Code::NotFound, "x");
    auth.require();
    says(&status(&router, INFER, &[], asked.clone()).await, Code::Unauthenticated, "token");
    let wrong = [("authorization", "Bearer my_wrong")];
    says(&status(&router, INFER, &wrong, asked).await, Code::Unauthenticated, "token");
    let (told, _) = sent(&router, METADATA, &[], framed(false, b"")).await;
    assert_eq!(told["grpc-status"], "0");
}

#[tokio::test]
async fn streams_end_with_the_server() {
    let server = server().await;
    let health = HealthCheckRequest::default().encode_to_vec();
    let watched = sent(&server.router, "/grpc.health.v1.Health/Watch", &[], framed(false, &health));
    // A stream of which one request came, and whose end didn't.
    let asked = ModelInferRequest { model_name: "x".into(), id: "i".into(), ..Default::default() };
    let first =
        futures::stream::iter([Ok::<_, std::io::Error>(Bytes::from(framed(false, &asked.encode_to_vec())))]);
    let open = Body::from_stream(futures::StreamExt::chain(first, futures::stream::pending()));
    let streamed = sent(&server.router, "/inference.GRPCInferenceService/ModelStreamInfer", &[], open);
    let ending = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        server.stop.send_replace(true);
    };
    let ((watched, told), (streamed, answers), ()) = tokio::join!(watched, streamed, ending);
    assert_eq!(watched["grpc-status"], "0");
    let (first, second) = told.split_at(told.len() / 2);
    let told = [first, second].map(|one| HealthCheckResponse::decode(&one[5..]).unwrap().status());
    assert_eq!(told, [ServingStatus::Serving, ServingStatus::NotServing]);
    says(&Status::from_header_map(&streamed).unwrap(), Code::Unavailable, "stopping");
    let answer = ModelStreamInferResponse::decode(&answers[5..]).unwrap();
    assert!(answer.error_message.contains("\"x\""), "{answer:?}");
    assert_eq!(answer.infer_response.unwrap().id, "i");
    let (_, told) = sent(&server.router, "/grpc.health.v1.Health/Check", &[], framed(false, &health)).await;
    assert_eq!(HealthCheckResponse::decode(&told[5..]).unwrap().status(), ServingStatus::NotServing);
}
