use std::{fmt, str::FromStr, sync::Arc};

use modelyard_clock::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

use crate::{
    Column, Error, Result,
    log::codec::{Decoder, Encoder},
};

/// One row that a model answered: a call and the row in it.
///
/// Written as the call's UUID for row 0 and `<uuid>:<row>` for the others, so
/// that the id of a call with one row is just its UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PredictionId {
    /// The call.
    pub call: Uuid,
    /// The row in it, counted from 0.
    pub row: u32,
}

impl PredictionId {
    /// A row of a call.
    pub fn new(call: Uuid, row: u32) -> Self {
        Self { call, row }
    }
}

impl From<Uuid> for PredictionId {
    fn from(call: Uuid) -> Self {
        Self { call, row: 0 }
    }
}

impl fmt::Display for PredictionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.row {
            0 => write!(f, "{}", self.call),
            row => write!(f, "{}:{row}", self.call),
        }
    }
}

impl FromStr for PredictionId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parse = || {
            let (call, row) = match text.split_once(':') {
                Some((call, row)) => (call, row.parse().ok()?),
                None => (text, 0),
            };
            Some(Self { call: Uuid::try_parse(call).ok()?, row })
        };
        parse().ok_or_else(|| {
            Error::invalid(format!("{text:?} is not a prediction id; write <uuid> or <uuid>:<row>"))
        })
    }
}

impl Serialize for PredictionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PredictionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// One call of a model: what went in and what came out.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// The call's id, version 7 by preference: ids that rise with time are
    /// found faster.
    pub id: Uuid,
    /// The deployment that was called.
    pub deployment: Arc<str>,
    /// The model that answered.
    pub model: Arc<str>,
    /// Its version.
    pub version: u32,
    /// When.
    pub at: Timestamp,
    /// The rows in the call; every column has as many.
    pub rows: u32,
    /// What went in.
    pub features: Vec<Column>,
    /// What came out.
    pub outputs: Vec<Column>,
    /// How long the call took, in microseconds.
    pub latency_us: u64,
    /// Whom each row is about, for erasure: empty or one entry per row.
    pub entities: Vec<Option<String>>,
}

/// What the index keeps of a call.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) id: Uuid,
    pub(crate) deployment: Arc<str>,
    pub(crate) model: Arc<str>,
    pub(crate) version: u32,
    pub(crate) at: Timestamp,
    pub(crate) rows: u32,
}

impl Prediction {
    /// Whether every column has as many rows as the call.
    pub(crate) fn check(&self) -> Result<()> {
        let rows = usize::try_from(self.rows).unwrap_or(usize::MAX);
        for column in self.features.iter().chain(&self.outputs) {
            let validity = column.validity.as_ref().map_or(rows, Vec::len);
            if column.len() != rows || validity != rows {
                return Err(Error::invalid(format!(
                    "column {:?} of prediction {} has {} rows where the call has {rows}",
                    column.name,
                    self.id,
                    column.len()
                )));
            }
        }
        if rows == 0 {
            return Err(Error::invalid(format!(
                "prediction {} has no rows; at least one is expected",
                self.id
            )));
        }
        if !self.entities.is_empty() && self.entities.len() != rows {
            return Err(Error::invalid(format!(
                "prediction {} names {} entities for {rows} rows; name none or one per row",
                self.id,
                self.entities.len()
            )));
        }
        Ok(())
    }

    pub(crate) fn index(&self) -> Head {
        Head {
            id: self.id,
            deployment: self.deployment.clone(),
            model: self.model.clone(),
            version: self.version,
            at: self.at,
            rows: self.rows,
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Encoder(Vec::with_capacity(self.size()));
        out.u8(1);
        out.uuid(self.id);
        out.i64(self.at.micros());
        out.u32(self.version);
        out.u32(self.rows);
        out.text(&self.deployment);
        out.text(&self.model);
        out.u64(self.latency_us);
        out.length(self.entities.len());
        for entity in &self.entities {
            out.u8(u8::from(entity.is_some()));
            out.text(entity.as_deref().unwrap_or_default());
        }
        for columns in [&self.features, &self.outputs] {
            out.length(columns.len());
            columns.iter().for_each(|column| out.column(column));
        }
        out.0
    }

    /// About the bytes that it takes.
    fn size(&self) -> usize {
        let columns = self.features.iter().chain(&self.outputs);
        let rows = usize::try_from(self.rows).unwrap_or(0);
        let each = |column: &Column| 16 + column.name.len() + rows * 12;
        64 + self.deployment.len() + self.model.len() + columns.map(each).sum::<usize>()
    }

    pub(crate) fn decode(payload: &[u8]) -> Result<Self> {
        let mut input = Decoder(payload);
        let head = decode_head(&mut input)?;
        let latency_us = input.u64()?;
        let entities = (0..input.count(5)?).map(|_| {
            let some = input.u8()? != 0;
            let text = input.text()?;
            Ok(some.then(|| text.to_owned()))
        });
        let entities = entities.collect::<Result<_>>()?;
        let Head { id, deployment, model, version, at, rows } = head;
        let (features, outputs) = (input.columns()?, input.columns()?);
        Ok(Self { id, deployment, model, version, at, rows, features, outputs, latency_us, entities })
    }
}

/// Reads what the index needs and leaves the rest.
pub(crate) fn decode_head(input: &mut Decoder<'_>) -> Result<Head> {
    match input.u8()? {
        1 => {}
        kind => return Err(Error::invalid(format!("a record of unknown kind {kind}"))),
    }
    let id = input.uuid()?;
    let at = Timestamp::from_micros(input.i64()?);
    let (version, rows) = (input.u32()?, input.u32()?);
    let (deployment, model) = (input.text()?.into(), input.text()?.into());
    Ok(Head { id, deployment, model, version, at, rows })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn ids_are_written_as_the_uuid_with_the_row_where_there_are_several() {
        let call = Uuid::now_v7();
        let id = PredictionId::new(call, 0);
        assert_eq!(id.to_string(), call.to_string());
        let third = PredictionId::new(call, 2);
        assert_eq!(third.to_string(), format!("{call}:2"));
        for id in [id, third] {
            assert_eq!(id.to_string().parse::<PredictionId>().unwrap(), id);
        }
        for wrong in ["", "7", "x:1", &format!("{call}:"), &format!("{call}:-1")] {
            assert!(wrong.parse::<PredictionId>().unwrap_err().to_string().contains("prediction id"));
        }
    }
}
