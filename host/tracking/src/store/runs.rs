//! Runs: their attributes, parameters, tags, inputs and outputs.

use std::sync::Arc;

use super::{
    Core, Store, answers, disk,
    keys::NewKeys,
    names,
    state::{Place, State, parse_run_id, run_id},
    table::{self, Head, Input, Metrics, Point, Row},
    validate,
};
use crate::{
    CreateRun, Error, LifecycleStage, LogBatch, LogInputs, Metric, ModelInput, ModelOutput, Param, Result,
    Run, RunInfo, Tag, Text, UpdateRun,
};

/// The tag that holds a run's name.
const RUN_NAME: &str = "mlflow.runName";

impl Store {
    /// Makes a run.
    ///
    /// # Errors
    /// `NotFound` for its experiment; `Invalid` where that is deleted, or name and tag differ;
    /// `Exists` where its id is taken, by a deleted run too.
    pub async fn create_run(&self, request: CreateRun) -> Result<Run> {
        self.write(move |core| create(core, request)).await
    }

    /// The run, deleted or not.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn run(&self, run_id: &str) -> Result<Run> {
        let state = self.core().state.read();
        let (_, home, row) = state.run(run_id)?;
        Ok(answers::record(&state, home, row))
    }

    /// Changes status, end time or name of an active run.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` where it is deleted.
    pub async fn update_run(&self, run_id: &str, change: UpdateRun) -> Result<RunInfo> {
        let id = run_id.to_owned();
        self.write(move |core| {
            core.change_run(&id, true, |state, keys, head| {
                head.status = change.status.unwrap_or(head.status);
                head.end = change.end_time.or(head.end);
                if let Some(name) = change.run_name.filter(|name| !name.is_empty()) {
                    rename(state, keys, head, name.into());
                }
                Ok(())
            })?;
            let state = core.state.read();
            let (_, home, row) = state.run(&id)?;
            Ok(answers::info(home, &row.head))
        })
        .await
    }

    /// Marks an active run as at work again: when it ended is forgotten.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` where it is deleted.
    pub async fn reopen_run(&self, run_id: &str) -> Result<()> {
        let id = run_id.to_owned();
        self.write(move |core| {
            core.change_run(&id, true, |_, _, head| {
                head.status = crate::RunStatus::Running;
                head.end = None;
                Ok(())
            })
        })
        .await
    }

    /// Marks the run deleted; again is not an error.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn delete_run(&self, run_id: &str) -> Result<()> {
        self.set_run_stage(run_id, LifecycleStage::Deleted).await
    }

    /// Takes a deletion back.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn restore_run(&self, run_id: &str) -> Result<()> {
        self.set_run_stage(run_id, LifecycleStage::Active).await
    }

    async fn set_run_stage(&self, run_id: &str, stage: LifecycleStage) -> Result<()> {
        let id = run_id.to_owned();
        self.write(move |core| {
            core.change_run(&id, false, |_, _, head| {
                head.stage = stage;
                Ok(())
            })
        })
        .await
    }

    /// Adds a point to a metric; the same point again changes nothing.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` where the run is deleted or the metric is not acceptable.
    pub async fn log_metric(&self, run_id: &str, metric: Metric) -> Result<()> {
        let id = run_id.to_owned();
        self.write(move |core| {
            validate::metric(&metric, "")?;
            log(core, &id, LogBatch { metrics: vec![metric], ..LogBatch::default() })
        })
        .await
    }

    /// Sets a parameter; the same value again changes nothing.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` where it has another value.
    pub async fn log_param(&self, run_id: &str, param: Param) -> Result<()> {
        let id = run_id.to_owned();
        self.write(move |core| {
            validate::param(&param, "")?;
            core.change_run(&id, true, |state, keys, head| {
                let key = keys.number(state, &param.key);
                match head.param(key) {
                    Some(old) if *old == param.value => Ok(()),
                    Some(old) => Err(Error::invalid(format!(
                        "Changing param values is not allowed. Param with key='{}' was already logged with \
                         value='{old}' for run ID='{id}'. Attempted logging new value '{}'.",
                        param.key, param.value
                    ))),
                    None => {
                        table::set(&mut head.params, key, param.value.clone());
                        Ok(())
                    }
                }
            })
        })
        .await
    }

    /// Writes all of `batch`, or on an error nothing.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` for a limit, a parameter with another value, a deleted run.
    pub async fn log_batch(&self, run_id: &str, batch: LogBatch) -> Result<()> {
        let id = run_id.to_owned();
        self.write(move |core| {
            validate::batch(&batch)?;
            log(core, &id, batch)
        })
        .await
    }

    /// Sets a tag.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`.
    pub async fn set_tag(&self, run_id: &str, tag: Tag) -> Result<()> {
        let id = run_id.to_owned();
        self.write(move |core| {
            validate::tag(&tag, "")?;
            core.change_run(&id, true, |state, keys, head| {
                set_tag(state, keys, head, tag);
                Ok(())
            })
        })
        .await
    }

    /// Removes a tag.
    ///
    /// # Errors
    /// `NotFound`, also for the tag.
    pub async fn delete_tag(&self, run_id: &str, key: &str) -> Result<()> {
        let (id, key) = (run_id.to_owned(), key.to_owned());
        self.write(move |core| {
            core.change_run(&id, true, |state, _, head| {
                let number = state.keys.get(&key);
                let before = head.tags.len();
                head.tags.retain(|(tag, _)| Some(*tag) != number);
                if head.tags.len() == before {
                    return Err(Error::NotFound(format!("No tag with name: {key} in run with id {id}")));
                }
                Ok(())
            })
        })
        .await
    }

    /// Adds data sets and models that the run read; those that are there stay as they are.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`.
    pub async fn log_inputs(&self, run_id: &str, inputs: LogInputs) -> Result<()> {
        let id = run_id.to_owned();
        self.write(move |core| {
            validate::inputs(&inputs.datasets)?;
            log_inputs(core, &id, inputs)
        })
        .await
    }

    /// Adds models that the run wrote.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`.
    pub async fn log_outputs(&self, run_id: &str, outputs: Vec<ModelOutput>) -> Result<()> {
        let id = run_id.to_owned();
        self.write(move |core| {
            core.change_run(&id, true, |_, _, head| {
                for output in outputs {
                    let output = (output.model_id, output.step);
                    if !head.model_outputs.contains(&output) {
                        head.model_outputs.push(output);
                    }
                }
                Ok(())
            })
        })
        .await
    }
}

