//! Tensors: made from native arrays, found by name, read as doubles, rows or
//! columns.

use std::borrow::Cow;

use crate::{Column, Datatype, Error, Numbers, Result, Table, Tensor, TensorData, TensorSpec};

impl Tensor {
    /// A tensor; the product of `shape` must be the number of elements, which
    /// [`check`](Self::check) tests.
    pub fn new(name: impl Into<String>, shape: impl Into<Vec<i64>>, data: TensorData) -> Tensor {
        Tensor { name: name.into(), shape: shape.into(), data }
    }

    /// A tensor of doubles.
    pub fn fp64(name: impl Into<String>, shape: impl Into<Vec<i64>>, values: Vec<f64>) -> Tensor {
        Tensor::new(name, shape, TensorData::Fp64(values))
    }

    /// A tensor of 64-bit integers.
    pub fn int64(name: impl Into<String>, shape: impl Into<Vec<i64>>, values: Vec<i64>) -> Tensor {
        Tensor::new(name, shape, TensorData::Int64(values))
    }

    /// One double per row: shape `[rows]`.
    pub fn vector(name: impl Into<String>, values: Vec<f64>) -> Tensor {
        Tensor::fp64(name, [values.len() as i64], values)
    }

    /// One text per row: shape `[rows]`.
    pub fn text<S: Into<String>>(name: impl Into<String>, values: impl IntoIterator<Item = S>) -> Tensor {
        let values: Vec<Vec<u8>> = values.into_iter().map(|value| value.into().into_bytes()).collect();
        Tensor::new(name, [values.len() as i64], TensorData::Bytes(values))
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first dimension: the number of rows of the batch. 0 without one.
    pub fn rows(&self) -> usize {
        self.shape.first().map_or(0, |&rows| usize::try_from(rows).unwrap_or(0))
    }

    /// The elements per row: the product of all dimensions but the first.
    pub fn width(&self) -> usize {
        self.shape
            .iter()
            .skip(1)
            .try_fold(1usize, |product, &n| product.checked_mul(usize::try_from(n).ok()?))
            .unwrap_or(0)
    }

    /// Whether the shape has at least one dimension, none is negative, and their
    /// product is the number of elements.
    pub fn check(&self) -> Result<()> {
        let elements =
            self.shape.iter().try_fold(1usize, |product, &n| product.checked_mul(usize::try_from(n).ok()?));
        if self.shape.is_empty() || elements != Some(self.len()) {
            return Err(Error::column(
                &self.name,
                format!("has shape {:?} and {} elements", self.shape, self.len()),
            ));
        }
        Ok(())
    }

    /// The elements as doubles in row-major order: true is 1, false is 0.
    /// `bytes` is `invalid-input`.
    pub fn numbers(&self) -> Result<Numbers<'_>> {
        Ok(match &self.data {
            TensorData::Fp64(values) => Cow::Borrowed(values),
            TensorData::Fp32(values) => values.iter().map(|&v| f64::from(v)).collect(),
            TensorData::Int64(values) => values.iter().map(|&v| v as f64).collect(),
            TensorData::Int32(values) => values.iter().map(|&v| f64::from(v)).collect(),
            TensorData::Int16(values) => values.iter().map(|&v| f64::from(v)).collect(),
            TensorData::Int8(values) => values.iter().map(|&v| f64::from(v)).collect(),
            TensorData::Uint64(values) => values.iter().map(|&v| v as f64).collect(),
            TensorData::Uint32(values) => values.iter().map(|&v| f64::from(v)).collect(),
            TensorData::Uint16(values) => values.iter().map(|&v| f64::from(v)).collect(),
            TensorData::Uint8(values) => values.iter().map(|&v| f64::from(v)).collect(),
            TensorData::Bool(values) => values.iter().map(|&v| f64::from(u8::from(v))).collect(),
            TensorData::Bytes(_) => {
                return Err(Error::column(&self.name, "holds bytes, and numbers are needed here"));
            }
        })
    }

