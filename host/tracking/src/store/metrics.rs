//! Histories of metrics.

use super::{Store, disk, state::State, table::Latest};
use crate::{Error, Metric, Page, Result, Text};

/// Most points that a request without a page's length is answered with by MLflow's server; here
/// it is all of them.
const WHOLE: usize = usize::MAX;

/// A point as it is stored: all of it is in its key, so that the same point is one row.
pub(super) struct Logged(pub(super) Latest);

impl Logged {
    /// The point's row: run, key, time, step, value.
    pub(super) fn key(&self, run: u64) -> Vec<u8> {
        let point = &self.0;
        disk::key(&[
            &run.to_be_bytes(),
            &point.key.to_be_bytes(),
            &disk::signed(point.timestamp),
            &disk::signed(point.step),
            &disk::ordered(point.value).to_be_bytes(),
        ])
    }

    fn from_key(key: &[u8], name: &Text) -> Result<Metric> {
        Ok(Metric {
            key: name.clone(),
            timestamp: disk::unsigned(disk::part(key, 12)?),
            step: disk::unsigned(disk::part(key, 20)?),
            value: disk::value(u64::from_be_bytes(disk::part(key, 28)?)),
            model_id: None,
            dataset_name: None,
            dataset_digest: None,
            run_id: None,
        })
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
            None => WHOLE,
            Some(length) => usize::try_from(length).ok().filter(|length| *length > 0).ok_or_else(|| {
                Error::invalid(format!(
                    "Invalid value {length} for parameter 'max_results' supplied. It must be a positive integer"
                ))
            })?,
        };
        let query = ["history", run_id, key];
        let offset = self.core().tokens.open(&query, page_token)?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let prefix = self.history_prefix(run_id, key)?;
        let mut items = Vec::new();
        let mut more = false;
        if let Some(prefix) = prefix {
            let name = Text::from(key);
            for row in self.core().disk.points.prefix(prefix).skip(start) {
                if items.len() == length {
                    more = true;
                    break;
                }
                items.push(Logged::from_key(&row.key()?, &name)?);
            }
        }
        let next_page_token = more.then(|| self.core().tokens.seal(&query, offset + items.len() as u64));
        Ok(Page { items, next_page_token })
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
        let mut points = Vec::new();
        for id in ids {
            let Ok(Some(prefix)) = self.history_prefix(id, key) else { continue };
            let run_id = Text::from(id.as_str());
            for row in self.core().disk.points.prefix(prefix).take(max_results - points.len()) {
                let point = Logged::from_key(&row.key()?, &name)?;
                points.push(Metric { run_id: Some(run_id.clone()), ..point });
            }
            if points.len() == max_results {
                break;
            }
        }
        Ok(points)
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
            let Some(prefix) = self.history_prefix(id, key)? else { continue };
            let mut points = Vec::new();
            for row in self.core().disk.points.prefix(prefix) {
                let point = Logged::from_key(&row.key()?, &name)?;
                if steps.is_none_or(|(from, to)| (from..=to).contains(&point.step)) {
                    points.push(point);
                }
            }
            points.sort_by(|a, b| {
                (a.step, a.timestamp).cmp(&(b.step, b.timestamp)).then(a.value.total_cmp(&b.value))
            });
            let run_id = Text::from(id.as_str());
            let chosen = evenly(points.len(), max_results.max(1));
            sampled.extend(
                chosen.filter_map(|at| {
                    Some(Metric { run_id: Some(run_id.clone()), ..points.get(at)?.clone() })
                }),
            );
        }
        Ok(sampled)
    }

    /// What the rows of a metric begin with; `None` where no run has the key.
    fn history_prefix(&self, run_id: &str, key: &str) -> Result<Option<Vec<u8>>> {
        let state = self.core().state.read();
        prefix(&state, run_id, key)
    }
}

fn prefix(state: &State, run_id: &str, key: &str) -> Result<Option<Vec<u8>>> {
    let (_, _, row) = state.run(run_id)?;
    let prefix = |number: u32| disk::key(&[&row.number.to_be_bytes(), &number.to_be_bytes()]);
    Ok(state.keys.get(key).map(prefix))
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
