use std::collections::HashSet;

use modelyard_catalog::{Error, Order, Query, Table};
use serde_json::json;

use crate::{Model, memory, stores};

async fn fill(models: &Table<Model>, n: u64) {
    for i in 0..n {
        let mut model = Model::new(&format!("m{i:03}"));
        model.versions = i % 7;
        model.owner = (i % 3 != 0).then(|| format!("owner{}", i % 5));
        model.score = (i % 4 != 0).then_some(i as f64 / 8.0 - 3.0);
        model.tags = (0..i % 3).map(|tag| format!("t{tag}")).collect();
        model.extra = json!({"metrics": {"auc": i as f64 / 100.0, "rank": i}, "odd key": i % 2 == 0});
        models.insert(&model).await.unwrap();
    }
}

fn names(models: &[Model]) -> Vec<&str> {
    models.iter().map(|model| model.name.as_str()).collect()
}

#[tokio::test]
async fn conditions_choose_records() {
    for store in stores().await {
        let models = store.catalog.table::<Model>();
        fill(&models, 40).await;
        let everything = models.all(Query::new()).await.unwrap();
        type Holds = Box<dyn Fn(&Model) -> bool>;
        let cases: Vec<(&str, Query, Holds)> = vec![
            (
                "eq text",
                Query::new().eq("owner", "owner1"),
                Box::new(|m| m.owner.as_deref() == Some("owner1")),
            ),
            ("eq none", Query::new().eq("owner", None::<String>), Box::new(|m| m.owner.is_none())),
            ("ne", Query::new().ne("owner", "owner1"), Box::new(|m| m.owner.as_deref() != Some("owner1"))),
            ("ne none", Query::new().ne("owner", None::<String>), Box::new(|m| m.owner.is_some())),
            ("lt", Query::new().lt("score", 0), Box::new(|m| m.score.is_some_and(|score| score < 0.0))),
            (
                "le",
                Query::new().le("score", -0.875),
                Box::new(|m| m.score.is_some_and(|score| score <= -0.875)),
            ),
            ("gt", Query::new().gt("score", 1.5), Box::new(|m| m.score.is_some_and(|score| score > 1.5))),
            ("ge", Query::new().ge("versions", 3), Box::new(|m| m.versions >= 3)),
            ("text order", Query::new().lt("name", "m011"), Box::new(|m| m.name.as_str() < "m011")),
            (
                "any of",
                Query::new().any_of("versions", [1, 4, 9]),
                Box::new(|m| [1, 4].contains(&m.versions)),
            ),
            (
                "any of or none",
                Query::new().any_of("owner", [None, Some("owner2")]),
                Box::new(|m| m.owner.is_none() || m.owner.as_deref() == Some("owner2")),
            ),
            ("any of nothing", Query::new().any_of("owner", Vec::<String>::new()), Box::new(|_| false)),
            (
                "contains",
                Query::new().contains("tags", "t1"),
                Box::new(|m| m.tags.contains(&"t1".to_owned())),
            ),
            ("contains text", Query::new().contains("name", "00"), Box::new(|m| m.name.contains("00"))),
            (
                "nested",
                Query::new().ge("extra.metrics.auc", 0.25),
                Box::new(|m| m.extra["metrics"]["auc"].as_f64() >= Some(0.25)),
            ),
            ("odd key", Query::new().eq("extra.odd key", true), Box::new(|m| m.extra["odd key"] == true)),
            (
                "int as float",
                Query::new().eq("extra.metrics.rank", 7.0),
                Box::new(|m| m.extra["metrics"]["rank"] == 7),
            ),
            (
                "object",
                Query::new().eq("extra.metrics", json!({"rank": 5, "auc": 0.05})),
                Box::new(|m| m.name == "m005"),
            ),
            (
                "two",
                Query::new().eq("owner", "owner1").ge("versions", 2).lt("versions", 5),
                Box::new(|m| m.owner.as_deref() == Some("owner1") && (2..5).contains(&m.versions)),
            ),
            ("no such field", Query::new().eq("nothing.there", 1), Box::new(|_| false)),
            ("no injection", Query::new().eq("owner", "x' OR true OR 'x"), Box::new(|_| false)),
        ];
        for (what, query, holds) in cases {
            let expected: Vec<&str> =
                everything.iter().filter(|m| holds(m)).map(|m| m.name.as_str()).collect();
            let found = models.all(query.clone()).await.unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(names(&found), expected, "{what}");
            assert_eq!(models.count(query).await.unwrap(), expected.len() as u64, "{what}");
        }
    }
}

