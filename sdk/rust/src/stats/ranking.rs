//! How well scores put positives before negatives.

/// What lies at or above one distinct score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The score; everything at or above it counts as positive.
    pub threshold: f64,
    /// Weight of the positives at or above it.
    pub true_positive: f64,
    /// Weight of the negatives at or above it.
    pub false_positive: f64,
}

/// Points of a curve from the highest score to the lowest, equal scores as one
/// point. `None` for no rows, a NaN score, a negative or NaN weight, or slices
/// of unequal length. Without weights every row weighs 1.
#[must_use]
pub fn points(scores: &[f64], positive: &[bool], weights: Option<&[f64]>) -> Option<Vec<Point>> {
    let n = scores.len();
    let fits = n == positive.len() && weights.is_none_or(|w| w.len() == n);
    if n == 0 || !fits || u32::try_from(n).is_err() || scores.iter().any(|s| s.is_nan()) {
        return None;
    }
    if weights.is_some_and(|w| w.iter().any(|v| v.is_nan() || *v < 0.0)) {
        return None;
    }
    let mut order: Vec<u32> = (0..n as u32).collect();
    order.sort_unstable_by(|a, b| scores[*b as usize].total_cmp(&scores[*a as usize]));
    let (mut tp, mut fp) = (0.0, 0.0);
    let mut out: Vec<Point> = Vec::new();
    for row in order {
        let row = row as usize;
        let weight = weights.map_or(1.0, |w| w[row]);
        if positive[row] {
            tp += weight;
        } else {
            fp += weight;
        }
        // `==` and not bits: 0.0 and -0.0 are one score.
        match out.last_mut() {
            Some(last) if last.threshold == scores[row] => {
                last.true_positive = tp;
                last.false_positive = fp;
            }
            _ => out.push(Point { threshold: scores[row], true_positive: tp, false_positive: fp }),
        }
    }
    Some(out)
}

/// Area under the ROC curve by trapezoids: the chance that a positive scores
/// above a negative, ties counted half. `None` with one class only.
#[must_use]
pub fn roc_auc(scores: &[f64], positive: &[bool], weights: Option<&[f64]>) -> Option<f64> {
    roc_auc_of(&points(scores, positive, weights)?)
}

/// [`roc_auc`] of points that are already there.
#[must_use]
pub fn roc_auc_of(points: &[Point]) -> Option<f64> {
    let last = points.last()?;
    if last.true_positive <= 0.0 || last.false_positive <= 0.0 {
        return None;
    }
    let (mut area, mut tp, mut fp) = (0.0, 0.0, 0.0);
    for point in points {
        area += (point.false_positive - fp) * (point.true_positive + tp) * 0.5;
        tp = point.true_positive;
        fp = point.false_positive;
    }
    Some(area / (last.true_positive * last.false_positive))
}

/// Average precision: Σ (Rₙ − Rₙ₋₁) Pₙ over falling thresholds, a step-wise
/// area under the precision-recall curve. `None` without positives.
#[must_use]
pub fn average_precision(scores: &[f64], positive: &[bool]) -> Option<f64> {
    average_precision_of(&points(scores, positive, None)?)
}

/// [`average_precision`] of points that are already there.
#[must_use]
pub fn average_precision_of(points: &[Point]) -> Option<f64> {
    let total = points.last()?.true_positive;
    if total <= 0.0 {
        return None;
    }
    let (mut area, mut tp) = (0.0, 0.0);
    for point in points {
        if point.true_positive > tp {
            area += (point.true_positive - tp) * precision(point);
            tp = point.true_positive;
        }
    }
    Some(area / total)
}

/// Area under the precision-recall curve by trapezoids, the curve begun at
/// (0, 1). Straight lines between its points are optimistic: prefer
/// [`average_precision`]. `None` without positives.
#[must_use]
pub fn pr_auc(scores: &[f64], positive: &[bool]) -> Option<f64> {
    pr_auc_of(&points(scores, positive, None)?)
}

/// [`pr_auc`] of points that are already there.
#[must_use]
pub fn pr_auc_of(points: &[Point]) -> Option<f64> {
    let total = points.last()?.true_positive;
    if total <= 0.0 {
        return None;
    }
    let (mut area, mut recall, mut before) = (0.0, 0.0, 1.0);
    for point in points {
        let (r, p) = (point.true_positive / total, precision(point));
        area += (r - recall) * (p + before) * 0.5;
        recall = r;
        before = p;
    }
    Some(area)
}

/// The ROC curve: (false positive rate, true positive rate), from (0, 0) to
/// (1, 1), thinned to at most `limit` points. `None` with one class only.
#[must_use]
pub fn roc_curve(points: &[Point], limit: usize) -> Option<Vec<(f64, f64)>> {
    let last = points.last()?;
    let (p, n) = (last.true_positive, last.false_positive);
    if p <= 0.0 || n <= 0.0 {
        return None;
    }
    let curve = points.iter().map(|c| (c.false_positive / n, c.true_positive / p));
    Some(thin(std::iter::once((0.0, 0.0)).chain(curve).collect(), limit))
}

/// The precision-recall curve: (recall, precision), from (0, 1) to the lowest
/// threshold, thinned to at most `limit` points. `None` without positives.
#[must_use]
pub fn precision_recall_curve(points: &[Point], limit: usize) -> Option<Vec<(f64, f64)>> {
    let total = points.last()?.true_positive;
    if total <= 0.0 {
        return None;
    }
    let curve = points.iter().map(|c| (c.true_positive / total, precision(c)));
    Some(thin(std::iter::once((0.0, 1.0)).chain(curve).collect(), limit))
}

fn precision(point: &Point) -> f64 {
    let predicted = point.true_positive + point.false_positive;
    if predicted > 0.0 { point.true_positive / predicted } else { 0.0 }
}

/// Evenly chosen points, the first and the last among them; all of them when
/// they are no more than `limit` (at least 2).
#[must_use]
pub fn thin(points: Vec<(f64, f64)>, limit: usize) -> Vec<(f64, f64)> {
    let limit = limit.max(2);
    if points.len() <= limit {
        return points;
    }
    let last = points.len() - 1;
    (0..limit).map(|i| points[i * last / (limit - 1)]).collect()
}
