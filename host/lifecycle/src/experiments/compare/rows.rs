//! The predictions of two runs for the same rows, or why there are none.

use std::collections::BTreeSet;

use modelyard_runtime::types::Signature;
use modelyard_tables::{Column, Scan, Scanner, Value};

use super::{
    super::{Experiments, Run, Status, Task},
    paired::Said,
};
use crate::{Error, Result, evaluation::Evaluation};

/// What two runs say of the same rows.
pub(super) struct Judged {
    /// What both learn.
    pub(super) task: Task,
    /// What the first says.
    pub(super) left: Said,
    /// What the second says.
    pub(super) right: Said,
}

impl Judged {
    /// How many rows.
    pub(super) fn rows(&self) -> usize {
        self.left.rows()
    }
}

/// A run with its predictions.
struct Predicted<'a> {
    run: &'a Run,
    evaluation: &'a Evaluation,
    signature: &'a Signature,
}

impl Experiments<'_> {
    /// What two runs say of the rows that both were evaluated on, or the reason
    /// why that can't be compared.
    pub(super) async fn judged(
        &self,
        left: &(Run, Option<Evaluation>),
        right: &(Run, Option<Evaluation>),
    ) -> Result<Result<Judged, String>> {
        let (left, right) = match (predicted(left), predicted(right)) {
            (Ok(left), Ok(right)) => (left, right),
            (Err(reason), _) | (_, Err(reason)) => return Ok(Err(reason)),
        };
        let (a, b) = (left.evaluation, right.evaluation);
        let (ours, theirs) = (&left.run.spec, &right.run.spec);
        if (ours.task, &ours.target) != (theirs.task, &theirs.target) {
            let what = |spec: &super::super::ExperimentSpec| format!("{:?} of {}", spec.task, spec.target);
            return Ok(Err(format!("they learn other things: {} and {}", what(ours), what(theirs))));
        }
        if a.rows != b.rows {
            return Ok(Err(format!("they were evaluated on other rows: {} and {}", a.rows, b.rows)));
        }
        let (one, other) = (self.scan(&left, None).await?, self.scan(&right, None).await?);
        let given = shared(&left, &right, &one, &other);
        if !given.contains(&ours.target) {
            return Ok(Err(format!(
                "their predictions don't hold the truth, {:?}, in one form",
                ours.target
            )));
        }
        let one = self.scan(&left, Some(given.clone())).await?;
        let other = self.scan(&right, Some(given)).await?;
        if let Some(reason) = tokio::task::spawn_blocking(move || parted(one, other)).await?? {
            return Ok(Err(reason));
        }
        let (one, other) = (self.said(&left).await?, self.said(&right).await?);
        let judged = |left, right| Judged { task: ours.task, left, right };
        Ok(match (one, other) {
            (Ok(one), Ok(other)) if one.like(&other) => Ok(judged(one, other)),
            (Ok(_), Ok(_)) => Err("their models know other classes".into()),
            (Err(reason), _) | (_, Err(reason)) => Err(reason),
        })
    }

    async fn scan(&self, of: &Predicted<'_>, columns: Option<Vec<String>>) -> Result<Scanner> {
        let scan = Scan { columns, ..Scan::default() };
        Ok(self.0.tables.scan(&[of.evaluation.predictions], scan).await?)
    }

    /// Reads what a run's model says, beside the truth.
    async fn said(&self, of: &Predicted<'_>) -> Result<Result<Said, String>> {
        let labels = of.signature.outputs.iter().find(|output| output.name == "probability");
        let classes = labels.map(|output| output.labels.clone()).unwrap_or_default();
        let outputs = match of.run.spec.task {
            Task::Regression => vec!["prediction".to_owned()],
            Task::BinaryClassification => vec!["probability".to_owned()],
            Task::MulticlassClassification => {
                classes.iter().map(|class| format!("probability_{class}")).collect()
            }
        };
        let (task, id, target) = (of.run.spec.task, of.run.id.clone(), of.run.spec.target.clone());
        let wanted = [vec![target], outputs].concat();
        let known = self.scan(of, None).await?;
        let missing = wanted.iter().find(|name| known.schema().field(name).is_none());
        if let Some(missing) = missing.or(wanted.last().filter(|_| wanted.len() < 2)) {
            return Ok(Err(format!(
                "the run {id} has no predictions of a form that can be tested: no {missing:?}"
            )));
        }
        let scanner = self.scan(of, Some(wanted.clone())).await?;
        let read = move || {
            let columns = read(scanner, &wanted)?;
            Ok::<_, Error>(said(task, &classes, &columns).map_err(|why| format!("the run {id}: {why}")))
        };
        tokio::task::spawn_blocking(read).await?
    }
}

/// A run's predictions, or why there are none.
fn predicted((run, evaluation): &(Run, Option<Evaluation>)) -> Result<Predicted<'_>, String> {
    match (evaluation, &run.signature) {
        (Some(evaluation), Some(signature)) => Ok(Predicted { run, evaluation, signature }),
        _ if run.status == Status::Finished => {
            Err(format!("the run {} has no predictions: it was not evaluated", run.id))
        }
        _ => {
            let status = format!("{:?}", run.status).to_lowercase();
            Err(format!("the run {} has no predictions: it is {status}", run.id))
        }
    }
}

