//! Rows as an answer.

use modelyard_lifecycle::{
    Error,
    tables::{self, RecordBatch, Schema},
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// Rows under columns.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Table {
    /// The columns, in order.
    columns: Vec<ColumnInfo>,
    /// The rows; each has one value per column.
    rows: Vec<Vec<Value>>,
}

/// A column's name and type.
#[derive(Debug, Serialize, ToSchema)]
struct ColumnInfo {
    /// Its name.
    name: String,
    /// `f64`, `s64`, `boolean`, `utf8` or `timestamp`.
    r#type: String,
}

impl Table {
    pub(super) fn new(schema: Schema, batches: impl IntoIterator<Item = RecordBatch>) -> Result<Self, Error> {
        let columns = schema.fields.into_iter();
        let columns =
            columns.map(|field| ColumnInfo { name: field.name, r#type: field.r#type.to_string() }).collect();
        let mut rows = Vec::new();
        for batch in batches {
            let count = batch.num_rows();
            let cells = tables::from_batch(batch)?;
            for row in 0..count {
                let values = cells.iter().map(|column| serde_json::to_value(column.value(row)));
                rows.push(values.collect::<Result<_, _>>().map_err(Error::internal)?);
            }
        }
        Ok(Self { columns, rows })
    }
}
