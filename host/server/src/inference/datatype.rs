//! The protocol's datatypes, and values of JSON as elements of one.
//!
//! FP16 and BF16 are read as FP32. `null` is a missing value: NaN in a floating
//! tensor, an empty text in BYTES; an integer or BOOL tensor with nulls becomes
//! FP64.

use std::fmt;

use modelyard_lifecycle::columns::floats;
pub(super) use modelyard_lifecycle::runtime::check::datatype_name as name;
use modelyard_lifecycle::runtime::types::TensorData;

pub(super) const KNOWN: &str =
    "BOOL, UINT8, UINT16, UINT32, UINT64, INT8, INT16, INT32, INT64, FP16, BF16, FP32, FP64 and BYTES";

/// No elements of a datatype; none if there is no such datatype.
pub(super) fn empty(name: &str) -> Option<TensorData> {
    Some(match name {
        "BOOL" => TensorData::Bool(vec![]),
        "UINT8" => TensorData::Uint8(vec![]),
        "UINT16" => TensorData::Uint16(vec![]),
        "UINT32" => TensorData::Uint32(vec![]),
        "UINT64" => TensorData::Uint64(vec![]),
        "INT8" => TensorData::Int8(vec![]),
        "INT16" => TensorData::Int16(vec![]),
        "INT32" => TensorData::Int32(vec![]),
        "INT64" => TensorData::Int64(vec![]),
        "FP16" | "BF16" | "FP32" => TensorData::Fp32(vec![]),
        "FP64" => TensorData::Fp64(vec![]),
        "BYTES" => TensorData::Bytes(vec![]),
        _ => return None,
    })
}

/// One value of JSON, or an infinity.
#[derive(Debug, PartialEq)]
pub(super) enum Element {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(String),
}

impl fmt::Display for Element {
    /// As it stood in the request; a long text is cut.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => value.fmt(f),
            Self::Unsigned(value) => value.fmt(f),
            Self::Signed(value) => value.fmt(f),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Text(text) if text.chars().nth(80).is_some() => {
                write!(f, "{:?}…", text.chars().take(80).collect::<String>())
            }
            Self::Text(text) => write!(f, "{text:?}"),
        }
    }
}

impl Element {
    fn double(&self) -> Option<f64> {
        match self {
            Self::Null => Some(f64::NAN),
            Self::Bool(value) => Some(f64::from(u8::from(*value))),
            Self::Unsigned(value) => Some(*value as f64),
            Self::Signed(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            Self::Text(_) => None,
        }
    }

    /// None also for a number that only an infinity could stand for.
    fn single(&self) -> Option<f32> {
        let double = self.double()?;
        let single = double as f32;
        (single.is_finite() || !double.is_finite()).then_some(single)
    }

    /// Whole numbers may be written as floats: `1.0`.
    fn integer<T: TryFrom<i128>>(&self) -> Option<T> {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        let number = match self {
            Self::Unsigned(value) => i128::from(*value),
            Self::Signed(value) => i128::from(*value),
            Self::Float(value) if value.fract() == 0.0 && value.abs() <= EXACT => *value as i128,
            _ => return None,
        };
        T::try_from(number).ok()
    }

    fn boolean(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            other => match other.integer::<u8>()? {
                0 => Some(false),
                1 => Some(true),
                _ => None,
            },
        }
    }
}

fn put<T>(values: &mut Vec<T>, value: Option<T>, element: Element) -> Result<(), Element> {
    match value {
        Some(value) => {
            values.push(value);
            Ok(())
        }
        None => Err(element),
    }
}

/// Adds an element; gives back one that is not of the datatype.
pub(super) fn push(data: &mut TensorData, element: Element) -> Result<(), Element> {
    let floating = matches!(data, TensorData::Fp32(_) | TensorData::Fp64(_) | TensorData::Bytes(_));
    if element == Element::Null && !floating {
        *data = TensorData::Fp64(floats(data));
    }
    match data {
        TensorData::Fp64(values) => put(values, element.double(), element),
        TensorData::Fp32(values) => put(values, element.single(), element),
        TensorData::Bool(values) => put(values, element.boolean(), element),
        TensorData::Uint8(values) => put(values, element.integer(), element),
        TensorData::Uint16(values) => put(values, element.integer(), element),
        TensorData::Uint32(values) => put(values, element.integer(), element),
        TensorData::Uint64(values) => put(values, element.integer(), element),
        TensorData::Int8(values) => put(values, element.integer(), element),
        TensorData::Int16(values) => put(values, element.integer(), element),
        TensorData::Int32(values) => put(values, element.integer(), element),
        TensorData::Int64(values) => put(values, element.integer(), element),
        TensorData::Bytes(values) => match element {
            Element::Text(text) => {
                values.push(text.into_bytes());
                Ok(())
            }
            Element::Null => {
                values.push(Vec::new());
                Ok(())
            }
            other => Err(other),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(datatype: &str, elements: Vec<Element>) -> Result<TensorData, String> {
        let mut data = empty(datatype).unwrap();
        for element in elements {
            push(&mut data, element).map_err(|element| element.to_string())?;
        }
        Ok(data)
    }

    #[test]
    fn each_value_is_held_to_the_datatype() {
        use Element::*;
        assert_eq!(all("UINT8", vec![Unsigned(255), Float(7.0)]), Ok(TensorData::Uint8(vec![255, 7])));
        assert_eq!(all("UINT8", vec![Unsigned(256)]), Err("256".into()));
        assert_eq!(all("UINT8", vec![Signed(-1)]), Err("-1".into()));
        assert_eq!(all("INT8", vec![Signed(-128)]), Ok(TensorData::Int8(vec![-128])));
        assert_eq!(all("INT64", vec![Float(1.5)]), Err("1.5".into()));
        assert_eq!(all("INT64", vec![Float(f64::INFINITY)]), Err("inf".into()));
        assert_eq!(all("UINT64", vec![Unsigned(u64::MAX)]), Ok(TensorData::Uint64(vec![u64::MAX])));
        assert_eq!(all("BOOL", vec![Bool(true), Unsigned(0)]), Ok(TensorData::Bool(vec![true, false])));
        assert_eq!(all("BOOL", vec![Unsigned(2)]), Err("2".into()));
        assert_eq!(all("FP32", vec![Float(1e300)]), Err("1e300".into()));
        assert_eq!(
            all("FP16", vec![Float(f64::NEG_INFINITY)]),
            Ok(TensorData::Fp32(vec![f32::NEG_INFINITY]))
        );
        assert_eq!(all("FP64", vec![Text("NaN".into())]), Err("\"NaN\"".into()));
        assert_eq!(
            all("BYTES", vec![Text("é".into()), Null]),
            Ok(TensorData::Bytes(vec!["é".into(), vec![]]))
        );
        assert_eq!(all("BYTES", vec![Unsigned(1)]), Err("1".into()));
        assert!(all("BYTES", vec![Text("x".into()), Bool(false)]).is_err());
        assert!(all("FP64", vec![Text("x".repeat(1000))]).unwrap_err().len() < 100);
        assert!(empty("FP8").is_none() && empty("fp32").is_none());
    }

    #[test]
    fn integers_with_nulls_become_doubles() {
        let data = all("INT64", vec![Element::Signed(-1), Element::Null, Element::Unsigned(2)]).unwrap();
        let TensorData::Fp64(values) = data else { unreachable!("{data:?}") };
        assert!(values[0] == -1.0 && values[1].is_nan() && values[2] == 2.0);
    }
}