    /// The elements as texts; another datatype, or bytes that are not UTF-8, is
    /// `invalid-input`.
    pub fn texts(&self) -> Result<Vec<&str>> {
        let TensorData::Bytes(values) = &self.data else {
            return Err(Error::column(
                &self.name,
                format!("holds {}, and bytes are needed here", self.data.datatype().name()),
            ));
        };
        let text = |(row, bytes): (usize, &'_ Vec<u8>)| match std::str::from_utf8(bytes) {
            Ok(_) => Ok(()),
            Err(_) => Err(Error::column(&self.name, "is not UTF-8").at_row(row as u64)),
        };
        values.iter().enumerate().try_for_each(text)?;
        Ok(values.iter().filter_map(|bytes| std::str::from_utf8(bytes).ok()).collect())
    }

    /// The tensor as a column, for one value per row: integers as `s64`, floats
    /// as `f64`, bytes as `utf8`.
    pub fn to_column(&self) -> Result<Column> {
        self.check()?;
        if self.width() != 1 {
            return Err(Error::column(
                &self.name,
                format!("has shape {:?}; one value per row is needed: [-1] or [-1, 1]", self.shape),
            ));
        }
        let integers = |values: Vec<i64>| Column::s64(&self.name, values);
        Ok(match &self.data {
            TensorData::Bool(values) => Column::boolean(&self.name, values.clone()),
            TensorData::Bytes(_) => Column::utf8(&self.name, self.texts()?),
            TensorData::Fp64(_) | TensorData::Fp32(_) => {
                Column::f64(&self.name, self.numbers()?.into_owned())
            }
            TensorData::Int64(values) => integers(values.clone()),
            TensorData::Int32(values) => integers(values.iter().map(|&v| i64::from(v)).collect()),
            TensorData::Int16(values) => integers(values.iter().map(|&v| i64::from(v)).collect()),
            TensorData::Int8(values) => integers(values.iter().map(|&v| i64::from(v)).collect()),
            TensorData::Uint32(values) => integers(values.iter().map(|&v| i64::from(v)).collect()),
            TensorData::Uint16(values) => integers(values.iter().map(|&v| i64::from(v)).collect()),
            TensorData::Uint8(values) => integers(values.iter().map(|&v| i64::from(v)).collect()),
            TensorData::Uint64(values) => {
                let whole: std::result::Result<Vec<i64>, _> =
                    values.iter().map(|&v| i64::try_from(v)).collect();
                integers(whole.map_err(|_| Error::column(&self.name, "has values past 2^63"))?)
            }
        })
    }

    /// What the tensor is, with the first dimension open.
    pub fn spec(&self) -> TensorSpec {
        let mut shape = self.shape.clone();
        if let Some(first) = shape.first_mut() {
            *first = -1;
        }
        TensorSpec::new(&self.name, self.data.datatype(), shape)
    }
}

impl TensorData {
    /// The number of elements.
    pub fn len(&self) -> usize {
        match self {
            TensorData::Bool(v) => v.len(),
            TensorData::Uint8(v) => v.len(),
            TensorData::Uint16(v) => v.len(),
            TensorData::Uint32(v) => v.len(),
            TensorData::Uint64(v) => v.len(),
            TensorData::Int8(v) => v.len(),
            TensorData::Int16(v) => v.len(),
            TensorData::Int32(v) => v.len(),
            TensorData::Int64(v) => v.len(),
            TensorData::Fp32(v) => v.len(),
            TensorData::Fp64(v) => v.len(),
            TensorData::Bytes(v) => v.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The type of the elements.
    pub fn datatype(&self) -> Datatype {
        match self {
            TensorData::Bool(_) => Datatype::Bool,
            TensorData::Uint8(_) => Datatype::Uint8,
            TensorData::Uint16(_) => Datatype::Uint16,
            TensorData::Uint32(_) => Datatype::Uint32,
            TensorData::Uint64(_) => Datatype::Uint64,
            TensorData::Int8(_) => Datatype::Int8,
            TensorData::Int16(_) => Datatype::Int16,
            TensorData::Int32(_) => Datatype::Int32,
            TensorData::Int64(_) => Datatype::Int64,
            TensorData::Fp32(_) => Datatype::Fp32,
            TensorData::Fp64(_) => Datatype::Fp64,
            TensorData::Bytes(_) => Datatype::Bytes,
        }
    }
}

impl Datatype {
    /// The name that the Open Inference Protocol gives it: `FP64`, `BYTES`.
    pub fn name(self) -> &'static str {
        match self {
            Datatype::Bool => "BOOL",
            Datatype::Uint8 => "UINT8",
            Datatype::Uint16 => "UINT16",
            Datatype::Uint32 => "UINT32",
            Datatype::Uint64 => "UINT64",
            Datatype::Int8 => "INT8",
            Datatype::Int16 => "INT16",
            Datatype::Int32 => "INT32",
            Datatype::Int64 => "INT64",
            Datatype::Fp32 => "FP32",
            Datatype::Fp64 => "FP64",
            Datatype::Bytes => "BYTES",
        }
    }
}

/// What a model's inputs can be asked.
pub trait Inputs {
    /// The tensor of that name, with a shape that fits its data; `invalid-input`
    /// names it where it is missing.
    fn named(&self, name: &str) -> Result<&Tensor>;

