//! The records of evaluation datasets.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{
    Core,
    datasets::{digest, user},
    disk,
};
use crate::{DatasetRecord, NewDatasetRecord, Result, Upserted};

pub(super) fn upsert(core: &Core, id: &str, records: Vec<NewDatasetRecord>) -> Result<Upserted> {
    let mut stored = core.state.read().dataset(id)?.clone();
    let now = core.now();
    let mut done = Upserted::default();
    let mut schema: Map<String, Value> = match &stored.dataset.schema {
        Some(schema) => serde_json::from_str(schema).unwrap_or_default(),
        None => Map::new(),
    };
    let mut by = None;
    // Records of this batch that are written already, by their row.
    let mut written: BTreeMap<Vec<u8>, DatasetRecord> = BTreeMap::new();
    let mut rows: HashMap<Vec<u8>, Vec<u8>> = HashMap::new();
    let mut batch = core.disk.batch();
    for record in records {
        extend_schema(&mut schema, &record);
        by = user(record.tags.as_ref()).or(by);
        let index = disk::key(&[&disk::text(id), &input_digest(&record.inputs)]);
        let row = match rows.get(&index) {
            Some(row) => Some(row.clone()),
            None => core.disk.record_keys.get(&index)?.map(|row| row.to_vec()),
        };
        if let Some(row) = row {
            let known = match written.get(&row) {
                Some(known) => Some(known.clone()),
                None => core.disk.records.get(&row)?.map(|bytes| disk::from_json(&bytes)).transpose()?,
            };
            if let Some(mut known) = known {
                merge(&mut known, record, now);
                rows.insert(index, row.clone());
                written.insert(row, known);
                done.updated += 1;
                continue;
            }
        }
        let new = new_record(id, record, now);
        let row = disk::key(&[&disk::text(id), &disk::signed(now), new.dataset_record_id.as_bytes()]);
        batch.insert(&core.disk.record_keys, index.clone(), row.clone());
        rows.insert(index, row.clone());
        written.insert(row, new);
        done.inserted += 1;
    }
    for (row, record) in written {
        batch.insert(&core.disk.records, row, disk::json(&record)?);
    }
    stored.records += done.inserted as u64;
    let dataset = &mut stored.dataset;
    dataset.last_update_time = now;
    dataset.last_updated_by = by;
    dataset.digest = digest(&dataset.name, now);
    if !schema.is_empty() {
        dataset.schema = Some(Value::Object(schema).to_string());
    }
    dataset.profile = profile(stored.records);
    core.put_dataset(batch, stored)?;
    Ok(done)
}

fn profile(records: u64) -> Option<String> {
    (records > 0).then(|| json!({ "num_records": records }).to_string())
}

fn new_record(id: &str, record: NewDatasetRecord, now: i64) -> DatasetRecord {
    let created_by = user(record.tags.as_ref());
    let source_id = record.source.as_ref().and_then(|source| {
        let data = &source.source_data;
        let id = data.get("trace_id").or_else(|| data.get("source_id"))?;
        Some(id.as_str()?.to_owned())
    });
    DatasetRecord {
        // In order of time, so that records of one batch keep their order.
        dataset_record_id: format!("dr-{}", uuid::Uuid::now_v7().simple()),
        dataset_id: id.to_owned(),
        inputs: record.inputs,
        outputs: record.outputs,
        expectations: record.expectations,
        tags: record.tags,
        source_id,
        source_type: record.source.as_ref().map(|source| source.source_type.clone()),
        source: record.source,
        created_time: now,
        last_update_time: now,
        last_updated_by: created_by.clone(),
        created_by,
    }
}

fn merge(known: &mut DatasetRecord, record: NewDatasetRecord, now: i64) {
    if record.outputs.is_some() {
        known.outputs = record.outputs;
    }
    if let Some(new) = record.expectations {
        known.expectations.get_or_insert_default().extend(new);
    }
    known.last_updated_by = user(record.tags.as_ref()).or(known.last_updated_by.take());
    if let Some(new) = record.tags {
        known.tags.get_or_insert_default().extend(new);
    }
    known.last_update_time = now;
}

/// The digest of inputs, whatever the order of their keys.
fn input_digest(inputs: &Map<String, Value>) -> [u8; 32] {
    let mut text = String::new();
    sorted(&Value::Object(inputs.clone()), &mut text);
    Sha256::digest(text).into()
}

fn sorted(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            out.push('{');
            for key in keys {
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                sorted(map.get(key).unwrap_or(&Value::Null), out);
                out.push(',');
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for item in items {
                sorted(item, out);
                out.push(',');
            }
            out.push(']');
        }
        plain => out.push_str(&plain.to_string()),
    }
}

/// Notes fields that are new, with their types.
fn extend_schema(schema: &mut Map<String, Value>, record: &NewDatasetRecord) {
    if schema.is_empty() {
        for part in ["inputs", "outputs", "expectations"] {
            schema.insert(part.to_owned(), json!({}));
        }
        schema.insert("version".to_owned(), json!("1.0"));
    }
    let mut note = |part: &str, fields: &Map<String, Value>| {
        if let Some(Value::Object(known)) = schema.get_mut(part) {
            for (key, value) in fields {
                known.entry(key.clone()).or_insert_with(|| json!(type_of(value)));
            }
        }
    };
    note("inputs", &record.inputs);
    if let Some(expectations) = &record.expectations {
        note("expectations", expectations);
    }
    match &record.outputs {
        Some(Value::Object(fields)) => note("outputs", fields),
        Some(value) if schema.get("outputs").is_some_and(|known| *known == json!({})) => {
            schema.insert("outputs".to_owned(), json!(type_of(value)));
        }
        _ => {}
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

pub(super) fn delete_records(core: &Core, id: &str, record_ids: &[String]) -> Result<usize> {
    let mut stored = core.state.read().dataset(id)?.clone();
    let wanted: HashSet<&str> = record_ids.iter().map(String::as_str).collect();
    let mut batch = core.disk.batch();
    let mut removed = 0;
    for row in core.disk.records.prefix(disk::text(id)) {
        let (key, bytes) = row.into_inner()?;
        let record: DatasetRecord = disk::from_json(&bytes)?;
        if wanted.contains(record.dataset_record_id.as_str()) {
            batch.remove(&core.disk.records, key);
            let index = disk::key(&[&disk::text(id), &input_digest(&record.inputs)]);
            batch.remove(&core.disk.record_keys, index);
            removed += 1;
        }
    }
    if removed > 0 {
        stored.records = stored.records.saturating_sub(removed as u64);
        stored.dataset.profile = profile(stored.records);
        core.put_dataset(batch, stored)?;
    }
    Ok(removed)
}
