use std::{collections::HashSet, future::Future, pin::Pin};

use serde::Serialize;
use serde_json::Value;
use surrealdb::types::Value as Db;

use crate::{
    Catalog, Edge, Error, Record, Result, Revision,
    catalog::path,
    encode, graph,
    row::Row,
    store::{Binds, Failure, record_id},
};

/// Changes that are made together or not at all.
///
/// The methods only collect; what can't be kept is reported by [`Transaction::commit`],
/// which checks the requirements and makes the changes in the order they were given.
#[must_use = "a transaction changes nothing until it is committed"]
pub struct Transaction {
    catalog: Catalog,
    binds: Binds,
    steps: Vec<Step>,
    tables: HashSet<&'static str>,
    defines: Vec<Define>,
    refused: Option<Error>,
}

type Define = fn(Catalog) -> Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// One statement, and what its failure is about.
struct Step {
    text: String,
    table: String,
    id: String,
    /// The field and value of a requirement.
    expected: Option<(String, Value)>,
}

fn define<R: Record>(catalog: Catalog) -> Pin<Box<dyn Future<Output = Result<()>> + Send>> {
    Box::pin(async move { catalog.ensure::<R>().await })
}

impl Transaction {
    pub(crate) fn new(catalog: Catalog) -> Self {
        Self {
            catalog,
            binds: Binds::default(),
            steps: Vec::new(),
            tables: HashSet::new(),
            defines: Vec::new(),
            refused: None,
        }
    }

    /// Adds a record; [`Error::Exists`] if its id or a unique value is taken.
    pub fn insert<R: Record>(&mut self, record: &R) -> &mut Self {
        self.write("CREATE", record)
    }

    /// Adds a record or replaces the one with its id.
    pub fn put<R: Record>(&mut self, record: &R) -> &mut Self {
        self.write("UPSERT", record)
    }

    /// Removes a record and its edges, if it is there.
    pub fn delete<R: Record>(&mut self, id: &str) -> &mut Self {
        let name = self.bind_id::<R>(id);
        self.step::<R>(format!("DELETE {name} RETURN NONE"), id, None)
    }

    /// Changes nothing unless the record exists and its `field` equals `value`
    /// (`None`: is absent or null); else [`Error::Precondition`].
    pub fn require<R: Record>(&mut self, id: &str, field: &str, value: impl Serialize) -> &mut Self {
        match (encode::to_json(&value), path(field)) {
            (Ok(value), Ok(path)) => {
                let wanted = if value.is_null() { Db::None } else { encode::to_db(&value) };
                self.expect::<R>(id, &path, wanted, field, value)
            }
            (Err(reason), _) => {
                let what = format!("the requirement on {field} of {} {id:?}", R::TABLE);
                self.refuse(Error::BadValue { what, reason })
            }
            (_, Err(error)) => self.refuse(error),
        }
    }

    /// Changes nothing if the record was written since it was read with
    /// [`crate::Table::get_revision`]; else [`Error::Precondition`] on the field `revision`.
    pub fn require_unchanged<R: Record>(&mut self, id: &str, read: Revision) -> &mut Self {
        self.expect::<R>(id, "rev", Db::Number(read.0.into()), "revision", read.0.into())
    }

    /// Changes nothing if there is a record with this id; else [`Error::Precondition`] on the field `exists`.
    pub fn require_absent<R: Record>(&mut self, id: &str) -> &mut Self {
        let name = self.bind_id::<R>(id);
        let step = self.steps.len();
        let text =
            format!("IF array::len((SELECT VALUE rev FROM {name})) != 0 {{ THROW 'requirement {step}' }}");
        self.step::<R>(text, id, Some(("exists".to_owned(), Value::Bool(false))))
    }

