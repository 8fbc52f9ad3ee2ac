use modelyard_catalog::{Error, Query};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{Model, User, memory, stores};

#[tokio::test]
async fn records_are_created_read_changed_and_deleted() {
    for store in stores().await {
        let models = store.catalog.table::<Model>();
        assert_eq!(models.get("a").await.unwrap(), None);
        assert!(!models.exists("a").await.unwrap());
        let mut model = Model::new("a");
        models.insert(&model).await.unwrap();
        assert_eq!(models.get("a").await.unwrap().as_ref(), Some(&model));
        assert!(models.exists("a").await.unwrap());

        let error = models.insert(&model).await.unwrap_err();
        assert!(
            matches!(&error, Error::Exists { table, id, index: None } if table == "model" && id == "a"),
            "{error:?}"
        );
        model.owner = Some("ana".into());
        models.put(&model).await.unwrap();
        models.put(&Model::new("b")).await.unwrap();
        assert_eq!(models.require("a").await.unwrap(), model);

        let changed = models.update("a", |model| model.versions += 2).await.unwrap();
        assert_eq!(changed.versions, 2);
        assert_eq!(models.require("a").await.unwrap(), changed);
        let error = models.update("c", |_| ()).await.unwrap_err();
        assert!(matches!(&error, Error::NotFound { table, id } if table == "model" && id == "c"), "{error}");
        assert!(error.is_not_found() && error.to_string().contains("\"c\""));
        let error = models.update("a", |model| model.name = "z".into()).await.unwrap_err();
        assert!(matches!(error, Error::BadValue { .. }), "{error}");
        let error = models
            .try_update("a", |model| {
                model.versions = 99;
                Err(Error::BadField("no".into()))
            })
            .await;
        assert!(matches!(error, Err(Error::BadField(_))));
        assert_eq!(models.require("a").await.unwrap().versions, 2);

        assert!(models.delete("a").await.unwrap());
        assert!(!models.delete("a").await.unwrap());
        assert!(matches!(models.require("a").await, Err(Error::NotFound { .. })));
        assert_eq!(models.count(Query::new()).await.unwrap(), 1);
        store.catalog.health().await.unwrap();
    }
}

#[tokio::test]
async fn any_text_is_an_id() {
    let long = "x".repeat(2000);
    let ids = [
        "flights@3",
        "a/b",
        "ünïcødé 🛫",
        "it's",
        "\"quoted\"",
        "`tick`",
        "back\\slash",
        "⟨angle⟩",
        "a:b",
        "1",
        "01",
        "1.5",
        "-7",
        "true",
        "null",
        "NONE",
        "",
        " ",
        "a b",
        "new\nline",
        "; REMOVE TABLE model",
        "$id",
        "r'x'",
        "u'0192d5b6-7a6b-7000-8000-000000000000'",
        "rand()",
        "[1,2]",
        "{a:1}",
        "model:other",
        "\u{0}nul",
        "..",
        "a..b",
        &long,
    ];
    for store in stores().await {
        let models = store.catalog.table::<Model>();
        for id in ids {
            models.insert(&Model::new(id)).await.unwrap_or_else(|error| panic!("{id:?}: {error}"));
        }
        for id in ids {
            assert_eq!(models.require(id).await.unwrap().name, id, "{id:?}");
            let found = models.all(Query::new().eq("name", id)).await.unwrap();
            assert_eq!(found.len(), 1, "{id:?}");
            models.update(id, |model| model.versions += 1).await.unwrap();
        }
        let mut names: Vec<_> = models.all(Query::new().eq("versions", 1)).await.unwrap();
        assert_eq!(names.len(), ids.len());
        names.sort_by(|a, b| a.name.cmp(&b.name));
        let listed = models.all(Query::new()).await.unwrap();
        assert_eq!(listed, names, "without an order records come by id");
        for id in ids {
            assert!(models.delete(id).await.unwrap(), "{id:?}");
        }
        assert_eq!(models.count(Query::new()).await.unwrap(), 0);
    }
}

fn odd_values() -> Value {
    json!({
        "ints": [0, -1, i64::MIN, i64::MAX, u64::MAX, 9_007_199_254_740_993_u64],
        "floats": [1.0, -0.0, 0.1, 1e300, 5e-324, f64::MAX, 0.1 + 0.2, 100.0],
        "z before a": {"z": 1, "a": 2, "m": {"y": null, "x": []}},
        "odd keys": {"": 1, "a.b": 2, "$set": 3, "id": "x", "`": 4, "\"": 5, "\\": 6, "日本": 7, "a b": 8, "doc": 9},
        "empty": [[], {}, "", null, [null], [[], [{}]]],
        "text like other types": [
            "2013-01-01T00:00:00Z", "model:a", "1h30m", "NONE", "null", "/regex/", "12dec",
            "0192d5b6-7a6b-7000-8000-000000000000", "\u{0}", "\u{7f}\u{80}\u{10ffff}"
        ],
        "mixed": [1, 1.0, "1", true, null, {"a": [1.0, 1]}],
    })
}

