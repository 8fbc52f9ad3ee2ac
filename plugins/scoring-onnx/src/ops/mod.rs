//! The operators: one module per family, and the table that finds them.

pub mod arithmetic;
pub mod compare;
pub mod conv;
pub mod linear;
pub mod mapping;
pub mod matrix;
pub mod nn;
pub mod number;
pub mod preprocessing;
pub mod reduce;
pub mod score;
pub mod select;
pub mod shape;
pub mod svm;
pub mod trees;

use std::collections::BTreeMap;

use modelyard_sdk::prelude::{Error, Result};

use crate::model::NodeDef;
use crate::node::{Kernel, Node};
use crate::plan::label;
use crate::value::Done;
use arithmetic as a;

/// Reads a node's attributes into an operator.
type Builder = fn(&mut Node) -> Done<Kernel>;

/// The domain of classical machine learning.
pub const ML: &str = "ai.onnx.ml";

/// The versions of the operator sets that are understood, first and last.
const OPSETS: [(&str, i64, i64); 2] = [("", 7, 25), (ML, 1, 5)];

/// Every operator: domain, name, the first version of the operator set that has
/// it as it is done here, and what reads it.
static OPERATORS: &[(&str, &str, i64, Builder)] = &[
    // Arithmetic
    ("", "Add", 7, a::binary::<a::Plus>),
    ("", "Sub", 7, a::binary::<a::Minus>),
    ("", "Mul", 7, a::binary::<a::Times>),
    ("", "Div", 7, a::binary::<a::Over>),
    ("", "Pow", 7, a::pow),
    ("", "Sum", 8, a::variadic::<a::Plus>),
    ("", "Min", 8, a::variadic::<a::Smaller>),
    ("", "Max", 8, a::variadic::<a::Larger>),
    ("", "Mean", 8, a::mean),
    ("", "Relu", 6, a::relu),
    ("", "LeakyRelu", 6, a::leaky_relu),
    ("", "Elu", 6, a::elu),
    ("", "Selu", 6, a::selu),
    ("", "Gelu", 20, a::gelu),
    ("", "Sigmoid", 6, a::sigmoid),
    ("", "HardSigmoid", 6, a::hard_sigmoid),
    ("", "Softplus", 1, a::softplus),
    ("", "Tanh", 6, a::tanh),
    ("", "Exp", 6, a::exp),
    ("", "Log", 6, a::log),
    ("", "Sqrt", 6, a::sqrt),
    ("", "Erf", 9, a::erf),
    ("", "Reciprocal", 6, a::reciprocal),
    ("", "Floor", 6, a::floor),
    ("", "Ceil", 6, a::ceil),
    ("", "Neg", 6, a::neg),
    ("", "Abs", 6, a::abs),
    ("", "Sign", 9, a::sign),
    ("", "Clip", 6, a::clip),
    // Comparison and logic
    ("", "Equal", 7, compare::equal),
    ("", "Less", 7, compare::less),
    ("", "Greater", 7, compare::greater),
    ("", "LessOrEqual", 12, compare::less_or_equal),
    ("", "GreaterOrEqual", 12, compare::greater_or_equal),
    ("", "And", 7, compare::and),
    ("", "Or", 7, compare::or),
    ("", "Xor", 7, compare::xor),
    ("", "Not", 1, compare::not),
    ("", "IsNaN", 9, compare::is_nan),
    ("", "Where", 9, compare::choose),
    // Shapes
    ("", "Identity", 1, shape::identity),
    ("", "Dropout", 7, shape::dropout),
    ("", "Cast", 6, shape::cast),
    ("", "Constant", 1, shape::constant),
    ("", "ConstantOfShape", 9, shape::constant_of_shape),
    ("", "Shape", 1, shape::shape),
    ("", "Reshape", 5, shape::reshape),
    ("", "Flatten", 1, shape::flatten),
    ("", "Transpose", 1, shape::transpose),
    ("", "Squeeze", 1, shape::squeeze),
    ("", "Unsqueeze", 1, shape::unsqueeze),
    ("", "Expand", 8, shape::expand_to),
    // Parts
    ("", "Concat", 4, select::concat),
    ("", "Split", 2, select::split),
    ("", "Slice", 1, select::slice),
    ("", "Gather", 1, select::gather),
    ("", "TopK", 1, select::top_k),
    ("", "ArgMax", 1, select::arg_max),
    ("", "ArgMin", 1, select::arg_min),
    (ML, "ArrayFeatureExtractor", 1, select::array_features),
    // Reductions
    ("", "ReduceSum", 1, reduce::reduce::<reduce::Total>),
    ("", "ReduceMean", 1, reduce::reduce::<reduce::Mean>),
    ("", "ReduceMax", 1, reduce::reduce::<reduce::Largest>),
    ("", "ReduceMin", 1, reduce::reduce::<reduce::Smallest>),
    ("", "ReduceProd", 1, reduce::reduce::<reduce::Product>),
    ("", "ReduceL1", 1, reduce::reduce::<reduce::Manhattan>),
    ("", "ReduceL2", 1, reduce::reduce::<reduce::Euclid>),
    ("", "ReduceSumSquare", 1, reduce::reduce::<reduce::Squares>),
    // Networks
    ("", "Gemm", 7, matrix::gemm),
    ("", "MatMul", 1, matrix::matmul),
    ("", "Conv", 1, conv::conv),
    ("", "MaxPool", 1, conv::max_pool),
    ("", "AveragePool", 7, conv::average_pool),
    ("", "GlobalAveragePool", 1, nn::global_average_pool),
    ("", "GlobalMaxPool", 1, nn::global_max_pool),
    ("", "BatchNormalization", 7, nn::batch_normalization),
    ("", "Softmax", 1, nn::softmax),
    ("", "LogSoftmax", 1, nn::log_softmax),
    // Classical models
    (ML, "TreeEnsembleClassifier", 1, trees::classifier),
    (ML, "TreeEnsembleRegressor", 1, trees::regressor),
    (ML, "LinearClassifier", 1, linear::classifier),
    (ML, "LinearRegressor", 1, linear::regressor),
    (ML, "SVMClassifier", 1, svm::classifier),
    (ML, "SVMRegressor", 1, svm::regressor),
    // Preprocessing and postprocessing
    (ML, "Scaler", 1, preprocessing::scaler),
    (ML, "Normalizer", 1, preprocessing::normalizer),
    (ML, "Imputer", 1, preprocessing::imputer),
    (ML, "Binarizer", 1, preprocessing::binarizer),
    (ML, "FeatureVectorizer", 1, preprocessing::feature_vectorizer),
    (ML, "OneHotEncoder", 1, mapping::one_hot),
    (ML, "LabelEncoder", 1, mapping::label_encoder),
    (ML, "ZipMap", 1, mapping::zip_map),
];

