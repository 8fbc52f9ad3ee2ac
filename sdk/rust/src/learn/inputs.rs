//! A model's input columns, and tensors read as them.

use super::codec::{Decoder, Writer};
use super::{Datatype, Error, MAX_CATEGORIES, MAX_INPUTS, Tensor, TensorData, TensorSpec};

/// What a column holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Numbers. NaN is a missing value.
    Float,
    /// Whole numbers without missing values in training. Any numeric tensor is
    /// taken all the same.
    Integer,
    /// False or true without missing values in training, as a number 0 or 1.
    Boolean,
    /// One of these texts, sorted and distinct. Anything else, such as the
    /// empty text, is a missing value.
    Category(Vec<String>),
}

/// A column that a model takes, as a tensor of its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// The column's and the tensor's name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
}

impl Input {
    /// The tensor that it is given as: one value per row.
    #[must_use]
    pub fn spec(&self) -> TensorSpec {
        let (datatype, labels) = match &self.kind {
            Kind::Float => (Datatype::Fp64, Vec::new()),
            Kind::Integer => (Datatype::Int64, Vec::new()),
            Kind::Boolean => (Datatype::Bool, Vec::new()),
            Kind::Category(categories) => (Datatype::Bytes, categories.clone()),
        };
        TensorSpec { name: self.name.clone(), datatype, shape: vec![-1], labels }
    }

    /// Writes a list of inputs into an artifact.
    pub fn encode_all(inputs: &[Self], writer: &mut Writer) {
        writer.count(inputs.len());
        for input in inputs {
            writer.text(&input.name);
            match &input.kind {
                Kind::Float => writer.byte(0),
                Kind::Integer => writer.byte(1),
                Kind::Boolean => writer.byte(2),
                Kind::Category(categories) => {
                    writer.byte(3);
                    writer.count(categories.len());
                    categories.iter().for_each(|category| writer.text(category));
                }
            }
        }
    }

    /// Reads what [`encode_all`](Self::encode_all) wrote. Names are distinct,
    /// categories sorted and distinct, or it fails.
    pub fn decode_all(decoder: &mut Decoder<'_>) -> Result<Vec<Self>, Error> {
        let count = decoder.count("inputs", MAX_INPUTS, 2)?;
        let mut inputs: Vec<Self> = Vec::with_capacity(count);
        let mut names = std::collections::BTreeSet::new();
        for _ in 0..count {
            let name = decoder.text()?;
            if !names.insert(name.clone()) {
                return Err(decoder.fault(format!("the input `{name}` is there twice")));
            }
            let kind = match decoder.byte()? {
                0 => Kind::Float,
                1 => Kind::Integer,
                2 => Kind::Boolean,
                3 => Kind::Category(categories(decoder)?),
                tag => return Err(decoder.fault(format!("there is no kind {tag} of input"))),
            };
            inputs.push(Self { name, kind });
        }
        Ok(inputs)
    }
}

fn categories(decoder: &mut Decoder<'_>) -> Result<Vec<String>, Error> {
    let count = decoder.count("categories", MAX_CATEGORIES, 1)?;
    let mut categories: Vec<String> = Vec::with_capacity(count);
    for _ in 0..count {
        let category = decoder.text()?;
        if categories.last().is_some_and(|last| *last >= category) {
            return Err(decoder.fault(format!("the category {category:?} is out of order or there twice")));
        }
        categories.push(category);
    }
    Ok(categories)
}

/// The values of a batch, row after row, one number per input: NaN where
/// missing; 0 or 1 for a boolean; a category's index, or the number of
/// categories for a missing or unknown one.
#[derive(Debug, Default)]
pub struct Rows {
    /// How many rows.
    pub rows: usize,
    /// `values[row * inputs + input]`.
    pub values: Vec<f64>,
}

impl Rows {
    /// Reads tensors, in any order, as the inputs. A tensor that is missing,
    /// unknown, there twice, of another datatype, shape or length than
    /// accepted is an error that names it and says what is accepted.
    pub fn read(inputs: &[Input], tensors: &[Tensor]) -> Result<Self, Error> {
        let found = matched(inputs, tensors)?;
        let rows = found.first().map_or(0, |tensor| tensor.data.len());
        let width = inputs.len();
        let mut values = vec![0.0; rows.saturating_mul(width)];
        for (at, (input, tensor)) in inputs.iter().zip(&found).enumerate() {
            check_shape(tensor, rows)?;
            fill(input, tensor, values.get_mut(at..).unwrap_or_default(), width)?;
        }
        Ok(Self { rows, values })
    }
}

