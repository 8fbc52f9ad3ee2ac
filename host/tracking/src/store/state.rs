//! All that is kept in memory, and how it is read from disk at the start.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use super::{
    disk::{self, Disk},
    keys::Keys,
    records::{StoredDataset, StoredExperiment, StoredModel},
    table::{Head, Metrics, Row, Table},
};
use crate::{Dataset, Error, Experiment, LifecycleStage, Metric, Result, Text};

/// Where a run is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) experiment: u64,
    pub(super) slot: u32,
}

/// An experiment and what belongs to it.
pub(super) struct Home {
    pub(super) experiment: StoredExperiment,
    pub(super) table: Table,
    /// The data sets that its runs read, by number.
    pub(super) inputs: Vec<Arc<Dataset>>,
    /// Their numbers by name and digest.
    pub(super) input_numbers: HashMap<(String, String), u32>,
    /// Its logged models, oldest first.
    pub(super) models: Vec<Text>,
    /// Its traces by time.
    pub(super) traces: BTreeSet<(i64, Text)>,
}

impl Home {
    pub(super) fn new(experiment: StoredExperiment) -> Self {
        Self {
            experiment,
            table: Table::default(),
            inputs: Vec::new(),
            input_numbers: HashMap::new(),
            models: Vec::new(),
            traces: BTreeSet::new(),
        }
    }

    pub(super) fn add_input(&mut self, dataset: Arc<Dataset>) {
        let number = u32::try_from(self.inputs.len()).unwrap_or(u32::MAX);
        self.input_numbers.insert((dataset.name.clone(), dataset.digest.clone()), number);
        self.inputs.push(dataset);
    }
}

/// A logged model with its metrics.
#[derive(Clone)]
pub(super) struct ModelEntry {
    pub(super) model: StoredModel,
    pub(super) metrics: Vec<Metric>,
}

/// All that is kept in memory.
#[derive(Default)]
pub(super) struct State {
    pub(super) keys: Keys,
    pub(super) homes: BTreeMap<u64, Home>,
    pub(super) names: HashMap<String, u64>,
    pub(super) runs: HashMap<u128, Place>,
    /// The number the next run gets.
    pub(super) next_run: u64,
    pub(super) models: HashMap<Text, ModelEntry>,
    pub(super) datasets: BTreeMap<String, StoredDataset>,
    /// Experiment and time of every trace.
    pub(super) traces: HashMap<Text, (u64, i64)>,
}

impl State {
    /// The experiment `id` in any stage.
    pub(super) fn home(&self, id: &str) -> Result<(u64, &Home)> {
        let number = experiment_number(id)?;
        let home = self.homes.get(&number).ok_or_else(|| no_experiment(id))?;
        Ok((number, home))
    }

    /// The experiment `id`, which must be active.
    pub(super) fn active_home(&self, id: &str) -> Result<(u64, &Home)> {
        let (number, home) = self.home(id)?;
        let stage = home.experiment.stage;
        if stage != LifecycleStage::Active {
            return Err(Error::invalid(format!(
                "The experiment {number} must be in the 'active' state. Current state is {}.",
                stage.as_str()
            )));
        }
        Ok((number, home))
    }

    /// The run `id` in any stage.
    pub(super) fn run(&self, id: &str) -> Result<(Place, &Home, &Row)> {
        parse_run_id(id)
            .and_then(|number| self.runs.get(&number))
            .and_then(|place| {
                let home = self.homes.get(&place.experiment)?;
                Some((*place, home, home.table.row(place.slot)?))
            })
            .ok_or_else(|| Error::NotFound(format!("Run with id={id} not found")))
    }

    /// The run `id`, which must be active.
    pub(super) fn active_run(&self, id: &str) -> Result<(Place, &Home, &Row)> {
        let (place, home, row) = self.run(id)?;
        if row.head.stage != LifecycleStage::Active {
            return Err(Error::invalid(format!(
                "The run {id} must be in the 'active' state. Current state is {}.",
                row.head.stage.as_str()
            )));
        }
        Ok((place, home, row))
    }

    /// The logged model `id` in any stage.
    pub(super) fn model(&self, id: &str) -> Result<&ModelEntry> {
        self.models.get(id).ok_or_else(|| Error::NotFound(format!("Logged model with ID '{id}' not found.")))
    }

