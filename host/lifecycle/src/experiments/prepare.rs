//! What comes before training: the training set, its parts and its features.
//! Runs that ask for the same share one preparation.

use std::collections::BTreeMap;

use modelyard_blobs::Digest;
use modelyard_tables::{ColumnType, FileInfo, RecordBatch, Scan, Schema};

use super::{
    ExperimentSpec, Experiments, FoldsSpec, SplitBy,
    sweep::{Fold, expanding},
};
use crate::{
    Code, Error, Result, columns,
    features::{Fitted, TrainingSet},
    governance::Actor,
    progress::Progress,
};

/// Rows ready to be trained on.
#[derive(Clone)]
pub(super) struct Prepared {
    pub(super) set: TrainingSet,
    /// The model's raw input columns.
    pub(super) inputs: Vec<String>,
    /// Raw rows: training, validation, test.
    pub(super) parts: [Option<FileInfo>; 3],
    /// The same rows after the features, with target and weight.
    pub(super) transformed: [Option<FileInfo>; 3],
    pub(super) features: Option<Fitted>,
}

const PARTS: [&str; 3] = ["training", "validation", "test"];

impl Prepared {
    pub(super) fn rows(&self) -> BTreeMap<String, u64> {
        let rows = PARTS.iter().zip(&self.parts);
        rows.filter_map(|(name, part)| Some(((*name).to_owned(), part.as_ref()?.rows))).collect()
    }

    /// The raw rows that the model is judged on: test rows, or the next best.
    pub(super) fn judged(&self) -> Option<&FileInfo> {
        self.parts.iter().rev().flatten().next()
    }

    pub(super) fn training(&self) -> Result<&FileInfo> {
        self.transformed[0].as_ref().ok_or_else(|| Error::internal("no training rows"))
    }
}

/// How rows are divided.
struct Division {
    seed: u64,
    validation: f64,
    test: f64,
    /// The event-time column, where times decide.
    time: Option<String>,
    /// From when on rows are validation and test rows; none: drawn by the seed.
    cuts: Option<(i64, i64)>,
    /// Instead of training and validation rows those of a fold.
    fold: Option<Fold>,
}

/// The part of a row that no part has.
const LEFT_OUT: u8 = 3;

impl Division {
    /// The part of each row of a batch whose first row has this number.
    fn parts(&self, batch: &RecordBatch, first: u64) -> Result<Vec<u8>> {
        let times = self.time.as_ref().map(|time| times(batch, time)).transpose()?;
        let at = |row: usize| times.as_ref().and_then(|times| times.get(row)).copied().unwrap_or_default();
        let part = |row: usize| {
            let part = match self.cuts {
                Some(cuts) => part_of_time(at(row), cuts),
                None => self.drawn(first + row as u64),
            };
            match &self.fold {
                Some(_) if part == 2 => LEFT_OUT,
                Some(fold) => fold.part(at(row)).unwrap_or(LEFT_OUT),
                None => part,
            }
        };
        Ok((0..batch.num_rows()).map(part).collect())
    }

    /// Test rows first, validation from the rest.
    fn drawn(&self, row: u64) -> u8 {
        let point = uniform(self.seed, row);
        if point < self.test {
            2
        } else if (point - self.test) / (1.0 - self.test) < self.validation {
            1
        } else {
            0
        }
    }
}

