//! Spans to a real collector: an HTTP server that reads OTLP.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{Router, body::Bytes, routing::post};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::Span,
};
use prost::Message as _;
use serde_json::json;
use support::Yard;

type Spans = Arc<Mutex<Vec<Span>>>;

async fn collector() -> (String, Spans) {
    let spans = Spans::default();
    let kept = spans.clone();
    let take = move |body: Bytes| {
        let request = ExportTraceServiceRequest::decode(body).unwrap();
        for resource in request.resource_spans {
            let service = attributes(&resource.resource.unwrap().attributes);
            assert_eq!(service["service.name"], "modelyard");
            for scope in resource.scope_spans {
                kept.lock().unwrap().extend(scope.spans);
            }
        }
        async {}
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().route("/v1/traces", post(take));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, spans)
}

fn attributes(pairs: &[KeyValue]) -> HashMap<String, String> {
    let text = |pair: &KeyValue| match pair.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    pairs.iter().map(|pair| (pair.key.clone(), text(pair))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callers_trace_goes_on_to_the_model() {
    let (url, spans) = collector().await;
    let mut yard = Yard::start(&["--otlp", &url]);
    let input = |name: &str| json!({"name": name, "shape": [1], "datatype": "FP64", "data": [0.5]});
    let body = json!({"inputs": [input("x1"), input("x2")]});
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let call = yard.request(reqwest::Method::POST, "/v2/models/side/infer").json(&body);
    let answer = support::answer(call.header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"))).await;
    let prediction = answer.ok()["parameters"]["prediction_id"].as_str().unwrap().to_owned();
    yard.get("/v2/models/nobody").await;
    // What is left is sent when the server ends.
    yard.stop();
    let start = Instant::now();
    while spans.lock().unwrap().len() < 3 && start.elapsed() < Duration::from_secs(30) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let spans = spans.lock().unwrap();
    let ours: Vec<_> = spans.iter().filter(|span| hex(&span.trace_id) == trace).collect();
    let find = |name: &str| {
        *ours.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("{name}: {spans:?}"))
    };
    let request = find("POST /v2/models/{name}/infer");
    assert_eq!(hex(&request.parent_span_id), "00f067aa0ba902b7");
    let said = attributes(&request.attributes);
    assert_eq!(said["http.response.status_code"], "200");
    assert_eq!(said["url.path"], "/v2/models/side/infer");
    let predict = find("predict");
    assert_eq!(predict.parent_span_id, request.span_id);
    let said = attributes(&predict.attributes);
    assert_eq!((&said["deployment"], &said["version"]), (&"side".to_owned(), &"1".to_owned()));
    assert_eq!(said["prediction_id"], prediction);
    assert_eq!(find("model").parent_span_id, predict.span_id);
    let others: Vec<_> = spans.iter().filter(|span| span.name == "GET /v2/models/{name}").collect();
    assert_eq!(attributes(&others[0].attributes)["http.response.status_code"], "404");
    assert_ne!(hex(&others[0].trace_id), trace);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_gone_harms_nobody() {
    let yard = Yard::start(&["--otlp", "http://127.0.0.1:9"]);
    let input = |name: &str| json!({"name": name, "shape": [1], "datatype": "FP64", "data": [0.5]});
    let body = json!({"inputs": [input("x1"), input("x2")]});
    for _ in 0..20 {
        yard.post("/v2/models/side/infer", body.clone()).await.ok();
    }
    yard.sound().await;
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
