//! Policies and what they say of a change.

use modelyard_catalog::{Order, Page, Query, Ref};
use modelyard_clock::Timestamp;
use modelyard_notify::{Event, Severity};
use modelyard_runtime::{
    Grants, Kind,
    types::{Change as Proposed, Decision, Metric},
};
use serde_json::{Value, json};

use super::{Actor, Governance, Outcome, Policy, PolicySpec, Review};
use crate::{
    Code, Error, Result,
    documentation::Card,
    plugins,
    records::{Defined, Parts},
    registry::{Version, version_id},
};

/// The changes that policies are asked about.
const ACTIONS: [&str; 3] = ["deploy", "promote", "retire"];

impl Defined for Policy {
    type Spec = PolicySpec;

    const NOUN: &'static str = "policy";
    const ACTION: &'static str = "governance.policy";
    const PLUGIN: Kind = Kind::Governance;

    fn parts(spec: &PolicySpec) -> Parts<'_> {
        Parts { name: &spec.name, plugin: &spec.plugin, parameters: &spec.parameters }
    }

    fn spec(&self) -> &PolicySpec {
        &self.spec
    }

    fn of(spec: PolicySpec, before: Option<Self>, now: Timestamp) -> Self {
        Self { spec, created_at: before.map_or(now, |before| before.created_at) }
    }

    fn detail(&self) -> Value {
        json!({"parameters": self.spec.parameters})
    }
}

