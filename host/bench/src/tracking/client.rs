//! What is said to a tracking server, and how long its answer takes.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use serde_json::{Value, json};

use super::servers::Server;
use crate::serving::http::{Connection, Reply, request};

/// How long a connection may be idle: MLflow's server closes it after five seconds.
const IDLE: Duration = Duration::from_secs(2);

/// One connection to a server, made anew where it was idle for long.
pub(crate) struct Client {
    name: String,
    address: SocketAddr,
    connection: Connection,
    used: Instant,
}

/// A call of MLflow's REST interface.
pub(crate) fn call(path: &str, body: &Value) -> Bytes {
    let path = format!("/api/2.0/mlflow/{path}");
    request("POST", &path, &[("content-type", "application/json")], body.to_string().as_bytes())
}

impl Client {
    pub(crate) async fn open(server: &Server) -> Result<Self> {
        let connection = Connection::open(server.address).await?;
        Ok(Self { name: server.name.clone(), address: server.address, connection, used: Instant::now() })
    }

    /// A connection that is open still.
    async fn connection(&mut self) -> Result<&mut Connection> {
        if self.used.elapsed() > IDLE {
            self.connection = Connection::open(self.address).await?;
        }
        self.used = Instant::now();
        Ok(&mut self.connection)
    }

    /// Sends a request, holds the answer to 200 and says how long it took.
    pub(crate) async fn timed(&mut self, request: &[u8]) -> Result<Duration> {
        let name = self.name.clone();
        let connection = self.connection().await?;
        let started = Instant::now();
        let reply = connection.call(request).await?;
        let took = started.elapsed();
        accepted(&name, &reply)?;
        self.used = Instant::now();
        Ok(took)
    }

    /// Sends a request and gives the answer's body.
    pub(crate) async fn body(&mut self, request: &[u8]) -> Result<Vec<u8>> {
        let name = self.name.clone();
        let reply = self.connection().await?.call(request).await?;
        accepted(&name, &reply)?;
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

fn accepted(name: &str, reply: &Reply<'_>) -> Result<()> {
    let said = || String::from_utf8_lossy(reply.body.get(..400).unwrap_or(reply.body));
    ensure!(reply.status == 200, "{name}: {} {}", reply.status, said());
    Ok(())
}

/// A metric as it is logged.
pub(crate) fn metric(key: usize, value: f64, step: usize) -> Value {
    json!({ "key": format!("metric_{key}"), "value": value, "timestamp": 1_700_000_000_000_u64, "step": step })
}

/// Milliseconds.
pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
