//! Tables pulled into a design matrix: numbers standardised with missing values
//! at the mean, an indicator for columns that have any, and for each column of
//! categories the index of the parameter that a row's category has.

// Columns and rows run over lengths that are fixed when a batch is added.
#![allow(clippy::indexing_slicing)]

use std::collections::HashMap;

use modelyard_sdk::learn::{Input, Kind, Rows, Task, columns, target};
use modelyard_sdk::prelude::{Column, ColumnData, ColumnType, Field, Reader, Settings, Table};
use modelyard_sdk::{Error, Result, log, progress};

use crate::params::Parameters;

/// Rows that are pulled at a time.
const BATCH: u32 = 16_384;
/// The most parameters of a score.
const MAX_PARAMETERS: usize = 20_000;

/// What a row has of no parameter: a category that was not seen missing.
pub const NONE: u32 = u32::MAX;

/// A column in the design.
#[derive(Debug)]
pub enum Block {
    /// A standardised number at one parameter, and its indicator at the next
    /// where values are missing.
    Number {
        /// The mean of what is there.
        mean: f64,
        /// What it is divided by.
        scale: f64,
        /// The parameter of the value.
        at: usize,
        /// Whether an indicator follows.
        indicator: bool,
    },
    /// A parameter for each category, and one more where any are missing.
    Category {
        /// The first parameter.
        at: usize,
        /// How many there are.
        count: usize,
    },
}

/// Rows to learn from.
#[derive(Debug)]
pub struct Design {
    /// As scoring takes them.
    pub inputs: Vec<Input>,
    /// For each input its place.
    pub blocks: Vec<Block>,
    /// How many rows.
    pub rows: usize,
    /// Parameters `0..dense_width` have a value in every row.
    pub dense_width: usize,
    /// `dense[row * dense_width + parameter]`.
    pub dense: Vec<f64>,
    /// Columns of categories.
    pub code_width: usize,
    /// `codes[row * code_width + column]`: a parameter whose value is 1.
    pub codes: Vec<u32>,
    /// All parameters, the intercept not counted.
    pub parameters: usize,
    /// What is to be said of each row.
    pub target: target::Target,
    /// How much each row counts.
    pub weights: Option<Vec<f64>>,
}

/// A column as it is read.
enum Raw {
    Numbers { values: Vec<f64>, nulls: bool },
    Categories { ids: HashMap<String, u32>, counts: Vec<u64>, values: Vec<u32> },
}

/// Reads the training data.
pub fn prepare(settings: &Settings, parameters: &Parameters, data: &Reader) -> Result<Design> {
    let fields = columns::features(&data.schema(), settings)?;
    progress::report(0.0, "reading the training data");
    let mut collector = target::Collector::new(&settings.target, Task::from(settings.task));
    let mut weights = settings.weight.as_ref().map(|_| Vec::new());
    let mut raws: Vec<Raw> = fields.iter().map(Raw::new).collect();
    let mut rows = 0;
    for batch in data.batches(BATCH) {
        progress::check()?;
        let batch = batch?;
        collector.push(batch.column(&settings.target)?)?;
        if let (Some(weights), Some(name)) = (weights.as_mut(), settings.weight.as_ref()) {
            weights.extend(target::weights(batch.column(name)?, rows)?);
        }
        for (field, raw) in fields.iter().zip(&mut raws) {
            raw.add(batch.column(&field.name)?, rows)?;
        }
        rows += batch.rows();
    }
    let target = collector.finish(parameters.positive_class.as_deref())?;
    if weights.as_ref().is_some_and(|weights| weights.iter().sum::<f64>() <= 0.0) {
        return Err(Error::column(settings.weight.clone().unwrap_or_default(), "every weight is 0"));
    }
    build(fields, raws, target, weights, parameters)
}

impl Raw {
    fn new(field: &Field) -> Self {
        match field.type_ {
            ColumnType::Utf8 => {
                Self::Categories { ids: HashMap::new(), counts: Vec::new(), values: Vec::new() }
            }
            _ => Self::Numbers { values: Vec::new(), nulls: false },
        }
    }