impl Governance<'_> {
    /// Creates a policy or changes it.
    pub async fn put_policy(&self, actor: &Actor, spec: PolicySpec) -> Result<Policy> {
        if let Some(action) = spec.actions.iter().find(|action| !ACTIONS.contains(&action.as_str())) {
            return Err(Error::field(
                "actions",
                format!("{action:?} is no change that policies judge; they judge {}", ACTIONS.join(", ")),
            ));
        }
        self.0.put_defined(actor, spec).await
    }

    /// The policies, by name.
    pub async fn policies(&self, limit: usize, after: Option<String>) -> Result<Page<Policy>> {
        self.0.by_name(limit, after).await
    }

    /// A policy.
    pub async fn policy(&self, name: &str) -> Result<Policy> {
        self.0.defined(name).await
    }

    /// Removes a policy.
    pub async fn delete_policy(&self, actor: &Actor, name: &str) -> Result<()> {
        self.0.delete_defined::<Policy>(actor, name).await
    }

    /// Asks every policy about a change, and fails unless all allow it or a
    /// person has approved it.
    pub async fn require(&self, actor: &Actor, action: &str, model: &str, version: u32) -> Result<Review> {
        let review = self.review(actor, action, model, version).await?;
        let name = version_id(model, version);
        match review.outcome {
            Outcome::Allowed | Outcome::Approved => Ok(review),
            Outcome::Pending => Err(Error {
                details: review.reasons,
                ..Error::new(
                    Code::Denied,
                    format!(
                        "a person must agree to {action} {name}: approve review {} and ask again",
                        review.id
                    ),
                )
            }),
            Outcome::Denied | Outcome::Rejected => Err(Error {
                message: format!("the policies deny to {action} {name}: {}", review.reasons.join("; ")),
                details: review.reasons,
                ..Error::new(Code::Denied, "")
            }),
        }
    }

    /// Asks every policy about a change and records what they say. A person's
    /// word on the same change, once given, stands.
    pub async fn review(&self, actor: &Actor, action: &str, model: &str, version: u32) -> Result<Review> {
        let decided = Query::new()
            .eq("model", model)
            .eq("version", version)
            .eq("action", action)
            .any_of("outcome", [Outcome::Approved, Outcome::Pending, Outcome::Rejected])
            .order("at", Order::Desc)
            .limit(1);
        let decided: Option<Review> = self.0.catalog.table().first(decided).await?;
        let (outcome, reasons) = self.ask(actor, action, model, version).await?;
        if outcome == Outcome::Pending
            && let Some(decided) = decided
        {
            return Ok(decided);
        }
        let review = Review {
            id: uuid::Uuid::now_v7().to_string(),
            action: action.to_owned(),
            model: model.to_owned(),
            version,
            actor: actor.name.clone(),
            outcome,
            reasons,
            decided_by: None,
            comment: None,
            at: self.0.clock.now(),
            decided_at: None,
        };
        let name = version_id(model, version);
        let mut change = self
            .0
            .change(actor, "governance.reviewed", Ref::of(&review))
            .detail(json!({"action": action, "version": name, "outcome": outcome, "reasons": review.reasons}))
            .insert(&review);
        if outcome != Outcome::Allowed {
            let (severity, what) = match outcome {
                Outcome::Pending => (Severity::Warning, "needs a person's word"),
                _ => (Severity::Warning, "was denied"),
            };
            let event = Event::new(
                review.at,
                "dev.modelyard.governance.reviewed",
                "governance",
                severity,
                format!("{action} {name} {what}: {}", review.reasons.join("; ")),
            )
            .model(model)
            .version(version.to_string())
            .details(json!({"review": review.id, "reasons": review.reasons}))
            .fold_key(format!("review/{action}/{name}"));
            change = change.event(event)?;
        }
        change.commit().await?;
        Ok(review)
    }

    /// The strictest of what the policies say, with every reason.
    async fn ask(
        &self,
        actor: &Actor,
        action: &str,
        model: &str,
        version: u32,
    ) -> Result<(Outcome, Vec<String>)> {
        let mut policies: Vec<Policy> =
            self.0.catalog.table().all(Query::new().order("name", Order::Asc)).await?;
        policies.retain(|policy| {
            let spec = &policy.spec;
            (spec.models.is_empty() || spec.models.iter().any(|name| name == model))
                && (spec.actions.is_empty() || spec.actions.iter().any(|name| name == action))
        });
        let mut outcome = Outcome::Allowed;
        let mut reasons = Vec::new();
        if policies.is_empty() {
            return Ok((outcome, reasons));
        }
        let change = self.proposed(actor, action, model, version).await?;
        for policy in policies {
            let plugin = self.0.plugins().of_kind("plugin", &policy.spec.plugin, Kind::Governance).await?;
            let mut session = self.0.plugins().session(&plugin.digest, Grants::default()).await?;
            let parameters = plugins::parameters(&policy.spec.parameters);
            let decision = session
                .review(&parameters, &change)
                .await
                .map_err(|error| Error::from(error).during(format!("the policy {}", policy.spec.name)))?;
            let (said, why) = match decision {
                Decision::Allow => continue,
                Decision::Deny(why) => (Outcome::Denied, why),
                Decision::Ask(why) => (Outcome::Pending, why),
            };
            reasons.extend(why.iter().map(|reason| format!("{}: {reason}", policy.spec.name)));
            if outcome != Outcome::Denied {
                outcome = said;
            }
        }
        Ok((outcome, reasons))
    }

    async fn proposed(&self, actor: &Actor, action: &str, model: &str, version: u32) -> Result<Proposed> {
        let subject = self.0.registry().version(model, version).await?;
        let champion = match self.0.registry().model(model).await?.aliases.get("champion") {
            Some(champion) if *champion != version => {
                Some(self.0.registry().version(model, *champion).await?)
            }
            _ => None,
        };
        let champion_metrics = match champion {
            Some(champion) => self.comparable(&subject, champion).await?,
            None => vec![],
        };
        let card: Option<Card> = self.0.catalog.table().get(&version_id(model, version)).await?;
        Ok(Proposed {
            action: action.to_owned(),
            model: model.to_owned(),
            version,
            actor: actor.name.clone(),
            metrics: self.0.evaluation().metrics_of(&subject).await?,
            champion_metrics,
            lineage: lineage(&subject),
            card_gaps: card.map_or_else(|| vec!["the whole card".to_owned()], |card| card.gaps),
            imports: subject.capabilities.clone(),
        })
    }

    /// The champion's metrics on the rows that the version was tested on; its
    /// own evaluation's where it can't be asked.
    async fn comparable(&self, subject: &Version, champion: Version) -> Result<Vec<Metric>> {
        let own = self.0.evaluation().metrics_of(&champion).await?;
        let Some(run) = &subject.run else { return Ok(own) };
        let run = self.0.experiments().run(run).await?;
        let Some(evaluation) = &run.evaluation else { return Ok(own) };
        let rows = self.0.evaluation().get(evaluation).await?.predictions;
        let same =
            self.0.evaluation().of_version_on(&champion, &rows, &run.spec.target, run.spec.evaluation).await;
        Ok(same.map(|evaluation| evaluation.metrics).unwrap_or(own))
    }

    /// Reviews, latest first, with one outcome or any.
    pub async fn reviews(
        &self,
        outcome: Option<Outcome>,
        limit: usize,
        after: Option<String>,
    ) -> Result<Page<Review>> {
        self.0.latest("outcome", outcome, limit, after).await
    }

    /// A person's word on a pending review.
    pub async fn decide(&self, actor: &Actor, id: &str, approve: bool, comment: &str) -> Result<Review> {
        let table = self.0.catalog.table::<Review>();
        let mut review = table.get(id).await?.ok_or_else(|| Error::not_found("review", id))?;
        if review.outcome != Outcome::Pending {
            return Err(Error::conflict(format!("the review {id} is decided already: {:?}", review.outcome)));
        }
        if review.actor == actor.name && actor.name != "local" {
            return Err(Error::new(Code::Forbidden, "whoever asked for a change can't approve it"));
        }
        review.outcome = if approve { Outcome::Approved } else { Outcome::Rejected };
        review.decided_by = Some(actor.name.clone());
        review.comment = Some(comment.to_owned());
        review.decided_at = Some(self.0.clock.now());
        let mut change = self
            .0
            .change(actor, "governance.decided", Ref::of(&review))
            .detail(json!({"outcome": review.outcome, "comment": comment}));
        change.tx.require::<Review>(id, "outcome", Outcome::Pending);
        change.put(&review).commit().await?;
        Ok(review)
    }
}

/// What a version is known to come from.
fn lineage(version: &Version) -> Vec<String> {
    let known = [
        ("run", version.run.is_some()),
        ("dataset", !version.datasets.is_empty()),
        ("features", version.features.is_some()),
        ("plugin", !version.runner.is_empty()),
        ("configuration", version.run.is_some()),
    ];
    known.into_iter().filter(|(_, known)| *known).map(|(name, _)| name.to_owned()).collect()
}
