//! How stages keep records alike: what people define by name, and what came of
//! it, latest first.
//!
//! A rule, a monitor or a policy is a spec under a name, kept with what has
//! become of it until it is removed; most have a job that runs when somebody
//! asks for it or when their cron expression says so. A stage states what is its
//! own ([`Defined`], [`Scheduled`]); how such a record is put, read, listed,
//! removed and started stands here.

use std::future::Future;

use modelyard_catalog::{Order, Page, Query, Record, Ref};
use modelyard_clock::Timestamp;
use modelyard_runtime::Kind;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    Error, Platform, Result, governance::Actor, jobs::Job, names, plugins, progress::Progress,
    schedules::Wanted,
};

/// A record that stands for a spec, which names a plugin and its parameters.
pub(crate) trait Defined: Record {
    /// What is asked for.
    type Spec: PartialEq + Send + Sync;

    /// What people call it: `feedback rule`.
    const NOUN: &'static str;
    /// How its actions begin in the audit trail: `feedback.rule`.
    const ACTION: &'static str;
    /// The kind of plugin that it names.
    const PLUGIN: Kind;
    /// Whether the host fills in parameters when it calls the plugin, so that
    /// they may be missing in the spec.
    const FILLED: bool = false;

    /// What every spec has.
    fn parts(spec: &Self::Spec) -> Parts<'_>;

    /// What was asked for.
    fn spec(&self) -> &Self::Spec;

    /// The record for a spec: a new one, or the one before with what has become
    /// of it.
    fn of(spec: Self::Spec, before: Option<Self>, now: Timestamp) -> Self;

    /// What else the audit trail says when it is put.
    fn detail(&self) -> Value {
        json!({})
    }
}

/// What every spec has.
pub(crate) struct Parts<'s> {
    pub(crate) name: &'s str,
    pub(crate) plugin: &'s str,
    pub(crate) parameters: &'s Value,
}

/// A defined record with a job, which may have a schedule.
pub(crate) trait Scheduled: Defined {
    /// What the job gives.
    type Done: Serialize;

    /// The job's kind: `<stage>.<verb>`.
    const JOB: &'static str;

    /// The cron expression and the time zone that a spec asks for.
    fn schedule(spec: &Self::Spec) -> (Option<&str>, Option<&str>);

    /// Does the job for the record of this name.
    fn run(
        platform: &Platform,
        actor: &Actor,
        name: &str,
        progress: &Progress,
    ) -> impl Future<Output = Result<Self::Done>> + Send;

    /// What came of it, in one line for the schedule's history.
    fn told(done: &Self::Done) -> String;
}

impl Platform {
    /// Creates a record or changes it. The same spec again changes nothing.
    pub(crate) async fn put_defined<R: Defined>(&self, actor: &Actor, spec: R::Spec) -> Result<R> {
        let Parts { name, plugin, parameters } = R::parts(&spec);
        names::check("name", name)?;
        let plugin = self.plugins().of_kind("plugin", plugin, R::PLUGIN).await?;
        plugins::check_parameters("parameters", &plugin, parameters, R::FILLED)?;
        let before = self.catalog.table::<R>().get(name).await?;
        if let Some(before) = before.as_ref().filter(|before| *before.spec() == spec) {
            return Ok(before.clone());
        }
        let record = R::of(spec, before, self.clock.now());
        self.change(actor, &format!("{}.put", R::ACTION), Ref::of(&record))
            .detail(record.detail())
            .put(&record)
            .commit()
            .await?;
        Ok(record)
    }

    /// Creates a record or changes it, and brings its schedule to what it asks
    /// for: also where the same spec was put before and the process was killed
    /// between the two.
    pub(crate) async fn put_scheduled<R: Scheduled>(&self, actor: &Actor, spec: R::Spec) -> Result<R> {
        let (cron, timezone) = R::schedule(&spec);
        let schedule = Wanted::of(R::JOB, R::parts(&spec).name, cron, timezone)?;
        let record = self.put_defined(actor, spec).await?;
        self.want(schedule).await?;
        Ok(record)
    }

    /// The record of this name.
    pub(crate) async fn defined<R: Defined>(&self, name: &str) -> Result<R> {
        self.catalog.table::<R>().get(name).await?.ok_or_else(|| Error::not_found(R::NOUN, name))
    }

    /// Removes a record; what came of it stays.
    pub(crate) async fn delete_defined<R: Defined>(&self, actor: &Actor, name: &str) -> Result<()> {
        let record: R = self.defined(name).await?;
        self.change(actor, &format!("{}.deleted", R::ACTION), Ref::of(&record))
            .delete::<R>(&record.id())
            .commit()
            .await
    }

    /// Removes a record with its schedule; what came of it stays.
    pub(crate) async fn delete_scheduled<R: Scheduled>(&self, actor: &Actor, name: &str) -> Result<()> {
        self.defined::<R>(name).await?;
        // First, so that no schedule is left of a record that is gone.
        self.unwant(R::JOB, name).await?;
        self.delete_defined::<R>(actor, name).await
    }

    /// Starts a record's job now.
    pub(crate) async fn start_scheduled<R: Scheduled>(&self, actor: &Actor, name: &str) -> Result<Job> {
        self.defined::<R>(name).await?;
        let (by, target) = (actor.clone(), name.to_owned());
        self.jobs()
            .start(&actor.name, R::JOB, name, move |platform, progress| async move {
                Ok(serde_json::to_value(R::run(&platform, &by, &target, &progress).await?)?)
            })
            .await
    }

    /// One page of all records of a kind that have names, in their order.
    pub(crate) async fn by_name<R: Record>(&self, limit: usize, after: Option<String>) -> Result<Page<R>> {
        let query = Query::new().order("name", Order::Asc).limit(limit).after(after);
        Ok(self.catalog.table().find(query).await?)
    }

    /// One page of what happened (records with a time `at`), latest first: all
    /// of it, or that in which `field` has this value.
    pub(crate) async fn latest<R: Record>(
        &self,
        field: &str,
        value: Option<impl Serialize>,
        limit: usize,
        after: Option<String>,
    ) -> Result<Page<R>> {
        let mut query = Query::new().order("at", Order::Desc).limit(limit).after(after);
        if let Some(value) = value {
            query = query.eq(field, value);
        }
        Ok(self.catalog.table().find(query).await?)
    }
}
