use std::{collections::HashSet, fmt, sync::Arc};

use arrow::datatypes::{self as arrow_types, DataType, SchemaRef, TimeUnit};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The type of a column's values: the five that plugins see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// IEEE 754 double.
    F64,
    /// Signed 64-bit integer.
    S64,
    /// True or false.
    Boolean,
    /// A text.
    Utf8,
    /// Microseconds since 1970-01-01T00:00:00Z.
    Timestamp,
}

impl ColumnType {
    /// The Arrow type that holds it.
    pub fn to_arrow(self) -> DataType {
        match self {
            Self::F64 => DataType::Float64,
            Self::S64 => DataType::Int64,
            Self::Boolean => DataType::Boolean,
            Self::Utf8 => DataType::Utf8,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        }
    }

    /// The type that an Arrow column becomes here: integers are s64, floats and
    /// decimals f64, dates and timestamps timestamp, a column of nothing but
    /// nulls utf8. None: lists, structs, binary, times of day and intervals.
    pub fn from_arrow(data_type: &DataType) -> Option<Self> {
        Some(match data_type {
            DataType::Float16
            | DataType::Float32
            | DataType::Float64
            | DataType::Decimal32(..)
            | DataType::Decimal64(..)
            | DataType::Decimal128(..)
            | DataType::Decimal256(..) => Self::F64,
            data_type if data_type.is_integer() => Self::S64,
            DataType::Boolean => Self::Boolean,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => Self::Utf8,
            DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => Self::Timestamp,
            DataType::Dictionary(_, value) => return Self::from_arrow(value),
            _ => return None,
        })
    }

    /// Whether every value of this type has a value of type `to` that means the
    /// same: boolean → s64 → f64, and anything → utf8. (An s64 beyond 2^53 is
    /// rounded in f64, as every CSV reader does.)
    pub fn widens_to(self, to: Self) -> bool {
        self == to || self.unify(to) == to
    }

    /// The narrowest type that both widen to.
    pub fn unify(self, other: Self) -> Self {
        let rank = |t| match t {
            Self::Boolean => Some(0),
            Self::S64 => Some(1),
            Self::F64 => Some(2),
            Self::Utf8 | Self::Timestamp => None,
        };
        match (rank(self), rank(other)) {
            _ if self == other => self,
            (Some(a), Some(b)) if a < b => other,
            (Some(_), Some(_)) => self,
            _ => Self::Utf8,
        }
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F64 => "f64",
            Self::S64 => "s64",
            Self::Boolean => "boolean",
            Self::Utf8 => "utf8",
            Self::Timestamp => "timestamp",
        })
    }
}

/// A column's name and type.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Its name, distinct in its schema.
    pub name: String,
    /// The type of its values.
    pub r#type: ColumnType,
    /// Whether rows may be null.
    pub nullable: bool,
}

impl Field {
    /// A column that may hold nulls.
    pub fn new(name: impl Into<String>, r#type: ColumnType) -> Self {
        Self { name: name.into(), r#type, nullable: true }
    }

    /// A column in which every row has a value.
    pub fn required(name: impl Into<String>, r#type: ColumnType) -> Self {
        Self { nullable: false, ..Self::new(name, r#type) }
    }
}

/// The columns of a table, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Schema {
    /// The columns.
    pub fields: Vec<Field>,
}

/// One difference between a schema and a later one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// A column that wasn't there.
    Added {
        /// Its name.
        name: String,
        /// Its type.
        r#type: ColumnType,
    },
    /// A column that is gone.
    Removed {
        /// Its name.
        name: String,
        /// The type that it had.
        r#type: ColumnType,
    },
    /// A column of another type.
    Retyped {
        /// Its name.
        name: String,
        /// The type that it had.
        from: ColumnType,
        /// The type that it has.
        to: ColumnType,
        /// Whether every old value can be read as the new type.
        widening: bool,
    },
    /// A column that now may (or may no longer) hold nulls.
    Nullability {
        /// Its name.
        name: String,
        /// Whether it may hold nulls now.
        nullable: bool,
    },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added { name, r#type } => write!(f, "column {name:?} ({type}) is new"),
            Self::Removed { name, r#type } => write!(f, "column {name:?} ({type}) is gone"),
            Self::Retyped { name, from, to, .. } => write!(f, "column {name:?} was {from} and is {to}"),
            Self::Nullability { name, nullable: true } => write!(f, "column {name:?} now has nulls"),
            Self::Nullability { name, nullable: false } => write!(f, "column {name:?} no longer has nulls"),
        }
    }
}

impl Schema {
    /// From columns; their names must be distinct.
    pub fn new(fields: Vec<Field>) -> Result<Self> {
        let mut seen = HashSet::new();
        if let Some(twice) = fields.iter().find(|field| !seen.insert(field.name.as_str())) {
            return Err(Error::invalid(format!(
                "two columns are named {:?}; names must be distinct",
                twice.name
            )));
        }
        Ok(Self { fields })
    }

    /// The column of that name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The columns' names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|field| field.name.as_str())
    }

