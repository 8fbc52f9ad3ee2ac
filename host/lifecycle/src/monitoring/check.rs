//! One check: the window and its reference, brought to the same columns and
//! handed to the plugin.

use std::time::Duration;

use modelyard_catalog::Ref;
use modelyard_clock::Timestamp;
use modelyard_notify::{Event, Severity as Level};
use modelyard_runtime::{
    Grants, Kind,
    types::{Finding, Metric, Severity},
};
use modelyard_tables::{FileInfo, Scan, Window};
use serde_json::{Value, json};

use super::{Check, FindingRecord, Monitor, Monitoring, Reference, Watch};
use crate::{Error, Result, columns::ScanSource, evaluation, governance::Actor, plugins, registry::Version};

/// The column of the truth in what a monitoring plugin sees.
const LABEL: &str = "label";

impl Monitoring<'_> {
    /// Checks a monitor's window that ends now (less the delay of labels). The
    /// same window checked twice is one check.
    pub async fn check(&self, actor: &Actor, name: &str) -> Result<Check> {
        let monitor = self.get(name).await?;
        let spec = &monitor.spec;
        let days = |days: u32| Duration::from_secs(u64::from(days) * 86_400);
        let to = self.0.clock.now() - days(spec.delay_days);
        let from = to - days(spec.window_days);
        let version = self.0.deployment().main_version(&spec.deployment).await?;
        let id = format!("{name}/{to}/v{}", version.version);
        if let Some(done) = self.0.catalog.table::<Check>().get(&id).await? {
            return Ok(done);
        }
        let mut check = Check {
            id,
            monitor: name.to_owned(),
            deployment: spec.deployment.clone(),
            model: version.model.clone(),
            version: version.version,
            from,
            to,
            reference_rows: 0,
            rows: 0,
            skipped: None,
            metrics: vec![],
            findings: 0,
            at: self.0.clock.now(),
        };
        let findings = self.compare(&monitor, &version, &mut check).await?;
        self.record(actor, monitor, check, findings).await
    }

    /// Fills in the check's figures and gives the findings.
    async fn compare(&self, monitor: &Monitor, version: &Version, check: &mut Check) -> Result<Vec<Finding>> {
        let spec = &monitor.spec;
        let window = Window {
            deployment: spec.deployment.clone(),
            version: Some(version.version),
            from: Some(check.from),
            to: Some(check.to),
            ..Window::default()
        };
        let current = self.window(&window, spec.watch).await?;
        check.rows = current.rows;
        if check.rows < spec.min_rows {
            check.skipped = Some(format!("{} rows are fewer than min_rows {}", check.rows, spec.min_rows));
            return Ok(vec![]);
        }
        let (reference, label) = match &spec.reference {
            Reference::Evaluation => {
                let run = version.run.as_deref().ok_or_else(|| {
                    Error::conflict(
                        "the version that serves was imported: it has no run to take a reference from, so the \
                         monitor needs a window as its reference",
                    )
                })?;
                let run = self.0.experiments().run(run).await?;
                let id =
                    run.evaluation.as_deref().ok_or_else(|| Error::conflict("the run has no evaluation"))?;
                (self.0.evaluation().get(id).await?.predictions, run.spec.target)
            }
            Reference::Window { from, to } => {
                let window = Window { version: None, from: Some(*from), to: Some(*to), ..window };
                (self.window(&window, spec.watch).await?.digest, LABEL.to_owned())
            }
        };
        let plugin = self.0.plugins().of_kind("plugin", &spec.plugin, Kind::Monitoring).await?;
        let shared = self.shared(version, &current, spec.watch);
        let reference = self.aligned(&reference, &shared, &label).await?;
        check.reference_rows = reference.rows;
        let current = self.aligned(&current.digest, &shared, LABEL).await?;
        let source = async |file: &FileInfo| -> Result<_> {
            let scanner = self.0.tables.scan(&[file.digest], Scan::default()).await?;
            Ok::<_, Error>(Box::new(ScanSource::new(scanner)?))
        };
        let defaults = match spec.watch {
            Watch::Inputs => json!({}),
            Watch::Labels => {
                evaluation::columns_for(&plugin.parameters, version.task, LABEL, &version.signature)
            }
        };
        let parameters = plugins::with_defaults(&spec.parameters, defaults)?;
        let mut session = self.0.plugins().session(&plugin.digest, Grants::default()).await?;
        let report = session
            .check(&parameters.to_string(), source(&reference).await?, source(&current).await?)
            .await
            .map_err(|error| Error::from(error).during(format!("the monitor {}", spec.name)))?;
        check.metrics = report.metrics;
        Ok(report.findings)
    }

    async fn window(&self, window: &Window, watch: Watch) -> Result<FileInfo> {
        let log = self.0.tables.predictions();
        let scanner = match watch {
            Watch::Inputs => log.window(window).await?,
            Watch::Labels => log.joined(window, true).await?,
        };
        Ok(self.0.tables.write(scanner).await?)
    }

    /// The columns that reference and window both have: inputs, outputs and,
    /// with labels, the truth.
    fn shared(&self, version: &Version, current: &FileInfo, watch: Watch) -> Vec<String> {
        const OWN: [&str; 7] =
            ["prediction_id", "at", "model", "version", "latency_us", "entity", "label_at"];
        let names = current.schema.names().filter(|name| !OWN.contains(name) && *name != LABEL);
        let mut shared: Vec<String> = names.map(str::to_owned).collect();
        // A time is different in every window by its nature.
        shared.retain(|name| {
            version
                .columns
                .field(name)
                .is_none_or(|field| field.r#type != modelyard_tables::ColumnType::Timestamp)
        });
        if watch == Watch::Labels {
            shared.push(LABEL.into());
        }
        shared
    }

    /// A file with the shared columns only, the truth called `label`, booleans
    /// of the truth as the log keeps labels.
    async fn aligned(
        &self,
        file: &modelyard_blobs::Digest,
        shared: &[String],
        label: &str,
    ) -> Result<FileInfo> {
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let scanner = self.0.tables.scan(std::slice::from_ref(file), Scan::default()).await?;
        let schema = scanner.schema().clone();
        drop(scanner);
        let known = |name: &str| schema.field(name).is_some();
        let columns: Vec<String> = shared
            .iter()
            .filter_map(|name| match name.as_str() {
                LABEL if label != LABEL => {
                    known(label).then(|| format!("{} AS {}", quoted(label), quoted(LABEL)))
                }
                name => known(name).then(|| quoted(name)),
            })
            .collect();
        if columns.is_empty() {
            return Err(Error::conflict("the reference and the window share no columns"));
        }
        let query = format!("SELECT {} FROM rows", columns.join(", "));
        Ok(self.0.tables.write_sql(&query, &[("rows", vec![*file])]).await?)
    }

    async fn record(
        &self,
        actor: &Actor,
        monitor: Monitor,
        mut check: Check,
        findings: Vec<Finding>,
    ) -> Result<Check> {
        check.findings = u32::try_from(findings.len()).unwrap_or(u32::MAX);
        let updated = Monitor { checked_at: Some(check.at), ..self.get(&monitor.spec.name).await? };
        let mut change = self
            .0
            .change(actor, "monitoring.checked", Ref::of(&check))
            .detail(json!({"monitor": check.monitor, "rows": check.rows, "findings": check.findings}))
            .put(&updated)
            .insert(&check);
        for finding in &findings {
            let record = record_of(&check, finding);
            change = change.insert(&record).event(event_of(&check, &record, finding))?;
        }
        change.commit().await?;
        self.0.documentation().refresh_later(&check.model, check.version);
        Ok(check)
    }

    /// The latest realised metrics of a version: those of the last check of a
    /// monitor that watches labels.
    pub(crate) async fn realised(&self, model: &str, version: u32) -> Result<Vec<Metric>> {
        use modelyard_catalog::{Order, Query};
        let query = Query::new()
            .eq("model", model)
            .eq("version", version)
            .eq("skipped", Value::Null)
            .order("at", Order::Desc)
            .limit(20);
        for check in self.0.catalog.table::<Check>().find(query).await?.items {
            let monitor = self.0.catalog.table::<Monitor>().get(&check.monitor).await?;
            if monitor.is_some_and(|monitor| monitor.spec.watch == Watch::Labels) {
                return Ok(check.metrics);
            }
        }
        Ok(vec![])
    }
}

