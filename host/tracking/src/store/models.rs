//! Logged models.

use std::cmp::Ordering;

use super::{
    Core, Store, append, disk,
    experiments::page,
    names,
    records::StoredModel,
    state::{ModelEntry, State, experiment_number},
    validate,
};
use crate::{
    CreateLoggedModel, DatasetScope, Error, LifecycleStage, LoggedModel, LoggedModelData, LoggedModelInfo,
    LoggedModelStatus, Metric, ModelOrder, Page, Param, Result, SearchLoggedModels, Tag, Text,
    search::{Direction, Entity, Field, Filter, Kind, Order, Subject},
};

impl Store {
    /// Makes a logged model, pending.
    ///
    /// # Errors
    /// `NotFound` for its experiment; `Invalid` where that is deleted or the name is not
    /// acceptable; `Exists` for a given id.
    pub async fn create_logged_model(&self, request: CreateLoggedModel) -> Result<LoggedModel> {
        self.write(move |core| create(core, request)).await
    }

    /// The model, unless deleted.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn logged_model(&self, model_id: &str) -> Result<LoggedModel> {
        let state = self.core().state.read();
        match state.model(model_id)? {
            entry if entry.model.stage == LifecycleStage::Active => Ok(entry.record()),
            _ => Err(Error::NotFound(format!("Logged model with ID '{model_id}' not found."))),
        }
    }

    /// The model, deleted or not.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn logged_model_any(&self, model_id: &str) -> Result<LoggedModel> {
        Ok(self.core().state.read().model(model_id)?.record())
    }

    /// Sets the status.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn finalize_logged_model(
        &self,
        model_id: &str,
        status: LoggedModelStatus,
    ) -> Result<LoggedModel> {
        self.change_model(model_id, move |core, model| {
            model.info.status = status;
            model.info.last_updated_timestamp_ms = core.now();
            Ok(())
        })
        .await
    }

    /// Marks the model deleted.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn delete_logged_model(&self, model_id: &str) -> Result<()> {
        self.change_model(model_id, |core, model| {
            model.stage = LifecycleStage::Deleted;
            model.info.last_updated_timestamp_ms = core.now();
            Ok(())
        })
        .await
        .map(|_| ())
    }

    /// Sets tags.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`.
    pub async fn set_logged_model_tags(&self, model_id: &str, tags: Vec<Tag>) -> Result<LoggedModel> {
        self.change_model(model_id, move |_, model| {
            for (index, tag) in tags.into_iter().enumerate() {
                validate::tag(&tag, &format!("tags[{index}]"))?;
                set_tag(&mut model.info.tags, tag);
            }
            Ok(())
        })
        .await
    }

    /// Removes a tag.
    ///
    /// # Errors
    /// `NotFound`, also for the tag.
    pub async fn delete_logged_model_tag(&self, model_id: &str, key: &str) -> Result<()> {
        let key = key.to_owned();
        self.change_model(model_id, move |_, model| {
            let before = model.info.tags.len();
            model.info.tags.retain(|tag| tag.key != key.as_str());
            if model.info.tags.len() == before {
                return Err(Error::NotFound(format!(
                    "No tag with key '{key}' found for model with ID '{}'.",
                    model.info.model_id
                )));
            }
            Ok(())
        })
        .await
        .map(|_| ())
    }

    /// Adds parameters; the same value again changes nothing.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` where one has another value.
    pub async fn log_logged_model_params(&self, model_id: &str, params: Vec<Param>) -> Result<LoggedModel> {
        self.change_model(model_id, move |_, model| {
            for (index, param) in params.into_iter().enumerate() {
                validate::param(&param, &format!("params[{index}]"))?;
                set_param(model, param)?;
            }
            Ok(())
        })
        .await
    }

    /// Finds active models; newest first by default, 100 a page (at most 50,000).
    ///
    /// # Errors
    /// `Invalid` or `Syntax`.
    pub fn search_logged_models(&self, search: &SearchLoggedModels) -> Result<Page<LoggedModel>> {
        let absent = search.max_results.filter(|length| *length != 0);
        let length = validate::page(absent, 100, validate::PAGE)?;
        if search.datasets.iter().any(|scope| scope.dataset_name.is_empty()) {
            return Err(Error::invalid("`dataset_name` in the `datasets` clause must be specified."));
        }
        let filter = Filter::parse(Kind::LoggedModels, &search.filter)?;
        let (order, scopes) = ordering(&search.order_by)?;
        let (ids, datasets, keys) = (
            search.experiment_ids.join("\n"),
            format!("{:?}", search.datasets),
            format!("{:?}", search.order_by),
        );
        let query = ["models", &ids, &search.filter, &datasets, &keys];
        let offset = self.core().tokens.open(&query, search.page_token.as_deref())?;
        let state = self.core().state.read();
        let mut found = candidates(&state, search)?;
        let scoped_metric = filter.clauses().iter().any(|clause| clause.entity == Entity::Metric);
        found.retain(|entry| {
            let subject = Found { entry, filter: &search.datasets };
            filter.matches(&subject)
                && (search.datasets.is_empty()
                    || scoped_metric
                    || entry.metrics.iter().any(|metric| is_on(metric, &search.datasets)))
        });
        found.sort_by(|a, b| compare(&order, &scopes, a, b));
        Ok(page(found, offset, length, |offset| self.core().tokens.seal(&query, offset), ModelEntry::record))
    }

    async fn change_model(
        &self,
        model_id: &str,
        change: impl FnOnce(&Core, &mut StoredModel) -> Result<()> + Send + 'static,
    ) -> Result<LoggedModel> {
        let id = Text::from(model_id);
        self.write(move |core| {
            let mut model = core.state.read().model(&id)?.model.clone();
            change(core, &mut model)?;
            let mut batch = core.disk.batch();
            batch.insert(&core.disk.models, disk::text(&id), disk::json(&model)?);
            batch.commit()?;
            let mut state = core.state.write();
            match state.models.get_mut(&id) {
                Some(entry) => {
                    entry.model = model;
                    Ok(entry.record())
                }
                None => Err(Error::internal("a logged model went while it was changed")),
            }
        })
        .await
    }
}