/// The version of a node's operator set, if it is one that is understood.
pub fn check_opset(node: &NodeDef, opsets: &BTreeMap<String, i64>) -> Result<i64> {
    let shown = if node.domain.is_empty() { "ai.onnx" } else { &node.domain };
    let Some((_, first, last)) = OPSETS.iter().find(|(domain, ..)| *domain == node.domain) else {
        return Err(Error::unsupported(format!(
            "{}: the operator's domain `{shown}`; ai.onnx and {ML} are supported",
            label(node)
        )));
    };
    let version = opsets.get(&node.domain).copied();
    match version {
        Some(version) if (*first..=*last).contains(&version) => Ok(version),
        Some(version) => Err(Error::unsupported(format!(
            "{}: version {version} of the operator set {shown}; {first} to {last} are supported",
            label(node)
        ))),
        None => Err(Error::invalid(format!(
            "{}: the model does not import the operator set {shown}",
            label(node)
        ))),
    }
}

/// The operator of a node; `name` is the node as errors name it.
pub fn build(mut node: Node, op: (&str, &str), name: &str) -> Result<Kernel> {
    let (domain, op) = op;
    let Some((_, _, first, builder)) = OPERATORS.iter().find(|entry| (entry.0, entry.1) == (domain, op))
    else {
        return Err(Error::unsupported(format!("{name}: the operator {op}")));
    };
    if node.opset < *first {
        return Err(Error::unsupported(format!(
            "{name}: {op} before version {first} of its operator set; this model states {}",
            node.opset
        )));
    }
    let kernel = builder(&mut node).and_then(|kernel| node.finish().map(|()| kernel));
    kernel.map_err(|fault| Error::invalid(format!("{name}: {fault}")))
}

/// An operator of one output.
fn one(run: impl Fn(&mut crate::node::Args<'_>) -> Done<crate::value::Value> + 'static) -> Done<Kernel> {
    Ok(Box::new(move |args| Ok(vec![run(args)?])))
}
