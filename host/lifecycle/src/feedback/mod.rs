//! Feedback: labels by prediction, and rules that turn findings into actions.

mod decide;
mod labels;
mod records;

pub use labels::{LabelInput, LabelsTaken};
pub use records::{ActionRecord, Rule, RuleSpec};

use modelyard_catalog::Page;
use modelyard_clock::Timestamp;
use modelyard_runtime::Kind;

use crate::{
    Platform, Result,
    governance::Actor,
    jobs::Job,
    progress::Progress,
    records::{Defined, Parts, Scheduled},
};

/// Feedback of a platform.
pub struct Feedback<'p>(pub(crate) &'p Platform);

impl Defined for Rule {
    type Spec = RuleSpec;

    const NOUN: &'static str = "feedback rule";
    const ACTION: &'static str = "feedback.rule";
    const PLUGIN: Kind = Kind::Feedback;

    fn parts(spec: &RuleSpec) -> Parts<'_> {
        Parts { name: &spec.name, plugin: &spec.plugin, parameters: &spec.parameters }
    }

    fn spec(&self) -> &RuleSpec {
        &self.spec
    }

    fn of(spec: RuleSpec, before: Option<Self>, now: Timestamp) -> Self {
        match before {
            Some(before) => Self { spec, ..before },
            None => Self { spec, created_at: now, retrained_at: None },
        }
    }
}

impl Scheduled for Rule {
    type Done = Vec<ActionRecord>;

    const JOB: &'static str = "feedback.decide";

    fn schedule(spec: &RuleSpec) -> (Option<&str>, Option<&str>) {
        (spec.schedule.as_deref(), spec.timezone.as_deref())
    }

    async fn run(
        platform: &Platform,
        actor: &Actor,
        name: &str,
        progress: &Progress,
    ) -> Result<Vec<ActionRecord>> {
        platform.feedback().decide(actor, name, progress).await
    }

    fn told(actions: &Vec<ActionRecord>) -> String {
        let told: Vec<_> =
            actions.iter().map(|action| format!("{}: {}", action.action, action.outcome)).collect();
        if told.is_empty() { "nothing to do".into() } else { told.join("; ") }
    }
}

impl Feedback<'_> {
    /// Creates a rule or changes it.
    pub async fn put(&self, actor: &Actor, spec: RuleSpec) -> Result<Rule> {
        self.0.deployment().get(&spec.deployment).await?;
        self.0.put_scheduled(actor, spec).await
    }

    /// A rule.
    pub async fn get(&self, name: &str) -> Result<Rule> {
        self.0.defined(name).await
    }

    /// The rules, by name.
    pub async fn list(&self, limit: usize, after: Option<String>) -> Result<Page<Rule>> {
        self.0.by_name(limit, after).await
    }

    /// Removes a rule; its actions stay.
    pub async fn delete(&self, actor: &Actor, name: &str) -> Result<()> {
        self.0.delete_scheduled::<Rule>(actor, name).await
    }

    /// Decides now: a job that gives the actions.
    pub async fn start_decide(&self, actor: &Actor, name: &str) -> Result<Job> {
        self.0.start_scheduled::<Rule>(actor, name).await
    }

    /// Actions, latest first, of one deployment or all.
    pub async fn actions(
        &self,
        deployment: Option<&str>,
        limit: usize,
        after: Option<String>,
    ) -> Result<Page<ActionRecord>> {
        self.0.latest("deployment", deployment, limit, after).await
    }
}
