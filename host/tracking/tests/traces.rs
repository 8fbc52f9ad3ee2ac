//! Traces, spans and assessments.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;

use common::{open, run};
use modelyard_tracking::{
    Assessment, AssessmentSource, DeleteTraces, SearchTraces, Span, Store, TraceInfo, TraceState,
    UpdateAssessment,
};
use serde_json::{Value, json};

fn info(id: &str, time: i64) -> TraceInfo {
    TraceInfo {
        trace_id: id.into(),
        experiment_id: "0".into(),
        request_time_ms: time,
        execution_duration_ms: Some(10),
        state: TraceState::Ok,
        tags: BTreeMap::from([("mlflow.traceName".into(), format!("name-{id}"))]),
        trace_metadata: BTreeMap::from([("mlflow.trace.session".into(), "s".into())]),
        ..TraceInfo::default()
    }
}

fn span(trace: &str, id: &str, parent: Option<&str>, status: &str) -> Span {
    let content = json!({ "name": id, "attributes": { "model": "\"gpt-4\"", "n": 3 } }).to_string();
    Span {
        trace_id: trace.into(),
        span_id: id.into(),
        parent_span_id: parent.map(str::to_owned),
        name: format!("span-{id}"),
        span_type: Some("LLM".into()),
        status: status.into(),
        start_time_ns: 5_000_000,
        end_time_ns: Some(25_000_000),
        content: content.into_bytes(),
    }
}

fn feedback(trace: &str, name: &str, value: Value) -> Assessment {
    Assessment {
        assessment_name: name.into(),
        trace_id: trace.into(),
        source: AssessmentSource { source_type: "HUMAN".into(), source_id: "eve".into() },
        body: json!({ "feedback": { "value": value } }).as_object().unwrap().clone(),
        ..Assessment::default()
    }
}

fn found(store: &Store, filter: &str, order_by: &[&str]) -> Vec<String> {
    let search = SearchTraces {
        experiment_ids: vec!["0".into()],
        filter: filter.into(),
        order_by: order_by.iter().map(|clause| (*clause).to_owned()).collect(),
        ..SearchTraces::default()
    };
    let page = store.search_traces(&search).unwrap_or_else(|error| panic!("{filter}: {error}"));
    page.items.into_iter().map(|info| info.trace_id).collect()
}

#[tokio::test]
async fn heads_and_spans_come_in_either_order() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    store.log_spans("0", vec![span("tr-1", "child", Some("root"), "OK")]).await.unwrap();
    let early = store.trace_info("tr-1").unwrap();
    assert_eq!((early.state, early.request_time_ms), (TraceState::InProgress, 5));
    assert_eq!(early.execution_duration_ms, Some(20));
    store.log_spans("0", vec![span("tr-1", "root", None, "ERROR")]).await.unwrap();
    assert_eq!(store.trace_info("tr-1").unwrap().state, TraceState::Error);
    let whole = store.start_trace(info("tr-1", 7)).await.unwrap();
    assert_eq!((whole.request_time_ms, whole.state), (7, TraceState::Ok));
    assert_eq!(whole.tags["mlflow.trace.spansLocation"], "TRACKING_STORE");
    assert_eq!(whole.tags["mlflow.artifactLocation"], "mlflow-artifacts:/0/traces/tr-1/artifacts");
    // Spans that come later leave the head alone, and one sent again replaces itself.
    store.log_spans("0", vec![span("tr-1", "root", None, "ERROR")]).await.unwrap();
    let trace = store.trace("tr-1").unwrap();
    assert_eq!((trace.info.request_time_ms, trace.spans.len()), (7, 2));
    assert_eq!(store.batch_traces(&["tr-none".into(), "tr-1".into()]).unwrap().len(), 1);
    assert_eq!(store.trace_info("tr-none").unwrap_err().to_string(), "Trace with ID 'tr-none' not found.");
    let nameless = Span { span_id: String::new(), ..span("tr-2", "x", None, "OK") };
    assert!(store.log_spans("0", vec![nameless]).await.is_err());
    let lost = TraceInfo { experiment_id: "99".into(), ..info("tr-3", 1) };
    assert_eq!(store.start_trace(lost).await.unwrap_err().code().as_str(), "RESOURCE_DOES_NOT_EXIST");
}