#[tokio::test]
async fn values_come_back_as_they_were() {
    for store in stores().await {
        let models = store.catalog.table::<Model>();
        let model = Model {
            versions: u64::MAX,
            score: Some(3.0),
            extra: odd_values(),
            tags: vec![],
            ..Model::new("odd")
        };
        models.insert(&model).await.unwrap();
        let back = models.require("odd").await.unwrap();
        assert_eq!(back, model);
        assert_eq!(back.extra.to_string(), model.extra.to_string(), "types and the order of keys too");
        assert_eq!(models.all(Query::new().eq("versions", u64::MAX)).await.unwrap().len(), 1);
        assert_eq!(models.all(Query::new().gt("versions", i64::MAX)).await.unwrap().len(), 1);
        let mut bits: u64 = 7;
        let mut floats = Vec::new();
        while floats.len() < 500 {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            floats.extend(Some(f64::from_bits(bits)).filter(|float| float.is_finite()));
        }
        models.put(&Model { extra: json!(floats), ..Model::new("floats") }).await.unwrap();
        let back: Vec<f64> = serde_json::from_value(models.require("floats").await.unwrap().extra).unwrap();
        assert!(back.iter().zip(&floats).all(|(a, b)| a.to_bits() == b.to_bits()));
        let deep = (0..60).fold(json!(1), |inner, _| json!({ "k": [inner] }));
        models.put(&Model { extra: deep.clone(), ..Model::new("deep") }).await.unwrap();
        assert_eq!(models.require("deep").await.unwrap().extra, deep);
    }
}

#[tokio::test]
async fn what_can_not_be_kept_is_refused() {
    let store = memory().await;
    let models = store.catalog.table::<Model>();
    for score in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let model = Model { score: Some(score), ..Model::new("nan") };
        let error = models.insert(&model).await.unwrap_err();
        assert!(matches!(error, Error::BadValue { .. }) && error.to_string().contains("`score`"), "{error}");
        assert!(models.put(&model).await.is_err());
        let error = models.find(Query::new().gt("score", score)).await.unwrap_err();
        assert!(error.to_string().contains("score of model"), "{error}");
    }
    let deep = (0..200).fold(json!(1), |inner, _| json!([inner]));
    let error = models.insert(&Model { extra: deep, ..Model::new("deep") }).await.unwrap_err();
    assert!(error.to_string().contains("deeper than 128"), "{error}");
    assert_eq!(models.count(Query::new()).await.unwrap(), 0);
}

#[tokio::test]
async fn a_unique_value_is_taken_once() {
    for store in stores().await {
        let users = store.catalog.table::<User>();
        users.insert(&User::new(1, Some("ana@example.com"), "red", 1)).await.unwrap();
        let error = users.insert(&User::new(2, Some("ana@example.com"), "red", 2)).await.unwrap_err();
        let Error::Exists { table, id, index: Some(index) } = &error else { panic!("{error:?}") };
        assert_eq!((table.as_str(), id.as_str(), index.as_str()), ("user", "2", "email"));
        assert!(error.to_string().contains("same email"), "{error}");
        let error = users.put(&User::new(3, Some("bo@example.com"), "red", 1)).await.unwrap_err();
        let Error::Exists { index: Some(index), .. } = &error else { panic!("{error:?}") };
        assert_eq!(index, "team.name, team.seat");

        users.insert(&User::new(4, None, "blue", 1)).await.unwrap();
        users.insert(&User::new(5, None, "blue", 2)).await.unwrap();
        let error = users.update("5", |user| user.team.seat = 1).await.unwrap_err();
        assert!(error.is_exists(), "{error}");
        users.update("1", |user| user.email = Some("new@example.com".into())).await.unwrap();
        users.update("4", |user| user.email = Some("ana@example.com".into())).await.unwrap();
        assert_eq!(users.count(Query::new()).await.unwrap(), 3);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixteen_writers_of_one_record_lose_nothing() {
    for store in stores().await {
        let models = store.catalog.table::<Model>();
        models.insert(&Model::new("counter")).await.unwrap();
        let mut tasks = JoinSet::new();
        for _ in 0..16 {
            let models = models.clone();
            tasks.spawn(async move {
                for _ in 0..25 {
                    models.update("counter", |model| model.versions += 1).await.unwrap();
                }
            });
        }
        while let Some(task) = tasks.join_next().await {
            task.unwrap();
        }
        assert_eq!(models.require("counter").await.unwrap().versions, 16 * 25);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_insert_the_same_id_one_wins() {
    for store in stores().await {
        let models = store.catalog.table::<Model>();
        let mut tasks = JoinSet::new();
        for _ in 0..16 {
            let models = models.clone();
            tasks.spawn(async move { models.insert(&Model::new("lease")).await });
        }
        let mut won = 0;
        while let Some(task) = tasks.join_next().await {
            match task.unwrap() {
                Ok(()) => won += 1,
                Err(error) => assert!(error.is_exists(), "{error}"),
            }
        }
        assert_eq!(won, 1);
    }
}
