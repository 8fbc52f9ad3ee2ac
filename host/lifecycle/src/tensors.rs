//! A model's tensors by its signature: the columns that they are made of, and
//! making them.
//!
//! A tensor of shape `[n]` or `[n, 1]` is one column of its name. One of more
//! elements to a row is a column for each: `<name>_0`, `<name>_1` …, row-major,
//! as the prediction log names them.

use std::collections::HashMap;

use modelyard_runtime::{
    check,
    types::{ColumnType, Datatype, Field, Table, Tensor, TensorData, TensorSpec},
};
use modelyard_tables::Schema;

use crate::{Error, Result, columns};

/// The most elements of a row that are told apart as columns. What is wider, an
/// image for instance, has no columns.
pub(crate) const MAX_WIDTH: usize = 4096;

/// Whole numbers up to here are exact as doubles.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The elements of one row of a tensor; none for a dimension of any size.
pub(crate) fn width(shape: &[i64]) -> Option<usize> {
    shape.iter().skip(1).try_fold(1, |width: usize, size| width.checked_mul(usize::try_from(*size).ok()?))
}

/// The columns that a model's inputs are made of.
///
/// # Errors
/// Two columns of one name.
pub(crate) fn schema(specs: &[TensorSpec]) -> Result<Schema> {
    let mut fields = Vec::new();
    for spec in specs {
        let field = |name: String| Field {
            name,
            type_: match spec.datatype {
                Datatype::Fp32 | Datatype::Fp64 => ColumnType::F64,
                Datatype::Bool => ColumnType::Boolean,
                Datatype::Bytes => ColumnType::Utf8,
                _ => ColumnType::S64,
            },
            nullable: matches!(spec.datatype, Datatype::Fp32 | Datatype::Fp64 | Datatype::Bytes),
        };
        match width(&spec.shape) {
            Some(1) => fields.push(field(spec.name.clone())),
            Some(width @ ..=MAX_WIDTH) => {
                fields.extend((0..width).map(|at| field(format!("{}_{at}", spec.name))))
            }
            _ => {}
        }
    }
    columns::to_schema(&fields)
}

/// Columns as the tensors that a model takes: of its shapes, and of its
/// datatypes where no value changes by that.
///
/// # Errors
/// Names the column that is missing.
pub(crate) fn from_table(table: Table, specs: &[TensorSpec]) -> Result<Vec<Tensor>> {
    let given = columns::to_tensors(table);
    let is = |(tensor, spec): (&Tensor, &TensorSpec)| {
        let (_, datatype) = check::elements(&tensor.data);
        tensor.name == spec.name && datatype == spec.datatype && spec.shape.len() == 1
    };
    if given.len() == specs.len() && given.iter().zip(specs).all(is) {
        return Ok(given);
    }
    let mut given: HashMap<String, Tensor> =
        given.into_iter().map(|tensor| (tensor.name.clone(), tensor)).collect();
    specs.iter().map(|spec| one(spec, &mut given)).collect()
}

/// Tensors of the datatypes that a model takes, where no value changes by that.
pub(crate) fn cast_all(tensors: Vec<Tensor>, specs: &[TensorSpec]) -> Vec<Tensor> {
    let cast = |tensor: Tensor| match specs.iter().find(|spec| spec.name == tensor.name) {
        Some(spec) => Tensor { data: cast(tensor.data, spec.datatype), ..tensor },
        None => tensor,
    };
    tensors.into_iter().map(cast).collect()
}

fn one(spec: &TensorSpec, given: &mut HashMap<String, Tensor>) -> Result<Tensor> {
    let missing = |name: &str| {
        let mut error = Error::invalid(format!("the column {name:?} is missing"));
        error.location.column = Some(name.to_owned());
        error
    };
    let sizes = spec.shape.get(1..).unwrap_or_default();
    let (rows, data) = match width(&spec.shape) {
        Some(1) => {
            let tensor = given.remove(&spec.name).ok_or_else(|| missing(&spec.name))?;
            (tensor.shape.first().copied().unwrap_or_default(), tensor.data)
        }
        Some(width @ ..=MAX_WIDTH) if spec.datatype != Datatype::Bytes => {
            let mut parts = Vec::with_capacity(width);
            for at in 0..width {
                let name = format!("{}_{at}", spec.name);
                parts.push(columns::floats(&given.remove(&name).ok_or_else(|| missing(&name))?.data));
            }
            let rows = parts.first().map_or(0, Vec::len);
            let row = |row: usize| parts.iter().filter_map(move |part| part.get(row).copied());
            let values = (0..rows).flat_map(row).collect();
            (i64::try_from(rows).unwrap_or(i64::MAX), TensorData::Fp64(values))
        }
        _ => {
            let mut error = Error::invalid(format!(
                "the input {:?} of the shape {:?} can't be made of columns; send it as a tensor",
                spec.name, spec.shape
            ));
            error.location.column = Some(spec.name.clone());
            return Err(error);
        }
    };
    let shape = std::iter::once(rows).chain(sizes.iter().copied()).collect();
    Ok(Tensor { name: spec.name.clone(), shape, data: cast(data, spec.datatype) })
}

