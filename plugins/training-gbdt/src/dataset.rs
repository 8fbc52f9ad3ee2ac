//! Tables pulled batch by batch into bytes, one per row and column.

use std::collections::HashMap;

use modelyard_sdk::learn::{Head, Input, Kind, Task, columns, target};
use modelyard_sdk::prelude::{Column, ColumnData, ColumnType, Field, Reader, Settings};
use modelyard_sdk::{Error, Result, log, progress};

use crate::bins::Mapper;
use crate::params::Parameters;
use crate::rng::Rng;

/// Rows that are pulled at a time.
const BATCH: u32 = 16_384;
/// Rows, about, that bins are cut after.
const SAMPLE: u64 = 200_000;
/// Distinct categories of a column that are counted.
const MAX_COUNTED: usize = 65_536;

/// A column to split on.
#[derive(Debug)]
pub struct Feature {
    /// As scoring takes it.
    pub input: Input,
    /// Its bins.
    pub mapper: Mapper,
}

/// Bins of every row, row after row.
#[derive(Debug)]
pub struct Bins {
    /// How many rows.
    pub rows: usize,
    /// How many columns.
    pub width: usize,
    /// `data[row * width + column]`.
    pub data: Vec<u8>,
}

/// Rows to learn from, or to be measured on.
#[derive(Debug)]
pub struct Dataset {
    /// What is known of each row.
    pub bins: Bins,
    /// What is to be said: a number, or the index of a class.
    pub target: Vec<f64>,
    /// How much each row counts; none: 1.
    pub weights: Option<Vec<f64>>,
}

/// The data of a run.
#[derive(Debug)]
pub struct Prepared {
    /// The columns to split on.
    pub features: Vec<Feature>,
    /// What the model answers.
    pub head: Head,
    /// The rows to learn from.
    pub train: Dataset,
    /// The rows to be measured on.
    pub validation: Option<Dataset>,
}

/// Reads everything: the training data twice, to cut the bins and to fill them.
pub fn prepare(
    settings: &Settings,
    parameters: &Parameters,
    data: &Reader,
    validation: Option<&Reader>,
) -> Result<Prepared> {
    let fields = columns::features(&data.schema(), settings)?;
    progress::report(0.0, "reading the training data");
    let (features, target, weights) = survey(&fields, settings, parameters, data)?;
    data.rewind()?;
    let mut bins = Bins { rows: 0, width: features.len(), data: Vec::new() };
    bins.data.reserve(target.values.len().saturating_mul(features.len()));
    for batch in data.batches(BATCH) {
        progress::check()?;
        let batch = batch?;
        bins.append(&features, batch.rows(), |name| batch.column(name))?;
    }
    if bins.rows != target.values.len() {
        let message = format!("the data had {} rows and then {}", target.values.len(), bins.rows);
        return Err(Error::invalid(message));
    }
    let train = Dataset { bins, target: target.values, weights };
    let validation = match validation {
        Some(reader) => further(&features, &target.head, settings, reader)?,
        None => None,
    };
    Ok(Prepared { features, head: target.head, train, validation })
}

/// What the first reading collects of a column.
enum Survey {
    Numbers(Vec<f64>, bool),
    Categories(HashMap<String, u64>),
}

type Surveyed = (Vec<Feature>, target::Target, Option<Vec<f64>>);

fn survey(fields: &[Field], settings: &Settings, parameters: &Parameters, data: &Reader) -> Result<Surveyed> {
    let mut collector = target::Collector::new(&settings.target, Task::from(settings.task));
    let mut weights = settings.weight.as_ref().map(|_| Vec::new());
    let mut surveys: Vec<Survey> = fields.iter().map(Survey::new).collect();
    let mut sampler = Sampler::new(settings.seed, data.rows());
    let mut rows = 0;
    for batch in data.batches(BATCH) {
        progress::check()?;
        let batch = batch?;
        collector.push(batch.column(&settings.target)?)?;
        if let (Some(weights), Some(name)) = (weights.as_mut(), settings.weight.as_ref()) {
            weights.extend(target::weights(batch.column(name)?, rows)?);
        }
        let sampled = sampler.rows(batch.rows());
        for (field, survey) in fields.iter().zip(&mut surveys) {
            survey.add(batch.column(&field.name)?, sampled.as_deref())?;
        }
        rows += batch.rows();
        if u32::try_from(rows).is_err() {
            return Err(Error::invalid("there are more than 4,294,967,295 rows; train on a part of them"));
        }
    }
    let target = collector.finish(parameters.positive_class.as_deref())?;
    if weights.as_ref().is_some_and(|weights| weights.iter().sum::<f64>() <= 0.0) {
        return Err(Error::column(settings.weight.clone().unwrap_or_default(), "every weight is 0"));
    }
    let max_bins = parameters.max_bins as usize;
    let features = fields.iter().zip(surveys).map(|(field, survey)| survey.finish(field, max_bins)).collect();
    Ok((features, target, weights))
}

impl Survey {
    fn new(field: &Field) -> Self {
        match field.type_ {
            ColumnType::Utf8 => Self::Categories(HashMap::new()),
            _ => Self::Numbers(Vec::new(), false),
        }
    }

