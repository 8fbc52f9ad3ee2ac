//! Columns and tensors from one crate's types to another's, by moving arrays.
//!
//! The contract's columns (`runtime::types`), the tables' columns and Arrow
//! batches say the same thing; this is the one place that turns one into
//! another, and columns into tensors and back.

use async_trait::async_trait;
use modelyard_runtime::{self as runtime, types as wit};
use modelyard_tables::{self as tables, RecordBatch, Scanner, Values};

use crate::{
    Error, Result,
    tensors::{MAX_WIDTH, width},
};

/// A contract's column as the tables' column.
pub fn from_wit(column: wit::Column) -> tables::Column {
    let values = match column.data {
        wit::ColumnData::F64(values) => Values::F64(values),
        wit::ColumnData::S64(values) => Values::S64(values),
        wit::ColumnData::Boolean(values) => Values::Boolean(values),
        wit::ColumnData::Utf8(values) => Values::Utf8(values),
        wit::ColumnData::Timestamp(values) => Values::Timestamp(values),
    };
    tables::Column { name: column.name, values, validity: column.validity }
}

/// The tables' column as the contract's column.
pub fn to_wit(column: tables::Column) -> wit::Column {
    let data = match column.values {
        Values::F64(values) => wit::ColumnData::F64(values),
        Values::S64(values) => wit::ColumnData::S64(values),
        Values::Boolean(values) => wit::ColumnData::Boolean(values),
        Values::Utf8(values) => wit::ColumnData::Utf8(values),
        Values::Timestamp(values) => wit::ColumnData::Timestamp(values),
    };
    wit::Column { name: column.name, data, validity: column.validity }
}

/// A contract's table as an Arrow batch.
pub fn to_batch(table: wit::Table) -> Result<RecordBatch> {
    Ok(tables::to_batch(table.into_iter().map(from_wit).collect())?)
}

/// An Arrow batch as a contract's table.
pub fn from_batch(batch: RecordBatch) -> Result<wit::Table> {
    Ok(tables::from_batch(batch)?.into_iter().map(to_wit).collect())
}

/// The contract's fields as the tables' schema.
pub fn to_schema(fields: &[wit::Field]) -> Result<tables::Schema> {
    let fields = fields
        .iter()
        .map(|field| tables::Field {
            name: field.name.clone(),
            r#type: match field.type_ {
                wit::ColumnType::F64 => tables::ColumnType::F64,
                wit::ColumnType::S64 => tables::ColumnType::S64,
                wit::ColumnType::Boolean => tables::ColumnType::Boolean,
                wit::ColumnType::Utf8 => tables::ColumnType::Utf8,
                wit::ColumnType::Timestamp => tables::ColumnType::Timestamp,
            },
            nullable: field.nullable,
        })
        .collect();
    Ok(tables::Schema::new(fields)?)
}

/// The tables' schema as the contract's fields.
pub fn to_fields(schema: &tables::Schema) -> Vec<wit::Field> {
    schema
        .fields
        .iter()
        .map(|field| wit::Field {
            name: field.name.clone(),
            type_: match field.r#type {
                tables::ColumnType::F64 => wit::ColumnType::F64,
                tables::ColumnType::S64 => wit::ColumnType::S64,
                tables::ColumnType::Boolean => wit::ColumnType::Boolean,
                tables::ColumnType::Utf8 => wit::ColumnType::Utf8,
                tables::ColumnType::Timestamp => wit::ColumnType::Timestamp,
            },
            nullable: field.nullable,
        })
        .collect()
}

/// Columns as a model's tensors, all of shape `[rows]`: numbers as FP64 with
/// NaN for null, integers without nulls as INT64, booleans without nulls as
/// BOOL, text as BYTES with an empty string for null, times as INT64
/// microseconds.
pub fn to_tensors(table: wit::Table) -> Vec<wit::Tensor> {
    table.into_iter().map(to_tensor).collect()
}

