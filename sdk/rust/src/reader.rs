//! Tables too large to hold, pulled batch by batch.

use crate::bindings::host::modelyard::lifecycle::tables as host;
use crate::{Field, Result, Table};

/// A table that is pulled batch by batch: the host's on the guest target, or one
/// in memory ([`Reader::from_tables`]) for native tests.
#[derive(Debug)]
pub struct Reader {
    source: Source,
}

#[derive(Debug)]
enum Source {
    #[cfg_attr(not(target_arch = "wasm32"), allow(dead_code))]
    Host(HostReader),
    Memory(Memory),
}

/// A reader that the host lent for the length of one call.
#[derive(Debug)]
struct HostReader(std::mem::ManuallyDrop<host::Reader>);

#[derive(Debug)]
struct Memory {
    schema: Vec<Field>,
    tables: Vec<Table>,
    /// The table and the row in it that come next.
    next: std::cell::Cell<(usize, usize)>,
}

impl Reader {
    /// A reader over tables in memory with the columns of `schema`. Batches end
    /// where a table ends.
    pub fn from_tables(schema: Vec<Field>, tables: Vec<Table>) -> Reader {
        Reader { source: Source::Memory(Memory { schema, tables, next: std::cell::Cell::new((0, 0)) }) }
    }

    /// A reader over one table in memory.
    pub fn from_table(table: Table) -> Reader {
        Reader::from_tables(table.schema(), vec![table])
    }

    /// Wraps the host's reader for one call. The generated binding keeps and drops
    /// the handle, so this one never does; an export's wrapper lends it to the
    /// plugin by reference only, so it does not outlive the call.
    #[doc(hidden)]
    pub fn borrowed(reader: &host::Reader) -> Reader {
        // SAFETY: the handle is live as long as `reader`, and is not dropped here.
        let same = unsafe { host::Reader::from_handle(reader.handle()) };
        Reader { source: Source::Host(HostReader(std::mem::ManuallyDrop::new(same))) }
    }

    /// The columns of every batch, in order.
    pub fn schema(&self) -> Vec<Field> {
        match &self.source {
            Source::Host(reader) => reader.0.schema(),
            Source::Memory(memory) => memory.schema.clone(),
        }
    }

    /// The number of rows in all.
    pub fn rows(&self) -> u64 {
        match &self.source {
            Source::Host(reader) => reader.0.rows(),
            Source::Memory(memory) => memory.tables.iter().map(|table| table.rows() as u64).sum(),
        }
    }

    /// The next rows, at most `max_rows` (0 counts as 1); none at the end.
    pub fn next(&self, max_rows: u32) -> Result<Option<Table>> {
        let max_rows = max_rows.max(1);
        match &self.source {
            Source::Host(reader) => reader.0.next(max_rows)?.map(Table::new).transpose(),
            Source::Memory(memory) => Ok(memory.next(max_rows as usize)),
        }
    }

    /// Back to the first row.
    pub fn rewind(&self) -> Result<()> {
        match &self.source {
            Source::Host(reader) => reader.0.rewind(),
            Source::Memory(memory) => {
                memory.next.set((0, 0));
                Ok(())
            }
        }
    }

    /// All rows from the first, in batches of at most `max_rows`; rewinds first.
    pub fn batches(&self, max_rows: u32) -> Batches<'_> {
        Batches { reader: self, max_rows, started: false, ended: false }
    }

    /// The whole table, from the first row; for tables that fit into memory. A
    /// table without rows has its columns.
    pub fn read_all(&self) -> Result<Table> {
        const BATCH: u32 = 65_536;
        let mut all = Table::default();
        for batch in self.batches(BATCH) {
            all.append(batch?)?;
        }
        if all.columns().is_empty() { Ok(Table::empty(&self.schema())) } else { Ok(all) }
    }
}

impl Memory {
    fn next(&self, max_rows: usize) -> Option<Table> {
        let (mut at, mut row) = self.next.get();
        loop {
            let table = self.tables.get(at)?;
            if row < table.rows() {
                let batch = table.slice(row, max_rows);
                self.next.set((at, row + batch.rows()));
                return Some(batch);
            }
            (at, row) = (at + 1, 0);
        }
    }
}

/// The batches of a [`Reader`]. After an error it ends.
#[derive(Debug)]
pub struct Batches<'a> {
    reader: &'a Reader,
    max_rows: u32,
    started: bool,
    ended: bool,
}

impl Iterator for Batches<'_> {
    type Item = Result<Table>;

    fn next(&mut self) -> Option<Result<Table>> {
        if self.ended {
            return None;
        }
        let rewound = if std::mem::replace(&mut self.started, true) { Ok(()) } else { self.reader.rewind() };
        let next = rewound.and_then(|()| self.reader.next(self.max_rows)).transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Column, ColumnType};

    fn reader() -> Reader {
        let first = Table::new([Column::s64("n", [1, 2, 3])]).unwrap();
        let none = Table::new([Column::s64("n", [])]).unwrap();
        let last = Table::new([Column::s64("n", [4])]).unwrap();
        Reader::from_tables(first.schema(), vec![first, none, last])
    }

    #[test]
    fn batches_hold_every_row_once() {
        let reader = reader();
        assert_eq!(reader.rows(), 4);
        assert_eq!(reader.next(2).unwrap().unwrap().rows(), 2);
        let sizes: Vec<usize> = reader.batches(2).map(|batch| batch.unwrap().rows()).collect();
        assert_eq!(sizes, [2, 1, 1]);
        assert_eq!(reader.next(2).unwrap(), None);
        assert_eq!(*reader.read_all().unwrap().numbers("n").unwrap(), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(reader.batches(0).count(), 4);
    }

    #[test]
    fn no_rows_still_have_columns() {
        let reader = Reader::from_tables(vec![Field::new("n", ColumnType::S64)], vec![]);
        let all = reader.read_all().unwrap();
        assert_eq!((all.rows(), all.columns().len()), (0, 1));
    }

    #[test]
    fn a_change_between_batches_is_an_error_that_names_the_column() {
        let first = Table::new([Column::s64("n", [1])]).unwrap();
        let second = Table::new([Column::utf8("n", ["x"])]).unwrap();
        let error = Reader::from_tables(first.schema(), vec![first, second]).read_all().unwrap_err();
        assert!(error.message().starts_with("column \"n\": is s64"), "{error}");
    }
}