    /// Reads everything that belongs in memory.
    pub(super) fn load(disk: &Disk) -> Result<Self> {
        let mut state = Self::default();
        for row in disk.keys.iter() {
            let (_, name) = row.into_inner()?;
            state.keys.add(Text::from(String::from_utf8_lossy(&name).as_ref()));
        }
        for row in disk.experiments.iter() {
            let (key, bytes) = row.into_inner()?;
            let experiment: StoredExperiment = disk::from_json(&bytes)?;
            let number = u64::from_be_bytes(disk::part(&key, 0)?);
            state.names.insert(experiment.name.clone(), number);
            state.homes.insert(number, Home::new(experiment));
        }
        for row in disk.inputs.iter() {
            let (key, bytes) = row.into_inner()?;
            if let Some(home) = state.homes.get_mut(&u64::from_be_bytes(disk::part(&key, 0)?)) {
                home.add_input(Arc::new(disk::from_json(&bytes)?));
            }
        }
        state.load_runs(disk)?;
        state.load_models(disk)?;
        for row in disk.datasets.iter() {
            let dataset: StoredDataset = disk::from_json(&row.value()?)?;
            state.datasets.insert(dataset.dataset.dataset_id.clone(), dataset);
        }
        for row in disk.trace_times.iter() {
            let key = row.key()?;
            let experiment = u64::from_be_bytes(disk::part(&key, 0)?);
            let time = disk::unsigned(disk::part(&key, 8)?);
            let id = Text::from(String::from_utf8_lossy(key.get(16..).unwrap_or_default()).as_ref());
            state.add_trace(experiment, time, id);
        }
        Ok(state)
    }

    fn load_runs(&mut self, disk: &Disk) -> Result<()> {
        // Both keyspaces are in order of run, so one walk joins them.
        let mut latest = disk.latest.iter();
        let mut waiting: Option<(u64, fjall::UserValue)> = None;
        for row in disk.runs.iter() {
            let (key, bytes) = row.into_inner()?;
            let number = u64::from_be_bytes(disk::part(&key, 0)?);
            let head = Head::from_bytes(&bytes)?;
            let mut metrics = Metrics::default();
            loop {
                if waiting.is_none()
                    && let Some(row) = latest.next()
                {
                    let (key, bytes) = row.into_inner()?;
                    waiting = Some((u64::from_be_bytes(disk::part(&key, 0)?), bytes));
                }
                match &waiting {
                    Some((run, bytes)) if *run <= number => {
                        if *run == number {
                            metrics.load(bytes);
                        }
                        waiting = None;
                    }
                    _ => break,
                }
            }
            let (id, experiment) = (head.id, head.experiment);
            self.next_run = number + 1;
            if let Some(home) = self.homes.get_mut(&experiment) {
                let slot = home.table.add(Row { number, head: Arc::new(head), metrics });
                self.runs.insert(id, Place { experiment, slot });
            }
        }
        Ok(())
    }

    fn load_models(&mut self, disk: &Disk) -> Result<()> {
        let mut models: Vec<StoredModel> = Vec::new();
        for row in disk.models.iter() {
            models.push(disk::from_json(&row.value()?)?);
        }
        models.sort_by_key(|model| model.info.creation_timestamp_ms);
        for model in models {
            let id = model.info.model_id.clone();
            let mut metrics = Vec::new();
            for row in disk.model_metrics.prefix(disk::text(&id)) {
                metrics.push(disk::from_json(&row.value()?)?);
            }
            let experiment = experiment_number(&model.info.experiment_id)?;
            if let Some(home) = self.homes.get_mut(&experiment) {
                home.models.push(id.clone());
            }
            self.models.insert(id, ModelEntry { model, metrics });
        }
        Ok(())
    }

    /// Notes where a trace is, or that it has moved.
    pub(super) fn add_trace(&mut self, experiment: u64, time: i64, id: Text) {
        self.remove_trace(&id);
        if let Some(home) = self.homes.get_mut(&experiment) {
            home.traces.insert((time, id.clone()));
        }
        self.traces.insert(id, (experiment, time));
    }

    /// Forgets a trace.
    pub(super) fn remove_trace(&mut self, id: &Text) {
        if let Some((experiment, time)) = self.traces.remove(id)
            && let Some(home) = self.homes.get_mut(&experiment)
        {
            home.traces.remove(&(time, id.clone()));
        }
    }
}

impl Home {
    /// The experiment as it is answered.
    pub(super) fn record(&self, number: u64) -> Experiment {
        self.experiment.record(number)
    }
}

fn no_experiment(id: &str) -> Error {
    Error::NotFound(format!("No Experiment with id={id} exists"))
}

/// An experiment's number.
///
/// # Errors
/// [`Error::Invalid`] in MLflow's words where the text is no whole number, [`Error::NotFound`]
/// where no experiment can have it.
pub(super) fn experiment_number(id: &str) -> Result<u64> {
    // Where none is given, MLflow means the default one.
    let id = if id.is_empty() { "0" } else { id };
    match id.trim().parse::<i128>() {
        Ok(number) => u64::try_from(number).map_err(|_| no_experiment(id)),
        Err(_) => Err(Error::invalid(format!(
            "Invalid experiment ID '{id}'. Experiment ID must be a valid integer."
        ))),
    }
}

/// A run's number from its 32 hexadecimal digits.
pub(super) fn parse_run_id(id: &str) -> Option<u128> {
    let plain = id.len() == 32 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    plain.then(|| u128::from_str_radix(id, 16).ok())?
}

/// A run's 32 hexadecimal digits.
pub(super) fn run_id(number: u128) -> String {
    format!("{number:032x}")
}
