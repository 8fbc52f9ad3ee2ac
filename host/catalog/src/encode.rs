//! From records to what the database keeps.

use serde::{Serialize, ser};
use serde_json::Value;
use surrealdb::types::{Array, Number, Object, Value as Db};

use crate::json;

/// `value` as JSON; refused if it holds NaN, an infinity, or nests too deeply.
pub(crate) fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<Value, String> {
    value.serialize(Finite { path: &Path::Root }).map_err(|refused| refused.0)?;
    let value = serde_json::to_value(value).map_err(|error| error.to_string())?;
    if too_deep(&value, json::MAX_DEPTH) {
        return Err(format!("arrays and objects nest deeper than {} levels", json::MAX_DEPTH));
    }
    Ok(value)
}

fn too_deep(value: &Value, left: usize) -> bool {
    match value {
        Value::Array(items) => left == 0 || items.iter().any(|item| too_deep(item, left - 1)),
        Value::Object(map) => left == 0 || map.values().any(|item| too_deep(item, left - 1)),
        _ => false,
    }
}

/// The structured copy of a value: what filters, orders and indexes look at.
/// Absent and null members of objects are the same thing in it.
pub(crate) fn to_db(value: &Value) -> Db {
    match value {
        Value::Null => Db::Null,
        Value::Bool(flag) => Db::Bool(*flag),
        Value::String(text) => Db::String(text.clone()),
        Value::Number(number) => Db::Number(to_number(number)),
        Value::Array(items) => Db::Array(Array::from(items.iter().map(to_db).collect::<Vec<_>>())),
        Value::Object(map) => {
            let mut object = Object::new();
            for (key, value) in map.iter().filter(|(_, value)| !value.is_null()) {
                object.insert(key.clone(), to_db(value));
            }
            Db::Object(object)
        }
    }
}

fn to_number(number: &serde_json::Number) -> Number {
    if let Some(int) = number.as_i64() {
        Number::Int(int)
    } else if let Some(int) = number.as_u64() {
        Number::Decimal(int.into())
    } else {
        Number::Float(number.as_f64().unwrap_or_default())
    }
}

/// The value at a dotted path.
pub(crate) fn at<'a>(value: &'a Value, field: &str) -> Option<&'a Value> {
    field.split('.').try_fold(value, |value, name| value.get(name)).filter(|value| !value.is_null())
}

/// Where in a value we are.
enum Path<'a> {
    Root,
    Key(&'a Path<'a>, &'a str),
    Item(&'a Path<'a>, usize),
}

impl std::fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Key(Self::Root, key) => write!(f, "{key}"),
            Self::Key(parent, key) => write!(f, "{parent}.{key}"),
            Self::Item(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

#[derive(Debug)]
struct Refused(String);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

impl ser::Error for Refused {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

/// Walks a value and refuses the first number that JSON has no form for
/// (`serde_json` would quietly write null).
#[derive(Clone, Copy)]
struct Finite<'a> {
    path: &'a Path<'a>,
}

impl Finite<'_> {
    fn float(self, value: f64) -> Result<(), Refused> {
        if value.is_finite() {
            return Ok(());
        }
        let place = match self.path {
            Path::Root => "the value".to_owned(),
            path => format!("`{path}`"),
        };
        Err(Refused(format!(
            "{place} is {value}; only finite numbers can be kept, use null for a missing one"
        )))
    }
}

macro_rules! fine {
    ($($name:ident: $type:ty),*) => {
        $(fn $name(self, _: $type) -> Result<(), Refused> { Ok(()) })*
    };
}

impl<'a> ser::Serializer for Finite<'a> {
    type Ok = ();
    type Error = Refused;
    type SerializeSeq = Items<'a>;
    type SerializeTuple = Items<'a>;
    type SerializeTupleStruct = Items<'a>;
    type SerializeTupleVariant = Items<'a>;
    type SerializeMap = Members<'a>;
    type SerializeStruct = Members<'a>;
    type SerializeStructVariant = Members<'a>;

