//! Trains logistic regression (binary and multinomial) and ridge regression.
//!
//! - [`params`]: what a run is steered by.
//! - [`design`]: tables pulled into a design matrix, numbers standardised,
//!   categories one-hot by index, missing values imputed and indicated.
//! - [`logistic`] on [`lbfgs`], and [`ridge`]: the two fits.
//! - [`fit`]: from a design to a model in the columns' own units.
//! - [`plugin`]: settings in, an artifact `modelyard-linear-1` out.
//!
//! Objectives are scikit-learn's: Σ loss + l2/2 · ‖w‖² for classification
//! (`LogisticRegression(C=1/l2)`), ‖y − Xw‖² + l2 · ‖w‖² for regression
//! (`Ridge(alpha=l2)`), over standardised numbers and booleans and 0/1 indicators
//! of categories and missing values, without a penalty on the intercept.

pub mod design;
pub mod fit;
pub mod lbfgs;
pub mod logistic;
pub mod params;
pub mod plugin;
pub mod ridge;

modelyard_sdk::export!(training: plugin::Linear);
