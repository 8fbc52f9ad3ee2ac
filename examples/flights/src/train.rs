//! The first model: sweep, compare, register, promote, deploy.

use std::time::Duration;

use anyhow::{Result, bail};
use comfy_table::{Table, presets::UTF8_BORDERS_ONLY};
use serde_json::{Value, json};

use crate::{
    client::{Client, metric, number, text},
    report::bar,
    specs::{self, DEPLOYMENT, EXPERIMENT, MODEL},
};

/// Trains eight models and registers the best; gives its version.
pub(crate) async fn sweep_and_register(client: &Client) -> Result<u64> {
    specs::views(client).await?;
    specs::experiment(client).await?;
    let sweep = json!({
        "experiment": EXPERIMENT, "metric": "roc_auc", "strategy": "grid",
        "parameters": {"max_leaves": [15, 31], "learning_rate": [0.05, 0.1], "min_data_in_leaf": [50, 400]},
    });
    let started = client.post_once("/experiments/sweeps", &sweep, "flights-first-sweep").await?;
    let sweep = finished(client, text(&started, "/sweep/id")?).await?;
    let mut runs = Vec::new();
    for id in sweep.pointer("/runs").and_then(Value::as_array).into_iter().flatten() {
        let id = id.as_str().unwrap_or_default();
        runs.push(client.get(&format!("/experiments/runs/{id}")).await?);
    }
    let best = text(&sweep, "/best")?;
    show(&mut runs, best);
    let version = client.post(&format!("/registry/models/{MODEL}/versions"), &json!({"run": best})).await?;
    let version = number(&version, "/version")?;
    let card = client.get(&format!("/documentation/{MODEL}/{version}")).await?;
    let gaps = card.pointer("/gaps").and_then(Value::as_array).map_or(0, Vec::len);
    println!(
        "  registered as {MODEL}@{version}; its model card has {}",
        match gaps {
            0 => "every section".to_owned(),
            gaps => format!("{gaps} gaps"),
        }
    );
    Ok(version)
}

async fn finished(client: &Client, id: &str) -> Result<Value> {
    let bar = bar(8, "training");
    loop {
        let sweep = client.get(&format!("/experiments/sweeps/{id}")).await?;
        let runs = client.get(&format!("/experiments/runs?experiment={EXPERIMENT}&limit=50")).await?;
        let done = runs.pointer("/items").and_then(Value::as_array).into_iter().flatten();
        let done = done.filter(|run| run.get("status").and_then(Value::as_str) == Some("finished")).count();
        bar.set_position(done as u64);
        match text(&sweep, "/status")? {
            "finished" => {
                bar.finish_and_clear();
                return Ok(sweep);
            }
            "failed" | "cancelled" => bail!("the sweep ended: {sweep}"),
            _ => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

fn show(runs: &mut [Value], best: &str) {
    let auc =
        |run: &Value| run.get("metrics").and_then(|metrics| metric(metrics, "roc_auc")).unwrap_or(f64::NAN);
    runs.sort_by(|a, b| auc(b).total_cmp(&auc(a)));
    let mut table = Table::new();
    table.load_preset(UTF8_BORDERS_ONLY);
    table.set_header([
        "max_leaves",
        "learning_rate",
        "min_data_in_leaf",
        "AUC (test)",
        "log-loss",
        "seconds",
        "",
    ]);
    for run in runs.iter() {
        let parameter = |name: &str| {
            run.pointer(&format!("/spec/training/parameters/{name}"))
                .map(Value::to_string)
                .unwrap_or_default()
        };
        let loss = run.get("metrics").and_then(|metrics| metric(metrics, "log_loss")).unwrap_or(f64::NAN);
        let seconds = run.get("seconds").and_then(Value::as_f64).unwrap_or(f64::NAN);
        let chosen = run.get("id").and_then(Value::as_str) == Some(best);
        table.add_row([
            parameter("max_leaves"),
            parameter("learning_rate"),
            parameter("min_data_in_leaf"),
            format!("{:.4}", auc(run)),
            format!("{loss:.4}"),
            format!("{seconds:.1}"),
            (if chosen { "← best" } else { "" }).to_owned(),
        ]);
    }
    println!("{table}");
    let rows = |part: &str| {
        let first = runs.first();
        first.and_then(|run| run.pointer(&format!("/rows/{part}"))).and_then(Value::as_u64).unwrap_or(0)
    };
    let (train, validation, test) = (rows("training"), rows("validation"), rows("test"));
    println!("  {} flights to train on, {validation} to stop by, {test} to judge by", train);
}

/// Through policy into production.
pub(crate) async fn promote_and_deploy(client: &Client, version: u64) -> Result<()> {
    let review = client
        .post("/governance/reviews", &json!({"action": "promote", "model": MODEL, "version": version}))
        .await?;
    println!("  policy on promoting {MODEL}@{version}: {}", text(&review, "/outcome")?);
    for reason in review.pointer("/reasons").and_then(Value::as_array).into_iter().flatten() {
        println!("    {}", reason.as_str().unwrap_or_default());
    }
    let champion =
        json!({"version": version.to_string(), "reason": "best of eight on the flights of late March"});
    client.put(&format!("/registry/models/{MODEL}/aliases/champion"), &champion).await?;
    client.put("/deployment", &specs::deployment("champion")).await?;
    println!("  {MODEL}@{version} is the champion, behind POST /v2/models/{DEPLOYMENT}/infer");
    Ok(())
}
