//! `modelyard function`.

use std::{io::Write, path::Path, str::FromStr};

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use reqwest::{
    Method,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};

use crate::{
    context::{Context, Limit},
    document::{self, Begin, Spec, Usage},
    output::Column,
};

const COLUMNS: &[Column] = &[
    ("NAME", "name"),
    ("PLUGIN", "plugin"),
    ("PUBLIC", "public"),
    ("DEADLINE MS", "deadline_ms"),
    ("MEMORY BYTES", "memory_bytes"),
    ("HOSTS", "hosts"),
    ("CREATED", "created_at"),
];

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  modelyard function call hello '{\"name\": \"Ada\"}'\n  modelyard function call texts @letter.txt --header 'content-type: text/plain' --path /statistics\n  modelyard function put weather --plugin weather --host https://api.example.com --secret API_KEY"
)]
pub(crate) struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the functions that have a record of their own.
    List(Limit),
    /// Give a function plugin a name, limits, hosts, variables and secrets.
    Put(Box<Put>),
    /// Call a function, or a function plugin by its own name.
    Call(Call),
    /// Remove a name; its plugin stays.
    Delete {
        /// The function.
        name: String,
    },
}

#[derive(Debug, Args)]
struct Put {
    #[command(flatten)]
    begin: Begin,
    /// The function plugin.
    #[arg(long)]
    plugin: Option<String>,
    /// The longest that one call may take, in milliseconds.
    #[arg(long, value_name = "MS")]
    deadline_ms: Option<u64>,
    /// The most memory of one instance, in bytes.
    #[arg(long, value_name = "BYTES")]
    memory_bytes: Option<u64>,
    /// Calls that one instance answers; 0 or 1: a fresh one for each call.
    #[arg(long, value_name = "CALLS")]
    reuse: Option<u32>,
    /// Calls at once.
    #[arg(long, value_name = "CALLS")]
    concurrency: Option<u32>,
    /// Calls that wait; more are answered 503.
    #[arg(long, value_name = "CALLS")]
    queue: Option<u32>,
    /// Instances that are kept ready.
    #[arg(long, value_name = "N")]
    warm: Option<u32>,
    /// Seconds without a call after which instances are dropped.
    #[arg(long, value_name = "SECONDS")]
    idle_seconds: Option<u64>,
    /// The largest request body, in bytes.
    #[arg(long, value_name = "BYTES")]
    max_body_bytes: Option<u64>,
    /// A host that it may call: example.com, example.com:8080 or https://example.com; may be repeated.
    #[arg(long = "host", value_name = "HOST")]
    hosts: Vec<String>,
    /// A variable that it gets; may be repeated.
    #[arg(long = "env", value_name = "NAME=VALUE")]
    environment: Vec<Variable>,
    /// A variable that nobody is shown again: its value is that of your own environment's variable of this name,
    /// what stands in a file, or what stands here; may be repeated.
    #[arg(long = "secret", value_name = "NAME[=@FILE|=VALUE]")]
    secrets: Vec<Variable>,
    /// Let it be called without a token.
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "true|false")]
    public: Option<bool>,
}

#[derive(Debug, Args)]
struct Call {
    /// The function.
    name: String,
    /// The input: JSON, @file, or - for standard input. Of another content type
    /// it is sent as it is.
    #[arg(value_name = "INPUT")]
    input: Option<String>,
    /// The method; by default POST.
    #[arg(long, default_value = "POST")]
    method: Method,
    /// The path below the function's own, with its query.
    #[arg(long, default_value = "/", value_name = "PATH")]
    path: String,
    /// A header; may be repeated.
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<Header>,
}

/// `NAME=VALUE`, or `NAME` alone.
#[derive(Clone, Debug)]
struct Variable {
    name: String,
    value: Option<String>,
}

impl FromStr for Variable {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text, None),
        };
        match name.is_empty() {
            true => Err(format!("{text:?} has no name; write NAME=VALUE")),
            false => Ok(Self { name: name.to_owned(), value }),
        }
    }
}

