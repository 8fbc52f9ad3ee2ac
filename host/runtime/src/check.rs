//! Holds tables, tensors and what plugins measured to the contract: tables and
//! tensors in both directions.

use std::collections::HashSet;

use crate::types::{
    Artifact, Column, ColumnData, ColumnType, Datatype, Evaluation, Field, InvalidInput, Metric, Monitoring,
    Signature, Table, Tensor, TensorData, TensorSpec,
};

/// The number of rows of a column.
pub fn column_len(data: &ColumnData) -> usize {
    match data {
        ColumnData::F64(values) => values.len(),
        ColumnData::S64(values) | ColumnData::Timestamp(values) => values.len(),
        ColumnData::Boolean(values) => values.len(),
        ColumnData::Utf8(values) => values.len(),
    }
}

/// The type of a column's values.
pub fn column_type(data: &ColumnData) -> ColumnType {
    match data {
        ColumnData::F64(_) => ColumnType::F64,
        ColumnData::S64(_) => ColumnType::S64,
        ColumnData::Boolean(_) => ColumnType::Boolean,
        ColumnData::Utf8(_) => ColumnType::Utf8,
        ColumnData::Timestamp(_) => ColumnType::Timestamp,
    }
}

/// The Open Inference Protocol's name of a datatype.
pub fn datatype_name(datatype: Datatype) -> &'static str {
    match datatype {
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

/// Checks that a table's columns have equal lengths and distinct names, and
/// gives the number of rows.
///
/// # Errors
/// One sentence that names the column at fault.
pub fn table(table: &Table) -> Result<usize, String> {
    let mut names = HashSet::new();
    let mut rows = None;
    for column in table {
        let len = column_len(&column.data);
        if let Some((first, expected)) = rows
            && expected != len
        {
            return Err(format!(
                "column `{}` has {len} rows and column `{first}` has {expected}; all columns have the same length",
                column.name
            ));
        }
        if let Some(validity) = &column.validity
            && validity.len() != len
        {
            return Err(format!(
                "column `{}` has {len} values and {} validity flags",
                column.name,
                validity.len()
            ));
        }
        if !names.insert(column.name.as_str()) {
            return Err(format!("two columns are called `{}`", column.name));
        }
        rows.get_or_insert((column.name.as_str(), len));
    }
    Ok(rows.map_or(0, |(_, len)| len))
}

/// Checks that a table has exactly the columns of a schema, in order.
///
/// # Errors
/// One sentence that names the first column that differs.
pub fn schema(table: &Table, schema: &[Field]) -> Result<(), String> {
    if table.len() != schema.len() {
        return Err(format!("{} columns where the schema has {}", table.len(), schema.len()));
    }
    for (column, field) in table.iter().zip(schema) {
        if column.name != field.name {
            return Err(format!("column `{}` where the schema has `{}`", column.name, field.name));
        }
        let found = column_type(&column.data);
        if found != field.type_ {
            return Err(format!(
                "column `{}` is {found:?} where the schema has {:?}",
                column.name, field.type_
            ));
        }
    }
    Ok(())
}

/// Rows `start..end` of a column; bounds past its end are cut.
pub fn slice(column: &Column, start: usize, end: usize) -> Column {
    fn cut<T: Clone>(values: &[T], start: usize, end: usize) -> Vec<T> {
        values.get(start..end.min(values.len())).map(<[T]>::to_vec).unwrap_or_default()
    }
    Column {
        name: column.name.clone(),
        data: match &column.data {
            ColumnData::F64(values) => ColumnData::F64(cut(values, start, end)),
            ColumnData::S64(values) => ColumnData::S64(cut(values, start, end)),
            ColumnData::Boolean(values) => ColumnData::Boolean(cut(values, start, end)),
            ColumnData::Utf8(values) => ColumnData::Utf8(cut(values, start, end)),
            ColumnData::Timestamp(values) => ColumnData::Timestamp(cut(values, start, end)),
        },
        validity: column.validity.as_ref().map(|flags| cut(flags, start, end)),
    }
}

/// The number of elements of a tensor, and their type.
pub fn elements(data: &TensorData) -> (usize, Datatype) {
    match data {
        TensorData::Bool(v) => (v.len(), Datatype::Bool),
        TensorData::Uint8(v) => (v.len(), Datatype::Uint8),
        TensorData::Uint16(v) => (v.len(), Datatype::Uint16),
        TensorData::Uint32(v) => (v.len(), Datatype::Uint32),
        TensorData::Uint64(v) => (v.len(), Datatype::Uint64),
        TensorData::Int8(v) => (v.len(), Datatype::Int8),
        TensorData::Int16(v) => (v.len(), Datatype::Int16),
        TensorData::Int32(v) => (v.len(), Datatype::Int32),
        TensorData::Int64(v) => (v.len(), Datatype::Int64),
        TensorData::Fp32(v) => (v.len(), Datatype::Fp32),
        TensorData::Fp64(v) => (v.len(), Datatype::Fp64),
        TensorData::Bytes(v) => (v.len(), Datatype::Bytes),
    }
}

/// Checks that the product of a tensor's shape is its number of elements.
///
/// # Errors
/// One sentence that names the tensor.
pub fn tensor(tensor: &Tensor) -> Result<(), String> {
    let (len, _) = elements(&tensor.data);
    let product = tensor.shape.iter().try_fold(1usize, |product, &dimension| {
        usize::try_from(dimension).ok().and_then(|dimension| product.checked_mul(dimension))
    });
    if product == Some(len) {
        return Ok(());
    }
    Err(format!("tensor `{}` has the shape {:?} and {len} elements", tensor.name, tensor.shape))
}

/// Checks inputs against a model's signature: every input is there, none is
/// unknown, types and shapes fit, and the first dimension is the same
/// everywhere.
///
/// # Errors
/// Names the tensor at fault and what is accepted instead.
pub fn inputs(signature: &Signature, inputs: &[Tensor]) -> Result<(), InvalidInput> {
    match tensors(&signature.inputs, inputs, None) {
        Ok(()) => Ok(()),
        Err((column, message)) => Err(InvalidInput { message, parameter: None, column, row: None }),
    }
}

/// Checks outputs against a model's signature and the batch that was asked for.
///
/// # Errors
/// One sentence that names the tensor at fault.
pub fn outputs(signature: &Signature, outputs: &[Tensor], batch: Option<i64>) -> Result<(), String> {
    tensors(&signature.outputs, outputs, batch).map_err(|(_, message)| message)
}

type Fault = (Option<String>, String);

fn tensors(specs: &[TensorSpec], tensors: &[Tensor], batch: Option<i64>) -> Result<(), Fault> {
    let names = || specs.iter().map(|spec| format!("`{}`", spec.name)).collect::<Vec<_>>().join(", ");
    let mut batch = batch;
    for (index, given) in tensors.iter().enumerate() {
        let at = |message: String| (Some(given.name.clone()), message);
        let Some(spec) = specs.iter().find(|spec| spec.name == given.name) else {
            return Err(at(format!("there is no tensor `{}`; expected {}", given.name, names())));
        };
        if tensors.iter().take(index).any(|earlier| earlier.name == given.name) {
            return Err(at(format!("tensor `{}` is there twice", given.name)));
        }
        tensor(given).map_err(at)?;
        let (_, datatype) = elements(&given.data);
        if datatype != spec.datatype {
            let (found, expected) = (datatype_name(datatype), datatype_name(spec.datatype));
            let message = format!("tensor `{}` is {found}; expected {expected}", given.name);
            return Err(at(message));
        }
        if !fits(&given.shape, &spec.shape) {
            let message =
                format!("tensor `{}` has the shape {:?}; expected {:?}", given.name, given.shape, spec.shape);
            return Err(at(message));
        }
        let Some(&first) = given.shape.first() else { continue };
        match batch {
            Some(batch) if batch != first => {
                let message = format!("tensor `{}` has {first} rows where the batch has {batch}", given.name);
                return Err(at(message));
            }
            _ => batch = Some(first),
        }
    }
    match specs.iter().find(|spec| !tensors.iter().any(|given| given.name == spec.name)) {
        Some(missing) => Err((
            Some(missing.name.clone()),
            format!("tensor `{}` is missing; expected {}", missing.name, names()),
        )),
        None => Ok(()),
    }
}

fn fits(shape: &[i64], expected: &[i64]) -> bool {
    shape.len() == expected.len()
        && shape.iter().zip(expected).all(|(&found, &expected)| expected == -1 || found == expected)
}

/// Holds an evaluation to the contract: finite numbers, curves of equal length,
/// a matrix of labels by labels.
pub(crate) fn evaluation(report: &Evaluation) -> Result<(), String> {
    metrics(&report.metrics)?;
    for curve in &report.curves {
        let (x, y) = (curve.x.len(), curve.y.len());
        if x != y {
            return Err(format!("the curve `{}` has {x} x values and {y} y values", curve.name));
        }
        let points = curve.x.iter().chain(&curve.y);
        points
            .copied()
            .try_for_each(|point| finite(point, || format!("a point of the curve `{}`", curve.name)))?;
    }
    match &report.confusion {
        Some(matrix) if matrix.counts.len() != matrix.labels.len() * matrix.labels.len() => Err(format!(
            "the confusion matrix has {} counts for {} labels",
            matrix.counts.len(),
            matrix.labels.len()
        )),
        _ => Ok(()),
    }
}

/// Holds what training says of its artifact to the contract: finite numbers.
pub(crate) fn artifact(artifact: &Artifact) -> Result<(), String> {
    metrics(&artifact.metrics)?;
    let mut importance = artifact.importance.iter();
    importance.try_for_each(|(column, value)| finite(*value, || format!("the importance of `{column}`")))
}

/// Holds what monitoring saw to the contract: finite numbers.
pub(crate) fn monitoring(report: &Monitoring) -> Result<(), String> {
    metrics(&report.metrics)?;
    report.findings.iter().try_for_each(|finding| {
        finite(finding.value, || format!("the finding `{}`", finding.metric))?;
        finite(finding.threshold, || format!("the threshold of the finding `{}`", finding.metric))
    })
}

/// What can't be measured is left out, so that whoever compares metrics never
/// meets a number that compares with none.
fn metrics(metrics: &[Metric]) -> Result<(), String> {
    metrics.iter().try_for_each(|metric| {
        finite(metric.value, || match &metric.slice {
            Some(slice) => format!("the metric `{}` of `{slice}`", metric.name),
            None => format!("the metric `{}`", metric.name),
        })
    })
}

fn finite(value: f64, what: impl FnOnce() -> String) -> Result<(), String> {
    if value.is_finite() { Ok(()) } else { Err(format!("{} is {value}; numbers must be finite", what())) }
}

#[cfg(test)]
mod tests {
    use crate::types::{Curve, Finding, Severity};

    use super::*;

    fn column(name: &str, values: &[f64]) -> Column {
        Column { name: name.into(), data: ColumnData::F64(values.to_vec()), validity: None }
    }

    fn fp64(name: &str, shape: &[i64], values: &[f64]) -> Tensor {
        Tensor { name: name.into(), shape: shape.to_vec(), data: TensorData::Fp64(values.to_vec()) }
    }

    fn spec(name: &str, shape: &[i64]) -> TensorSpec {
        TensorSpec { name: name.into(), datatype: Datatype::Fp64, shape: shape.to_vec(), labels: vec![] }
    }

    #[test]
    fn unequal_columns_are_named() {
        assert_eq!(table(&vec![column("a", &[1.0]), column("b", &[2.0])]), Ok(1));
        let error = table(&vec![column("a", &[1.0]), column("b", &[2.0, 3.0])]).unwrap_err();
        assert!(error.contains("`b` has 2 rows") && error.contains("`a` has 1"), "{error}");
        assert!(table(&vec![column("a", &[1.0]), column("a", &[2.0])]).is_err());
        let mut short = column("a", &[1.0, 2.0]);
        short.validity = Some(vec![true]);
        assert!(table(&vec![short]).unwrap_err().contains("1 validity"));
    }

    #[test]
    fn what_is_measured_is_finite() {
        let metric = |value: f64, slice: Option<&str>| Metric {
            name: "auc".into(),
            value,
            slice: slice.map(str::to_owned),
            rows: 3,
        };
        let curve = |x: f64| Curve {
            name: "roc".into(),
            x_label: String::new(),
            y_label: String::new(),
            x: vec![0.0, x],
            y: vec![0.0, 1.0],
        };
        let report =
            |metrics: Vec<Metric>, curves: Vec<Curve>| Evaluation { metrics, curves, confusion: None };
        assert_eq!(evaluation(&report(vec![metric(0.5, None)], vec![curve(1.0)])), Ok(()));
        let told = evaluation(&report(vec![metric(f64::NAN, Some("carrier=UA"))], vec![])).unwrap_err();
        assert!(told.contains("`auc` of `carrier=UA` is NaN"), "{told}");
        let told = evaluation(&report(vec![], vec![curve(f64::INFINITY)])).unwrap_err();
        assert!(told.contains("curve `roc` is inf"), "{told}");
        let found = |value: f64, threshold: f64| Monitoring {
            metrics: vec![metric(1.0, None)],
            findings: vec![Finding {
                metric: "psi".into(),
                subject: None,
                value,
                threshold,
                severity: Severity::Info,
                message: String::new(),
            }],
        };
        assert_eq!(monitoring(&found(0.3, 0.2)), Ok(()));
        assert!(monitoring(&found(f64::NAN, 0.2)).is_err() && monitoring(&found(0.3, f64::NAN)).is_err());
    }

    #[test]
    fn shapes_are_held_to_their_elements() {
        assert_eq!(tensor(&fp64("x", &[2, 1], &[1.0, f64::NAN])), Ok(()));
        assert!(tensor(&fp64("x", &[2, 2], &[1.0])).is_err());
        assert!(tensor(&fp64("x", &[-1], &[1.0])).is_err());
        assert!(tensor(&fp64("x", &[i64::MAX, i64::MAX], &[1.0])).is_err());
    }

    #[test]
    fn inputs_are_held_to_the_signature() {
        let signature = Signature { inputs: vec![spec("x", &[-1, 2]), spec("y", &[-1])], outputs: vec![] };
        let x = fp64("x", &[1, 2], &[1.0, 2.0]);
        let y = fp64("y", &[1], &[1.0]);
        assert_eq!(inputs(&signature, &[y.clone(), x.clone()]), Ok(()));
        let fails = |given: &[Tensor], words: &str| {
            let error = inputs(&signature, given).unwrap_err();
            assert!(error.message.contains(words), "{error:?}");
            error.column.unwrap()
        };
        assert_eq!(fails(std::slice::from_ref(&x), "missing"), "y");
        assert_eq!(fails(&[x.clone(), fp64("z", &[1], &[1.0])], "no tensor"), "z");
        assert_eq!(fails(&[x.clone(), fp64("y", &[2], &[1.0, 2.0])], "2 rows"), "y");
        assert_eq!(fails(&[fp64("x", &[1, 3], &[1.0; 3]), y.clone()], "[-1, 2]"), "x");
        let bytes = Tensor { name: "y".into(), shape: vec![1], data: TensorData::Int64(vec![1]) };
        assert_eq!(fails(&[x.clone(), bytes], "INT64"), "y");
        assert_eq!(fails(&[x.clone(), x], "twice"), "x");
    }
}