/// The columns that both files hold as they were given, in the same form.
fn shared(left: &Predicted<'_>, right: &Predicted<'_>, one: &Scanner, other: &Scanner) -> Vec<String> {
    let said: BTreeSet<String> = [left, right]
        .iter()
        .flat_map(|of| &of.signature.outputs)
        .flat_map(|output| {
            let labelled = output.labels.iter().map(|label| format!("{}_{label}", output.name));
            labelled.chain([output.name.clone()])
        })
        .collect();
    // An output whose name was taken has another.
    let output =
        |name: &String| said.contains(name) && one.schema().field(&format!("output_{name}")).is_none();
    let there = |name: &str, kind| other.schema().field(name).is_some_and(|field| field.r#type == kind);
    let given = one.schema().fields.iter().filter(|field| {
        !output(&field.name) && !field.name.starts_with("output_") && there(&field.name, field.r#type)
    });
    given.map(|field| field.name.clone()).collect()
}

/// Where two files part that should hold the same rows.
fn parted(mut one: Scanner, mut other: Scanner) -> Result<Option<String>> {
    let mut before = 0;
    loop {
        let (a, b) = (one.next_rows(16_384)?, other.next_rows(16_384)?);
        let (Some(a), Some(b)) = (a, b) else { return Ok(None) };
        let rows = a.num_rows();
        for (a, b) in modelyard_tables::from_batch(a)?.iter().zip(&modelyard_tables::from_batch(b)?) {
            let differs = |row: &usize| {
                let (a, b) = (a.value(*row), b.value(*row));
                let nan = |value: &Value| matches!(value, Value::F64(value) if value.is_nan());
                a != b && !(nan(&a) && nan(&b))
            };
            if let Some(row) = (0..rows).find(differs) {
                return Ok(Some(format!(
                    "they were evaluated on other rows: row {} has {} = {} and {}",
                    before + row,
                    a.name,
                    a.value(row),
                    b.value(row)
                )));
            }
        }
        before += rows;
    }
}

/// The columns of these names, in this order.
fn read(mut scanner: Scanner, names: &[String]) -> Result<Vec<Vec<Value>>> {
    let mut columns = vec![Vec::new(); names.len()];
    while let Some(batch) = scanner.next_rows(65_536)? {
        let table: Vec<Column> = modelyard_tables::from_batch(batch)?;
        for (name, values) in names.iter().zip(&mut columns) {
            if let Some(column) = table.iter().find(|column| column.name == *name) {
                values.extend((0..column.len()).map(|row| column.value(row)));
            }
        }
    }
    Ok(columns)
}

/// Truth and outputs as numbers.
fn said(task: Task, classes: &[String], columns: &[Vec<Value>]) -> Result<Said, String> {
    let Some((truth, outputs)) = columns.split_first() else { return Err("no columns".into()) };
    if truth.is_empty() {
        return Err("there are no rows".into());
    }
    let numbers = |values: &[Value]| -> Result<Vec<f64>, String> {
        let finite = |value: &Value| value.as_f64().filter(|number| number.is_finite());
        let numbers: Option<Vec<f64>> = values.iter().map(finite).collect();
        numbers.ok_or_else(|| "the predictions or the truth hold a null, a NaN or a text".to_owned())
    };
    let class = |value: &Value| {
        let text = value.to_string();
        let place = classes.iter().position(|class| *class == text);
        place.ok_or_else(|| format!("the truth {text:?} is none of the classes {classes:?}"))
    };
    let outputs = outputs.iter().map(|values| numbers(values)).collect::<Result<Vec<_>, _>>()?;
    let first = outputs.first().cloned().unwrap_or_default();
    Ok(match task {
        Task::Regression => Said::Regression { truth: numbers(truth)?, predicted: first },
        Task::BinaryClassification => {
            let truth = truth.iter().map(|value| positive(value, classes.last())).collect();
            Said::Binary { truth, probability: first }
        }
        Task::MulticlassClassification => {
            let row = |row: usize| outputs.iter().filter_map(move |values| values.get(row).copied());
            let probability = (0..truth.len()).flat_map(row).collect();
            let truth = truth.iter().map(class).collect::<Result<_, _>>()?;
            Said::Multiclass { truth, classes: classes.len(), probability }
        }
    })
}

/// Whether a value is the positive class, by its label; booleans and ones are
/// positive by themselves.
fn positive(value: &Value, label: Option<&String>) -> bool {
    match label.map(String::as_str) {
        None | Some("true" | "1") if !matches!(value, Value::Utf8(_)) => value.as_f64() == Some(1.0),
        label => label.is_some_and(|label| value.to_string() == label),
    }
}

impl Said {
    /// Whether the truth is the same, in the same classes.
    fn like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Binary { truth, .. }, Self::Binary { truth: other, .. }) => truth == other,
            (
                Self::Multiclass { truth, classes, .. },
                Self::Multiclass { truth: other, classes: others, .. },
            ) => truth == other && classes == others,
            (Self::Regression { truth, .. }, Self::Regression { truth: other, .. }) => truth == other,
            _ => false,
        }
    }
}
