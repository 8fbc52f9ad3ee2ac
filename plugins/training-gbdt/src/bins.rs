//! Bins: where the values of a column are cut, and which bin a value falls in.
//! Bin 0 is for missing values, the others follow in order.

use std::collections::HashMap;

/// The bin of a missing value or an unknown category.
pub const MISSING: u8 = 0;

/// The fewest sampled rows of a bin.
const MIN_ROWS: usize = 3;

/// Where values fall.
#[derive(Debug)]
pub enum Mapper {
    /// Bin `i + 1` holds the numbers up to `upper[i]` that no lower bin holds;
    /// what is above all of them falls into the last bin.
    Numbers {
        /// Ascending, one fewer than there are bins with values.
        upper: Vec<f64>,
    },
    /// A bin for each of the most frequent categories.
    Categories {
        /// Category to bin, from 1.
        bins: HashMap<String, u8>,
        /// For bin `i + 1` the category's place among the sorted ones.
        places: Vec<u32>,
    },
}

impl Mapper {
    /// Bins of roughly equal weight over a sample, each distinct value its own
    /// where there are few enough; frequent values get a bin to themselves. The
    /// method is that of LightGBM's `GreedyFindBin`.
    #[must_use]
    pub fn numbers(mut sample: Vec<f64>, max_bins: usize) -> Self {
        sample.retain(|value| !value.is_nan());
        sample.iter_mut().for_each(|value| *value = finite(*value));
        sample.sort_unstable_by(f64::total_cmp);
        let mut distinct: Vec<(f64, usize)> = Vec::new();
        for value in sample {
            match distinct.last_mut() {
                Some(last) if last.0 == value => last.1 += 1,
                _ => distinct.push((value, 1)),
            }
        }
        let upper = if distinct.len() <= max_bins { each(&distinct) } else { greedy(&distinct, max_bins) };
        Self::Numbers { upper }
    }

    /// The most frequent categories, each at least a few times, up to `max_bins`
    /// of them; gives them sorted beside the mapper. Ties go by name.
    #[must_use]
    pub fn categories(counts: HashMap<String, u64>, max_bins: usize) -> (Self, Vec<String>) {
        let mut all: Vec<(String, u64)> = counts.into_iter().collect();
        all.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        all.truncate(max_bins);
        let frequent = all.iter().take_while(|(_, count)| *count >= MIN_ROWS as u64).count();
        all.truncate(frequent.max(2));
        let mut sorted: Vec<String> = all.iter().map(|(category, _)| category.clone()).collect();
        sorted.sort_unstable();
        let place = |category: &String| sorted.binary_search(category).unwrap_or_default() as u32;
        let places = all.iter().map(|(category, _)| place(category)).collect();
        let bins = all.into_iter().map(|(category, _)| category).zip(1_u8..).collect();
        (Self::Categories { bins, places }, sorted)
    }

    /// How many bins there are, that of missing values among them.
    #[must_use]
    pub fn bins(&self) -> usize {
        match self {
            Self::Numbers { upper } => upper.len() + 2,
            Self::Categories { places, .. } => places.len() + 1,
        }
    }

    /// The bin of a number; missing for a mapper of categories.
    #[inline]
    #[must_use]
    pub fn number(&self, value: f64) -> u8 {
        match self {
            Self::Numbers { upper } if !value.is_nan() => {
                let value = finite(value);
                upper.partition_point(|upper| *upper < value) as u8 + 1
            }
            _ => MISSING,
        }
    }

    /// The bin of a category; missing for a mapper of numbers.
    #[inline]
    #[must_use]
    pub fn category(&self, value: &str) -> u8 {
        match self {
            Self::Categories { bins, .. } => bins.get(value).copied().unwrap_or(MISSING),
            Self::Numbers { .. } => MISSING,
        }
    }

    /// The number that `bin` and the bins before it lie at or below.
    #[must_use]
    pub fn threshold(&self, bin: u8) -> f64 {
        match self {
            Self::Numbers { upper } => {
                usize::from(bin).checked_sub(1).and_then(|at| upper.get(at)).copied().unwrap_or(f64::MAX)
            }
            Self::Categories { .. } => f64::MAX,
        }
    }
}

/// Infinities as the greatest finite numbers, as scoring has them.
fn finite(value: f64) -> f64 {
    value.clamp(f64::MIN, f64::MAX)
}

fn between(a: f64, b: f64) -> f64 {
    let middle = a / 2.0 + b / 2.0;
    // Next to each other there is nothing between them.
    if middle >= a && middle < b { middle } else { a }
}

