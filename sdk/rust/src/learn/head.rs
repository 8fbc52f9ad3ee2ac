//! What a model answers: from raw scores to named tensors.

use super::codec::{Decoder, Writer};
use super::{Datatype, Error, MAX_CLASSES, Tensor, TensorData, TensorSpec};

/// What a model learned to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// One of two classes.
    Binary,
    /// One of more classes.
    Multiclass,
    /// A number.
    Regression,
}

/// The answering end of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// What it says.
    pub task: Task,
    /// The column that it learned to predict.
    pub target: String,
    /// The classes in order; of two, the second is the positive one. Empty for
    /// regression.
    pub classes: Vec<String>,
    /// Whether the classes are whole numbers, answered as INT64.
    pub integers: bool,
}

impl Head {
    /// How many raw scores there are for a row: one, or one per class.
    #[must_use]
    pub fn scores(&self) -> usize {
        if self.task == Task::Multiclass { self.classes.len() } else { 1 }
    }

    /// The tensors that it answers with.
    #[must_use]
    pub fn outputs(&self) -> Vec<TensorSpec> {
        let spec = |name: &str, datatype, shape, labels: &[String]| TensorSpec {
            name: name.to_owned(),
            datatype,
            shape,
            labels: labels.to_vec(),
        };
        let label = if self.integers { Datatype::Int64 } else { Datatype::Bytes };
        match self.task {
            Task::Regression => vec![spec("prediction", Datatype::Fp64, vec![-1], &[])],
            Task::Binary => vec![
                spec("probability", Datatype::Fp64, vec![-1], self.classes.get(1..).unwrap_or_default()),
                spec("label", label, vec![-1], &self.classes),
            ],
            Task::Multiclass => vec![
                spec("probability", Datatype::Fp64, vec![-1, self.classes.len() as i64], &self.classes),
                spec("label", label, vec![-1], &self.classes),
            ],
        }
    }

    /// Answers from raw scores, [`scores`](Self::scores) for each row: log-odds
    /// of the positive class, log-odds by class, or the number itself.
    #[must_use]
    pub fn answer(&self, mut scores: Vec<f64>) -> Vec<Tensor> {
        match self.task {
            Task::Regression => {}
            Task::Binary => scores.iter_mut().for_each(|score| *score = sigmoid(*score)),
            Task::Multiclass => scores.chunks_exact_mut(self.scores().max(1)).for_each(softmax),
        }
        self.tell(scores)
    }

    /// Answers from what [`answer`](Self::answer) makes of raw scores: the
    /// probability of the positive class, of each class, or the number.
    #[must_use]
    pub fn tell(&self, values: Vec<f64>) -> Vec<Tensor> {
        let width = self.scores().max(1);
        let rows = (values.len() / width) as i64;
        let tensor = |name: &str, shape, data| Tensor { name: name.to_owned(), shape, data };
        match self.task {
            Task::Regression => vec![tensor("prediction", vec![rows], TensorData::Fp64(values))],
            Task::Binary => {
                let label = self.labels(values.iter().map(|p| usize::from(*p >= 0.5)));
                vec![
                    tensor("probability", vec![rows], TensorData::Fp64(values)),
                    tensor("label", vec![rows], label),
                ]
            }
            Task::Multiclass => {
                let label = self.labels(values.chunks_exact(width).map(best));
                vec![
                    tensor("probability", vec![rows, width as i64], TensorData::Fp64(values)),
                    tensor("label", vec![rows], label),
                ]
            }
        }
    }

    fn labels(&self, classes: impl Iterator<Item = usize>) -> TensorData {
        if self.integers {
            let values: Vec<i64> = self.classes.iter().map(|c| c.parse().unwrap_or_default()).collect();
            TensorData::Int64(classes.map(|c| values.get(c).copied().unwrap_or_default()).collect())
        } else {
            let text = |c: usize| self.classes.get(c).map(|c| c.as_bytes().to_vec()).unwrap_or_default();
            TensorData::Bytes(classes.map(text).collect())
        }
    }

    /// Writes it into an artifact.
    pub fn encode(&self, writer: &mut Writer) {
        writer.byte(match self.task {
            Task::Binary => 0,
            Task::Multiclass => 1,
            Task::Regression => 2,
        });
        writer.text(&self.target);
        writer.byte(u8::from(self.integers));
        writer.count(self.classes.len());
        self.classes.iter().for_each(|class| writer.text(class));
    }

    /// Reads what [`encode`](Self::encode) wrote. As many classes as the task
    /// asks for, distinct, and whole numbers where they say so, or it fails.
    pub fn decode(decoder: &mut Decoder<'_>) -> Result<Self, Error> {
        let task = match decoder.byte()? {
            0 => Task::Binary,
            1 => Task::Multiclass,
            2 => Task::Regression,
            tag => return Err(decoder.fault(format!("there is no task {tag}"))),
        };
        let target = decoder.text()?;
        let integers = match decoder.byte()? {
            0 => false,
            1 => true,
            tag => return Err(decoder.fault(format!("{tag} is neither 0 nor 1"))),
        };
        let count = decoder.count("classes", MAX_CLASSES, 1)?;
        let classes = (0..count).map(|_| decoder.text()).collect::<Result<Vec<_>, _>>()?;
        let fits = match task {
            Task::Binary => count == 2,
            Task::Multiclass => count >= 2,
            Task::Regression => count == 0,
        };
        let distinct: std::collections::BTreeSet<&String> = classes.iter().collect();
        if !fits || distinct.len() != count {
            return Err(decoder.fault(format!("{task:?} does not go with the classes {classes:?}")));
        }
        if integers && classes.iter().any(|class| class.parse::<i64>().is_err()) {
            return Err(decoder.fault("the classes are not whole numbers as announced"));
        }
        Ok(Self { task, target, classes, integers })
    }
}

/// 1 / (1 + e⁻ˣ), for any x without overflow.
#[must_use]
pub fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        let e = x.exp();
        e / (1.0 + e)
    }
}

/// eˣⁱ / Σ eˣ in place, for any x without overflow.
pub fn softmax(scores: &mut [f64]) {
    let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        *score = (*score - most).exp();
        sum += *score;
    }
    scores.iter_mut().for_each(|score| *score /= sum);
}

/// The first index of the greatest value.
fn best(values: &[f64]) -> usize {
    let mut best = (0, f64::NEG_INFINITY);
    for (at, value) in values.iter().enumerate() {
        if *value > best.1 {
            best = (at, *value);
        }
    }
    best.0
}
