//! What the classical models share: class labels and what becomes of raw scores.

use crate::node::Node;
use crate::value::{Data, Done, Value};

/// What is done with raw scores at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transform {
    /// Nothing
    None,
    /// 1 / (1 + e^−x)
    Logistic,
    /// Softmax
    Softmax,
    /// Softmax over what is not 0
    SoftmaxZero,
    /// The inverse of the normal distribution
    Probit,
}

impl Transform {
    /// The attribute `post_transform`.
    pub fn read(node: &mut Node) -> Done<Self> {
        let words = [
            ("NONE", Self::None),
            ("LOGISTIC", Self::Logistic),
            ("SOFTMAX", Self::Softmax),
            ("SOFTMAX_ZERO", Self::SoftmaxZero),
            ("PROBIT", Self::Probit),
        ];
        node.word("post_transform", &words)
    }

    /// One row of at least two scores.
    pub fn apply(self, scores: &mut [f32]) {
        match self {
            Self::None => {}
            Self::Logistic => scores.iter_mut().for_each(|x| *x = logistic(*x)),
            Self::Probit => scores.iter_mut().for_each(|x| *x = probit(*x)),
            Self::Softmax | Self::SoftmaxZero => softmax(scores, self == Self::SoftmaxZero),
        }
    }
}

fn softmax(scores: &mut [f32], keep_zeros: bool) {
    let most = scores.iter().copied().fold(f32::MIN, f32::max);
    let mut sum = 0.0;
    for x in scores.iter_mut() {
        if keep_zeros && x.abs() <= 1e-7 {
            *x *= (-most).exp();
        } else {
            *x = (*x - most).exp();
            sum += *x;
        }
    }
    scores.iter_mut().for_each(|x| *x /= sum);
}

/// 1 / (1 + e^−x), without overflow.
pub fn logistic(x: f32) -> f32 {
    let v = 1.0 / (1.0 + (-x.abs()).exp());
    if x < 0.0 { 1.0 - v } else { v }
}

/// √2 · erf⁻¹(2x − 1), with Winitzki's approximation of erf⁻¹ and the constants
/// that ONNX Runtime takes.
pub fn probit(x: f32) -> f32 {
    let y = 2.0 * x - 1.0;
    let log = ((1.0 - y) * (1.0 + y)).ln();
    // 2 / (3.14159 · 0.147)
    let v = 4.330_750_5 + 0.5 * log;
    let root = (-v + (v * v - log / 0.147).sqrt()).sqrt();
    std::f32::consts::SQRT_2 * if y < 0.0 { -root } else { root }
}

/// How the one score of a two-class model becomes two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Second {
    /// It is a probability: 1 − p and p.
    Complement,
    /// It is a margin: −x and x, or the logistic of both.
    Opposite,
}

/// Two scores from one.
pub fn pair(score: f32, second: Second, transform: Transform) -> [f32; 2] {
    match (transform, second) {
        (Transform::Probit, _) => [probit(score), 0.0],
        (_, Second::Complement) => [1.0 - score, score],
        (Transform::Logistic, Second::Opposite) => [logistic(-score), logistic(score)],
        (_, Second::Opposite) => [-score, score],
    }
}

/// The names of classes.
#[derive(Clone, Debug)]
pub enum Labels {
    /// Integers
    Ints(Vec<i64>),
    /// Texts
    Texts(Vec<Vec<u8>>),
}

impl Labels {
    /// The attributes that hold them; one of the two must.
    pub fn read(node: &mut Node, ints: &str, texts: &str) -> Done<Self> {
        let (ints, texts) = (node.ints(ints)?.unwrap_or_default(), node.texts(texts)?);
        match (ints.is_empty(), texts.is_empty()) {
            (false, true) => Ok(Self::Ints(ints)),
            (true, false) => Ok(Self::Texts(texts)),
            (true, true) => Err("it names no classes".into()),
            (false, false) => Err("it names its classes twice, as integers and as strings".into()),
        }
    }

    /// How many.
    pub fn len(&self) -> usize {
        match self {
            Self::Ints(labels) => labels.len(),
            Self::Texts(labels) => labels.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The labels of classes by their index, as a vector.
    pub fn of(&self, classes: &[usize]) -> Done<Value> {
        let data = match self {
            Self::Ints(labels) => {
                Data::I64(classes.iter().filter_map(|&at| labels.get(at).copied()).collect())
            }
            Self::Texts(labels) => {
                Data::Text(classes.iter().filter_map(|&at| labels.get(at).cloned()).collect())
            }
        };
        Value::new(vec![classes.len()], data)
    }
}

/// The first of the largest scores.
pub fn largest(scores: &[f32]) -> usize {
    let (mut at, mut best) = (0, scores.first().copied().unwrap_or_default());
    for (i, &x) in scores.iter().enumerate() {
        if x > best {
            (at, best) = (i, x);
        }
    }
    at
}
