//! Linear models: X · Wᵀ + intercepts.

use super::matrix::multiply_transposed;
use super::one;
use super::score::{Labels, Second, Transform, largest, pair};
use crate::node::{Kernel, Node};
use crate::value::{Done, Value, count};

/// Weights [outputs, features] and one intercept for each output.
#[derive(Debug)]
struct Linear {
    weights: Vec<f32>,
    intercepts: Vec<f32>,
    features: usize,
}

impl Linear {
    fn new(weights: Vec<f32>, intercepts: Vec<f32>) -> Done<Self> {
        let outputs = intercepts.len();
        let features = weights.len().checked_div(outputs).unwrap_or(0);
        if features == 0 || features * outputs != weights.len() {
            return Err(format!(
                "{} coefficients make no whole rows for {outputs} intercepts",
                weights.len()
            ));
        }
        Ok(Self { weights, intercepts, features })
    }

    fn scores(&self, value: &Value) -> Done<(usize, Vec<f32>)> {
        let (rows, width) = value.matrix()?;
        if width != self.features {
            return Err(format!("it takes {} features; the input has {width}", self.features));
        }
        let outputs = self.intercepts.len();
        let mut out = Vec::with_capacity(count(&[rows, outputs])?);
        (0..rows).for_each(|_| out.extend_from_slice(&self.intercepts));
        multiply_transposed(&value.floats()?, &self.weights, width, outputs, &mut out);
        Ok((rows, out))
    }
}

/// LinearRegressor
pub fn regressor(node: &mut Node) -> Done<Kernel> {
    let targets = node.int("targets")?.unwrap_or(1);
    let (weights, mut intercepts) = (node.floats("coefficients")?, node.floats("intercepts")?);
    let transform = Transform::read(node)?;
    let targets = usize::try_from(targets).ok().filter(|n| (1..=weights.len()).contains(n));
    let targets = targets.ok_or("the attribute `targets` does not go with the coefficients")?;
    if intercepts.is_empty() {
        intercepts = vec![0.0; targets];
    }
    if intercepts.len() != targets {
        return Err(format!("there are {} intercepts for {targets} targets", intercepts.len()));
    }
    let linear = Linear::new(weights, intercepts)?;
    one(move |args| {
        let (rows, mut out) = linear.scores(args.get(0)?)?;
        match targets {
            // ONNX Runtime transforms a single score in this one way only.
            1 if transform != Transform::Probit => {}
            _ => out.chunks_exact_mut(targets).for_each(|scores| transform.apply(scores)),
        }
        Value::f32(vec![rows, targets], out)
    })
}

/// LinearClassifier
pub fn classifier(node: &mut Node) -> Done<Kernel> {
    let labels = Labels::read(node, "classlabels_ints", "classlabels_strings")?;
    let transform = Transform::read(node)?;
    node.ignore("multi_class");
    let linear = Linear::new(node.floats("coefficients")?, node.floats("intercepts")?)?;
    let outputs = linear.intercepts.len();
    if outputs != labels.len() && !(outputs == 1 && labels.len() == 2) {
        return Err(format!("{outputs} intercepts don't go with {} classes", labels.len()));
    }
    Ok(Box::new(move |args| {
        let (rows, mut scores) = linear.scores(args.get(0)?)?;
        let classes = labels.len();
        let winners: Vec<usize>;
        if outputs < classes {
            winners = scores.iter().map(|score| usize::from(*score > 0.0)).collect();
            scores = scores.iter().flat_map(|score| pair(*score, Second::Complement, transform)).collect();
        } else {
            winners = scores.chunks_exact(outputs).map(largest).collect();
            scores.chunks_exact_mut(outputs).for_each(|scores| transform.apply(scores));
        }
        Ok(vec![labels.of(&winners)?, Value::f32(vec![rows, classes], scores)?])
    }))
}