/// The tensors in the inputs' order.
fn matched<'a>(inputs: &[Input], tensors: &'a [Tensor]) -> Result<Vec<&'a Tensor>, Error> {
    let in_order = inputs.len() == tensors.len()
        && inputs.iter().zip(tensors).all(|(input, tensor)| input.name == tensor.name);
    if in_order {
        return Ok(tensors.iter().collect());
    }
    let mut by_name = std::collections::BTreeMap::new();
    for tensor in tensors {
        if by_name.insert(tensor.name.as_str(), tensor).is_some() {
            return Err(fault(&tensor.name, format!("the tensor `{}` is there twice", tensor.name)));
        }
    }
    let mut found = Vec::with_capacity(inputs.len());
    for input in inputs {
        let Some(tensor) = by_name.remove(input.name.as_str()) else {
            let message =
                format!("the tensor `{}` is missing; the model takes {}", input.name, names(inputs));
            return Err(fault(&input.name, message));
        };
        found.push(tensor);
    }
    match by_name.keys().next() {
        None => Ok(found),
        Some(name) => {
            Err(fault(name, format!("the model has no input `{name}`; it takes {}", names(inputs))))
        }
    }
}

fn names(inputs: &[Input]) -> String {
    let shown: Vec<String> = inputs.iter().take(40).map(|input| format!("`{}`", input.name)).collect();
    let more = inputs.len().saturating_sub(shown.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

fn check_shape(tensor: &Tensor, rows: usize) -> Result<(), Error> {
    let name = &tensor.name;
    let values = tensor.data.len();
    let fits = match tensor.shape.as_slice() {
        [first] | [first, 1] => usize::try_from(*first) == Ok(values),
        _ => false,
    };
    if !fits {
        return Err(fault(
            name,
            format!(
                "the tensor `{name}` has the shape {:?} and {values} values; [n] or [n, 1] with n values is accepted",
                tensor.shape
            ),
        ));
    }
    if values != rows {
        return Err(fault(
            name,
            format!(
                "the tensor `{name}` has {values} rows where the first has {rows}; every tensor has as many"
            ),
        ));
    }
    Ok(())
}

fn fill(input: &Input, tensor: &Tensor, out: &mut [f64], width: usize) -> Result<(), Error> {
    fn put<T: Copy>(values: &[T], out: &mut [f64], width: usize, number: impl Fn(T) -> f64) {
        for (slot, value) in out.iter_mut().step_by(width).zip(values) {
            *slot = number(*value);
        }
    }
    let boolean = input.kind == Kind::Boolean;
    match (&input.kind, &tensor.data) {
        (Kind::Category(categories), TensorData::Bytes(values)) => {
            for (slot, value) in out.iter_mut().step_by(width).zip(values) {
                let found = categories.binary_search_by(|category| category.as_bytes().cmp(value));
                *slot = found.unwrap_or(categories.len()) as f64;
            }
        }
        (Kind::Category(_), data) => return Err(wrong_type(input, data)),
        (_, TensorData::Bool(values)) if boolean => put(values, out, width, |v| f64::from(u8::from(v))),
        (_, TensorData::Fp64(values)) => put(values, out, width, |v| v),
        (_, TensorData::Fp32(values)) => put(values, out, width, f64::from),
        (_, TensorData::Int64(values)) => put(values, out, width, |v| v as f64),
        (_, TensorData::Int32(values)) => put(values, out, width, f64::from),
        (_, TensorData::Int16(values)) => put(values, out, width, f64::from),
        (_, TensorData::Int8(values)) => put(values, out, width, f64::from),
        (_, TensorData::Uint64(values)) => put(values, out, width, |v| v as f64),
        (_, TensorData::Uint32(values)) => put(values, out, width, f64::from),
        (_, TensorData::Uint16(values)) => put(values, out, width, f64::from),
        (_, TensorData::Uint8(values)) => put(values, out, width, f64::from),
        (_, data) => return Err(wrong_type(input, data)),
    }
    if boolean {
        for (row, value) in out.iter().step_by(width).enumerate() {
            if !(*value == 0.0 || *value == 1.0 || value.is_nan()) {
                let name = &input.name;
                let message = format!("the tensor `{name}` holds {value}; a boolean is BOOL, or 0, 1 or NaN");
                return Err(fault(name, message).at_row(row as u64));
            }
        }
    }
    Ok(())
}

fn wrong_type(input: &Input, data: &TensorData) -> Error {
    let accepted = match input.kind {
        Kind::Category(_) => "BYTES (UTF-8 text, empty for a missing value)",
        Kind::Boolean => "BOOL, or a numeric datatype with 0, 1 or NaN for a missing value",
        Kind::Float | Kind::Integer => "any numeric datatype (FP64 with NaN for a missing value)",
    };
    let name = &input.name;
    fault(
        name,
        format!("the tensor `{name}` has the datatype {}; {accepted} is accepted", data.datatype().name()),
    )
}

fn fault(tensor: &str, message: String) -> Error {
    Error::column(tensor, message)
}
