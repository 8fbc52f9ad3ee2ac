use std::fs;

use modelyard_catalog::{Catalog, Direction, Edge, Error, Query, Ref};
use serde_json::json;

use crate::{Model, Store, User, directory, memory, stores};

async fn fill(store: &Store) {
    let mut transaction = store.catalog.transaction();
    for i in 0..1203 {
        let mut model = Model::new(&format!("m\n\"{i}/ü"));
        model.extra = json!({"z": 0.1 + 0.2, "a": [null, u64::MAX, 1.0], "text": "line\nbreak"});
        transaction.insert(&model);
    }
    transaction.insert(&User::new(1, Some("x@example.com"), "red", 1));
    for i in 0..30 {
        transaction.relate(Edge {
            kind: "made".into(),
            from: Ref::new("model", format!("m\n\"{i}/ü")),
            to: Ref::to::<User>("1"),
            at: "2013-01-01".parse().unwrap(),
            data: json!({"b": 1, "a": 2}),
        });
    }
    transaction.commit().await.unwrap();
}

#[tokio::test]
async fn an_export_is_restored_as_it_was() {
    for store in stores().await {
        fill(&store).await;
        let files = tempfile::tempdir().unwrap();
        let path = files.path().join("deep/export.ndjson");
        let export = store.catalog.export(&path).await.unwrap();
        assert_eq!((export.records, export.edges), (1204, 30));
        assert_eq!(Catalog::restore_test(&path).await.unwrap(), export);

        let restored = directory().await;
        assert_eq!(restored.catalog.import(&path).await.unwrap(), export);
        let models = restored.catalog.table::<Model>();
        assert_eq!(
            models.all(Query::new()).await.unwrap(),
            store.catalog.table::<Model>().all(Query::new()).await.unwrap()
        );
        let users = restored.catalog.table::<User>();
        assert!(users.insert(&User::new(2, Some("x@example.com"), "red", 2)).await.unwrap_err().is_exists());
        let edges = restored.catalog.edges(&Ref::to::<User>("1"), Direction::Incoming).await.unwrap();
        assert_eq!(edges.len(), 30);
        let again = files.path().join("again.ndjson");
        restored.catalog.export(&again).await.unwrap();
        assert_eq!(fs::read(&again).unwrap(), fs::read(&path).unwrap());

        let error = restored.catalog.import(&path).await.unwrap_err();
        assert!(error.to_string().contains("import into an empty one"), "{error}");
    }
}

#[tokio::test]
async fn a_damaged_export_is_refused_before_anything_is_written() {
    let store = memory().await;
    fill(&store).await;
    let files = tempfile::tempdir().unwrap();
    let path = files.path().join("export.ndjson");
    store.catalog.export(&path).await.unwrap();
    let good = fs::read(&path).unwrap();
    let text = String::from_utf8(good.clone()).unwrap();
    let middle = good.len() / 2;
    let mut flipped = good.clone();
    let digit = flipped.iter().rposition(|byte| *byte == b'7').unwrap();
    flipped[digit] = b'8';
    let lines: Vec<&str> = text.lines().collect();
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty", vec![], "cut off"),
        ("cut off", good[..middle].to_vec(), ""),
        ("without footer", lines[..lines.len() - 1].join("\n").into_bytes(), "cut off"),
        ("a line less", [&lines[..5], &lines[6..]].concat().join("\n").into_bytes(), "damaged"),
        ("a bit flipped", flipped, "damaged"),
        ("another file", b"{\"a\":1}\n".to_vec(), "not a modelyard-catalog export"),
        ("no text", vec![0xff, 0xfe, 0x00], "not text"),
        (
            "a later version",
            text.replacen("\"version\":1", "\"version\":2", 1).into_bytes(),
            "another version",
        ),
    ];
    for (what, bytes, says) in cases {
        let bad = files.path().join("bad.ndjson");
        fs::write(&bad, bytes).unwrap();
        let target = memory().await;
        let error = target.catalog.import(&bad).await.unwrap_err();
        assert!(matches!(error, Error::Export { .. }) && error.to_string().contains(says), "{what}: {error}");
        assert_eq!(target.catalog.table::<Model>().count(Query::new()).await.unwrap(), 0, "{what}");
    }
    assert!(matches!(store.catalog.import(&files.path().join("none")).await, Err(Error::Io { .. })));
}

#[tokio::test]
async fn backups_are_tested_and_the_oldest_removed() {
    let store = memory().await;
    let files = tempfile::tempdir().unwrap();
    fs::write(files.path().join("other.txt"), "stays").unwrap();
    for day in 1..=5 {
        store.catalog.table::<Model>().insert(&Model::new(&format!("m{day}"))).await.unwrap();
        let at = format!("2013-01-0{day}").parse().unwrap();
        let export = store.catalog.backup(files.path(), at, 2).await.unwrap();
        assert_eq!(export.records, day);
    }
    let mut names: Vec<_> = fs::read_dir(files.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        ["catalog-20130104T000000000000Z.ndjson", "catalog-20130105T000000000000Z.ndjson", "other.txt"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_export_shows_one_moment() {
    let store = directory().await;
    // Two counters that are only ever changed together.
    let models = store.catalog.table::<Model>();
    for name in ["a", "z"] {
        models.insert(&Model::new(name)).await.unwrap();
    }
    let mut fillers = store.catalog.transaction();
    for i in 0..1100 {
        fillers.insert(&Model::new(&format!("filler{i}")));
    }
    fillers.commit().await.unwrap();
    let writer = tokio::spawn({
        let catalog = store.catalog.clone();
        async move {
            for versions in 1.. {
                let mut transaction = catalog.transaction();
                transaction.put(&Model { versions, ..Model::new("a") });
                transaction.put(&Model { versions, ..Model::new("z") });
                transaction.commit().await.unwrap();
            }
        }
    });
    let files = tempfile::tempdir().unwrap();
    let mut last = 0;
    for i in 0..3 {
        let path = files.path().join(format!("{i}"));
        store.catalog.export(&path).await.unwrap();
        let restored = memory().await;
        restored.catalog.import(&path).await.unwrap();
        let restored = restored.catalog.table::<Model>();
        let (a, z) = (restored.require("a").await.unwrap(), restored.require("z").await.unwrap());
        assert_eq!(a.versions, z.versions);
        last = a.versions;
    }
    assert!(last > 0, "there were changes meanwhile");
    writer.abort();
    assert!(writer.await.unwrap_err().is_cancelled());
}
