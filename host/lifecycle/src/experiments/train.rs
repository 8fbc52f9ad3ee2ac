//! The work of one run: prepare, train, predict, evaluate.

use std::time::Duration;

use modelyard_runtime::{
    Grants, Kind,
    types::{self as wit, Metric, Settings, Signature},
};
use modelyard_tables::Scan;

use super::{
    Experiments, Run, Task,
    prepare::{Prepared, digest},
};
use crate::{Error, Result, columns, columns::ScanSource, governance::Actor, plugins, progress::Progress};

impl Experiments<'_> {
    /// Does a run's work and fills in what it gave.
    pub(super) async fn work(&self, actor: &Actor, run: &mut Run, progress: &Progress) -> Result<()> {
        let prepared = self.prepare(actor, &run.spec.clone(), progress).await?;
        self.work_on(run, &prepared, progress).await
    }

    /// Trains on what was prepared, and evaluates.
    pub(super) async fn work_on(
        &self,
        run: &mut Run,
        prepared: &Prepared,
        progress: &Progress,
    ) -> Result<()> {
        begin(run, prepared);
        self.fit(run, prepared, progress).await?;
        progress.say(0.9, "evaluating");
        if let Some(raw) = prepared.judged() {
            let evaluation = self.0.evaluation().of_run(run, &raw.digest).await?;
            run.metrics.extend(evaluation.metrics.iter().filter(|metric| metric.slice.is_none()).cloned());
            run.plugins.insert("evaluation".into(), evaluation.component);
            run.evaluation = Some(evaluation.id);
        }
        Ok(())
    }

    /// Trains a run's model on a fold and measures it on the fold's validation
    /// rows. The run stays as it is.
    pub(super) async fn measure_fold(
        &self,
        run: &Run,
        prepared: &Prepared,
        progress: &Progress,
    ) -> Result<Vec<Metric>> {
        let mut scratch = run.clone();
        begin(&mut scratch, prepared);
        self.fit(&mut scratch, prepared, progress).await?;
        let rows = prepared.judged().ok_or_else(|| Error::internal("a fold without validation rows"))?;
        self.0.evaluation().measure_run(&scratch, &rows.digest).await
    }

    async fn fit(&self, run: &mut Run, prepared: &Prepared, progress: &Progress) -> Result<()> {
        let spec = &run.spec;
        let plugin =
            self.0.plugins().of_kind("training.plugin", &spec.training.plugin, Kind::Training).await?;
        run.plugins.insert("training".into(), plugin.digest);
        let grants = Grants { progress: Some(progress.capability()), ..Grants::default() };
        let deadline = Duration::from_secs(self.0.options.plugins.training_seconds);
        let mut session = self.0.plugins().session_for(&plugin.digest, grants, deadline).await?;
        let reader = async |file: &modelyard_blobs::Digest| -> Result<ScanSource> {
            let scan = match &prepared.features {
                // What a model without features doesn't see stays out of the reader.
                None => {
                    let seen = prepared.inputs.iter().chain([&spec.target]).chain(&spec.weight);
                    Scan { columns: Some(seen.cloned().collect()), ..Scan::default() }
                }
                Some(_) => Scan::default(),
            };
            ScanSource::new(self.0.tables.scan(std::slice::from_ref(file), scan).await?)
        };
        let settings = Settings {
            task: match spec.task {
                Task::BinaryClassification => wit::Task::BinaryClassification,
                Task::MulticlassClassification => wit::Task::MulticlassClassification,
                Task::Regression => wit::Task::Regression,
            },
            target: spec.target.clone(),
            weight: spec.weight.clone(),
            ignore: vec![],
            seed: spec.seed,
            parameters: plugins::parameters(&spec.training.parameters),
        };
        progress.say(0.15, "training");
        let data = Box::new(reader(&prepared.training()?.digest).await?);
        let validation: Option<Box<dyn modelyard_runtime::BatchSource>> =
            match digest(&prepared.transformed[1]) {
                Some(file) => Some(Box::new(reader(&file).await?)),
                None => None,
            };
        let trained = session.train(&settings, data, validation).await;
        let usage = session.usage();
        run.memory_bytes = Some(usage.memory_peak_bytes);
        run.log.extend(usage.log.lines.iter().map(|line| line.message.clone()));
        let artifact = trained?;
        let runner = self.0.plugins().of_kind("training.plugin", &artifact.runner, Kind::Scoring).await?;
        run.plugins.insert("scoring".into(), runner.digest);
        run.columns = prepared.set.file.schema.project(&prepared.inputs, "in the training set")?;
        let runner = self.0.blobs.get(&runner.digest).await?;
        let (component, _) = self.0.runtime.snapshot(&runner, &artifact.bytes).await?;
        run.component = Some(self.0.blobs.put(component).await?);
        run.runner = Some(artifact.runner);
        run.inputs = Some(match &prepared.features {
            None => Signature { inputs: artifact.signature.inputs.clone(), outputs: vec![] },
            Some(_) => Signature {
                inputs: run.columns.fields.iter().map(columns::to_spec).collect(),
                outputs: vec![],
            },
        });
        if let Some(inputs) = &mut run.inputs {
            inputs.outputs.clone_from(&artifact.signature.outputs);
        }
        run.signature = Some(artifact.signature);
        run.metrics = artifact.metrics;
        run.importance = artifact.importance;
        run.artifact = Some(self.0.blobs.put(artifact.bytes.into()).await?);
        Ok(())
    }
}

/// Notes what a run is made from.
fn begin(run: &mut Run, prepared: &Prepared) {
    run.training_set = Some(prepared.set.id.clone());
    run.datasets.clone_from(&prepared.set.from);
    run.views.clone_from(&prepared.set.views);
    run.rows = prepared.rows();
    run.features.clone_from(&prepared.features);
    if let Some(features) = &prepared.features {
        run.plugins.insert("features".into(), features.component);
    }
}
