//! Evaluation: every run and version held to the truth by a plugin, on data
//! that is kept with its predictions.

mod records;

pub use records::{Evaluation, EvaluatorSpec};

use modelyard_blobs::Digest;
use modelyard_catalog::{Order, Page, Query, Ref};
use modelyard_runtime::{
    Grants, Kind,
    types::{Evaluation as Report, Metric, Signature},
};
use modelyard_tables::{Column, FileInfo, Scan, Scanner, Schema};
use serde_json::{Value, json};

use crate::{
    Error, Platform, Result, columns,
    columns::ScanSource,
    deployment::{Limits, Predictor},
    experiments::{Run, Task},
    features::Fitted,
    governance::Actor,
    plugins,
    registry::Version,
};

/// Evaluation of a platform.
pub struct Evaluations<'p>(pub(crate) &'p Platform);

/// What is evaluated: a trained model with what comes before it.
struct Subject<'a> {
    name: String,
    task: Task,
    component: Digest,
    features: Option<&'a Fitted>,
    columns: &'a Schema,
    signature: &'a Signature,
}

impl Evaluations<'_> {
    /// Evaluates a run on rows, with its experiment's evaluation plugin.
    pub(crate) async fn of_run(&self, run: &Run, rows: &Digest) -> Result<Evaluation> {
        let evaluator = run.spec.evaluation.clone().unwrap_or_else(|| default_for(run.spec.task));
        let (actor, subject) = (Actor::system(), subject_of_run(run)?);
        self.evaluate(&actor, subject, std::slice::from_ref(rows), "test", &run.spec.target, evaluator).await
    }

    /// Measures a run on rows, with its experiment's evaluation plugin; nothing
    /// is kept.
    pub(crate) async fn measure_run(&self, run: &Run, rows: &Digest) -> Result<Vec<Metric>> {
        let evaluator = run.spec.evaluation.clone().unwrap_or_else(|| default_for(run.spec.task));
        let subject = subject_of_run(run)?;
        let (_, _, report) =
            self.report(&subject, std::slice::from_ref(rows), &run.spec.target, &evaluator).await?;
        Ok(report.metrics)
    }

    /// Evaluates a model version on a dataset (version), which must hold the
    /// model's inputs and the target.
    pub async fn of_version(
        &self,
        actor: &Actor,
        version: &Version,
        dataset: &str,
        target: &str,
        evaluator: Option<EvaluatorSpec>,
    ) -> Result<Evaluation> {
        let source = self.0.ingestion().resolve(dataset).await?;
        let evaluator = evaluator.unwrap_or_else(|| default_for(version.task));
        let subject = subject_of(version);
        let evaluation =
            self.evaluate(actor, subject, &source.files, &source.reference, target, evaluator).await?;
        if version.imported.is_some() {
            self.0.documentation().refresh(&version.model, version.version).await?;
        }
        Ok(evaluation)
    }

    /// Evaluates a version on a file of rows, such as another's test rows. The
    /// same version on the same rows by the same plugin is one evaluation.
    pub(crate) async fn of_version_on(
        &self,
        version: &Version,
        rows: &Digest,
        target: &str,
        evaluator: Option<EvaluatorSpec>,
    ) -> Result<Evaluation> {
        let evaluator = evaluator.unwrap_or_else(|| default_for(version.task));
        let subject = subject_of(version);
        let data = format!("rows:{rows}");
        let plugin =
            self.0.plugins().of_kind("evaluation.plugin", &evaluator.plugin, Kind::Evaluation).await?;
        let of_subject = Query::new().eq("subject", &subject.name).eq("data", &data);
        let known: Vec<Evaluation> = self.0.catalog.table().all(of_subject).await?;
        let same = |known: &Evaluation| known.evaluator == evaluator && known.component == plugin.digest;
        if let Some(known) = known.into_iter().find(same) {
            return Ok(known);
        }
        self.evaluate(&Actor::system(), subject, std::slice::from_ref(rows), &data, target, evaluator).await
    }

    async fn evaluate(
        &self,
        actor: &Actor,
        subject: Subject<'_>,
        rows: &[Digest],
        data: &str,
        target: &str,
        evaluator: EvaluatorSpec,
    ) -> Result<Evaluation> {
        let (predictions, component, report) = self.report(&subject, rows, target, &evaluator).await?;
        let evaluation = Evaluation {
            id: uuid::Uuid::now_v7().to_string(),
            subject: subject.name,
            data: data.to_owned(),
            predictions: predictions.digest,
            rows: predictions.rows,
            evaluator,
            component,
            metrics: report.metrics,
            curves: report.curves,
            confusion: report.confusion,
            created_at: self.0.clock.now(),
        };
        self.0
            .change(actor, "evaluation.created", Ref::of(&evaluation))
            .detail(json!({"subject": evaluation.subject, "data": evaluation.data}))
            .insert(&evaluation)
            .commit()
            .await?;
        Ok(evaluation)
    }

    /// What a model predicts of rows, and what the evaluation plugin, whose
    /// component comes with it, says of that.
    async fn report(
        &self,
        subject: &Subject<'_>,
        rows: &[Digest],
        target: &str,
        evaluator: &EvaluatorSpec,
    ) -> Result<(FileInfo, Digest, Report)> {
        let predictions = self.predict(subject, rows, target).await?;
        let plugin =
            self.0.plugins().of_kind("evaluation.plugin", &evaluator.plugin, Kind::Evaluation).await?;
        let mut session = self.0.plugins().session(&plugin.digest, Grants::default()).await?;
        let parameters = plugins::with_defaults(
            &evaluator.parameters,
            columns_for(&plugin.parameters, subject.task, target, subject.signature),
        )?;
        let reader = ScanSource::new(self.0.tables.scan(&[predictions.digest], Scan::default()).await?)?;
        let report = session.evaluate(&parameters.to_string(), Box::new(reader)).await?;
        Ok((predictions, plugin.digest, report))
    }

    /// Measures rows that hold predictions of a version (or of one like it) and
    /// their truth, with the task's own plugin; nothing is kept.
    pub(crate) async fn measure(&self, like: &Version, rows: Scanner, truth: &str) -> Result<Vec<Metric>> {
        let spec = default_for(like.task);
        let plugin = self.0.plugins().of_kind("evaluation.plugin", &spec.plugin, Kind::Evaluation).await?;
        let mut session = self.0.plugins().session(&plugin.digest, Grants::default()).await?;
        let parameters = columns_for(&plugin.parameters, like.task, truth, &like.signature);
        let report = session.evaluate(&parameters.to_string(), Box::new(ScanSource::new(rows)?)).await?;
        Ok(report.metrics)
    }

    /// The rows with what the model says of them, as one file: the same code
    /// path as serving.
    async fn predict(&self, subject: &Subject<'_>, rows: &[Digest], target: &str) -> Result<FileInfo> {
        let parts = crate::deployment::Parts {
            component: subject.component,
            features: subject.features,
            columns: subject.columns,
            signature: subject.signature,
        };
        let limits = Limits { deadline_ms: 60_000, memory_bytes: 1 << 30, ..Limits::default() };
        let predictor = Predictor::new(self.0, parts, &limits).await?;
        let wanted: Vec<String> = subject.columns.names().map(str::to_owned).collect();
        let mut scanner = self.0.tables.scan(rows, Scan::default()).await?;
        scanner.schema().project(std::slice::from_ref(&target.to_owned()), "in the rows")?;
        scanner.schema().project(&wanted, "in the rows")?;
        let mut batches = Vec::new();
        loop {
            let (back, batch) = tokio::task::spawn_blocking(move || {
                let batch = scanner.next_rows(16_384);
                (scanner, batch)
            })
            .await?;
            scanner = back;
            let Some(batch) = batch? else { break };
            let mut table: Vec<Column> = modelyard_tables::from_batch(batch)?;
            let inputs = wanted
                .iter()
                .filter_map(|name| table.iter().find(|column| column.name == *name))
                .map(|column| columns::to_wit(column.clone()))
                .collect();
            let predicted = predictor.predict_table(inputs).await?;
            for tensor in &predicted.outputs {
                let spec = subject.signature.outputs.iter().find(|spec| spec.name == tensor.name);
                for mut column in columns::output_columns(tensor, spec) {
                    if table.iter().any(|known| known.name == column.name) {
                        column.name = format!("output_{}", column.name);
                    }
                    table.push(column);
                }
            }
            batches.push(modelyard_tables::to_batch(table)?);
        }
        let schemas =
            batches.iter().map(|batch| Schema::from_arrow(&batch.schema())).collect::<Result<Vec<_>, _>>()?;
        let schema = Schema::unify(&schemas);
        Ok(self.0.tables.write_batches(&schema, batches).await?)
    }

    /// An evaluation.
    pub async fn get(&self, id: &str) -> Result<Evaluation> {
        self.0.catalog.table::<Evaluation>().get(id).await?.ok_or_else(|| Error::not_found("evaluation", id))
    }

    /// The latest evaluation of an imported version, which was measured nowhere
    /// else; none of a trained one.
    pub(crate) async fn of_imported(&self, version: &Version) -> Result<Option<Evaluation>> {
        if version.imported.is_none() {
            return Ok(None);
        }
        let subject = subject_of(version).name;
        Ok(self.list(Some(&subject), 1, None).await?.items.into_iter().next())
    }

    /// The metrics that a version is judged by: those that it was registered
    /// with, or those of an imported one's latest evaluation.
    pub(crate) async fn metrics_of(&self, version: &Version) -> Result<Vec<Metric>> {
        let evaluation = self.of_imported(version).await?;
        Ok(evaluation.map_or_else(|| version.metrics.clone(), |evaluation| evaluation.metrics))
    }

    /// Evaluations, latest first, of one subject (`run:<id>`, `model:<name>@<version>`) or all.
    pub async fn list(
        &self,
        subject: Option<&str>,
        limit: usize,
        after: Option<String>,
    ) -> Result<Page<Evaluation>> {
        let mut query = Query::new().order("created_at", Order::Desc).limit(limit).after(after);
        if let Some(subject) = subject {
            query = query.eq("subject", subject);
        }
        Ok(self.0.catalog.table().find(query).await?)
    }
}

