//! What ingestion keeps, and what it does not.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use modelyard_catalog::Query;
use modelyard_clock::Clock;
use modelyard_lifecycle::{
    Code, Options, Platform,
    governance::Actor,
    ingestion::{DatasetFile, DatasetVersion},
    progress::Progress,
};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn rows_and_the_cursor_behind_them_are_one_change() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = Options::at(dir.path().join("yard"));
    options.ingestion.roots = vec![dir.path().to_owned()];
    let platform = Platform::open(options, Clock::simulated("2010-01-01".parse().unwrap())).await.unwrap();
    let file = dir.path().join("rows.csv");
    let ingestion = platform.ingestion();
    let parameters = json!({"url": format!("file://{}", file.display()), "columns": {"id": "s64"}});
    let source = json!({"name": "rows", "plugin": "ingestion-csv", "parameters": parameters});
    std::fs::write(&file, "id\n1\n2\n").unwrap();
    ingestion.put_source(&Actor::local(), serde_json::from_value(source).unwrap()).await.unwrap();
    let pull = async || ingestion.pull(&Actor::local(), "rows", &Progress::default()).await;
    assert_eq!(pull().await.unwrap().rows, 2);
    let before = ingestion.source("rows").await.unwrap();

    // One of the records that belong to the next rows can't be written: none is.
    let versions = platform.catalog.table::<DatasetVersion>();
    let obstacle = DatasetVersion { version: 2, ..versions.require("rows@1").await.unwrap() };
    versions.insert(&obstacle).await.unwrap();
    std::fs::write(&file, "id\n1\n2\n3\n4\n5\n").unwrap();
    let error = pull().await.unwrap_err();
    assert_eq!(error.code, Code::Conflict, "{error}");
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
