//! Rows that could not be read.

use crate::Error;
use crate::ingestion::RejectedRow;

/// The rejected rows of one pull, counted together with those of the pulls
/// before it.
#[derive(Debug, Default)]
pub struct Rejections {
    rows: Vec<RejectedRow>,
    earlier: u64,
}

impl Rejections {
    /// A row's text is kept up to this many bytes.
    pub const RAW_LIMIT: usize = 4096;

    /// Rejections up to this number never fail a pull, whatever their share: a
    /// small file with one bad row is no wrong file.
    pub const TOLERATED: u64 = 100;

    /// None yet in this pull, `earlier` in those before it.
    pub fn after(earlier: u64) -> Rejections {
        Rejections { rows: Vec::new(), earlier }
    }

    /// Keeps a row: its number from 1, the column at fault, why, and its text.
    pub fn add(&mut self, row: u64, column: Option<&str>, reason: String, raw: String) {
        self.rows.push(RejectedRow { row, column: column.map(str::to_owned), reason, raw });
    }

    /// Rows rejected in this pull.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether none was rejected in this pull.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Rows rejected in all.
    pub fn total(&self) -> u64 {
        self.earlier + self.rows.len() as u64
    }

    /// Fails when more than [`TOLERATED`](Rejections::TOLERATED) rows and more than the share `most`
    /// of the `read` rows so far were rejected: then it is the source or the
    /// parameters that are wrong, and not single rows.
    pub fn check(&self, read: u64, most: f64) -> Result<(), Error> {
        let total = self.total();
        if total <= Rejections::TOLERATED || total as f64 <= most * read as f64 {
            return Ok(());
        }
        let example = self.rows.last().map_or_else(String::new, |row| {
            let column = row.column.as_ref().map_or_else(String::new, |name| format!(", column {name:?}"));
            format!("; for example row {}{column}: {}", row.row, row.reason)
        });
        Err(Error::parameter(
            "/max_rejected",
            format!(
                "{total} of {read} rows were rejected, more than the share of {most} that is accepted{example}"
            ),
        ))
    }

    /// The rows.
    pub fn into_rows(self) -> Vec<RejectedRow> {
        self.rows
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_few_bad_rows_are_no_failure_and_many_are() {
        let mut rejections = Rejections::after(0);
        for row in 1..=100 {
            rejections.add(row, Some("x"), "\"a\" is not of type s64".to_owned(), "a".to_owned());
        }
        rejections.check(100, 0.2).unwrap();
        rejections.add(101, Some("x"), "\"b\" is not of type s64".to_owned(), "b".to_owned());
        rejections.check(1000, 0.2).unwrap();
        let message = format!("{:?}", rejections.check(400, 0.2).unwrap_err());
        assert!(
            message.contains("101 of 400") && message.contains("row 101") && message.contains("x"),
            "{message}"
        );
        assert_eq!(Rejections::after(7).total(), 7);
    }
}
