use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use modelyard_clock::Timestamp;

use super::{Layout, Row};
use crate::{
    ColumnType, Error, Result, Schema, Value,
    columns::{cell, conform},
    log::codec::{Decoder, Encoder},
};

/// Rows without a time of creation, and rows with one.
const PLAIN: u8 = 1;
const DATED: u8 = 4;
/// Stands for no time of creation.
const NEVER: i64 = i64::MIN;

/// One frame of the store's log.
pub(super) enum Record {
    /// Rows, all of the same columns.
    Put { view: String, keys: Arc<[String]>, rows: Vec<Arc<Row>> },
    /// A view is gone.
    Drop { view: String },
    /// Rows with this value in this column are gone.
    Erase { column: String, value: Value },
}

impl Record {
    /// Rows of a batch; every row must have its keys and its event time.
    pub(super) fn put(view: &str, layout: &Layout<'_>, rows: &RecordBatch) -> Result<Self> {
        let Layout { keys, event_time, .. } = *layout;
        let schema = Schema::from_arrow(&rows.schema())?;
        let rows = conform(rows, &schema)?;
        let place = format!("in the rows for view {view:?}");
        let column = |name: &str| {
            rows.column_by_name(name).ok_or_else(|| Error::no_column(name, &place, schema.names()))
        };
        let moments = |name: &str| {
            let times = column(name)?;
            if ColumnType::from_arrow(times.data_type()) == Some(ColumnType::Timestamp) {
                return Ok(times);
            }
            Err(Error::Type {
                column: name.to_owned(),
                found: times.data_type().to_string(),
                expected: ColumnType::Timestamp,
                row: None,
            })
        };
        let times = moments(event_time)?;
        let created = layout.created_at.map(moments).transpose()?;
        let keyed = keys.iter().map(|key| column(key)).collect::<Result<Vec<_>>>()?;
        let others = |name: &&str| !keys.contains(name) && *name != event_time;
        let names: Arc<[String]> = match layout.columns {
            Some(columns) => columns.iter().map(|name| (*name).to_owned()).collect(),
            None => schema.names().filter(others).map(str::to_owned).collect(),
        };
        let values = names.iter().map(|name| column(name)).collect::<Result<Vec<_>>>()?;
        let make = |row: usize| {
            let missing = |column: &str| {
                Error::invalid(format!(
                    "column {column:?} is null in row {row}; keys and event time must be given"
                ))
            };
            let key: Box<[Value]> = keyed.iter().map(|array| cell(array, row)).collect();
            if let Some((name, _)) = keys.iter().zip(&key).find(|(_, value)| value.is_null()) {
                return Err(missing(name));
            }
            let Value::Timestamp(event_time) = cell(times, row) else { return Err(missing(event_time)) };
            let created_at = match created.map(|created| cell(created, row)) {
                Some(Value::Timestamp(created)) => Some(created),
                _ => None,
            };
            let values = values.iter().map(|array| cell(array, row)).collect();
            Ok(Arc::new(Row { event_time, created_at, columns: names.clone(), values, key }))
        };
        let rows = (0..rows.num_rows()).map(make).collect::<Result<_>>()?;
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        Ok(Self::Put { view: view.to_owned(), keys, rows })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::default();
        match self {
            Self::Put { view, keys, rows } => {
                let dated = rows.iter().any(|row| row.created_at.is_some());
                out.u8(if dated { DATED } else { PLAIN });
                out.text(view);
                out.length(keys.len());
                keys.iter().for_each(|key| out.text(key));
                let columns = rows.first().map(|row| row.columns.clone()).unwrap_or_default();
                out.length(columns.len());
                columns.iter().for_each(|column| out.text(column));
                out.length(rows.len());
                for row in rows {
                    out.i64(row.event_time.micros());
                    if dated {
                        out.i64(row.created_at.map_or(NEVER, Timestamp::micros));
                    }
                    row.key.iter().chain(&row.values).for_each(|value| out.value(value));
                }
            }
            Self::Drop { view } => {
                out.u8(2);
                out.text(view);
            }
            Self::Erase { column, value } => {
                out.u8(3);
                out.text(column);
                out.value(value);
            }
        }
        out.0
    }

    pub(super) fn decode(payload: &[u8]) -> Result<Self> {
        let mut input = Decoder(payload);
        Ok(match input.u8()? {
            tag @ (PLAIN | DATED) => {
                let view = input.text()?.to_owned();
                let keys = texts(&mut input)?;
                let columns = texts(&mut input)?;
                let rows = (0..input.count(8)?).map(|_| {
                    let event_time = Timestamp::from_micros(input.i64()?);
                    let created = if tag == DATED { input.i64()? } else { NEVER };
                    let created_at = (created != NEVER).then(|| Timestamp::from_micros(created));
                    let key = keys.iter().map(|_| input.value()).collect::<Result<_>>()?;
                    let values = columns.iter().map(|_| input.value()).collect::<Result<_>>()?;
                    Ok(Arc::new(Row { event_time, created_at, columns: columns.clone(), values, key }))
                });
                let rows = rows.collect::<Result<_>>()?;
                Self::Put { view, keys, rows }
            }
            2 => Self::Drop { view: input.text()?.to_owned() },
            3 => Self::Erase { column: input.text()?.to_owned(), value: input.value()? },
            tag => return Err(Error::invalid(format!("a record of unknown kind {tag}"))),
        })
    }
}

fn texts(input: &mut Decoder<'_>) -> Result<Arc<[String]>> {
    let count = input.count(4)?;
    (0..count).map(|_| input.text().map(str::to_owned)).collect()
}
