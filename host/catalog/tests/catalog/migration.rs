use modelyard_catalog::{Error, Index, Migration, Query, Record, Step};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{Model, Store, memory, stores};

/// What `Model` became.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Network {
    name: String,
    owners: Vec<String>,
}

impl Record for Network {
    const TABLE: &'static str = "network";
    const INDEXES: &'static [Index] = &[Index::unique(&["owners"])];

    fn id(&self) -> String {
        self.name.clone()
    }
}

fn owners(model: &mut Value) -> Result<(), String> {
    let owner = model["owner"].take();
    if owner == "nobody" {
        return Err("it belongs to nobody".into());
    }
    model["owners"] = owner.as_str().map_or_else(|| json!([]), |owner| json!([owner]));
    Ok(())
}

fn migrations() -> Vec<Migration> {
    vec![
        Migration {
            version: 1,
            name: "several owners",
            steps: vec![Step::Rewrite { table: "model", with: owners }],
        },
        Migration {
            version: 2,
            name: "models are networks",
            steps: vec![Step::Rename { from: "model", to: "network" }, Step::Drop { table: "junk" }],
        },
    ]
}

async fn fill(store: &Store, owner: &str) {
    let models = store.catalog.table::<Model>();
    models.insert(&Model { owner: Some("ana".into()), ..Model::new("a/1") }).await.unwrap();
    models.insert(&Model { owner: Some(owner.into()), ..Model::new("b") }).await.unwrap();
}

#[tokio::test]
async fn migrations_are_made_once_and_in_order() {
    for store in stores().await {
        fill(&store, "bo").await;
        let mut shuffled = migrations();
        shuffled.reverse();
        assert_eq!(store.catalog.migrate(&shuffled).await.unwrap(), [1, 2]);
        assert!(store.catalog.migrate(&migrations()).await.unwrap().is_empty());
        let networks = store.catalog.table::<Network>();
        assert_eq!(
            networks.require("a/1").await.unwrap(),
            Network { name: "a/1".into(), owners: vec!["ana".into()] }
        );
        assert_eq!(networks.count(Query::new().contains("owners", "bo")).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn an_empty_store_is_migrated_too() {
    let store = memory().await;
    assert_eq!(store.catalog.migrate(&migrations()).await.unwrap(), [1, 2]);
    assert_eq!(store.catalog.table::<Network>().count(Query::new()).await.unwrap(), 0);
    assert!(memory().await.catalog.migrate(&[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_failed_migration_changes_nothing() {
    for store in stores().await {
        fill(&store, "nobody").await;
        let error = store.catalog.migrate(&migrations()).await.unwrap_err();
        assert!(matches!(error, Error::Migration { version: 1, .. }), "{error:?}");
        assert!(
            error.to_string().contains("it belongs to nobody") && error.to_string().contains("\"b\""),
            "{error}"
        );
        let models = store.catalog.table::<Model>();
        assert_eq!(models.require("a/1").await.unwrap().owner.as_deref(), Some("ana"));
        models.update("b", |model| model.owner = None).await.unwrap();
        assert_eq!(store.catalog.migrate(&migrations()).await.unwrap(), [1, 2]);
    }
}

#[tokio::test]
async fn a_store_of_a_later_program_is_refused() {
    let store = memory().await;
    store.catalog.migrate(&migrations()).await.unwrap();
    let error = store.catalog.migrate(&migrations()[..1]).await.unwrap_err();
    assert!(matches!(error, Error::Newer { found: 2, known: 1 }), "{error:?}");
    let twice = [migrations(), migrations()].concat();
    assert!(matches!(store.catalog.migrate(&twice).await, Err(Error::Migration { .. })));
}

/// The same table with another list of indexes.
#[derive(Clone, Serialize, Deserialize)]
struct Owned {
    name: String,
    owner: Option<String>,
}

impl Record for Owned {
    const TABLE: &'static str = "model";
    const INDEXES: &'static [Index] = &[Index::unique(&["owner"])];

    fn id(&self) -> String {
        self.name.clone()
    }
}

#[tokio::test]
async fn changed_indexes_are_redefined() {
    let directory = tempfile::tempdir().unwrap();
    let options = modelyard_catalog::Options::directory(directory.path());
    let catalog = modelyard_catalog::Catalog::open(&options).await.unwrap();
    let models = catalog.table::<Model>();
    models.insert(&Model { owner: Some("ana".into()), ..Model::new("a") }).await.unwrap();
    models.insert(&Model { owner: Some("ana".into()), ..Model::new("b") }).await.unwrap();
    drop((models, catalog));

    let catalog = modelyard_catalog::Catalog::open(&options).await.unwrap();
    let error = catalog.define::<Owned>().await.unwrap_err();
    assert!(error.is_exists() && error.to_string().contains("owner"), "{error:?}");
    drop(catalog);

    let catalog = modelyard_catalog::Catalog::open(&options).await.unwrap();
    catalog.table::<Model>().delete("b").await.unwrap();
    drop(catalog);
    let catalog = modelyard_catalog::Catalog::open(&options).await.unwrap();
    let owned = catalog.table::<Owned>();
    let twice = owned.insert(&Owned { name: "c".into(), owner: Some("ana".into()) }).await.unwrap_err();
    assert!(twice.is_exists(), "{twice:?}");
    drop((owned, catalog));

    let catalog = modelyard_catalog::Catalog::open(&options).await.unwrap();
    let models = catalog.table::<Model>();
    models.insert(&Model { owner: Some("ana".into()), ..Model::new("c") }).await.unwrap();
}
