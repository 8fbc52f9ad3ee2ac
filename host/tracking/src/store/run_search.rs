//! Searches of runs, by columns.

use std::collections::BTreeSet;

use super::{
    Store, answers,
    column::{Column, Slots},
    ranking::{First, Hit, Ranking},
    state::{Home, Place, State, experiment_number, parse_run_id, run_id},
    table::{self, Row},
    validate,
};
use crate::{
    DatasetSummary, Error, Page, Result, Run, SearchRuns, ViewType,
    search::{Clause, Comparator, Entity, Filter, Kind, Order, Value},
};

/// The tag that says what a data set served for.
const CONTEXT: &str = "mlflow.data.context";
/// Data sets that a summary lists, at most.
const SUMMARIES: usize = 1000;

impl Store {
    /// Finds runs; newest first by default, then by id.
    ///
    /// # Errors
    /// `Invalid` or `Syntax` for a bad filter, order, page length or token.
    pub fn search_runs(&self, search: &SearchRuns) -> Result<Page<Run>> {
        let (found, next_page_token) = self.find_runs(search)?;
        let mut items = Vec::with_capacity(found.len());
        for some in found.chunks(AT_ONCE) {
            let state = self.core().state.read();
            items.extend(rows(&state, some).map(|(home, row)| answers::record(&state, home, row)));
        }
        Ok(Page { items, next_page_token })
    }

    /// As [`Store::search_runs`], written as MLflow's JSON answer
    /// `{"runs":[…],"next_page_token":…}` straight from memory: for large pages.
    ///
    /// # Errors
    /// As [`Store::search_runs`].
    pub fn search_runs_json(&self, search: &SearchRuns) -> Result<Vec<u8>> {
        let (found, next_page_token) = self.find_runs(search)?;
        self.json(&found, next_page_token.as_deref())
            .map_err(|cause| Error::internal(format!("can't write the answer: {cause}")))
    }

