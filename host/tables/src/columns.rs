use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, PrimitiveArray, RecordBatch,
        RecordBatchOptions, StringArray, TimestampMicrosecondArray, new_null_array,
    },
    buffer::NullBuffer,
    compute::{CastOptions, cast_with_options},
    datatypes::{ArrowPrimitiveType, Float64Type, Int64Type, TimestampMicrosecondType},
};
use modelyard_clock::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{ColumnType, Error, Field, Result, Schema, Value};

/// A column's values, one per row, as one native array.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "values", rename_all = "snake_case")]
pub enum Values {
    /// Doubles; NaN is a value, not a null.
    F64(Vec<f64>),
    /// Signed integers.
    S64(Vec<i64>),
    /// Booleans.
    Boolean(Vec<bool>),
    /// Texts.
    Utf8(Vec<String>),
    /// Microseconds since the Unix epoch.
    Timestamp(Vec<i64>),
}

/// A named column. A row whose validity is false is null: its entry in
/// `values` is there but has no meaning. No validity: no nulls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// One entry per row.
    #[serde(flatten)]
    pub values: Values,
    /// Whether each row has a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validity: Option<Vec<bool>>,
}

impl Values {
    /// The number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::F64(values) => values.len(),
            Self::S64(values) | Self::Timestamp(values) => values.len(),
            Self::Boolean(values) => values.len(),
            Self::Utf8(values) => values.len(),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The type of the values.
    pub fn column_type(&self) -> ColumnType {
        match self {
            Self::F64(_) => ColumnType::F64,
            Self::S64(_) => ColumnType::S64,
            Self::Boolean(_) => ColumnType::Boolean,
            Self::Utf8(_) => ColumnType::Utf8,
            Self::Timestamp(_) => ColumnType::Timestamp,
        }
    }
}

impl Column {
    /// A column without nulls.
    pub fn new(name: impl Into<String>, values: Values) -> Self {
        Self { name: name.into(), values, validity: None }
    }

