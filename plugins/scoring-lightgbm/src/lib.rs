//! Scores LightGBM's text model files, as `Booster.save_model` writes them.
//!
//! Each feature is an input of the shape [n] with NaN for a missing value: FP64,
//! or BYTES for a pandas column of categories, of which the file's last line
//! holds the texts. A category that is not among them counts as missing, as it
//! does in LightGBM. Categories that were given as codes are taken as codes.
//!
//! A file that was saved after early stopping holds the trees up to the best
//! iteration, so all trees of a file count. Sums are in double precision and in
//! LightGBM's order.

mod categories;
mod model;
mod objective;
pub mod plugin;
mod text;
mod tree;

modelyard_sdk::export!(scoring: plugin::LightGbm);
