//! Support vector machines, as libsvm defines them.

use super::number::dot;
use super::one;
use super::score::{Labels, Second, Transform, largest, pair};
use crate::node::{Kernel as Op, Node};
use crate::value::{Done, Value};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Linear,
    Poly,
    Rbf,
    Sigmoid,
}

/// How alike two vectors are.
#[derive(Clone, Copy, Debug)]
struct Kernel {
    kind: Kind,
    gamma: f32,
    coef0: f32,
    degree: f32,
}

impl Kernel {
    fn read(node: &mut Node) -> Done<Self> {
        let kinds =
            [("LINEAR", Kind::Linear), ("POLY", Kind::Poly), ("RBF", Kind::Rbf), ("SIGMOID", Kind::Sigmoid)];
        let kind = node.word("kernel_type", &kinds)?;
        match node.floats("kernel_params")?.as_slice() {
            [] => Ok(Self { kind, gamma: 0.0, coef0: 0.0, degree: 0.0 }),
            [gamma, coef0, degree] => Ok(Self { kind, gamma: *gamma, coef0: *coef0, degree: *degree }),
            other => Err(format!("`kernel_params` has {} elements, not 3", other.len())),
        }
    }

    fn of(&self, a: &[f32], b: &[f32]) -> f32 {
        match self.kind {
            Kind::Linear => dot(a, b),
            Kind::Poly => {
                let x = self.gamma * dot(a, b) + self.coef0;
                if self.degree == 2.0 {
                    x * x
                } else if self.degree == 3.0 {
                    x * x * x
                } else {
                    x.powf(self.degree)
                }
            }
            Kind::Sigmoid => (self.gamma * dot(a, b) + self.coef0).tanh(),
            Kind::Rbf => {
                let distance = a.iter().zip(b).fold(0.0, |sum, (a, b)| sum + (a - b) * (a - b));
                (-self.gamma * distance).exp()
            }
        }
    }
}

/// The support vectors, row after row.
#[derive(Debug)]
struct Vectors {
    kernel: Kernel,
    vectors: Vec<f32>,
    features: usize,
}

impl Vectors {
    fn new(kernel: Kernel, vectors: Vec<f32>, many: usize) -> Done<Self> {
        let features = vectors.len().checked_div(many).unwrap_or(0);
        if features == 0 || features * many != vectors.len() {
            return Err(format!("{} numbers make no {many} support vectors", vectors.len()));
        }
        Ok(Self { kernel, vectors, features })
    }

    /// The rows of an input with as many features.
    fn rows<'a>(&self, value: &Value, floats: &'a [f32]) -> Done<std::slice::ChunksExact<'a, f32>> {
        let (_, width) = value.matrix()?;
        if width != self.features {
            return Err(format!("it takes {} features; the input has {width}", self.features));
        }
        Ok(floats.chunks_exact(width))
    }

    fn kernels(&self, row: &[f32], out: &mut Vec<f32>) {
        out.clear();
        out.extend(self.vectors.chunks_exact(self.features).map(|vector| self.kernel.of(row, vector)));
    }
}

/// SVMRegressor
pub fn regressor(node: &mut Node) -> Done<Op> {
    let (mut kernel, transform) = (Kernel::read(node)?, Transform::read(node)?);
    let one_class = node.flag("one_class", false)?;
    let (coefficients, rho) = (node.floats("coefficients")?, node.floats("rho")?);
    let (vectors, many) = (node.floats("support_vectors")?, node.int("n_supports")?.unwrap_or(0));
    let many = usize::try_from(many).map_err(|_| "the attribute `n_supports` is negative")?;
    let [rho] = rho.as_slice() else {
        return Err(format!("the attribute `rho` has {} elements, not 1", rho.len()));
    };
    let rho = *rho;
    if transform != Transform::None {
        return Err("only the post_transform NONE is supported".into());
    }
    // Without support vectors the coefficients are the weights of a linear model.
    let (vectors, weights) = if many == 0 {
        kernel.kind = Kind::Linear;
        (Vectors::new(kernel, coefficients, 1)?, vec![1.0])
    } else {
        (Vectors::new(kernel, vectors, many)?, coefficients)
    };
    if many > 0 && weights.len() != many {
        return Err(format!("{} coefficients for {many} support vectors", weights.len()));
    }
    one(move |args| {
        let value = args.get(0)?;
        let floats = value.floats()?;
        let (mut kernels, mut out) = (Vec::new(), Vec::new());
        for row in vectors.rows(value, &floats)? {
            vectors.kernels(row, &mut kernels);
            let y = dot(&kernels, &weights) + rho;
            out.push(if !one_class {
                y
            } else if y > 0.0 {
                1.0
            } else {
                -1.0
            });
        }
        Value::f32(vec![out.len(), 1], out)
    })
}

