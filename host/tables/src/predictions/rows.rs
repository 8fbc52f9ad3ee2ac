//! Calls as rows: the layout of the prediction log's tables.

use std::{collections::HashMap, sync::Arc};

use arrow::array::RecordBatch;

use super::{Prediction, PredictionId};
use crate::{Column, ColumnType, Field, Result, Schema, Values, columns::conform, to_batch};

/// The columns that every table of predictions starts with.
pub(crate) const ID: &str = "prediction_id";
pub(crate) const AT: &str = "at";
pub(crate) const ENTITY: &str = "entity";
pub(crate) const LABEL: &str = "label";
pub(crate) const LABEL_AT: &str = "label_at";
/// Names that a feature or an output can't have in a table of predictions.
const RESERVED: [&str; 8] = [ID, AT, "model", "version", "latency_us", ENTITY, LABEL, LABEL_AT];
/// Calls are put together into batches of about this size.
const BATCH_BYTES: usize = 64 << 20;

/// The columns before features and outputs.
pub(crate) fn fixed() -> Schema {
    Schema {
        fields: vec![
            Field::required(ID, ColumnType::Utf8),
            Field::required(AT, ColumnType::Timestamp),
            Field::required("model", ColumnType::Utf8),
            Field::required("version", ColumnType::S64),
            Field::required("latency_us", ColumnType::S64),
            Field::new(ENTITY, ColumnType::Utf8),
        ],
    }
}

/// The features' and outputs' columns of a table, found while looking at calls.
#[derive(Default)]
struct Layout {
    columns: Vec<Field>,
    /// Whether a column's type is that of a value, not of nothing but nulls.
    typed: Vec<bool>,
    index: HashMap<String, usize>,
    /// The columns of the last call, which mostly are those of the next.
    last: Option<(Vec<String>, usize, Arc<[usize]>)>,
}

impl Layout {
    /// Where a call's features and outputs go. A feature named like a fixed
    /// column becomes `feature_<name>`, an output named like a fixed column or
    /// a feature `output_<name>`.
    fn place(&mut self, call: &Prediction) -> Arc<[usize]> {
        let given = || call.features.iter().chain(&call.outputs);
        let places = match &self.last {
            Some((names, features, places))
                if *features == call.features.len() && given().map(|c| &c.name).eq(names) =>
            {
                places.clone()
            }
            _ => {
                let mut taken: Vec<String> = Vec::new();
                for (n, column) in given().enumerate() {
                    let prefix = if n < call.features.len() { "feature" } else { "output" };
                    let mut name = column.name.clone();
                    while RESERVED.contains(&name.as_str()) || taken.contains(&name) {
                        name = format!("{prefix}_{name}");
                    }
                    taken.push(name);
                }
                let places: Arc<[usize]> = taken.into_iter().map(|name| self.column(name)).collect();
                let names = given().map(|column| column.name.clone()).collect();
                self.last = Some((names, call.features.len(), places.clone()));
                places
            }
        };
        for (place, column) in places.iter().zip(given()) {
            let all_null = column.validity.as_ref().is_some_and(|validity| !validity.contains(&true));
            let found = column.values.column_type();
            if let (Some(field), Some(typed)) = (self.columns.get_mut(*place), self.typed.get_mut(*place)) {
                match (all_null, *typed) {
                    (true, true) => {}
                    (_, false) => field.r#type = found,
                    (false, true) => field.r#type = field.r#type.unify(found),
                }
                *typed |= !all_null;
            }
        }
        places
    }

    fn column(&mut self, name: String) -> usize {
        if let Some(place) = self.index.get(&name) {
            return *place;
        }
        let place = self.columns.len();
        // The type is that of the first call that has the column.
        self.columns.push(Field::new(name.clone(), ColumnType::Utf8));
        self.typed.push(false);
        self.index.insert(name, place);
        place
    }
}

/// A column in the making.
struct Builder {
    column: Column,
    r#type: ColumnType,
}