fn to_tensor(column: wit::Column) -> wit::Tensor {
    let shape = vec![i64::try_from(runtime::check::column_len(&column.data)).unwrap_or(i64::MAX)];
    let nulls = column.validity.filter(|validity| validity.contains(&false));
    let valid = |row: usize| nulls.as_ref().and_then(|nulls| nulls.get(row)).copied().unwrap_or(true);
    let floats = |values: &mut dyn Iterator<Item = f64>| {
        values.enumerate().map(|(row, value)| if valid(row) { value } else { f64::NAN }).collect()
    };
    let data = match column.data {
        wit::ColumnData::F64(values) if nulls.is_none() => wit::TensorData::Fp64(values),
        wit::ColumnData::F64(values) => wit::TensorData::Fp64(floats(&mut values.into_iter())),
        wit::ColumnData::S64(values) | wit::ColumnData::Timestamp(values) if nulls.is_none() => {
            wit::TensorData::Int64(values)
        }
        wit::ColumnData::S64(values) | wit::ColumnData::Timestamp(values) => {
            wit::TensorData::Fp64(floats(&mut values.into_iter().map(|value| value as f64)))
        }
        wit::ColumnData::Boolean(values) if nulls.is_none() => wit::TensorData::Bool(values),
        wit::ColumnData::Boolean(values) => {
            wit::TensorData::Fp64(floats(&mut values.into_iter().map(|value| f64::from(u8::from(value)))))
        }
        wit::ColumnData::Utf8(values) => wit::TensorData::Bytes(
            values
                .into_iter()
                .enumerate()
                .map(|(row, text)| if valid(row) { text.into_bytes() } else { Vec::new() })
                .collect(),
        ),
    };
    wit::Tensor { name: column.name, shape, data }
}

/// The tensor that a caller sends for a column: what [`to_columns`] takes back.
pub fn to_spec(field: &tables::Field) -> wit::TensorSpec {
    let datatype = match (field.r#type, field.nullable) {
        (tables::ColumnType::F64, _) | (tables::ColumnType::S64 | tables::ColumnType::Boolean, true) => {
            wit::Datatype::Fp64
        }
        (tables::ColumnType::S64 | tables::ColumnType::Timestamp, _) => wit::Datatype::Int64,
        (tables::ColumnType::Boolean, false) => wit::Datatype::Bool,
        (tables::ColumnType::Utf8, _) => wit::Datatype::Bytes,
    };
    wit::TensorSpec { name: field.name.clone(), datatype, shape: vec![-1], labels: vec![] }
}

/// Tensors of shape `[n]` or `[n, 1]` as columns of the types that `fields`
/// say: any number where a number is wanted, NaN and empty text as null,
/// RFC 3339 text or microseconds where a time is wanted.
///
/// # Errors
/// A tensor that is missing, one that holds what its column can't, lengths that differ.
pub fn to_columns(tensors: Vec<wit::Tensor>, fields: &[wit::Field]) -> Result<wit::Table> {
    let mut tensors: std::collections::HashMap<String, wit::Tensor> =
        tensors.into_iter().map(|tensor| (tensor.name.clone(), tensor)).collect();
    fields
        .iter()
        .map(|field| {
            let tensor = tensors.remove(&field.name).ok_or_else(|| {
                let mut error = Error::invalid(format!("the input {:?} is missing", field.name));
                error.location.column = Some(field.name.clone());
                error
            })?;
            to_column(tensor, field)
        })
        .collect()
}

