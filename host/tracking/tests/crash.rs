//! What was acknowledged survives a killed process; what was not is whole or absent.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use common::{batch, experiment, metric, open, param, run, search};
use modelyard_tracking::Tag;

/// Where the child finds its store.
const DIRECTORY: &str = "TRACKING_CRASH_DIRECTORY";
/// Metrics in each batch.
const KEYS: usize = 50;
/// Runs that the child writes to at once.
const WRITERS: usize = 4;

/// The writing process: batch after batch to four runs, each acknowledged by a line.
#[test]
#[ignore = "started by the tests below as a process to be killed"]
fn child() {
    let directory = PathBuf::from(std::env::var(DIRECTORY).unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let store = open(&directory);
        let experiment_id = experiment(&store, &format!("killed-{}", std::process::id())).await;
        let mut writers = Vec::new();
        for _ in 0..WRITERS {
            let (store, experiment_id) = (store.clone(), experiment_id.clone());
            writers.push(tokio::spawn(async move {
                let id = run(&store, &experiment_id, 1).await.info.run_id;
                for step in 0_i32.. {
                    let metrics =
                        (0..KEYS).map(|key| metric(&format!("m{key}"), f64::from(step), 1, step.into()));
                    let params = vec![param(&format!("p{step}"), "v")];
                    let tags = vec![Tag::new("step", step.to_string())];
                    store.log_batch(&id, batch(metrics.collect(), params, tags)).await.unwrap();
                    println!("done {id} {step}");
                }
            }));
        }
        for writer in writers {
            writer.await.unwrap();
        }
    });
}

fn start(directory: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Kills a child after `lines` acknowledgements; gives the last step acknowledged of each run.
fn kill_after(directory: &Path, lines: usize) -> std::collections::BTreeMap<String, i64> {
    let mut child = start(directory);
    let output = BufReader::new(child.stdout.take().unwrap());
    let mut acknowledged = std::collections::BTreeMap::new();
    let mut note = |line: String| {
        let words: Vec<&str> = line.split(' ').collect();
        if let ["done", run, step] = words[..] {
            acknowledged.insert(run.to_owned(), step.parse::<i64>().unwrap());
        }
    };
    let mut read = output.lines();
    for line in read.by_ref().take(lines) {
        note(line.unwrap());
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // Lines that were on their way were acknowledged too; the last may be cut.
    let rest: Vec<String> = read.map_while(Result::ok).collect();
    let whole = rest.len().saturating_sub(1);
    rest.into_iter().take(whole).for_each(note);
    acknowledged
}

#[test]
fn acknowledged_batches_survive_and_none_is_torn() {
    let directory = tempfile::tempdir().unwrap();
    let mut acknowledged = std::collections::BTreeMap::new();
    for lines in [20, 131, 402] {
        acknowledged.extend(kill_after(directory.path(), lines));
        let store = open(directory.path());
        for (id, last) in &acknowledged {
            let run = store.run(id).unwrap();
            let steps = run.data.params.len();
            assert!(steps as i64 > *last, "{id}: {last} was acknowledged, {steps} are there");
            assert_eq!(run.data.metrics.len(), KEYS);
            for metric in &run.data.metrics {
                assert_eq!(metric.step, steps as i64 - 1, "{}", metric.key);
                let history = store.metric_history(id, &metric.key, None, None).unwrap().items;
                assert_eq!(history.len(), steps, "{}", metric.key);
            }
            let tag = run.data.tags.iter().find(|tag| tag.key == "step").unwrap();
            assert_eq!(tag.value.as_str(), (steps - 1).to_string());
        }
        assert!(!acknowledged.is_empty());
    }
}

#[tokio::test]
async fn a_start_finds_what_was_there() {
    let directory = tempfile::tempdir().unwrap();
    let before = {
        let store = open(directory.path());
        let experiment_id = experiment(&store, "kept").await;
        for start in 0..100 {
            let id = run(&store, &experiment_id, start).await.info.run_id;
            let metrics = (0..70).map(|key| metric(&format!("m{key}"), f64::from(key), 1, start));
            store.log_batch(&id, batch(metrics.collect(), vec![param("p", "v")], vec![])).await.unwrap();
        }
        store.search_runs(&search(&experiment_id, "", &[])).unwrap()
    };
    let store = open(directory.path());
    let experiment_id = store.experiment_by_name("kept").unwrap().experiment_id;
    assert_eq!(store.search_runs(&search(&experiment_id, "", &[])).unwrap().items, before.items);
    // Numbers go on where they stopped.
    let next = run(&store, &experiment_id, 1000).await.info.run_id;
    store.log_metric(&next, metric("m1", 1.0, 1, 0)).await.unwrap();
    assert_eq!(store.metric_history(&next, "m1", None, None).unwrap().items.len(), 1);
    assert_eq!(store.search_runs(&search(&experiment_id, "", &[])).unwrap().items.len(), 101);
}

#[test]
fn a_store_has_one_process_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let first = open(directory.path());
    let options = modelyard_tracking::Options {
        path: directory.path().join("tracking"),
        clock: modelyard_clock::Clock::system(),
        artifact_root: String::new(),
    };
    let Err(error) = modelyard_tracking::Store::open(options.clone()) else { panic!("it opened twice") };
    assert!(error.to_string().contains("can't open the tracking store at"), "{error}");
    drop(first);
    assert!(modelyard_tracking::Store::open(options).is_ok());
}
