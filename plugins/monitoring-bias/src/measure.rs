//! Differences between groups, as fairlearn 0.15 defines them.
//!
//! | measure | definition |
//! |---|---|
//! | `demographic_parity_difference` | largest − smallest selection rate |
//! | `disparate_impact` | smallest ÷ largest selection rate (four-fifths rule: at least 0.8) |
//! | `equal_opportunity_difference` | largest − smallest true positive rate |
//! | `equalized_odds_difference` | the larger of the differences of true and of false positive rates |
//! | `equalized_odds_ratio` | the smaller of the ratios of true and of false positive rates |

use std::collections::BTreeMap;

use crate::groups::Outcomes;

/// A rate of one group.
#[derive(Clone, Debug, PartialEq)]
pub struct Rate {
    /// The group.
    pub group: String,
    /// The rate.
    pub value: f64,
    /// Rows that it was taken on.
    pub rows: u64,
}

/// The two groups that are furthest apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Range {
    /// The group with the lowest rate.
    pub low: Rate,
    /// The group with the highest rate.
    pub high: Rate,
}

impl Range {
    /// Highest − lowest rate.
    #[must_use]
    pub fn difference(&self) -> f64 {
        self.high.value - self.low.value
    }

    /// Lowest ÷ highest rate; none when both are 0.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        (self.high.value > 0.0).then(|| self.low.value / self.high.value)
    }
}

/// The rates of a group column.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rates {
    /// Share decided positively.
    pub selection: Vec<Rate>,
    /// Of those truly positive, the share decided positively.
    pub true_positive: Vec<Rate>,
    /// Of those truly negative, the share decided positively.
    pub false_positive: Vec<Rate>,
}

/// The rates of every group, each one where it is defined.
#[must_use]
pub fn rates(groups: &BTreeMap<String, Outcomes>) -> Rates {
    let mut rates = Rates::default();
    for (group, outcomes) in groups {
        let counts = &outcomes.counts;
        let positives = counts.true_positive + counts.false_negative;
        let negatives = counts.false_positive + counts.true_negative;
        let each = [
            (&mut rates.selection, outcomes.selected, outcomes.rows),
            (&mut rates.true_positive, counts.true_positive, positives),
            (&mut rates.false_positive, counts.false_positive, negatives),
        ];
        for (list, part, rows) in each {
            if rows > 0 {
                list.push(Rate { group: group.clone(), value: part as f64 / rows as f64, rows });
            }
        }
    }
    rates
}

/// The groups furthest apart among those with enough rows; none for fewer than
/// two of them.
#[must_use]
pub fn range(rates: &[Rate], min_rows: u64) -> Option<Range> {
    let enough: Vec<&Rate> = rates.iter().filter(|r| r.rows >= min_rows).collect();
    if enough.len() < 2 {
        return None;
    }
    let low = enough.iter().min_by(|a, b| a.value.total_cmp(&b.value))?;
    let high = enough.iter().max_by(|a, b| a.value.total_cmp(&b.value))?;
    Some(Range { low: (**low).clone(), high: (**high).clone() })
}
