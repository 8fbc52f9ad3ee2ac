//! A model file: refused with a reason, or read and then as good as its word.

use modelyard_sdk::prelude::{Datatype, Error, Scoring, Signature, Tensor, TensorData, TensorSpec};

/// The rows of an odd batch.
const ROWS: usize = 4;
/// The most elements of an input that are made up.
const MOST: usize = 1 << 16;

/// Reads a file and scores odd rows with what it holds: the first is all NaN.
/// `by_row` is whether each row must be scored as if it were alone.
pub fn check<M: Scoring>(bytes: &[u8], by_row: bool) {
    let model = match M::load(bytes) {
        Ok(model) => model,
        Err(error) => return is_blamed_on_the_file(&error),
    };
    let signature = model.signature();
    let Some(inputs) = inputs(&signature, ROWS) else { return };
    let outputs = match model.predict(&inputs) {
        Ok(outputs) => outputs,
        Err(error) => return is_blamed_on_the_file(&error),
    };
    assert_eq!(outputs.len(), signature.outputs.len());
    for output in &outputs {
        output.check().expect("an output is as large as its shape");
    }
    // Without inputs there are no rows.
    if by_row && !inputs.is_empty() {
        let batched: Vec<String> = (0..ROWS).map(|row| text(&outputs, row)).collect();
        for (row, batched) in batched.iter().enumerate() {
            let alone: Vec<Tensor> = inputs.iter().map(|input| only(input, row)).collect();
            let outputs = model.predict(&alone).expect("a row of a batch that was scored");
            assert_eq!(&text(&outputs, 0), batched, "row {row} alone");
        }
    }
}

/// A plugin never says of itself that it is broken.
fn is_blamed_on_the_file(error: &Error) {
    assert!(!matches!(error, Error::Internal(_)), "{error:?}");
}

/// One tensor for each input; none if one would be too large.
fn inputs(signature: &Signature, rows: usize) -> Option<Vec<Tensor>> {
    signature.inputs.iter().map(|spec| tensor(spec, rows)).collect()
}

fn tensor(spec: &TensorSpec, rows: usize) -> Option<Tensor> {
    // What is open is two wide.
    let rest = spec.shape.iter().skip(1).map(|&n| if n < 0 { 2 } else { n });
    let shape: Vec<i64> = std::iter::once(rows as i64).chain(rest).collect();
    let count = shape.iter().try_fold(1_usize, |product, &n| product.checked_mul(usize::try_from(n).ok()?))?;
    if count > MOST {
        return None;
    }
    let width = count / rows;
    let odd = [f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, 0.5, -1.0, 1e300, 63.0, 64.0, 4e9, f64::NAN];
    let odd = |i: usize| if i < width { f64::NAN } else { odd[i % odd.len()] };
    let texts = ["", "a", "x", "0", "2008", "NaN", "\u{e9}"];
    let data = match spec.datatype {
        Datatype::Bytes => TensorData::Bytes((0..count).map(|i| texts[i % texts.len()].into()).collect()),
        Datatype::Fp32 => TensorData::Fp32((0..count).map(|i| odd(i) as f32).collect()),
        Datatype::Int64 => {
            let odd = [0, 1, -1, i64::MAX, i64::MIN, 7];
            TensorData::Int64((0..count).map(|i| odd[i % odd.len()]).collect())
        }
        Datatype::Int32 => TensorData::Int32((0..count).map(|i| [0, 1, i32::MIN, i32::MAX][i % 4]).collect()),
        Datatype::Uint8 => TensorData::Uint8((0..count).map(|i| [0, 1, u8::MAX][i % 3]).collect()),
        Datatype::Bool => TensorData::Bool((0..count).map(|i| i % 2 == 1).collect()),
        _ => TensorData::Fp64((0..count).map(odd).collect()),
    };
    Some(Tensor::new(&spec.name, shape, data))
}

/// One row of a tensor of one value to a row, which is what trees take.
fn only(tensor: &Tensor, row: usize) -> Tensor {
    let data = match &tensor.data {
        TensorData::Fp64(values) => TensorData::Fp64(vec![values[row]]),
        TensorData::Int64(values) => TensorData::Int64(vec![values[row]]),
        TensorData::Bool(values) => TensorData::Bool(vec![values[row]]),
        TensorData::Bytes(values) => TensorData::Bytes(vec![values[row].clone()]),
        other => panic!("an input of {:?}", other.datatype()),
    };
    Tensor::new(&tensor.name, [1], data)
}

/// A row of the outputs. Text, in which NaN equals NaN.
fn text(outputs: &[Tensor], row: usize) -> String {
    let mut all = String::new();
    for output in outputs {
        let width = output.width();
        let cells = row * width..(row + 1) * width;
        all += &match &output.data {
            TensorData::Fp64(values) => format!("{:?};", &values[cells]),
            TensorData::Int64(values) => format!("{:?};", &values[cells]),
            TensorData::Bytes(values) => format!("{:?};", &values[cells]),
            TensorData::Bool(values) => format!("{:?};", &values[cells]),
            other => panic!("an output of {:?}", other.datatype()),
        };
    }
    all
}
