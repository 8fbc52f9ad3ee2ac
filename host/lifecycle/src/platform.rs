use std::{ops::Deref, sync::Arc};

use modelyard_blobs::{self as blobs, Blobs};
use modelyard_catalog::Catalog;
use modelyard_clock::Clock;
use modelyard_notify::Notifier;
use modelyard_runtime::{self as runtime, Runtime};
use modelyard_scheduler::Scheduler;
use modelyard_tables::{self as tables, Tables};
use modelyard_tracking as tracking;
use tokio::sync::Mutex;

use crate::{
    Options, Result,
    change::AuditHead,
    deployment::Endpoints,
    functions::{Clients, Mounts},
    governance::Tokens,
    jobs::Jobs,
    plugins::{Awaited, Compiled},
    tracking::{ARTIFACT_ROOT, Artifacts},
};

/// Everything that the stages share. A cheap handle.
#[derive(Clone)]
pub struct Platform(Arc<Inner>);

/// What a [`Platform`] holds.
pub struct Inner {
    /// What the operator set.
    pub options: Options,
    /// What the time is.
    pub clock: Clock,
    /// Records and lineage.
    pub catalog: Catalog,
    /// Components, artifacts, files.
    pub blobs: Blobs,
    /// Datasets, joins, online values, predictions.
    pub tables: Tables,
    /// Runs, metrics, logged models, traces.
    pub tracking: tracking::Store,
    /// The files that clients log.
    pub artifacts: Artifacts,
    /// Compiles and calls components.
    pub runtime: Runtime,
    /// Schedules.
    pub scheduler: Scheduler,
    /// Subscriptions, email, webhooks.
    pub notifier: Notifier,
    pub(crate) audit: Mutex<Option<AuditHead>>,
    pub(crate) tokens: Tokens,
    pub(crate) compiled: Compiled,
    pub(crate) awaited: Awaited,
    pub(crate) endpoints: Endpoints,
    pub(crate) mounts: Mounts,
    pub(crate) clients: Clients,
    pub(crate) jobs: Jobs,
    pub(crate) trainings: crate::experiments::Trainings,
    /// One sweep is resumed at a time, so that none is resumed twice.
    pub(crate) resuming: Mutex<()>,
    pub(crate) listings: crate::ingestion::Listings,
    /// One writer per dataset at a time.
    pub(crate) writing: crate::ingestion::Writers,
}

impl Deref for Platform {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Platform {
    /// Opens what lies below `options.data_dir`, notes the built-in plugins that
    /// are new, and brings deployments and functions back to where they were.
    pub async fn open(options: Options, clock: Clock) -> Result<Self> {
        options.check()?;
        std::fs::create_dir_all(&options.data_dir).map_err(|error| {
            crate::Error::internal(format!("{} can't be made: {error}", options.data_dir.display()))
        })?;
        let catalog = Catalog::open(&options.catalog()).await?;
        let blobs = Blobs::open(&blobs::Options::directory(options.data_dir.join("blobs"))).await?;
        let tables = Tables::open(
            tables::Options {
                dir: options.data_dir.join("tables"),
                commit_interval_ms: options.commit_interval_ms,
                ..tables::Options::default()
            },
            blobs.clone(),
            clock.clone(),
        )
        .await?;
        let (tracking, artifacts) = {
            let (place, clock) = (options.data_dir.join("tracking"), clock.clone());
            tokio::task::spawn_blocking(move || -> Result<_> {
                let artifacts = Artifacts::open(&place.join("artifacts"))?;
                let store = tracking::Options {
                    path: place.join("store"),
                    clock,
                    artifact_root: ARTIFACT_ROOT.to_owned(),
                };
                Ok((tracking::Store::open(store)?, artifacts))
            })
            .await??
        };
        let compiled = options.data_dir.join("compiled");
        sweep(&compiled);
        let runtime = Runtime::new(runtime::Options {
            cache_dir: compiled,
            max_instances: options.instances.max,
            memory_budget_bytes: options.instances.memory_bytes,
            worker: options.worker.clone(),
            ..runtime::Options::default()
        })?;
        let scheduler = Scheduler::new(catalog.clone(), clock.clone());
        let notifier = Notifier::open(catalog.clone(), clock.clone(), options.notify.clone()).await?;
        let platform = Self(Arc::new(Inner {
            options,
            clock,
            catalog,
            blobs,
            tables,
            tracking,
            artifacts,
            runtime,
            scheduler,
            notifier,
            audit: Mutex::new(None),
            tokens: Tokens::default(),
            compiled: Compiled::default(),
            awaited: Awaited::default(),
            endpoints: Endpoints::default(),
            mounts: Mounts::default(),
            clients: Clients::default(),
            jobs: Jobs::default(),
            trainings: Default::default(),
            resuming: Mutex::default(),
            listings: Default::default(),
            writing: Default::default(),
        }));
        platform.define().await?;
        platform.governance().restore_tokens().await?;
        platform.plugins().await_builtin().await?;
        platform.jobs().recover().await?;
        platform.deployment().restore().await?;
        platform.functions().restore().await?;
        Ok(platform)
    }