impl Builder {
    fn new(field: &Field) -> Self {
        let values = match field.r#type {
            ColumnType::F64 => Values::F64(Vec::new()),
            ColumnType::S64 => Values::S64(Vec::new()),
            ColumnType::Boolean => Values::Boolean(Vec::new()),
            ColumnType::Utf8 => Values::Utf8(Vec::new()),
            ColumnType::Timestamp => Values::Timestamp(Vec::new()),
        };
        Self { column: Column::new(field.name.clone(), values), r#type: field.r#type }
    }

    /// Nulls up to a number of rows.
    fn pad(&mut self, rows: usize) {
        let have = self.column.len();
        if have >= rows {
            return;
        }
        self.column.validity.get_or_insert_with(|| vec![true; have]).resize(rows, false);
        match &mut self.column.values {
            Values::F64(values) => values.resize(rows, f64::NAN),
            Values::S64(values) | Values::Timestamp(values) => values.resize(rows, 0),
            Values::Boolean(values) => values.resize(rows, false),
            Values::Utf8(values) => values.resize(rows, String::new()),
        }
    }

    fn extend(&mut self, column: Column) {
        let have = self.column.len();
        let column = if column.values.column_type() == self.r#type { column } else { self.cast(&column) };
        match (&mut self.column.validity, column.validity) {
            (Some(validity), Some(more)) => validity.extend(more),
            (Some(validity), None) => validity.resize(have + column.values.len(), true),
            (None, Some(more)) => {
                let mut validity = vec![true; have];
                validity.extend(more);
                self.column.validity = Some(validity);
            }
            (None, None) => {}
        }
        match (&mut self.column.values, column.values) {
            (Values::F64(values), Values::F64(more)) => values.extend(more),
            (Values::S64(values), Values::S64(more))
            | (Values::Timestamp(values), Values::Timestamp(more)) => values.extend(more),
            (Values::Boolean(values), Values::Boolean(more)) => values.extend(more),
            (Values::Utf8(values), Values::Utf8(more)) => values.extend(more),
            // `cast` gives this type or, for nothing but nulls, another.
            (_, other) => self.pad(have + other.len()),
        }
    }

