//! Spans of traces.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Core, Store, disk, records::StoredTrace, state::experiment_number};
use crate::{Error, Result, Span, TraceInfo, TraceState, search::Clause};

/// The tag that says that the spans are in the store.
const SPANS_LOCATION: &str = "mlflow.trace.spansLocation";
/// The tag that holds a trace's name.
const TRACE_NAME: &str = "mlflow.traceName";
/// Nanoseconds in a millisecond.
const NANOS: u64 = 1_000_000;

impl Store {
    /// Writes spans, which may be of several traces; makes the heads that are missing from them.
    ///
    /// # Errors
    /// `NotFound` for the experiment; `Invalid`.
    pub async fn log_spans(&self, experiment_id: &str, spans: Vec<Span>) -> Result<()> {
        let experiment = experiment_id.to_owned();
        self.write(move |core| {
            if let Some(nameless) =
                spans.iter().find(|span| span.trace_id.is_empty() || span.span_id.is_empty())
            {
                return Err(Error::invalid(format!(
                    "The span '{}' has no trace_id or no span_id; both are required.",
                    nameless.name
                )));
            }
            let mut by_trace: BTreeMap<String, Vec<Span>> = BTreeMap::new();
            for span in spans {
                by_trace.entry(span.trace_id.clone()).or_default().push(span);
            }
            for (trace, spans) in by_trace {
                log(core, &experiment, &trace, &spans)?;
            }
            Ok(())
        })
        .await
    }
}

impl Core {
    /// A trace's spans, oldest first.
    pub(super) fn spans(&self, trace_id: &str) -> Result<Vec<Span>> {
        let mut spans: Vec<Span> = Vec::new();
        for row in self.disk.spans.prefix(disk::text(trace_id)) {
            spans.push(postcard::from_bytes(&row.value()?).map_err(|cause| {
                Error::internal(format!("the tracking store is damaged: a span can't be read: {cause}"))
            })?);
        }
        spans.sort_by(|a, b| a.start_time_ns.cmp(&b.start_time_ns).then_with(|| a.span_id.cmp(&b.span_id)));
        Ok(spans)
    }
}

fn log(core: &Core, experiment: &str, trace: &str, spans: &[Span]) -> Result<()> {
    let mut stored = match core.trace(trace) {
        Ok(stored) => stored,
        Err(Error::NotFound(_)) => head(core, experiment, trace, spans)?,
        Err(error) => return Err(error),
    };
    if !stored.complete {
        stretch(&mut stored.info, spans);
    }
    let info = &mut stored.info;
    if let Some(root) = spans.iter().find(|span| span.parent_span_id.is_none()) {
        if matches!(info.state, TraceState::InProgress | TraceState::Unspecified) {
            info.state = ended(root);
        }
        info.tags.entry(TRACE_NAME.to_owned()).or_insert_with(|| root.name.clone());
    }
    info.tags.insert(SPANS_LOCATION.to_owned(), "TRACKING_STORE".to_owned());
    let mut batch = core.disk.batch();
    for span in spans {
        let bytes = postcard::to_extend(span, Vec::new())
            .map_err(|cause| Error::internal(format!("can't write a span: {cause}")))?;
        batch.insert(&core.disk.spans, disk::key(&[&disk::text(trace), span.span_id.as_bytes()]), bytes);
    }
    core.put_trace(batch, stored).map(|_| ())
}

/// A head for spans that come before it.
fn head(core: &Core, experiment: &str, trace: &str, spans: &[Span]) -> Result<StoredTrace> {
    let location = core.trace_location(experiment, trace)?;
    let begin = spans.iter().map(|span| span.start_time_ns).min().unwrap_or_default();
    let info = TraceInfo {
        trace_id: trace.to_owned(),
        experiment_id: experiment_number(experiment)?.to_string(),
        request_time_ms: millis(begin),
        state: TraceState::InProgress,
        tags: BTreeMap::from([("mlflow.artifactLocation".to_owned(), location)]),
        ..TraceInfo::default()
    };
    Ok(StoredTrace { info, complete: false })
}

fn millis(nanos: u64) -> i64 {
    i64::try_from(nanos / NANOS).unwrap_or(i64::MAX)
}

/// Lets a trace reach from its first span's start to its last span's end.
fn stretch(info: &mut TraceInfo, spans: &[Span]) {
    let end = info.execution_duration_ms.map(|length| info.request_time_ms.saturating_add(length));
    for span in spans {
        info.request_time_ms = info.request_time_ms.min(millis(span.start_time_ns));
    }
    let ends = spans.iter().filter_map(|span| span.end_time_ns).map(millis);
    if let Some(end) = ends.chain(end).max() {
        info.execution_duration_ms = Some(end.saturating_sub(info.request_time_ms));
    }
}

/// How a root span says its trace ended: what is no error went well.
fn ended(root: &Span) -> TraceState {
    if root.status.ends_with("ERROR") { TraceState::Error } else { TraceState::Ok }
}

/// Whether a span satisfies a clause.
pub(super) fn holds(span: &Span, clause: &Clause) -> bool {
    match clause.key.as_str() {
        "name" => clause.holds_text(&span.name),
        "type" => span.span_type.as_deref().is_some_and(|kind| clause.holds_text(kind)),
        "status" => clause.holds_text(&span.status),
        "content" => clause.holds_text(&String::from_utf8_lossy(&span.content)),
        key => key
            .strip_prefix("attributes.")
            .and_then(|name| attribute(span, name))
            .is_some_and(|value| clause.holds_text(&value)),
    }
}

/// A span's attribute as text. MLflow keeps attributes as JSON within JSON.
fn attribute(span: &Span, name: &str) -> Option<String> {
    let content: Value = serde_json::from_slice(&span.content).ok()?;
    match content.get("attributes")?.get(name)? {
        Value::String(text) => match serde_json::from_str(text) {
            Ok(Value::String(inner)) => Some(inner),
            _ => Some(text.clone()),
        },
        other => Some(other.to_string()),
    }
}