fn each(distinct: &[(f64, usize)]) -> Vec<f64> {
    let mut upper = Vec::new();
    let mut rows = 0;
    for pair in distinct.windows(2) {
        if let [a, b] = pair {
            rows += a.1;
            if rows >= MIN_ROWS {
                upper.push(between(a.0, b.0));
                rows = 0;
            }
        }
    }
    upper
}

fn greedy(distinct: &[(f64, usize)], max_bins: usize) -> Vec<f64> {
    let total: usize = distinct.iter().map(|d| d.1).sum();
    let max_bins = max_bins.min(total / MIN_ROWS).max(1);
    let mean = total as f64 / max_bins as f64;
    let big = |d: &(f64, usize)| d.1 as f64 >= mean;
    // Values that fill a bin alone are taken out of the average.
    let mut bins_left = max_bins as f64 - distinct.iter().filter(|d| big(d)).count() as f64;
    let mut rows_left = distinct.iter().filter(|d| !big(d)).map(|d| d.1).sum::<usize>() as f64;
    let mut target = rows_left / bins_left;
    let mut upper = Vec::new();
    let mut rows = 0.0;
    for pair in distinct.windows(2) {
        let [a, b] = pair else { continue };
        rows += a.1 as f64;
        if !big(a) {
            rows_left -= a.1 as f64;
        }
        if big(a) || rows >= target || (big(b) && rows >= (target * 0.5).max(1.0)) {
            upper.push(between(a.0, b.0));
            if upper.len() + 1 >= max_bins {
                break;
            }
            rows = 0.0;
            if !big(a) {
                bins_left -= 1.0;
                target = rows_left / bins_left;
            }
        }
    }
    upper
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
    use super::*;

    #[test]
    fn few_values_have_a_bin_each() {
        let mapper = Mapper::numbers([1.0, 2.0, 4.0].repeat(5), 255);
        assert_eq!(mapper.bins(), 4);
        assert_eq!([0.0, 1.5, 1.6, 3.0, 9.0].map(|v| mapper.number(v)), [1, 1, 2, 2, 3]);
        assert_eq!(mapper.number(f64::NAN), MISSING);
        assert_eq!((mapper.threshold(1), mapper.threshold(3)), (1.5, f64::MAX));
    }

    #[test]
    fn many_values_share_bins_of_equal_weight() {
        let mapper = Mapper::numbers((0..10_000).map(f64::from).collect(), 100);
        let mut counts = vec![0; 256];
        (0..10_000).for_each(|v| counts[usize::from(mapper.number(f64::from(v)))] += 1);
        assert!(mapper.bins() <= 101);
        assert!(counts[1..mapper.bins()].iter().all(|c| (50..=200).contains(c)), "{counts:?}");
    }

    #[test]
    fn a_frequent_value_has_a_bin_to_itself() {
        let mut sample: Vec<f64> = (0..5000).map(f64::from).collect();
        sample.extend(std::iter::repeat_n(77.0, 5000));
        let mapper = Mapper::numbers(sample, 64);
        let bin = mapper.number(77.0);
        assert!(mapper.number(76.0) < bin && mapper.number(78.0) > bin);
    }

    #[test]
    fn nothing_and_infinities_are_no_trouble() {
        assert_eq!(Mapper::numbers(vec![], 255).number(3.0), 1);
        assert_eq!(Mapper::numbers(vec![f64::NAN; 9], 255).bins(), 2);
        let mapper = Mapper::numbers([f64::NEG_INFINITY, 0.0, f64::INFINITY].repeat(9), 255);
        assert_eq!([f64::NEG_INFINITY, 0.0, f64::INFINITY].map(|v| mapper.number(v)), [1, 2, 3]);
        let close = Mapper::numbers([1.0, 1.0 + f64::EPSILON].repeat(9), 255);
        assert!(close.number(1.0) < close.number(1.0 + f64::EPSILON));
    }

    #[test]
    fn rare_categories_are_missing() {
        let counts = [("a", 50), ("b", 1), ("c", 9), ("d", 20)].map(|(c, n)| (c.to_owned(), n));
        let (mapper, sorted) = Mapper::categories(counts.into(), 255);
        assert_eq!(sorted, ["a", "c", "d"]);
        assert_eq!(["a", "b", "c", "d", "?"].map(|c| mapper.category(c)), [1, 0, 3, 2, 0]);
    }
}
