//! What is said to a tracking server, and how long its answer takes.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use serde_json::{Value, json};

use super::servers::Server;
use crate::serving::http::{Connection, request};

/// One connection to a server.
pub(crate) struct Client {
    name: String,
    connection: Connection,
}

/// A call of MLflow's REST interface.
pub(crate) fn call(path: &str, body: &Value) -> Bytes {
    let path = format!("/api/2.0/mlflow/{path}");
    request("POST", &path, &[("content-type", "application/json")], body.to_string().as_bytes())
}

impl Client {
    pub(crate) async fn open(server: &Server) -> Result<Self> {
        Ok(Self { name: server.name.clone(), connection: Connection::open(server.address).await? })
    }

    /// Sends a request, holds the answer to 200 and says how long it took.
    pub(crate) async fn timed(&mut self, request: &[u8]) -> Result<Duration> {
        let started = Instant::now();
        let reply = self.connection.call(request).await?;
        let took = started.elapsed();
        let said = || String::from_utf8_lossy(reply.body.get(..400).unwrap_or(reply.body)).into_owned();
        ensure!(reply.status == 200, "{}: {} {}", self.name, reply.status, said());
        Ok(took)
    }

    /// Sends a request and gives the answer's body.
    pub(crate) async fn body(&mut self, request: &[u8]) -> Result<Vec<u8>> {
        let reply = self.connection.call(request).await?;
        let said = || String::from_utf8_lossy(reply.body.get(..400).unwrap_or(reply.body)).into_owned();
        ensure!(reply.status == 200, "{}: {} {}", self.name, reply.status, said());
        Ok(reply.body.to_vec())
    }

    /// Sends a call and reads its answer.
    pub(crate) async fn ask(&mut self, path: &str, body: &Value) -> Result<Value> {
        Ok(serde_json::from_slice(&self.body(&call(path, body)).await?)?)
    }

    pub(crate) async fn experiment(&mut self, name: &str) -> Result<String> {
        let made = self.ask("experiments/create", &json!({ "name": name })).await?;
        let id = made.get("experiment_id").and_then(Value::as_str).context("no experiment_id")?;
        Ok(id.to_owned())
    }

    pub(crate) async fn run(&mut self, experiment: &str, start: usize) -> Result<String> {
        let made =
            self.ask("runs/create", &json!({ "experiment_id": experiment, "start_time": start })).await?;
        let id = made.pointer("/run/info/run_id").and_then(Value::as_str).context("no run_id")?;
        Ok(id.to_owned())
    }
}

/// A metric as it is logged.
pub(crate) fn metric(key: usize, value: f64, step: usize) -> Value {
    json!({ "key": format!("metric_{key}"), "value": value, "timestamp": 1_700_000_000_000_u64, "step": step })
}

/// Milliseconds.
pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