    /// Adds the plugins of a new binary while it serves already.
    async fn add_builtin(&self, stop: impl Future<Output = ()>) {
        let plugins = self.plugins();
        tokio::select! {
            added = plugins.add_awaited() => {
                if let Err(error) = added {
                    tracing::error!(%error, "the built-in plugins could not all be added");
                }
            }
            () = stop => {}
        }
    }

    /// Declares every stage's tables and their indexes.
    async fn define(&self) -> Result<()> {
        let catalog = &self.catalog;
        macro_rules! define {
            ($($record:ty),* $(,)?) => { $( catalog.define::<$record>().await?; )* };
        }
        define!(
            crate::deployment::Deployment,
            crate::deployment::Revision,
            crate::documentation::Card,
            crate::evaluation::Evaluation,
            crate::experiments::Experiment,
            crate::experiments::Run,
            crate::experiments::Sweep,
            crate::experiments::Trial,
            crate::features::TrainingSet,
            crate::features::View,
            crate::features::ViewVersion,
            crate::feedback::ActionRecord,
            crate::feedback::Rule,
            crate::functions::Function,
            crate::governance::AuditEntry,
            crate::governance::Policy,
            crate::governance::Receipt,
            crate::governance::Review,
            crate::governance::Token,
            crate::ingestion::Dataset,
            crate::ingestion::DatasetFile,
            crate::ingestion::DatasetVersion,
            crate::ingestion::Source,
            crate::ingestion::Upload,
            crate::jobs::Job,
            crate::monitoring::Check,
            crate::monitoring::FindingRecord,
            crate::monitoring::Monitor,
            crate::plugins::PluginRecord,
            crate::registry::AliasChange,
            crate::registry::Model,
            crate::registry::Registration,
            crate::registry::Version,
            crate::retirement::Assessment,
            crate::retirement::RetirementRule,
            crate::scaling::Usage,
        );
        Ok(())
    }

    /// Runs schedules and deliveries until `shutdown`; then lets what is under
    /// way end and writes what is buffered.
    pub async fn run(&self, shutdown: tokio::sync::watch::Receiver<bool>) {
        let stop = |mut shutdown: tokio::sync::watch::Receiver<bool>| async move {
            let _ = shutdown.wait_for(|stop| *stop).await;
        };
        let schedules = self.run_schedules(stop(shutdown.clone()));
        let deliveries = self.notifier.run(stop(shutdown.clone()));
        let scaling = self.scaling();
        let upkeep = scaling.upkeep(stop(shutdown.clone()));
        let experiments = self.experiments();
        let left = experiments.go_on_with_sweeps();
        tokio::join!(schedules, deliveries, upkeep, self.add_builtin(stop(shutdown.clone())), left);
        self.jobs().drain().await;
        if let Err(error) = self.tables.predictions().flush().await {
            tracing::error!(%error, "the prediction log could not be flushed");
        }
    }
}

/// Removes what a killed process was writing here. Nobody else writes to the
/// directory: its owner holds the locks of its neighbours.
fn sweep(directory: &std::path::Path) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(b".tmp")
            && let Err(error) = std::fs::remove_file(entry.path())
        {
            tracing::warn!(path = %entry.path().display(), "a temporary file can't be removed: {error}");
        }
    }
}

/// One accessor per stage: `platform.ingestion()`.
macro_rules! stages {
    ($($(#[$doc:meta])* $name:ident: $service:ty = $make:path;)*) => {
        impl Platform {
            $( $(#[$doc])* pub fn $name(&self) -> $service { $make(self) } )*
        }
    };
}

stages! {
    /// Sources and datasets.
    ingestion: crate::ingestion::Ingestion<'_> = crate::ingestion::Ingestion;
    /// Views and training sets.
    features: crate::features::Features<'_> = crate::features::Features;
    /// Experiments, runs and sweeps.
    experiments: crate::experiments::Experiments<'_> = crate::experiments::Experiments;
    /// Evaluations.
    evaluation: crate::evaluation::Evaluations<'_> = crate::evaluation::Evaluations;
    /// Models, versions and aliases.
    registry: crate::registry::Registry<'_> = crate::registry::Registry;
    /// Deployments and inference.
    deployment: crate::deployment::Deployments<'_> = crate::deployment::Deployments;
    /// Monitors, checks and findings.
    monitoring: crate::monitoring::Monitoring<'_> = crate::monitoring::Monitoring;
    /// Labels, rules and actions.
    feedback: crate::feedback::Feedback<'_> = crate::feedback::Feedback;
    /// Policies, reviews, audit, tokens, erasure.
    governance: crate::governance::Governance<'_> = crate::governance::Governance;
    /// Usage and cost.
    scaling: crate::scaling::Scaling<'_> = crate::scaling::Scaling;
    /// Cards.
    documentation: crate::documentation::Documentation<'_> = crate::documentation::Documentation;
    /// Retirement rules, archive and restore.
    retirement: crate::retirement::Retirement<'_> = crate::retirement::Retirement;
    /// What clients of MLflow's protocol log.
    tracked: crate::tracking::Tracking<'_> = crate::tracking::Tracking;
    /// Plugins.
    plugins: crate::plugins::Plugins<'_> = crate::plugins::Plugins;
    /// Functions.
    functions: crate::functions::Functions<'_> = crate::functions::Functions;
    /// Long work.
    jobs: crate::jobs::JobsOf<'_> = crate::jobs::JobsOf;
}
