//! Records to columns: nested objects flattened, types found, values placed.

use std::collections::HashMap;

use modelyard_sdk::ingest::encoding::Encoding;
use modelyard_sdk::ingest::{ColumnBuilder, Inference, Mismatch, OnTypeChange, Rejections, resolve, widened};
use modelyard_sdk::prelude::*;
use serde_json::Value;

use crate::settings::Settings;

/// More columns than this are taken for keys that are data.
pub const MOST_COLUMNS: usize = 4096;

/// A record as it came: its number, and its value or why it has none.
pub struct Record {
    /// Its number in the source, from 1.
    pub row: u64,
    /// The value, or the reason and the text.
    pub value: Result<Value, (String, String)>,
}

/// A column that was seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// Its name: the keys on the way joined with dots.
    pub name: String,
    /// Its type.
    pub kind: ColumnType,
}

/// A record with its values by column.
struct Row {
    number: u64,
    cells: Vec<(usize, Value)>,
    /// The record, for showing it when it is rejected.
    value: Value,
}

/// The columns of a batch under construction.
pub struct Columns<'a> {
    settings: &'a Settings,
    expected: &'a [Field],
    known: Vec<Known>,
    /// How many of them have their type from an earlier pull.
    typed: usize,
    index: HashMap<String, usize>,
    rows: Vec<Row>,
    rejections: Rejections,
}