fn to_column(tensor: wit::Tensor, field: &wit::Field) -> Result<wit::Column> {
    let wrong = |found: &str| {
        let mut error = Error::invalid(format!(
            "the input {:?} holds {found}; {} is accepted",
            field.name,
            match field.type_ {
                wit::ColumnType::Utf8 => "BYTES (text)",
                wit::ColumnType::Timestamp => "INT64 (microseconds since 1970) or BYTES (RFC 3339)",
                wit::ColumnType::Boolean => "BOOL or a number",
                _ => "any numeric datatype",
            }
        ));
        error.location.column = Some(field.name.clone());
        error
    };
    if let wit::TensorData::Bytes(values) = tensor.data {
        return text_column(values, field, wrong);
    }
    let (data, validity) = match field.type_ {
        wit::ColumnType::Utf8 => return Err(wrong("no text")),
        wit::ColumnType::Boolean => match tensor.data {
            wit::TensorData::Bool(values) => (wit::ColumnData::Boolean(values), None),
            other => {
                let numbers = floats(&other);
                let validity = mask(&numbers);
                (wit::ColumnData::Boolean(numbers.iter().map(|value| *value != 0.0).collect()), validity)
            }
        },
        wit::ColumnType::F64 => match tensor.data {
            wit::TensorData::Fp64(values) => {
                let validity = mask(&values);
                (wit::ColumnData::F64(values), validity)
            }
            other => {
                let numbers = floats(&other);
                let validity = mask(&numbers);
                (wit::ColumnData::F64(numbers), validity)
            }
        },
        wit::ColumnType::S64 | wit::ColumnType::Timestamp => {
            let (values, validity) = match tensor.data {
                wit::TensorData::Int64(values) => (values, None),
                other => {
                    let numbers = floats(&other);
                    if let Some(value) = numbers.iter().find(|value| !value.is_nan() && value.fract() != 0.0)
                    {
                        return Err(wrong(&format!("{value}, which is no whole number")));
                    }
                    let validity = mask(&numbers);
                    (numbers.into_iter().map(|value| value as i64).collect(), validity)
                }
            };
            match field.type_ {
                wit::ColumnType::S64 => (wit::ColumnData::S64(values), validity),
                _ => (wit::ColumnData::Timestamp(values), validity),
            }
        }
    };
    Ok(wit::Column { name: tensor.name, data, validity })
}

fn text_column(
    values: Vec<Vec<u8>>,
    field: &wit::Field,
    wrong: impl Fn(&str) -> Error,
) -> Result<wit::Column> {
    let texts = values
        .into_iter()
        .map(|bytes| String::from_utf8(bytes).map_err(|_| wrong("bytes that are not UTF-8")))
        .collect::<Result<Vec<_>>>()?;
    let validity =
        texts.iter().any(String::is_empty).then(|| texts.iter().map(|text| !text.is_empty()).collect());
    let data = match field.type_ {
        wit::ColumnType::Utf8 => wit::ColumnData::Utf8(texts),
        wit::ColumnType::Timestamp => wit::ColumnData::Timestamp(
            texts
                .iter()
                .map(|text| match text.is_empty() {
                    true => Ok(0),
                    false => text
                        .parse::<modelyard_clock::Timestamp>()
                        .map(modelyard_clock::Timestamp::micros)
                        .map_err(|error| wrong(&error.to_string())),
                })
                .collect::<Result<_>>()?,
        ),
        _ => return Err(wrong("text")),
    };
    Ok(wit::Column { name: field.name.clone(), data, validity })
}

fn mask(values: &[f64]) -> Option<Vec<bool>> {
    values.iter().any(|value| value.is_nan()).then(|| values.iter().map(|value| !value.is_nan()).collect())
}

/// A numeric tensor's elements as doubles; text gives none.
pub fn floats(data: &wit::TensorData) -> Vec<f64> {
    use wit::TensorData as T;
    match data {
        T::Bool(values) => values.iter().map(|value| f64::from(u8::from(*value))).collect(),
        T::Uint8(values) => values.iter().map(|value| f64::from(*value)).collect(),
        T::Uint16(values) => values.iter().map(|value| f64::from(*value)).collect(),
        T::Uint32(values) => values.iter().map(|value| f64::from(*value)).collect(),
        T::Uint64(values) => values.iter().map(|value| *value as f64).collect(),
        T::Int8(values) => values.iter().map(|value| f64::from(*value)).collect(),
        T::Int16(values) => values.iter().map(|value| f64::from(*value)).collect(),
        T::Int32(values) => values.iter().map(|value| f64::from(*value)).collect(),
        T::Int64(values) => values.iter().map(|value| *value as f64).collect(),
        T::Fp32(values) => values.iter().map(|value| f64::from(*value)).collect(),
        T::Fp64(values) => values.clone(),
        T::Bytes(_) => Vec::new(),
    }
}

