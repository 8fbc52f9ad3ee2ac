//! Assessments: what people and judges think of traces.

use serde_json::Value;

use super::{Core, Store, records::StoredTrace};
use crate::{
    Assessment, Error, Result, UpdateAssessment,
    search::{Clause, Comparator},
};

/// The parts of an assessment, of which it has one.
const BODIES: [&str; 3] = ["feedback", "expectation", "issue"];

impl Store {
    /// Adds an assessment; one that it overrides is no longer valid.
    ///
    /// # Errors
    /// `NotFound` for the trace or the overridden one, `Invalid`, `Exists` for a given id.
    pub async fn create_assessment(&self, assessment: Assessment) -> Result<Assessment> {
        self.write(move |core| create(core, assessment)).await
    }

    /// One assessment.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn assessment(&self, trace_id: &str, assessment_id: &str) -> Result<Assessment> {
        let mut stored = self.core().trace(trace_id)?;
        find(&mut stored, assessment_id).map(|assessment| assessment.clone())
    }

    /// Changes an assessment; its source and span stay.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` where its kind would change.
    pub async fn update_assessment(
        &self,
        trace_id: &str,
        assessment_id: &str,
        change: UpdateAssessment,
    ) -> Result<Assessment> {
        let (trace, id) = (trace_id.to_owned(), assessment_id.to_owned());
        self.write(move |core| {
            let mut stored = core.trace(&trace)?;
            let found = find(&mut stored, &id)?;
            if let Some(body) = change.body {
                if BODIES.iter().any(|kind| body.contains_key(*kind) != found.body.contains_key(*kind)) {
                    return Err(Error::invalid(
                        "The kind of an assessment (feedback, expectation or issue) can't be changed.",
                    ));
                }
                found.body = body;
            }
            if let Some(name) = change.assessment_name {
                found.assessment_name = name;
            }
            found.rationale = change.rationale.or(found.rationale.take());
            found.metadata.extend(change.metadata.unwrap_or_default());
            found.last_update_time_ms = core.now();
            let changed = found.clone();
            core.put_trace(core.disk.batch(), stored)?;
            Ok(changed)
        })
        .await
    }

    /// Removes an assessment; one that it overrode is valid again. One that is not there is not
    /// an error.
    ///
    /// # Errors
    /// `NotFound` for the trace.
    pub async fn delete_assessment(&self, trace_id: &str, assessment_id: &str) -> Result<()> {
        let (trace, id) = (trace_id.to_owned(), assessment_id.to_owned());
        self.write(move |core| {
            let mut stored = core.trace(&trace)?;
            let Ok(doomed) = find(&mut stored, &id) else { return Ok(()) };
            let overridden = doomed.overrides.clone();
            if let Some(before) = overridden
                && let Ok(before) = find(&mut stored, &before)
            {
                before.valid = Some(true);
            }
            stored.info.assessments.retain(|assessment| assessment.assessment_id != id);
            core.put_trace(core.disk.batch(), stored).map(|_| ())
        })
        .await
    }
}

fn create(core: &Core, mut assessment: Assessment) -> Result<Assessment> {
    if !BODIES.iter().any(|kind| assessment.body.contains_key(*kind)) {
        return Err(Error::invalid("An assessment must have one of `feedback`, `expectation` and `issue`."));
    }
    let mut stored = core.trace(&assessment.trace_id)?;
    let trace = assessment.trace_id.clone();
    complete(core, &mut assessment, &trace);
    if find(&mut stored, &assessment.assessment_id).is_ok() {
        return Err(Error::Exists(format!(
            "Assessment with ID '{}' already exists for trace '{trace}'",
            assessment.assessment_id
        )));
    }
    if let Some(overridden) = &assessment.overrides {
        find(&mut stored, overridden)?.valid = Some(false);
    }
    stored.info.assessments.push(assessment.clone());
    core.put_trace(core.disk.batch(), stored)?;
    Ok(assessment)
}

/// Fills in what the caller leaves to the store.
pub(super) fn complete(core: &Core, assessment: &mut Assessment, trace_id: &str) {
    let now = core.now();
    trace_id.clone_into(&mut assessment.trace_id);
    if assessment.assessment_id.is_empty() {
        assessment.assessment_id = format!("a-{}", uuid::Uuid::new_v4().simple());
    }
    for time in [&mut assessment.create_time_ms, &mut assessment.last_update_time_ms] {
        if *time == 0 {
            *time = now;
        }
    }
    assessment.overrides = assessment.overrides.take().filter(|id| !id.is_empty());
    assessment.valid.get_or_insert(true);
}

fn find<'a>(stored: &'a mut StoredTrace, id: &str) -> Result<&'a mut Assessment> {
    let trace = stored.info.trace_id.clone();
    stored
        .info
        .assessments
        .iter_mut()
        .find(|assessment| assessment.assessment_id == id)
        .ok_or_else(|| Error::NotFound(format!("Assessment with ID '{id}' not found for trace '{trace}'")))
}

/// Whether an assessment's value satisfies a clause.
pub(super) fn holds(assessment: &Assessment, clause: &Clause) -> bool {
    let value = BODIES.iter().find_map(|kind| assessment.body.get(*kind)?.get("value"));
    match (value, clause.comparator) {
        (
            Some(Value::Number(number)),
            Comparator::Less | Comparator::LessEqual | Comparator::Greater | Comparator::GreaterEqual,
        ) => number.as_f64().is_some_and(|number| clause.holds_number(number)),
        (Some(Value::String(text)), _) => clause.holds_text(text),
        (Some(other), _) => clause.holds_text(&other.to_string()),
        (None, _) => false,
    }
}