    fine!(serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_i128: i128,
        serialize_u128: u128, serialize_char: char, serialize_str: &str, serialize_bytes: &[u8],
        serialize_unit_struct: &'static str);

    fn serialize_f32(self, value: f32) -> Result<(), Refused> {
        self.float(f64::from(value))
    }

    fn serialize_f64(self, value: f64) -> Result<(), Refused> {
        self.float(value)
    }

    fn serialize_none(self) -> Result<(), Refused> {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Refused> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Refused> {
        Ok(())
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Result<(), Refused> {
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        value.serialize(Finite { path: &Path::Key(self.path, variant) })
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Items<'a>, Refused> {
        Ok(Items { path: self.path, next: 0 })
    }

    fn serialize_tuple(self, _: usize) -> Result<Items<'a>, Refused> {
        Ok(Items { path: self.path, next: 0 })
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Items<'a>, Refused> {
        Ok(Items { path: self.path, next: 0 })
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Items<'a>, Refused> {
        Ok(Items { path: self.path, next: 0 })
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Members<'a>, Refused> {
        Ok(Members { path: self.path, key: String::new() })
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Members<'a>, Refused> {
        Ok(Members { path: self.path, key: String::new() })
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Members<'a>, Refused> {
        Ok(Members { path: self.path, key: String::new() })
    }
}

struct Items<'a> {
    path: &'a Path<'a>,
    next: usize,
}

impl Items<'_> {
    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        value.serialize(Finite { path: &Path::Item(self.path, self.next) })?;
        self.next += 1;
        Ok(())
    }
}

macro_rules! items {
    ($($trait:ident::$method:ident),*) => {
        $(impl ser::$trait for Items<'_> {
            type Ok = ();
            type Error = Refused;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
                self.item(value)
            }

            fn end(self) -> Result<(), Refused> {
                Ok(())
            }
        })*
    };
}

items!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

struct Members<'a> {
    path: &'a Path<'a>,
    key: String,
}

impl Members<'_> {
    fn member<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Result<(), Refused> {
        value.serialize(Finite { path: &Path::Key(self.path, key) })
    }
}

impl ser::SerializeMap for Members<'_> {
    type Ok = ();
    type Error = Refused;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Refused> {
        let key = serde_json::to_value(key).map_err(|error| Refused(error.to_string()))?;
        self.key = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        self.member(&self.key, value)
    }

    fn end(self) -> Result<(), Refused> {
        Ok(())
    }
}

macro_rules! members {
    ($($trait:ident),*) => {
        $(impl ser::$trait for Members<'_> {
            type Ok = ();
            type Error = Refused;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), Refused> {
                self.member(key, value)
            }

            fn end(self) -> Result<(), Refused> {
                Ok(())
            }
        })*
    };
}

members!(SerializeStruct, SerializeStructVariant);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Serialize)]
    enum Kind {
        Pair(f64, f64),
        Named { score: Option<f32> },
    }

    #[test]
    fn a_number_without_a_json_form_is_refused_with_its_place() {
        assert!(to_json(&f64::NAN).unwrap_err().contains("the value is NaN"));
        let nested = BTreeMap::from([("metrics", vec![1.0, f64::INFINITY])]);
        assert!(to_json(&nested).unwrap_err().contains("`metrics[1]` is inf"));
        assert!(to_json(&Kind::Named { score: Some(f32::NAN) }).unwrap_err().contains("`score` is NaN"));
        assert!(to_json(&Kind::Pair(0.0, f64::NEG_INFINITY)).unwrap_err().contains("-inf"));
        assert!(to_json(&Kind::Named { score: None }).is_ok());
        assert!(to_json(&BTreeMap::from([(1, 2.0)])).is_ok());
    }

    #[test]
    fn nesting_is_bounded() {
        let nest = |levels: usize| (0..levels).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
        assert!(to_json(&nest(json::MAX_DEPTH)).is_ok());
        assert!(to_json(&nest(json::MAX_DEPTH + 1)).unwrap_err().contains("deeper than 128"));
    }
}