    /// Adds a batch; of numbers the sampled rows, of categories all.
    fn add(&mut self, column: &Column, sampled: Option<&[usize]>) -> Result<()> {
        match self {
            Self::Numbers(sample, nulls) => {
                *nulls |= column.nulls() > 0;
                let numbers = column.numbers()?;
                match sampled {
                    None => sample.extend_from_slice(&numbers),
                    Some(rows) => sample.extend(rows.iter().filter_map(|row| numbers.get(*row))),
                }
            }
            Self::Categories(counts) => {
                let ColumnData::Utf8(values) = &column.data else {
                    return Err(Error::column(
                        &column.name,
                        "holds text in one batch and something else in another",
                    ));
                };
                for (row, value) in values.iter().enumerate() {
                    if value.is_empty() || !column.is_valid(row) {
                        continue;
                    }
                    if let Some(count) = counts.get_mut(value) {
                        *count += 1;
                    } else if counts.len() < MAX_COUNTED && value.len() < 1 << 16 {
                        counts.insert(value.clone(), 1);
                    }
                }
            }
        }
        Ok(())
    }

    fn finish(self, field: &Field, max_bins: usize) -> Feature {
        let name = field.name.clone();
        match self {
            Self::Numbers(sample, nulls) => {
                let kind = match field.type_ {
                    ColumnType::Boolean if !nulls => Kind::Boolean,
                    ColumnType::S64 if !nulls => Kind::Integer,
                    _ => Kind::Float,
                };
                Feature { input: Input { name, kind }, mapper: Mapper::numbers(sample, max_bins) }
            }
            Self::Categories(counts) => {
                let distinct = counts.len();
                let (mapper, categories) = Mapper::categories(counts, max_bins);
                if distinct > categories.len() {
                    log::info(format!(
                        "column {name:?}: of {distinct} categories the {} most frequent are kept, the others count as missing",
                        categories.len()
                    ));
                }
                Feature { input: Input { name, kind: Kind::Category(categories) }, mapper }
            }
        }
    }
}

/// Chooses about [`SAMPLE`] rows, evenly over the whole.
struct Sampler {
    rng: Rng,
    /// Of 2³² rows, how many are taken; none: all.
    share: Option<u64>,
}

impl Sampler {
    fn new(seed: u64, rows: u64) -> Self {
        let share = (rows > SAMPLE).then(|| (SAMPLE << 32) / rows.max(1));
        Self { rng: Rng::new(seed ^ 0xb1b5), share }
    }

    fn rows(&mut self, count: usize) -> Option<Vec<usize>> {
        let share = self.share?;
        Some((0..count).filter(|_| self.rng.bits() >> 32 < share).collect())
    }
}

impl Bins {
    /// Adds the bins of a batch.
    fn append<'a>(
        &mut self,
        features: &[Feature],
        rows: usize,
        column: impl Fn(&str) -> Result<&'a Column>,
    ) -> Result<()> {
        let start = self.data.len();
        self.data.resize(start + rows * self.width, 0);
        for (at, feature) in features.iter().enumerate() {
            let column = column(&feature.input.name)?;
            let slots = self.data.get_mut(start + at..).unwrap_or_default().iter_mut().step_by(self.width);
            match (&feature.input.kind, &column.data) {
                (Kind::Category(_), ColumnData::Utf8(values)) => {
                    for (row, (slot, value)) in slots.zip(values).enumerate() {
                        if column.is_valid(row) {
                            *slot = feature.mapper.category(value);
                        }
                    }
                }
                (Kind::Category(_), _) | (_, ColumnData::Utf8(_) | ColumnData::Timestamp(_)) => {
                    let message = format!(
                        "is {} here, but was {} in the training data",
                        column.column_type().name(),
                        if matches!(feature.input.kind, Kind::Category(_)) { "text" } else { "numbers" }
                    );
                    return Err(Error::column(&column.name, message));
                }
                _ => {
                    for (slot, value) in slots.zip(column.numbers()?.iter()) {
                        *slot = feature.mapper.number(*value);
                    }
                }
            }
        }
        self.rows += rows;
        Ok(())
    }

    /// The bins of a row.
    #[inline]
    #[must_use]
    pub fn row(&self, row: usize) -> &[u8] {
        self.data.get(row * self.width..(row + 1) * self.width).unwrap_or_default()
    }
}

/// Reads further rows under bins and classes that are there already.
fn further(
    features: &[Feature],
    head: &Head,
    settings: &Settings,
    reader: &Reader,
) -> Result<Option<Dataset>> {
    let bins = Bins { rows: 0, width: features.len(), data: Vec::new() };
    let weights = settings.weight.as_ref().map(|_| Vec::new());
    let mut set = Dataset { bins, target: Vec::new(), weights };
    for batch in reader.batches(BATCH) {
        progress::check()?;
        let batch = batch?;
        let before = set.target.len();
        set.target.extend(target::values(head, batch.column(&settings.target)?, before)?);
        if let (Some(weights), Some(name)) = (set.weights.as_mut(), settings.weight.as_ref()) {
            weights.extend(target::weights(batch.column(name)?, before)?);
        }
        set.bins.append(features, batch.rows(), |name| batch.column(name))?;
    }
    if set.target.is_empty() {
        log::warn("the validation data has no rows and is left aside");
        return Ok(None);
    }
    Ok(Some(set))
}
