//! How alike two lists of tokens are, from 0 to 1.

use std::collections::{BTreeMap, BTreeSet};

/// F1 over tokens with their counts, as in SQuAD's official script: two empty
/// lists are alike, an empty and another are not.
#[must_use]
pub fn token_f1(truth: &[String], predicted: &[String]) -> f64 {
    if truth.is_empty() || predicted.is_empty() {
        return f64::from(u8::from(truth.is_empty() && predicted.is_empty()));
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    truth.iter().for_each(|token| *counts.entry(token).or_default() += 1);
    let mut common = 0;
    for token in predicted {
        if let Some(count) = counts.get_mut(token.as_str()).filter(|count| **count > 0) {
            *count -= 1;
            common += 1;
        }
    }
    f1(common, truth.len(), predicted.len())
}

/// |A ∩ B| / |A ∪ B| over distinct tokens; two empty lists are alike.
#[must_use]
pub fn jaccard(truth: &[String], predicted: &[String]) -> f64 {
    let (a, b): (BTreeSet<&String>, BTreeSet<&String>) = (truth.iter().collect(), predicted.iter().collect());
    let union = a.union(&b).count();
    if union == 0 { 1.0 } else { a.intersection(&b).count() as f64 / union as f64 }
}

/// ROUGE-L F1 (Lin, 2004): the longest common subsequence of tokens. With an
/// empty list it is 0, as in Google's `rouge_score`. Takes time in proportion to
/// the product of the lengths.
#[must_use]
pub fn rouge_l(truth: &[String], predicted: &[String]) -> f64 {
    let mut row = vec![0_usize; predicted.len() + 1];
    for token in truth {
        let mut diagonal = 0;
        let mut left = 0;
        for (cell, other) in row.iter_mut().skip(1).zip(predicted) {
            let above = *cell;
            *cell = if token == other { diagonal + 1 } else { above.max(left) };
            diagonal = above;
            left = *cell;
        }
    }
    f1(row.last().copied().unwrap_or_default(), truth.len(), predicted.len())
}

fn f1(common: usize, truth: usize, predicted: usize) -> f64 {
    if common == 0 { 0.0 } else { 2.0 * common as f64 / (truth + predicted) as f64 }
}
