//! Scores ONNX models: `.onnx` files as scikit-learn (skl2onnx), PyTorch, Keras,
//! XGBoost and LightGBM exporters write them.
//!
//! - [`proto`] and [`model`] read the file, [`node`] is what an operator sees of
//!   its node, [`plan`] puts the nodes in order and runs them.
//! - [`value`] holds tensors; [`ops`] has one module per family of operators and
//!   the table from an operator's name to its function.
//! - [`plugin`] is the model as the platform calls it, [`signature`] what it says
//!   of itself.
//!
//! Arithmetic is of the type that the model states, f32 for nearly all, in the
//! order that ONNX Runtime takes.

pub mod model;
pub mod node;
pub mod ops;
pub mod plan;
pub mod plugin;
pub mod proto;
pub mod signature;
pub mod value;

modelyard_sdk::export!(scoring: plugin::Onnx);
