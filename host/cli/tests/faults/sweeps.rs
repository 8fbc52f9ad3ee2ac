//! A sweep that is killed in the middle of its trials, and gone on with by hand
//! on the command line.

use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::support::{Yard, answer, eventually};

/// The command line, speaking to this yard.
fn call(yard: &Yard, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_modelyard"));
    for name in ["MODELYARD_SERVER", "MODELYARD_TOKEN"] {
        command.env_remove(name);
    }
    command.args(["--server", &yard.url]).args(arguments).output().unwrap()
}

fn told(yard: &Yard, arguments: &[&str]) -> String {
    let output = call(yard, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

async fn trials(yard: &Yard, sweep: &str) -> Vec<Value> {
    let path = format!("/experiments/sweeps/{sweep}/trials?limit=500");
    yard.get(&path).await.ok()["items"].as_array().unwrap().clone()
}

async fn with_status(yard: &Yard, sweep: &str, status: &str) -> Vec<Value> {
    let mut found = trials(yard, sweep).await;
    found.retain(|trial| trial["status"] == status);
    found
}

/// A run as MLflow's clients see it.
async fn tracked(yard: &Yard, run: &Value) -> Value {
    let id = run.as_str().unwrap().replace('-', "");
    let url = format!("{}/api/2.0/mlflow/runs/get?run_id={id}", yard.url);
    answer(yard.client.get(url)).await.ok()["run"].clone()
}

/// What a sweep tried, and what came of it.
fn values(trials: &[Value]) -> Vec<(Value, Value)> {
    trials.iter().map(|trial| (trial["parameters"].clone(), trial["value"].clone())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_that_is_killed_goes_on_with_what_was_missing() {
    const RUNS: usize = 12;
    let mut yard = Yard::start(&[]);
    let wanted = json!({"metric": "log_loss", "maximize": false, "strategy": "random", "max_runs": RUNS,
        "parallel": 2, "seed": 5, "trainers": [{"plugin": "training-gbdt",
            "parameters": {"rounds": 2_000, "min_data_in_leaf": 2},
            "search": {"learning_rate": {"low": 0.001, "high": 0.1, "log": true}}}]});
    let begun = yard.post("/experiments/side/sweeps", wanted.clone()).await.ok();
    let sweep = begun["sweep"]["id"].as_str().unwrap().to_owned();
    // Killed twice, each time with trials that ended and trials under way.
    let mut kept: Vec<Value> = Vec::new();
    for _ in 0..2 {
        eventually("a trial that ended and one under way", async || {
            with_status(&yard, &sweep, "finished").await.len() > kept.len()
                && !with_status(&yard, &sweep, "running").await.is_empty()
        })
        .await;
        kept = with_status(&yard, &sweep, "finished").await;
        yard.kill();
        yard.restart();
        let after = trials(&yard, &sweep).await;
        for trial in &kept {
            assert!(after.contains(trial), "what had ended stays: {trial}");
        }
        // It goes on by itself, in the name of whoever began it.
        eventually("the sweep at work again", async || {
            let record = yard.get(&format!("/experiments/sweeps/{sweep}")).await.ok();
            record["status"] == "running" && record["created_by"] == "local"
        })
        .await;
        let again = yard.post(&format!("/experiments/sweeps/{sweep}/resume"), json!({})).await;
        assert!(again.problem(409).contains("running"));
    }
    // As it does after a stop.
    yard.stop();
    yard.restart();
    eventually("the sweep at work after a stop", async || {
        !with_status(&yard, &sweep, "running").await.is_empty()
    })
    .await;
    // What somebody cancelled stays as it is, killed or not.
    let jobs = yard.get("/jobs?kind=experiments.sweep").await.ok();
    let job = jobs["items"].as_array().unwrap().iter().find(|job| job["status"] == "running").unwrap();
    yard.post(&format!("/jobs/{}/cancel", job["id"].as_str().unwrap()), json!({})).await.ok();
    let cancelled =
        async || yard.get(&format!("/experiments/sweeps/{sweep}")).await.ok()["status"] == "cancelled";
    eventually("the sweep's end", cancelled).await;
    yard.kill();
    yard.restart();
    let record = yard.get(&format!("/experiments/sweeps/{sweep}")).await.ok();
    assert_eq!(record["status"], "cancelled", "{record}");
    let left = with_status(&yard, &sweep, "interrupted").await;
    assert!(!left.is_empty());
    for trial in left {
        assert_eq!(tracked(&yard, &trial["run"]).await["info"]["status"], "KILLED");
    }

    // The rest on the command line, whose table shows every trial.
    let table = told(&yard, &["sweep", "--resume", &sweep]);
    assert!(table.contains("TRIAL") && table.contains("the best run of sweep"), "{table}");
    let all = trials(&yard, &sweep).await;
    assert_eq!(with_status(&yard, &sweep, "finished").await.len(), RUNS, "{all:?}");
    for trial in &all {
        assert!(table.contains(trial["run"].as_str().unwrap()), "{table}");
    }
    for trial in &kept {
        assert!(all.contains(trial), "it was not run again: {trial}");
    }
    let record = yard.get(&format!("/experiments/sweeps/{sweep}")).await.ok();
    assert_eq!((&record["status"], record["runs"].as_array().unwrap().len()), (&json!("finished"), RUNS));
    // So MLflow's clients see them, too: each once, and each of its steps once.
    assert_eq!(tracked(&yard, &json!(sweep)).await["info"]["status"], "FINISHED");
    for trial in &all {
        assert_eq!(tracked(&yard, &trial["run"]).await["info"]["status"], "FINISHED");
        let id = trial["run"].as_str().unwrap().replace('-', "");
        let url =
            format!("{}/api/2.0/mlflow/metrics/get-history?run_id={id}&metric_key=train_log_loss", yard.url);
        let history = answer(yard.client.get(url)).await.ok();
        let steps: Vec<i64> = history["metrics"]
            .as_array()
            .unwrap()
            .iter()
            .map(|point| point["step"].as_i64().unwrap())
            .collect();
        let native = yard.get(&format!("/experiments/runs/{}", trial["run"].as_str().unwrap())).await.ok();
        let points = native["history"].as_array().unwrap().iter();
        let own = points.filter(|point| point["name"] == "train_log_loss");
        let own: Vec<i64> = own.map(|point| point["step"].as_i64().unwrap()).collect();
        assert_eq!(steps, own);
    }
    let runs = yard.get("/experiments/runs?experiment=side&limit=500").await.ok();
    let of_sweep = runs["items"].as_array().unwrap().iter().filter(|run| run["sweep"] == sweep.as_str());
    assert_eq!(of_sweep.count(), RUNS, "no run is there twice");
    // As if it had never been broken off.
    let whole = yard.post("/experiments/side/sweeps?wait=true", wanted).await.ok();
    assert_eq!(values(&trials(&yard, whole["id"].as_str().unwrap()).await), values(&all));
    assert_eq!(whole["best_value"], record["best_value"]);

    let best = record["best"].as_str().unwrap();
    let other = all.iter().map(|trial| trial["run"].as_str().unwrap()).find(|run| *run != best).unwrap();
    let table = told(&yard, &["runs", "compare", best, other, "--metric", "log_loss"]);
    for part in ["training.parameters.learning_rate", "A − B", "paired bootstrap of 1000 draws", "McNemar"]
    {
        assert!(table.contains(part), "{part}: {table}");
    }
    let found =
        yard.get(&format!("/experiments/compare?run={best}&run={other}&metric=brier&seed=9")).await.ok();
    assert_eq!(found["pairs"][0]["tests"][0]["metric"], "brier", "{found}");
    assert_eq!(found["pairs"][0]["tests"][0]["seed"], 9);
    for (query, field) in [
        (format!("run={best}"), "run"),
        (format!("run={best}&run={other}&metric=rmse"), "metric"),
        (format!("run={best}&run={other}&resamples=many"), "resamples"),
        (format!("run={best}&run={other}&confidence=1"), "confidence"),
        (format!("run={best}&run={other}&left=1"), "left"),
    ] {
        let answer = yard.get(&format!("/experiments/compare?{query}")).await;
        assert_eq!(answer.body["location"]["field"], field, "{answer:?}");
        answer.problem(400);
    }
    yard.get(&format!("/experiments/compare?run={best}&run=nothing")).await.problem(404);
    yard.sound().await;
}
