//! What client commands do most: list, show, put, start, delete.

use anyhow::Result;
use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    client::{Answer, Client, Query},
    jobs,
    output::{Column, Output},
};

/// A server, and where its answers go.
pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) output: Output,
}

/// How much of a list is shown.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Limit {
    /// The most rows to show; 0: all.
    #[arg(long, default_value_t = 100, value_name = "N")]
    pub(crate) limit: usize,
}

/// Whether long work is waited for.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Wait {
    /// Print the job and leave; `modelyard job wait ID` waits later.
    #[arg(long)]
    pub(crate) no_wait: bool,
}

impl Context {
    /// Prints a list as a table with these columns.
    pub(crate) async fn list(
        &self,
        path: &[&str],
        query: Query<'_>,
        limit: Limit,
        columns: &[Column],
    ) -> Result<()> {
        let items = self.client.list(path, query, limit.limit).await?;
        self.output.table(&items, columns)
    }

    /// Prints one record, or whatever a GET gives.
    pub(crate) async fn show(&self, path: &[&str], query: Query<'_>) -> Result<()> {
        let record = self.client.get(path, query).await?;
        self.output.value(&record)
    }

    /// Creates or changes a record, and says so.
    pub(crate) async fn put(&self, path: &[&str], query: Query<'_>, spec: &Value, what: &str) -> Result<()> {
        let name = spec.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let answer = self.client.send(Method::PUT, path, query, Some(spec)).await?;
        self.output.done(&answer.body, &format!("{what} {name} is in place"))
    }

    /// Deletes something, and says so.
    pub(crate) async fn delete(&self, path: &[&str], what: &str) -> Result<()> {
        let answer = self.client.send(Method::DELETE, path, &[], None).await?;
        self.output.done(&answer.body, what)
    }

    /// Asks for something to be done and prints what came of it.
    pub(crate) async fn post(&self, path: &[&str], body: Option<&Value>, wait: bool) -> Result<()> {
        let result = self.perform(path, body, wait).await?;
        self.output.value(&result)
    }

    /// Asks for something that has a short answer, and says that it is done.
    pub(crate) async fn act(&self, path: &[&str], body: &Value, what: &str) -> Result<()> {
        let answer = self.client.send(Method::POST, path, &[], Some(body)).await?;
        self.output.done(&answer.body, what)
    }

    /// Asks for something to be done; of long work what came of it in the end.
    pub(crate) async fn perform(&self, path: &[&str], body: Option<&Value>, wait: bool) -> Result<Value> {
        let empty = json!({});
        let answer = self.client.send(Method::POST, path, &[], Some(body.unwrap_or(&empty))).await?;
        self.settle(answer, wait).await
    }

    /// The answer, or of a job begun what it gives in the end.
    pub(crate) async fn settle(&self, answer: Answer, wait: bool) -> Result<Value> {
        let job = jobs::id(&answer.body).map(str::to_owned);
        match job {
            Some(job) if wait && answer.status.as_u16() == 202 => {
                let job = jobs::follow(&self.client, &job).await?;
                match job.get("result") {
                    Some(result) if !result.is_null() => Ok(result.clone()),
                    _ => Ok(job),
                }
            }
            _ => Ok(answer.body),
        }
    }
}
