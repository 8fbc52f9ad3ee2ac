//! What the catalogue promises, in memory and in a directory. One binary, for the sake of linking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod durability;
mod export;
mod graph;
mod migration;
mod queries;
mod records;
mod retention;
mod transactions;

use modelyard_catalog::{Catalog, Index, Options, Record};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A store for a test; its directory is removed with it.
pub(crate) struct Store {
    pub(crate) catalog: Catalog,
    pub(crate) directory: Option<tempfile::TempDir>,
}

/// One store of each kind.
pub(crate) async fn stores() -> Vec<Store> {
    vec![memory().await, directory().await]
}

pub(crate) async fn memory() -> Store {
    Store { catalog: Catalog::open(&Options::memory()).await.unwrap(), directory: None }
}

pub(crate) async fn directory() -> Store {
    let directory = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(&Options::directory(directory.path())).await.unwrap();
    Store { catalog, directory: Some(directory) }
}

/// A record with a bit of everything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Model {
    pub(crate) name: String,
    pub(crate) owner: Option<String>,
    pub(crate) versions: u64,
    pub(crate) score: Option<f64>,
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    #[serde(default)]
    pub(crate) extra: Value,
}

impl Model {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.into(), owner: None, versions: 0, score: None, tags: vec![], extra: Value::Null }
    }
}

impl Record for Model {
    const TABLE: &'static str = "model";
    const INDEXES: &'static [Index] = &[Index::on(&["owner"]), Index::on(&["score"])];

    fn id(&self) -> String {
        self.name.clone()
    }
}

/// A record with unique values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) id: u32,
    pub(crate) email: Option<String>,
    pub(crate) team: Team,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Team {
    pub(crate) name: String,
    pub(crate) seat: u32,
}

impl User {
    pub(crate) fn new(id: u32, email: Option<&str>, team: &str, seat: u32) -> Self {
        Self { id, email: email.map(str::to_owned), team: Team { name: team.into(), seat } }
    }
}

impl Record for User {
    const TABLE: &'static str = "user";
    const INDEXES: &'static [Index] =
        &[Index::unique(&["email"]), Index::unique(&["team.name", "team.seat"])];

    fn id(&self) -> String {
        self.id.to_string()
    }
}
