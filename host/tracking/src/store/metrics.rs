//! Histories of metrics.

use sha2::{Digest, Sha256};

use super::{
    Core, Store,
    disk::{self, Batch},
    table::{Point, decode, encode},
};
use crate::{Error, Metric, Page, Result, Text};

/// Points of one command from which on they are kept together. Few points are rows of their own,
/// so that one metric's are read without the others'; many cost too much that way.
const MANY: usize = 16;
/// Bytes of a digest that tell a run's chunks apart.
const DIGEST: usize = 16;

impl Core {
    /// Adds a run's points to `batch`. The same points again are the same rows.
    pub(super) fn store_points(&self, batch: &mut Batch<'_>, run: u64, points: &[Point]) {
        if points.len() < MANY {
            for point in points {
                let key = [
                    &run.to_be_bytes()[..],
                    &point.key.to_be_bytes(),
                    &disk::signed(point.timestamp),
                    &disk::signed(point.step),
                    &disk::ordered(point.value).to_be_bytes(),
                ];
                batch.insert(&self.disk.points, disk::key(&key), "");
            }
            return;
        }
        let bytes = encode(points.iter());
        let digest = Sha256::digest(&bytes);
        let digest = digest.get(..DIGEST).unwrap_or_default();
        batch.insert(&self.disk.chunks, disk::key(&[&run.to_be_bytes(), digest]), bytes);
    }

    /// All points of a run's metric in order of time, then step, then value.
    fn points(&self, run_id: &str, key: &str) -> Result<Vec<Point>> {
        let (run, key) = {
            let state = self.state.read();
            let (_, _, row) = state.run(run_id)?;
            match state.keys.get(key) {
                // What has no latest point has none.
                Some(key) if row.metrics.get(key).is_some() => (row.number.to_be_bytes(), key),
                _ => return Ok(Vec::new()),
            }
        };
        let mut points = Vec::new();
        for row in self.disk.points.prefix(disk::key(&[&run, &key.to_be_bytes()])) {
            let row = row.key()?;
            points.push(Point {
                key,
                timestamp: disk::unsigned(disk::part(&row, 12)?),
                step: disk::unsigned(disk::part(&row, 20)?),
                value: disk::value(u64::from_be_bytes(disk::part(&row, 28)?)),
            });
        }
        for row in self.disk.chunks.prefix(run) {
            points.extend(decode(&row.value()?).filter(|point| point.key == key));
        }
        let rank = |point: &Point| (point.timestamp, point.step, disk::ordered(point.value));
        points.sort_unstable_by_key(rank);
        // The same point may have come alone and in a chunk, or in two.
        points.dedup_by_key(|point| rank(point));
        Ok(points)
    }
}

fn record(key: &Text, run_id: Option<&Text>, point: Point) -> Metric {
    Metric {
        key: key.clone(),
        value: point.value,
        timestamp: point.timestamp,
        step: point.step,
        model_id: None,
        dataset_name: None,
        dataset_digest: None,
        run_id: run_id.cloned(),
    }
}

impl Store {
    /// All points of a metric in order of time, then step, then value; all on one page where
    /// `max_results` is absent.
    ///
    /// # Errors
    /// `NotFound` for the run; `Invalid` for the page.
    pub fn metric_history(
        &self,
        run_id: &str,
        key: &str,
        max_results: Option<i64>,
        page_token: Option<&str>,
    ) -> Result<Page<Metric>> {
        let length = match max_results {
            None => usize::MAX,
            Some(length) => usize::try_from(length).ok().filter(|length| *length > 0).ok_or_else(|| {
                Error::invalid(format!(
                    "Invalid value {length} for parameter 'max_results' supplied. It must be a positive integer"
                ))
            })?,
        };
        let query = ["history", run_id, key];
        let offset = self.core().tokens.open(&query, page_token)?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let points = self.core().points(run_id, key)?;
        let name = Text::from(key);
        let more = points.len() > start.saturating_add(length);
        Ok(Page {
            items: points.iter().skip(start).take(length).map(|point| record(&name, None, *point)).collect(),
            next_page_token: more.then(|| self.core().tokens.seal(&query, offset + length as u64)),
        })
    }

    /// The points of one metric in several runs, by run id, then time, then step; at most
    /// `max_results`. Runs that don't exist have none.
    ///
    /// # Errors
    /// `Internal`.
    pub fn metric_history_bulk(
        &self,
        run_ids: &[String],
        key: &str,
        max_results: usize,
    ) -> Result<Vec<Metric>> {
        let mut ids: Vec<&String> = run_ids.iter().collect();
        ids.sort();
        ids.dedup();
        let name = Text::from(key);
        let mut found = Vec::new();
        for id in ids {
            let points = match self.core().points(id, key) {
                Err(Error::NotFound(_)) => continue,
                points => points?,
            };
            let run_id = Text::from(id.as_str());
            let room = max_results - found.len();
            found.extend(points.into_iter().take(room).map(|point| record(&name, Some(&run_id), point)));
        }
        Ok(found)
    }

    /// At most `max_results` points for each run, spread evenly over all that were logged with
    /// a step between (and with) `steps`, the first and the last among them, in order of step
    /// (`metrics/get-history-bulk-interval`).
    ///
    /// # Errors
    /// `NotFound` for a run.
    pub fn metric_history_interval(
        &self,
        run_ids: &[String],
        key: &str,
        steps: Option<(i64, i64)>,
        max_results: usize,
    ) -> Result<Vec<Metric>> {
        let name = Text::from(key);
        let mut sampled = Vec::new();
        for id in run_ids {
            let mut points = self.core().points(id, key)?;
            points.retain(|point| steps.is_none_or(|(from, to)| (from..=to).contains(&point.step)));
            points.sort_by_key(|point| (point.step, point.timestamp, disk::ordered(point.value)));
            let run_id = Text::from(id.as_str());
            let chosen = evenly(points.len(), max_results.max(1));
            sampled.extend(
                chosen.filter_map(|at| points.get(at)).map(|point| record(&name, Some(&run_id), *point)),
            );
        }
        Ok(sampled)
    }
}

/// At most `most` positions out of `length`, evenly spread, with the first and the last; the last
/// alone where only one is wanted.
fn evenly(length: usize, most: usize) -> impl Iterator<Item = usize> {
    let count = length.min(most);
    (0..count).map(move |at| if count == 1 { length - 1 } else { at * (length - 1) / (count - 1) })
}

#[cfg(test)]
mod tests {
    use super::evenly;

    #[test]
    fn samples_are_even_and_keep_both_ends() {
        assert_eq!(evenly(0, 5).count(), 0);
        assert_eq!(evenly(7, 1).collect::<Vec<_>>(), [6]);
        assert_eq!(evenly(3, 5).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(evenly(10, 4).collect::<Vec<_>>(), [0, 3, 6, 9]);
        assert_eq!(evenly(1_000_000, 2).collect::<Vec<_>>(), [0, 999_999]);
    }
}