/// A classifier over pairs of classes.
#[derive(Debug)]
struct Pairwise {
    vectors: Vectors,
    /// How many support vectors each class has.
    per_class: Vec<usize>,
    /// [classes − 1, support vectors]
    coefficients: Vec<f32>,
    /// One per pair of classes, as are both below, which may be empty.
    rho: Vec<f32>,
    a: Vec<f32>,
    b: Vec<f32>,
}

/// SVMClassifier
pub fn classifier(node: &mut Node) -> Done<Op> {
    let (kernel, transform) = (Kernel::read(node)?, Transform::read(node)?);
    let labels = Labels::read(node, "classlabels_ints", "classlabels_strings")?;
    let (a, b, rho) = (node.floats("prob_a")?, node.floats("prob_b")?, node.floats("rho")?);
    let (coefficients, vectors) = (node.floats("coefficients")?, node.floats("support_vectors")?);
    let per_class = node.ints("vectors_per_class")?.unwrap_or_default();
    let per_class: Option<Vec<usize>> = per_class.iter().map(|n| usize::try_from(*n).ok()).collect();
    let per_class = per_class.ok_or("`vectors_per_class` has a negative element")?;
    let total = per_class.iter().try_fold(0_usize, |sum, n| sum.checked_add(*n)).unwrap_or(usize::MAX);
    let classes = labels.len();
    if !(2..65_536).contains(&classes) {
        return Err(format!("{classes} classes; at least 2 are needed"));
    }
    if total == 0 {
        return linear(kernel, &coefficients, &rho, labels, transform);
    }
    let pairs = classes * (classes - 1) / 2;
    let right = per_class.len() == classes
        && Some(coefficients.len()) == total.checked_mul(classes - 1)
        && rho.len() == pairs
        && a.len() == b.len()
        && (a.is_empty() || a.len() == pairs);
    if !right {
        return Err(format!(
            "its lists don't go with {classes} classes and {total} support vectors: vectors_per_class {}, coefficients {}, rho {}, prob_a {}, prob_b {}",
            per_class.len(),
            coefficients.len(),
            rho.len(),
            a.len(),
            b.len()
        ));
    }
    let vectors = Vectors::new(kernel, vectors, total)?;
    let svm = Pairwise { vectors, per_class, coefficients, rho, a, b };
    Ok(Box::new(move |args| {
        let value = args.get(0)?;
        let floats = value.floats()?;
        let (mut kernels, mut winners, mut out) = (Vec::new(), Vec::new(), Vec::new());
        for row in svm.vectors.rows(value, &floats)? {
            svm.vectors.kernels(row, &mut kernels);
            let (mut scores, votes) = svm.decide(&kernels);
            winners.push(winner(&votes));
            if !svm.a.is_empty() {
                scores = svm.probabilities(&scores);
            } else if let ([score], 2) = (scores.as_slice(), classes) {
                let second = match transform {
                    Transform::None => Second::Opposite,
                    _ => Second::Complement,
                };
                out.extend(pair(*score, second, transform));
                continue;
            }
            transform.apply(&mut scores);
            out.extend_from_slice(&scores);
        }
        let width = out.len().checked_div(winners.len()).unwrap_or(svm.width());
        Ok(vec![labels.of(&winners)?, Value::f32(vec![winners.len(), width], out)?])
    }))
}

/// The class with the most votes, the first of equals.
fn winner(votes: &[usize]) -> usize {
    let most = votes.iter().max().copied().unwrap_or(0);
    votes.iter().position(|n| *n == most).unwrap_or(0)
}

/// Without support vectors: one linear score per class.
fn linear(kernel: Kernel, weights: &[f32], rho: &[f32], labels: Labels, transform: Transform) -> Done<Op> {
    let kernel = Kernel { kind: Kind::Linear, ..kernel };
    let classes = labels.len();
    let rho = *rho.first().ok_or("the attribute `rho` is missing")?;
    let vectors = Vectors::new(kernel, weights.to_vec(), classes)?;
    Ok(Box::new(move |args| {
        let value = args.get(0)?;
        let floats = value.floats()?;
        let (mut scores, mut winners, mut out) = (Vec::new(), Vec::new(), Vec::new());
        for row in vectors.rows(value, &floats)? {
            vectors.kernels(row, &mut scores);
            scores.iter_mut().for_each(|score| *score += rho);
            winners.push(largest(&scores));
            transform.apply(&mut scores);
            out.extend_from_slice(&scores);
        }
        Ok(vec![labels.of(&winners)?, Value::f32(vec![winners.len(), classes], out)?])
    }))
}

