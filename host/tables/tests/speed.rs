//! How fast the heavy paths are, on rows like a year of flights. Run with
//! `cargo test -p modelyard-tables --test speed -- --ignored --nocapture`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout
)]

mod common;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use common::{open, open_with, prediction, time};
use modelyard_tables::{
    Column, Key, Label, Layout, PointInTime, RecordBatch, Scan, Schema, Values, ViewJoin, Window, to_batch,
};

const ROWS: usize = 336_776;

/// A generator good enough to spread values.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

/// 19 columns as the flights have.
fn flights() -> Vec<RecordBatch> {
    let mut state = 7;
    let start = time("2013-01-01").micros();
    let step = 365 * 86_400_000_000 / i64::try_from(ROWS).unwrap();
    let mut batches = Vec::new();
    for first in (0..ROWS).step_by(16_384) {
        let rows = 16_384.min(ROWS - first);
        let moments = (0..rows).map(|row| start + i64::try_from(first + row).unwrap() * step).collect();
        let mut columns = vec![Column::new("time", Values::Timestamp(moments))];
        for n in 0..8 {
            let values = (0..rows).map(|_| i64::try_from(random(&mut state) % (n * 300 + 12)).unwrap());
            columns.push(Column::new(format!("int{n}"), Values::S64(values.collect())));
        }
        for n in 0..5 {
            let values = (0..rows).map(|_| (random(&mut state) % 20_000) as f64 / 7.0);
            columns.push(Column::new(format!("num{n}"), Values::F64(values.collect())));
        }
        for n in [4000, 16, 3, 105, 3] {
            let values = (0..rows).map(|_| format!("V{}", random(&mut state) % n));
            columns.push(Column::new(format!("text{}", columns.len()), Values::Utf8(values.collect())));
        }
        batches.push(to_batch(columns).unwrap());
    }
    batches
}

/// A moment on the wall and on this process's CPU clock.
struct Start(Instant, f64);

fn start() -> Start {
    Start(Instant::now(), cpu())
}

/// CPU seconds of the process: fields 14 and 15 of proc_pid_stat(5), in ticks
/// of 10 ms.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn report(what: &str, since: &Start) {
    println!("{what}: {:.3} s, {:.2} s of CPU", since.0.elapsed().as_secs_f64(), cpu() - since.1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, not a check"]
async fn datasets_and_joins() {
    let dir = tempfile::tempdir().unwrap();
    let tables = open(dir.path()).await;
    let batches = flights();
    let schema = Schema::from_arrow(&batches[0].schema()).unwrap();
    let begun = start();
    let file = tables.write_batches(&schema, batches).await.unwrap();
    report(
        &format!("write {} rows x {} columns, {} bytes", file.rows, schema.fields.len(), file.bytes),
        &begun,
    );
    let begun = start();
    let read: usize =
        tables.scan(&[file.digest], Scan::default()).await.unwrap().map(|b| b.unwrap().num_rows()).sum();
    report(&format!("scan {read} rows"), &begun);
    let begun = start();
    let query = "SELECT text14, avg(num1) FROM t GROUP BY text14";
    tables.sql(query, &[("t", vec![file.digest])], None).await.unwrap();
    report("sql group by", &begun);
    let stats = ViewJoin {
        name: "stats".into(),
        files: vec![file.digest],
        entity_keys: vec![("text14".into(), "text14".into())],
        event_time: "time".into(),
        created_at: None,
        ttl: Some(Duration::from_secs(86_400 * 30)),
        columns: vec!["num0".into(), "num1".into(), "text15".into()],
        rename: ["num0", "num1", "text15"]
            .iter()
            .map(|c| ((*c).to_owned(), format!("s_{c}")))
            .collect::<BTreeMap<_, _>>(),
    };
    let begun = start();
    let how = PointInTime { event_time: "time".into(), views: vec![stats] };
    let joined = tables.point_in_time_join(&[file.digest], how).await.unwrap();
    report(&format!("point-in-time join {} x {} rows", joined.rows, file.rows), &begun);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, not a check"]
async fn logs() {
    let dir = tempfile::tempdir().unwrap();
    let tables = open_with(dir.path(), |options| options.commit_interval_ms = 10).await;
    let calls: Vec<_> = (0..100_000).map(|n| prediction("flights", 1, "2013-01-01", f64::from(n))).collect();
    let begun = start();
    for call in &calls {
        tables.predictions().append(call).unwrap();
    }
    report("append 100,000 predictions", &begun);
    tables.predictions().flush().await.unwrap();
    report("… and flush", &begun);
    let begun = start();
    let labels = calls.iter().map(|c| Label { prediction_id: c.id.into(), value: true.into(), at: c.at });
    tables.labels().put(labels.collect()).await.unwrap();
    report("100,000 labels", &begun);
    let begun = start();
    let rows: usize = tables
        .predictions()
        .joined(&Window::of("flights"), true)
        .await
        .unwrap()
        .map(|batch| batch.unwrap().num_rows())
        .sum();
    report(&format!("join {rows} labels"), &begun);
    let begun = start();
    tables.predictions().seal().await.unwrap();
    report("seal", &begun);

    let batches = flights();
    let begun = start();
    for batch in &batches {
        tables.online().put("v", &Layout::new(&["text14", "int7"], "time"), batch).await.unwrap();
    }
    report(&format!("put {ROWS} rows online, {} keys", tables.online().keys("v")), &begun);
    let keys: Vec<Key> =
        (0..10_000i64).map(|n| vec![format!("V{}", n % 4000).into(), (n % 2000).into()]).collect();
    let begun = start();
    let found = tables.online().get("v", &keys, time("2014-01-01"), None);
    report(&format!("look up {} keys", found.len()), &begun);
}
