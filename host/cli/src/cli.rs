//! What can be typed.

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use crate::{
    client::Client,
    commands::{
        clock, deployment, documentation, evaluation, experiments, features, feedback, function, governance,
        ingestion, job, model, monitoring, plugin, registry, retirement, runs, scaling, schedule, serve,
        subscription, sweep,
    },
    context::Context,
    manifest,
    output::{Format, Output},
};

/// A home for machine-learning models: every stage of their life is a
/// sandboxed component, and this is its server and its command line.
#[derive(Debug, Parser)]
#[command(
    name = "modelyard",
    version,
    after_help = "Example:\n  modelyard serve --data ./data &\n  modelyard apply --file modelyard.toml"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    shared: Shared,
    #[command(subcommand)]
    command: Command,
}

/// Options of every client command.
#[derive(Debug, Args)]
struct Shared {
    /// The server to speak to.
    #[arg(
        long,
        global = true,
        env = "MODELYARD_SERVER",
        default_value = "http://127.0.0.1:8080",
        value_name = "URL"
    )]
    server: String,
    /// The access token, if the server asks for one.
    #[arg(long, global = true, env = "MODELYARD_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    token: Option<String>,
    /// How answers are printed.
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server.
    Serve(Box<serve::Serve>),
    /// Show what a declarative file would change.
    Plan(manifest::Arguments),
    /// Make the server what a declarative file says; a second time changes nothing.
    Apply(manifest::Arguments),
    /// Components: list, upload, inspect, and write new ones.
    Plugin(plugin::Command),
    /// Functions: components that answer HTTP; name and call them.
    Function(function::Command),
    /// Sources and datasets: where rows come from.
    Ingestion(ingestion::Command),
    /// Feature views: values by entity and time.
    Features(features::Command),
    /// Experiments, runs and sweeps: train models.
    Experiments(experiments::Command),
    /// Train many times and pick the best (short for `experiments sweep`).
    Sweep(sweep::Command),
    /// Runs: list, show and compare them.
    Runs(runs::Command),
    /// Evaluations: hold models to data.
    Evaluation(evaluation::Command),
    /// Models, versions, aliases and lineage.
    Registry(registry::Command),
    /// Models, from here and from elsewhere (short for `registry model`).
    Model(model::Command),
    /// Deployments: put models behind endpoints and call them.
    Deployment(deployment::Command),
    /// Monitors, checks, findings and health.
    Monitoring(monitoring::Command),
    /// Labels, and rules that act on findings.
    Feedback(feedback::Command),
    /// Policies, reviews, audit, erasure and access tokens.
    Governance(governance::Command),
    /// Usage and cost.
    Scaling(scaling::Command),
    /// Model cards and other documents.
    Documentation(documentation::Command),
    /// Rules about when versions go; archive and restore.
    Retirement(retirement::Command),
    /// Who is told of what, by email or webhook.
    Subscription(subscription::Command),
    /// Cron schedules.
    Schedule(schedule::Command),
    /// Long work under way.
    Job(job::Command),
    /// The server's clock.
    Clock(clock::Command),
    /// The audit trail (short for `governance audit`).
    Audit(governance::Audit),
}

impl Cli {
    /// Does what was typed.
    pub(crate) async fn run(self) -> Result<()> {
        let output = Output::new(self.shared.output);
        let client = || Client::new(&self.shared.server, self.shared.token.as_deref());
        let context = || anyhow::Ok(Context { client: client()?, output });
        match self.command {
            Command::Serve(command) => command.run().await,
            Command::Plan(command) => manifest::plan(&context()?, &command).await,
            Command::Apply(command) => manifest::apply(&context()?, &command).await,
            Command::Plugin(command) => command.run(&context()?).await,
            Command::Function(command) => command.run(&context()?).await,
            Command::Ingestion(command) => command.run(&context()?).await,
            Command::Features(command) => command.run(&context()?).await,
            Command::Experiments(command) => command.run(&context()?).await,
            Command::Sweep(command) => command.run(&context()?).await,
            Command::Runs(command) => command.run(&context()?).await,
            Command::Evaluation(command) => command.run(&context()?).await,
            Command::Registry(command) => command.run(&context()?).await,
            Command::Model(command) => command.run(&context()?).await,
            Command::Deployment(command) => command.run(&context()?).await,
            Command::Monitoring(command) => command.run(&context()?).await,
            Command::Feedback(command) => command.run(&context()?).await,
            Command::Governance(command) => command.run(&context()?).await,
            Command::Scaling(command) => command.run(&context()?).await,
            Command::Documentation(command) => command.run(&context()?).await,
            Command::Retirement(command) => command.run(&context()?).await,
            Command::Subscription(command) => command.run(&context()?).await,
            Command::Schedule(command) => command.run(&context()?).await,
            Command::Job(command) => command.run(&context()?).await,
            Command::Clock(command) => command.run(&context()?).await,
            Command::Audit(command) => command.run(&context()?).await,
        }
    }
}