impl Core {
    /// Changes all of a run but its metrics.
    fn change_run(
        &self,
        id: &str,
        active: bool,
        change: impl FnOnce(&State, &mut NewKeys, &mut Head) -> Result<()>,
    ) -> Result<()> {
        let (place, number, keys, head) = {
            let state = self.state.read();
            let (place, _, row) = if active { state.active_run(id)? } else { state.run(id)? };
            let mut keys = NewKeys::new(&state);
            let mut head = Head::clone(&row.head);
            change(&state, &mut keys, &mut head)?;
            if head == *row.head {
                return Ok(());
            }
            (place, row.number, keys, head)
        };
        let mut batch = self.disk.batch();
        keys.store(self, &mut batch);
        batch.insert(&self.disk.runs, number.to_be_bytes(), head.to_bytes()?);
        batch.commit()?;
        let mut state = self.state.write();
        keys.publish(&mut state);
        if let Some(home) = state.homes.get_mut(&place.experiment) {
            home.table.set_head(place.slot, head.into());
        }
        Ok(())
    }
}

fn set_tag(state: &State, keys: &mut NewKeys, head: &mut Head, tag: Tag) {
    if tag.key == RUN_NAME {
        rename(state, keys, head, tag.value);
    } else {
        table::set(&mut head.tags, keys.number(state, &tag.key), tag.value);
    }
}

/// A run's name stands twice: as attribute and as tag.
fn rename(state: &State, keys: &mut NewKeys, head: &mut Head, name: Text) {
    table::set(&mut head.tags, keys.number(state, &RUN_NAME.into()), name.clone());
    head.name = name;
}

/// A new run's name: the one that is given, the tag's, or one that is made up.
fn name_of(request: &CreateRun) -> Result<Text> {
    let named = request.tags.iter().rfind(|tag| tag.key == RUN_NAME).map(|tag| tag.value.clone());
    let named = named.filter(|name| !name.is_empty());
    let given = request.run_name.as_deref().filter(|name| !name.is_empty());
    if let (Some(given), Some(tag)) = (&given, &named)
        && tag != *given
    {
        return Err(Error::invalid(format!(
            "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values \
             (run_name='{given}', mlflow.runName='{tag}')."
        )));
    }
    Ok(given.map(Text::from).or(named).unwrap_or_else(|| names::random().into()))
}