/// Metrics that are on their way to logged models.
pub(super) struct ModelMetrics(Vec<Metric>);

impl ModelMetrics {
    /// Makes the metrics known, once they are stored.
    pub(super) fn publish(self, state: &mut State) {
        for metric in self.0 {
            if let Some(entry) = metric.model_id.as_ref().and_then(|id| state.models.get_mut(id)) {
                entry.metrics.push(metric);
            }
        }
    }
}

impl Core {
    /// Adds to `batch` the metrics that their models don't have yet.
    pub(super) fn store_model_metrics(
        &self,
        batch: &mut disk::Batch<'_>,
        metrics: Vec<Metric>,
    ) -> Result<ModelMetrics> {
        let state = self.state.read();
        let same = |a: &Metric, b: &Metric| {
            a.model_id == b.model_id
                && a.key == b.key
                && (a.timestamp, a.step) == (b.timestamp, b.step)
                && a.run_id == b.run_id
                && (&a.dataset_name, &a.dataset_digest) == (&b.dataset_name, &b.dataset_digest)
        };
        let mut new: Vec<Metric> = Vec::new();
        for metric in metrics {
            let Some(id) = metric.model_id.clone() else { continue };
            let entry = state.model(&id)?;
            if entry.metrics.iter().chain(&new).any(|known| same(known, &metric)) {
                continue;
            }
            let number =
                entry.metrics.len() + new.iter().filter(|new| new.model_id == metric.model_id).count();
            let key = disk::key(&[&disk::text(&id), &(number as u64).to_be_bytes()]);
            batch.insert(&self.disk.model_metrics, key, disk::json(&metric)?);
            new.push(metric);
        }
        Ok(ModelMetrics(new))
    }
}

fn set_tag(tags: &mut Vec<Tag>, tag: Tag) {
    match tags.binary_search_by(|known| known.key.cmp(&tag.key)) {
        Ok(at) => {
            if let Some(known) = tags.get_mut(at) {
                *known = tag;
            }
        }
        Err(at) => tags.insert(at, tag),
    }
}

fn set_param(model: &mut StoredModel, param: Param) -> Result<()> {
    match model.params.binary_search_by(|known| known.key.cmp(&param.key)) {
        Ok(at) => match model.params.get(at) {
            Some(known) if known.value != param.value => Err(Error::invalid(format!(
                "Changing param values is not allowed. Param with key='{}' was already logged with value='{}' \
                 for model ID='{}'. Attempted logging new value '{}'.",
                param.key, known.value, model.info.model_id, param.value
            ))),
            _ => Ok(()),
        },
        Err(at) => {
            model.params.insert(at, param);
            Ok(())
        }
    }
}