    /// The rows of the batch: the first dimension, the same for every tensor.
    fn rows(&self) -> Result<usize>;

    /// Every tensor as a column, one value per row.
    fn table(&self) -> Result<Table>;

    /// The named tensors side by side as rows of doubles. A tensor `[-1, n]`
    /// gives n values of a row.
    fn matrix<S: AsRef<str>>(&self, names: &[S]) -> Result<Matrix>;
}

impl Inputs for [Tensor] {
    fn named(&self, name: &str) -> Result<&Tensor> {
        let Some(tensor) = self.iter().find(|tensor| tensor.name == name) else {
            let there: Vec<&str> = self.iter().take(20).map(|tensor| tensor.name.as_str()).collect();
            return Err(Error::column(name, format!("tensor is missing; there are: {}", there.join(", "))));
        };
        tensor.check()?;
        Ok(tensor)
    }

    fn rows(&self) -> Result<usize> {
        let rows = self.first().map_or(0, Tensor::rows);
        match self.iter().find(|tensor| tensor.rows() != rows) {
            Some(other) => Err(Error::column(
                &other.name,
                format!("has {} rows and the first tensor {rows}; they must be equal", other.rows()),
            )),
            None => Ok(rows),
        }
    }

    fn table(&self) -> Result<Table> {
        Table::new(self.iter().map(Tensor::to_column).collect::<Result<Vec<Column>>>()?)
    }

    fn matrix<S: AsRef<str>>(&self, names: &[S]) -> Result<Matrix> {
        let rows = Inputs::rows(self)?;
        let tensors = names.iter().map(|name| self.named(name.as_ref())).collect::<Result<Vec<_>>>()?;
        let width = tensors.iter().map(|tensor| tensor.width()).sum();
        let elements = rows.checked_mul(width).ok_or_else(|| Error::invalid("the inputs are too large"))?;
        if let [tensor] = tensors.as_slice() {
            return Ok(Matrix { width, rows, values: tensor.numbers()?.into_owned() });
        }
        let mut values = vec![0.0; elements];
        let mut offset = 0;
        for tensor in tensors {
            let numbers = tensor.numbers()?;
            let part = tensor.width();
            if part == 0 {
                continue;
            }
            for (to, from) in values.chunks_exact_mut(width).zip(numbers.chunks_exact(part)) {
                if let Some(slot) = to.get_mut(offset..offset + part) {
                    slot.copy_from_slice(from);
                }
            }
            offset += part;
        }
        Ok(Matrix { width, rows, values })
    }
}

/// Rows of doubles of one width, row-major.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matrix {
    width: usize,
    rows: usize,
    values: Vec<f64>,
}

impl Matrix {
    /// Values of rows of a width; a length that is no multiple of it is
    /// `invalid-input`.
    pub fn new(width: usize, values: Vec<f64>) -> Result<Matrix> {
        let rows = values.len().checked_div(width).unwrap_or(0);
        if rows * width != values.len() {
            return Err(Error::invalid(format!("{} values make no whole rows of {width}", values.len())));
        }
        Ok(Matrix { width, rows, values })
    }

