//! The tables of a declarative file, in the order in which they are applied.

use modelyard_lifecycle::{
    deployment::DeploymentSpec, experiments::ExperimentSpec, features::ViewSpec, feedback::RuleSpec,
    functions::Function, governance::PolicySpec, ingestion::SourceSpec, monitoring::MonitorSpec,
    notify::NewSubscription, registry::ModelSpec, retirement::RetirementSpec, scheduler::Draft,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use toml::{Spanned, de::DeValue};

use super::text::Toml;

/// A component that the server has to have.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plugin {
    /// Its name; by default the one that its metadata state.
    pub(crate) name: Option<String>,
    /// The component's file, relative to the declarative file.
    pub(crate) file: String,
}

/// A kind of table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Plugin,
    Function,
    Source,
    View,
    Experiment,
    Model,
    Policy,
    Deployment,
    Monitor,
    Feedback,
    Retirement,
    Schedule,
    Subscription,
}

impl Kind {
    /// All, what others need first.
    pub(crate) const ALL: [Kind; 13] = [
        Kind::Plugin,
        Kind::Function,
        Kind::Source,
        Kind::View,
        Kind::Experiment,
        Kind::Model,
        Kind::Policy,
        Kind::Deployment,
        Kind::Monitor,
        Kind::Feedback,
        Kind::Retirement,
        Kind::Schedule,
        Kind::Subscription,
    ];

    /// The table's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Plugin => "plugin",
            Kind::Function => "function",
            Kind::Source => "source",
            Kind::View => "view",
            Kind::Experiment => "experiment",
            Kind::Model => "model",
            Kind::Policy => "policy",
            Kind::Deployment => "deployment",
            Kind::Monitor => "monitor",
            Kind::Feedback => "feedback",
            Kind::Retirement => "retirement",
            Kind::Schedule => "schedule",
            Kind::Subscription => "subscription",
        }
    }

    /// Where the server keeps these.
    pub(crate) fn path(self) -> &'static [&'static str] {
        match self {
            Kind::Plugin => &["plugins"],
            Kind::Function => &["functions"],
            Kind::Source => &["ingestion", "sources"],
            Kind::View => &["features", "views"],
            Kind::Experiment => &["experiments"],
            Kind::Model => &["registry", "models"],
            Kind::Policy => &["governance", "policies"],
            Kind::Deployment => &["deployment"],
            Kind::Monitor => &["monitoring", "monitors"],
            Kind::Feedback => &["feedback", "rules"],
            Kind::Retirement => &["retirement", "rules"],
            Kind::Schedule => &["schedules"],
            Kind::Subscription => &["subscriptions"],
        }
    }

    /// The entry as the server's own type reads it, with every default filled
    /// in; or what is wrong with it and where.
    pub(crate) fn check<'t>(self, toml: &Toml<'t>, entry: Spanned<DeValue<'t>>) -> anyhow::Result<Value> {
        match self {
            Kind::Plugin => typed::<Plugin>(toml, entry),
            Kind::Function => typed::<Function>(toml, entry),
            Kind::Source => typed::<SourceSpec>(toml, entry),
            Kind::View => typed::<ViewSpec>(toml, entry),
            Kind::Experiment => typed::<ExperimentSpec>(toml, entry),
            Kind::Model => typed::<ModelSpec>(toml, entry),
            Kind::Policy => typed::<PolicySpec>(toml, entry),
            Kind::Deployment => typed::<DeploymentSpec>(toml, entry),
            Kind::Monitor => typed::<MonitorSpec>(toml, entry),
            Kind::Feedback => typed::<RuleSpec>(toml, entry),
            Kind::Retirement => typed::<RetirementSpec>(toml, entry),
            Kind::Schedule => typed::<Draft>(toml, entry),
            Kind::Subscription => typed::<NewSubscription>(toml, entry),
        }
    }
}

fn typed<'t, T: DeserializeOwned + Serialize>(
    toml: &Toml<'t>,
    entry: Spanned<DeValue<'t>>,
) -> anyhow::Result<Value> {
    Ok(serde_json::to_value(toml.part::<T>(entry)?)?)
}