fn record_of(check: &Check, finding: &Finding) -> FindingRecord {
    FindingRecord {
        id: format!("{}/{}/{}", check.id, finding.metric, finding.subject.as_deref().unwrap_or("")),
        stage: "monitoring".into(),
        check: Some(check.id.clone()),
        deployment: Some(check.deployment.clone()),
        model: check.model.clone(),
        version: check.version,
        metric: finding.metric.clone(),
        subject: finding.subject.clone(),
        value: finding.value,
        threshold: finding.threshold,
        severity: finding.severity,
        message: finding.message.clone(),
        handled: false,
        at: check.at,
    }
}

fn event_of(check: &Check, record: &FindingRecord, finding: &Finding) -> Event {
    let level = match finding.severity {
        Severity::Info => Level::Info,
        Severity::Warning => Level::Warning,
        Severity::Critical => Level::Critical,
    };
    let window = |at: Timestamp| at.to_utc().format("%Y-%m-%d").to_string();
    let event =
        Event::new(check.at, "dev.modelyard.monitoring.finding", "monitoring", level, &finding.message)
            .model(&check.model)
            .version(check.version.to_string())
            .details(json!({
                "metric": finding.metric, "value": finding.value, "threshold": finding.threshold,
                "subject": finding.subject, "deployment": check.deployment, "monitor": check.monitor,
                "from": window(check.from), "to": window(check.to), "rows": check.rows, "finding": record.id,
            }))
            .fold_key(format!(
                "{}/{}/{}",
                check.monitor,
                finding.metric,
                finding.subject.as_deref().unwrap_or("")
            ));
    match &finding.subject {
        Some(subject) => event.subject(subject),
        None => event.subject(&check.deployment),
    }
}
