//! Features: turn raw columns into features, fitted once and the same everywhere.

use crate::{Column, Description, Error, Field, Reader, Result, Table};

/// Turns raw columns into features. The type itself is the fitted state.
pub trait Features: Sized {
    /// What the plugin says of itself.
    fn describe() -> Description;

    /// Learns what `transform` needs (means, categories, edges) from training
    /// data and gives it as bytes.
    fn fit(parameters: &str, data: &Reader) -> Result<Vec<u8>>;

    /// Reads a fitted state.
    fn load(state: &[u8]) -> Result<Self>;

    /// The columns that `transform` gives.
    fn schema(&self) -> Vec<Field>;

    /// Transforms rows: as many rows, the columns of `schema`. A column that the
    /// state needs and doesn't find is `invalid-input`.
    fn transform(&self, rows: Table) -> Result<Table>;
}

#[doc(hidden)]
pub mod adapter {
    use super::*;
    use crate::kinds::{Loaded, with_loaded};

    pub fn fit<P: Features>(parameters: &str, data: &crate::bindings::Reader) -> Result<Vec<u8>> {
        crate::panic::install();
        P::fit(parameters, &Reader::borrowed(data))
    }

    pub fn load<P: Features>(loaded: &'static Loaded<P>, state: &[u8]) -> Result<Vec<Field>> {
        crate::panic::install();
        let plugin = P::load(state)?;
        let schema = plugin.schema();
        loaded.set(Some(plugin));
        Ok(schema)
    }

    pub fn transform<P: Features>(loaded: &'static Loaded<P>, rows: Vec<Column>) -> Result<Vec<Column>> {
        crate::panic::install();
        let rows = Table::new(rows)?;
        let expected = rows.rows();
        let out = with_loaded(loaded, "transform", |plugin| plugin.transform(rows))?;
        // A table without columns has no rows to count.
        if out.rows() != expected && !out.columns().is_empty() {
            let message = format!("the plugin made {} rows out of {expected}", out.rows());
            return Err(Error::internal(message));
        }
        Ok(out.into())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::cell::RefCell;

    /// Keeps the first `state` rows, so that a wrong number of rows can be seen.
    struct Head(usize);

    impl Features for Head {
        fn describe() -> Description {
            Description::new("First rows")
        }
        fn fit(_: &str, _: &Reader) -> Result<Vec<u8>> {
            Ok(vec![])
        }
        fn load(state: &[u8]) -> Result<Self> {
            state.first().map(|&n| Head(n.into())).ok_or_else(|| Error::invalid("empty state"))
        }
        fn schema(&self) -> Vec<Field> {
            vec![]
        }
        fn transform(&self, rows: Table) -> Result<Table> {
            Ok(rows.slice(0, self.0))
        }
    }

    thread_local!(static LOADED: RefCell<Option<Head>> = const { RefCell::new(None) });

    #[test]
    fn calls_out_of_order_and_wrong_tables_are_errors() {
        let rows = || vec![Column::s64("n", [1, 2])];
        let error = adapter::transform(&LOADED, rows()).unwrap_err();
        assert_eq!(error.message(), "`transform` was called before `load`; load a state first");
        assert!(adapter::load(&LOADED, &[]).is_err());
        adapter::load(&LOADED, &[2]).unwrap();
        assert_eq!(adapter::transform(&LOADED, rows()).unwrap(), rows());
        let unequal = vec![Column::s64("n", [1, 2]), Column::s64("m", [1])];
        assert!(adapter::transform(&LOADED, unequal).unwrap_err().is_invalid_input());
        adapter::load(&LOADED, &[1]).unwrap();
        let error = adapter::transform(&LOADED, rows()).unwrap_err();
        assert_eq!(error, Error::internal("the plugin made 1 rows out of 2"));
    }
}
