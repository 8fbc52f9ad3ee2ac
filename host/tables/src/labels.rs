//! Labels that arrive after the prediction, by prediction id.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    path::Path,
    sync::Arc,
    time::Duration,
};

use modelyard_clock::Timestamp;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use tokio::sync::RwLock as Gate;

use crate::{
    Error, PredictionId, Result, Value,
    log::{
        Log,
        codec::{Decoder, Encoder},
        committed,
    },
};

/// What turned out to be true for a prediction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// The prediction.
    pub prediction_id: PredictionId,
    /// A number, a text or a boolean; neither null nor NaN.
    pub value: Value,
    /// When it became known. The latest label of a prediction counts.
    pub at: Timestamp,
}

/// What a put did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelPut {
    /// Predictions that had no label.
    pub added: u64,
    /// Labels that replaced an earlier one.
    pub replaced: u64,
    /// Labels that were there already.
    pub unchanged: u64,
    /// Labels older than the one that is there: kept in the history only.
    pub outdated: u64,
}

type Current = HashMap<PredictionId, (Value, Timestamp)>;

/// Labels by prediction id: the current one of each in memory, all of them in
/// a durable log. A cheap handle.
#[derive(Clone)]
pub struct Labels {
    inner: Arc<Inner>,
}

struct Inner {
    current: RwLock<Current>,
    log: Log<()>,
    /// Writers share it; an erasure has it alone.
    gate: Gate<()>,
    /// The directory is this process's as long as somebody can write to it.
    _lock: Arc<File>,
}

fn encode(labels: &[Label]) -> Vec<u8> {
    let mut out = Encoder::default();
    out.u8(1);
    out.length(labels.len());
    for label in labels {
        out.uuid(label.prediction_id.call);
        out.u32(label.prediction_id.row);
        out.i64(label.at.micros());
        out.value(&label.value);
    }
    out.0
}

fn decode(payload: &[u8]) -> Result<Vec<Label>> {
    let mut input = Decoder(payload);
    match input.u8()? {
        1 => {}
        kind => return Err(Error::invalid(format!("a record of unknown kind {kind}"))),
    }
    let labels = (0..input.count(29)?).map(|_| {
        let prediction_id = PredictionId::new(input.uuid()?, input.u32()?);
        let at = Timestamp::from_micros(input.i64()?);
        Ok(Label { prediction_id, at, value: input.value()? })
    });
    labels.collect()
}

fn apply(current: &mut Current, labels: Vec<Label>, put: &mut LabelPut) {
    for label in labels {
        match current.get_mut(&label.prediction_id) {
            None => {
                put.added += 1;
                current.insert(label.prediction_id, (label.value, label.at));
            }
            Some((value, at)) if *value == label.value && *at == label.at => put.unchanged += 1,
            Some((_, at)) if *at > label.at => put.outdated += 1,
            Some(old) => {
                put.replaced += 1;
                *old = (label.value, label.at);
            }
        }
    }
}

impl Labels {
    /// Opens the labels in `dir`. Blocking: replays the log.
    pub(crate) fn open(dir: &Path, interval: Duration, lock: Arc<File>) -> Result<Self> {
        let mut current = Current::new();
        let log = Log::open(dir, interval, 0, |payload| {
            apply(&mut current, decode(payload)?, &mut LabelPut::default());
            Ok(())
        })?;
        Ok(Self {
            inner: Arc::new(Inner { current: RwLock::new(current), log, gate: Gate::new(()), _lock: lock }),
        })
    }

    /// Keeps labels and waits until they are durable: all or none. A label that
    /// is there already changes nothing; a later one replaces the earlier, and
    /// both stay in the history. Whether the predictions exist is not checked:
    /// see [`crate::PredictionLog::known`].
    pub async fn put(&self, labels: Vec<Label>) -> Result<LabelPut> {
        let unusable = |label: &&Label| match &label.value {
            Value::Null => true,
            Value::F64(value) => value.is_nan(),
            _ => false,
        };
        if let Some(label) = labels.iter().find(unusable) {
            return Err(Error::invalid(format!(
                "the label of prediction {} is {}; a number, a text or a boolean is expected",
                label.prediction_id, label.value
            )));
        }
        let _gate = self.inner.gate.read().await;
        let mut put = LabelPut::default();
        let fresh: Vec<Label> = {
            let current = self.inner.current.read();
            let there = |label: &Label| {
                current
                    .get(&label.prediction_id)
                    .is_some_and(|(value, at)| *value == label.value && *at == label.at)
            };
            labels
                .into_iter()
                .filter(|label| {
                    !there(label) || {
                        put.unchanged += 1;
                        false
                    }
                })
                .collect()
        };
        if !fresh.is_empty() {
            committed(self.inner.log.append_durable(&encode(&fresh), ())?).await?;
            apply(&mut self.inner.current.write(), fresh, &mut put);
        }
        Ok(put)
    }

    /// The current label of each prediction.
    pub fn get(&self, ids: &[PredictionId]) -> Vec<Option<Label>> {
        let current = self.inner.current.read();
        let label = |id: &PredictionId| {
            let (value, at) = current.get(id)?;
            Some(Label { prediction_id: *id, value: value.clone(), at: *at })
        };
        ids.iter().map(label).collect()
    }

    /// The number of predictions that have a label.
    pub fn count(&self) -> u64 {
        self.inner.current.read().len() as u64
    }

    /// Every label that a prediction ever had, in the order in which they came.
    /// Reads the whole log.
    pub async fn history(&self, id: PredictionId) -> Result<Vec<Label>> {
        let inner = self.inner.clone();
        let read = move || {
            let mut found: Vec<Label> = Vec::new();
            inner.each(|labels| {
                for label in labels {
                    if label.prediction_id == id && found.last() != Some(&label) {
                        found.push(label);
                    }
                }
                Ok(())
            })?;
            Ok(found)
        };
        tokio::task::spawn_blocking(read).await.unwrap_or(Err(Error::Closed))
    }

    /// Removes the labels of predictions, from memory and from the disk; gives
    /// the number of predictions that had one.
    pub async fn erase(&self, ids: &[PredictionId]) -> Result<u64> {
        let gate = self.inner.gate.write().await;
        let ids: HashSet<PredictionId> = ids.iter().copied().collect();
        let hit = ids.iter().filter(|id| self.inner.current.read().contains_key(id)).count() as u64;
        if hit == 0 {
            return Ok(0);
        }
        let inner = self.inner.clone();
        let rewrite = move || {
            inner.log.rewrite(|out| {
                inner.each(|mut labels| {
                    labels.retain(|label| !ids.contains(&label.prediction_id));
                    if labels.is_empty() { Ok(()) } else { out(&encode(&labels), ()) }
                })
            })?;
            inner.current.write().retain(|id, _| !ids.contains(id));
            Ok(hit)
        };
        let hit = tokio::task::spawn_blocking(rewrite).await.unwrap_or(Err(Error::Closed));
        drop(gate);
        hit
    }
}

impl Inner {
    /// Looks at every record of the log.
    fn each(&self, mut look: impl FnMut(Vec<Label>) -> Result<()>) -> Result<()> {
        for segment in self.log.segments() {
            for entry in segment.entries(|()| true) {
                look(decode(&segment.read(&entry)?)?)?;
            }
        }
        Ok(())
    }
}