    fn add(&mut self, column: &Column, before: usize) -> Result<()> {
        match self {
            Self::Numbers { values, nulls } => {
                *nulls |= column.nulls() > 0;
                let numbers = column.numbers()?;
                if let Some(row) = numbers.iter().position(|value| value.is_infinite()) {
                    let message = "holds an infinite number, which a linear model can't learn from";
                    return Err(Error::column(&column.name, message).at_row((before + row) as u64));
                }
                values.extend_from_slice(&numbers);
            }
            Self::Categories { ids, counts, values } => {
                let ColumnData::Utf8(texts) = &column.data else {
                    return Err(Error::column(
                        &column.name,
                        "holds text in one batch and something else in another",
                    ));
                };
                for (row, text) in texts.iter().enumerate() {
                    if text.is_empty() || !column.is_valid(row) || text.len() >= 1 << 16 {
                        values.push(NONE);
                        continue;
                    }
                    let id = match ids.get(text) {
                        Some(id) => *id,
                        None => {
                            ids.insert(text.clone(), counts.len() as u32);
                            counts.push(0);
                            counts.len() as u32 - 1
                        }
                    };
                    counts[id as usize] += 1;
                    values.push(id);
                }
            }
        }
        Ok(())
    }
}

fn build(
    fields: Vec<Field>,
    raws: Vec<Raw>,
    target: target::Target,
    weights: Option<Vec<f64>>,
    parameters: &Parameters,
) -> Result<Design> {
    let rows = target.values.len();
    let mut design = Design {
        inputs: Vec::new(),
        blocks: Vec::new(),
        rows,
        dense_width: 0,
        dense: Vec::new(),
        code_width: 0,
        codes: Vec::new(),
        parameters: 0,
        target,
        weights,
    };
    // Numbers come first, so that what has a value in every row is in one place.
    let mut numbers: Vec<(Block, Vec<f64>)> = Vec::new();
    for raw in &raws {
        if let Raw::Numbers { values, .. } = raw {
            let block = design.standard(values, weights_of(&design));
            design.dense_width += if matches!(block, Block::Number { indicator: true, .. }) { 2 } else { 1 };
            numbers.push((block, Vec::new()));
        }
    }
    design.parameters = design.dense_width;
    design.dense = vec![0.0; rows.saturating_mul(design.dense_width)];
    design.code_width = raws.iter().filter(|raw| matches!(raw, Raw::Categories { .. })).count();
    design.codes = vec![NONE; rows.saturating_mul(design.code_width)];
    let mut numbers = numbers.into_iter().map(|(block, _)| block);
    let mut code_column = 0;
    for (field, raw) in fields.iter().zip(raws) {
        let (kind, block) = match raw {
            Raw::Numbers { values, nulls } => {
                let Some(block) = numbers.next() else { continue };
                design.fill_numbers(&block, &values);
                let kind = match field.type_ {
                    ColumnType::Boolean if !nulls => Kind::Boolean,
                    ColumnType::S64 if !nulls => Kind::Integer,
                    _ => Kind::Float,
                };
                (kind, block)
            }
            Raw::Categories { ids, counts, values } => {
                let most = parameters.max_categories as usize;
                let (categories, places) = kept(&field.name, ids, &counts, most);
                let block = design.fill_codes(code_column, &categories, &places, &values);
                code_column += 1;
                (Kind::Category(categories), block)
            }
        };
        design.inputs.push(Input { name: field.name.clone(), kind });
        design.blocks.push(block);
    }
    if design.parameters > MAX_PARAMETERS {
        let message = format!(
            "the columns make {} coefficients, {MAX_PARAMETERS} are the most: lower it, or `ignore` columns",
            design.parameters
        );
        return Err(Error::parameter("/max_categories", message));
    }
    Ok(design)
}

fn weights_of(design: &Design) -> Option<&[f64]> {
    design.weights.as_deref()
}

