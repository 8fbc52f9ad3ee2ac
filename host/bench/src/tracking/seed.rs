//! Fills a server with runs: ours through its own interface, MLflow's by its database, which would
//! take too long otherwise.

use anyhow::Result;
use serde_json::{Value, json};

use super::{
    client::{Client, call, metric},
    servers::Server,
};
use crate::serving::python::{self, Environment, scripts};

/// Metrics of every run.
pub(crate) const METRICS: usize = 50;
/// Runs of the small set for growth.
pub(crate) const FEW: usize = 1_000;
/// Parameters of every run, each with one of ten values.
const PARAMS: usize = 10;
/// Connections that fill at once.
const CONNECTIONS: usize = 16;

/// Makes an experiment with so many runs; gives its id.
pub(crate) async fn fill(server: &Server, name: &str, runs: usize) -> Result<String> {
    eprintln!("  {}: filling in {runs} runs", server.name);
    let experiment = Client::open(server).await?.experiment(name).await?;
    if let Some(database) = server.database() {
        let mut script = Environment::named("mlflow").await?.command("python");
        script.arg(scripts().join("tracking_seed.py")).arg(database);
        script.args([&experiment, &runs.to_string(), &METRICS.to_string(), &PARAMS.to_string()]);
        python::run(&mut script).await?;
        return Ok(experiment);
    }
    let mut fillers = Vec::new();
    for first in 0..CONNECTIONS {
        let mut client = Client::open(server).await?;
        let experiment = experiment.clone();
        fillers.push(async move {
            for number in (first..runs).step_by(CONNECTIONS) {
                let run = client.run(&experiment, number).await?;
                client.timed(&call("runs/log-batch", &contents(&run, number))).await?;
            }
            anyhow::Ok(())
        });
    }
    futures::future::try_join_all(fillers).await?;
    Ok(experiment)
}

fn contents(run: &str, number: usize) -> Value {
    let metrics: Vec<Value> = (0..METRICS).map(|key| metric(key, value(number, key), 0)).collect();
    let params: Vec<Value> = (0..PARAMS)
        .map(|key| json!({ "key": format!("param_{key}"), "value": ((number + key) % 10).to_string() }))
        .collect();
    json!({ "run_id": run, "metrics": metrics, "params": params })
}

/// A value between 0 and 1 that looks like any other.
fn value(number: usize, key: usize) -> f64 {
    ((number * 7919 + key * 104_729) % 100_003) as f64 / 100_003.0
}
