//! The alias `champion`, set by a client of the tracking protocol: where the
//! model is deployed, the version is rolled out with it.

use super::super::{Model, Registry, aliases::CHAMPION};
use crate::{Error, Result, deployment::Route, governance::Actor};

impl Registry<'_> {
    /// Lets an alias name a version. If it is `champion` and the model is
    /// deployed, every live deployment of it serves that version from now on, if
    /// the policies allow both; a rollback of the deployment takes the alias back.
    ///
    /// # Errors
    /// [`Code::Denied`](crate::Code::Denied) with the policies' reasons;
    /// [`Code::InvalidInput`](crate::Code::InvalidInput) if the version can't be deployed.
    pub async fn set_alias_and_roll_out(
        &self,
        actor: &Actor,
        model: &str,
        alias: &str,
        version: u32,
    ) -> Result<Model> {
        let registration = self.registration(model, version).await?;
        let reason = "set through the tracking protocol";
        let live = if alias == CHAMPION { self.0.deployment().of_model(model).await? } else { vec![] };
        if live.is_empty() {
            return self.set_alias(actor, model, alias, &version.to_string(), reason).await;
        }
        if let Some(obstacle) = registration.obstacle {
            let message = format!("{model} is deployed, and version {version} can't be: {obstacle}");
            return Err(Error::field("version", message));
        }
        self.0.governance().require(actor, "promote", model, version).await?;
        let mut by = None;
        for deployment in live {
            let mut spec = deployment.spec;
            let alone = matches!(spec.routes.as_slice(), [route] if route.version == version.to_string());
            if !alone {
                spec.routes = vec![Route { version: version.to_string(), weight: 100 }];
                spec.shadow = spec.shadow.filter(|shadow| *shadow != version.to_string());
                let reason = format!("version {version} became the champion");
                self.0.deployment().deploy(actor, spec.clone(), &reason).await?;
            }
            by = Some(spec.name);
        }
        match by {
            Some(deployment) => self.promote(actor, model, version, &deployment, reason).await,
            None => self.set_alias(actor, model, alias, &version.to_string(), reason).await,
        }
    }
}
