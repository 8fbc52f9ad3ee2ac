//! A full disk: told as 507, and nothing that was there is harmed.

use std::{
    fs,
    sync::{Arc, atomic::AtomicBool},
};

use serde_json::{Value, json};

use crate::{
    csv, ids,
    support::{Small, Yard, answer, source},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_and_harms_nothing() {
    let Some(disk) = Small::mount(96) else { return };
    let mut yard = Yard::start_at(&disk.path().join("data"), &[]);
    yard.rows("kept", &csv(0..1000), None).await.ok();
    // More than there is room for.
    let large = vec![b'1'; 120 << 20];
    answer(yard.upload("large", large, None)).await.problem(507);
    yard.get("/ingestion/datasets/large").await.problem(404);
    assert_eq!(yard.unfinished(), Vec::<std::path::PathBuf>::new());
    yard.rows("kept", &csv(1000..2000), None).await.ok();

    // Nothing is left at all.
    let ballast = disk.path().join("ballast");
    Small::fill(&ballast);
    let detail = yard.rows("more", &csv(0..200_000), None).await.problem(507);
    assert!(detail.contains("space") || detail.contains("full"), "{detail}");
    // Records fit where a file's last page has room, until one does not.
    let mut acknowledged = Vec::new();
    let model = |number: usize| json!({"name": format!("late{number}"), "description": "x".repeat(2000)});
    let refused = loop {
        let answer = yard.put("/registry/models", model(acknowledged.len())).await;
        if answer.status != 200 || acknowledged.len() == 50 {
            break answer;
        }
        acknowledged.push(answer.body);
    };
    refused.problem(507);
    yard.get("/health").await.ok();
    assert_eq!(ids(&yard, "kept").await, (2000, 2000));

    fs::remove_file(&ballast).unwrap();
    yard.rows("kept", &csv(2000..3000), None).await.ok();
    yard.rows("more", &csv(0..20_000), None).await.ok();
    yard.put("/registry/models", model(acknowledged.len())).await.ok();
    yard.sound().await;
    yard.kill();
    yard.restart();
    assert_eq!(ids(&yard, "kept").await, (3000, 3000));
    assert_eq!(ids(&yard, "more").await, (20_000, 20_000));
    for (number, model) in acknowledged.iter().enumerate() {
        assert_eq!(&yard.get(&format!("/registry/models/late{number}")).await.ok(), model);
    }
    yard.sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_larger_than_the_disk_is_told_as_a_full_disk() {
    let Some(disk) = Small::mount(96) else { return };
    let yard = Yard::start_at(&disk.path().join("data"), &["--ingest-host", "127.0.0.1"]);
    let put = async |text: String| {
        let url = source(text, Arc::new(AtomicBool::new(false))).await;
        let spec = json!({"name": "wide", "plugin": "ingestion-csv", "parameters": {"url": url}});
        yard.put("/ingestion/sources", spec).await.ok();
    };
    let pull = async || yard.post("/ingestion/sources/wide/pull?wait=true", json!({})).await;
    put("1".repeat(120 << 20)).await;
    let detail = pull().await.problem(507);
    assert!(detail.contains("space"), "{detail}");
    // What was kept of it is gone, so its failure could be noted and told.
    let source = yard.get("/ingestion/sources/wide").await.ok();
    assert!(source["last_error"].as_str().unwrap().contains("space"), "{source}");
    assert_eq!((&source["rows"], &source["cursor"]), (&json!(0), &Value::Null));
    yard.get("/ingestion/datasets/wide").await.problem(404);
    let events = yard.get("/events?stage=ingestion").await.ok();
    assert_eq!(events.to_string().matches("dev.modelyard.ingestion.failed").count(), 1, "{events}");
    assert_eq!(yard.unfinished(), Vec::<std::path::PathBuf>::new());

    put(csv(1..2001)).await;
    assert_eq!(pull().await.ok()["rows"], 2000);
    assert_eq!(ids(&yard, "wide").await, (2000, 2000));
    yard.sound().await;
}
