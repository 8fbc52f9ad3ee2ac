//! Monitoring: windows of predictions held against a reference by plugins;
//! what crosses a bound is a finding, and subscribers hear of it.

mod check;
mod health;
mod records;

pub use health::Health;
pub use records::{Check, FindingRecord, Monitor, MonitorSpec, Reference, Watch};

use modelyard_catalog::Page;
use modelyard_clock::Timestamp;
use modelyard_runtime::Kind;

use crate::{
    Error, Platform, Result,
    governance::Actor,
    jobs::Job,
    progress::Progress,
    records::{Defined, Parts, Scheduled},
};

/// Monitoring of a platform.
pub struct Monitoring<'p>(pub(crate) &'p Platform);

impl Defined for Monitor {
    type Spec = MonitorSpec;

    const NOUN: &'static str = "monitor";
    const ACTION: &'static str = "monitoring.monitor";
    const PLUGIN: Kind = Kind::Monitoring;
    const FILLED: bool = true;

    fn parts(spec: &MonitorSpec) -> Parts<'_> {
        Parts { name: &spec.name, plugin: &spec.plugin, parameters: &spec.parameters }
    }

    fn spec(&self) -> &MonitorSpec {
        &self.spec
    }

    fn of(spec: MonitorSpec, before: Option<Self>, now: Timestamp) -> Self {
        match before {
            Some(before) => Self { spec, ..before },
            None => Self { spec, created_at: now, checked_at: None },
        }
    }
}

impl Scheduled for Monitor {
    type Done = Check;

    const JOB: &'static str = "monitoring.check";

    fn schedule(spec: &MonitorSpec) -> (Option<&str>, Option<&str>) {
        (spec.schedule.as_deref(), spec.timezone.as_deref())
    }

    async fn run(platform: &Platform, actor: &Actor, name: &str, _progress: &Progress) -> Result<Check> {
        platform.monitoring().check(actor, name).await
    }

    fn told(check: &Check) -> String {
        match &check.skipped {
            Some(why) => why.clone(),
            None => format!("{} rows, {} findings", check.rows, check.findings),
        }
    }
}

impl Monitoring<'_> {
    /// Creates a monitor or changes it.
    pub async fn put(&self, actor: &Actor, spec: MonitorSpec) -> Result<Monitor> {
        self.0.deployment().get(&spec.deployment).await?;
        if spec.window_days == 0 {
            return Err(Error::field("window_days", "a window has at least one day"));
        }
        self.0.put_scheduled(actor, spec).await
    }

    /// A monitor.
    pub async fn get(&self, name: &str) -> Result<Monitor> {
        self.0.defined(name).await
    }

    /// The monitors, by name.
    pub async fn list(&self, limit: usize, after: Option<String>) -> Result<Page<Monitor>> {
        self.0.by_name(limit, after).await
    }

    /// Removes a monitor; its checks and findings stay.
    pub async fn delete(&self, actor: &Actor, name: &str) -> Result<()> {
        self.0.delete_scheduled::<Monitor>(actor, name).await
    }

    /// Checks now: a job that gives the [`Check`].
    pub async fn start_check(&self, actor: &Actor, name: &str) -> Result<Job> {
        self.0.start_scheduled::<Monitor>(actor, name).await
    }

    /// Checks, latest first, of one monitor or all.
    pub async fn checks(
        &self,
        monitor: Option<&str>,
        limit: usize,
        after: Option<String>,
    ) -> Result<Page<Check>> {
        self.0.latest("monitor", monitor, limit, after).await
    }

    /// Findings, latest first, of one model or all.
    pub async fn findings(
        &self,
        model: Option<&str>,
        limit: usize,
        after: Option<String>,
    ) -> Result<Page<FindingRecord>> {
        self.0.latest("model", model, limit, after).await
    }
}