impl Experiments<'_> {
    pub(super) async fn prepare(
        &self,
        actor: &Actor,
        spec: &ExperimentSpec,
        progress: &Progress,
    ) -> Result<Prepared> {
        progress.say(0.0, "joining");
        let set = self.0.features().training_set(actor, &spec.spine, &spec.joins).await?;
        self.prepare_set(spec, set, None, progress).await
    }

    /// Divides a training set and fits the features on its training rows; with
    /// a fold it is the fold's rows that are trained and validated on, and there
    /// are no test rows.
    pub(super) async fn prepare_set(
        &self,
        spec: &ExperimentSpec,
        set: TrainingSet,
        fold: Option<Fold>,
        progress: &Progress,
    ) -> Result<Prepared> {
        let inputs = inputs(spec, &set.file.schema)?;
        progress.say(0.05, "splitting");
        let parts = self.split(spec, &set, fold).await?;
        let training = parts[0].as_ref().ok_or_else(|| Error::internal("no training rows"))?;
        let keep: Vec<String> = [&spec.target].into_iter().chain(&spec.weight).cloned().collect();
        let mut transformed = parts.clone();
        let features = match &spec.features {
            None => None,
            Some(features) => {
                progress.say(0.1, "fitting features");
                let fitted = self.0.features().fit(features, &training.digest, &inputs, progress).await?;
                for part in &mut transformed {
                    if let Some(file) = part {
                        *part = Some(
                            self.0
                                .features()
                                .transform(&fitted, &file.digest, &inputs, &keep, progress)
                                .await?,
                        );
                    }
                }
                Some(fitted)
            }
        };
        if progress.is_cancelled() {
            return Err(Error::new(Code::Cancelled, "cancelled"));
        }
        Ok(Prepared { set, inputs, parts, transformed, features })
    }

    async fn division(
        &self,
        spec: &ExperimentSpec,
        set: &TrainingSet,
        fold: Option<Fold>,
        timed: bool,
    ) -> Result<Division> {
        let cuts = match spec.split.by {
            SplitBy::Random => None,
            SplitBy::Time => Some(self.time_cuts(spec, set).await?),
        };
        let timed = timed || cuts.is_some() || fold.is_some();
        let time = if timed { Some(event_time(spec)?) } else { None };
        let (validation, test) = (spec.split.validation, spec.split.test);
        Ok(Division { seed: spec.seed, validation, test, time, cuts, fold })
    }

    /// Training, validation and test rows as files of their own.
    async fn split(
        &self,
        spec: &ExperimentSpec,
        set: &TrainingSet,
        fold: Option<Fold>,
    ) -> Result<[Option<FileInfo>; 3]> {
        let division = self.division(spec, set, fold, false).await?;
        let mut scanner = self.0.tables.scan(&[set.file.digest], Scan::default()).await?;
        let schema = scanner.schema().clone();
        let mut writers =
            [self.0.tables.writer(&schema)?, self.0.tables.writer(&schema)?, self.0.tables.writer(&schema)?];
        let writers = tokio::task::spawn_blocking(move || {
            let mut row = 0u64;
            while let Some(batch) = scanner.next_rows(65_536)? {
                let parts = division.parts(&batch, row)?;
                row += batch.num_rows() as u64;
                for (part, writer) in (0u8..).zip(&mut writers) {
                    let mask: arrow::array::BooleanArray = parts.iter().map(|of| Some(*of == part)).collect();
                    let rows = arrow::compute::filter_record_batch(&batch, &mask)
                        .map_err(|error| Error::internal(error.to_string()))?;
                    if rows.num_rows() > 0 {
                        writer.push(&rows)?;
                    }
                }
            }
            Ok::<_, Error>(writers)
        })
        .await??;
        let mut files = [None, None, None];
        for (file, writer) in files.iter_mut().zip(writers) {
            if writer.rows() > 0 {
                *file = Some(writer.finish().await?);
            }
        }
        if files[0].is_none() {
            return Err(Error::field("split", "no rows are left to train on"));
        }
        Ok(files)
    }

    /// The folds over a training set's rows that aren't test rows.
    pub(super) async fn folds(
        &self,
        spec: &ExperimentSpec,
        set: &TrainingSet,
        folds: &FoldsSpec,
    ) -> Result<Vec<Fold>> {
        let division = self.division(spec, set, None, true).await?;
        let time = event_time(spec)?;
        let mut scanner = self.0.tables.scan(&[set.file.digest], Scan::default()).await?;
        let (count, gap) = (folds.count, i64::try_from(folds.gap_seconds).unwrap_or(i64::MAX));
        tokio::task::spawn_blocking(move || {
            let (mut row, mut all) = (0, Vec::new());
            while let Some(batch) = scanner.next_rows(65_536)? {
                let parts = division.parts(&batch, row)?;
                row += batch.num_rows() as u64;
                let times = times(&batch, &time)?;
                all.extend(times.into_iter().zip(parts).filter(|(_, part)| *part != 2).map(|(at, _)| at));
            }
            expanding(all, count, gap.saturating_mul(1_000_000))
        })
        .await?
    }

    /// The times at which validation and test rows begin.
    async fn time_cuts(&self, spec: &ExperimentSpec, set: &TrainingSet) -> Result<(i64, i64)> {
        let column = event_time(spec)?;
        let scan = Scan { columns: Some(vec![column.clone()]), ..Scan::default() };
        let mut scanner = self.0.tables.scan(&[set.file.digest], scan).await?;
        let mut all = tokio::task::spawn_blocking(move || {
            let mut all = Vec::new();
            while let Some(batch) = scanner.next_rows(65_536)? {
                all.extend(times(&batch, &column)?);
            }
            Ok::<_, Error>(all)
        })
        .await??;
        all.sort_unstable();
        let at = |share: f64| {
            let index = (all.len() as f64 * share) as usize;
            all.get(index).copied().unwrap_or(i64::MAX)
        };
        let test = 1.0 - spec.split.test;
        Ok((at(test * (1.0 - spec.split.validation)), at(test)))
    }
}

