use modelyard_catalog::{Direction, Edge, Error, Query, Ref};
use serde_json::json;
use tokio::task::JoinSet;

use crate::{Model, User, memory, stores};

fn edge(from: &str, to: &str) -> Edge {
    Edge {
        kind: "trained-on".into(),
        from: Ref::to::<Model>(from),
        to: Ref::to::<User>(to),
        at: "2013-04-01".parse().unwrap(),
        data: json!(null),
    }
}

#[tokio::test]
async fn changes_are_made_together() {
    for store in stores().await {
        let models = store.catalog.table::<Model>();
        models.insert(&Model::new("old")).await.unwrap();
        let mut transaction = store.catalog.transaction();
        transaction
            .insert(&Model::new("a"))
            .put(&User::new(1, Some("x@example.com"), "red", 1))
            .delete::<Model>("old")
            .delete::<Model>("never there")
            .relate(edge("a", "1"));
        transaction.commit().await.unwrap();
        assert!(models.exists("a").await.unwrap() && !models.exists("old").await.unwrap());
        assert!(store.catalog.table::<User>().exists("1").await.unwrap());
        assert_eq!(store.catalog.edges(&Ref::to::<Model>("a"), Direction::Outgoing).await.unwrap().len(), 1);
        store.catalog.transaction().commit().await.unwrap();
    }
}

#[tokio::test]
async fn a_failed_change_undoes_all() {
    for store in stores().await {
        let (models, users) = (store.catalog.table::<Model>(), store.catalog.table::<User>());
        models.insert(&Model::new("taken")).await.unwrap();
        users.insert(&User::new(1, Some("taken@example.com"), "red", 1)).await.unwrap();

        let mut transaction = store.catalog.transaction();
        transaction.insert(&Model::new("a")).relate(edge("a", "1")).insert(&Model::new("taken"));
        let error = transaction.commit().await.unwrap_err();
        assert!(
            matches!(&error, Error::Exists { table, id, index: None } if table == "model" && id == "taken"),
            "{error:?}"
        );

        let mut transaction = store.catalog.transaction();
        transaction.insert(&Model::new("a")).insert(&User::new(2, Some("taken@example.com"), "red", 2));
        let error = transaction.commit().await.unwrap_err();
        let Error::Exists { id, index: Some(index), .. } = &error else { panic!("{error:?}") };
        assert_eq!((id.as_str(), index.as_str()), ("2", "email"));

        let mut transaction = store.catalog.transaction();
        transaction.insert(&Model::new("a")).insert(&Model { score: Some(f64::NAN), ..Model::new("b") });
        assert!(matches!(transaction.commit().await, Err(Error::BadValue { .. })));

        assert_eq!(models.count(Query::new()).await.unwrap(), 1);
        assert_eq!(users.count(Query::new()).await.unwrap(), 1);
        assert!(store.catalog.edges(&Ref::to::<User>("1"), Direction::Incoming).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn requirements_are_checked_at_commit() {
    for store in stores().await {
        let models = store.catalog.table::<Model>();
        let champion = Model {
            owner: Some("ana".into()),
            score: Some(1.0),
            extra: json!({"a": [1]}),
            ..Model::new("champion")
        };
        models.insert(&champion).await.unwrap();

        let mut good = store.catalog.transaction();
        good.require::<Model>("champion", "owner", "ana")
            .require::<Model>("champion", "score", 1)
            .require::<Model>("champion", "extra.a", json!([1]))
            .require::<Model>("champion", "extra.b", None::<String>)
            .require_absent::<Model>("x")
            .insert(&Model::new("x"));
        good.commit().await.unwrap();

        let mut wrong = store.catalog.transaction();
        wrong.insert(&Model::new("y")).require::<Model>("champion", "owner", "bo");
        let error = wrong.commit().await.unwrap_err();
        let Error::Precondition { table, id, field, expected } = &error else { panic!("{error:?}") };
        assert_eq!((table.as_str(), id.as_str(), field.as_str()), ("model", "champion", "owner"));
        assert_eq!(**expected, json!("bo"));
        assert!(error.to_string().contains("owner = \"bo\""), "{error}");

        for (id, field) in [("nobody", "owner"), ("champion", "score")] {
            let mut wrong = store.catalog.transaction();
            wrong.require::<Model>(id, field, None::<String>).insert(&Model::new("y"));
            assert!(matches!(wrong.commit().await, Err(Error::Precondition { .. })), "{id}.{field}");
        }
        let mut wrong = store.catalog.transaction();
        wrong.require_absent::<Model>("champion").insert(&Model::new("y"));
        assert!(matches!(wrong.commit().await, Err(Error::Precondition { .. })));
        assert!(!models.exists("y").await.unwrap());

        let (read, revision) = models.get_revision("champion").await.unwrap().unwrap();
        assert_eq!(read, champion);
        let mut unchanged = store.catalog.transaction();
        unchanged.require_unchanged::<Model>("champion", revision).put(&Model::new("champion"));
        unchanged.commit().await.unwrap();
        let mut stale = store.catalog.transaction();
        stale.require_unchanged::<Model>("champion", revision).put(&champion);
        assert!(matches!(stale.commit().await, Err(Error::Precondition { .. })));
        assert_eq!(models.require("champion").await.unwrap().owner, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn colliding_transactions_are_run_again() {
    for store in stores().await {
        let models = store.catalog.table::<Model>();
        models.insert(&Model::new("head")).await.unwrap();
        let mut tasks = JoinSet::new();
        for task in 0..8 {
            let catalog = store.catalog.clone();
            tasks.spawn(async move {
                let models = catalog.table::<Model>();
                for step in 0..10 {
                    loop {
                        let (mut head, revision) = models.get_revision("head").await.unwrap().unwrap();
                        head.versions += 1;
                        let mut transaction = catalog.transaction();
                        transaction
                            .require_unchanged::<Model>("head", revision)
                            .put(&head)
                            .insert(&Model::new(&format!("{task}-{step}")));
                        match transaction.commit().await {
                            Ok(()) => break,
                            Err(Error::Precondition { .. }) => {}
                            Err(error) => panic!("{error}"),
                        }
                    }
                }
            });
        }
        while let Some(task) = tasks.join_next().await {
            task.unwrap();
        }
        assert_eq!(models.require("head").await.unwrap().versions, 80);
        assert_eq!(models.count(Query::new()).await.unwrap(), 81);
    }
}

#[tokio::test]
async fn large_numbers_of_changes_fit_one_transaction() {
    let store = memory().await;
    let mut transaction = store.catalog.transaction();
    for i in 0..2000 {
        transaction.insert(&Model::new(&format!("m{i}")));
    }
    transaction.commit().await.unwrap();
    assert_eq!(store.catalog.table::<Model>().count(Query::new()).await.unwrap(), 2000);
}
