//! Columns in, metrics out.

use std::collections::BTreeMap;

use modelyard_sdk::evaluation::Report;
use modelyard_sdk::prelude::{
    Column, ColumnData, Description, Error, Evaluation, Metric, Reader, Result, progress,
};
use serde::Deserialize;

use crate::tfidf::Corpus;
use crate::{similarity, tokens};

/// The longest text that is compared by ROUGE-L, in tokens.
const MAX_TOKENS: usize = 20_000;

/// The plugin.
#[derive(Debug)]
pub struct TextComparison;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    truth: String,
    prediction: String,
    #[serde(default)]
    slices: Vec<String>,
    #[serde(default = "fifty")]
    max_slices: u32,
}

fn fifty() -> u32 {
    50
}

const SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "additionalProperties": false,
  "required": ["truth", "prediction"],
  "properties": {
    "truth": {"type": "string", "description": "The column of reference texts"},
    "prediction": {"type": "string", "description": "The column of texts to compare"},
    "slices": {"type": "array", "items": {"type": "string"}, "default": [], "description": "Columns by whose values the metrics are taken again"},
    "max_slices": {"type": "integer", "default": 50, "minimum": 1, "maximum": 10000, "description": "The most values of a slice column, the most frequent ones"}
  }
}"#;

/// The metrics of a row, in this order.
const NAMES: [&str; 5] = ["tfidf_cosine", "token_f1", "jaccard", "exact_match", "rouge_l"];

impl Evaluation for TextComparison {
    fn describe() -> Description {
        Description::new("Compares texts with reference texts; every metric is the mean over rows, 0 to 1")
            .parameters(SCHEMA)
            .outputs([
                "tfidf_cosine: cosine of TF-IDF vectors over all texts, as scikit-learn makes them",
                "token_f1, exact_match: after SQuAD's normal form",
                "jaccard: distinct words in common",
                "rouge_l: F1 of the longest common subsequence of words",
            ])
    }

    fn evaluate(parameters: &str, data: &Reader) -> Result<Report> {
        let parameters = modelyard_sdk::parameters::<Parameters>(parameters)?;
        let mut corpus = Corpus::default();
        let mut rows: Vec<[f64; 5]> = Vec::new();
        let mut slices: Vec<BTreeMap<String, Vec<usize>>> = vec![BTreeMap::new(); parameters.slices.len()];
        for batch in data.batches(4_096) {
            progress::check()?;
            let batch = batch?;
            let before = rows.len();
            let truth = texts(batch.column(&parameters.truth)?, before)?;
            let predicted = texts(batch.column(&parameters.prediction)?, before)?;
            for (row, (truth, predicted)) in truth.iter().zip(predicted).enumerate() {
                let measured = measure(&mut corpus, truth, predicted);
                rows.push(measured.map_err(|e| e.at_row((before + row) as u64))?);
            }
            for (name, slice) in parameters.slices.iter().zip(&mut slices) {
                let column = batch.column(name)?;
                for row in 0..batch.rows() {
                    let value = column.text(row).map_or_else(|| "null".to_owned(), |text| text.into_owned());
                    slice.entry(value).or_default().push(before + row);
                }
            }
        }
        if rows.is_empty() {
            return Err(Error::invalid("there are no rows to compare"));
        }
        for (row, values) in rows.iter_mut().enumerate() {
            values[0] = corpus.cosine(2 * row, 2 * row + 1);
        }
        let all: Vec<usize> = (0..rows.len()).collect();
        let mut metrics = means(&rows, &all, None);
        for (name, slice) in parameters.slices.iter().zip(slices) {
            let mut values: Vec<(String, Vec<usize>)> = slice.into_iter().collect();
            values.sort_by(|a, b| b.1.len().cmp(&a.1.len()).then_with(|| a.0.cmp(&b.0)));
            for (value, of) in values.into_iter().take(parameters.max_slices as usize) {
                metrics.extend(means(&rows, &of, Some(&format!("{name}={value}"))));
            }
        }
        Ok(Report::new(metrics))
    }
}

/// A column's texts; another type or a null is an error.
fn texts(column: &Column, before: usize) -> Result<&[String]> {
    let ColumnData::Utf8(texts) = &column.data else {
        let message = format!("holds {}, and text is compared here", column.column_type().name());
        return Err(Error::column(&column.name, message));
    };
    match (0..column.len()).find(|row| !column.is_valid(*row)) {
        Some(row) => {
            let message = "a text is null; leave such rows out";
            Err(Error::column(&column.name, message).at_row((before + row) as u64))
        }
        None => Ok(texts),
    }
}

/// All metrics of a row but the first, for which the corpus must be whole.
fn measure(corpus: &mut Corpus, truth: &str, predicted: &str) -> Result<[f64; 5]> {
    let (a, b) = (tokens::squad(truth), tokens::squad(predicted));
    let (ra, rb) = (tokens::rouge(truth), tokens::rouge(predicted));
    if ra.len().max(rb.len()) > MAX_TOKENS {
        return Err(Error::invalid(format!("a text has more than {MAX_TOKENS} words")));
    }
    let (wa, wb) = (tokens::words(truth), tokens::words(predicted));
    let values = [
        0.0,
        similarity::token_f1(&a, &b),
        similarity::jaccard(&wa, &wb),
        f64::from(u8::from(a == b)),
        similarity::rouge_l(&ra, &rb),
    ];
    corpus.add(wa);
    corpus.add(wb);
    Ok(values)
}

fn means(rows: &[[f64; 5]], of: &[usize], slice: Option<&str>) -> Vec<Metric> {
    let mut sums = [0.0; 5];
    for row in of.iter().filter_map(|row| rows.get(*row)) {
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    let metric = |(name, sum): (&str, f64)| {
        let metric = Metric::new(name, sum / of.len().max(1) as f64, of.len() as u64);
        match slice {
            Some(slice) => metric.slice(slice),
            None => metric,
        }
    };
    NAMES.into_iter().zip(sums).map(metric).collect()
}
