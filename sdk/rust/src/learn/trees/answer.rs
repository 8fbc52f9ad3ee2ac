//! From raw scores to a library's answers.

use crate::learn::{Head, Task, Tensor, TensorData, TensorSpec, sigmoid};

/// What is done to a raw score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// Nothing.
    Identity,
    /// eˣ.
    Exp,
    /// 1 / (1 + e⁻ˣ), each for itself.
    Logistic,
    /// eˣⁱ / Σ eˣ.
    Softmax,
    /// x · |x|, the inverse of a signed square root.
    SignedSquare,
    /// ln(1 + eˣ).
    Softplus,
    /// 1 above 0, else 0.
    Step,
}

/// The answering end.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    head: Head,
    link: Link,
    scores: usize,
    divisor: f64,
    slope: f64,
}

impl Answer {
    /// A number for each of `scores` scores, in a tensor `prediction` of the
    /// shape [n], or [n, scores] where there are more than one.
    #[must_use]
    pub fn numbers(link: Link, scores: usize) -> Self {
        Self::with(Task::Regression, link, scores, 0)
    }

    /// The probability of class 1 against 0, from log-odds.
    #[must_use]
    pub fn binary() -> Self {
        Self::with(Task::Binary, Link::Logistic, 1, 2)
    }

    /// The probabilities of classes from 0 up: by [`Link::Softmax`], or by
    /// [`Link::Logistic`] of each against all others, which don't add up to 1.
    #[must_use]
    pub fn multiclass(link: Link, classes: usize) -> Self {
        Self::with(Task::Multiclass, link, classes, classes)
    }

    fn with(task: Task, link: Link, scores: usize, classes: usize) -> Self {
        // The files hold no classes: labels are their numbers.
        let classes = (0..classes).map(|class| class.to_string()).collect();
        let head = Head { task, target: "label".to_owned(), integers: task != Task::Regression, classes };
        Self { head, link, scores, divisor: 1.0, slope: 1.0 }
    }

    /// The same with scores divided by `divisor`, as an average is.
    #[must_use]
    pub fn divided(self, divisor: f64) -> Self {
        Self { divisor, ..self }
    }

    /// The same with scores multiplied by `slope` before the link.
    #[must_use]
    pub fn sloped(self, slope: f64) -> Self {
        Self { slope, ..self }
    }

    /// How many raw scores a row has.
    #[must_use]
    pub fn scores(&self) -> usize {
        self.scores
    }

    /// What is done to a raw score.
    #[must_use]
    pub fn link(&self) -> Link {
        self.link
    }

    /// The tensors that it answers with.
    #[must_use]
    pub fn outputs(&self) -> Vec<TensorSpec> {
        let mut outputs = self.head.outputs();
        if self.several()
            && let Some(output) = outputs.first_mut()
        {
            output.shape.push(self.scores as i64);
        }
        outputs
    }

    /// Whether a row has several numbers.
    fn several(&self) -> bool {
        self.head.task == Task::Regression && self.scores > 1
    }

    /// Answers from raw scores, [`scores`](Self::scores) for each row.
    #[must_use]
    pub fn tensors(&self, mut scores: Vec<f64>) -> Vec<Tensor> {
        scores.iter_mut().for_each(|score| *score = *score / self.divisor * self.slope);
        let each = |scores: &mut Vec<f64>, link: fn(f64) -> f64| {
            scores.iter_mut().for_each(|score| *score = link(*score));
        };
        match self.link {
            Link::Identity => {}
            Link::Exp => each(&mut scores, f64::exp),
            Link::Logistic => each(&mut scores, sigmoid),
            Link::Softmax => scores.chunks_exact_mut(self.scores.max(1)).for_each(crate::learn::softmax),
            Link::SignedSquare => each(&mut scores, |score| score * score.abs()),
            Link::Softplus => each(&mut scores, |score| score.max(0.0) + (-score.abs()).exp().ln_1p()),
            Link::Step => each(&mut scores, |score| f64::from(u8::from(score > 0.0))),
        }
        if self.several() {
            let shape = vec![(scores.len() / self.scores.max(1)) as i64, self.scores as i64];
            return vec![Tensor::new("prediction", shape, TensorData::Fp64(scores))];
        }
        self.head.tell(scores)
    }
}
