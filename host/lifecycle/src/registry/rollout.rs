//! The alias `champion`: where the model is deployed, the version that it names
//! is rolled out with it, whoever sets it.

use super::{Model, Registry, aliases::CHAMPION};
use crate::{
    Error, Result,
    deployment::{Deployment, Route},
    governance::Actor,
};

impl Registry<'_> {
    /// Lets `champion` name a version. If the model is deployed, every live
    /// deployment of it serves that version from now on, if the policies allow
    /// both; a rollback of the deployment takes the alias back.
    ///
    /// # Errors
    /// [`Code::Denied`](crate::Code::Denied) with the policies' reasons;
    /// [`Code::InvalidInput`](crate::Code::InvalidInput) if the version can't be deployed.
    pub(super) async fn crown(
        &self,
        actor: &Actor,
        model: &str,
        version: u32,
        reason: &str,
    ) -> Result<Model> {
        let registration = self.nameable(model, version).await?;
        let live = self.0.deployment().of_model(model).await?;
        let by = live.last().map(|deployment| deployment.spec.name.clone());
        if by.is_some()
            && let Some(obstacle) = registration.obstacle
        {
            let message = format!("{model} is deployed, and version {version} can't be: {obstacle}");
            return Err(Error::field("version", message));
        }
        let others: Vec<Deployment> =
            live.into_iter().filter(|deployment| !serves_alone(deployment, version)).collect();
        if !others.is_empty() {
            self.0.governance().require(actor, "promote", model, version).await?;
        }
        for Deployment { mut spec, .. } in others {
            spec.routes = vec![Route { version: version.to_string(), weight: 100 }];
            spec.shadow = spec.shadow.filter(|shadow| *shadow != version.to_string());
            let reason = format!("version {version} became the champion");
            self.0.deployment().deploy(actor, spec, &reason).await?;
        }
        match by {
            Some(deployment) => self.promote(actor, model, version, &deployment, reason).await,
            None => self.point(actor, model, CHAMPION, version, reason).await,
        }
    }
}

/// Whether a deployment gives all its traffic to a version.
fn serves_alone(deployment: &Deployment, version: u32) -> bool {
    matches!(deployment.spec.routes.as_slice(), [route] if route.version == version.to_string())
}
