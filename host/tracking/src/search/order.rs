//! Parsed orders.

use std::cmp::Ordering;

use super::{Entity, Field, Kind, Subject, parser};
use crate::{Error, Result};

/// Which end comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Smallest first.
    Ascending,
    /// Largest first.
    Descending,
}

impl Direction {
    /// Turns an ascending comparison into this one.
    pub(crate) fn apply(self, ordering: Ordering) -> Ordering {
        match self {
            Self::Ascending => ordering,
            Self::Descending => ordering.reverse(),
        }
    }
}

/// Keys to order by, then the kind's own default order.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    keys: Vec<(Entity, String, Direction)>,
}

impl Order {
    /// Reads `clauses` such as ``metrics.`f 1` DESC`` and appends `kind`'s tie-breaks.
    ///
    /// # Errors
    /// [`Error::Syntax`] with the position in its clause, or [`Error::Invalid`] for a key given
    /// twice.
    pub fn parse(kind: Kind, clauses: &[String]) -> Result<Self> {
        let mut order = Self { keys: Vec::new() };
        for clause in clauses {
            let (mut entity, mut key, direction) = parser::order(kind, clause)?;
            if kind == Kind::Traces
                && entity == Entity::Attribute
                && let Some((home, name)) = parser::trace_home(&key)
            {
                (entity, key) = (home, name.to_owned());
            }
            if !orderable(kind, entity) {
                return Err(Error::invalid(format!("Invalid order_by entity: {}", entity.as_str())));
            }
            if order.has(entity, &key) {
                return Err(Error::invalid(format!("`order_by` contains duplicate fields: {clauses:?}")));
            }
            order.keys.push((entity, key, direction));
        }
        for (key, direction) in defaults(kind, clauses.is_empty()) {
            if !order.has(Entity::Attribute, key) {
                order.keys.push((Entity::Attribute, (*key).to_owned(), *direction));
            }
        }
        Ok(order)
    }

    /// An order by keys that are known to be right, with `kind`'s tie-breaks.
    pub(crate) fn of(kind: Kind, keys: Vec<(Entity, String, Direction)>) -> Self {
        let mut order = Self { keys };
        for (key, direction) in defaults(kind, true) {
            if !order.has(Entity::Attribute, key) {
                order.keys.push((Entity::Attribute, (*key).to_owned(), *direction));
            }
        }
        order
    }

    fn has(&self, entity: Entity, key: &str) -> bool {
        self.keys.iter().any(|(e, k, _)| *e == entity && k == key)
    }

    /// The keys, tie-breaks last.
    pub fn keys(&self) -> &[(Entity, String, Direction)] {
        &self.keys
    }

    /// Which of two comes first. In either direction a missing value comes last, and a metric
    /// that is not a number before it.
    pub fn compare<S: Subject>(&self, a: &S, b: &S) -> Ordering {
        for (entity, key, direction) in &self.keys {
            let ordering = match (value(a, *entity, key), value(b, *entity, key)) {
                (Field::Text(a), Field::Text(b)) => direction.apply(a.cmp(b)),
                (Field::Integer(a), Field::Integer(b)) => direction.apply(a.cmp(&b)),
                (Field::Number(a), Field::Number(b)) => numbers(a, b, *direction),
                (a, b) => rank(a).cmp(&rank(b)),
            };
            if ordering.is_ne() {
                return ordering;
            }
        }
        Ordering::Equal
    }
}

/// What is no number comes after all numbers.
fn numbers(a: f64, b: f64, direction: Direction) -> Ordering {
    match a.partial_cmp(&b) {
        Some(ordering) => direction.apply(ordering),
        None => a.is_nan().cmp(&b.is_nan()),
    }
}

fn rank(field: Field<'_>) -> u8 {
    match field {
        Field::Missing => 1,
        Field::Text(_) | Field::Integer(_) | Field::Number(_) => 0,
    }
}

fn value<'a, S: Subject>(subject: &'a S, entity: Entity, key: &str) -> Field<'a> {
    match entity {
        Entity::Metric => subject.metric(key).map_or(Field::Missing, Field::Number),
        Entity::Param => subject.param(key).map_or(Field::Missing, Field::Text),
        Entity::Tag => subject.tag(key).map_or(Field::Missing, Field::Text),
        Entity::Metadata => subject.metadata(key).map_or(Field::Missing, Field::Text),
        _ => subject.attribute(key),
    }
}

fn orderable(kind: Kind, entity: Entity) -> bool {
    match kind {
        Kind::Runs => {
            matches!(entity, Entity::Attribute | Entity::Metric | Entity::Param | Entity::Tag)
        }
        Kind::LoggedModels => matches!(entity, Entity::Attribute | Entity::Metric),
        Kind::Traces => matches!(entity, Entity::Attribute | Entity::Tag | Entity::Metadata),
        Kind::Experiments | Kind::Datasets | Kind::RegisteredModels | Kind::ModelVersions => {
            entity == Entity::Attribute
        }
    }
}

/// What MLflow orders by after (or without) the given keys.
fn defaults(kind: Kind, alone: bool) -> &'static [(&'static str, Direction)] {
    use Direction::{Ascending, Descending};
    match kind {
        Kind::Runs => &[("start_time", Descending), ("run_id", Ascending)],
        Kind::Experiments if alone => &[("creation_time", Descending), ("experiment_number", Ascending)],
        Kind::Experiments => &[("experiment_number", Descending)],
        Kind::LoggedModels => &[("creation_timestamp_ms", Descending), ("model_id", Ascending)],
        Kind::Traces => &[("timestamp_ms", Descending), ("request_id", Ascending)],
        Kind::Datasets if alone => &[("created_time", Descending), ("dataset_id", Descending)],
        Kind::Datasets => &[("dataset_id", Descending)],
        Kind::RegisteredModels => &[("name", Ascending)],
        Kind::ModelVersions if alone => {
            &[("last_updated_timestamp", Descending), ("name", Ascending), ("version_number", Descending)]
        }
        Kind::ModelVersions => &[("name", Ascending), ("version_number", Descending)],
    }
}
