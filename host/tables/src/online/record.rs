use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use modelyard_clock::Timestamp;

use super::Row;
use crate::{
    ColumnType, Error, Result, Schema, Value,
    columns::{cell, conform},
    log::codec::{Decoder, Encoder},
};

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
    pub(super) fn put(view: &str, keys: &[&str], rows: &RecordBatch, event_time: &str) -> Result<Self> {
        let schema = Schema::from_arrow(&rows.schema())?;
        let rows = conform(rows, &schema)?;
        let place = format!("in the rows for view {view:?}");
        let column = |name: &str| {
            rows.column_by_name(name).ok_or_else(|| Error::no_column(name, &place, schema.names()))
        };
        let times = column(event_time)?;
        if ColumnType::from_arrow(times.data_type()) != Some(ColumnType::Timestamp) {
            return Err(Error::Type {
                column: event_time.to_owned(),
                found: times.data_type().to_string(),
                expected: ColumnType::Timestamp,
                row: None,
            });
        }
        let keyed = keys.iter().map(|key| column(key)).collect::<Result<Vec<_>>>()?;
        let named = |name: &&str| !keys.contains(name) && *name != event_time;
        let names: Arc<[String]> = schema.names().filter(named).map(str::to_owned).collect();
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
            let values = values.iter().map(|array| cell(array, row)).collect();
            Ok(Arc::new(Row { event_time, columns: names.clone(), values, key }))
        };
        let rows = (0..rows.num_rows()).map(make).collect::<Result<_>>()?;
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        Ok(Self::Put { view: view.to_owned(), keys, rows })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::default();
        match self {
            Self::Put { view, keys, rows } => {
                out.u8(1);
                out.text(view);
                out.length(keys.len());
                keys.iter().for_each(|key| out.text(key));
                let columns = rows.first().map(|row| row.columns.clone()).unwrap_or_default();
                out.length(columns.len());
                columns.iter().for_each(|column| out.text(column));
                out.length(rows.len());
                for row in rows {
                    out.i64(row.event_time.micros());
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
            1 => {
                let view = input.text()?.to_owned();
                let keys = texts(&mut input)?;
                let columns = texts(&mut input)?;
                let rows = (0..input.count(8)?).map(|_| {
                    let event_time = Timestamp::from_micros(input.i64()?);
                    let key = keys.iter().map(|_| input.value()).collect::<Result<_>>()?;
                    let values = columns.iter().map(|_| input.value()).collect::<Result<_>>()?;
                    Ok(Arc::new(Row { event_time, columns: columns.clone(), values, key }))
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