impl Variable {
    fn plain(&self) -> Result<String> {
        let missing = || Usage::new(format!("--env {}: write {}=VALUE", self.name, self.name));
        Ok(self.value.clone().ok_or_else(missing)?)
    }

    fn secret(&self) -> Result<String> {
        match &self.value {
            None => std::env::var(&self.name).map_err(|error| {
                let what = format!("--secret {}: your own environment: {error}", self.name);
                Usage::new(format!("{what}; set it there, or write {}=@FILE", self.name)).into()
            }),
            Some(value) => match value.strip_prefix('@') {
                Some(file) => {
                    let text = std::fs::read_to_string(file).with_context(|| file.to_owned())?;
                    Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned())
                }
                None => Ok(value.clone()),
            },
        }
    }
}

/// `name: value`.
#[derive(Clone, Debug)]
struct Header {
    name: HeaderName,
    value: HeaderValue,
}

impl FromStr for Header {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once(':').ok_or_else(|| format!("{text:?}: write NAME: VALUE"))?;
        Ok(Self {
            name: name.trim().parse().map_err(|error| format!("{name:?}: {error}"))?,
            value: value.trim().parse().map_err(|error| format!("{value:?}: {error}"))?,
        })
    }
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self.verb {
            Verb::List(limit) => context.list(&["functions"], &[], limit, COLUMNS).await,
            Verb::Put(put) => context.put(&["functions"], &[], &put.spec()?.done(), "function").await,
            Verb::Call(call) => call.run(context).await,
            Verb::Delete { name } => {
                context.delete(&["functions", &name], &format!("function {name} is gone")).await
            }
        }
    }
}

impl Put {
    fn spec(&self) -> Result<Spec> {
        let mut spec = self
            .begin
            .spec()?
            .set("plugin", self.plugin.as_ref())
            .set("deadline_ms", self.deadline_ms)
            .set("memory_bytes", self.memory_bytes)
            .set("reuse", self.reuse)
            .set("concurrency", self.concurrency)
            .set("queue", self.queue)
            .set("warm", self.warm)
            .set("idle_seconds", self.idle_seconds)
            .set("max_body_bytes", self.max_body_bytes)
            .set("public", self.public)
            .list("hosts", &self.hosts);
        for variable in &self.environment {
            spec = spec.put(&["environment", &variable.name], variable.plain()?);
        }
        for variable in &self.secrets {
            spec = spec.put(&["secrets", &variable.name], variable.secret()?);
        }
        Ok(spec)
    }
}

impl Call {
    async fn run(self, context: &Context) -> Result<()> {
        let mut headers = HeaderMap::new();
        for Header { name, value } in self.headers {
            headers.append(name, value);
        }
        let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("json");
        let input = match (self.input.as_deref(), self.method == Method::POST) {
            (Some(text), _) if given.contains("json") => {
                Some(document::inline(text)?.to_string().into_bytes())
            }
            (Some(text), _) => Some(raw(text)?),
            (None, true) => Some(b"{}".to_vec()),
            (None, false) => None,
        };
        if input.is_some() && !headers.contains_key(CONTENT_TYPE) {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let answer = context.client.call(&self.name, &self.path, self.method, headers, input).await?;
        match serde_json::from_slice(&answer) {
            Ok(value) => context.output.json(&value),
            Err(_) => Ok(std::io::stdout().lock().write_all(&answer)?),
        }
    }
}

/// The bytes of `-`, of `@file`, or of the text itself.
fn raw(text: &str) -> Result<Vec<u8>> {
    match text.strip_prefix('@') {
        Some(file) => std::fs::read(Path::new(file)).with_context(|| file.to_owned()),
        None if text == "-" => {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut std::io::stdin(), &mut bytes).context("standard input")?;
            Ok(bytes)
        }
        None => Ok(text.as_bytes().to_vec()),
    }
}