fn create(core: &Core, request: CreateLoggedModel) -> Result<LoggedModel> {
    let name = match request.name {
        Some(name) => {
            validate::logged_model_name(&name)?;
            name
        }
        None => names::random(),
    };
    let given = request.model_id.filter(|id| !id.is_empty());
    let id = given.unwrap_or_else(|| format!("m-{}", uuid::Uuid::new_v4().simple()));
    let now = core.now();
    let (experiment, artifact_uri) = {
        let state = core.state.read();
        let (number, home) = state.active_home(&request.experiment_id)?;
        if state.models.contains_key(id.as_str()) {
            return Err(Error::Exists(format!("Logged model with ID '{id}' already exists.")));
        }
        (number, append(&home.experiment.artifact_location, &["models", &id, "artifacts"]))
    };
    let id = Text::from(id);
    let mut model = StoredModel {
        info: LoggedModelInfo {
            model_id: id.clone(),
            experiment_id: experiment.to_string().into(),
            name,
            creation_timestamp_ms: now,
            last_updated_timestamp_ms: now,
            artifact_uri,
            status: LoggedModelStatus::Pending,
            model_type: request.model_type.filter(|kind| !kind.is_empty()),
            source_run_id: request.source_run_id.filter(|run| !run.is_empty()).map(Text::from),
            status_message: None,
            tags: Vec::new(),
            lifecycle_stage: LifecycleStage::Active,
        },
        stage: LifecycleStage::Active,
        params: Vec::new(),
    };
    for (index, param) in request.params.into_iter().enumerate() {
        validate::param(&param, &format!("params[{index}]"))?;
        set_param(&mut model, param)?;
    }
    for (index, tag) in request.tags.into_iter().enumerate() {
        validate::tag(&tag, &format!("tags[{index}]"))?;
        set_tag(&mut model.info.tags, tag);
    }
    let mut batch = core.disk.batch();
    batch.insert(&core.disk.models, disk::text(&id), disk::json(&model)?);
    batch.commit()?;
    let entry = ModelEntry { model, metrics: Vec::new() };
    let record = entry.record();
    let mut state = core.state.write();
    if let Some(home) = state.homes.get_mut(&experiment) {
        home.models.push(id.clone());
    }
    state.models.insert(id, entry);
    Ok(record)
}

impl ModelEntry {
    /// The model as it is answered.
    fn record(&self) -> LoggedModel {
        let info = LoggedModelInfo { lifecycle_stage: self.model.stage, ..self.model.info.clone() };
        let data = LoggedModelData { params: self.model.params.clone(), metrics: self.metrics.clone() };
        LoggedModel { info, data }
    }
}

fn candidates<'a>(state: &'a State, search: &SearchLoggedModels) -> Result<Vec<&'a ModelEntry>> {
    let mut found = Vec::new();
    let mut numbers = std::collections::BTreeSet::new();
    for id in &search.experiment_ids {
        numbers.insert(experiment_number(id)?);
    }
    for home in numbers.iter().filter_map(|number| state.homes.get(number)) {
        let entries = home.models.iter().filter_map(|id| state.models.get(id));
        found.extend(entries.filter(|entry| entry.model.stage == LifecycleStage::Active));
    }
    Ok(found)
}

/// Orders name a data set beside the field, so they are no text to parse; the scopes are in the
/// order of the keys.
fn ordering(keys: &[ModelOrder]) -> Result<(Order, Vec<Option<DatasetScope>>)> {
    let mut ordered = Vec::new();
    let mut scopes = Vec::new();
    for key in keys {
        let direction =
            if key.ascending.unwrap_or(true) { Direction::Ascending } else { Direction::Descending };
        let (entity, name) = match key.field_name.split_once('.') {
            Some(("metrics", name)) => (Entity::Metric, name.trim_matches('`').to_owned()),
            Some(_) => {
                return Err(Error::invalid(format!(
                    "Invalid order by field name: {}. Only metrics are supported.",
                    key.field_name
                )));
            }
            None => (Entity::Attribute, Kind::LoggedModels.orderable(&key.field_name)?.to_owned()),
        };
        ordered.push((entity, name, direction));
        scopes.push(key.dataset_name.clone().filter(|name| !name.is_empty()).map(|dataset_name| {
            DatasetScope {
                dataset_name,
                dataset_digest: key.dataset_digest.clone().filter(|digest| !digest.is_empty()),
            }
        }));
    }
    Ok((Order::of(Kind::LoggedModels, ordered), scopes))
}

