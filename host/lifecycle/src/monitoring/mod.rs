//! Monitoring: windows of predictions held against a reference by plugins;
//! what crosses a bound is a finding, and subscribers hear of it.

mod check;
mod health;
mod records;

pub use health::Health;
pub use records::{Check, FindingRecord, Monitor, MonitorSpec, Reference, Watch};

use modelyard_catalog::{Order, Page, Query, Record, Ref};
use modelyard_runtime::Kind;

use crate::{Error, Platform, Result, governance::Actor, jobs::Job, names, schedules::Wanted};

/// Monitoring of a platform.
pub struct Monitoring<'p>(pub(crate) &'p Platform);

impl Monitoring<'_> {
    /// Creates a monitor or changes it.
    pub async fn put(&self, actor: &Actor, spec: MonitorSpec) -> Result<Monitor> {
        names::check("name", &spec.name)?;
        self.0.deployment().get(&spec.deployment).await?;
        let plugin = self.0.plugins().of_kind("plugin", &spec.plugin, Kind::Monitoring).await?;
        crate::plugins::check_parameters("parameters", &plugin, &spec.parameters, true)?;
        if spec.window_days == 0 {
            return Err(Error::field("window_days", "a window has at least one day"));
        }
        let schedule =
            Wanted::of("monitoring.check", &spec.name, spec.schedule.as_deref(), spec.timezone.as_deref())?;
        let before = self.0.catalog.table::<Monitor>().get(&spec.name).await?;
        if let Some(before) = before.as_ref().filter(|before| before.spec == spec) {
            return Ok(before.clone());
        }
        let monitor = match before {
            Some(before) => Monitor { spec, ..before },
            None => Monitor { spec, created_at: self.0.clock.now(), checked_at: None },
        };
        self.0.change(actor, "monitoring.monitor.put", Ref::of(&monitor)).put(&monitor).commit().await?;
        self.0.want(schedule).await?;
        Ok(monitor)
    }

    /// A monitor.
    pub async fn get(&self, name: &str) -> Result<Monitor> {
        self.0.catalog.table::<Monitor>().get(name).await?.ok_or_else(|| Error::not_found("monitor", name))
    }

    /// The monitors, by name.
    pub async fn list(&self, limit: usize, after: Option<String>) -> Result<Page<Monitor>> {
        Ok(self
            .0
            .catalog
            .table()
            .find(Query::new().order("name", Order::Asc).limit(limit).after(after))
            .await?)
    }

    /// Removes a monitor; its checks and findings stay.
    pub async fn delete(&self, actor: &Actor, name: &str) -> Result<()> {
        let monitor = self.get(name).await?;
        self.0.unwant("monitoring.check", name).await?;
        self.0
            .change(actor, "monitoring.monitor.deleted", Ref::of(&monitor))
            .delete::<Monitor>(&monitor.id())
            .commit()
            .await
    }

    /// Checks now: a job that gives the [`Check`].
    pub async fn start_check(&self, actor: &Actor, name: &str) -> Result<Job> {
        self.get(name).await?;
        let (actor, name) = (actor.clone(), name.to_owned());
        self.0
            .jobs()
            .start(&actor.name.clone(), "monitoring.check", &name.clone(), move |platform, _| async move {
                Ok(serde_json::to_value(platform.monitoring().check(&actor, &name).await?)?)
            })
            .await
    }

    /// Checks, latest first, of one monitor or all.
    pub async fn checks(
        &self,
        monitor: Option<&str>,
        limit: usize,
        after: Option<String>,
    ) -> Result<Page<Check>> {
        let mut query = Query::new().order("at", Order::Desc).limit(limit).after(after);
        if let Some(monitor) = monitor {
            query = query.eq("monitor", monitor);
        }
        Ok(self.0.catalog.table().find(query).await?)
    }

    /// Findings, latest first, of one model or all.
    pub async fn findings(
        &self,
        model: Option<&str>,
        limit: usize,
        after: Option<String>,
    ) -> Result<Page<FindingRecord>> {
        let mut query = Query::new().order("at", Order::Desc).limit(limit).after(after);
        if let Some(model) = model {
            query = query.eq("model", model);
        }
        Ok(self.0.catalog.table().find(query).await?)
    }
}