#[tokio::test]
async fn pages_follow_one_another_in_order() {
    for store in stores().await {
        let models = store.catalog.table::<Model>();
        fill(&models, 50).await;
        let orders: Vec<Query> = vec![
            Query::new(),
            Query::new().order("score", Order::Asc),
            Query::new().order("score", Order::Desc),
            Query::new().order("owner", Order::Desc).order("versions", Order::Asc),
            Query::new().order("owner", Order::Asc).order("score", Order::Desc).order("name", Order::Asc),
            Query::new().order("extra.metrics.auc", Order::Desc),
            Query::new().ge("versions", 2).order("versions", Order::Desc),
            Query::new().ne("owner", None::<String>).order("owner", Order::Asc),
        ];
        for query in orders {
            let whole = models.find(query.clone().limit(1000)).await.unwrap();
            assert_eq!(whole.next, None);
            assert_eq!(models.all(query.clone()).await.unwrap(), whole.items);
            let first = models.first(query.clone()).await.unwrap();
            assert_eq!(first.as_ref(), whole.items.first());
            for limit in [1, 7, 50] {
                let mut paged = Vec::new();
                let mut cursor = None;
                loop {
                    let page = models.find(query.clone().limit(limit).after(cursor)).await.unwrap();
                    assert!(page.items.len() <= limit);
                    paged.extend(page.items);
                    cursor = page.next;
                    if cursor.is_none() {
                        break;
                    }
                }
                assert_eq!(names(&paged), names(&whole.items), "{query:?} by {limit}");
            }
        }
        let by_score = models.all(Query::new().order("score", Order::Asc)).await.unwrap();
        let scores: Vec<_> = by_score.iter().map(|model| model.score).collect();
        assert!(scores.is_sorted_by(|a, b| a <= b), "absent first, then by value: {scores:?}");
        let default = models.find(Query::new()).await.unwrap();
        assert_eq!(default.items.len(), 50);
    }
}

#[tokio::test]
async fn pages_stay_right_while_records_come_and_go() {
    let store = memory().await;
    let models = store.catalog.table::<Model>();
    fill(&models, 30).await;
    let query = Query::new().order("score", Order::Desc).limit(5);
    let mut seen = HashSet::new();
    let mut cursor = None;
    for round in 0.. {
        let page = models.find(query.clone().after(cursor)).await.unwrap();
        for model in &page.items {
            assert!(seen.insert(model.name.clone()), "{} twice", model.name);
        }
        if let Some(last) = page.items.last() {
            models.delete(&last.name).await.unwrap();
        }
        for score in [100.0, -100.0] {
            models
                .insert(&Model {
                    score: Some(score + f64::from(round)),
                    ..Model::new(&format!("new{round}{score}"))
                })
                .await
                .unwrap();
        }
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    for i in 0..30 {
        assert!(seen.contains(&format!("m{i:03}")), "m{i:03} left out");
    }
}

#[tokio::test]
async fn a_cursor_belongs_to_its_query() {
    let store = memory().await;
    let models = store.catalog.table::<Model>();
    fill(&models, 10).await;
    let cursor = models.find(Query::new().order("score", Order::Asc).limit(2)).await.unwrap().next;
    assert!(cursor.is_some());
    for query in [
        Query::new(),
        Query::new().order("score", Order::Desc),
        Query::new().order("score", Order::Asc).eq("owner", "owner1"),
    ] {
        let error = models.find(query.after(cursor.clone())).await.unwrap_err();
        assert!(matches!(error, Error::BadCursor(_)), "{error}");
    }
    for text in ["", "x", "bm8", "W10", "%%%", &"A".repeat(10_000)] {
        let error = models.find(Query::new().after(Some(text.to_owned()))).await.unwrap_err();
        assert!(matches!(error, Error::BadCursor(_)), "{text}: {error}");
    }
}

#[tokio::test]
async fn bad_fields_and_operands_are_named() {
    let store = memory().await;
    let models = store.catalog.table::<Model>();
    for field in ["", "a.", ".a", "a..b", "a`b", "a\\b", "a\nb", "x` OR true OR `x"] {
        let error = models.find(Query::new().eq(field, 1)).await.unwrap_err();
        assert!(matches!(&error, Error::BadField(name) if name == field), "{error}");
        assert!(models.find(Query::new().order(field, Order::Asc)).await.is_err());
    }
    let error = models.find(Query::new().lt("score", json!({"a": 1}))).await.unwrap_err();
    assert!(matches!(error, Error::BadValue { .. }), "{error}");
}

#[tokio::test]
async fn a_large_table_is_read_to_its_end() {
    let store = memory().await;
    let models = store.catalog.table::<Model>();
    for batch in 0..5 {
        let mut transaction = store.catalog.transaction();
        for i in 0..500 {
            let mut model = Model::new(&format!("m{:05}", batch * 500 + i));
            model.versions = i % 2;
            transaction.insert(&model);
        }
        transaction.commit().await.unwrap();
    }
    assert_eq!(models.all(Query::new()).await.unwrap().len(), 2500);
    assert_eq!(
        models.all(Query::new().eq("versions", 1).order("name", Order::Desc)).await.unwrap().len(),
        1250
    );
    assert_eq!(models.find(Query::new().limit(2200)).await.unwrap().items.len(), 2200);
    assert_eq!(models.find(Query::new()).await.unwrap().items.len(), 100);
}