/// A tensor of one element to a row as a column; of more, as a column for each
/// (`probability_<label>`, or by its place); of more than [`MAX_WIDTH`] as none.
pub fn output_columns(tensor: &wit::Tensor, spec: Option<&wit::TensorSpec>) -> Vec<tables::Column> {
    let width = match width(&tensor.shape) {
        Some(width @ 1..=MAX_WIDTH) => width,
        _ => return vec![],
    };
    let numbers = match &tensor.data {
        wit::TensorData::Bytes(_) | wit::TensorData::Bool(_) => Vec::new(),
        wit::TensorData::Int64(values) if tensor.shape.len() == 1 => {
            return vec![tables::Column::new(&tensor.name, Values::S64(values.clone()))];
        }
        other if width == 1 => return vec![tables::Column::new(&tensor.name, Values::F64(floats(other)))],
        other => floats(other),
    };
    let column = |class: usize| {
        let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
        let values = match &tensor.data {
            wit::TensorData::Bytes(values) => {
                Values::Utf8(values.iter().skip(class).step_by(width).map(text).collect())
            }
            wit::TensorData::Bool(values) => {
                Values::Boolean(values.iter().skip(class).step_by(width).copied().collect())
            }
            _ => Values::F64(numbers.iter().skip(class).step_by(width).copied().collect()),
        };
        let label = spec.and_then(|spec| spec.labels.get(class)).cloned();
        let name = match width {
            1 => tensor.name.clone(),
            _ => format!("{}_{}", tensor.name, label.unwrap_or_else(|| class.to_string())),
        };
        tables::Column::new(name, values)
    };
    (0..width).map(column).collect()
}

/// Dataset files given to a plugin as a reader. Decoding happens off the
/// async workers.
pub struct ScanSource {
    scanner: Option<Scanner>,
    fields: Vec<wit::Field>,
    rows: u64,
}

impl ScanSource {
    /// Reads what the scanner gives.
    pub fn new(mut scanner: Scanner) -> Result<Self> {
        Ok(Self { rows: scanner.rows()?, fields: to_fields(scanner.schema()), scanner: Some(scanner) })
    }
}

#[async_trait]
impl runtime::BatchSource for ScanSource {
    fn schema(&self) -> Vec<wit::Field> {
        self.fields.clone()
    }

    fn rows(&self) -> u64 {
        self.rows
    }

    async fn next(&mut self, max_rows: u32) -> Result<Option<wit::Table>, String> {
        let mut scanner = self.scanner.take().ok_or("the reader failed before")?;
        let (scanner, table) = tokio::task::spawn_blocking(move || {
            let table = scanner
                .next_rows(max_rows.max(1) as usize)
                .map_err(Error::from)
                .and_then(|batch| batch.map(from_batch).transpose());
            (scanner, table)
        })
        .await
        .map_err(|error| error.to_string())?;
        self.scanner = Some(scanner);
        table.map_err(|error| error.to_string())
    }

    async fn rewind(&mut self) -> Result<(), String> {
        self.scanner.as_mut().ok_or("the reader failed before")?.rewind();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn a_row_of_more_elements_is_more_columns() {
        let tensor = |shape: &[i64], data| wit::Tensor { name: "x".into(), shape: shape.to_vec(), data };
        let texts =
            wit::TensorData::Bytes(["a", "b", "c", "d"].map(|text| text.as_bytes().to_vec()).to_vec());
        let columns = output_columns(&tensor(&[2, 2], texts), None);
        assert_eq!(columns[1], tables::Column::new("x_1", Values::Utf8(vec!["b".into(), "d".into()])));
        let flags = wit::TensorData::Bool(vec![true, false]);
        assert_eq!(output_columns(&tensor(&[1, 2], flags), None)[0].values, Values::Boolean(vec![true]));
        let cube = wit::TensorData::Fp32(vec![1.0, 2.0, 3.0, 4.0]);
        let columns = output_columns(&tensor(&[1, 2, 2], cube), None);
        assert_eq!((columns.len(), &columns[3].values), (4, &Values::F64(vec![4.0])));
        let image = wit::TensorData::Uint8(vec![0; MAX_WIDTH + 1]);
        assert_eq!(output_columns(&tensor(&[1, 4097], image), None), vec![]);
    }
}
