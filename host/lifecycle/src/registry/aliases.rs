//! Aliases: `champion`, `challenger`, whatever; with their history.

use modelyard_catalog::{Order, Page, Query, Ref, Revision};
use modelyard_clock::Timestamp;
use modelyard_notify::{Event, Severity};
use serde_json::json;

use super::{
    AliasChange, Model, Registration, Registry, Version, VersionStatus,
    again::{again, bind},
    version_id,
};
use crate::{Error, Result, governance::Actor, names};

/// The alias whose change the policies are asked about.
pub(super) const CHAMPION: &str = "champion";

/// Why an alias moves.
#[derive(Clone, Copy)]
struct Why<'a> {
    reason: &'a str,
    /// The deployment whose promotion or rollback it belongs to.
    deployment: Option<&'a str>,
}

impl Registry<'_> {
    /// Lets an alias name a version: its number, an alias, or `latest`.
    /// `champion` needs the policies' word, and what is deployed of the model
    /// serves that version from now on.
    pub async fn set_alias(
        &self,
        actor: &Actor,
        model: &str,
        alias: &str,
        version: &str,
        reason: &str,
    ) -> Result<Model> {
        let version = self.number(model, version).await?;
        match alias {
            CHAMPION => self.crown(actor, model, version, reason).await,
            _ => self.point(actor, model, alias, version, reason).await,
        }
    }

    /// Lets an alias name a version, whatever is deployed.
    pub(super) async fn point(
        &self,
        actor: &Actor,
        model: &str,
        alias: &str,
        version: u32,
        reason: &str,
    ) -> Result<Model> {
        self.set(actor, model, alias, version, Why { reason, deployment: None }).await
    }

    /// Lets `champion` name a version because a deployment promotes it: a
    /// rollback of the deployment takes the alias back.
    pub(crate) async fn promote(
        &self,
        actor: &Actor,
        model: &str,
        version: u32,
        deployment: &str,
        reason: &str,
    ) -> Result<Model> {
        self.set(actor, model, CHAMPION, version, Why { reason, deployment: Some(deployment) }).await
    }

    async fn set(
        &self,
        actor: &Actor,
        model: &str,
        alias: &str,
        version: u32,
        why: Why<'_>,
    ) -> Result<Model> {
        names::check_label("alias", alias)?;
        if alias.parse::<u32>().is_ok() || alias == "latest" {
            return Err(Error::field(
                "alias",
                format!("{alias:?} can't be an alias: numbers and latest name versions"),
            ));
        }
        let registration = self.nameable(model, version).await?;
        let is_set = |model: &Model| model.aliases.get(alias) == Some(&version);
        let before = self.model(model).await?;
        if is_set(&before) {
            return Ok(before);
        }
        // The policies judge what would serve; what can't serve they have no word on.
        if alias == CHAMPION && registration.obstacle.is_none() {
            self.0.governance().require(actor, "promote", model, version).await?;
        }
        again(|| async {
            let (before, read) = self.read_model(model).await?;
            if is_set(&before) {
                return Ok(before);
            }
            // Not deleted since: that would change the model, too.
            self.nameable(model, version).await?;
            self.move_alias(actor, (before, read), alias, Some(version), why).await
        })
        .await
    }

    /// A version that an alias may be given to: it is there, and isn't archived.
    pub(super) async fn nameable(&self, model: &str, version: u32) -> Result<Registration> {
        let registration = self.registration(model, version).await?;
        let known = self.0.catalog.table::<Version>().get(&version_id(model, version)).await?;
        if known.is_some_and(|known| known.status == VersionStatus::Archived) {
            return Err(Error::field("version", "the version is archived; restore it first"));
        }
        Ok(registration)
    }

    /// Takes `champion` back to what it named before the promotions that a
    /// deployment made from the moment `since` on, as far as to the version that
    /// `serves` again. Does nothing where somebody has moved it otherwise since.
    ///
    /// Where there was no champion before, what serves again is the champion,
    /// if governance agrees; if it doesn't, there is none. The rollback itself
    /// isn't held up by that.
    pub(crate) async fn undo_promotions(
        &self,
        actor: &Actor,
        model: &str,
        deployment: &str,
        since: Timestamp,
        serves: u32,
        reason: &str,
    ) -> Result<()> {
        let current = self.model(model).await?.aliases.get(CHAMPION).copied();
        let moved = Query::new()
            .eq("model", model)
            .eq("alias", CHAMPION)
            .ge("at", since)
            .order("at", Order::Desc)
            .order("id", Order::Desc);
        let mut champion = current;
        for change in self.0.catalog.table::<AliasChange>().all(moved).await? {
            if champion == Some(serves) || change.deployment.as_deref() != Some(deployment) {
                break;
            }
            champion = change.previous;
        }
        if champion == current {
            return Ok(());
        }
        if let Some(version) = champion
            && self.known(model, version).await?.is_some_and(|known| known.status == VersionStatus::Archived)
        {
            champion = None;
        }
        if champion.is_none() {
            match self.0.governance().require(actor, "promote", model, serves).await {
                Ok(_) => champion = Some(serves),
                Err(error) => tracing::warn!(%error, model, "no version is the champion after the rollback"),
            }
        }
        if champion == current {
            return Ok(());
        }
        let why = Why { reason, deployment: Some(deployment) };
        again(|| async {
            let (before, read) = self.read_model(model).await?;
            if before.aliases.get(CHAMPION).copied() == current {
                self.move_alias(actor, (before, read), CHAMPION, champion, why).await?;
            }
            Ok(())
        })
        .await
    }

    /// Removes an alias.
    pub async fn remove_alias(&self, actor: &Actor, model: &str, alias: &str) -> Result<Model> {
        again(|| async {
            let (before, read) = self.read_model(model).await?;
            if !before.aliases.contains_key(alias) {
                return Err(Error::not_found("alias", alias));
            }
            let why = Why { reason: "removed", deployment: None };
            self.move_alias(actor, (before, read), alias, None, why).await
        })
        .await
    }

    /// Lets an alias name the version that it named before its last change; what
    /// is deployed stays as it is.
    pub async fn revert_alias(&self, actor: &Actor, model: &str, alias: &str) -> Result<Model> {
        again(|| async {
            let (before, read) = self.read_model(model).await?;
            let last = self.alias_history(model, alias, 1, None).await?.items.into_iter().next();
            let previous = last.and_then(|last| last.previous).ok_or_else(|| {
                Error::conflict(format!("{alias:?} of {model:?} named no other version before"))
            })?;
            // What it named before was allowed before.
            let version = self.known(model, previous).await?;
            if version.is_some_and(|version| version.status == VersionStatus::Archived) {
                return Err(Error::conflict(format!("version {previous} is archived; restore it first")));
            }
            let why = Why { reason: "reverted", deployment: None };
            self.move_alias(actor, (before, read), alias, Some(previous), why).await
        })
        .await
    }

    /// Moves an alias of a model as it was read.
    async fn move_alias(
        &self,
        actor: &Actor,
        (before, read): (Model, Revision),
        alias: &str,
        version: Option<u32>,
        why: Why<'_>,
    ) -> Result<Model> {
        let reason = why.reason;
        let now = self.0.clock.now();
        let mut model = before.clone();
        let previous = match version {
            Some(version) => model.aliases.insert(alias.to_owned(), version),
            None => model.aliases.remove(alias),
        };
        model.updated_at = now;
        let moved = AliasChange {
            at: now,
            deployment: why.deployment.map(str::to_owned),
            ..self.moved(actor, &before, alias, version, reason)
        };
        let names = version.map_or("nothing".to_owned(), |version| format!("version {version}"));
        let event = Event::new(
            now,
            "dev.modelyard.registry.alias.changed",
            "registry",
            Severity::Info,
            format!("{alias} of {} names {names} ({reason})", model.spec.name),
        )
        .model(&model.spec.name)
        .subject(alias)
        .details(
            json!({"alias": alias, "version": version, "previous": previous, "prompt": model.is_prompt()}),
        );
        let mut change = self
            .0
            .change(actor, "registry.alias.changed", Ref::of(&model))
            .detail(json!({"alias": alias, "version": version, "previous": previous, "reason": reason}));
        bind::<Model>(&mut change, &model.spec.name, Some(read));
        change.put(&model).insert(&moved).event(event)?.commit().await?;
        Ok(model)
    }

    /// The record of an alias that names a version from now on, or none.
    pub(super) fn moved(
        &self,
        actor: &Actor,
        before: &Model,
        alias: &str,
        version: Option<u32>,
        reason: &str,
    ) -> AliasChange {
        AliasChange {
            id: uuid::Uuid::now_v7().to_string(),
            model: before.spec.name.clone(),
            alias: alias.to_owned(),
            version,
            previous: before.aliases.get(alias).copied(),
            at: self.0.clock.now(),
            by: actor.name.clone(),
            reason: reason.to_owned(),
            deployment: None,
        }
    }

    /// The changes of an alias, latest first.
    pub async fn alias_history(
        &self,
        model: &str,
        alias: &str,
        limit: usize,
        after: Option<String>,
    ) -> Result<Page<AliasChange>> {
        self.model(model).await?;
        let query = Query::new()
            .eq("model", model)
            .eq("alias", alias)
            .order("at", Order::Desc)
            .order("id", Order::Desc)
            .limit(limit)
            .after(after);
        Ok(self.0.catalog.table().find(query).await?)
    }

    /// The version that an alias named at a moment.
    pub async fn alias_at(&self, model: &str, alias: &str, at: Timestamp) -> Result<Option<u32>> {
        self.model(model).await?;
        let query =
            Query::new().eq("model", model).eq("alias", alias).le("at", at).order("at", Order::Desc).limit(1);
        let change: Option<AliasChange> = self.0.catalog.table().first(query).await?;
        Ok(change.and_then(|change| change.version))
    }
}
