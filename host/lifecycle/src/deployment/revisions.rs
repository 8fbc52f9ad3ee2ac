//! The cold path: deployed, changed, rolled back, stopped, and what served when.

use std::sync::Arc;

use modelyard_catalog::{Order, Page, Query, Ref};
use modelyard_clock::Timestamp;
use modelyard_notify::{Event, Severity};
use modelyard_runtime::types::Signature;
use modelyard_tables::{RecordBatch, Schema, Window};
use serde_json::json;

use super::{
    Chain, Deployment, DeploymentSpec, DeploymentStatus, Deployments, EndpointStats, Revision, SHADOW,
    endpoint::{Endpoint, Lookup, Target},
    revision_id,
};
use crate::{
    Error, Result,
    governance::Actor,
    names,
    registry::{Version, VersionStatus},
};

impl Deployments<'_> {
    /// Deploys, or changes a deployment: the versions are warmed and the
    /// policies asked before any traffic moves; a call under way ends where it
    /// began.
    pub async fn deploy(&self, actor: &Actor, spec: DeploymentSpec, reason: &str) -> Result<Deployment> {
        let spec = self.resolved(spec).await?;
        let before = self.find(&spec.name).await?;
        let known = before.as_ref().map(|before| before.chain.clone()).unwrap_or_default();
        let chain = self.linked(&spec.before, &spec.after, &known).await?;
        if let Some(before) = &before {
            let same = before.spec == spec && before.chain == chain;
            if same && before.status == DeploymentStatus::Live {
                return Ok(before.clone());
            }
            if before.spec.model != spec.model {
                return Err(Error::field(
                    "model",
                    format!(
                        "{:?} serves {:?}; another model needs a deployment of its own",
                        spec.name, before.spec.model
                    ),
                ));
            }
        }
        for route in &spec.routes {
            let serves = before.as_ref().is_some_and(|before| {
                before.status == DeploymentStatus::Live
                    && before.spec.routes.iter().any(|known| known.version == route.version)
            });
            if !serves {
                self.0.governance().require(actor, "deploy", &spec.model, number(&route.version)?).await?;
            }
        }
        let endpoint = self.endpoint(&spec, &chain).await?;
        for target in endpoint.targets() {
            target.keep_warm().await;
        }
        self.switch(actor, endpoint, before, reason).await
    }

    /// Puts an endpoint in place and records the revision.
    async fn switch(
        &self,
        actor: &Actor,
        endpoint: Endpoint,
        before: Option<Deployment>,
        reason: &str,
    ) -> Result<Deployment> {
        let (spec, chain) = (endpoint.spec.clone(), endpoint.chain.clone());
        let now = self.0.clock.now();
        let revision = before.as_ref().map_or(0, |before| before.revision) + 1;
        let deployment = Deployment {
            spec: spec.clone(),
            chain: chain.clone(),
            status: DeploymentStatus::Live,
            revision,
            created_at: before.as_ref().map_or(now, |before| before.created_at),
            updated_at: now,
        };
        let mut change = self.0.change(actor, "deployment.deployed", Ref::of(&deployment)).detail(
            json!({"revision": revision, "routes": spec.routes, "shadow": spec.shadow, "reason": reason}),
        );
        if let Some(previous) = self.revision_at(&spec.name, revision - 1).await?
            && previous.to.is_none()
        {
            change = change.put(&Revision { to: Some(now), ..previous });
        }
        for route in &spec.routes {
            change =
                change.from_edge("serves", Ref::to::<Version>(format!("{}@{}", spec.model, route.version)));
        }
        for link in chain.before.iter().chain(&chain.after) {
            change = change.from_edge("runs", Ref::new("component", link.component.to_string()));
        }
        let routes: Vec<_> =
            spec.routes.iter().map(|route| format!("v{} {}", route.version, route.weight)).collect();
        let event = Event::new(
            now,
            "dev.modelyard.deployment.deployed",
            "deployment",
            Severity::Info,
            format!("{} now serves {} ({})", spec.name, routes.join(", "), reason),
        )
        .model(&spec.model)
        .subject(&spec.name);
        let record = Revision {
            deployment: spec.name.clone(),
            revision,
            model: spec.model.clone(),
            spec,
            chain,
            from: now,
            to: None,
            by: actor.name.clone(),
            reason: reason.to_owned(),
        };
        change.put(&deployment).insert(&record).event(event)?.commit().await?;
        self.0.endpoints.set(endpoint);
        Ok(deployment)
    }

    async fn endpoint(&self, spec: &DeploymentSpec, chain: &Chain) -> Result<Endpoint> {
        let mut routes = Vec::new();
        for route in &spec.routes {
            routes.push(self.target(&spec.name, spec, chain, &route.version, route.weight).await?);
        }
        let shadow = match &spec.shadow {
            Some(version) => {
                let logged_as = format!("{}{SHADOW}", spec.name);
                Some(Arc::new(self.target(&logged_as, spec, chain, version, 0).await?))
            }
            None => None,
        };
        let meter =
            self.0.endpoints.get(&spec.name).map(|endpoint| endpoint.meter.clone()).unwrap_or_default();
        Ok(Endpoint { spec: spec.clone(), chain: chain.clone(), routes, shadow, meter })
    }

    async fn target(
        &self,
        logged_as: &str,
        spec: &DeploymentSpec,
        chain: &Chain,
        version: &str,
        weight: u32,
    ) -> Result<Target> {
        let version = self.0.registry().version(&spec.model, number(version)?).await?;
        let mut lookups = Vec::new();
        for join in &version.joins {
            let Ok(view) = self.0.features().view(&join.view).await else { continue };
            if !view.spec.online {
                continue;
            }
            let key_columns = view.spec.keys.iter().map(|key| join.keys.get(key).unwrap_or(key).clone());
            lookups.push(Lookup {
                view: join.view.clone(),
                key_columns: key_columns.collect(),
                columns: join.columns.clone(),
                ttl_seconds: view.spec.ttl_seconds,
            });
        }
        Target::new(self.0, logged_as, &version, weight, &spec.limits, chain, lookups).await
    }

    /// The specification with aliases as numbers, checked.
    async fn resolved(&self, mut spec: DeploymentSpec) -> Result<DeploymentSpec> {
        names::check("name", &spec.name)?;
        if spec.routes.is_empty() {
            return Err(Error::field("routes", "a deployment needs at least one route"));
        }
        if spec.routes.iter().all(|route| route.weight == 0) {
            return Err(Error::field("routes", "at least one route needs a weight above 0"));
        }
        let references = spec.routes.iter_mut().map(|route| ("routes", &mut route.version));
        for (field, reference) in references.chain(spec.shadow.iter_mut().map(|shadow| ("shadow", shadow))) {
            let version = self.0.registry().resolve(&spec.model, reference).await.map_err(|error| Error {
                location: crate::Location { field: Some(field.into()), ..error.location.clone() },
                ..error
            })?;
            if version.status == VersionStatus::Archived {
                return Err(Error::field(
                    field,
                    format!("{}@{} is archived; restore it first", version.model, version.version),
                ));
            }
            *reference = version.version.to_string();
        }
        let mut seen = std::collections::HashSet::new();
        if let Some(route) = spec.routes.iter().find(|route| !seen.insert(route.version.clone())) {
            return Err(Error::field("routes", format!("version {} stands in two routes", route.version)));
        }
        Ok(spec)
    }

    /// Goes back to the routes of an earlier revision: the latest that differs,
    /// or the one named. Where promotions of this deployment since then moved
    /// the alias `champion`, it goes back with the routes.
    pub async fn rollback(&self, actor: &Actor, name: &str, to: Option<u32>) -> Result<Deployment> {
        let current = self.get(name).await?;
        let wanted = match to {
            Some(revision) => self.revision_at(name, revision).await?,
            None => {
                let history = self.history(name, 100, None).await?.items;
                let differs = |revision: &Revision| {
                    revision.spec.routes != current.spec.routes || revision.chain != current.chain
                };
                history.into_iter().find(differs)
            }
        };
        let wanted = wanted.ok_or_else(|| match to {
            Some(revision) => Error::not_found("revision", revision_id(name, revision)),
            None => Error::conflict(format!("{name:?} has no earlier routes to go back to")),
        })?;
        let reason = format!("rolled back to revision {}", wanted.revision);
        // What served before was allowed before.
        let spec = self.resolved(wanted.spec).await?;
        let endpoint = self.endpoint(&spec, &wanted.chain).await?;
        // The alias first: a rollback that ends between the two can be asked for
        // again, while after the switch it would go back to what it left.
        let serves = main_of(&spec)?;
        self.0.registry().undo_promotions(actor, &spec.model, name, wanted.from, serves, &reason).await?;
        self.switch(actor, endpoint, Some(current), &reason).await
    }

    /// Takes one version out of the routes.
    pub(crate) async fn step_back(
        &self,
        actor: &Actor,
        name: &str,
        version: u32,
        reason: &str,
    ) -> Result<()> {
        let current = self.get(name).await?;
        let mut spec = current.spec.clone();
        spec.routes.retain(|route| route.version != version.to_string());
        if spec.routes.is_empty() || spec.routes.len() == current.spec.routes.len() {
            return Ok(());
        }
        if spec.routes.iter().all(|route| route.weight == 0) {
            spec.routes.iter_mut().for_each(|route| route.weight = 100);
        }
        let endpoint = self.endpoint(&spec, &current.chain).await?;
        self.switch(actor, endpoint, Some(current), &format!("the canary stepped back: {reason}")).await?;
        let event = Event::new(
            self.0.clock.now(),
            "dev.modelyard.deployment.stepped_back",
            "deployment",
            Severity::Critical,
            format!("{name} took version {version} out: {reason}"),
        )
        .subject(name)
        .version(version.to_string());
        self.0.notifier.publish(event).await?;
        Ok(())
    }

    /// Takes a deployment off; its history stays.
    pub async fn stop(&self, actor: &Actor, name: &str) -> Result<Deployment> {
        let mut deployment = self.get(name).await?;
        if deployment.status == DeploymentStatus::Stopped {
            return Ok(deployment);
        }
        let now = self.0.clock.now();
        deployment.status = DeploymentStatus::Stopped;
        deployment.updated_at = now;
        let mut change = self.0.change(actor, "deployment.stopped", Ref::of(&deployment)).put(&deployment);
        if let Some(revision) = self.revision_at(name, deployment.revision).await? {
            change = change.put(&Revision { to: Some(now), ..revision });
        }
        change.commit().await?;
        self.0.endpoints.remove(name);
        Ok(deployment)
    }

    /// Brings back what was live when the process ended.
    pub(crate) async fn restore(&self) -> Result<()> {
        let live = Query::new().eq("status", DeploymentStatus::Live);
        for deployment in self.0.catalog.table::<Deployment>().all(live).await? {
            match self.endpoint(&deployment.spec, &deployment.chain).await {
                Ok(endpoint) => self.0.endpoints.set(endpoint),
                Err(error) => {
                    tracing::error!(%error, deployment = deployment.spec.name, "can't be brought back")
                }
            }
        }
        Ok(())
    }

    async fn find(&self, name: &str) -> Result<Option<Deployment>> {
        Ok(self.0.catalog.table::<Deployment>().get(name).await?)
    }

    /// A deployment.
    pub async fn get(&self, name: &str) -> Result<Deployment> {
        self.find(name).await?.ok_or_else(|| Error::not_found("deployment", name))
    }

    /// The deployments, by name.
    pub async fn list(&self, limit: usize, after: Option<String>) -> Result<Page<Deployment>> {
        self.0.by_name(limit, after).await
    }

    /// A deployment's revisions, latest first.
    pub async fn history(&self, name: &str, limit: usize, after: Option<String>) -> Result<Page<Revision>> {
        let query =
            Query::new().eq("deployment", name).order("revision", Order::Desc).limit(limit).after(after);
        Ok(self.0.catalog.table().find(query).await?)
    }

    async fn revision_at(&self, name: &str, revision: u32) -> Result<Option<Revision>> {
        Ok(self.0.catalog.table::<Revision>().get(&revision_id(name, revision)).await?)
    }

    /// What served a deployment at a moment.
    pub async fn served_at(&self, name: &str, at: Timestamp) -> Result<Option<Revision>> {
        self.get(name).await?;
        let query = Query::new().eq("deployment", name).le("from", at).order("from", Order::Desc).limit(1);
        let revision: Option<Revision> = self.0.catalog.table().first(query).await?;
        Ok(revision.filter(|revision| revision.to.is_none_or(|to| to > at)))
    }

    /// The last `most` rows that a deployment answered within a window, the
    /// latest first, with the labels known now.
    pub async fn predictions(&self, window: &Window, most: usize) -> Result<(Schema, RecordBatch)> {
        self.get(&window.deployment).await?;
        Ok(self.0.tables.predictions().latest(window, most).await?)
    }

    /// Counters of every live endpoint since the process began.
    pub fn stats(&self) -> Vec<EndpointStats> {
        let mut stats: Vec<_> = self.0.endpoints.all().iter().map(|endpoint| endpoint.stats()).collect();
        stats.sort_by(|a, b| a.deployment.cmp(&b.deployment));
        stats
    }

    /// Whether calls can be answered under this name.
    pub fn is_live(&self, name: &str) -> bool {
        self.0.endpoints.get(name).is_some()
    }

    /// The live deployments that route or shadow to a version.
    pub async fn using(&self, model: &str, version: u32) -> Result<Vec<Deployment>> {
        let mut all = self.of_model(model).await?;
        all.retain(|deployment| deployment.spec.uses(version));
        Ok(all)
    }

    /// The live deployments of a model.
    pub async fn of_model(&self, model: &str) -> Result<Vec<Deployment>> {
        let live = Query::new().eq("model", model).eq("status", DeploymentStatus::Live);
        Ok(self.0.catalog.table().all(live).await?)
    }

    /// What a deployment takes and gives when this version of its model answers.
    pub async fn signature(&self, name: &str, version: &Version) -> Result<Signature> {
        Ok(self.get(name).await?.chain.around(&version.inputs))
    }

    /// The version with the largest share of a deployment.
    pub async fn main_version(&self, name: &str) -> Result<Version> {
        let deployment = self.get(name).await?;
        self.0.registry().version(&deployment.spec.model, main_of(&deployment.spec)?).await
    }
}

/// The version with the largest share; 0 without routes.
fn main_of(spec: &DeploymentSpec) -> Result<u32> {
    let main = spec.routes.iter().max_by_key(|route| route.weight);
    Ok(main.map(|route| number(&route.version)).transpose()?.unwrap_or_default())
}

/// A resolved route's version as a number.
pub(crate) fn number(version: &str) -> Result<u32> {
    version.parse().map_err(|_| Error::field("routes", format!("{version:?} is no version number")))
}