    /// Adds an edge, or replaces time and data of the one with the same kind, from and to.
    pub fn relate(&mut self, edge: Edge) -> &mut Self {
        let step = self.steps.len();
        match graph::bind(&edge, step, &mut self.binds) {
            Ok(text) => {
                let (table, id) = (format!("edge {}", edge.kind), edge.from.id);
                self.steps.push(Step { text, table, id, expected: None });
                self
            }
            Err(error) => self.refuse(error),
        }
    }

    /// Checks the requirements and makes all changes, or none.
    ///
    /// # Errors
    /// [`Error::Precondition`], [`Error::Exists`], [`Error::BadValue`], [`Error::Conflict`],
    /// [`Error::Full`], [`Error::OutcomeUnknown`]; only after the last two it is not known
    /// whether the changes will turn up, but never some of them without the others.
    pub async fn commit(self) -> Result<()> {
        if let Some(refused) = self.refused {
            return Err(refused);
        }
        if self.steps.is_empty() {
            return Ok(());
        }
        for define in &self.defines {
            define(self.catalog.clone()).await?;
        }
        let mut text = String::from("BEGIN;\n");
        for step in &self.steps {
            text.push_str(&step.text);
            text.push_str(";\n");
        }
        text.push_str("COMMIT;");
        match self.catalog.0.try_run(&text, &self.binds).await? {
            Ok(_) => Ok(()),
            Err(failure) => Err(explain(&self.catalog, &self.steps, &failure)),
        }
    }

    fn write<R: Record>(&mut self, verb: &str, record: &R) -> &mut Self {
        match Row::of(record) {
            Ok(row) => {
                let name = self.bind_id::<R>(&row.id);
                let content = format!("row{}", self.steps.len());
                self.binds.set(&content, row.content());
                self.step::<R>(format!("{verb} {name} CONTENT ${content} RETURN NONE"), &row.id, None)
            }
            Err(error) => self.refuse(error),
        }
    }

    fn expect<R: Record>(
        &mut self,
        id: &str,
        path: &str,
        wanted: Db,
        field: &str,
        value: Value,
    ) -> &mut Self {
        let name = self.bind_id::<R>(id);
        let step = self.steps.len();
        self.binds.set(format!("want{step}"), wanted);
        // An absent record gives an empty list, which equals no list of one value.
        let text = format!(
            "IF (SELECT VALUE [{path}] FROM {name}) != [[$want{step}]] {{ THROW 'requirement {step}' }}"
        );
        self.step::<R>(text, id, Some((field.to_owned(), value)))
    }

    fn bind_id<R: Record>(&mut self, id: &str) -> String {
        let name = format!("id{}", self.steps.len());
        self.binds.set(&name, record_id(R::TABLE, id));
        format!("${name}")
    }

    fn step<R: Record>(&mut self, text: String, id: &str, expected: Option<(String, Value)>) -> &mut Self {
        if self.tables.insert(R::TABLE) {
            self.defines.push(define::<R>);
        }
        self.steps.push(Step { text, table: R::TABLE.to_owned(), id: id.to_owned(), expected });
        self
    }

    fn refuse(&mut self, error: Error) -> &mut Self {
        self.refused.get_or_insert(error);
        self
    }
}

/// Which step a failure belongs to, and what that means.
fn explain(catalog: &Catalog, steps: &[Step], failure: &Failure) -> Error {
    let thrown =
        failure.error.message().rsplit("requirement ").next().and_then(|step| step.parse::<usize>().ok());
    if let Some(step) = thrown.and_then(|step| steps.get(step))
        && let Some((field, expected)) = &step.expected
    {
        return Error::Precondition {
            table: step.table.clone(),
            id: step.id.clone(),
            field: field.clone(),
            expected: Box::new(expected.clone()),
        };
    }
    // Statement 0 is BEGIN.
    match failure.statement.checked_sub(1).and_then(|step| steps.get(step)) {
        Some(step) => catalog.0.name_for(&failure.error, &step.table, &step.id),
        None => catalog.0.name(&failure.error),
    }
}
