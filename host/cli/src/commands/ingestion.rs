//! `modelyard ingestion`.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::When;
use crate::{
    context::{Context, Limit, Wait},
    document::{self, Begin, Parameter, Spec},
    output::{Column, cell},
};

const SOURCES: &[Column] = &[
    ("NAME", "name"),
    ("DATASET", "dataset"),
    ("PLUGIN", "plugin"),
    ("ROWS", "rows"),
    ("REJECTED", "rejected"),
    ("PULLED", "pulled_at"),
    ("SCHEDULE", "schedule"),
    ("LAST ERROR", "last_error"),
];
const DATASETS: &[Column] = &[
    ("NAME", "name"),
    ("VERSION", "version"),
    ("ROWS", "rows"),
    ("EVENT TIME", "event_time"),
    ("UPDATED", "updated_at"),
];
const VERSIONS: &[Column] = &[
    ("VERSION", "version"),
    ("ROWS", "rows"),
    ("ADDED", "added"),
    ("REJECTED", "rejected"),
    ("SOURCE", "source"),
    ("CREATED", "created_at"),
];
const FILES: &[Column] = &[
    ("VERSION", "version"),
    ("PART", "part"),
    ("ROWS", "file.rows"),
    ("BYTES", "file.bytes"),
    ("DIGEST", "file.digest"),
];

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  modelyard ingestion upload penguins.csv --dataset penguins")]
pub(crate) struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Sources: where rows are pulled from.
    #[command(subcommand)]
    Source(Source),
    /// Datasets: named, growing tables.
    #[command(subcommand)]
    Dataset(Dataset),
    /// Append the rows of a file to a dataset.
    Upload(Upload),
    /// Ask datasets in SQL.
    #[command(
        after_help = "Example:\n  modelyard ingestion query 'SELECT species, count(*) FROM penguins GROUP BY species'"
    )]
    Query {
        /// A SELECT over datasets by name.
        sql: String,
        /// The most rows.
        #[arg(long, default_value_t = 1000, value_name = "N")]
        limit: usize,
    },
}

#[derive(Debug, Subcommand)]
enum Source {
    /// Create a source or change it.
    #[command(
        after_help = "Example:\n  modelyard ingestion source put flights --plugin ingestion-csv --param url=file://./data/flights.csv --event-time time_hour"
    )]
    Put(PutSource),
    /// List the sources.
    List(Limit),
    /// Show a source and how far it has been read.
    Show {
        /// The source.
        name: String,
    },
    /// Remove a source; its dataset stays.
    Delete {
        /// The source.
        name: String,
    },
    /// Read what is new in a source.
    Pull {
        /// The source.
        name: String,
        #[command(flatten)]
        wait: Wait,
    },
}

#[derive(Debug, Subcommand)]
enum Dataset {
    /// List the datasets.
    List(Limit),
    /// Show a dataset and its columns.
    Show {
        /// The dataset.
        name: String,
    },
    /// List a dataset's versions, latest first.
    Versions {
        /// The dataset.
        name: String,
        #[command(flatten)]
        limit: Limit,
    },
    /// List the files that a version is made of.
    Files {
        /// The dataset.
        name: String,
        /// The version; the latest if left out.
        #[arg(long = "of", value_name = "N")]
        version: Option<u32>,
        /// The rows that were refused instead.
        #[arg(long)]
        quarantine: bool,
    },
}

#[derive(Debug, Args)]
struct PutSource {
    #[command(flatten)]
    begin: Begin,
    /// The ingestion plugin: ingestion-csv, ingestion-json …
    #[arg(long)]
    plugin: Option<String>,
    /// The dataset that its rows go to; by default the source's name.
    #[arg(long)]
    dataset: Option<String>,
    /// A parameter of the plugin; may be repeated.
    #[arg(long = "param", value_name = "NAME=VALUE")]
    parameters: Vec<Parameter>,
    /// What happens when the columns change: refuse or evolve.
    #[arg(long, value_name = "POLICY")]
    schema_policy: Option<String>,
    /// The column that says when a row happened.
    #[arg(long, value_name = "COLUMN")]
    event_time: Option<String>,
    #[command(flatten)]
    when: When,
}