/// The same numbers as another datatype; as they are where one would change
/// (beyond the rounding of FP32), so that the model's check names them.
fn cast(data: TensorData, to: Datatype) -> TensorData {
    let (_, from) = check::elements(&data);
    if from == to || from == Datatype::Bytes {
        return data;
    }
    let numbers = columns::floats(&data);
    let cast = match to {
        Datatype::Fp64 => Some(TensorData::Fp64(numbers)),
        Datatype::Fp32 => Some(TensorData::Fp32(numbers.iter().map(|number| *number as f32).collect())),
        Datatype::Bool => whole::<u8>(&numbers)
            .filter(|numbers| numbers.iter().all(|number| *number < 2))
            .map(|numbers| TensorData::Bool(numbers.iter().map(|number| *number == 1).collect())),
        Datatype::Uint8 => whole(&numbers).map(TensorData::Uint8),
        Datatype::Uint16 => whole(&numbers).map(TensorData::Uint16),
        Datatype::Uint32 => whole(&numbers).map(TensorData::Uint32),
        Datatype::Uint64 => whole(&numbers).map(TensorData::Uint64),
        Datatype::Int8 => whole(&numbers).map(TensorData::Int8),
        Datatype::Int16 => whole(&numbers).map(TensorData::Int16),
        Datatype::Int32 => whole(&numbers).map(TensorData::Int32),
        Datatype::Int64 => whole(&numbers).map(TensorData::Int64),
        Datatype::Bytes => None,
    };
    cast.unwrap_or(data)
}

/// The numbers as integers, if each is one and fits.
fn whole<T: TryFrom<i64>>(numbers: &[f64]) -> Option<Vec<T>> {
    let integer = |number: &f64| {
        (number.fract() == 0.0 && number.abs() <= EXACT).then(|| T::try_from(*number as i64).ok()).flatten()
    };
    numbers.iter().map(integer).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use modelyard_runtime::types::{Column, ColumnData};

    use super::*;

    fn spec(name: &str, datatype: Datatype, shape: &[i64]) -> TensorSpec {
        TensorSpec { name: name.into(), datatype, shape: shape.to_vec(), labels: vec![] }
    }

    fn column(name: &str, data: ColumnData) -> Column {
        Column { name: name.into(), data, validity: None }
    }

    #[test]
    fn a_wide_input_is_a_column_for_each_element() {
        let specs = [
            spec("x", Datatype::Fp32, &[-1, 3]),
            spec("y", Datatype::Int64, &[-1]),
            spec("image", Datatype::Fp32, &[-1, 3, 224, 224]),
            spec("any", Datatype::Fp32, &[-1, -1]),
        ];
        let schema = schema(&specs).unwrap();
        assert_eq!(schema.names().collect::<Vec<_>>(), ["x_0", "x_1", "x_2", "y"]);

        let table = vec![
            column("y", ColumnData::F64(vec![7.0, 8.0])),
            column("x_1", ColumnData::F64(vec![2.0, 5.0])),
            column("x_0", ColumnData::S64(vec![1, 4])),
            column("x_2", ColumnData::F64(vec![f64::NAN, 0.5])),
        ];
        let tensors = from_table(table.clone(), &specs[..2]).unwrap();
        assert_eq!((tensors[0].name.as_str(), &tensors[0].shape), ("x", &vec![2, 3]));
        let TensorData::Fp32(x) = &tensors[0].data else { unreachable!("{:?}", tensors[0]) };
        assert_eq!((&x[..2], x[2].is_nan(), &x[3..]), (&[1.0, 2.0][..], true, &[4.0, 5.0, 0.5][..]));
        assert_eq!(tensors[1].data, TensorData::Int64(vec![7, 8]));
        assert_eq!(check::inputs(&signature(&specs[..2]), &tensors), Ok(()));

        let error = from_table(table[..3].to_vec(), &specs[..1]).unwrap_err();
        assert_eq!(error.location.column.as_deref(), Some("x_2"));
        let error = from_table(table, &specs[2..3]).unwrap_err();
        assert_eq!(error.location.column.as_deref(), Some("image"));
    }

    fn signature(inputs: &[TensorSpec]) -> modelyard_runtime::types::Signature {
        modelyard_runtime::types::Signature { inputs: inputs.to_vec(), outputs: vec![] }
    }

    #[test]
    fn no_value_changes_with_its_datatype() {
        let doubles = |values: &[f64]| TensorData::Fp64(values.to_vec());
        assert_eq!(cast(doubles(&[1.0, 255.0]), Datatype::Uint8), TensorData::Uint8(vec![1, 255]));
        assert_eq!(cast(doubles(&[1.0, 0.0]), Datatype::Bool), TensorData::Bool(vec![true, false]));
        assert_eq!(
            cast(TensorData::Int64(vec![i64::MAX]), Datatype::Int64),
            TensorData::Int64(vec![i64::MAX])
        );
        for (values, to) in [
            (doubles(&[256.0]), Datatype::Uint8),
            (doubles(&[0.5]), Datatype::Int64),
            (doubles(&[f64::INFINITY]), Datatype::Int64),
            (doubles(&[2.0]), Datatype::Bool),
            (doubles(&[-1.0]), Datatype::Uint64),
            (doubles(&[1.0]), Datatype::Bytes),
            (TensorData::Bytes(vec![b"a".to_vec()]), Datatype::Fp32),
        ] {
            assert_eq!(cast(values.clone(), to), values);
        }
    }

    #[test]
    fn widths_are_counted_without_overflow() {
        assert_eq!(width(&[-1]), Some(1));
        assert_eq!(width(&[-1, 2, 3]), Some(6));
        assert_eq!(width(&[-1, -1]), None);
        assert_eq!(width(&[1, i64::MAX, 4]), None);
        assert_eq!(width(&[5, 0]), Some(0));
    }
}
