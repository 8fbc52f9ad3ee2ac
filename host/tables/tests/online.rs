//! The online store: the latest event wins, restarts change nothing, erased
//! values leave the disk.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use std::{path::Path, time::Duration};

use common::{f64s, open, open_with, s64s, table, texts, time, times};
use modelyard_tables::{Error, Layout, Put, Status, Tables, Value};

fn on_disk(dir: &Path, text: &str) -> bool {
    let holds = |path: &Path| {
        let bytes = std::fs::read(path).unwrap();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    };
    std::fs::read_dir(dir.join("tables/online")).unwrap().any(|entry| holds(&entry.unwrap().path()))
}

async fn put(tables: &Tables, planes: &[&str], at: &str, speed: f64) -> Put {
    let rows = table(vec![
        texts("plane", planes),
        times("at", &vec![at; planes.len()]),
        f64s("speed", &vec![speed; planes.len()]),
    ]);
    tables.online().put("stats", &Layout::new(&["plane"], "at"), &rows).await.unwrap()
}

fn speed(tables: &Tables, plane: &str) -> Option<Value> {
    let found = tables.online().get("stats", &[vec![plane.into()]], time("2013-12-31"), None);
    found[0].value("speed").cloned()
}

#[tokio::test]
async fn an_older_event_never_replaces_a_newer_one_and_restarts_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let tables = open(dir.path()).await;
    assert_eq!(put(&tables, &["a", "b"], "2013-01-02", 2.0).await, Put { stored: 2, outdated: 0 });
    assert_eq!(put(&tables, &["a"], "2013-01-01", 1.0).await, Put { stored: 0, outdated: 1 });
    assert_eq!(put(&tables, &["b"], "2013-01-03", 3.0).await, Put { stored: 1, outdated: 0 });
    let check = |tables: &Tables| {
        assert_eq!(speed(tables, "a"), Some(2.0.into()));
        assert_eq!(speed(tables, "b"), Some(3.0.into()));
        assert_eq!(speed(tables, "c"), None);
        assert_eq!(tables.online().keys("stats"), 2);
    };
    check(&tables);
    drop(tables);
    let tables = open(dir.path()).await;
    check(&tables);
    tables.online().compact().await.unwrap();
    check(&tables);
    drop(tables);
    check(&open(dir.path()).await);
}

#[tokio::test]
async fn lookups_say_what_is_missing_and_what_is_too_old() {
    let dir = tempfile::tempdir().unwrap();
    let tables = open(dir.path()).await;
    put(&tables, &["a"], "2013-01-02", 2.0).await;
    let day = Some(Duration::from_secs(86_400));
    let get =
        |now: &str, ttl| tables.online().get("stats", &[vec!["a".into()], vec!["z".into()]], time(now), ttl);
    let found = get("2013-01-03", day);
    assert_eq!((found[0].status, found[1].status), (Status::Present, Status::NotFound));
    assert_eq!(found[0].event_time(), Some(time("2013-01-02")));
    assert_eq!(found[0].values().collect::<Vec<_>>(), [("speed", &Value::F64(2.0))]);
    assert_eq!(get("2013-01-03T00:00:01", day)[0].status, Status::OutsideMaxAge);
    assert_eq!(get("2030-01-01", None)[0].status, Status::Present);
    let unknown = tables.online().get("nope", &[vec!["a".into()]], time("2013-01-03"), None);
    assert_eq!(unknown[0].status, Status::NotFound);
}

#[tokio::test]
async fn keys_are_compared_by_value_and_rows_without_keys_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let tables = open(dir.path()).await;
    let rows = |name: &str| table(vec![s64s(name, &[7]), texts("leg", &["x"]), times("at", &["2013-01-01"])]);
    tables.online().put("v", &Layout::new(&["n", "leg"], "at"), &rows("n")).await.unwrap();
    let get = |key: Vec<Value>| tables.online().get("v", &[key], time("2013-01-03"), None)[0].status;
    assert_eq!(get(vec![7.0.into(), "x".into()]), Status::Present);
    assert_eq!(get(vec!["7".into(), "x".into()]), Status::Present);
    assert_eq!(get(vec!["07".into(), "x".into()]), Status::NotFound);
    assert_eq!(get(vec![7i64.into()]), Status::NotFound);
    let other = tables.online().put("v", &Layout::new(&["leg"], "at"), &rows("n")).await.unwrap_err();
    assert!(other.to_string().contains("keyed by n, leg"), "{other}");
    let missing = tables.online().put("v", &Layout::new(&["n", "leg"], "at"), &rows("m")).await.unwrap_err();
    assert!(matches!(missing, Error::NoColumn { .. }), "{missing}");
    let mut n = s64s("n", &[7]);
    n.validity = Some(vec![false]);
    let null = table(vec![n, times("at", &["2013-01-01"])]);
    let null = tables.online().put("w", &Layout::new(&["n"], "at"), &null).await.unwrap_err().to_string();
    assert!(null.contains("\"n\" is null in row 0"), "{null}");
}

#[tokio::test]
async fn what_is_erased_or_dropped_leaves_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let tables = open(dir.path()).await;
    put(&tables, &["secret-plane", "b"], "2013-01-02", 2.0).await;
    assert!(on_disk(dir.path(), "secret-plane"));
    assert_eq!(tables.online().erase("plane", &"secret-plane".into()).await.unwrap(), 1);
    assert_eq!(speed(&tables, "secret-plane"), None);
    assert!(!on_disk(dir.path(), "secret-plane"));
    drop(tables);
    let tables = open(dir.path()).await;
    assert_eq!((speed(&tables, "secret-plane"), speed(&tables, "b")), (None, Some(2.0.into())));
    tables.online().drop_view("stats").await.unwrap();
    drop(tables);
    let tables = open(dir.path()).await;
    assert_eq!(tables.online().views(), Vec::<String>::new());
}

#[tokio::test]
async fn the_log_is_rewritten_when_most_of_it_is_outdated() {
    let dir = tempfile::tempdir().unwrap();
    let tables = open_with(dir.path(), |options| options.compact_bytes = 4096).await;
    for day in 1..=200u32 {
        let at = time("2013-01-01") + Duration::from_secs(86_400 * u64::from(day));
        put(&tables, &["a", "b"], &at.to_string(), f64::from(day)).await;
    }
    let bytes: u64 = std::fs::read_dir(dir.path().join("tables/online"))
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    assert!(bytes < 8192, "{bytes}");
    drop(tables);
    assert_eq!(speed(&open(dir.path()).await, "a"), Some(200.0.into()));
}