/// A new run's id: the one that is given, or one that is made up.
fn id_of(state: &State, request: &CreateRun) -> Result<u128> {
    let Some(given) = &request.run_id else { return Ok(uuid::Uuid::new_v4().as_u128()) };
    let id = parse_run_id(given).ok_or_else(|| {
        Error::invalid(format!("Invalid run ID '{given}'. A run ID has 32 hexadecimal digits."))
    })?;
    match state.runs.contains_key(&id) {
        true => Err(Error::Exists(format!("Run with id={given} already exists."))),
        false => Ok(id),
    }
}

fn create(core: &Core, request: CreateRun) -> Result<Run> {
    let name = name_of(&request)?;
    for (index, tag) in request.tags.iter().enumerate() {
        validate::tag(tag, &format!("tags[{index}]"))?;
    }
    let (keys, number, head) = {
        let state = core.state.read();
        let (experiment, _) = state.active_home(&request.experiment_id)?;
        let mut keys = NewKeys::new(&state);
        let mut head = Head {
            id: id_of(&state, &request)?,
            experiment,
            name: name.clone(),
            user: request.user_id.into(),
            status: crate::RunStatus::Running,
            start: request.start_time.unwrap_or_else(|| core.now()),
            end: None,
            stage: LifecycleStage::Active,
            params: Vec::new(),
            tags: Vec::new(),
            inputs: Vec::new(),
            model_inputs: Vec::new(),
            model_outputs: Vec::new(),
        };
        for tag in request.tags {
            table::set(&mut head.tags, keys.number(&state, &tag.key), tag.value);
        }
        rename(&state, &mut keys, &mut head, name);
        (keys, state.next_run, head)
    };
    let mut batch = core.disk.batch();
    keys.store(core, &mut batch);
    batch.insert(&core.disk.runs, number.to_be_bytes(), head.to_bytes()?);
    batch.commit()?;
    let mut state = core.state.write();
    keys.publish(&mut state);
    state.next_run = number + 1;
    let (id, experiment) = (head.id, head.experiment);
    let row = Row { number, head: Arc::new(head), metrics: Metrics::default() };
    let Some(home) = state.homes.get_mut(&experiment) else {
        return Err(Error::internal("an experiment went while a run was made"));
    };
    let slot = home.table.add(row);
    state.runs.insert(id, Place { experiment, slot });
    drop(state);
    let state = core.state.read();
    let (_, home, row) = state.run(&run_id(id))?;
    Ok(answers::record(&state, home, row))
}

/// Writes metrics, parameters and tags that were found acceptable.
fn log(core: &Core, id: &str, batch: LogBatch) -> Result<()> {
    let Logging { place, number, keys, head, metrics, touched, parts, logged, models } =
        prepare(core, id, batch)?;
    let mut rows = core.disk.batch();
    keys.store(core, &mut rows);
    if let Some(head) = &head {
        rows.insert(&core.disk.runs, number.to_be_bytes(), head.to_bytes()?);
    }
    core.store_points(&mut rows, number, &logged);
    for part in parts {
        let key = disk::key(&[&number.to_be_bytes(), &(part as u32).to_be_bytes()]);
        rows.insert(&core.disk.latest, key, metrics.part(part));
    }
    let models = core.store_model_metrics(&mut rows, models)?;
    rows.commit()?;
    let mut state = core.state.write();
    keys.publish(&mut state);
    if let Some(home) = state.homes.get_mut(&place.experiment) {
        if let Some(head) = head {
            home.table.set_head(place.slot, head.into());
        }
        if !touched.is_empty() {
            home.table.set_metrics(place.slot, metrics, &touched);
        }
    }
    models.publish(&mut state);
    Ok(())
}

/// What a batch comes to, before anything is written.
struct Logging {
    place: Place,
    number: u64,
    keys: NewKeys,
    /// The changed head, where it changes.
    head: Option<Head>,
    metrics: Metrics,
    /// Keys with a new latest point.
    touched: Vec<u32>,
    /// Parts of the latest points that changed.
    parts: std::collections::BTreeSet<usize>,
    logged: Vec<Point>,
    /// Points that belong to logged models too.
    models: Vec<Metric>,
}

