//! Traces: heads, tags, and searches over them.

use std::cell::OnceCell;

use super::{Core, Store, append, disk, records::StoredTrace, spans, state::experiment_number, validate};
use crate::{
    Assessment, DeleteTraces, Error, Page, Result, SearchTraces, Span, Tag, Text, Trace, TraceInfo,
    search::{Clause, Entity, Field, Filter, Kind, Order, Subject},
};

/// The tag that says where a trace's files would go.
const ARTIFACT_LOCATION: &str = "mlflow.artifactLocation";
/// The metadata that says which run a trace was made in.
const SOURCE_RUN: &str = "mlflow.sourceRun";
/// Traces that can be linked to a run at once.
const LINKS: usize = 100;

impl Store {
    /// Writes a trace's head; where it is there (its spans came first), merges into it.
    ///
    /// # Errors
    /// `NotFound` for its experiment; `Invalid` where that is deleted or a tag is not acceptable.
    pub async fn start_trace(&self, info: TraceInfo) -> Result<TraceInfo> {
        self.write(move |core| start(core, info)).await
    }

    /// A trace's head.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn trace_info(&self, trace_id: &str) -> Result<TraceInfo> {
        Ok(self.core().trace(trace_id)?.info)
    }

    /// A trace with its spans.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn trace(&self, trace_id: &str) -> Result<Trace> {
        let info = self.core().trace(trace_id)?.info;
        Ok(Trace { info, spans: self.core().spans(trace_id)? })
    }

    /// The traces that exist among `trace_ids`, in that order.
    ///
    /// # Errors
    /// `Internal`.
    pub fn batch_traces(&self, trace_ids: &[String]) -> Result<Vec<Trace>> {
        let found = trace_ids.iter().filter_map(|id| match self.trace(id) {
            Err(Error::NotFound(_)) => None,
            result => Some(result),
        });
        found.collect()
    }

    /// Finds traces; newest first by default, 100 a page (at most 50,000).
    ///
    /// # Errors
    /// `Invalid` or `Syntax`.
    pub fn search_traces(&self, search: &SearchTraces) -> Result<Page<TraceInfo>> {
        let length = validate::page(search.max_results, 100, validate::PAGE)?;
        let filter = Filter::parse(Kind::Traces, &search.filter)?;
        let order = Order::parse(Kind::Traces, &search.order_by)?;
        let (ids, clauses) = (search.experiment_ids.join("\n"), search.order_by.join("\n"));
        let query = ["traces", &ids, &search.filter, &clauses];
        let core = self.core();
        let offset = core.tokens.open(&query, search.page_token.as_deref())?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let most = start.saturating_add(length).saturating_add(1);
        let mut found = Vec::new();
        for id in newest_first(core, &search.experiment_ids)? {
            // A trace may have been deleted since the ids were read.
            let Ok(stored) = core.trace(&id) else { continue };
            let candidate = Found { core, info: stored.info, spans: OnceCell::new() };
            if filter.matches(&candidate) {
                found.push(candidate);
            }
            // In the default order the rest comes later still.
            if search.order_by.is_empty() && found.len() == most {
                break;
            }
        }
        if !search.order_by.is_empty() {
            found.sort_by(|a, b| order.compare(a, b));
        }
        let more = found.len() >= most;
        Ok(Page {
            items: found.into_iter().skip(start).take(length).map(|found| found.info).collect(),
            next_page_token: more.then(|| core.tokens.seal(&query, offset + length as u64)),
        })
    }

    /// Removes traces and says how many there were.
    ///
    /// # Errors
    /// `Invalid` where both ids and a time or number are given, or neither.
    pub async fn delete_traces(&self, request: DeleteTraces) -> Result<usize> {
        self.write(move |core| delete(core, &request)).await
    }

    /// Sets a tag.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`.
    pub async fn set_trace_tag(&self, trace_id: &str, key: &str, value: &str) -> Result<()> {
        let (id, tag) = (trace_id.to_owned(), Tag::new(key, value));
        self.write(move |core| {
            validate::tag(&tag, "")?;
            let mut stored = core.trace(&id)?;
            stored.info.tags.insert(tag.key.into(), tag.value.into());
            core.put_trace(core.disk.batch(), stored).map(|_| ())
        })
        .await
    }

    /// Removes a tag.
    ///
    /// # Errors
    /// `NotFound`, also for the tag.
    pub async fn delete_trace_tag(&self, trace_id: &str, key: &str) -> Result<()> {
        let (id, key) = (trace_id.to_owned(), key.to_owned());
        self.write(move |core| {
            let mut stored = core.trace(&id)?;
            if stored.info.tags.remove(&key).is_none() {
                return Err(Error::NotFound(format!(
                    "No trace tag with key '{key}' for trace with ID '{id}'"
                )));
            }
            core.put_trace(core.disk.batch(), stored).map(|_| ())
        })
        .await
    }

    /// Says that traces (at most 100) belong to a run, so that `run_id` finds them. A trace that
    /// is yet to come counts from when it does.
    ///
    /// # Errors
    /// `NotFound` for the run, `Invalid` for more than 100.
    pub async fn link_traces_to_run(&self, trace_ids: Vec<String>, run_id: &str) -> Result<()> {
        let run = run_id.to_owned();
        self.write(move |core| {
            if trace_ids.len() > LINKS {
                return Err(Error::invalid(format!(
                    "Cannot link more than {LINKS} traces to a run in a single request. Provided {} traces.",
                    trace_ids.len()
                )));
            }
            core.state.read().run(&run)?;
            let mut batch = core.disk.batch();
            for id in &trace_ids {
                batch.insert(&core.disk.trace_runs, disk::key(&[&disk::text(id), run.as_bytes()]), "");
            }
            batch.commit()
        })
        .await
    }
}