impl Pairwise {
    fn width(&self) -> usize {
        match (self.a.is_empty(), self.per_class.len()) {
            (false, classes) => classes,
            (true, 2) => 2,
            (true, _) => self.rho.len(),
        }
    }

    /// The score of each pair of classes, above 0 for the first one, and how many
    /// pairs each class won.
    fn decide(&self, kernels: &[f32]) -> (Vec<f32>, Vec<usize>) {
        let (classes, total) = (self.per_class.len(), kernels.len());
        let mut votes = vec![0; classes];
        let mut scores = Vec::with_capacity(self.rho.len());
        // Doubles, as in libsvm.
        let sum = |row: usize, start: usize, n: usize| {
            let weights = self.coefficients.get(row * total + start..).unwrap_or_default();
            let kernels = kernels.get(start..start + n).unwrap_or_default();
            weights.iter().zip(kernels).fold(0.0_f64, |sum, (w, k)| sum + f64::from(w * k))
        };
        let mut rho = self.rho.iter();
        let mut start_i = 0;
        for (i, &n_i) in self.per_class.iter().enumerate() {
            let mut start_j = start_i + n_i;
            for (j, &n_j) in self.per_class.iter().enumerate().skip(i + 1) {
                let rho = rho.next().copied().unwrap_or_default();
                let score = sum(j - 1, start_i, n_i) + sum(i, start_j, n_j) + f64::from(rho);
                scores.push(score as f32);
                if let Some(votes) = votes.get_mut(if score > 0.0 { i } else { j }) {
                    *votes += 1;
                }
                start_j += n_j;
            }
            start_i += n_i;
        }
        (scores, votes)
    }

    /// Probabilities of the classes from the scores of the pairs: Platt's sigmoid
    /// for each pair, then the second method of Wu, Lin and Weng, "Probability
    /// Estimates for Multi-class Classification by Pairwise Coupling" (2004).
    fn probabilities(&self, scores: &[f32]) -> Vec<f32> {
        let n = self.per_class.len();
        let mut r = vec![0.0_f32; n * n];
        let mut pairs = scores.iter().zip(self.a.iter().zip(&self.b));
        for i in 0..n {
            for j in i + 1..n {
                let Some((score, (a, b))) = pairs.next() else { continue };
                let p = 1.0 - super::score::logistic(score * a + b);
                let p = p.clamp(1e-7, 1.0 - 1e-7);
                set(&mut r, i * n + j, p);
                set(&mut r, j * n + i, 1.0 - p);
            }
        }
        couple(&r, n)
    }
}

fn set(values: &mut [f32], at: usize, value: f32) {
    if let Some(slot) = values.get_mut(at) {
        *slot = value;
    }
}

fn at(values: &[f32], at: usize) -> f32 {
    values.get(at).copied().unwrap_or_default()
}

/// The p that minimises Σ (r_ji p_i − r_ij p_j)² with Σ p = 1.
fn couple(r: &[f32], n: usize) -> Vec<f32> {
    let mut q = vec![0.0_f32; n * n];
    for i in 0..n {
        let own = (0..n).filter(|j| *j != i).map(|j| at(r, j * n + i) * at(r, j * n + i)).sum();
        set(&mut q, i * n + i, own);
        for j in (0..n).filter(|j| *j != i) {
            set(&mut q, i * n + j, -at(r, j * n + i) * at(r, i * n + j));
        }
    }
    let mut p = vec![1.0 / n as f32; n];
    let enough = 0.005 / n as f32;
    for _ in 0..100 {
        let mut qp: Vec<f32> =
            q.chunks_exact(n).map(|row| row.iter().zip(&p).map(|(q, p)| q * p).sum()).collect();
        let mut pqp: f32 = p.iter().zip(&qp).map(|(p, qp)| p * qp).sum();
        let error = qp.iter().fold(0.0_f32, |most, qp| most.max((qp - pqp).abs()));
        if error < enough {
            break;
        }
        for (i, row) in q.chunks_exact(n).enumerate() {
            let own = at(row, i);
            let diff = (pqp - at(&qp, i)) / own;
            let old = at(&p, i);
            set(&mut p, i, old + diff);
            let scale = 1.0 + diff;
            pqp = (pqp + diff * (diff * own + 2.0 * at(&qp, i))) / scale / scale;
            qp.iter_mut().zip(row).for_each(|(qp, q)| *qp = (*qp + diff * q) / scale);
            p.iter_mut().for_each(|p| *p /= scale);
        }
    }
    p
}