    /// As an Arrow schema.
    pub fn to_arrow(&self) -> SchemaRef {
        let fields: Vec<_> = self
            .fields
            .iter()
            .map(|field| arrow_types::Field::new(&field.name, field.r#type.to_arrow(), field.nullable))
            .collect();
        Arc::new(arrow_types::Schema::new(fields))
    }

    /// From an Arrow schema, each type as [`ColumnType::from_arrow`] says.
    pub fn from_arrow(schema: &arrow_types::Schema) -> Result<Self> {
        let fields = schema.fields().iter().map(|field| {
            let r#type = ColumnType::from_arrow(field.data_type()).ok_or_else(|| {
                Error::invalid(format!(
                    "column {:?} is {}; columns of numbers, booleans, texts, dates and timestamps are \
                     accepted: cast it or leave it out",
                    field.name(),
                    field.data_type()
                ))
            })?;
            Ok(Field { name: field.name().clone(), r#type, nullable: field.is_nullable() })
        });
        Self::new(fields.collect::<Result<_>>()?)
    }

    /// What is different in `later`: columns gone or changed in this schema's
    /// order, then new ones in the order of `later`. A change of order alone is
    /// none.
    pub fn compare(&self, later: &Self) -> Vec<Change> {
        let mut changes = Vec::new();
        for old in &self.fields {
            let Some(new) = later.field(&old.name) else {
                changes.push(Change::Removed { name: old.name.clone(), r#type: old.r#type });
                continue;
            };
            if old.r#type != new.r#type {
                changes.push(Change::Retyped {
                    name: old.name.clone(),
                    from: old.r#type,
                    to: new.r#type,
                    widening: old.r#type.widens_to(new.r#type),
                });
            }
            if old.nullable != new.nullable {
                changes.push(Change::Nullability { name: old.name.clone(), nullable: new.nullable });
            }
        }
        let added = later.fields.iter().filter(|new| self.field(&new.name).is_none());
        changes.extend(added.map(|new| Change::Added { name: new.name.clone(), r#type: new.r#type }));
        changes
    }

    /// The schema that holds the rows of all: every column of any, in order of
    /// first appearance, of the narrowest type that all widen to, nullable if
    /// any is or if one schema lacks it.
    pub fn unify<'a>(schemas: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut unified = Self::default();
        for (index, schema) in schemas.into_iter().enumerate() {
            for field in &mut unified.fields {
                match schema.field(&field.name) {
                    Some(other) => {
                        field.r#type = field.r#type.unify(other.r#type);
                        field.nullable |= other.nullable;
                    }
                    None => field.nullable = true,
                }
            }
            for field in &schema.fields {
                if unified.field(&field.name).is_none() {
                    let nullable = field.nullable || index > 0;
                    unified.fields.push(Field { nullable, ..field.clone() });
                }
            }
        }
        unified
    }

    /// These columns, in this order.
    pub fn project(&self, columns: &[String], place: &str) -> Result<Self> {
        let fields = columns
            .iter()
            .map(|name| self.field(name).cloned().ok_or_else(|| Error::no_column(name, place, self.names())));
        Self::new(fields.collect::<Result<_>>()?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn schema(fields: &[(&str, ColumnType)]) -> Schema {
        Schema::new(fields.iter().map(|(name, t)| Field::new(*name, *t)).collect()).unwrap()
    }

    #[test]
    fn changes_are_named_and_widening_is_told_apart() {
        let old = schema(&[("a", ColumnType::S64), ("b", ColumnType::Utf8), ("c", ColumnType::F64)]);
        let new = schema(&[("c", ColumnType::S64), ("a", ColumnType::F64), ("d", ColumnType::Boolean)]);
        let changes = old.compare(&new);
        assert_eq!(
            changes,
            vec![
                Change::Retyped {
                    name: "a".into(),
                    from: ColumnType::S64,
                    to: ColumnType::F64,
                    widening: true
                },
                Change::Removed { name: "b".into(), r#type: ColumnType::Utf8 },
                Change::Retyped {
                    name: "c".into(),
                    from: ColumnType::F64,
                    to: ColumnType::S64,
                    widening: false
                },
                Change::Added { name: "d".into(), r#type: ColumnType::Boolean },
            ]
        );
        assert!(old.compare(&old).is_empty());
    }

    #[test]
    fn unified_schemas_hold_every_column_in_the_narrowest_type() {
        let unified = Schema::unify([
            &schema(&[("a", ColumnType::S64), ("t", ColumnType::Timestamp)]),
            &Schema::new(vec![
                Field::required("a", ColumnType::F64),
                Field::required("n", ColumnType::S64),
                Field::new("t", ColumnType::S64),
            ])
            .unwrap(),
        ]);
        assert_eq!(
            unified.fields,
            vec![
                Field::new("a", ColumnType::F64),
                Field::new("t", ColumnType::Utf8),
                Field::new("n", ColumnType::S64),
            ]
        );
    }

    #[test]
    fn arrow_and_json_round_trip_and_a_name_twice_is_refused() {
        let schema = schema(&[("a", ColumnType::S64), ("t", ColumnType::Timestamp), ("s", ColumnType::Utf8)]);
        assert_eq!(Schema::from_arrow(&schema.to_arrow()).unwrap(), schema);
        let json = serde_json::to_string(&schema).unwrap();
        assert!(json.starts_with(r#"[{"name":"a","type":"s64","nullable":true}"#), "{json}");
        assert_eq!(serde_json::from_str::<Schema>(&json).unwrap(), schema);
        let twice = Schema::new(vec![Field::new("a", ColumnType::S64), Field::new("a", ColumnType::F64)]);
        assert!(twice.unwrap_err().to_string().contains("\"a\""));
    }
}