/// Compares key by key, since each may look at another data set.
fn compare(order: &Order, scopes: &[Option<DatasetScope>], a: &ModelEntry, b: &ModelEntry) -> Ordering {
    for (index, (entity, key, direction)) in order.keys().iter().enumerate() {
        let scope = scopes.get(index).and_then(Option::as_ref);
        let ordering = match entity {
            Entity::Metric => match (latest(a, key, scope), latest(b, key, scope)) {
                (Some(a), Some(b)) => direction.apply(a.total_cmp(&b)),
                (a, b) => a.is_none().cmp(&b.is_none()),
            },
            _ => match (attribute(a, key), attribute(b, key)) {
                (Field::Text(a), Field::Text(b)) => direction.apply(a.cmp(b)),
                (Field::Integer(a), Field::Integer(b)) => direction.apply(a.cmp(&b)),
                (a, b) => (a == Field::Missing).cmp(&(b == Field::Missing)),
            },
        };
        if ordering.is_ne() {
            return ordering;
        }
    }
    Ordering::Equal
}

/// The metric's value that MLflow orders by: the last by time, then step, then the first by run.
fn latest(entry: &ModelEntry, key: &str, scope: Option<&DatasetScope>) -> Option<f64> {
    let scope = scope.map(std::slice::from_ref).unwrap_or_default();
    let measured = entry.metrics.iter().filter(|metric| metric.key == key && is_on(metric, scope));
    measured
        .max_by(|a, b| (a.timestamp, a.step).cmp(&(b.timestamp, b.step)).then(b.run_id.cmp(&a.run_id)))
        .map(|metric| metric.value)
}

/// Whether a metric was measured on one of the data sets; any where there are none.
fn is_on(metric: &Metric, scopes: &[DatasetScope]) -> bool {
    scopes.is_empty()
        || scopes.iter().any(|scope| {
            metric.dataset_name.as_ref().is_some_and(|name| *name == scope.dataset_name.as_str())
                && scope.dataset_digest.as_ref().is_none_or(|digest| {
                    metric.dataset_digest.as_ref().is_some_and(|found| *found == digest.as_str())
                })
        })
}

fn attribute<'a>(entry: &'a ModelEntry, key: &str) -> Field<'a> {
    let info = &entry.model.info;
    let optional = |text: Option<&'a str>| text.map_or(Field::Missing, Field::Text);
    match key {
        "name" => Field::Text(&info.name),
        "model_id" => Field::Text(&info.model_id),
        "model_type" => optional(info.model_type.as_deref()),
        "status" => Field::Text(info.status.as_str()),
        "source_run_id" => optional(info.source_run_id.as_deref()),
        "experiment_id" => Field::Text(&info.experiment_id),
        "artifact_location" => Field::Text(&info.artifact_uri),
        "status_message" => optional(info.status_message.as_deref()),
        "creation_timestamp_ms" => Field::Integer(info.creation_timestamp_ms),
        "last_updated_timestamp_ms" => Field::Integer(info.last_updated_timestamp_ms),
        _ => Field::Missing,
    }
}

/// A logged model as a filter sees it.
struct Found<'a> {
    entry: &'a ModelEntry,
    filter: &'a [DatasetScope],
}

impl Subject for Found<'_> {
    fn attribute(&self, key: &str) -> Field<'_> {
        attribute(self.entry, key)
    }

    fn any_metric(&self, key: &str, test: &dyn Fn(f64) -> bool) -> bool {
        let mut measured =
            self.entry.metrics.iter().filter(|metric| metric.key == key && is_on(metric, self.filter));
        measured.any(|metric| test(metric.value))
    }

    fn param(&self, key: &str) -> Option<&str> {
        self.entry.model.params.iter().find(|param| param.key == key).map(|param| param.value.as_str())
    }

    fn tag(&self, key: &str) -> Option<&str> {
        self.entry.model.info.tags.iter().find(|tag| tag.key == key).map(|tag| tag.value.as_str())
    }
}