fn event_time(spec: &ExperimentSpec) -> Result<String> {
    let time = spec.spine.event_time.clone();
    time.ok_or_else(|| Error::field("split.by", "to divide by time takes spine.event_time"))
}

fn part_of_time(at: i64, (validation, test): (i64, i64)) -> u8 {
    if at >= test {
        2
    } else if at >= validation {
        1
    } else {
        0
    }
}

fn times(batch: &RecordBatch, column: &str) -> Result<Vec<i64>> {
    let table = columns::from_batch(batch.clone())?;
    match table.into_iter().find(|found| found.name == column).map(|found| found.data) {
        Some(modelyard_runtime::types::ColumnData::Timestamp(values)) => Ok(values),
        Some(_) => Err(Error::field("spine.event_time", format!("column {column:?} holds no times"))),
        None => Err(Error::field("spine.event_time", format!("there is no column {column:?}"))),
    }
}

/// A number from 0 to below 1 that depends on seed and row alone (SplitMix64,
/// Steele, Lea and Flood 2014).
fn uniform(seed: u64, row: u64) -> f64 {
    let mut z = seed.wrapping_add(row.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

/// The columns that the model sees: all but target, weight, ignored and times.
fn inputs(spec: &ExperimentSpec, schema: &Schema) -> Result<Vec<String>> {
    for (field, column) in [("target", Some(&spec.target)), ("weight", spec.weight.as_ref())] {
        if let Some(column) = column.filter(|column| schema.field(column).is_none()) {
            let known: Vec<_> = schema.names().collect();
            return Err(Error::field(
                field,
                format!("the training set has no column {column:?}; it has {}", known.join(", ")),
            ));
        }
    }
    let event_time = spec.spine.event_time.as_deref();
    let inputs: Vec<String> = schema
        .fields
        .iter()
        .filter(|field| {
            field.name != spec.target
                && spec.weight.as_deref() != Some(&field.name)
                && !spec.ignore.contains(&field.name)
                // The event time orders rows; a features plugin may still ask for it.
                && (event_time != Some(field.name.as_str()) || spec.features.is_some())
                && (field.r#type != ColumnType::Timestamp || spec.features.is_some())
        })
        .map(|field| field.name.clone())
        .collect();
    if inputs.is_empty() {
        return Err(Error::field("ignore", "no column is left for the model to see"));
    }
    Ok(inputs)
}

/// The digest of a part, if it has rows.
pub(super) fn digest(part: &Option<FileInfo>) -> Option<Digest> {
    part.as_ref().map(|file| file.digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_splits_depend_on_seed_and_row_alone() {
        let draw = |seed| (0..10_000).map(|row| uniform(seed, row)).collect::<Vec<_>>();
        let (a, b) = (draw(1), draw(2));
        assert_eq!(a, draw(1));
        assert_ne!(a, b);
        let mean = a.iter().sum::<f64>() / a.len() as f64;
        assert!((mean - 0.5).abs() < 0.02, "{mean}");
    }
}
