//! `modelyard plugin`.

use std::{
    path::{Path, PathBuf},
    process::Command as Process,
};

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use modelyard_build::{BuildOptions, template};
use modelyard_runtime::Inspection;
use serde_json::{Value, json};

use crate::{
    context::{Context, Limit},
    offline,
    output::{Column, cell},
};

const COLUMNS: &[Column] = &[
    ("NAME", "name"),
    ("KIND", "kind"),
    ("VERSION", "version"),
    ("BUILT IN", "builtin"),
    ("NEEDS", "capabilities"),
    ("DESCRIPTION", "description"),
];

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  modelyard plugin new scoring-half --kind scoring\n  modelyard plugin test scoring-half\n  modelyard plugin build scoring-half --out half.wasm\n  modelyard plugin push half.wasm"
)]
pub(crate) struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the server's plugins.
    List {
        /// Of this kind only, such as training.
        #[arg(long)]
        kind: Option<String>,
        #[command(flatten)]
        limit: Limit,
    },
    /// Upload a component; it replaces the one with its name.
    Push {
        /// The component.
        file: PathBuf,
        /// The name; by default the one that its metadata state.
        #[arg(long)]
        name: Option<String>,
    },
    /// Say what a component is: a file, without a server, or a plugin by its name.
    Inspect {
        /// A file or a plugin's name.
        what: String,
    },
    /// Remove an uploaded plugin; what was made with it keeps its component.
    Delete {
        /// The plugin.
        name: String,
    },
    /// Write a new plugin crate that builds and passes its own test.
    New {
        /// The crate's name, such as scoring-house-price.
        name: String,
        /// What it is to be.
        #[arg(long, value_parser = template::KINDS)]
        kind: String,
        /// Where to; by default a directory of its name.
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
        /// Use the SDK of this source tree (its sdk/rust) instead of writing one beside the crate.
        #[arg(long, value_name = "DIR")]
        sdk: Option<PathBuf>,
    },
    /// Compile a plugin crate to a component.
    Build(Build),
    /// Run a plugin crate's tests, then build and inspect it.
    Test(Build),
}

#[derive(Debug, Args)]
struct Build {
    /// The crate's directory.
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Where to put the component as well.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Refuse to change Cargo.lock.
    #[arg(long)]
    locked: bool,
    /// Use no network.
    #[arg(long)]
    offline: bool,
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self.verb {
            Verb::List { kind, limit } => context.list(&["plugins"], &[("kind", kind)], limit, COLUMNS).await,
            Verb::Push { file, name } => {
                let query = [("name", name)];
                let answer = context.client.upload(&["plugins"], &query, "application/wasm", &file).await?;
                let fact = |name: &str| cell(answer.body.get(name));
                let told =
                    format!("{} is in place: {} plugin, {}", fact("name"), fact("kind"), fact("digest"));
                context.output.done(&answer.body, &told)
            }
            Verb::Inspect { what } => match Path::new(&what) {
                file if file.is_file() => context.output.value(&told(&offline::inspect_file(file)?)),
                file if file.extension().is_some_and(|ending| ending == "wasm") => {
                    bail!("there is no file {what}")
                }
                _ => context.show(&["plugins", &what], &[]).await,
            },
            Verb::Delete { name } => {
                context.delete(&["plugins", &name], &format!("plugin {name} is gone")).await
            }
            Verb::New { name, kind, dir, sdk } => new(context, &name, &kind, dir, sdk),
            Verb::Build(build) => {
                let (inspection, file) = build.run().await?;
                report(context, &inspection, &file)
            }
            Verb::Test(build) => {
                build.test().await?;
                let (inspection, file) = build.run().await?;
                report(context, &inspection, &file)
            }
        }
    }
}

fn new(context: &Context, name: &str, kind: &str, dir: Option<PathBuf>, sdk: Option<PathBuf>) -> Result<()> {
    let dir = dir.unwrap_or_else(|| PathBuf::from(name));
    let sdk = match sdk {
        None => template::SdkSource::Embedded,
        Some(tree) => {
            let sdk = if tree.join("sdk/rust").is_dir() { tree.join("sdk/rust") } else { tree };
            template::SdkSource::Path(sdk.canonicalize().with_context(|| sdk.display().to_string())?)
        }
    };
    let written = template::create(&dir, name, kind, &sdk)?;
    let files: Vec<Value> = written.iter().map(|file| json!(file)).collect();
    let told = format!(
        "{} is a new {kind} plugin; src/lib.rs is yours\nnext: modelyard plugin test {}",
        dir.display(),
        dir.display()
    );
    context.output.done(&json!({"name": name, "kind": kind, "dir": dir, "files": files}), &told)
}

impl Build {
    async fn run(&self) -> Result<(Inspection, PathBuf)> {
        let options = BuildOptions {
            locked: self.locked,
            offline: self.offline,
            show_progress: std::io::IsTerminal::is_terminal(&std::io::stderr()),
            ..BuildOptions::new(&self.dir)
        };
        let built = tokio::task::spawn_blocking(move || modelyard_build::build(&options)).await??;
        let inspection = offline::inspect(&built.bytes).with_context(|| built.path.display().to_string())?;
        let file = match &self.out {
            Some(file) => {
                std::fs::write(file, &built.bytes).with_context(|| file.display().to_string())?;
                file.clone()
            }
            None => built.path,
        };
        Ok((inspection, file))
    }

    /// Runs the crate's own tests.
    async fn test(&self) -> Result<()> {
        if !self.dir.join("Cargo.toml").is_file() {
            bail!("{} holds no Cargo.toml; give the directory of a plugin crate", self.dir.display());
        }
        let mut cargo = Process::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.arg("test").current_dir(&self.dir);
        if self.locked {
            cargo.arg("--locked");
        }
        if self.offline {
            cargo.arg("--offline");
        }
        // Standard output is kept for the result.
        cargo.stdout(std::io::stderr());
        let status =
            tokio::task::spawn_blocking(move || cargo.status()).await?.context("cargo can't be started")?;
        if !status.success() {
            bail!("the crate's tests failed");
        }
        Ok(())
    }
}

/// An inspection with its size.
fn told(inspection: &Inspection) -> Value {
    let mut value = serde_json::to_value(inspection).unwrap_or_default();
    if let Value::Object(members) = &mut value {
        members.insert("bytes".into(), inspection.component.len().into());
    }
    value
}

fn report(context: &Context, inspection: &Inspection, file: &Path) -> Result<()> {
    let mut value = told(inspection);
    if let Value::Object(members) = &mut value {
        members.insert("file".into(), json!(file));
    }
    context.output.value(&value)
}