    /// Columns of a table side by side, NaN for null.
    pub fn from_table<S: AsRef<str>>(table: &Table, names: &[S]) -> Result<Matrix> {
        let width = names.len();
        let mut values = vec![0.0; table.rows() * width];
        for (at, name) in names.iter().enumerate() {
            let numbers = table.numbers(name.as_ref())?;
            for (to, from) in values.iter_mut().skip(at).step_by(width).zip(numbers.iter()) {
                *to = *from;
            }
        }
        Ok(Matrix { width, rows: table.rows(), values })
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The values per row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// One row; empty where there is none.
    pub fn row(&self, row: usize) -> &[f64] {
        let start = row.saturating_mul(self.width);
        self.values.get(start..start.saturating_add(self.width)).unwrap_or_default()
    }

    /// Every row, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        (0..self.rows).map(|row| self.row(row))
    }

    /// All values, row-major.
    pub fn values(&self) -> &[f64] {
        &self.values
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn shapes_are_checked() {
        assert!(Tensor::fp64("x", [2, 2], vec![0.0; 4]).check().is_ok());
        assert!(Tensor::fp64("x", [0, 2], vec![]).check().is_ok());
        for shape in [vec![], vec![3], vec![-1], vec![i64::MAX, i64::MAX, 4]] {
            let error = Tensor::fp64("x", shape, vec![0.0; 4]).check().unwrap_err();
            assert!(error.message().starts_with("column \"x\": has shape"), "{error}");
        }
    }

    #[test]
    fn inputs_become_rows_in_the_order_of_the_names() {
        let inputs = [
            Tensor::fp64("pair", [2, 2], vec![1.0, 2.0, 3.0, 4.0]),
            Tensor::int64("n", [2], vec![7, 8]),
            Tensor::new("b", [2, 1], TensorData::Bool(vec![true, false])),
        ];
        let matrix = inputs.matrix(&["n", "pair", "b"]).unwrap();
        assert_eq!(matrix.iter().collect::<Vec<_>>(), [[7.0, 1.0, 2.0, 1.0], [8.0, 3.0, 4.0, 0.0]]);
        assert_eq!(inputs.matrix(&["pair"]).unwrap().row(1), [3.0, 4.0]);
        assert_eq!(inputs.matrix::<&str>(&[]).unwrap().rows(), 2);
        let error = inputs.matrix(&["m"]).unwrap_err();
        assert_eq!(error.message(), "column \"m\": tensor is missing; there are: pair, n, b");
    }

    #[test]
    fn unequal_batches_are_refused() {
        let inputs = [Tensor::vector("a", vec![1.0]), Tensor::vector("b", vec![1.0, 2.0])];
        assert!(inputs.matrix(&["a", "b"]).unwrap_err().message().contains("has 2 rows"));
        assert!(inputs.table().is_err());
    }

    #[test]
    fn tensors_become_columns() {
        let inputs = [
            Tensor::text("carrier", ["UA", "AA"]),
            Tensor::new("hour", [2, 1], TensorData::Uint8(vec![5, 6])),
        ];
        let table = inputs.table().unwrap();
        assert_eq!(table.columns()[1].data, crate::ColumnData::S64(vec![5, 6]));
        assert_eq!(table.strings("carrier").unwrap(), vec![Some("UA".into()), Some("AA".into())]);
        let bad = Tensor::new("t", [1], TensorData::Bytes(vec![vec![0xff]]));
        assert!(bad.texts().unwrap_err().message().contains("row 0: is not UTF-8"));
        assert!(Tensor::new("u", [1], TensorData::Uint64(vec![u64::MAX])).to_column().is_err());
    }

    #[test]
    fn matrices_take_tables_without_columns_or_rows() {
        let table = Table::new([Column::f64("a", [1.0, 2.0]), Column::s64("b", [3, 4])]).unwrap();
        assert_eq!(Matrix::from_table(&table, &["b", "a"]).unwrap().row(1), [4.0, 2.0]);
        assert_eq!(Matrix::from_table::<&str>(&table, &[]).unwrap().iter().count(), 2);
        assert!(Matrix::new(2, vec![0.0; 3]).is_err());
        assert!(Matrix::new(0, vec![0.0; 3]).is_err());
    }
}
