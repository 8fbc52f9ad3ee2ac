//! Objectives: what LightGBM makes of the sum of the trees.

use modelyard_sdk::learn::trees::{Answer, Link};

/// The answer of the head's line `objective`, such as `binary sigmoid:1`, for
/// rows of `scores` scores, or why there is none. Without an objective, which is
/// how a model with one of the user's own is saved, it is the raw score.
pub(crate) fn answer(line: Option<&str>, scores: usize) -> Result<Answer, String> {
    let line = line.unwrap_or_default();
    let mut words = line.split_ascii_whitespace();
    let name = words.next().unwrap_or_default();
    let options: Vec<&str> = words.collect();
    let option = |name: &str| options.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix(':'));
    let number = |link| Answer::numbers(link, 1);
    let answer = match name {
        "" | "none" | "custom" => return Ok(Answer::numbers(Link::Identity, scores)),
        "binary" => Answer::binary().sloped(slope(option("sigmoid"))?),
        "multiclass" | "multiclassova" => {
            if option("num_class").is_some_and(|count| count.parse() != Ok(scores)) || scores < 2 {
                return Err(format!("the objective `{line}` does not go with {scores} scores for a row"));
            }
            if name == "multiclass" {
                Answer::multiclass(Link::Softmax, scores)
            } else {
                Answer::multiclass(Link::Logistic, scores).sloped(slope(option("sigmoid"))?)
            }
        }
        "regression" | "regression_l1" | "quantile" | "mape" if options.contains(&"sqrt") => {
            number(Link::SignedSquare)
        }
        "regression" | "regression_l2" | "regression_l1" | "huber" | "fair" | "quantile" | "mape"
        | "lambdarank" | "rank_xendcg" => number(Link::Identity),
        "poisson" | "gamma" | "tweedie" => number(Link::Exp),
        "cross_entropy" | "xentropy" => number(Link::Logistic),
        "cross_entropy_lambda" | "xentlambda" => number(Link::Softplus),
        _ => {
            return Err(format!(
                "the objective `{name}` is not supported; there are regression, regression_l1, huber, fair, \
                 poisson, quantile, mape, gamma, tweedie, binary, multiclass, multiclassova, cross_entropy, \
                 cross_entropy_lambda, lambdarank and rank_xendcg"
            ));
        }
    };
    if answer.scores() == scores {
        Ok(answer)
    } else {
        Err(format!("the objective `{line}` does not go with {scores} scores for a row"))
    }
}

/// The factor in front of the score within the logistic function.
fn slope(option: Option<&str>) -> Result<f64, String> {
    let text = option.unwrap_or("1");
    let slope: Option<f64> = text.parse().ok();
    slope
        .filter(|slope| slope.is_finite() && *slope > 0.0)
        .ok_or_else(|| format!("the objective's sigmoid is {text:?}; a number above 0 is accepted"))
}