    /// The places of the runs on a page, and the next page's token.
    fn find_runs(&self, search: &SearchRuns) -> Result<(Vec<Place>, Option<String>)> {
        let length = validate::page(search.max_results, 1000, validate::PAGE)?;
        let filter = Filter::parse(Kind::Runs, &search.filter)?;
        let order = Order::parse(Kind::Runs, &search.order_by)?;
        let view = format!("{:?}", search.view);
        let (ids, clauses) = (search.experiment_ids.join("\n"), search.order_by.join("\n"));
        let query = ["runs", &ids, &view, &search.filter, &clauses];
        let tokens = &self.core().tokens;
        let offset = tokens.open(&query, search.page_token.as_deref())?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let mut numbers = BTreeSet::new();
        for id in &search.experiment_ids {
            match experiment_number(id) {
                Ok(number) => _ = numbers.insert(number),
                Err(Error::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let state = self.core().state.read();
        let homes: Vec<(u64, &Home)> =
            numbers.iter().filter_map(|number| Some((*number, state.homes.get(number)?))).collect();
        let rankings: Vec<Ranking<'_>> =
            homes.iter().map(|(_, home)| Ranking::new(&order, &state.keys, home)).collect();
        let most = start.saturating_add(length).saturating_add(1);
        let mut first = First::new(&rankings, most);
        for ((number, (_, home)), ranking) in (0..).zip(&homes).zip(&rankings) {
            ranking.offer(number, &select(&state, home, &filter, search.view), &mut first);
        }
        let hits = first.sorted();
        let more = hits.len() == most;
        let places = hits.into_iter().skip(start).take(length).filter_map(|Hit { table, slot, .. }| {
            Some(Place { experiment: homes.get(table as usize)?.0, slot })
        });
        Ok((places.collect(), more.then(|| tokens.seal(&query, offset + length as u64))))
    }

    /// Writes MLflow's answer to a search of runs.
    fn json(&self, found: &[Place], next_page_token: Option<&str>) -> Result<Vec<u8>, serde_json::Error> {
        let mut out = Vec::with_capacity(found.len() * RUN_BYTES);
        // MLflow's answer has no `runs` where there are none.
        out.extend(b"{");
        let mut before = &b"\"runs\":["[..];
        for some in found.chunks(AT_ONCE) {
            let state = self.core().state.read();
            for (home, row) in rows(&state, some) {
                out.extend(std::mem::replace(&mut before, b","));
                run_json(&state, home, row, &mut out)?;
            }
        }
        if !found.is_empty() {
            out.extend(b"]");
        }
        if let Some(token) = next_page_token {
            out.extend(b",\"next_page_token\":");
            serde_json::to_writer(&mut out, token)?;
        }
        out.extend(b"}");
        Ok(out)
    }

    /// The data sets that runs of these experiments read, at most 1,000
    /// (`experiments/search-datasets`).
    ///
    /// # Errors
    /// `Invalid` for an id that is no number.
    pub fn dataset_summaries(&self, experiment_ids: &[String]) -> Result<Vec<DatasetSummary>> {
        let state = self.core().state.read();
        let mut found = BTreeSet::new();
        for id in experiment_ids {
            let Some(home) = state.homes.get(&experiment_number(id)?) else { continue };
            for input in home.table.rows.iter().flat_map(|row| &row.head.inputs) {
                let context = input.tags.iter().find(|(key, _)| key == CONTEXT).map(|(_, value)| value);
                found.insert((id, input.dataset, context.cloned()));
                if found.len() == SUMMARIES {
                    break;
                }
            }
        }
        let summaries = found.into_iter().filter_map(|(id, dataset, context)| {
            let home = state.homes.get(&experiment_number(id).ok()?)?;
            let dataset = home.inputs.get(dataset as usize)?;
            Some(DatasetSummary {
                experiment_id: id.clone(),
                name: dataset.name.clone(),
                digest: dataset.digest.clone(),
                context: context.map(String::from),
            })
        });
        Ok(summaries.take(SUMMARIES).collect())
    }
}

/// The runs of an experiment that are in view and satisfy a filter.
fn select(state: &State, home: &Home, filter: &Filter, view: ViewType) -> Slots {
    let active = &home.table.active;
    let mut slots = match view {
        ViewType::ActiveOnly => active.clone(),
        ViewType::DeletedOnly => active.complement(),
        ViewType::All => Slots::none(home.table.rows.len()).complement(),
    };
    for clause in filter.clauses() {
        narrow(state, home, clause, &mut slots);
    }
    slots
}

/// Takes out of `slots` the runs that don't satisfy `clause`.
fn narrow(state: &State, home: &Home, clause: &Clause, slots: &mut Slots) {
    let table = &home.table;
    let number = state.keys.get(&clause.key);
    match clause.entity {
        Entity::Metric => match number.and_then(|key| table.metrics.get(&key)) {
            Some(column) => narrow_metric(clause, column, slots),
            None => slots.retain(|_| false),
        },
        Entity::Param => {
            let column = number.and_then(|key| table.params.get(&key));
            narrow_text(clause, column, slots, |slot| table.row(slot)?.head.param(number?));
        }
        Entity::Tag => {
            let column = number.and_then(|key| table.tags.get(&key));
            narrow_text(clause, column, slots, |slot| table.row(slot)?.head.tag(number?));
        }
        Entity::Dataset => slots.retain(|slot| {
            table.row(slot).is_some_and(|row| row.head.inputs.iter().any(|input| reads(home, input, clause)))
        }),
        _ => narrow_attribute(state, home, clause, slots),
    }
}

/// The comparison is chosen once, so that what is left is a loop over numbers.
fn narrow_metric(clause: &Clause, column: &Column<f64>, slots: &mut Slots) {
    let wanted = match clause.value {
        #[expect(clippy::cast_precision_loss, reason = "a metric is compared as a double")]
        Value::Integer(wanted) => wanted as f64,
        Value::Number(wanted) => wanted,
        Value::None | Value::Text(_) | Value::List(_) => return slots.retain(|_| false),
    };
    #[expect(clippy::float_cmp, reason = "the filter says equal")]
    match clause.comparator {
        Comparator::Equal => column.retain_values(slots, |value| value == wanted),
        Comparator::NotEqual => column.retain_values(slots, |value| value != wanted),
        Comparator::Less => column.retain_values(slots, |value| value < wanted),
        Comparator::LessEqual => column.retain_values(slots, |value| value <= wanted),
        Comparator::Greater => column.retain_values(slots, |value| value > wanted),
        Comparator::GreaterEqual => column.retain_values(slots, |value| value >= wanted),
        _ => slots.retain(|_| false),
    }
}

/// Equal texts have equal hashes, so most runs are told apart without their texts.
fn narrow_text<'a>(
    clause: &Clause,
    column: Option<&Column<table::Word>>,
    slots: &mut Slots,
    text: impl Fn(u32) -> Option<&'a crate::Text>,
) {
    let Some(column) = column else {
        return slots.retain(|_| clause.comparator == Comparator::IsNull);
    };
    let holds = |slot| text(slot).is_some_and(|text| clause.holds_text(text));
    match (&clause.value, clause.comparator) {
        (_, Comparator::IsNull) => column.exclude(slots),
        (Value::Text(value), Comparator::Equal) => {
            let wanted = table::Word::new(value);
            column.retain(slots, |slot, word| word == wanted && (word.is_exact() || holds(slot)));
        }
        (Value::Text(value), Comparator::NotEqual) => {
            let unwanted = table::Word::new(value);
            column.retain(slots, |slot, word| word != unwanted || (!word.is_exact() && holds(slot)));
        }
        (_, Comparator::IsNotNull) => column.retain(slots, |_, _| true),
        _ => column.retain(slots, |slot, _| holds(slot)),
    }
}

fn reads(home: &Home, input: &table::Input, clause: &Clause) -> bool {
    let Some(dataset) = home.inputs.get(input.dataset as usize) else { return false };
    match clause.key.as_str() {
        "name" => clause.holds_text(&dataset.name),
        "digest" => clause.holds_text(&dataset.digest),
        _ => input.tags.iter().any(|(key, value)| key == CONTEXT && clause.holds_text(value)),
    }
}

fn narrow_attribute(state: &State, home: &Home, clause: &Clause, slots: &mut Slots) {
    let table = &home.table;
    match clause.key.as_str() {
        "run_id" => narrow_id(state, home, clause, slots),
        "start_time" => {
            slots.retain(|slot| {
                table.starts.get(slot as usize).is_some_and(|time| clause.holds_integer(*time))
            });
        }
        "end_time" => slots.retain(|slot| {
            table.ends.get(slot as usize).copied().flatten().is_some_and(|time| clause.holds_integer(time))
        }),
        "status" => slots.retain(|slot| {
            table.statuses.get(slot as usize).is_some_and(|status| clause.holds_text(status.as_str()))
        }),
        key => slots.retain(|slot| {
            table.row(slot).is_some_and(|row| match key {
                "run_name" => clause.holds_text(&row.head.name),
                "user_id" => clause.holds_text(&row.head.user),
                _ => clause.holds_text(&answers::info(home, &row.head).artifact_uri),
            })
        }),
    }
}

fn narrow_id(state: &State, home: &Home, clause: &Clause, slots: &mut Slots) {
    let table = &home.table;
    let ids: &[String] = match (&clause.value, clause.comparator) {
        (Value::Text(id), Comparator::Equal) => std::slice::from_ref(id),
        (Value::List(ids), Comparator::In) => ids,
        _ => {
            return slots
                .retain(|slot| table.row(slot).is_some_and(|row| clause.holds_text(&run_id(row.head.id))));
        }
    };
    let mut wanted = Slots::none(table.rows.len());
    for place in ids.iter().filter_map(|id| state.runs.get(&parse_run_id(id)?)) {
        if state.homes.get(&place.experiment).is_some_and(|found| std::ptr::eq(found, home)) {
            wanted.set(place.slot, true);
        }
    }
    slots.retain(|slot| wanted.contains(slot));
}

/// Runs that are written before others may change: a large page must not hold up a writer, nor
/// through it the next reader. A run keeps its place for good, so no other takes it meanwhile.
const AT_ONCE: usize = 50;
/// Bytes that a run with some metrics takes in JSON, about.
const RUN_BYTES: usize = 4096;

fn rows<'a>(state: &'a State, places: &'a [Place]) -> impl Iterator<Item = (&'a Home, &'a Row)> {
    places.iter().filter_map(|place| {
        let home = state.homes.get(&place.experiment)?;
        Some((home, home.table.row(place.slot)?))
    })
}

fn run_json(state: &State, home: &Home, row: &Row, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    let head = &row.head;
    out.extend(b"{\"info\":");
    serde_json::to_writer(&mut *out, &answers::info(home, head))?;
    out.extend(b",\"data\":{");
    let mut before = "";
    for latest in row.metrics.all() {
        out.extend(if before.is_empty() { &b"\"metrics\":["[..] } else { b"," });
        before = "],";
        out.extend(b"{\"key\":");
        out.extend(state.keys.quoted(latest.key).as_bytes());
        out.extend(b",\"value\":");
        if latest.value.is_nan() {
            out.extend(b"\"NaN\"");
        } else {
            serde_json::to_writer(&mut *out, &latest.value)?;
        }
        out.extend(b",\"timestamp\":");
        serde_json::to_writer(&mut *out, &latest.timestamp)?;
        out.extend(b",\"step\":");
        serde_json::to_writer(&mut *out, &latest.step)?;
        out.extend(b"}");
    }
    for (name, pairs) in [("params", &head.params), ("tags", &head.tags)] {
        for (at, (key, value)) in pairs.iter().enumerate() {
            if at == 0 {
                out.extend(before.as_bytes());
                out.extend(b"\"");
                out.extend(name.as_bytes());
                out.extend(b"\":[");
                before = "],";
            } else {
                out.extend(b",");
            }
            out.extend(b"{\"key\":");
            out.extend(state.keys.quoted(*key).as_bytes());
            out.extend(b",\"value\":");
            serde_json::to_writer(&mut *out, value)?;
            out.extend(b"}");
        }
    }
    out.extend(if before.is_empty() { &b"},\"inputs\":"[..] } else { b"]},\"inputs\":" });
    serde_json::to_writer(&mut *out, &answers::inputs(home, head))?;
    out.extend(b",\"outputs\":{");
    for (at, (model, step)) in head.model_outputs.iter().enumerate() {
        out.extend(if at == 0 { &b"\"model_outputs\":[{\"model_id\":"[..] } else { b",{\"model_id\":" });
        serde_json::to_writer(&mut *out, model)?;
        out.extend(b",\"step\":");
        serde_json::to_writer(&mut *out, step)?;
        out.extend(b"}");
    }
    out.extend(if head.model_outputs.is_empty() { &b"}}"[..] } else { b"]}}" });
    Ok(())
}
