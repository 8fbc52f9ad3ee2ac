//! Scores XGBoost's model files: JSON and UBJSON as `Booster.save_model` and
//! `save_raw` write them, of the boosters gbtree and dart.
//!
//! Each feature is an input of the shape [n] with NaN for a missing value: FP64,
//! or BYTES where the file holds the column's categories, as it does from
//! XGBoost 3.1 on when it was trained on a data frame. A category that is not
//! among them counts as missing, where XGBoost would refuse it. Categories of
//! older files are given as their codes. A file without names has the features
//! `f0`, `f1` and so on.
//!
//! Inputs, comparisons and sums are in single precision as in XGBoost; what is
//! done to a sum at last, such as a logistic function, is in double. Where
//! training stopped early, trees past the best iteration are left out, as
//! XGBoost's scikit-learn interface does; `Booster.predict` does so only when
//! told. Several quantiles are answered in the order of training, also where they
//! cross; XGBoost sorts them from 3.4 on.

mod categories;
mod json;
mod model;
mod objective;
pub mod plugin;
mod tree;
mod ubjson;
mod value;

modelyard_sdk::export!(scoring: plugin::XgBoost);