fn subject_of_run(run: &Run) -> Result<Subject<'_>> {
    let missing = || Error::conflict(format!("the run {} has no model to evaluate", run.id));
    Ok(Subject {
        name: format!("run:{}", run.id),
        task: run.spec.task,
        component: run.component.ok_or_else(missing)?,
        features: run.features.as_ref(),
        columns: &run.columns,
        signature: run.signature.as_ref().ok_or_else(missing)?,
    })
}

fn subject_of(version: &Version) -> Subject<'_> {
    Subject {
        name: format!("model:{}@{}", version.model, version.version),
        task: version.task,
        component: version.component,
        features: version.features.as_ref(),
        columns: &version.columns,
        signature: &version.signature,
    }
}

fn default_for(task: Task) -> EvaluatorSpec {
    let plugin = match task {
        Task::Regression => "evaluation-regression",
        _ => "evaluation-classification",
    };
    EvaluatorSpec { plugin: plugin.into(), parameters: Value::Null }
}

/// The columns of truth and prediction, as far as the plugin's parameters know them.
pub(crate) fn columns_for(schema: &Value, task: Task, truth: &str, signature: &Signature) -> Value {
    let known = |name: &str| schema.pointer(&format!("/properties/{name}")).is_some();
    let classes =
        signature.outputs.iter().find(|output| output.name == "probability").map(|output| &output.labels);
    let all = match task {
        Task::Regression => json!({"task": "regression", "truth": truth, "prediction": "prediction"}),
        Task::BinaryClassification => {
            // Booleans and numbers are positive by themselves.
            let positive = classes.and_then(|classes| classes.last());
            let positive = positive.filter(|class| !["true", "1"].contains(&class.as_str()));
            json!({"task": "binary", "truth": truth, "prediction": "probability", "positive": positive})
        }
        Task::MulticlassClassification if known("classes") => {
            let classes = classes.cloned().unwrap_or_default();
            let columns: Vec<_> = classes.iter().map(|class| format!("probability_{class}")).collect();
            json!({"task": "multiclass", "truth": truth, "prediction": columns, "classes": classes})
        }
        Task::MulticlassClassification => {
            json!({"task": "multiclass", "truth": truth, "prediction": "label"})
        }
    };
    let members = all.as_object().cloned().unwrap_or_default();
    Value::Object(members.into_iter().filter(|(name, value)| known(name) && !value.is_null()).collect())
}
