//! Experiments.

use std::collections::BTreeMap;

use super::{
    Core, Store, disk,
    records::StoredExperiment,
    state::{Home, State, experiment_number},
    table::Head,
    validate,
};
use crate::{
    CreateExperiment, Error, Experiment, LifecycleStage, Page, Result, Search, Tag, ViewType,
    search::{Field, Filter, Kind, Order, Subject},
};

impl Store {
    /// Makes an experiment; its id is the next whole number.
    ///
    /// # Errors
    /// `Exists` where the name is taken, by a deleted one too; `Invalid` for a bad name or tag.
    pub async fn create_experiment(&self, request: CreateExperiment) -> Result<Experiment> {
        self.write(move |core| create(core, request)).await
    }

    /// The experiment, deleted or not.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn experiment(&self, experiment_id: &str) -> Result<Experiment> {
        let state = self.core().state.read();
        let (number, home) = state.home(experiment_id)?;
        Ok(home.record(number))
    }

    /// The experiment called `name`, deleted or not.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn experiment_by_name(&self, name: &str) -> Result<Experiment> {
        let state = self.core().state.read();
        let found = state.names.get(name).and_then(|number| Some((number, state.homes.get(number)?)));
        found
            .map(|(number, home)| home.record(*number))
            .ok_or_else(|| Error::NotFound(format!("Could not find experiment with name '{name}'")))
    }

    /// Finds experiments; newest first by default, 1,000 a page (at most 50,000).
    ///
    /// # Errors
    /// `Invalid` or `Syntax` for a bad filter, order, page length or token.
    pub fn search_experiments(&self, search: &Search, view: ViewType) -> Result<Page<Experiment>> {
        let length = validate::page(search.max_results, 1000, validate::PAGE)?;
        let filter = Filter::parse(Kind::Experiments, &search.filter)?;
        let order = Order::parse(Kind::Experiments, &search.order_by)?;
        let view_name = format!("{view:?}");
        let query = ["experiments", &view_name, &search.filter, &search.order_by.join("\n")];
        let offset = self.core().tokens.open(&query, search.page_token.as_deref())?;
        let state = self.core().state.read();
        let mut found: Vec<Found<'_>> = state
            .homes
            .iter()
            .map(|(number, home)| Found::new(*number, &home.experiment))
            .filter(|found| view.shows(found.experiment.stage) && filter.matches(found))
            .collect();
        found.sort_by(|a, b| order.compare(a, b));
        Ok(page(
            found,
            offset,
            length,
            |offset| self.core().tokens.seal(&query, offset),
            |found| found.experiment.record(found.number),
        ))
    }

    /// Renames an active experiment.
    ///
    /// # Errors
    /// `NotFound`, `Exists`, `InvalidState` where it is deleted, `Invalid`.
    pub async fn rename_experiment(&self, experiment_id: &str, name: &str) -> Result<()> {
        let (id, name) = (experiment_id.to_owned(), name.to_owned());
        self.write(move |core| {
            validate::experiment_name(&name)?;
            core.change_experiment(&id, |state, _, experiment| {
                if experiment.stage != LifecycleStage::Active {
                    return Err(Error::InvalidState("Cannot rename a non-active experiment.".to_owned()));
                }
                if experiment.name != name && state.names.contains_key(&name) {
                    return Err(taken(&name));
                }
                experiment.name = name;
                experiment.updated = core.now();
                Ok(())
            })
        })
        .await
    }

    /// Marks the experiment and its runs deleted.
    ///
    /// # Errors
    /// `NotFound` where there is none that is active.
    pub async fn delete_experiment(&self, experiment_id: &str) -> Result<()> {
        let id = experiment_id.to_owned();
        self.write(move |core| move_to(core, &id, LifecycleStage::Active, LifecycleStage::Deleted)).await
    }

    /// Takes a deletion back, of the experiment and its runs.
    ///
    /// # Errors
    /// `NotFound` where there is none that is deleted.
    pub async fn restore_experiment(&self, experiment_id: &str) -> Result<()> {
        let id = experiment_id.to_owned();
        self.write(move |core| move_to(core, &id, LifecycleStage::Deleted, LifecycleStage::Active)).await
    }

    /// Sets a tag of an active experiment.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`.
    pub async fn set_experiment_tag(&self, experiment_id: &str, tag: Tag) -> Result<()> {
        let id = experiment_id.to_owned();
        self.write(move |core| {
            validate::experiment_tag(&tag)?;
            core.change_experiment(&id, |state, id, experiment| {
                state.active_home(id)?;
                experiment.tags.insert(tag.key, tag.value);
                Ok(())
            })
        })
        .await
    }

    /// Removes a tag of an active experiment.
    ///
    /// # Errors
    /// `NotFound`, also for the tag.
    pub async fn delete_experiment_tag(&self, experiment_id: &str, key: &str) -> Result<()> {
        let (id, key) = (experiment_id.to_owned(), key.to_owned());
        self.write(move |core| {
            core.change_experiment(&id, |state, id, experiment| {
                state.active_home(id)?;
                match experiment.tags.remove(key.as_str()) {
                    Some(_) => Ok(()),
                    None => {
                        Err(Error::NotFound(format!("No tag with name: {key} in experiment with id {id}")))
                    }
                }
            })
        })
        .await
    }
}