#[tokio::test]
async fn traces_are_searched() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let run_id = run(&store, "0", 1).await.info.run_id;
    for (id, time) in [("tr-a", 10), ("tr-b", 30), ("tr-c", 20)] {
        store.start_trace(info(id, time)).await.unwrap();
    }
    store.log_spans("0", vec![span("tr-a", "root", None, "OK")]).await.unwrap();
    store.set_trace_tag("tr-b", "team", "x").await.unwrap();
    store.create_assessment(feedback("tr-c", "good", json!(0.7))).await.unwrap();
    store.create_assessment(feedback("tr-b", "good", json!("yes"))).await.unwrap();
    // Linked before it is there.
    store.link_traces_to_run(vec!["tr-a".into(), "tr-d".into()], &run_id).await.unwrap();
    store.start_trace(info("tr-d", 40)).await.unwrap();
    for (filter, expected) in [
        ("", vec!["tr-d", "tr-b", "tr-c", "tr-a"]),
        ("timestamp_ms >= 20 AND timestamp < 40", vec!["tr-b", "tr-c"]),
        ("name = 'name-tr-a'", vec!["tr-a"]),
        ("trace.status = 'OK' AND tags.team = 'x'", vec!["tr-b"]),
        ("tags.team IS NULL AND execution_time_ms <= 10", vec!["tr-d", "tr-c", "tr-a"]),
        ("metadata.`mlflow.trace.session` = 's' AND request_id IN ('tr-a', 'tr-d')", vec!["tr-d", "tr-a"]),
        ("span.name LIKE 'span-%' AND span.type = 'LLM'", vec!["tr-a"]),
        ("span.attributes.model = 'gpt-4'", vec!["tr-a"]),
        ("span.attributes.model RLIKE '^gpt' AND span.status = 'ERROR'", vec![]),
        ("text LIKE '%gpt%'", vec!["tr-a"]),
        ("feedback.good > 0.5", vec!["tr-c"]),
        ("feedback.good = 'yes'", vec!["tr-b"]),
        ("feedback.good IS NULL", vec!["tr-d", "tr-a"]),
        ("expectation.good IS NOT NULL", vec![]),
        (&format!("run_id = '{run_id}'"), vec!["tr-d", "tr-a"]),
        ("end_time_ms = 30", vec!["tr-c"]),
    ] {
        assert_eq!(found(&store, filter, &[]), expected, "{filter}");
    }
    assert_eq!(found(&store, "", &["timestamp_ms ASC"]), ["tr-a", "tr-c", "tr-b", "tr-d"]);
    assert_eq!(found(&store, "", &["name DESC"]), ["tr-d", "tr-c", "tr-b", "tr-a"]);
    let mut paged =
        SearchTraces { experiment_ids: vec!["0".into()], max_results: Some(3), ..SearchTraces::default() };
    let first = store.search_traces(&paged).unwrap();
    paged.page_token = first.next_page_token;
    let rest = store.search_traces(&paged).unwrap();
    assert_eq!((first.items.len(), rest.items.len(), rest.next_page_token), (3, 1, None));
    drop(store);
    assert_eq!(found(&open(directory.path()), "", &[]), ["tr-d", "tr-b", "tr-c", "tr-a"]);
}

#[tokio::test]
async fn traces_are_deleted_by_age_or_id() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    for time in 0..6 {
        store.start_trace(info(&format!("tr-{time}"), time)).await.unwrap();
    }
    let request = DeleteTraces { experiment_id: "0".into(), ..DeleteTraces::default() };
    let oldest = DeleteTraces { max_timestamp_millis: Some(4), max_traces: Some(2), ..request.clone() };
    assert_eq!(store.delete_traces(oldest).await.unwrap(), 2);
    let by_id = DeleteTraces { trace_ids: vec!["tr-5".into(), "tr-0".into()], ..request.clone() };
    assert_eq!(store.delete_traces(by_id.clone()).await.unwrap(), 1);
    assert_eq!(found(&store, "", &[]), ["tr-4", "tr-3", "tr-2"]);
    for (bad, part) in [
        (request.clone(), "Either `max_timestamp_millis` or `trace_ids`"),
        (DeleteTraces { max_timestamp_millis: Some(1), ..by_id.clone() }, "Only one of"),
        (DeleteTraces { max_traces: Some(1), ..by_id }, "`max_traces` can't be specified"),
        (
            DeleteTraces { max_timestamp_millis: Some(1), max_traces: Some(0), ..request },
            "must be a positive integer, received 0",
        ),
    ] {
        assert!(store.delete_traces(bad).await.unwrap_err().to_string().contains(part));
    }
    store.set_trace_tag("tr-4", "a", "b").await.unwrap();
    store.delete_trace_tag("tr-4", "a").await.unwrap();
    assert_eq!(
        store.delete_trace_tag("tr-4", "a").await.unwrap_err().to_string(),
        "No trace tag with key 'a' for trace with ID 'tr-4'"
    );
}

#[tokio::test]
async fn an_assessment_overrides_and_gives_way() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    store.start_trace(info("tr-1", 1)).await.unwrap();
    let first = store.create_assessment(feedback("tr-1", "good", json!(false))).await.unwrap();
    assert!(first.assessment_id.starts_with("a-") && first.create_time_ms > 0 && first.valid == Some(true));
    let over =
        Assessment { overrides: Some(first.assessment_id.clone()), ..feedback("tr-1", "good", json!(true)) };
    let second = store.create_assessment(over).await.unwrap();
    assert_eq!(store.assessment("tr-1", &first.assessment_id).unwrap().valid, Some(false));
    assert_eq!(found(&store, "feedback.good = 'true'", &[]), ["tr-1"]);
    assert!(found(&store, "feedback.good = 'false'", &[]).is_empty());
    let change = UpdateAssessment {
        rationale: Some("why".into()),
        metadata: Some(BTreeMap::from([("k".into(), "v".into())])),
        ..UpdateAssessment::default()
    };
    let changed = store.update_assessment("tr-1", &second.assessment_id, change).await.unwrap();
    assert_eq!((changed.rationale.as_deref(), changed.metadata["k"].as_str()), (Some("why"), "v"));
    let other = UpdateAssessment {
        body: Some(json!({ "expectation": {} }).as_object().unwrap().clone()),
        ..UpdateAssessment::default()
    };
    assert!(store.update_assessment("tr-1", &second.assessment_id, other).await.is_err());
    store.delete_assessment("tr-1", &second.assessment_id).await.unwrap();
    store.delete_assessment("tr-1", &second.assessment_id).await.unwrap();
    assert_eq!(store.assessment("tr-1", &first.assessment_id).unwrap().valid, Some(true));
    let error = store.assessment("tr-1", "a-none").unwrap_err();
    assert_eq!(error.to_string(), "Assessment with ID 'a-none' not found for trace 'tr-1'");
    let missing = store.create_assessment(feedback("tr-9", "good", json!(1))).await.unwrap_err();
    assert_eq!(missing.code().as_str(), "RESOURCE_DOES_NOT_EXIST");
    let empty = Assessment { body: serde_json::Map::new(), ..feedback("tr-1", "x", json!(1)) };
    assert!(store.create_assessment(empty).await.is_err());
}
