//! Evaluation datasets.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{
    Core, Store, dataset_records, disk,
    experiments::page,
    records::StoredDataset,
    state::{State, experiment_number},
    validate,
};
use crate::{
    CreateDataset, DatasetRecord, Error, EvaluationDataset, NewDatasetRecord, Page, Result, Search, Upserted,
    search::{Field, Filter, Kind, Order, Subject},
};

/// The tag that says who acts.
const USER: &str = "mlflow.user";
/// Records read for a page where no length is given: all of them.
const WHOLE: usize = usize::MAX;

impl Store {
    /// Makes a dataset without records.
    ///
    /// # Errors
    /// `Invalid`, `NotFound` for an experiment.
    pub async fn create_dataset(&self, request: CreateDataset) -> Result<EvaluationDataset> {
        self.write(move |core| create(core, request)).await
    }

    /// The dataset without its records.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn dataset(&self, dataset_id: &str) -> Result<EvaluationDataset> {
        Ok(self.core().state.read().dataset(dataset_id)?.dataset.clone())
    }

    /// Removes the dataset and its records; one that is not there is not an error.
    ///
    /// # Errors
    /// `Internal`.
    pub async fn delete_dataset(&self, dataset_id: &str) -> Result<()> {
        let id = dataset_id.to_owned();
        self.write(move |core| {
            if !core.state.read().datasets.contains_key(&id) {
                return Ok(());
            }
            let mut batch = core.disk.batch();
            batch.remove(&core.disk.datasets, disk::text(&id));
            for row in core.disk.records.prefix(disk::text(&id)) {
                batch.remove(&core.disk.records, row.key()?);
            }
            for row in core.disk.record_keys.prefix(disk::text(&id)) {
                batch.remove(&core.disk.record_keys, row.key()?);
            }
            batch.commit()?;
            core.state.write().datasets.remove(&id);
            Ok(())
        })
        .await
    }

    /// Finds datasets of the experiments (of all where empty); newest first by default, 1,000 a
    /// page (at most 50,000).
    ///
    /// # Errors
    /// `Invalid` or `Syntax`.
    pub fn search_datasets(
        &self,
        experiment_ids: &[String],
        search: &Search,
    ) -> Result<Page<EvaluationDataset>> {
        let length = validate::page(search.max_results, 1000, validate::PAGE)?;
        let filter = Filter::parse(Kind::Datasets, &search.filter)?;
        let order = Order::parse(Kind::Datasets, &search.order_by)?;
        let ids = experiment_ids.join("\n");
        let query = ["datasets", &ids, &search.filter, &search.order_by.join("\n")];
        let offset = self.core().tokens.open(&query, search.page_token.as_deref())?;
        let state = self.core().state.read();
        let belongs = |dataset: &EvaluationDataset| {
            experiment_ids.is_empty() || dataset.experiment_ids.iter().any(|id| experiment_ids.contains(id))
        };
        let mut found: Vec<&EvaluationDataset> =
            state.datasets.values().map(|stored| &stored.dataset).collect();
        found.retain(|dataset| belongs(dataset) && filter.matches(*dataset));
        found.sort_by(|a, b| order.compare(*a, *b));
        Ok(page(found, offset, length, |offset| self.core().tokens.seal(&query, offset), Clone::clone))
    }

    /// Sets tags; a null is left out, as MLflow does.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn set_dataset_tags(
        &self,
        dataset_id: &str,
        tags: Map<String, Value>,
    ) -> Result<EvaluationDataset> {
        self.change_dataset(dataset_id, move |_, stored| {
            let set = tags.into_iter().filter(|(_, value)| !value.is_null());
            stored.dataset.tags.extend(set.map(|(key, value)| (key, as_text(value))));
            Ok(())
        })
        .await
    }

    /// Removes a tag; one that is not there is not an error.
    ///
    /// # Errors
    /// `NotFound` for the dataset.
    pub async fn delete_dataset_tag(&self, dataset_id: &str, key: &str) -> Result<()> {
        let key = key.to_owned();
        self.change_dataset(dataset_id, move |_, stored| {
            stored.dataset.tags.remove(&key);
            Ok(())
        })
        .await
        .map(|_| ())
    }

    /// Lets the dataset belong to more experiments.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn add_dataset_to_experiments(
        &self,
        dataset_id: &str,
        experiment_ids: Vec<String>,
    ) -> Result<EvaluationDataset> {
        self.change_dataset(dataset_id, move |core, stored| {
            for id in experiment_ids {
                known(&core.state.read(), &id)?;
                if !stored.dataset.experiment_ids.contains(&id) {
                    stored.dataset.experiment_ids.push(id);
                }
            }
            stored.dataset.last_update_time = core.now();
            Ok(())
        })
        .await
    }

    /// Takes the dataset out of experiments; those that it does not belong to are no error.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn remove_dataset_from_experiments(
        &self,
        dataset_id: &str,
        experiment_ids: Vec<String>,
    ) -> Result<EvaluationDataset> {
        self.change_dataset(dataset_id, move |core, stored| {
            let before = stored.dataset.experiment_ids.len();
            stored.dataset.experiment_ids.retain(|id| !experiment_ids.contains(id));
            if stored.dataset.experiment_ids.len() != before {
                stored.dataset.last_update_time = core.now();
            }
            Ok(())
        })
        .await
    }

    /// Adds records; where one with the same inputs is there, merges into it.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn upsert_dataset_records(
        &self,
        dataset_id: &str,
        records: Vec<NewDatasetRecord>,
    ) -> Result<Upserted> {
        let id = dataset_id.to_owned();
        self.write(move |core| dataset_records::upsert(core, &id, records)).await
    }

    /// Records, oldest first; all on one page where `max_results` is absent.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`.
    pub fn dataset_records(
        &self,
        dataset_id: &str,
        max_results: Option<i64>,
        page_token: Option<&str>,
    ) -> Result<Page<DatasetRecord>> {
        let length = match max_results {
            None => WHOLE,
            some => validate::page(some, 1000, validate::PAGE)?,
        };
        self.core().state.read().dataset(dataset_id)?;
        let query = ["records", dataset_id];
        let offset = self.core().tokens.open(&query, page_token)?;
        let rows = self.core().disk.records.prefix(disk::text(dataset_id));
        let mut items = Vec::new();
        for row in rows.skip(usize::try_from(offset).unwrap_or(usize::MAX)) {
            if items.len() == length {
                let next = self.core().tokens.seal(&query, offset + length as u64);
                return Ok(Page { items, next_page_token: Some(next) });
            }
            items.push(disk::from_json(&row.value()?)?);
        }
        Ok(Page { items, next_page_token: None })
    }

    /// Removes records and says how many there were.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn delete_dataset_records(&self, dataset_id: &str, record_ids: Vec<String>) -> Result<usize> {
        let id = dataset_id.to_owned();
        self.write(move |core| dataset_records::delete_records(core, &id, &record_ids)).await
    }

    async fn change_dataset(
        &self,
        dataset_id: &str,
        change: impl FnOnce(&Core, &mut StoredDataset) -> Result<()> + Send + 'static,
    ) -> Result<EvaluationDataset> {
        let id = dataset_id.to_owned();
        self.write(move |core| {
            let mut stored = core.state.read().dataset(&id)?.clone();
            change(core, &mut stored)?;
            core.put_dataset(core.disk.batch(), stored)
        })
        .await
    }
}