impl Core {
    /// Changes an experiment's own record.
    fn change_experiment(
        &self,
        id: &str,
        change: impl FnOnce(&State, &str, &mut StoredExperiment) -> Result<()>,
    ) -> Result<()> {
        let (number, before, after) = {
            let state = self.state.read();
            let (number, home) = state.home(id)?;
            let mut after = home.experiment.clone();
            change(&state, id, &mut after)?;
            (number, home.experiment.name.clone(), after)
        };
        let mut batch = self.disk.batch();
        batch.insert(&self.disk.experiments, number.to_be_bytes(), disk::json(&after)?);
        batch.commit()?;
        let mut state = self.state.write();
        state.names.remove(&before);
        state.names.insert(after.name.clone(), number);
        if let Some(home) = state.homes.get_mut(&number) {
            home.experiment = after;
        }
        Ok(())
    }
}

fn taken(name: &str) -> Error {
    Error::Exists(format!("Experiment(name={name}) already exists."))
}

fn create(core: &Core, request: CreateExperiment) -> Result<Experiment> {
    validate::experiment_name(&request.name)?;
    let given = request.artifact_location.filter(|location| !location.is_empty());
    if let Some(location) = &given {
        validate::artifact_location(location)?;
    }
    for tag in &request.tags {
        validate::experiment_tag(tag)?;
    }
    let number = {
        let state = core.state.read();
        if state.names.contains_key(&request.name) {
            return Err(taken(&request.name));
        }
        state.homes.keys().next_back().map_or(0, |last| last + 1)
    };
    let now = core.now();
    let experiment = StoredExperiment {
        name: request.name,
        artifact_location: given.unwrap_or_else(|| core.location(number)),
        stage: LifecycleStage::Active,
        created: now,
        updated: now,
        tags: request.tags.into_iter().map(|tag| (tag.key, tag.value)).collect::<BTreeMap<_, _>>(),
    };
    let mut batch = core.disk.batch();
    batch.insert(&core.disk.experiments, number.to_be_bytes(), disk::json(&experiment)?);
    batch.commit()?;
    let record = experiment.record(number);
    let mut state = core.state.write();
    state.names.insert(experiment.name.clone(), number);
    state.homes.insert(number, Home::new(experiment));
    Ok(record)
}

/// Moves an experiment and all its runs from one stage to another, in one batch.
fn move_to(core: &Core, id: &str, from: LifecycleStage, to: LifecycleStage) -> Result<()> {
    let number = experiment_number(id)?;
    let (experiment, heads) = {
        let state = core.state.read();
        let home = state.homes.get(&number).filter(|home| home.experiment.stage == from);
        let home = home.ok_or_else(|| Error::NotFound(format!("No Experiment with id={number} exists")))?;
        let mut experiment = home.experiment.clone();
        experiment.stage = to;
        experiment.updated = core.now();
        let heads: Vec<(u32, u64, Head)> = (0..)
            .zip(&home.table.rows)
            .filter(|(_, row)| row.head.stage != to)
            .map(|(slot, row)| (slot, row.number, Head { stage: to, ..Head::clone(&row.head) }))
            .collect();
        (experiment, heads)
    };
    let mut batch = core.disk.batch();
    batch.insert(&core.disk.experiments, number.to_be_bytes(), disk::json(&experiment)?);
    for (_, run, head) in &heads {
        batch.insert(&core.disk.runs, run.to_be_bytes(), head.to_bytes()?);
    }
    batch.commit()?;
    let mut state = core.state.write();
    if let Some(home) = state.homes.get_mut(&number) {
        home.experiment = experiment;
        for (slot, _, head) in heads {
            home.table.set_head(slot, head.into());
        }
    }
    Ok(())
}

/// An experiment as a search sees it.
struct Found<'a> {
    number: u64,
    id: String,
    experiment: &'a StoredExperiment,
}

impl<'a> Found<'a> {
    fn new(number: u64, experiment: &'a StoredExperiment) -> Self {
        Self { number, id: number.to_string(), experiment }
    }
}

impl Subject for Found<'_> {
    fn attribute(&self, key: &str) -> Field<'_> {
        match key {
            "name" => Field::Text(&self.experiment.name),
            "creation_time" => Field::Integer(self.experiment.created),
            "last_update_time" => Field::Integer(self.experiment.updated),
            "experiment_id" => Field::Text(&self.id),
            "experiment_number" => Field::Integer(i64::try_from(self.number).unwrap_or(i64::MAX)),
            _ => Field::Missing,
        }
    }

    fn tag(&self, key: &str) -> Option<&str> {
        self.experiment.tags.get(key).map(|value| value.as_str())
    }
}

/// Cuts a page of `length` at `offset` out of what was found, in order.
pub(super) fn page<F, T>(
    found: Vec<F>,
    offset: u64,
    length: usize,
    seal: impl FnOnce(u64) -> String,
    record: impl FnMut(F) -> T,
) -> Page<T> {
    let start = usize::try_from(offset).unwrap_or(usize::MAX);
    let more = found.len() > start.saturating_add(length);
    Page {
        items: found.into_iter().skip(start).take(length).map(record).collect(),
        next_page_token: more.then(|| seal(offset + length as u64)),
    }
}
