use std::collections::BTreeMap;

use modelyard_clock::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use surrealdb::types::Value as Db;

use crate::{
    Catalog, Error, Index, Query, Record, Result, Table,
    row::content,
    store::{Binds, quoted, record_id, rows},
    table::read_row,
};

/// One change of what is stored, made once and for all in one transaction.
#[derive(Clone, Debug)]
pub struct Migration {
    /// Its place in the order; 1 is the first. Never changed after a release.
    pub version: u32,
    /// What it does, in a few words.
    pub name: &'static str,
    /// What it changes, in order.
    pub steps: Vec<Step>,
}

/// One step of a migration.
#[derive(Clone, Debug)]
pub enum Step {
    /// Passes every record of a table (as JSON) through a function, which may change it or
    /// explain why it can't. The id stays.
    Rewrite { table: &'static str, with: fn(&mut Value) -> std::result::Result<(), String> },
    /// Moves all records to another table, which keeps their ids. Edges stay with the old name.
    Rename { from: &'static str, to: &'static str },
    /// Removes a table with its records and indexes.
    Drop { table: &'static str },
}

/// A migration that was made.
#[derive(Clone, Serialize, Deserialize)]
struct Applied {
    version: u32,
    name: String,
    at: Timestamp,
}

impl Record for Applied {
    const TABLE: &'static str = "migration__";
    const INDEXES: &'static [Index] = &[];

    fn id(&self) -> String {
        format!("{:010}", self.version)
    }
}

impl Catalog {
    /// Makes the migrations that this store has not seen, in order of their versions; returns
    /// the versions made. To be called before tables are used.
    ///
    /// # Errors
    /// [`Error::Newer`] if the store has seen versions that are not in the list,
    /// [`Error::Migration`] if one fails; those before it stay made.
    pub async fn migrate(&self, migrations: &[Migration]) -> Result<Vec<u32>> {
        let wanted: BTreeMap<u32, &Migration> = migrations.iter().map(|m| (m.version, m)).collect();
        if let Some(twice) =
            migrations.iter().find(|m| wanted.get(&m.version).is_some_and(|kept| !std::ptr::eq(*kept, *m)))
        {
            return Err(fail(twice, "another migration has the same version".to_owned()));
        }
        let applied: Table<Applied> = self.table();
        let seen =
            applied.all(Query::new()).await?.into_iter().map(|applied| applied.version).max().unwrap_or(0);
        let known = wanted.keys().next_back().copied().unwrap_or(0);
        if seen > known {
            return Err(Error::Newer { found: seen, known });
        }
        let mut made = Vec::new();
        for migration in wanted.range(seen + 1..).map(|(_, migration)| *migration) {
            self.apply(migration).await?;
            made.push(migration.version);
        }
        Ok(made)
    }

    async fn apply(&self, migration: &Migration) -> Result<()> {
        let mut text = String::from("BEGIN;");
        let mut binds = Binds::default();
        let mut tables = BTreeMap::new();
        for step in &migration.steps {
            self.prepare(step, &mut tables).await.map_err(|error| fail(migration, error.to_string()))?;
            change(step, &mut tables).map_err(|reason| fail(migration, reason))?;
            if let Step::Drop { table } | Step::Rename { from: table, .. } = step {
                text.push_str(&format!("REMOVE TABLE IF EXISTS {};", quoted(table)?));
            }
        }
        let mut row = 0;
        for (table, records) in tables {
            let Some(records) = records else { continue };
            text.push_str(&format!("DEFINE TABLE IF NOT EXISTS {} TYPE NORMAL SCHEMALESS;", quoted(table)?));
            for (id, json) in records {
                binds.set(format!("id{row}"), record_id(table, &id));
                binds.set(format!("row{row}"), content(&json));
                text.push_str(&format!("UPSERT $id{row} CONTENT $row{row} RETURN NONE;"));
                row += 1;
            }
        }
        let applied = Applied {
            version: migration.version,
            name: migration.name.to_owned(),
            at: chrono::Utc::now().into(),
        };
        let json = serde_json::to_value(&applied).map_err(|error| fail(migration, error.to_string()))?;
        binds.set("applied", record_id(Applied::TABLE, &applied.id()));
        binds.set("migration", content(&json));
        text.push_str("CREATE $applied CONTENT $migration RETURN NONE; COMMIT;");
        match self.0.try_run(&text, &binds).await? {
            Ok(_) => Ok(()),
            Err(failure) => Err(fail(migration, self.0.name(&failure.error).to_string())),
        }
    }

    /// Reads the tables that a step looks at.
    async fn prepare(&self, step: &Step, tables: &mut Tables) -> Result<()> {
        if let Step::Rewrite { table, .. } | Step::Rename { from: table, .. } = step
            && !tables.contains_key(table)
        {
            tables.insert(table, Some(self.read_all(table).await?));
        }
        Ok(())
    }

    /// All records of a table, by id; none if there is no such table.
    async fn read_all(&self, table: &'static str) -> Result<BTreeMap<String, Value>> {
        let name = quoted(table)?;
        let text =
            format!("DEFINE TABLE IF NOT EXISTS {name} TYPE NORMAL SCHEMALESS; SELECT id, doc FROM {name}");
        let mut results = self.0.run(&text, &Binds::default()).await?;
        let value: Db = results.take(1).map_err(|error| self.0.name(&error))?;
        rows(value).into_iter().map(|row| read_row(table, row)).collect()
    }
}

/// The new content of tables; `None`: removed.
type Tables = BTreeMap<&'static str, Option<BTreeMap<String, Value>>>;

fn change(step: &Step, tables: &mut Tables) -> std::result::Result<(), String> {
    match step {
        Step::Rewrite { table, with } => {
            for (id, json) in tables.get_mut(table).into_iter().flatten().flatten() {
                with(json).map_err(|reason| format!("{table} {id:?}: {reason}"))?;
            }
        }
        Step::Rename { from, to } => {
            let records = tables.insert(from, None).flatten().unwrap_or_default();
            tables.entry(to).or_default().get_or_insert_default().extend(records);
        }
        Step::Drop { table } => {
            tables.insert(table, None);
        }
    }
    Ok(())
}

fn fail(migration: &Migration, reason: String) -> Error {
    Error::Migration { version: migration.version, name: migration.name.to_owned(), reason }
}
