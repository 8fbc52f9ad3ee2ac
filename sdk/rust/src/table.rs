//! Tables: columns of equal length with distinct names, checked once.

use std::collections::HashSet;

use crate::{Column, ColumnData, Error, Field, Numbers, Result, Text};

/// Columns of equal length with distinct names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    columns: Vec<Column>,
    rows: usize,
}

impl Table {
    /// A table of these columns. Columns of unequal length, a validity of another
    /// length, or a name that comes twice is `invalid-input`.
    pub fn new(columns: impl Into<Vec<Column>>) -> Result<Table> {
        let columns = columns.into();
        let rows = columns.first().map_or(0, Column::len);
        let mut names = HashSet::with_capacity(columns.len());
        for column in &columns {
            check(column, rows)?;
            if !names.insert(column.name.as_str()) {
                return Err(Error::column(&column.name, "comes twice; column names must be distinct"));
            }
        }
        drop(names);
        Ok(Table { columns, rows })
    }

    /// A table without rows.
    pub fn empty(schema: &[Field]) -> Table {
        let columns = schema.iter().map(|field| Column::new(&field.name, ColumnData::empty(field.type_)));
        Table { columns: columns.collect(), rows: 0 }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The columns, in order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The columns' names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }

    /// The columns' names and types, in order.
    pub fn schema(&self) -> Vec<Field> {
        self.columns.iter().map(Column::field).collect()
    }

    /// A column, where it is there.
    pub fn get(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// A column that must be there; `invalid-input` names it and those there are.
    pub fn column(&self, name: &str) -> Result<&Column> {
        self.get(name).ok_or_else(|| {
            let there: Vec<&str> = self.names().take(20).collect();
            Error::column(name, format!("is missing; there are: {}", there.join(", ")))
        })
    }

    /// A column as doubles, NaN for null: [`Column::numbers`].
    pub fn numbers(&self, name: &str) -> Result<Numbers<'_>> {
        self.column(name)?.numbers()
    }

    /// A column as text, none for null: [`Column::text`].
    pub fn strings(&self, name: &str) -> Result<Vec<Option<Text<'_>>>> {
        Ok(self.column(name)?.strings())
    }

    /// Adds a column. The first one sets the number of rows.
    pub fn push(&mut self, column: Column) -> Result<()> {
        let rows = if self.columns.is_empty() { column.len() } else { self.rows };
        check(&column, rows)?;
        if self.get(&column.name).is_some() {
            return Err(Error::column(&column.name, "comes twice; column names must be distinct"));
        }
        self.rows = rows;
        self.columns.push(column);
        Ok(())
    }

    /// Appends the rows of a table with the same columns in the same order.
    pub fn append(&mut self, more: Table) -> Result<()> {
        if self.columns.is_empty() {
            *self = more;
            return Ok(());
        }
        if !self.names().eq(more.names()) {
            let (have, got) = (self.names().collect::<Vec<_>>(), more.names().collect::<Vec<_>>());
            return Err(Error::invalid(format!(
                "the columns change between batches: {} and then {}",
                have.join(", "),
                got.join(", ")
            )));
        }
        for (column, new) in self.columns.iter().zip(&more.columns) {
            if column.column_type() != new.column_type() {
                let (have, got) = (column.column_type().name(), new.column_type().name());
                return Err(Error::column(
                    &column.name,
                    format!("is {have} in one batch and {got} in another"),
                ));
            }
        }
        let rows = more.rows;
        for (column, new) in self.columns.iter_mut().zip(more.columns) {
            column.append(new)?;
        }
        self.rows += rows;
        Ok(())
    }

    /// Rows `start..start + length`, as far as they are there.
    #[must_use]
    pub fn slice(&self, start: usize, length: usize) -> Table {
        let columns: Vec<Column> = self.columns.iter().map(|column| column.slice(start, length)).collect();
        let rows = self.rows.saturating_sub(start).min(length);
        Table { columns, rows }
    }

    /// The rows at `rows`, in that order; rows that are not there are null.
    #[must_use]
    pub fn take(&self, rows: &[usize]) -> Table {
        Table { columns: self.columns.iter().map(|column| column.take(rows)).collect(), rows: rows.len() }
    }
}

impl From<Table> for Vec<Column> {
    fn from(table: Table) -> Vec<Column> {
        table.columns
    }
}

impl TryFrom<Vec<Column>> for Table {
    type Error = Error;

    fn try_from(columns: Vec<Column>) -> Result<Table> {
        Table::new(columns)
    }
}

fn check(column: &Column, rows: usize) -> Result<()> {
    if column.len() != rows {
        return Err(Error::column(
            &column.name,
            format!("has {} rows and the table {rows}; columns must be of equal length", column.len()),
        ));
    }
    match &column.validity {
        Some(validity) if validity.len() != rows => Err(Error::column(
            &column.name,
            format!("has {rows} rows and a validity of {}; they must be of equal length", validity.len()),
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn table() -> Table {
        Table::new([Column::s64("id", [1, 2, 3]), Column::utf8("name", ["a", "b", "c"])]).unwrap()
    }

    #[test]
    fn unequal_columns_are_refused_by_name() {
        let error = Table::new([Column::s64("id", [1, 2]), Column::f64("x", [1.0])]).unwrap_err();
        assert_eq!(
            error.message(),
            "column \"x\": has 1 rows and the table 2; columns must be of equal length"
        );
        let error = Table::new([Column::s64("id", [1]).with_validity(vec![])]).unwrap_err();
        assert!(error.message().contains("a validity of 0"), "{error}");
        let error = Table::new([Column::s64("id", [1]), Column::s64("id", [1])]).unwrap_err();
        assert!(error.message().contains("comes twice"), "{error}");
        assert!(table().push(Column::s64("id", [1, 2, 3])).is_err());
        assert!(table().push(Column::s64("more", [1])).is_err());
    }

    #[test]
    fn a_missing_column_is_named_with_those_there_are() {
        assert_eq!(
            table().column("age").unwrap_err().message(),
            "column \"age\": is missing; there are: id, name"
        );
        assert!(table().numbers("name").is_err());
    }

    #[test]
    fn rows_are_appended_and_sliced() {
        let mut all = Table::default();
        all.append(table()).unwrap();
        all.append(table().slice(1, 1)).unwrap();
        assert_eq!(all.rows(), 4);
        assert_eq!(*all.numbers("id").unwrap(), [1.0, 2.0, 3.0, 2.0]);
        assert_eq!(all.slice(3, 10).rows(), 1);
        assert_eq!(all.take(&[3, 0]).strings("name").unwrap(), vec![Some("b".into()), Some("a".into())]);
        let before = all.clone();
        let other = Table::new([Column::s64("id", [1]), Column::s64("name", [2])]).unwrap();
        assert!(all.append(other).is_err());
        assert_eq!(all, before);
        assert!(all.append(Table::new([Column::s64("id", [1])]).unwrap()).is_err());
    }

    #[test]
    fn an_empty_table_has_columns() {
        let empty = Table::empty(&table().schema());
        assert_eq!((empty.rows(), empty.columns().len()), (0, 2));
    }
}