fn prepare(core: &Core, id: &str, batch: LogBatch) -> Result<Logging> {
    let state = core.state.read();
    let (place, _, row) = state.active_run(id)?;
    let mut keys = NewKeys::new(&state);
    let mut head = Head::clone(&row.head);
    log_params(&state, &mut keys, &mut head, id, batch.params)?;
    for tag in batch.tags {
        set_tag(&state, &mut keys, &mut head, tag);
    }
    let mut metrics = row.metrics.clone();
    let known =
        |metric: &&Metric| state.keys.get(&metric.key).is_some_and(|key| row.metrics.get(key).is_some());
    metrics.reserve(batch.metrics.len() - batch.metrics.iter().filter(known).count());
    let (mut touched, mut parts) = (Vec::new(), std::collections::BTreeSet::new());
    let (mut logged, mut models) = (Vec::with_capacity(batch.metrics.len()), Vec::new());
    for mut metric in batch.metrics {
        // What SQL can't hold MLflow brings to the nearest that it can.
        metric.value = if metric.value.is_nan() { f64::NAN } else { metric.value.clamp(f64::MIN, f64::MAX) };
        let point = Point {
            key: keys.number(&state, &metric.key),
            value: metric.value,
            timestamp: metric.timestamp,
            step: metric.step,
        };
        if let Some(part) = metrics.offer(point) {
            touched.push(point.key);
            parts.insert(part);
        }
        logged.push(point);
        if let Some(model) = metric.model_id.as_ref().filter(|model| !model.is_empty()) {
            state.model(model)?;
            metric.run_id = Some(id.into());
            models.push(metric);
        }
    }
    Ok(Logging {
        place,
        number: row.number,
        keys,
        head: (head != *row.head).then_some(head),
        metrics,
        touched,
        parts,
        logged,
        models,
    })
}

fn log_params(
    state: &State,
    keys: &mut NewKeys,
    head: &mut Head,
    id: &str,
    params: Vec<Param>,
) -> Result<()> {
    let mut other = Vec::new();
    for param in params {
        let key = keys.number(state, &param.key);
        match head.param(key) {
            Some(old) if *old == param.value => {}
            Some(old) => other.push(format!(
                "{{'key': '{}', 'old_value': '{old}', 'new_value': '{}'}}",
                param.key, param.value
            )),
            None => table::set(&mut head.params, key, param.value),
        }
    }
    if other.is_empty() {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "Changing param values is not allowed. Params were already logged='[{}]' for run ID='{id}'.",
        other.join(", ")
    )))
}

fn log_inputs(core: &Core, id: &str, inputs: LogInputs) -> Result<()> {
    let (place, number, head, added) = {
        let state = core.state.read();
        let (place, home, row) = state.active_run(id)?;
        let mut head = Head::clone(&row.head);
        let mut added: Vec<Arc<crate::Dataset>> = Vec::new();
        for input in inputs.datasets {
            let name = (input.dataset.name.clone(), input.dataset.digest.clone());
            let known = home.input_numbers.get(&name).copied().or_else(|| {
                let at = added.iter().position(|new| new.name == name.0 && new.digest == name.1)?;
                u32::try_from(home.inputs.len() + at).ok()
            });
            let dataset = match known {
                Some(dataset) => dataset,
                None => {
                    added.push(Arc::new(input.dataset));
                    u32::try_from(home.inputs.len() + added.len() - 1).unwrap_or(u32::MAX)
                }
            };
            if !head.inputs.iter().any(|input| input.dataset == dataset) {
                let tags = input.tags.into_iter().map(|tag| (tag.key, tag.value)).collect();
                head.inputs.push(Input { dataset, tags });
            }
        }
        for ModelInput { model_id } in inputs.models {
            if !head.model_inputs.contains(&model_id) {
                head.model_inputs.push(model_id);
            }
        }
        (place, row.number, head, added)
    };
    let first = core.state.read().homes.get(&place.experiment).map_or(0, |home| home.inputs.len());
    let mut batch = core.disk.batch();
    for (at, dataset) in added.iter().enumerate() {
        let at = u32::try_from(first + at).unwrap_or(u32::MAX);
        let key = disk::key(&[&place.experiment.to_be_bytes(), &at.to_be_bytes()]);
        batch.insert(&core.disk.inputs, key, disk::json(dataset.as_ref())?);
    }
    batch.insert(&core.disk.runs, number.to_be_bytes(), head.to_bytes()?);
    batch.commit()?;
    let mut state = core.state.write();
    if let Some(home) = state.homes.get_mut(&place.experiment) {
        for dataset in added {
            home.add_input(dataset);
        }
        home.table.set_head(place.slot, head.into());
    }
    Ok(())
}
