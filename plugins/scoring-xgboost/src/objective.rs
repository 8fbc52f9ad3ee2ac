//! Objectives: what XGBoost does to the base score and to the sum of the trees.

use modelyard_sdk::learn::trees::{Answer, Link};

/// The answer of an objective for rows of `scores` scores, or why there is none.
pub(crate) fn answer(objective: &str, scores: usize) -> Result<Answer, String> {
    let one = |answer: Answer| {
        if scores == 1 {
            Ok(answer)
        } else {
            Err(format!("the objective `{objective}` does not go with {scores} scores for a row"))
        }
    };
    Ok(match objective {
        "binary:logistic" if scores == 1 => Answer::binary(),
        // Several labels, each for itself.
        "binary:logistic" | "reg:logistic" => Answer::numbers(Link::Logistic, scores),
        "binary:hinge" => Answer::numbers(Link::Step, scores),
        "multi:softmax" | "multi:softprob" if scores >= 2 => Answer::multiclass(Link::Softmax, scores),
        "count:poisson" | "reg:gamma" | "reg:tweedie" => Answer::numbers(Link::Exp, scores),
        "survival:cox" | "survival:aft" => one(Answer::numbers(Link::Exp, 1))?,
        "rank:pairwise" | "rank:ndcg" | "rank:map" => one(Answer::numbers(Link::Identity, 1))?,
        "binary:logitraw"
        | "reg:squarederror"
        | "reg:squaredlogerror"
        | "reg:linear"
        | "reg:pseudohubererror"
        | "reg:absoluteerror"
        | "reg:quantileerror" => Answer::numbers(Link::Identity, scores),
        _ => {
            return Err(format!(
                "the objective `{objective}` with {scores} scores for a row is not supported; there are \
                 binary:logistic, binary:logitraw, binary:hinge, multi:softmax, multi:softprob, \
                 reg:squarederror, reg:squaredlogerror, reg:logistic, reg:pseudohubererror, \
                 reg:absoluteerror, reg:quantileerror, reg:gamma, reg:tweedie, count:poisson, \
                 survival:cox, survival:aft, rank:pairwise, rank:ndcg and rank:map"
            ));
        }
    })
}

/// The score before any tree, from the base score that the file holds on the
/// scale of the predictions.
pub(crate) fn margin(objective: &str, base: f32) -> Result<f32, String> {
    let margin = match objective {
        "binary:logistic" | "reg:logistic" => {
            if !(0.0..=1.0).contains(&base) {
                return Err(format!("the base score {base} is no probability"));
            }
            // As XGBoost keeps it off 0 and 1.
            let base = base.clamp(1e-6, 1.0 - 1e-6);
            -f64::from(1.0 / base - 1.0).ln() as f32
        }
        "count:poisson" | "reg:gamma" | "reg:tweedie" | "survival:cox" | "survival:aft" => {
            f64::from(base).ln() as f32
        }
        _ => base,
    };
    if margin.is_finite() {
        Ok(margin)
    } else {
        Err(format!("the base score {base} does not go with the objective `{objective}`"))
    }
}
