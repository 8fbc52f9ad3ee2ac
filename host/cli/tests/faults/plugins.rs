//! A plugin that does what it should not: its call fails with the reason,
//! nothing comes of it, and nobody else notices.

use modelyard_build::BuildOptions;
use serde_json::{Value, json};

use crate::{
    configured,
    support::{Yard, answer},
};

/// An ingestion plugin that misbehaves as its parameters say.
const GUEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../runtime/tests/guests/ingestion");

/// A server whose plugins have limits, with the plugin that misbehaves.
async fn rogue(limits: &str) -> (tempfile::TempDir, Yard) {
    let (dir, config) = configured(&format!("[plugins]\n{limits}\n"));
    let yard = Yard::start(&["--config", &config]);
    let build = || modelyard_build::build(&BuildOptions::new(GUEST));
    let built = tokio::task::spawn_blocking(build).await.unwrap().unwrap();
    yard.plugin("rogue", &built.bytes, "rogue").await.ok();
    (dir, yard)
}

/// A pull that misbehaves fails with the reason, leaves nothing, and does not
/// hinder a prediction at the same time.
async fn fails_alone(yard: &Yard, does: &str, status: u16, told: &str) {
    let spec = json!({"name": does, "plugin": "rogue", "parameters": does});
    yard.put("/ingestion/sources", spec).await.ok();
    let path = format!("/ingestion/sources/{does}/pull?wait=true");
    let (failed, served) = tokio::join!(yard.post(&path, json!({})), yard.infer(0.5, 0.5));
    served.ok();
    let detail = failed.problem(status);
    assert!(detail.contains(told), "{does}: {detail}");
    let source = yard.get(&format!("/ingestion/sources/{does}")).await.ok();
    assert!(source["last_error"].as_str().unwrap().contains(told), "{source}");
    assert_eq!((&source["rows"], &source["cursor"]), (&json!(0), &Value::Null), "{source}");
    yard.get(&format!("/ingestion/datasets/{does}")).await.problem(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_never_ends_is_stopped_at_its_deadline() {
    let (_dir, yard) = rogue("deadline_seconds = 5").await;
    fails_alone(&yard, "loop", 504, "longer than 5000 ms").await;
    yard.sound().await;
}

// With the usual deadline: on a busy machine it takes its time to fill memory.
#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_misbehaves_fails_alone() {
    let (_dir, yard) = rogue("memory_bytes = 536870912").await;
    for (does, told) in [
        ("grow", "more than 536870912 bytes of memory"),
        ("recurse", "stack exhausted"),
        ("log", "after logging"),
        ("unequal", "column `b` has 1 rows and column `a` has 2"),
        ("schema", "column `c` where the schema has `b`"),
        ("many", "65537 rows where 65536 were asked for"),
        ("huge", "more than 268435456 bytes"),
    ] {
        fails_alone(&yard, does, 502, told).await;
    }
    // NaN is a number like others, which JSON has no word for.
    let spec = json!({"name": "odd", "plugin": "rogue", "parameters": "nan"});
    yard.put("/ingestion/sources", spec).await.ok();
    let pulled = yard.post("/ingestion/sources/odd/pull?wait=true", json!({})).await.ok();
    assert_eq!(pulled["rows"], 2, "{pulled}");
    assert_eq!(yard.row("SELECT a, b FROM odd ORDER BY b").await, json!([null, 1]));
    let upload = yard.upload("odd", "a,b\n2.5,3\n", None);
    assert_eq!(answer(upload).await.ok()["rows"], 1);
    assert_eq!(yard.row("SELECT count(*) FROM odd WHERE isnan(a)").await, json!([1]));
    yard.sound().await;
}
