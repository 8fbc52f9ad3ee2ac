//! Counts of true and predicted classes, and the rates that follow.

/// Counts of a two-class decision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Positive and called positive.
    pub true_positive: u64,
    /// Negative but called positive.
    pub false_positive: u64,
    /// Negative and called negative.
    pub true_negative: u64,
    /// Positive but called negative.
    pub false_negative: u64,
}

/// How the values of the classes become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Average {
    /// The plain mean over classes.
    Macro,
    /// The value of all classes' counts added up.
    Micro,
    /// The mean weighted by the classes' true rows.
    Weighted,
}

impl Counts {
    /// Counts decisions against the truth. `None` for slices of unequal length.
    #[must_use]
    pub fn of(truth: &[bool], predicted: &[bool]) -> Option<Self> {
        if truth.len() != predicted.len() {
            return None;
        }
        let mut counts = Self::default();
        for (truth, predicted) in truth.iter().zip(predicted) {
            counts.add(*truth, *predicted);
        }
        Some(counts)
    }

    /// Counts scores at or above `threshold` as positive. `None` for slices of
    /// unequal length.
    #[must_use]
    pub fn at(scores: &[f64], positive: &[bool], threshold: f64) -> Option<Self> {
        if scores.len() != positive.len() {
            return None;
        }
        let mut counts = Self::default();
        for (score, truth) in scores.iter().zip(positive) {
            counts.add(*truth, *score >= threshold);
        }
        Some(counts)
    }

    /// Adds one row.
    pub fn add(&mut self, truth: bool, predicted: bool) {
        match (truth, predicted) {
            (true, true) => self.true_positive += 1,
            (false, true) => self.false_positive += 1,
            (false, false) => self.true_negative += 1,
            (true, false) => self.false_negative += 1,
        }
    }

    /// All rows.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.true_positive + self.false_positive + self.true_negative + self.false_negative
    }

    /// The share of right decisions; `None` for no rows.
    #[must_use]
    pub fn accuracy(&self) -> Option<f64> {
        ratio(self.true_positive + self.true_negative, self.rows())
    }

    /// TP / (TP + FP); `None` when nothing is called positive.
    #[must_use]
    pub fn precision(&self) -> Option<f64> {
        ratio(self.true_positive, self.true_positive + self.false_positive)
    }

    /// TP / (TP + FN), the true positive rate; `None` without positives.
    #[must_use]
    pub fn recall(&self) -> Option<f64> {
        ratio(self.true_positive, self.true_positive + self.false_negative)
    }

    /// TN / (TN + FP), the true negative rate; `None` without negatives.
    #[must_use]
    pub fn specificity(&self) -> Option<f64> {
        ratio(self.true_negative, self.true_negative + self.false_positive)
    }

    /// FP / (FP + TN); `None` without negatives.
    #[must_use]
    pub fn false_positive_rate(&self) -> Option<f64> {
        ratio(self.false_positive, self.true_negative + self.false_positive)
    }

    /// The share that is called positive; `None` for no rows.
    #[must_use]
    pub fn selection_rate(&self) -> Option<f64> {
        ratio(self.true_positive + self.false_positive, self.rows())
    }

    /// 2TP / (2TP + FP + FN); `None` when nothing is or is called positive.
    #[must_use]
    pub fn f1(&self) -> Option<f64> {
        let tp = 2 * self.true_positive;
        ratio(tp, tp + self.false_positive + self.false_negative)
    }

    /// TP / (TP + FP + FN); `None` when nothing is or is called positive.
    #[must_use]
    pub fn jaccard(&self) -> Option<f64> {
        let union = self.true_positive + self.false_positive + self.false_negative;
        ratio(self.true_positive, union)
    }

    /// The mean of recall and specificity; `None` with one class only.
    #[must_use]
    pub fn balanced_accuracy(&self) -> Option<f64> {
        Some((self.recall()? + self.specificity()?) / 2.0)
    }

    /// Matthews correlation coefficient, −1 to 1; 0 where a whole row or
    /// column of the matrix is empty, as in scikit-learn. `None` for no rows.
    #[must_use]
    pub fn matthews(&self) -> Option<f64> {
        Matrix {
            classes: 2,
            counts: vec![self.true_negative, self.false_positive, self.false_negative, self.true_positive],
        }
        .matthews()
    }
}

/// Counts by true and predicted class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matrix {
    classes: usize,
    counts: Vec<u64>,
}

