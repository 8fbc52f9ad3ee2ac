use std::fmt;

use modelyard_clock::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{Error, Result};

/// The twelve stages of a model's life, in order.
pub const STAGES: [&str; 12] = [
    "ingestion",
    "features",
    "experiments",
    "evaluation",
    "registry",
    "deployment",
    "monitoring",
    "feedback",
    "governance",
    "scaling",
    "documentation",
    "retirement",
];

/// `Ok` if `stage` is one of [`STAGES`].
pub(crate) fn check_stage(stage: &str) -> Result<()> {
    if STAGES.contains(&stage) { Ok(()) } else { Err(Error::UnknownStage(stage.to_owned())) }
}

/// How much an event matters; later is more.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    #[default]
    Info,
    /// Somebody should look.
    Warning,
    /// Somebody must act.
    Critical,
}

impl Severity {
    /// The lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Something that happened and that subscribers may want to know: one row of the outbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Unique; in the order of creation.
    pub id: String,
    /// When it happened, on the platform's clock.
    pub at: Timestamp,
    /// The CloudEvents type: `dev.modelyard.monitoring.finding`.
    pub kind: String,
    /// One of [`STAGES`].
    pub stage: String,
    /// The model concerned.
    pub model: Option<String>,
    /// The model's version.
    pub version: Option<String>,
    /// How much it matters.
    pub severity: Severity,
    /// The column, group, endpoint or dataset concerned.
    pub subject: Option<String>,
    /// One sentence for a person.
    pub summary: String,
    /// Facts for a program. `value` and `threshold` (or `bound`), if there, are shown prominently.
    pub details: Value,
    /// Events with the same key, severity and subscription fold into one alert; none: never folded.
    pub fold_key: Option<String>,
    /// The console's page about it, as a path below the public address (`/monitoring`); none: the stage's page.
    pub link: Option<String>,
    /// Whether deliveries have been made out of it.
    #[serde(default)]
    pub dispatched: bool,
}

impl Event {
    /// An event of `stage` that happened `at`; the rest is set by the methods below or by field.
    pub fn new(
        at: Timestamp,
        kind: impl Into<String>,
        stage: impl Into<String>,
        severity: Severity,
        summary: impl Into<String>,
    ) -> Self {
        Self {
            id: format!("evt_{}", uuid::Uuid::now_v7().simple()),
            at,
            kind: kind.into(),
            stage: stage.into(),
            model: None,
            version: None,
            severity,
            subject: None,
            summary: summary.into(),
            details: Value::Object(serde_json::Map::new()),
            fold_key: None,
            link: None,
            dispatched: false,
        }
    }

    /// Sets the model.
    #[must_use]
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// Sets the model's version.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Sets the column, group, endpoint or dataset concerned.
    #[must_use]
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Sets the facts for a program.
    #[must_use]
    pub fn details(mut self, details: Value) -> Self {
        self.details = details;
        self
    }

    /// Folds the event with others of the same key.
    #[must_use]
    pub fn fold_key(mut self, key: impl Into<String>) -> Self {
        self.fold_key = Some(key.into());
        self
    }

    /// Sets the console's page about it.
    #[must_use]
    pub fn link(mut self, path: impl Into<String>) -> Self {
        self.link = Some(path.into());
        self
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn severities_are_ordered_and_lower_case() {
        assert!(Severity::Info < Severity::Warning && Severity::Warning < Severity::Critical);
        assert_eq!(serde_json::to_string(&Severity::Critical).unwrap(), "\"critical\"");
        assert_eq!(Severity::Warning.to_string(), "warning");
    }

    #[test]
    fn an_unknown_stage_is_answered_with_the_twelve() {
        assert!(check_stage("monitoring").is_ok());
        let error = check_stage("montoring").unwrap_err().to_string();
        assert!(STAGES.iter().all(|stage| error.contains(stage)), "{error}");
    }

    #[test]
    fn ids_follow_creation() {
        let at = Timestamp::default();
        let ids: Vec<_> = (0..50).map(|_| Event::new(at, "k", "registry", Severity::Info, "s").id).collect();
        assert!(ids.is_sorted());
    }
}
