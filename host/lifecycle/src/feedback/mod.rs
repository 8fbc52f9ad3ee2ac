//! Feedback: labels by prediction, and rules that turn findings into actions.

mod decide;
mod labels;
mod records;

pub use labels::{LabelInput, LabelsTaken};
pub use records::{ActionRecord, Rule, RuleSpec};

use modelyard_catalog::{Order, Page, Query, Record, Ref};
use modelyard_runtime::Kind;

use crate::{Error, Platform, Result, governance::Actor, jobs::Job, names, schedules::Wanted};

/// Feedback of a platform.
pub struct Feedback<'p>(pub(crate) &'p Platform);

impl Feedback<'_> {
    /// Creates a rule or changes it.
    pub async fn put(&self, actor: &Actor, spec: RuleSpec) -> Result<Rule> {
        names::check("name", &spec.name)?;
        self.0.deployment().get(&spec.deployment).await?;
        let plugin = self.0.plugins().of_kind("plugin", &spec.plugin, Kind::Feedback).await?;
        crate::plugins::check_parameters("parameters", &plugin, &spec.parameters, false)?;
        let schedule =
            Wanted::of("feedback.decide", &spec.name, spec.schedule.as_deref(), spec.timezone.as_deref())?;
        let before = self.0.catalog.table::<Rule>().get(&spec.name).await?;
        if let Some(before) = before.as_ref().filter(|before| before.spec == spec) {
            return Ok(before.clone());
        }
        let rule = match before {
            Some(before) => Rule { spec, ..before },
            None => Rule { spec, created_at: self.0.clock.now(), retrained_at: None },
        };
        self.0.change(actor, "feedback.rule.put", Ref::of(&rule)).put(&rule).commit().await?;
        self.0.want(schedule).await?;
        Ok(rule)
    }

    /// A rule.
    pub async fn get(&self, name: &str) -> Result<Rule> {
        self.0.catalog.table::<Rule>().get(name).await?.ok_or_else(|| Error::not_found("feedback rule", name))
    }

    /// The rules, by name.
    pub async fn list(&self, limit: usize, after: Option<String>) -> Result<Page<Rule>> {
        Ok(self
            .0
            .catalog
            .table()
            .find(Query::new().order("name", Order::Asc).limit(limit).after(after))
            .await?)
    }

    /// Removes a rule; its actions stay.
    pub async fn delete(&self, actor: &Actor, name: &str) -> Result<()> {
        let rule = self.get(name).await?;
        self.0.unwant("feedback.decide", name).await?;
        self.0
            .change(actor, "feedback.rule.deleted", Ref::of(&rule))
            .delete::<Rule>(&rule.id())
            .commit()
            .await
    }

    /// Decides now: a job that gives the actions.
    pub async fn start_decide(&self, actor: &Actor, name: &str) -> Result<Job> {
        self.get(name).await?;
        let (actor, name) = (actor.clone(), name.to_owned());
        self.0
            .jobs()
            .start(
                &actor.name.clone(),
                "feedback.decide",
                &name.clone(),
                move |platform, progress| async move {
                    Ok(serde_json::to_value(platform.feedback().decide(&actor, &name, &progress).await?)?)
                },
            )
            .await
    }

    /// Actions, latest first, of one deployment or all.
    pub async fn actions(
        &self,
        deployment: Option<&str>,
        limit: usize,
        after: Option<String>,
    ) -> Result<Page<ActionRecord>> {
        let mut query = Query::new().order("at", Order::Desc).limit(limit).after(after);
        if let Some(deployment) = deployment {
            query = query.eq("deployment", deployment);
        }
        Ok(self.0.catalog.table().find(query).await?)
    }
}