impl Matrix {
    /// Counts class indices. `None` for slices of unequal length, no class,
    /// more than 4096 of them, or an index out of range.
    #[must_use]
    pub fn of(truth: &[usize], predicted: &[usize], classes: usize) -> Option<Self> {
        if truth.len() != predicted.len() || classes == 0 || classes > 4096 {
            return None;
        }
        let mut counts = vec![0; classes * classes];
        for (truth, predicted) in truth.iter().zip(predicted) {
            if *truth >= classes || *predicted >= classes {
                return None;
            }
            counts[truth * classes + predicted] += 1;
        }
        Some(Self { classes, counts })
    }

    /// How many classes there are.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Row-major: `counts[truth * classes + predicted]`.
    #[must_use]
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// The two-class counts of each class against the rest.
    #[must_use]
    pub fn one_vs_rest(&self) -> Vec<Counts> {
        let (truth, predicted, rows) = (self.truths(), self.predictions(), self.rows());
        let of = |class: usize| {
            let tp = self.counts[class * self.classes + class];
            let (false_negative, false_positive) = (truth[class] - tp, predicted[class] - tp);
            Counts {
                true_positive: tp,
                false_positive,
                false_negative,
                true_negative: rows - tp - false_positive - false_negative,
            }
        };
        (0..self.classes).map(of).collect()
    }

    /// The share of right predictions; `None` for no rows.
    #[must_use]
    pub fn accuracy(&self) -> Option<f64> {
        ratio(self.trace(), self.rows())
    }

    /// The mean recall of the classes that occur in the truth.
    #[must_use]
    pub fn balanced_accuracy(&self) -> Option<f64> {
        let recalls: Vec<f64> = self.one_vs_rest().iter().filter_map(Counts::recall).collect();
        super::mean(&recalls)
    }

    /// A value of the classes' counts, averaged. A class where it is not
    /// defined counts as 0, as in scikit-learn; classes that occur neither in
    /// the truth nor among the predictions are left out. `None` for no rows.
    #[must_use]
    pub fn averaged(&self, average: Average, value: fn(&Counts) -> Option<f64>) -> Option<f64> {
        let mut classes = self.one_vs_rest();
        classes.retain(|c| c.true_positive + c.false_positive + c.false_negative > 0);
        let each = |c: &Counts| value(c).unwrap_or(0.0);
        let support = |c: &Counts| (c.true_positive + c.false_negative) as f64;
        match average {
            _ if classes.is_empty() => None,
            Average::Macro => Some(classes.iter().map(each).sum::<f64>() / classes.len() as f64),
            Average::Weighted => {
                let rows: f64 = classes.iter().map(support).sum();
                Some(classes.iter().map(|c| each(c) * support(c)).sum::<f64>() / rows)
            }
            Average::Micro => {
                let mut sum = Counts::default();
                for class in &classes {
                    sum.true_positive += class.true_positive;
                    sum.false_positive += class.false_positive;
                    sum.true_negative += class.true_negative;
                    sum.false_negative += class.false_negative;
                }
                Some(each(&sum))
            }
        }
    }

    /// The multiclass Matthews correlation coefficient (Gorodkin, 2004); 0
    /// where truth or predictions are all one class, as in scikit-learn.
    #[must_use]
    pub fn matthews(&self) -> Option<f64> {
        let rows = self.rows() as f64;
        if rows == 0.0 {
            return None;
        }
        let truth: Vec<f64> = self.truths().iter().map(|n| *n as f64).collect();
        let predicted: Vec<f64> = self.predictions().iter().map(|n| *n as f64).collect();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let covariance = self.trace() as f64 * rows - dot(&truth, &predicted);
        let spread = (rows * rows - dot(&truth, &truth)) * (rows * rows - dot(&predicted, &predicted));
        Some(if spread > 0.0 { covariance / spread.sqrt() } else { 0.0 })
    }

    fn rows(&self) -> u64 {
        self.counts.iter().sum()
    }

    fn trace(&self) -> u64 {
        (0..self.classes).map(|c| self.counts[c * self.classes + c]).sum()
    }

    fn truths(&self) -> Vec<u64> {
        self.counts.chunks_exact(self.classes).map(|row| row.iter().sum()).collect()
    }

    fn predictions(&self) -> Vec<u64> {
        let column = |c| self.counts.iter().skip(c).step_by(self.classes).sum();
        (0..self.classes).map(column).collect()
    }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