    /// A column of the narrowest type that all values widen to; utf8 if all are
    /// null.
    pub fn from_values(name: impl Into<String>, values: &[Value]) -> Self {
        let r#type = values
            .iter()
            .filter_map(Value::column_type)
            .reduce(ColumnType::unify)
            .unwrap_or(ColumnType::Utf8);
        let cells = || values.iter().map(|value| value.cast(r#type).unwrap_or_default());
        let number = |value: Value| match value {
            Value::S64(value) => value,
            Value::Timestamp(value) => value.micros(),
            _ => 0,
        };
        let data = match r#type {
            ColumnType::F64 => Values::F64(cells().map(|value| value.as_f64().unwrap_or(f64::NAN)).collect()),
            ColumnType::S64 => Values::S64(cells().map(number).collect()),
            ColumnType::Timestamp => Values::Timestamp(cells().map(number).collect()),
            ColumnType::Boolean => {
                Values::Boolean(cells().map(|value| matches!(value, Value::Boolean(true))).collect())
            }
            ColumnType::Utf8 => Values::Utf8(
                cells()
                    .map(|value| match value {
                        Value::Utf8(text) => text,
                        _ => String::new(),
                    })
                    .collect(),
            ),
        };
        let nulls = values.iter().any(Value::is_null);
        Self {
            name: name.into(),
            values: data,
            validity: nulls.then(|| values.iter().map(|value| !value.is_null()).collect()),
        }
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One row's value; null past the end.
    pub fn value(&self, row: usize) -> Value {
        if self.validity.as_ref().is_some_and(|validity| validity.get(row) == Some(&false)) {
            return Value::Null;
        }
        match &self.values {
            Values::F64(values) => values.get(row).copied().into(),
            Values::S64(values) => values.get(row).copied().into(),
            Values::Boolean(values) => values.get(row).copied().into(),
            Values::Utf8(values) => values.get(row).map(String::as_str).into(),
            Values::Timestamp(values) => values.get(row).copied().map(Timestamp::from_micros).into(),
        }
    }

    /// Its name and type; nullable if a row is null.
    pub fn field(&self) -> Field {
        let nullable = self.validity.as_ref().is_some_and(|validity| validity.contains(&false));
        Field { name: self.name.clone(), r#type: self.values.column_type(), nullable }
    }

    /// As an Arrow array, moved rather than copied where the layout allows
    /// (numbers and timestamps).
    pub(crate) fn into_array(self) -> Result<ArrayRef> {
        let Self { name, values, validity } = self;
        if let Some(validity) = validity.as_ref().filter(|validity| validity.len() != values.len()) {
            return Err(Error::invalid(format!(
                "column {name:?} has {} values and {} validity entries; they must be as many",
                values.len(),
                validity.len()
            )));
        }
        let nulls = validity.filter(|validity| validity.contains(&false)).map(NullBuffer::from);
        Ok(match values {
            Values::F64(values) => Arc::new(Float64Array::new(values.into(), nulls)),
            Values::S64(values) => Arc::new(Int64Array::new(values.into(), nulls)),
            Values::Boolean(values) => Arc::new(BooleanArray::new(values.into(), nulls)),
            Values::Timestamp(values) => {
                Arc::new(TimestampMicrosecondArray::new(values.into(), nulls).with_timezone("UTC"))
            }
            Values::Utf8(values) => {
                let bytes: usize = values.iter().map(String::len).sum();
                if i32::try_from(bytes).is_err() {
                    return Err(Error::invalid(format!(
                        "column {name:?} holds {bytes} bytes of text in one batch; at most 2 GiB fit: send fewer rows"
                    )));
                }
                let (offsets, data, _) = StringArray::from_iter_values(values).into_parts();
                Arc::new(StringArray::new(offsets, data, nulls))
            }
        })
    }

    /// From an Arrow array of one of the five types.
    fn from_array(name: &str, array: ArrayRef) -> Result<Self> {
        let validity = array.nulls().filter(|n| n.null_count() > 0).map(|nulls| nulls.iter().collect());
        let values = match column_type(name, &array)? {
            ColumnType::F64 => Values::F64(take_primitive::<Float64Type>(array)),
            ColumnType::S64 => Values::S64(take_primitive::<Int64Type>(array)),
            ColumnType::Timestamp => Values::Timestamp(take_primitive::<TimestampMicrosecondType>(array)),
            ColumnType::Boolean => Values::Boolean(array.as_boolean().values().iter().collect()),
            ColumnType::Utf8 => {
                let array = array.as_string::<i32>();
                Values::Utf8(array.iter().map(|text| text.unwrap_or_default().to_owned()).collect())
            }
        };
        Ok(Self { name: name.to_owned(), values, validity })
    }
}

/// The buffer itself where nobody else holds it, a copy otherwise.
fn take_primitive<T: ArrowPrimitiveType>(array: ArrayRef) -> Vec<T::Native> {
    let owned: PrimitiveArray<T> = array.as_primitive::<T>().clone();
    drop(array);
    let (_, values, _) = owned.into_parts();
    values.into()
}

/// The type of an array that is exactly one of the five.
pub(crate) fn column_type(name: &str, array: &ArrayRef) -> Result<ColumnType> {
    ColumnType::from_arrow(array.data_type()).filter(|t| t.to_arrow() == *array.data_type()).ok_or_else(
        || Error::invalid(format!("column {name:?} is {}; conform it to a schema first", array.data_type())),
    )
}

/// Columns of equal length as one batch. Numbers are moved, not copied.
pub fn to_batch(columns: Vec<Column>) -> Result<RecordBatch> {
    let rows = columns.first().map_or(0, Column::len);
    if let Some(odd) = columns.iter().find(|column| column.len() != rows) {
        let first = columns.first().map(|column| column.name.as_str()).unwrap_or_default();
        return Err(Error::invalid(format!(
            "column {:?} has {} rows and column {first:?} has {rows}; all columns must be equally long",
            odd.name,
            odd.len()
        )));
    }
    let schema = Schema::new(columns.iter().map(Column::field).collect())?;
    let arrays = columns.into_iter().map(Column::into_array).collect::<Result<Vec<_>>>()?;
    batch(&schema, arrays, rows)
}

/// A batch as columns. Numbers are moved where nobody else holds the batch.
pub fn from_batch(batch: RecordBatch) -> Result<Vec<Column>> {
    let (schema, arrays, _) = batch.into_parts();
    let columns = schema.fields().iter().zip(arrays);
    columns.map(|(field, array)| Column::from_array(field.name(), array)).collect()
}

/// Puts arrays of the schema's types together.
pub(crate) fn batch(schema: &Schema, arrays: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(schema.to_arrow(), arrays, &options)?)
}

/// Casts an array; a value that doesn't fit (a text that is no number, an
/// integer beyond 64 bits) is an error, never a silent null.
pub(crate) fn cast_to(name: &str, array: &ArrayRef, to: ColumnType) -> Result<ArrayRef> {
    let target = to.to_arrow();
    if *array.data_type() == target {
        return Ok(array.clone());
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(array, &target, &options).map_err(|error| Error::Type {
        column: name.to_owned(),
        found: format!("{} ({error})", array.data_type()),
        expected: to,
        row: None,
    })
}

/// A batch with exactly the columns of `schema`, in its order and types: a
/// missing column becomes nulls, a narrower type is widened, other columns are
/// left out.
pub(crate) fn conform(data: &RecordBatch, schema: &Schema) -> Result<RecordBatch> {
    let rows = data.num_rows();
    let arrays = schema.fields.iter().map(|field| {
        let array = match data.column_by_name(&field.name) {
            Some(array) => cast_to(&field.name, array, field.r#type)?,
            None => new_null_array(&field.r#type.to_arrow(), rows),
        };
        if !field.nullable && array.null_count() > 0 {
            let row = (0..rows).find(|row| array.is_null(*row)).and_then(|row| u64::try_from(row).ok());
            return Err(Error::Type {
                column: field.name.clone(),
                found: "null".into(),
                expected: field.r#type,
                row,
            });
        }
        Ok(array)
    });
    let arrays = arrays.collect::<Result<Vec<_>>>()?;
    batch(schema, arrays, rows)
}

/// One cell of an array of one of the five types; null past the end.
pub(crate) fn cell(array: &ArrayRef, row: usize) -> Value {
    if row >= array.len() || array.is_null(row) {
        return Value::Null;
    }
    if let Some(array) = array.as_primitive_opt::<Float64Type>() {
        Value::F64(array.value(row))
    } else if let Some(array) = array.as_primitive_opt::<Int64Type>() {
        Value::S64(array.value(row))
    } else if let Some(array) = array.as_primitive_opt::<TimestampMicrosecondType>() {
        Value::Timestamp(Timestamp::from_micros(array.value(row)))
    } else if let Some(array) = array.as_boolean_opt() {
        Value::Boolean(array.value(row))
    } else if let Some(array) = array.as_string_opt::<i32>() {
        Value::Utf8(array.value(row).to_owned())
    } else {
        Value::Null
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn columns() -> Vec<Column> {
        vec![
            Column::new("f", Values::F64(vec![1.5, f64::INFINITY, 2.0])),
            Column {
                validity: Some(vec![true, false, true]),
                ..Column::new("i", Values::S64(vec![1, 0, -3]))
            },
            Column::new("b", Values::Boolean(vec![true, false, true])),
            Column {
                validity: Some(vec![false, true, true]),
                ..Column::new("s", Values::Utf8(vec![String::new(), "ü".into(), "z".into()]))
            },
            Column::new("t", Values::Timestamp(vec![0, 1, i64::MAX])),
        ]
    }

    #[test]
    fn columns_survive_the_way_to_arrow_and_back() {
        let batch = to_batch(columns()).unwrap();
        assert_eq!(batch.num_rows(), 3);
        assert_eq!(cell(batch.column(1), 1), Value::Null);
        assert_eq!(from_batch(batch).unwrap(), columns());
    }

    #[test]
    fn numbers_are_moved_not_copied() {
        let values = vec![1.0; 10_000];
        let address = values.as_ptr();
        let batch = to_batch(vec![Column::new("x", Values::F64(values))]).unwrap();
        let Values::F64(back) = from_batch(batch).unwrap().remove(0).values else { panic!() };
        assert_eq!(back.as_ptr(), address);
    }

    #[test]
    fn unequal_lengths_and_names_twice_are_refused() {
        let mut uneven = columns();
        uneven.push(Column::new("short", Values::S64(vec![1])));
        assert!(to_batch(uneven).unwrap_err().to_string().contains("\"short\" has 1 rows"));
        let mut twice = columns();
        twice.push(Column::new("f", Values::S64(vec![1, 2, 3])));
        assert!(to_batch(twice).unwrap_err().to_string().contains("\"f\""));
        let validity = Column { validity: Some(vec![true]), ..Column::new("v", Values::S64(vec![1, 2])) };
        assert!(to_batch(vec![validity]).unwrap_err().to_string().contains("validity"));
    }

    #[test]
    fn conforming_widens_fills_and_refuses_what_does_not_fit() {
        let batch = to_batch(columns()).unwrap();
        let wide = Schema::new(vec![
            Field::new("i", ColumnType::F64),
            Field::new("new", ColumnType::Utf8),
            Field::new("b", ColumnType::S64),
            Field::new("t", ColumnType::Utf8),
        ])
        .unwrap();
        let first = from_batch(conform(&batch.slice(0, 2), &wide).unwrap()).unwrap();
        assert_eq!(first[0].value(0), Value::F64(1.0));
        assert_eq!(first[0].value(1), Value::Null);
        assert_eq!(first[1].value(0), Value::Null);
        assert_eq!(first[2].value(0), Value::S64(1));
        assert!(first[3].value(0).as_str().unwrap().starts_with("1970-01-01T00:00:00"));
        let strict = Schema::new(vec![Field::required("i", ColumnType::S64)]).unwrap();
        let error = conform(&batch, &strict).unwrap_err();
        assert!(matches!(&error, Error::Type { column, row: Some(1), .. } if column == "i"), "{error}");
        let narrow = Schema::new(vec![Field::new("s", ColumnType::F64)]).unwrap();
        assert!(matches!(conform(&batch, &narrow), Err(Error::Type { .. })));
    }

    #[test]
    fn mixed_values_become_the_narrowest_common_type() {
        let column = Column::from_values("x", &[1i64.into(), Value::Null, 2.5.into()]);
        assert_eq!(column.values.column_type(), ColumnType::F64);
        assert_eq!(column.value(1), Value::Null);
        let text = Column::from_values("x", &[1i64.into(), "a".into()]);
        assert_eq!(text.value(0), Value::from("1"));
    }
}
