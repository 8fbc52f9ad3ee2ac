//! Imputes, scales, encodes, hashes, buckets and splits dates.
//!
//! The parameters are a list of steps, each over some columns; a column that a
//! step changes goes changed into the next. What the steps learn (means,
//! categories, edges) is learned once, from training data, and kept as a state
//! in JSON with a version; everywhere else the state is loaded and applied, so
//! that the same row always gives the same features.
//!
//! * Missing are nulls, and NaN among numbers. Steps other than `impute` pass
//!   nulls on.
//! * `scale`, `one-hot`, `ordinal` and `bucketise` agree with scikit-learn's
//!   `StandardScaler`, `MinMaxScaler`, `RobustScaler`, `OneHotEncoder`,
//!   `OrdinalEncoder` and `KBinsDiscretizer` (quantiles by linear
//!   interpolation).
//! * `hash` is FNV-1a with MurmurHash3's finaliser: [`transform::bucket`].
//! * A column that is needed and absent is an error that names it.

pub mod fit;
pub mod learn;
pub mod parameters;
pub mod state;
pub mod transform;

use modelyard_sdk::prelude::*;

use state::State;
use transform::Operation;

/// A fitted state, ready to be applied.
pub struct Standard {
    inputs: Vec<String>,
    operations: Vec<Operation>,
    outputs: Vec<Field>,
}

impl Features for Standard {
    fn describe() -> Description {
        Description::new("Imputes, scales, encodes, hashes, buckets and splits dates")
            .parameters(parameters::SCHEMA)
            .outputs(["the columns that the steps name or make, in the order in which steps first name them"])
    }

    fn fit(parameters: &str, data: &Reader) -> Result<Vec<u8>> {
        fit::fit(parameters, data)
    }

    fn load(state: &[u8]) -> Result<Self> {
        let state = State::parse(state)?;
        Ok(Standard {
            inputs: state.inputs.into_iter().map(|(name, _)| name).collect(),
            operations: state.fitted.iter().map(Operation::new).collect(),
            outputs: state.outputs,
        })
    }

    fn schema(&self) -> Vec<Field> {
        self.outputs.clone()
    }

    fn transform(&self, rows: Table) -> Result<Table> {
        let missing: Vec<&str> =
            self.inputs.iter().map(String::as_str).filter(|name| rows.get(name).is_none()).collect();
        if let Some(first) = missing.first() {
            let there: Vec<&str> = rows.names().collect();
            let why =
                format!("the features need columns that aren't there: {missing:?}; there are {there:?}");
            return Err(Error::column(*first, why));
        }
        let mut given: Vec<Column> = rows.into();
        let mut columns = Vec::with_capacity(self.outputs.len());
        for name in &self.inputs {
            if let Some(at) = given.iter().position(|column| column.name == *name) {
                columns.push(given.swap_remove(at));
            }
        }
        for operation in &self.operations {
            operation.apply(&mut columns)?;
        }
        Table::new(columns)
    }
}

modelyard_sdk::export!(features: Standard);
