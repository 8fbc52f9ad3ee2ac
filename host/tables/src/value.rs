use std::fmt;

use modelyard_clock::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::ColumnType;

/// One cell.
///
/// As JSON: null, a boolean, a number or a text; a timestamp is its RFC 3339
/// text and reads back as text, a number that isn't finite becomes null.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// Nothing.
    #[default]
    Null,
    /// True or false.
    Boolean(bool),
    /// A signed integer.
    S64(i64),
    /// A double.
    F64(f64),
    /// A text.
    Utf8(String),
    /// A moment.
    Timestamp(Timestamp),
}

impl Value {
    /// The type of column that holds this; none for null.
    pub fn column_type(&self) -> Option<ColumnType> {
        match self {
            Self::Null => None,
            Self::Boolean(_) => Some(ColumnType::Boolean),
            Self::S64(_) => Some(ColumnType::S64),
            Self::F64(_) => Some(ColumnType::F64),
            Self::Utf8(_) => Some(ColumnType::Utf8),
            Self::Timestamp(_) => Some(ColumnType::Timestamp),
        }
    }

    /// Whether this is null.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// As a number: booleans are 0 and 1, a timestamp is its microseconds.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Boolean(value) => Some(f64::from(u8::from(*value))),
            Self::S64(value) => Some(*value as f64),
            Self::F64(value) => Some(*value),
            Self::Timestamp(value) => Some(value.micros() as f64),
            Self::Null | Self::Utf8(_) => None,
        }
    }

    /// As a text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Utf8(value) => Some(value),
            _ => None,
        }
    }

    /// The value that a column of type `to` would hold for this, if there is
    /// one that means the same.
    pub fn cast(&self, to: ColumnType) -> Option<Self> {
        Some(match (self, to) {
            (Self::Null, _) => Self::Null,
            (Self::Boolean(v), ColumnType::Boolean) => Self::Boolean(*v),
            (Self::Boolean(v), ColumnType::S64) => Self::S64(i64::from(*v)),
            (Self::S64(v), ColumnType::S64) => Self::S64(*v),
            (Self::S64(v), ColumnType::F64) => Self::F64(*v as f64),
            (Self::F64(v), ColumnType::S64) if v.fract() == 0.0 && v.abs() < 9.0e18 => Self::S64(*v as i64),
            (Self::F64(v), ColumnType::F64) => Self::F64(*v),
            (Self::Boolean(v), ColumnType::F64) => Self::F64(f64::from(u8::from(*v))),
            (Self::Timestamp(v), ColumnType::Timestamp) => Self::Timestamp(*v),
            (Self::Utf8(v), ColumnType::Utf8) => Self::Utf8(v.clone()),
            (Self::Utf8(v), ColumnType::Timestamp) => Self::Timestamp(v.parse().ok()?),
            (Self::Utf8(v), ColumnType::S64) => Self::S64(v.parse().ok()?),
            (Self::Utf8(v), ColumnType::F64) => Self::F64(v.parse().ok()?),
            (Self::Utf8(v), ColumnType::Boolean) => Self::Boolean(v.parse().ok()?),
            (value, ColumnType::Utf8) => Self::Utf8(value.to_string()),
            _ => return None,
        })
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::S64(value) => write!(f, "{value}"),
            Self::F64(value) => write!(f, "{value}"),
            Self::Utf8(value) => f.write_str(value),
            Self::Timestamp(value) => write!(f, "{value}"),
        }
    }
}

macro_rules! from {
    ($($from:ty => $variant:ident),*) => {$(
        impl From<$from> for Value {
            fn from(value: $from) -> Self {
                Self::$variant(value.into())
            }
        }
    )*};
}
from!(bool => Boolean, i64 => S64, i32 => S64, u32 => S64, f64 => F64, String => Utf8, &str => Utf8, Timestamp => Timestamp);

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Boolean(value) => serializer.serialize_bool(*value),
            Self::S64(value) => serializer.serialize_i64(*value),
            Self::F64(value) if value.is_finite() => serializer.serialize_f64(*value),
            Self::F64(_) => serializer.serialize_unit(),
            Self::Utf8(value) => serializer.serialize_str(value),
            Self::Timestamp(value) => value.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("null, a boolean, a number or a text")
            }
            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }
            fn visit_none<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }
            fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
                Ok(Value::Boolean(value))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
                Ok(Value::S64(value))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
                Ok(i64::try_from(value).map_or(Value::F64(value as f64), Value::S64))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
                Ok(Value::F64(value))
            }
            fn visit_str<E>(self, value: &str) -> Result<Value, E> {
                Ok(Value::Utf8(value.to_owned()))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn json_keeps_integers_apart_from_doubles_and_never_holds_nan() {
        let values = vec![
            Value::Null,
            true.into(),
            5i64.into(),
            5.0.into(),
            "5".into(),
            Value::F64(f64::NAN),
            Value::Timestamp("2013-04-01".parse().unwrap()),
        ];
        let text = serde_json::to_string(&values).unwrap();
        assert_eq!(text, r#"[null,true,5,5.0,"5",null,"2013-04-01T00:00:00.000000Z"]"#);
        let back: Vec<Value> = serde_json::from_str(&text).unwrap();
        assert_eq!(back.get(2), Some(&Value::S64(5)));
        assert_eq!(back.get(3), Some(&Value::F64(5.0)));
    }

    #[test]
    fn casts_only_keep_the_meaning() {
        assert_eq!(Value::F64(2.0).cast(ColumnType::S64), Some(Value::S64(2)));
        assert_eq!(Value::F64(2.5).cast(ColumnType::S64), None);
        assert_eq!(Value::from("x").cast(ColumnType::F64), None);
        assert_eq!(Value::S64(7).cast(ColumnType::Utf8), Some("7".into()));
        assert_eq!(Value::S64(7).cast(ColumnType::Timestamp), None);
    }
}
