use arrow::{
    array::{Array, ArrayRef, BooleanArray, RecordBatch, Scalar},
    buffer::BooleanBuffer,
    compute::{
        and, filter_record_batch,
        kernels::cmp::{eq, gt_eq, lt},
    },
};
use modelyard_clock::Timestamp;
use parquet::file::{metadata::RowGroupMetaData, statistics::Statistics};
use serde::{Deserialize, Serialize};

use crate::{Column, ColumnType, Error, Result, Schema, Value, Values};

/// Rows whose timestamp lies in [from, to).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeRange {
    /// A column of timestamps; a row where it is null is left out.
    pub column: String,
    /// The first moment that is in; none: from the beginning.
    pub from: Option<Timestamp>,
    /// The first moment that is out; none: to the end.
    pub to: Option<Timestamp>,
}

/// Which rows a scan keeps.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) range: Option<TimeRange>,
    /// Rows where each column equals its value (null equals null).
    pub(crate) equals: Vec<(String, Value)>,
    /// Rows other than those where the column equals the value.
    pub(crate) except: Option<(String, Value)>,
}

impl Filter {
    pub(crate) fn is_empty(&self) -> bool {
        self.range.is_none() && self.equals.is_empty() && self.except.is_none()
    }

    /// The columns that it looks at.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &String> {
        let range = self.range.iter().map(|range| &range.column);
        range.chain(self.equals.iter().chain(&self.except).map(|(column, _)| column))
    }

    /// Whether the columns are there and of the right type.
    pub(crate) fn check(&self, schema: &Schema) -> Result<()> {
        for name in self.columns() {
            if schema.field(name).is_none() {
                return Err(Error::no_column(name, "to filter by", schema.names()));
            }
        }
        let range = self.range.as_ref().and_then(|range| schema.field(&range.column));
        match range.filter(|field| field.r#type != ColumnType::Timestamp) {
            Some(field) => Err(Error::Type {
                column: field.name.clone(),
                found: field.r#type.to_string(),
                expected: ColumnType::Timestamp,
                row: None,
            }),
            None => Ok(()),
        }
    }

    /// The rows of a batch that are kept.
    pub(crate) fn apply(&self, batch: RecordBatch) -> Result<RecordBatch> {
        let mut keep: Option<BooleanArray> = None;
        let mut narrow = |mask: BooleanArray| {
            keep = Some(match &keep {
                Some(keep) => and(keep, &mask)?,
                None => mask,
            });
            Ok::<_, Error>(())
        };
        if let Some(range) = &self.range {
            let array = column(&batch, &range.column)?;
            if let Some(from) = range.from {
                narrow(gt_eq(array, &moment(from)?)?)?;
            }
            if let Some(to) = range.to {
                narrow(lt(array, &moment(to)?)?)?;
            }
            if range.from.is_none() && range.to.is_none() {
                narrow(definite(&arrow::compute::is_not_null(array)?, false))?;
            }
        }
        for (name, value) in &self.equals {
            narrow(equal(column(&batch, name)?, value)?)?;
        }
        if let Some((name, value)) = &self.except {
            narrow(definite(&equal(column(&batch, name)?, value)?, true))?;
        }
        match keep {
            Some(keep) if keep.true_count() == batch.num_rows() => Ok(batch),
            Some(keep) => Ok(filter_record_batch(&batch, &keep)?),
            None => Ok(batch),
        }
    }

    /// Whether a row group may hold rows that are kept, by its statistics.
    pub(crate) fn may_match(&self, group: &RowGroupMetaData) -> bool {
        let Some(range) = &self.range else { return true };
        let chunk = group
            .columns()
            .iter()
            .find(|chunk| matches!(chunk.column_path().parts(), [only] if *only == range.column));
        let Some(Statistics::Int64(stats)) = chunk.and_then(|chunk| chunk.statistics()) else { return true };
        let (Some(min), Some(max)) = (stats.min_opt(), stats.max_opt()) else { return true };
        range.from.is_none_or(|from| *max >= from.micros()) && range.to.is_none_or(|to| *min < to.micros())
    }
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef> {
    batch.column_by_name(name).ok_or_else(|| Error::no_column(name, "to filter by", []))
}

fn moment(at: Timestamp) -> Result<Scalar<ArrayRef>> {
    Ok(Scalar::new(Column::new("", Values::Timestamp(vec![at.micros()])).into_array()?))
}

/// Where the array equals the value; a value that the column's type can't hold
/// equals nothing.
fn equal(array: &ArrayRef, value: &Value) -> Result<BooleanArray> {
    if value.is_null() {
        return Ok(arrow::compute::is_null(array)?);
    }
    let wanted = ColumnType::from_arrow(array.data_type()).and_then(|t| value.cast(t));
    let Some(wanted) = wanted else {
        return Ok(BooleanArray::new(BooleanBuffer::new_unset(array.len()), None));
    };
    let wanted = Scalar::new(Column::from_values("", &[wanted]).into_array()?);
    Ok(eq(array, &wanted)?)
}

/// A mask without nulls: null counts as false; inverted if asked.
fn definite(mask: &BooleanArray, invert: bool) -> BooleanArray {
    mask.iter().map(|value| Some(value.unwrap_or(false) != invert)).collect()
}
