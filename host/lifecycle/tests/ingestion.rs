//! What ingestion keeps, and what it does not.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::path::{Path, PathBuf};

use modelyard_catalog::Query;
use modelyard_clock::Clock;
use modelyard_lifecycle::{
    Code, Options, Platform,
    governance::Actor,
    ingestion::{Dataset, DatasetFile, DatasetVersion, Source},
    progress::Progress,
};
use modelyard_notify::EventFilter;
use serde_json::json;

/// A platform with the source `rows`, which reads the file that is given beside it.
async fn source_of(dir: &Path, rows: &str) -> (Platform, PathBuf) {
    let mut options = Options::at(dir.join("yard"));
    options.ingestion.roots = vec![dir.to_owned()];
    let platform = Platform::open(options, Clock::simulated("2010-01-01".parse().unwrap())).await.unwrap();
    let file = dir.join("rows.csv");
    let parameters = json!({"url": format!("file://{}", file.display()), "columns": {"id": "s64"}});
    let source = json!({"name": "rows", "plugin": "ingestion-csv", "parameters": parameters});
    std::fs::write(&file, rows).unwrap();
    let source = serde_json::from_value(source).unwrap();
    platform.ingestion().put_source(&Actor::local(), source).await.unwrap();
    (platform, file)
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_and_the_cursor_behind_them_are_one_change() {
    let dir = tempfile::tempdir().unwrap();
    let (platform, file) = source_of(dir.path(), "id\n1\n2\n").await;
    let ingestion = platform.ingestion();
    let pull = async || ingestion.pull(&Actor::local(), "rows", &Progress::default()).await;
    assert_eq!(pull().await.unwrap().rows, 2);
    let before = ingestion.source("rows").await.unwrap();

    // One of the records that belong to the next rows can't be written: none is.
    let versions = platform.catalog.table::<DatasetVersion>();
    let obstacle = DatasetVersion { version: 2, ..versions.require("rows@1").await.unwrap() };
    versions.insert(&obstacle).await.unwrap();
    std::fs::write(&file, "id\n1\n2\nthree\n3\n4\n5\n").unwrap();
    let error = pull().await.unwrap_err();
    assert_eq!(error.code, Code::Conflict, "{error}");
    let events = async || platform.notifier.events(EventFilter::default()).await.unwrap().items;
    let kinds: Vec<_> = events().await.into_iter().map(|event| event.kind).collect();
    assert_eq!(kinds, ["dev.modelyard.ingestion.failed"], "nobody hears of a row that is not kept");
    let after = ingestion.source("rows").await.unwrap();
    assert_eq!((&after.cursor, after.rows), (&before.cursor, 2));
    assert_eq!(after.last_error, Some(error.message));
    let dataset = ingestion.dataset("rows").await.unwrap();
    assert_eq!((dataset.version, dataset.rows), (1, 2));
    let files = platform.catalog.table::<DatasetFile>();
    assert_eq!(files.count(Query::new()).await.unwrap(), 1);

    assert!(versions.delete("rows@2").await.unwrap());
    let pulled = pull().await.unwrap();
    assert_eq!((pulled.rows, pulled.version), (3, 2));
    let sql = "SELECT count(*) AS n, count(DISTINCT id) AS m FROM rows";
    let (_, counted) = ingestion.query(sql, 1).await.unwrap();
    let counted = modelyard_lifecycle::tables::from_batch(counted[0].clone()).unwrap();
    assert_eq!((counted[0].value(0).as_f64(), counted[1].value(0).as_f64()), (Some(5.0), Some(5.0)));
}

/// Whoever sees the rows sees everything that was to be written with them, so
/// that no kill can come in between.
#[tokio::test(flavor = "multi_thread")]
async fn what_belongs_together_is_seen_together() {
    let dir = tempfile::tempdir().unwrap();
    let (platform, file) = source_of(dir.path(), "id\n").await;
    let rejected =
        EventFilter { stage: Some("ingestion".into()), limit: Some(500), ..EventFilter::default() };
    let mut text = "id\n".to_owned();
    for round in 1..=20 {
        text += &format!("{round}\nbad\n");
        std::fs::write(&file, &text).unwrap();
        let seen = tokio::spawn({
            let (platform, rejected) = (platform.clone(), rejected.clone());
            async move {
                let datasets = platform.catalog.table::<Dataset>();
                while datasets.get("rows").await.unwrap().is_none_or(|dataset| dataset.rows < round) {}
                // The events first: they could only follow.
                let events = platform.notifier.events(rejected).await.unwrap().items.len() as u64;
                (events, platform.catalog.table::<Source>().require("rows").await.unwrap())
            }
        });
        let (actor, progress) = (Actor::local(), Progress::default());
        platform.ingestion().pull(&actor, "rows", &progress).await.unwrap();
        let (events, source) = seen.await.unwrap();
        assert_eq!((events, source.rows, source.rejected), (round, round, round));
        assert!(source.cursor.is_some());
    }
}

#[test]
fn what_a_plugin_reports_is_kept_if_it_is_a_number() {
    let progress = Progress::default();
    let told = progress.capability();
    told.report(0.5, "half");
    told.report(f64::NAN, "lost");
    for (step, value) in [(1, f64::NAN), (2, f64::INFINITY), (3, 0.25), (4, f64::NEG_INFINITY)] {
        told.metric("loss", step, value);
    }
    let seen = progress.seen();
    assert_eq!((seen.fraction, seen.message.as_str()), (0.5, "lost"));
    let points: Vec<_> =
        seen.points.iter().map(|point| (point.name.as_str(), point.step, point.value)).collect();
    assert_eq!(points, [("loss", 3, 0.25)]);
}