impl<'a> Columns<'a> {
    /// The columns of earlier pulls, to which this one's are added.
    pub fn new(
        settings: &'a Settings,
        expected: &'a [Field],
        known: Vec<Known>,
        rejected: u64,
    ) -> Columns<'a> {
        let mut columns = Columns {
            settings,
            expected,
            typed: known.len(),
            index: known.iter().enumerate().map(|(index, known)| (known.name.clone(), index)).collect(),
            known,
            rows: Vec::new(),
            rejections: Rejections::after(rejected),
        };
        if columns.known.is_empty() {
            for name in settings.given.columns.keys().chain(settings.formats.keys()) {
                columns.column(name);
            }
        }
        for known in &mut columns.known {
            let host = expected.iter().find(|field| field.name == known.name).map(|field| field.type_);
            known.kind = settings.declared(&known.name).or(host).unwrap_or(known.kind);
        }
        columns
    }

    fn column(&mut self, name: &str) -> usize {
        if let Some(index) = self.index.get(name) {
            return *index;
        }
        let index = self.known.len();
        self.index.insert(name.to_owned(), index);
        self.known.push(Known { name: name.to_owned(), kind: ColumnType::Utf8 });
        index
    }

    /// Takes a record in, or rejects it.
    pub fn add(&mut self, record: Record) -> Result<(), Error> {
        let number = record.row;
        let (reason, raw) = match record.value {
            Ok(value @ Value::Object(_)) => {
                let mut cells = Vec::with_capacity(self.known.len());
                let mut path = String::new();
                self.flatten(&value, &mut path, &mut cells)?;
                cells.sort_by_key(|(index, _)| *index);
                let twice = cells.windows(2).find_map(|pair| match pair {
                    [(one, _), (two, _)] if one == two => Some(*one),
                    _ => None,
                });
                let reason = match twice.and_then(|column| self.known.get(column)) {
                    Some(column) => format!("the record has two values for the column {:?}", column.name),
                    // Before any column is known it would be no row at all.
                    None if cells.is_empty() => "the record has no values".to_owned(),
                    None => {
                        self.rows.push(Row { number, cells, value });
                        return Ok(());
                    }
                };
                (reason, value.to_string())
            }
            Ok(other) => ("the record is no JSON object".to_owned(), other.to_string()),
            Err(fault) => fault,
        };
        self.reject(number, None, reason, &raw)
    }

    fn reject(&mut self, row: u64, column: Option<&str>, reason: String, raw: &str) -> Result<(), Error> {
        let raw = Encoding::Utf8.show(raw.as_bytes(), Rejections::RAW_LIMIT);
        self.rejections.add(row, column, reason, raw);
        self.rejections.check(row, self.settings.given.max_rejected)
    }

    fn flatten(
        &mut self,
        value: &Value,
        path: &mut String,
        cells: &mut Vec<(usize, Value)>,
    ) -> Result<(), Error> {
        let Value::Object(members) = value else {
            let index = self.column(path);
            if index >= MOST_COLUMNS {
                let why = format!("the records have more than {MOST_COLUMNS} columns; are keys data here?");
                return Err(Error::column(path.as_str(), why));
            }
            cells.push((index, value.clone()));
            return Ok(());
        };
        let length = path.len();
        for (key, member) in members {
            if length > 0 {
                path.push('.');
            }
            path.push_str(key);
            self.flatten(member, path, cells)?;
            path.truncate(length);
        }
        Ok(())
    }

    /// Finds the types of new columns from the first rows.
    fn infer(&mut self) {
        let expected = |name: &str| self.expected.iter().find(|field| field.name == name).map(|f| f.type_);
        let mut inferences: Vec<Inference> =
            self.known.iter().map(|known| Inference::new(expected(&known.name))).collect();
        for row in self.rows.iter().take(self.settings.given.sample_rows) {
            for (index, value) in &row.cells {
                let Some(inference) = inferences.get_mut(*index) else { continue };
                match value {
                    Value::Null => {}
                    Value::Bool(_) => inference.observe_boolean(),
                    Value::Number(number) => inference.observe_number(number),
                    Value::String(text) => inference.observe_string(text),
                    other => inference.observe_string(&other.to_string()),
                }
            }
        }
        for (known, inference) in self.known.iter_mut().zip(&inferences).skip(self.typed) {
            known.kind = resolve(self.settings.declared(&known.name), inference);
        }
    }

    /// The table, the rejected rows, and the columns for the next pull.
    pub fn finish(mut self) -> Result<(Table, Rejections, Vec<Known>), Error> {
        self.infer();
        let rows = std::mem::take(&mut self.rows);
        loop {
            match self.build(&rows) {
                Ok((table, bad)) => {
                    for (row, column, reason) in bad {
                        let Some(row) = rows.get(row) else { continue };
                        let name = self.known.get(column).map(|known| known.name.clone());
                        self.reject(row.number, name.as_deref(), reason, &row.value.to_string())?;
                    }
                    return Ok((table?, self.rejections, self.known));
                }
                Err((column, wider)) => {
                    if let Some(known) = self.known.get_mut(column) {
                        let (name, from) = (&known.name, known.kind.name());
                        log::warn(format!("column {name:?} is no longer {from}: read as {}", wider.name()));
                        known.kind = wider;
                    }
                }
            }
        }
    }

    /// Places every value; the column and type to begin again with where one
    /// has to be widened.
    #[allow(clippy::type_complexity)]
    fn build(
        &self,
        rows: &[Row],
    ) -> Result<(Result<Table, Error>, Vec<(usize, usize, String)>), (usize, ColumnType)> {
        let mut builders: Vec<ColumnBuilder> = self.known.iter().map(|known| self.builder(known)).collect();
        let mut bad = Vec::new();
        let mut good = 0;
        for (at, row) in rows.iter().enumerate() {
            let mut fault = None;
            for (index, value) in &row.cells {
                let Some(builder) = builders.get_mut(*index) else { continue };
                let Err(mismatch) = self.place(builder, value) else { continue };
                let text = match value {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                let declared = self.settings.declared(builder.name()).is_some();
                if self.settings.given.on_type_change == OnTypeChange::Widen && !declared {
                    let number = if value.is_number() { text.as_bytes() } else { b"-" };
                    return Err((*index, widened(builder.column_type(), number)));
                }
                fault = Some((at, *index, mismatch.reason(&text)));
                break;
            }
            match fault {
                Some(fault) => {
                    builders.iter_mut().for_each(|builder| builder.truncate(good));
                    bad.push(fault);
                }
                None => {
                    good += 1;
                    builders.iter_mut().for_each(|builder| builder.pad(good));
                }
            }
        }
        let columns: Vec<Column> = builders.into_iter().map(ColumnBuilder::finish).collect();
        Ok((Table::new(columns), bad))
    }

    fn builder(&self, known: &Known) -> ColumnBuilder {
        let builder = ColumnBuilder::new(&known.name, known.kind, self.rows.len());
        match self.settings.formats.get(&known.name) {
            Some(format) => builder.with_format(format.clone()),
            None => builder,
        }
    }

    fn place(&self, builder: &mut ColumnBuilder, value: &Value) -> Result<(), Mismatch> {
        match value {
            Value::Null => builder.push_null(),
            Value::Bool(value) => builder.push_boolean(*value)?,
            Value::Number(number) => builder.push_number(number)?,
            Value::String(text) => {
                let textual = builder.column_type() == ColumnType::Utf8;
                if !textual && self.settings.nulls.contain(text.as_bytes()) {
                    builder.push_null();
                } else {
                    builder.push(text.as_bytes(), Encoding::Utf8)?;
                }
            }
            other => builder.push(other.to_string().as_bytes(), Encoding::Utf8)?,
        }
        Ok(())
    }
}
