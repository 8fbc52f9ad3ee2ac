//! A model's tensors by its signature: the columns that they are made of, and
//! making them.
//!
//! A tensor of shape `[n]` or `[n, 1]` is one column of its name. One of more
//! elements to a row is a column for each: `<name>_0`, `<name>_1` …, row-major,
//! as the prediction log names them.

use std::{collections::HashMap, mem::discriminant};

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

/// Gives tensors of one value to a row the rank that a model takes: `[n]` and
/// `[n, 1]` are the same values, and both are sent.
pub(crate) fn reshape(tensors: &mut [Tensor], specs: &[TensorSpec]) {
    for (at, tensor) in tensors.iter_mut().enumerate() {
        // Most callers keep the model's order.
        let same = specs.get(at).filter(|spec| spec.name == tensor.name);
        let spec = same.or_else(|| specs.iter().find(|spec| spec.name == tensor.name));
        match (tensor.shape.as_slice(), spec.map(|spec| spec.shape.as_slice())) {
            ([_, 1], Some([_])) => tensor.shape.truncate(1),
            ([_], Some([_, 1 | -1])) => tensor.shape.push(1),
            _ => {}
        }
    }
}

/// Whether tensors of two calls can be put one below the other: of the same
/// names, datatypes and row shapes, in the same order.
pub(crate) fn fit_together(above: &[Tensor], below: &[Tensor]) -> bool {
    let fits = |(above, below): (&Tensor, &Tensor)| {
        above.name == below.name
            && discriminant(&above.data) == discriminant(&below.data)
            && above.shape.get(1..) == below.shape.get(1..)
    };
    above.len() == below.len() && above.iter().zip(below).all(fits)
}

/// The tensors of several calls one below the other; they fit together.
pub(crate) fn merge<'a>(calls: impl Iterator<Item = &'a [Tensor]>) -> Vec<Tensor> {
    let mut merged: Vec<Tensor> = Vec::new();
    for call in calls {
        if merged.is_empty() {
            merged = call.to_vec();
            continue;
        }
        for (whole, part) in merged.iter_mut().zip(call) {
            if let (Some(rows), Some(more)) = (whole.shape.first_mut(), part.shape.first()) {
                *rows += more;
            }
            append(&mut whole.data, &part.data);
        }
    }
    merged
}

/// Each call's rows of merged tensors; none if the rows are not as many as the
/// calls have.
pub(crate) fn split(merged: Vec<Tensor>, rows: &[usize]) -> Option<Vec<Vec<Tensor>>> {
    let mut calls: Vec<Vec<Tensor>> = rows.iter().map(|_| Vec::with_capacity(merged.len())).collect();
    let total: usize = rows.iter().sum();
    for tensor in merged {
        let Tensor { name, shape, mut data } = tensor;
        let width = width(&shape)?;
        if *shape.first()? != i64::try_from(total).ok()? || check::elements(&data).0 != total * width {
            return None;
        }
        // From the end, so that each cut moves only its own rows.
        for (rows, call) in rows.iter().zip(&mut calls).rev() {
            let at = check::elements(&data).0 - rows * width;
            let mut shape = shape.clone();
            *shape.first_mut()? = i64::try_from(*rows).ok()?;
            call.push(Tensor { name: name.clone(), shape, data: split_off(&mut data, at) });
        }
    }
    Some(calls)
}

/// One arm for each datatype, `$values` bound to its elements.
macro_rules! each_datatype {
    ($data:expr, $values:ident => $do:expr) => {
        match $data {
            TensorData::Bool($values) => TensorData::Bool($do),
            TensorData::Uint8($values) => TensorData::Uint8($do),
            TensorData::Uint16($values) => TensorData::Uint16($do),
            TensorData::Uint32($values) => TensorData::Uint32($do),
            TensorData::Uint64($values) => TensorData::Uint64($do),
            TensorData::Int8($values) => TensorData::Int8($do),
            TensorData::Int16($values) => TensorData::Int16($do),
            TensorData::Int32($values) => TensorData::Int32($do),
            TensorData::Int64($values) => TensorData::Int64($do),
            TensorData::Fp32($values) => TensorData::Fp32($do),
            TensorData::Fp64($values) => TensorData::Fp64($do),
            TensorData::Bytes($values) => TensorData::Bytes($do),
        }
    };
}

fn split_off(data: &mut TensorData, at: usize) -> TensorData {
    each_datatype!(data, values => values.split_off(at))
}

fn append(whole: &mut TensorData, part: &TensorData) {
    match (whole, part) {
        (TensorData::Bool(whole), TensorData::Bool(part)) => whole.extend(part),
        (TensorData::Uint8(whole), TensorData::Uint8(part)) => whole.extend(part),
        (TensorData::Uint16(whole), TensorData::Uint16(part)) => whole.extend(part),
        (TensorData::Uint32(whole), TensorData::Uint32(part)) => whole.extend(part),
        (TensorData::Uint64(whole), TensorData::Uint64(part)) => whole.extend(part),
        (TensorData::Int8(whole), TensorData::Int8(part)) => whole.extend(part),
        (TensorData::Int16(whole), TensorData::Int16(part)) => whole.extend(part),
        (TensorData::Int32(whole), TensorData::Int32(part)) => whole.extend(part),
        (TensorData::Int64(whole), TensorData::Int64(part)) => whole.extend(part),
        (TensorData::Fp32(whole), TensorData::Fp32(part)) => whole.extend(part),
        (TensorData::Fp64(whole), TensorData::Fp64(part)) => whole.extend(part),
        (TensorData::Bytes(whole), TensorData::Bytes(part)) => whole.extend_from_slice(part),
        // Tensors that fit together are of one datatype.
        _ => {}
    }
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
    fn one_value_to_a_row_has_the_rank_that_the_model_takes() {
        let specs = [
            spec("flat", Datatype::Fp64, &[-1]),
            spec("column", Datatype::Fp64, &[-1, 1]),
            spec("open", Datatype::Fp64, &[-1, -1]),
            spec("wide", Datatype::Fp64, &[-1, 2]),
        ];
        let tensor = |name: &str, shape: &[i64]| Tensor {
            name: name.into(),
            shape: shape.to_vec(),
            data: TensorData::Fp64(vec![0.5; 4]),
        };
        for (name, given, wanted) in [
            ("flat", &[4, 1][..], &[4][..]),
            ("flat", &[4], &[4]),
            ("flat", &[2, 2], &[2, 2]),
            ("flat", &[1, 4], &[1, 4]),
            ("flat", &[4, 1, 1], &[4, 1, 1]),
            ("column", &[4], &[4, 1]),
            ("column", &[4, 1], &[4, 1]),
            ("open", &[4], &[4, 1]),
            ("wide", &[4], &[4]),
            ("nobody", &[4, 1], &[4, 1]),
        ] {
            let mut tensors = [tensor(name, given)];
            reshape(&mut tensors, &specs);
            assert_eq!(tensors[0], tensor(name, wanted), "{name} {given:?}");
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