impl State {
    pub(super) fn dataset(&self, id: &str) -> Result<&StoredDataset> {
        self.datasets
            .get(id)
            .ok_or_else(|| Error::NotFound(format!("Evaluation dataset with id '{id}' not found")))
    }
}

impl Core {
    /// Writes a dataset with whatever is in `batch`.
    pub(super) fn put_dataset(
        &self,
        mut batch: disk::Batch<'_>,
        stored: StoredDataset,
    ) -> Result<EvaluationDataset> {
        let id = stored.dataset.dataset_id.clone();
        batch.insert(&self.disk.datasets, disk::text(&id), disk::json(&stored)?);
        batch.commit()?;
        let record = stored.dataset.clone();
        self.state.write().datasets.insert(id, stored);
        Ok(record)
    }
}

fn known(state: &State, id: &str) -> Result<()> {
    let found = experiment_number(id).is_ok_and(|number| state.homes.contains_key(&number));
    found.then_some(()).ok_or_else(|| Error::NotFound(format!("No Experiment with id={id} exists")))
}

/// Tags are text; what is not becomes its JSON.
fn as_text(value: Value) -> Value {
    match value {
        Value::String(_) => value,
        other => Value::String(other.to_string()),
    }
}

pub(super) fn user(tags: Option<&Map<String, Value>>) -> Option<String> {
    Some(tags?.get(USER)?.as_str()?.to_owned())
}

/// MLflow's digest: eight digits of name and time.
pub(super) fn digest(name: &str, time: i64) -> String {
    hex(&Sha256::digest(format!("{name}:{time}"))).chars().take(8).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn create(core: &Core, request: CreateDataset) -> Result<EvaluationDataset> {
    if request.name.trim().is_empty() {
        return Err(Error::invalid("Dataset name cannot be empty"));
    }
    for id in &request.experiment_ids {
        known(&core.state.read(), id)?;
    }
    let now = core.now();
    let tags: Map<String, Value> =
        request.tags.into_iter().map(|(key, value)| (key, as_text(value))).collect();
    let created_by = request.created_by.or_else(|| user(Some(&tags)));
    let dataset = EvaluationDataset {
        dataset_id: format!("d-{}", uuid::Uuid::new_v4().simple()),
        digest: digest(&request.name, now),
        name: request.name,
        tags,
        schema: request.schema,
        profile: request.profile,
        created_time: now,
        last_update_time: now,
        last_updated_by: created_by.clone(),
        created_by,
        experiment_ids: request.experiment_ids,
    };
    core.put_dataset(core.disk.batch(), StoredDataset { dataset, records: 0 })
}

impl Subject for EvaluationDataset {
    fn attribute(&self, key: &str) -> Field<'_> {
        match key {
            "name" => Field::Text(&self.name),
            "dataset_id" => Field::Text(&self.dataset_id),
            "created_time" => Field::Integer(self.created_time),
            "last_update_time" => Field::Integer(self.last_update_time),
            "created_by" => self.created_by.as_deref().map_or(Field::Missing, Field::Text),
            "last_updated_by" => self.last_updated_by.as_deref().map_or(Field::Missing, Field::Text),
            _ => Field::Missing,
        }
    }

    fn tag(&self, key: &str) -> Option<&str> {
        self.tags.get(key)?.as_str()
    }
}