impl Core {
    /// A stored trace.
    pub(super) fn trace(&self, id: &str) -> Result<StoredTrace> {
        match self.disk.traces.get(disk::text(id))? {
            Some(bytes) => disk::from_json(&bytes),
            None => Err(Error::NotFound(format!("Trace with ID '{id}' not found."))),
        }
    }

    /// Writes a trace's head with whatever is in `batch`.
    pub(super) fn put_trace(&self, mut batch: disk::Batch<'_>, stored: StoredTrace) -> Result<TraceInfo> {
        let info = &stored.info;
        let id = Text::from(info.trace_id.as_str());
        let experiment = experiment_number(&info.experiment_id)?;
        batch.insert(&self.disk.traces, disk::text(&id), disk::json(&stored)?);
        let before = self.state.read().traces.get(&id).copied();
        let place = (experiment, info.request_time_ms);
        if before != Some(place) {
            if let Some((experiment, time)) = before {
                batch.remove(&self.disk.trace_times, time_key(experiment, time, &id));
            }
            batch.insert(&self.disk.trace_times, time_key(place.0, place.1, &id), "");
        }
        batch.commit()?;
        if before != Some(place) {
            self.state.write().add_trace(place.0, place.1, id);
        }
        Ok(stored.info)
    }

    /// Where the files of a trace would go.
    pub(super) fn trace_location(&self, experiment_id: &str, trace_id: &str) -> Result<String> {
        let state = self.state.read();
        let (_, home) = state.active_home(experiment_id)?;
        Ok(append(&home.experiment.artifact_location, &["traces", trace_id, "artifacts"]))
    }
}

fn time_key(experiment: u64, time: i64, id: &str) -> Vec<u8> {
    disk::key(&[&experiment.to_be_bytes(), &disk::signed(time), id.as_bytes()])
}

fn start(core: &Core, mut info: TraceInfo) -> Result<TraceInfo> {
    if info.trace_id.is_empty() {
        return Err(Error::invalid("Missing value for required parameter 'trace_id'."));
    }
    let location = core.trace_location(&info.experiment_id, &info.trace_id)?;
    info.experiment_id = experiment_number(&info.experiment_id)?.to_string();
    for (key, value) in &info.tags {
        validate::tag(&Tag::new(key.as_str(), value.as_str()), "")?;
    }
    info.tags.insert(ARTIFACT_LOCATION.to_owned(), location);
    for assessment in &mut info.assessments {
        super::assessments::complete(core, assessment, &info.trace_id);
    }
    if let Ok(before) = core.trace(&info.trace_id) {
        merge(&mut info, before.info);
    }
    core.put_trace(core.disk.batch(), StoredTrace { info, complete: true })
}

/// What the client sends wins; what only the spans told stays.
fn merge(info: &mut TraceInfo, before: TraceInfo) {
    info.request_preview = info.request_preview.take().or(before.request_preview);
    info.response_preview = info.response_preview.take().or(before.response_preview);
    for (key, value) in before.tags {
        info.tags.entry(key).or_insert(value);
    }
    for (key, value) in before.trace_metadata {
        info.trace_metadata.entry(key).or_insert(value);
    }
    let new = std::mem::take(&mut info.assessments);
    info.assessments = before.assessments;
    info.assessments.retain(|old| new.iter().all(|new| new.assessment_id != old.assessment_id));
    info.assessments.extend(new);
}

fn newest_first(core: &Core, experiment_ids: &[String]) -> Result<Vec<Text>> {
    let mut numbers = std::collections::BTreeSet::new();
    for id in experiment_ids {
        numbers.insert(experiment_number(id)?);
    }
    let state = core.state.read();
    let mut found: Vec<(i64, Text)> = Vec::new();
    for home in numbers.iter().filter_map(|number| state.homes.get(number)) {
        found.extend(home.traces.iter().cloned());
    }
    drop(state);
    found.sort_unstable_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    Ok(found.into_iter().map(|(_, id)| id).collect())
}

