//! `modelyard model`, which is `modelyard registry model` too.

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use clap::{Args, Subcommand};
use modelyard_lifecycle::registry::mlmodel::Mlmodel;

use crate::{
    context::{Context, Limit},
    document::Begin,
    output::{Column, cell},
};

const MODELS: &[Column] = &[
    ("NAME", "name"),
    ("LATEST", "latest"),
    ("ALIASES", "aliases"),
    ("OWNER", "owner"),
    ("DESCRIPTION", "description"),
    ("UPDATED", "updated_at"),
];

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  modelyard model import model.onnx --name late")]
pub(crate) struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Create a model or change what is said about it.
    #[command(
        after_help = "Example:\n  modelyard registry model put late --description 'Will a flight arrive late?' --owner ops"
    )]
    Put(Put),
    /// List the models.
    List(Limit),
    /// Show a model.
    Show {
        /// The model.
        name: String,
    },
    /// Make a model file from elsewhere the next version.
    #[command(
        after_help = "Examples:\n  modelyard model import booster.txt --name late\n  modelyard model import mlruns/0/…/artifacts/model --name late\n\nXGBoost JSON or UBJSON, LightGBM text and ONNX are known by their first bytes."
    )]
    Import(Import),
}

#[derive(Debug, Args)]
pub(crate) struct Put {
    #[command(flatten)]
    begin: Begin,
    /// What it predicts.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Who answers for it.
    #[arg(long)]
    owner: Option<String>,
    /// Its licence (SPDX).
    #[arg(long, value_name = "SPDX")]
    license: Option<String>,
    /// What it is meant for.
    #[arg(long, value_name = "TEXT")]
    intended_use: Option<String>,
    /// What it must not be used for, and where it is weak.
    #[arg(long, value_name = "TEXT")]
    limitations: Option<String>,
    /// A word to find it by; may be repeated.
    #[arg(long = "tag")]
    tags: Vec<String>,
    /// Days after registration on which a version must go.
    #[arg(long, value_name = "DAYS")]
    expires_after_days: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The model file, or an MLflow model's directory.
    file: PathBuf,
    /// The model that it becomes a version of; created if it isn't there.
    #[arg(long)]
    name: String,
    /// What the model does, if its outputs are not to tell.
    #[arg(long, value_parser = ["binary_classification", "multiclass_classification", "regression"])]
    task: Option<String>,
    /// The file's format, if its first bytes are not to tell.
    #[arg(long, value_parser = ["xgboost", "lightgbm", "onnx", "modelyard-gbdt", "modelyard-linear"])]
    format: Option<String>,
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        self.verb.run(context).await
    }
}

impl Verb {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        const PATH: &[&str] = &["registry", "models"];
        match self {
            Verb::Put(put) => {
                let spec = put.begin.spec()?.set("description", put.description).set("owner", put.owner);
                let spec = spec.set("license", put.license).set("intended_use", put.intended_use);
                let spec = spec.set("limitations", put.limitations).list("tags", &put.tags);
                let spec = spec.set("expires_after_days", put.expires_after_days).done();
                context.put(PATH, &[], &spec, "model").await
            }
            Verb::List(limit) => context.list(PATH, &[], limit, MODELS).await,
            Verb::Show { name } => context.show(&["registry", "models", &name], &[]).await,
            Verb::Import(import) => import.run(context).await,
        }
    }
}

impl Import {
    async fn run(self, context: &Context) -> Result<()> {
        let file = match self.file.is_dir() {
            true => Mlmodel::read(&self.file)
                .and_then(|model| model.file(&self.file))
                .map_err(|reason| anyhow!("{}: {reason}", self.file.display()))?,
            false => self.file,
        };
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned());
        let query = [("format", self.format), ("task", self.task), ("file", name)];
        let path = ["registry", "models", &self.name, "versions"];
        let answer = context.client.upload(&path, &query, "application/octet-stream", &file).await?;
        let fact = |name: &str| cell(answer.body.get(name));
        let told = format!(
            "{}@{} is registered: {}, read by {}",
            self.name,
            fact("version"),
            fact("task"),
            fact("runner")
        );
        context.output.done(&answer.body, &told)
    }
}
