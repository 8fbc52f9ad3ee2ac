//! What is gathered from a column while the data goes by.

use std::collections::HashMap;

use modelyard_sdk::prelude::*;

/// Quantiles are exact up to so many values; past them they come from a
/// uniform sample of that size (reservoir sampling, Vitter's algorithm R, with
/// a fixed seed, so the same data gives the same state).
pub const EXACT_VALUES: usize = 1_000_000;

/// More distinct categories than this are taken for free text.
pub const MOST_DISTINCT: usize = 100_000;

/// What is gathered.
pub enum Gathered {
    /// Count, mean and sum of squared deviations (Welford 1962).
    Moments {
        /// Values.
        count: f64,
        /// Their mean.
        mean: f64,
        /// Their squared deviations' sum.
        squares: f64,
    },
    /// The least and the greatest value.
    Range {
        /// The least.
        least: f64,
        /// The greatest.
        greatest: f64,
    },
    /// Values for quantiles.
    Sample {
        /// The values, or a sample of them.
        values: Vec<f64>,
        /// How many there were.
        seen: u64,
        /// The generator's state.
        random: u64,
    },
    /// How often each text comes.
    Counts {
        /// By text.
        counts: HashMap<String, u64>,
        /// Rows that aren't null.
        total: u64,
        /// Whether the column holds text.
        textual: bool,
    },
}

impl Gathered {
    /// Nothing gathered, for moments.
    pub fn moments() -> Gathered {
        Gathered::Moments { count: 0.0, mean: 0.0, squares: 0.0 }
    }

    /// Nothing gathered, for a range.
    pub fn range() -> Gathered {
        Gathered::Range { least: f64::INFINITY, greatest: f64::NEG_INFINITY }
    }

    /// Nothing gathered, for quantiles.
    pub fn sample() -> Gathered {
        Gathered::Sample { values: Vec::new(), seen: 0, random: 0x9e37_79b9_7f4a_7c15 }
    }

    /// Nothing gathered, for categories.
    pub fn counts() -> Gathered {
        Gathered::Counts { counts: HashMap::new(), total: 0, textual: true }
    }

    /// Takes a batch of the column in. Nulls, NaN and infinities say nothing
    /// of numbers.
    pub fn take(&mut self, column: &Column) -> Result<(), Error> {
        if let Gathered::Counts { counts, total, textual } = self {
            *textual = column.column_type() == ColumnType::Utf8;
            return count(column, counts, total);
        }
        for x in column.numbers()?.iter().filter(|x| x.is_finite()) {
            match self {
                Gathered::Moments { count, mean, squares } => {
                    *count += 1.0;
                    let delta = x - *mean;
                    *mean += delta / *count;
                    *squares += delta * (x - *mean);
                }
                Gathered::Range { least, greatest } => {
                    *least = least.min(*x);
                    *greatest = greatest.max(*x);
                }
                Gathered::Sample { values, seen, random } => {
                    *seen += 1;
                    if values.len() < EXACT_VALUES {
                        values.push(*x);
                    } else if let Some(value) = values.get_mut((next(random) % *seen) as usize) {
                        *value = *x;
                    }
                }
                Gathered::Counts { .. } => {}
            }
        }
        Ok(())
    }

    /// The quantiles at `shares` (ascending or not) by linear interpolation
    /// between order statistics (Hyndman and Fan's type 7, NumPy's default);
    /// none where there was no value.
    pub fn quantiles(&mut self, shares: &[f64]) -> Option<Vec<f64>> {
        let Gathered::Sample { values, .. } = self else { return None };
        values.sort_by(f64::total_cmp);
        let last = values.len().checked_sub(1)?;
        let quantile = |share: &f64| {
            let place = share * last as f64;
            let below = place.floor();
            let low = values.get(below as usize)?;
            let high = values.get((below as usize + 1).min(last))?;
            Some(low + (high - low) * (place - below))
        };
        shares.iter().map(quantile).collect()
    }
}

fn count(column: &Column, counts: &mut HashMap<String, u64>, total: &mut u64) -> Result<(), Error> {
    for text in (0..column.len()).filter_map(|row| column.text(row)) {
        *total += 1;
        if let Some(count) = counts.get_mut(text.as_ref()) {
            *count += 1;
            continue;
        }
        if counts.len() >= MOST_DISTINCT {
            let why = format!("the column has more than {MOST_DISTINCT} categories; hash it instead");
            return Err(Error::column(&column.name, why));
        }
        counts.insert(text.into_owned(), 1);
    }
    Ok(())
}

/// SplitMix64 (Steele, Lea and Flood 2014).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Categories in order: by value where all of them are numbers, else by their
/// text.
pub fn sorted(mut categories: Vec<String>) -> Vec<String> {
    let numbers: Option<Vec<f64>> =
        categories.iter().map(|text| text.parse::<f64>().ok().filter(|x| !x.is_nan())).collect();
    match numbers {
        Some(numbers) => {
            let mut pairs: Vec<(f64, String)> = numbers.into_iter().zip(categories).collect();
            pairs.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
            pairs.into_iter().map(|(_, text)| text).collect()
        }
        None => {
            categories.sort();
            categories
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn past_the_bound_quantiles_come_from_a_fair_sample() {
        let mut gathered = Gathered::sample();
        for block in 0..30u32 {
            let values: Vec<f64> = (0..100_000).map(|n| f64::from(block * 100_000 + n)).collect();
            gathered.take(&Column::f64("x", values)).unwrap();
        }
        let quantiles = gathered.quantiles(&[0.1, 0.5, 0.9]).unwrap();
        for (found, share) in quantiles.iter().zip([0.1, 0.5, 0.9]) {
            assert!((found / 3e6 - share).abs() < 0.003, "{found} {share}");
        }
    }

    #[test]
    fn numbers_are_sorted_as_numbers() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        assert_eq!(sorted(texts(&["10", "9", "-1"])), ["-1", "9", "10"]);
        assert_eq!(sorted(texts(&["10", "9", "x"])), ["10", "9", "x"]);
    }
}