/// The most frequent categories, sorted, and for each id its place.
fn kept(name: &str, ids: HashMap<String, u32>, counts: &[u64], most: usize) -> (Vec<String>, Vec<u32>) {
    let mut all: Vec<(String, u32)> = ids.into_iter().collect();
    let distinct = all.len();
    all.sort_unstable_by(|a, b| counts[b.1 as usize].cmp(&counts[a.1 as usize]).then_with(|| a.0.cmp(&b.0)));
    all.truncate(most);
    if distinct > most {
        log::info(format!(
            "column {name:?}: of {distinct} categories the {most} most frequent are kept, the others count as missing"
        ));
    }
    all.sort_unstable();
    let mut places = vec![NONE; counts.len()];
    for (place, (_, id)) in all.iter().enumerate() {
        places[*id as usize] = place as u32;
    }
    (all.into_iter().map(|(category, _)| category).collect(), places)
}

impl Design {
    /// Mean and scale of a column, of what is there; a constant one is divided by 1.
    fn standard(&self, values: &[f64], weights: Option<&[f64]>) -> Block {
        let weight = |row: usize| weights.map_or(1.0, |weights| weights[row]);
        let there = || values.iter().enumerate().filter(|(_, value)| !value.is_nan());
        let total: f64 = there().map(|(row, _)| weight(row)).sum();
        let divisor = if total > 0.0 { total } else { 1.0 };
        let mean = there().map(|(row, value)| weight(row) * value).sum::<f64>() / divisor;
        let variance =
            there().map(|(row, value)| weight(row) * (value - mean).powi(2)).sum::<f64>() / divisor;
        let indicator = values.iter().any(|value| value.is_nan());
        let mean = if mean.is_finite() { mean } else { 0.0 };
        // Rounding makes a constant column vary a little.
        let varies = variance.is_finite() && variance.sqrt() > 1e-12 * mean.abs();
        Block::Number {
            mean,
            scale: if varies { variance.sqrt() } else { 1.0 },
            at: self.dense_width,
            indicator,
        }
    }

    fn fill_numbers(&mut self, block: &Block, values: &[f64]) {
        let Block::Number { mean, scale, at, indicator } = block else { return };
        for (row, value) in self.dense.chunks_exact_mut(self.dense_width.max(1)).zip(values) {
            if value.is_nan() {
                if *indicator {
                    row[at + 1] = 1.0;
                }
            } else {
                row[*at] = (value - mean) / scale;
            }
        }
    }

    fn fill_codes(&mut self, column: usize, categories: &[String], places: &[u32], values: &[u32]) -> Block {
        let at = self.parameters;
        let place = |id: u32| places.get(id as usize).copied().unwrap_or(NONE);
        let missing = values.iter().any(|id| place(*id) == NONE);
        let count = categories.len() + usize::from(missing);
        for (row, id) in self.codes.chunks_exact_mut(self.code_width.max(1)).zip(values) {
            let place = place(*id);
            row[column] = at as u32 + if place == NONE { categories.len() as u32 } else { place };
        }
        self.parameters += count;
        Block::Category { at, count }
    }

    /// A row's dense values and its parameters of value 1.
    #[must_use]
    pub fn row(&self, row: usize) -> (&[f64], &[u32]) {
        let dense = &self.dense[row * self.dense_width..(row + 1) * self.dense_width];
        (dense, &self.codes[row * self.code_width..(row + 1) * self.code_width])
    }

    /// How much a row counts.
    #[must_use]
    pub fn weight(&self, row: usize) -> f64 {
        self.weights.as_ref().map_or(1.0, |weights| weights[row])
    }

    /// The sum of all weights.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.weights.as_ref().map_or(self.rows as f64, |weights| weights.iter().sum())
    }
}

/// A table's rows as scoring reads them from tensors.
pub fn rows_of(inputs: &[Input], table: &Table) -> Result<Rows> {
    let width = inputs.len();
    let mut values = vec![f64::NAN; table.rows() * width];
    for (at, input) in inputs.iter().enumerate() {
        let column = table.column(&input.name)?;
        let slots = values[at..].iter_mut().step_by(width);
        if let Kind::Category(categories) = &input.kind {
            for (row, slot) in slots.enumerate() {
                let found = column.text(row).and_then(|text| {
                    categories.binary_search_by(|category| category.as_str().cmp(&text)).ok()
                });
                *slot = found.unwrap_or(categories.len()) as f64;
            }
        } else {
            slots.zip(column.numbers()?.iter()).for_each(|(slot, value)| *slot = *value);
        }
    }
    Ok(Rows { rows: table.rows(), values })
}
