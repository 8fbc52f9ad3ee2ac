//! A process that writes under load is killed with SIGKILL; everything that it
//! said was acknowledged is there afterwards, once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout
)]

mod common;

use std::{
    collections::{HashMap, HashSet},
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use common::{f64s, open, open_with, prediction, rows, s64s, table, time, times};
use modelyard_tables::{Label, Layout, PredictionId, Status, Tables, Window};

const DIR: &str = "MODELYARD_TABLES_KILL_DIR";

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "ack {line}").unwrap();
    out.flush().unwrap();
}

/// Not a test of its own: what the killed process does.
#[test]
fn child() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        // Small segments: kills land in sealing as well.
        let tables = open_with(Path::new(&dir), |options| options.seal_bytes = 20_000).await;
        let tasks: Vec<_> = (0..6).map(|task| tokio::spawn(load(tables.clone(), task))).collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

async fn load(tables: Tables, task: i64) {
    for n in 0i64.. {
        let call = prediction("flights", 1, "2013-01-01", n as f64);
        tables.predictions().append_durable(&call).await.unwrap();
        say(&format!("prediction {}", call.id));
        if n % 3 == 0 {
            let label = Label { prediction_id: call.id.into(), value: n.into(), at: time("2013-02-01") };
            tables.labels().put(vec![label]).await.unwrap();
            say(&format!("label {} {n}", call.id));
        }
        if n % 5 == 0 {
            let at = (time("2013-01-01") + Duration::from_secs(n.unsigned_abs())).to_string();
            let row = table(vec![s64s("id", &[task]), times("at", &[&at]), f64s("v", &[n as f64])]);
            tables.online().put("stats", &Layout::new(&["id"], "at"), &row).await.unwrap();
            say(&format!("online {task} {n}"));
        }
    }
}

#[derive(Default)]
struct Acknowledged {
    predictions: HashSet<PredictionId>,
    labels: HashMap<PredictionId, i64>,
    online: HashMap<i64, i64>,
}

/// Lets a child write until it has said `lines` lines, then kills it.
fn kill_after(dir: &Path, lines: usize, all: &mut Acknowledged) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        // The test harness may write its own words before the first.
        let Some((_, line)) = line.split_once("ack ") else { continue };
        let words: Vec<&str> = line.split(' ').collect();
        match words[0] {
            "prediction" => drop(all.predictions.insert(words[1].parse().unwrap())),
            "label" => drop(all.labels.insert(words[1].parse().unwrap(), words[2].parse().unwrap())),
            _ => {
                let n: i64 = words[2].parse().unwrap();
                let last = all.online.entry(words[1].parse().unwrap()).or_insert(n);
                *last = n.max(*last);
            }
        }
        said += 1;
        if said == lines {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(said >= lines, "the child ended by itself after {said} lines");
}

async fn check(tables: &Tables, all: &Acknowledged) {
    let window = Window { columns: Some(vec!["prediction_id".into()]), ..Window::of("flights") };
    let found: Vec<PredictionId> = rows(tables.predictions().window(&window).await.unwrap())
        .iter()
        .map(|row| row[0].as_str().unwrap().parse().unwrap())
        .collect();
    let unique: HashSet<PredictionId> = found.iter().copied().collect();
    assert_eq!(unique.len(), found.len(), "a prediction is there twice");
    assert!(unique.is_superset(&all.predictions), "an acknowledged prediction is missing");
    let ids: Vec<PredictionId> = all.predictions.iter().copied().collect();
    assert!(tables.predictions().known(&ids).await.unwrap().iter().all(|known| *known));
    for (id, value) in &all.labels {
        assert_eq!(tables.labels().get(&[*id])[0].as_ref().unwrap().value, (*value).into());
    }
    for (task, n) in &all.online {
        let row = &tables.online().get("stats", &[vec![(*task).into()]], time("2014-01-01"), None)[0];
        assert_eq!(row.status, Status::Present);
        assert!(row.value("v").unwrap().as_f64().unwrap() >= *n as f64);
    }
}

#[test]
fn what_was_acknowledged_survives_kills_and_nothing_is_doubled() {
    let dir = tempfile::tempdir().unwrap();
    let mut all = Acknowledged::default();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for (round, lines) in [40, 700, 1500, 333].into_iter().enumerate() {
        kill_after(dir.path(), lines, &mut all);
        if round == 1 {
            // A torn tail on top.
            let segments = dir.path().join("tables/predictions/segments");
            let mut files: Vec<_> = std::fs::read_dir(segments).unwrap().map(|e| e.unwrap().path()).collect();
            files.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
            files.sort();
            let mut last = std::fs::OpenOptions::new().append(true).open(files.last().unwrap()).unwrap();
            last.write_all(&[200, 0, 0, 0, 1, 2, 3, 4, 5]).unwrap();
        }
        runtime.block_on(async { check(&open(dir.path()).await, &all).await });
    }
    assert!(all.labels.len() > 100 && all.online.len() == 6);
}