#[derive(Debug, Args)]
struct Upload {
    /// The file: .csv, .json, .ndjson or .jsonl, or any with --plugin.
    file: PathBuf,
    /// The dataset that the rows are appended to.
    #[arg(long)]
    dataset: String,
    /// The ingestion plugin, if not the one for the file's ending.
    #[arg(long)]
    plugin: Option<String>,
    /// A parameter of the plugin; may be repeated.
    #[arg(long = "param", value_name = "NAME=VALUE")]
    parameters: Vec<Parameter>,
    /// What happens when the columns change: refuse or evolve.
    #[arg(long, value_name = "POLICY")]
    schema_policy: Option<String>,
    /// The column that says when a row happened.
    #[arg(long, value_name = "COLUMN")]
    event_time: Option<String>,
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self.verb {
            Verb::Source(verb) => source(context, verb).await,
            Verb::Dataset(verb) => dataset(context, verb).await,
            Verb::Upload(upload) => upload.run(context).await,
            Verb::Query { sql, limit } => query(context, &sql, limit).await,
        }
    }
}

async fn source(context: &Context, verb: Source) -> Result<()> {
    const PATH: &[&str] = &["ingestion", "sources"];
    match verb {
        Source::Put(put) => {
            let spec = put.begin.spec()?.set("plugin", put.plugin).set("dataset", put.dataset);
            let spec = spec.parameters("parameters", &put.parameters);
            let spec = spec.set("schema_policy", put.schema_policy).set("event_time", put.event_time);
            context.put(PATH, &[], &put.when.put(spec).done(), "source").await
        }
        Source::List(limit) => context.list(PATH, &[], limit, SOURCES).await,
        Source::Show { name } => context.show(&["ingestion", "sources", &name], &[]).await,
        Source::Delete { name } => {
            context
                .delete(
                    &["ingestion", "sources", &name],
                    &format!("source {name} is gone; its dataset stays"),
                )
                .await
        }
        Source::Pull { name, wait } => {
            context.post(&["ingestion", "sources", &name, "pull"], None, !wait.no_wait).await
        }
    }
}

async fn dataset(context: &Context, verb: Dataset) -> Result<()> {
    match verb {
        Dataset::List(limit) => context.list(&["ingestion", "datasets"], &[], limit, DATASETS).await,
        Dataset::Show { name } => context.show(&["ingestion", "datasets", &name], &[]).await,
        Dataset::Versions { name, limit } => {
            context.list(&["ingestion", "datasets", &name, "versions"], &[], limit, VERSIONS).await
        }
        Dataset::Files { name, version, quarantine } => {
            let query = [
                ("version", version.map(|version| version.to_string())),
                ("quarantine", quarantine.then(|| "true".to_owned())),
            ];
            context.list(&["ingestion", "datasets", &name, "files"], &query, Limit { limit: 0 }, FILES).await
        }
    }
}

impl Upload {
    async fn run(self, context: &Context) -> Result<()> {
        let ending =
            self.file.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_lowercase();
        let media_type = match ending.as_str() {
            "csv" => "text/csv",
            "json" => "application/json",
            "ndjson" | "jsonl" => "application/x-ndjson",
            _ if self.plugin.is_some() => "application/octet-stream",
            _ => {
                let message = format!(
                    "{}: .csv, .json, .ndjson and .jsonl are known by their ending; name a --plugin for others",
                    self.file.display()
                );
                return Err(document::Usage::new(message).into());
            }
        };
        let parameters = Spec::default().parameters("p", &self.parameters).done();
        let query = [
            ("plugin", self.plugin),
            ("parameters", parameters.get("p").map(Value::to_string)),
            ("schema_policy", self.schema_policy),
            ("event_time", self.event_time),
        ];
        let path = ["ingestion", "datasets", &self.dataset, "rows"];
        let answer = context.client.upload(&path, &query, media_type, &self.file).await?;
        let pulled = context.settle(answer, true).await?;
        let fact = |name: &str| cell(pulled.get(name));
        let told = format!(
            "{} rows in {} version {}, {} rejected",
            fact("rows"),
            fact("dataset"),
            fact("version"),
            fact("rejected")
        );
        context.output.done(&pulled, &told)
    }
}

async fn query(context: &Context, sql: &str, limit: usize) -> Result<()> {
    let answer =
        context.perform(&["ingestion", "query"], Some(&json!({"sql": sql, "limit": limit})), false).await?;
    context.output.answered(&answer)
}