    fn cast(&self, column: &Column) -> Column {
        let cells = (0..column.len()).map(|row| column.value(row).cast(self.r#type).unwrap_or_default());
        Column::from_values("", &cells.collect::<Vec<_>>())
    }
}

/// About what a call takes in memory.
fn weight(call: &Prediction) -> usize {
    let texts = |column: &Column| match &column.values {
        Values::Utf8(texts) => texts.iter().map(|text| text.len() + 24).sum(),
        values => values.len() * 9,
    };
    let rows = usize::try_from(call.rows).unwrap_or(0);
    rows * 160 + call.features.iter().chain(&call.outputs).map(texts).sum::<usize>()
}

/// The columns before features and outputs, for some calls.
fn fixed_columns(calls: &mut [(Prediction, Arc<[usize]>)]) -> Vec<Column> {
    let rows: usize = calls.iter().map(|(call, _)| usize::try_from(call.rows).unwrap_or(0)).sum();
    let (mut ids, mut models, mut entities) =
        (Vec::with_capacity(rows), Vec::with_capacity(rows), Vec::with_capacity(rows));
    let (mut ats, mut versions, mut latencies) =
        (Vec::with_capacity(rows), Vec::with_capacity(rows), Vec::with_capacity(rows));
    for (call, _) in calls {
        let count = usize::try_from(call.rows).unwrap_or(0);
        let mut named = std::mem::take(&mut call.entities);
        named.resize(count, None);
        entities.append(&mut named);
        ids.extend((0..call.rows).map(|row| PredictionId::new(call.id, row).to_string()));
        ats.resize(ats.len() + count, call.at.micros());
        models.resize(models.len() + count, call.model.to_string());
        versions.resize(versions.len() + count, i64::from(call.version));
        latencies.resize(latencies.len() + count, i64::try_from(call.latency_us).unwrap_or(i64::MAX));
    }
    vec![
        Column::new(ID, Values::Utf8(ids)),
        Column::new(AT, Values::Timestamp(ats)),
        Column::new("model", Values::Utf8(models)),
        Column::new("version", Values::S64(versions)),
        Column::new("latency_us", Values::S64(latencies)),
        Column {
            name: ENTITY.into(),
            validity: Some(entities.iter().map(Option::is_some).collect()),
            values: Values::Utf8(entities.into_iter().map(Option::unwrap_or_default).collect()),
        },
    ]
}

fn batch(
    mut calls: Vec<(Prediction, Arc<[usize]>)>,
    schema: &Schema,
    layout: &Layout,
) -> Result<RecordBatch> {
    let mut columns = fixed_columns(&mut calls);
    let mut builders: Vec<Builder> = layout.columns.iter().map(Builder::new).collect();
    let mut rows = 0;
    for (call, places) in calls {
        for (place, column) in places.iter().zip(call.features.into_iter().chain(call.outputs)) {
            if let Some(builder) = builders.get_mut(*place) {
                builder.pad(rows);
                builder.extend(column);
            }
        }
        rows += usize::try_from(call.rows).unwrap_or(0);
    }
    for mut builder in builders {
        builder.pad(rows);
        columns.push(builder.column);
    }
    conform(&to_batch(columns)?, schema)
}

/// Many calls' rows as one table. A column that some calls lack is null there;
/// one of several types has the narrowest that all widen to.
pub(crate) fn table(calls: Vec<Prediction>) -> Result<(Schema, Vec<RecordBatch>)> {
    let mut layout = Layout::default();
    let places: Vec<_> = calls.iter().map(|call| layout.place(call)).collect();
    let mut schema = fixed();
    schema.fields.extend(layout.columns.iter().cloned());
    let mut batches = Vec::new();
    let mut group = Vec::new();
    let mut bytes = 0;
    for (call, places) in calls.into_iter().zip(places) {
        bytes += weight(&call);
        group.push((call, places));
        if bytes > BATCH_BYTES {
            batches.push(batch(std::mem::take(&mut group), &schema, &layout)?);
            bytes = 0;
        }
    }
    if !group.is_empty() {
        batches.push(batch(group, &schema, &layout)?);
    }
    Ok((schema, batches))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use uuid::Uuid;

    use super::*;
    use crate::{Value, from_batch};

    fn call(features: Vec<Column>) -> Prediction {
        Prediction {
            id: Uuid::now_v7(),
            deployment: "d".into(),
            model: "m".into(),
            version: 1,
            at: "2013-01-01".parse().unwrap(),
            rows: 1,
            features,
            outputs: vec![],
            latency_us: 1,
            entities: vec![],
        }
    }

    #[test]
    fn a_column_of_nulls_has_no_say_in_the_type_and_gaps_are_null() {
        let null =
            Column { validity: Some(vec![false]), ..Column::new("x", Values::Utf8(vec![String::new()])) };
        let (schema, batches) = table(vec![
            call(vec![null]),
            call(vec![Column::new("x", Values::S64(vec![1]))]),
            call(vec![Column::new("y", Values::Boolean(vec![true]))]),
            call(vec![
                Column::new("x", Values::F64(vec![2.5])),
                Column::new("y", Values::Boolean(vec![false])),
            ]),
        ])
        .unwrap();
        assert_eq!(schema.field("x").unwrap().r#type, ColumnType::F64);
        let columns = from_batch(batches[0].clone()).unwrap();
        let cells = |column: usize| (0..4).map(|row| columns[column].value(row)).collect::<Vec<_>>();
        assert_eq!(cells(6), [Value::Null, 1.0.into(), Value::Null, 2.5.into()]);
        assert_eq!(cells(7), [Value::Null, Value::Null, true.into(), false.into()]);
    }
}
