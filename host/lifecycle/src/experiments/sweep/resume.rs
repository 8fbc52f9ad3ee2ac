//! Sweeps that were broken off: gone on with when somebody says so, or by
//! themselves where it was the process that ended.

use modelyard_catalog::{Query, Record, Ref};

use super::{
    super::{Experiments, Status},
    Sweep, Trial, TrialStatus,
};
use crate::{
    Error, Result,
    governance::{Actor, Role},
    jobs::Job,
};

/// How often a sweep goes on by itself while none of its trials ends: what has
/// brought the process down would do so for ever.
const RESTARTS: usize = 3;

impl Experiments<'_> {
    /// Goes on with a sweep that failed or was cancelled: the trials that ended
    /// stay, those that didn't are run again.
    pub async fn resume_sweep(&self, actor: &Actor, id: &str) -> Result<(Sweep, Job)> {
        let _one = self.0.resuming.lock().await;
        let sweep = self.sweep(id).await?;
        if !matches!(sweep.status, Status::Failed | Status::Cancelled) {
            let status = serde_json::to_value(sweep.status)?;
            return Err(Error::conflict(format!(
                "the sweep is {}; one that failed or was cancelled can be resumed",
                status.as_str().unwrap_or_default()
            )));
        }
        if sweep.experiment.is_none() {
            return Err(Error::conflict(
                "the sweep was begun by an older version that kept too little of it",
            ));
        }
        self.go_on(actor, sweep).await
    }

    /// Goes on with the sweeps that were under way when the process before this
    /// one ended.
    pub(crate) async fn go_on_with_sweeps(&self) {
        let left = Query::new().eq("status", Status::Pending);
        let left = self.0.catalog.table::<Sweep>().all(left).await.unwrap_or_else(|error| {
            tracing::error!(%error, "the sweeps that were under way can't be read");
            vec![]
        });
        for sweep in left {
            let id = sweep.id.clone();
            let _one = self.0.resuming.lock().await;
            // In the name of whoever began it.
            let actor = match sweep.created_by.as_str() {
                "" => Actor::system(),
                name => Actor { name: name.to_owned(), role: Role::Developer },
            };
            if let Err(error) = self.go_on(&actor, sweep).await {
                tracing::error!(%error, sweep = id, "a sweep that was under way can't be gone on with");
            }
        }
    }

    async fn go_on(&self, actor: &Actor, mut sweep: Sweep) -> Result<(Sweep, Job)> {
        sweep.status = Status::Running;
        sweep.error = None;
        sweep.finished_at = None;
        self.0.change(actor, "experiments.sweep.resumed", Ref::of(&sweep)).put(&sweep).commit().await?;
        self.begin_sweep(actor, sweep).await
    }

    /// Notes which sweeps and trials a killed process left under way; the sweeps
    /// are gone on with when the platform runs.
    pub(in crate::experiments) async fn recover_sweeps(&self) -> Result<()> {
        let trials = self.0.catalog.table::<Trial>();
        for trial in trials.all(Query::new().eq("status", TrialStatus::Running)).await? {
            trials.update(&trial.id(), |trial| trial.status = TrialStatus::Interrupted).await?;
        }
        let sweeps = self.0.catalog.table::<Sweep>();
        for sweep in sweeps.all(Query::new().eq("status", Status::Running)).await? {
            let trials = trials.all(Query::new().eq("sweep", &sweep.id)).await?;
            let ended = trials.iter().filter(|trial| trial.status.is_settled()).count() as u64;
            let now = self.0.clock.now();
            sweeps.update(&sweep.id, |sweep| left_by_a_killed_process(sweep, ended, now)).await?;
        }
        Ok(())
    }
}

/// How a sweep goes on of which so many trials had ended.
fn left_by_a_killed_process(sweep: &mut Sweep, ended: u64, now: modelyard_clock::Timestamp) {
    sweep.restarts.retain(|then| *then == ended);
    if sweep.experiment.is_some() && sweep.restarts.len() < RESTARTS {
        sweep.restarts.push(ended);
        sweep.status = Status::Pending;
        return;
    }
    sweep.status = Status::Failed;
    sweep.finished_at = Some(now);
    let often = sweep.restarts.len() + 1;
    sweep.error = Some(format!(
        "interrupted: the server stopped {often} times while the same trials ran; resume it when you know why"
    ));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn what_kills_the_server_again_and_again_is_not_gone_on_with_for_ever() {
        let experiment = json!({"name": "e", "task": "regression", "spine": {"dataset": "d"}, "target": "y",
            "training": {"plugin": "training-gbdt"}});
        let sweep = json!({"id": "s", "spec": {"experiment": "e", "metric": "rmse"}, "experiment": experiment,
            "status": "running", "runs": [], "best": null, "best_value": null, "finished_at": null,
            "created_at": "2010-01-01T00:00:00Z", "error": null});
        let mut sweep: Sweep = serde_json::from_value(sweep).unwrap();
        let mut killed = |ended: u64| {
            sweep.status = Status::Running;
            left_by_a_killed_process(&mut sweep, ended, "2010-01-02".parse().unwrap());
            (sweep.status, sweep.error.take())
        };
        for ended in [0, 0, 0, 1, 1, 1] {
            assert_eq!(killed(ended), (Status::Pending, None));
        }
        let (status, error) = killed(1);
        assert_eq!(status, Status::Failed);
        assert!(error.unwrap().contains("4 times"));
        assert_eq!(killed(2).0, Status::Pending);
    }
}