fn delete(core: &Core, request: &DeleteTraces) -> Result<usize> {
    let by_id = !request.trace_ids.is_empty();
    match (request.max_timestamp_millis, request.max_traces) {
        (None, _) if !by_id => {
            return Err(Error::invalid("Either `max_timestamp_millis` or `trace_ids` must be specified."));
        }
        (Some(_), _) if by_id => {
            return Err(Error::invalid(
                "Only one of `max_timestamp_millis` and `trace_ids` can be specified.",
            ));
        }
        (_, Some(_)) if by_id => {
            return Err(Error::invalid("`max_traces` can't be specified if `trace_ids` is specified."));
        }
        (_, Some(most)) if most <= 0 => {
            return Err(Error::invalid(format!("`max_traces` must be a positive integer, received {most}.")));
        }
        _ => {}
    }
    let experiment = experiment_number(&request.experiment_id)?;
    let doomed: Vec<(i64, Text)> = {
        let state = core.state.read();
        let traces = state.homes.get(&experiment).into_iter().flat_map(|home| &home.traces);
        let most = request.max_traces.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
        let chosen = traces.filter(|(time, id)| match request.max_timestamp_millis {
            Some(latest) => *time <= latest,
            None => request.trace_ids.iter().any(|wanted| id == wanted.as_str()),
        });
        chosen.take(most).cloned().collect()
    };
    let mut batch = core.disk.batch();
    for (time, id) in &doomed {
        batch.remove(&core.disk.traces, disk::text(id));
        batch.remove(&core.disk.trace_times, time_key(experiment, *time, id));
        for keyspace in [&core.disk.spans, &core.disk.trace_runs] {
            for row in keyspace.prefix(disk::text(id)) {
                batch.remove(keyspace, row.key()?);
            }
        }
    }
    batch.commit()?;
    let mut state = core.state.write();
    for (_, id) in &doomed {
        state.remove_trace(id);
    }
    Ok(doomed.len())
}

/// A trace as a search sees it; its spans are read only where a filter asks for them.
struct Found<'a> {
    core: &'a Core,
    info: TraceInfo,
    spans: OnceCell<Vec<Span>>,
}

impl Subject for Found<'_> {
    fn attribute(&self, key: &str) -> Field<'_> {
        let info = &self.info;
        match key {
            "request_id" => Field::Text(&info.trace_id),
            "status" => Field::Text(info.state.as_str()),
            "client_request_id" => info.client_request_id.as_deref().map_or(Field::Missing, Field::Text),
            "experiment_id" => Field::Text(&info.experiment_id),
            "timestamp_ms" => Field::Integer(info.request_time_ms),
            "execution_time_ms" => info.execution_duration_ms.map_or(Field::Missing, Field::Integer),
            "end_time_ms" => {
                Field::Integer(info.request_time_ms.saturating_add(info.execution_duration_ms.unwrap_or(0)))
            }
            _ => Field::Missing,
        }
    }

    fn tag(&self, key: &str) -> Option<&str> {
        self.info.tags.get(key).map(String::as_str)
    }

    fn metadata(&self, key: &str) -> Option<&str> {
        self.info.trace_metadata.get(key).map(String::as_str)
    }

    fn any_run(&self, test: &dyn Fn(&str) -> bool) -> bool {
        let prefix = disk::text(&self.info.trace_id);
        let linked = || {
            self.core.disk.trace_runs.prefix(&prefix).any(|row| {
                row.key().is_ok_and(|key| {
                    let run = key.get(prefix.len()..).unwrap_or_default();
                    std::str::from_utf8(run).is_ok_and(test)
                })
            })
        };
        self.metadata(SOURCE_RUN).is_some_and(test) || linked()
    }

    fn any_span(&self, clauses: &[&Clause]) -> bool {
        let spans = self.spans.get_or_init(|| self.core.spans(&self.info.trace_id).unwrap_or_default());
        spans.iter().any(|span| clauses.iter().all(|clause| spans::holds(span, clause)))
    }

    fn assessment(&self, clause: &Clause) -> bool {
        use crate::search::Comparator::{IsNotNull, IsNull};
        let named = |assessment: &&Assessment| {
            assessment.valid != Some(false)
                && match clause.entity {
                    Entity::Issue => {
                        assessment.body.contains_key("issue")
                            && clause.holds_text(&assessment.assessment_name)
                    }
                    entity => {
                        assessment.assessment_name == clause.key
                            && assessment.body.contains_key(if entity == Entity::Feedback {
                                "feedback"
                            } else {
                                "expectation"
                            })
                    }
                }
        };
        let mut found = self.info.assessments.iter().filter(named);
        match clause.comparator {
            IsNull => found.next().is_none(),
            IsNotNull => found.next().is_some(),
            _ if clause.entity == Entity::Issue => found.next().is_some(),
            _ => found.any(|assessment| super::assessments::holds(assessment, clause)),
        }
    }
}
