//! Calls as rows: the layout of the prediction log's tables.

use arrow::{array::RecordBatch, compute::concat_batches};

use super::{Prediction, PredictionId};
use crate::{Column, ColumnType, Field, Result, Schema, Values, columns::conform, to_batch};

/// The columns that every table of predictions starts with.
pub(crate) const ID: &str = "prediction_id";
pub(crate) const AT: &str = "at";
pub(crate) const ENTITY: &str = "entity";
pub(crate) const LABEL: &str = "label";
pub(crate) const LABEL_AT: &str = "label_at";
/// Names that a feature or an output can't have in a table of predictions.
const RESERVED: [&str; 8] = [ID, AT, "model", "version", "latency_us", ENTITY, LABEL, LABEL_AT];

/// Calls are put together into batches of about this size.
const MERGE_BYTES: usize = 128 << 20;

/// The columns before features and outputs.
pub(crate) fn fixed() -> Schema {
    Schema {
        fields: vec![
            Field::required(ID, ColumnType::Utf8),
            Field::required(AT, ColumnType::Timestamp),
            Field::required("model", ColumnType::Utf8),
            Field::required("version", ColumnType::S64),
            Field::required("latency_us", ColumnType::S64),
            Field::new(ENTITY, ColumnType::Utf8),
        ],
    }
}

/// One call's rows. A feature named like a fixed column becomes
/// `feature_<name>`, an output named like a fixed column or a feature
/// `output_<name>`.
fn rows(call: Prediction) -> Result<RecordBatch> {
    let count = usize::try_from(call.rows).unwrap_or(0);
    let mut columns = vec![
        Column::new(
            ID,
            Values::Utf8((0..call.rows).map(|row| PredictionId::new(call.id, row).to_string()).collect()),
        ),
        Column::new(AT, Values::Timestamp(vec![call.at.micros(); count])),
        Column::new("model", Values::Utf8(vec![call.model; count])),
        Column::new("version", Values::S64(vec![i64::from(call.version); count])),
        Column::new(
            "latency_us",
            Values::S64(vec![i64::try_from(call.latency_us).unwrap_or(i64::MAX); count]),
        ),
    ];
    let mut entities = call.entities;
    entities.resize(count, None);
    columns.push(Column {
        name: ENTITY.into(),
        validity: Some(entities.iter().map(Option::is_some).collect()),
        values: Values::Utf8(entities.into_iter().map(Option::unwrap_or_default).collect()),
    });
    for (prefix, given) in [("feature", call.features), ("output", call.outputs)] {
        for mut column in given {
            let taken =
                |name: &str| RESERVED.contains(&name) || columns.iter().any(|column| column.name == name);
            while taken(&column.name) {
                column.name = format!("{prefix}_{}", column.name);
            }
            columns.push(column);
        }
    }
    to_batch(columns)
}

/// Many calls' rows as one table; a column that some calls lack is null there.
pub(crate) fn table(calls: Vec<Prediction>) -> Result<(Schema, Vec<RecordBatch>)> {
    let batches = calls.into_iter().map(rows).collect::<Result<Vec<_>>>()?;
    let mut seen: Vec<Schema> = Vec::new();
    for batch in &batches {
        let schema = Schema::from_arrow(&batch.schema())?;
        if seen.last() != Some(&schema) && !seen.contains(&schema) {
            seen.push(schema);
        }
    }
    // Features and outputs may always be absent from a later call.
    let mut schema = Schema::unify([&fixed()].into_iter().chain(&seen));
    let fixed = fixed();
    for field in &mut schema.fields {
        field.nullable |= fixed.field(&field.name).is_none();
    }
    let mut merged = Vec::new();
    let mut group = Vec::new();
    let mut bytes = 0;
    for batch in &batches {
        let batch = conform(batch, &schema)?;
        bytes += batch.get_array_memory_size();
        group.push(batch);
        // Far below the 2 GiB of text that one batch can hold.
        if bytes > MERGE_BYTES {
            merged.push(concat_batches(&schema.to_arrow(), &group)?);
            group.clear();
            bytes = 0;
        }
    }
    if !group.is_empty() {
        merged.push(concat_batches(&schema.to_arrow(), &group)?);
    }
    Ok((schema, merged))
}
