//! The prediction log and its labels: every call is found once, sealed or not,
//! across restarts, and erased rows are gone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::{blob_path, f64s, open, open_with, prediction, rows, s64s, texts, time};
use modelyard_tables::{
    Error, Label, LabelPut, Prediction, PredictionId, PredictionLog, Scanner, Tables, Value, Window,
    from_batch,
};

fn xs(scanner: Scanner) -> Vec<f64> {
    let mut xs: Vec<f64> = rows(scanner).iter().map(|row| row[0].as_f64().unwrap()).collect();
    xs.sort_by(f64::total_cmp);
    xs
}

fn january(columns: &[&str]) -> Window {
    Window {
        from: Some(time("2013-01-01")),
        to: Some(time("2013-02-01")),
        columns: Some(columns.iter().map(|c| (*c).to_owned()).collect()),
        ..Window::of("flights")
    }
}

async fn fill(log: &PredictionLog) -> Vec<PredictionId> {
    let mut ids = Vec::new();
    for (version, at, x) in [
        (1, "2012-12-31T23:59:59", 0.0),
        (1, "2013-01-01", 1.0),
        (1, "2013-01-15", 2.0),
        (2, "2013-01-31T23:59:59.999999", 3.0),
        (2, "2013-02-01", 4.0),
    ] {
        let call = prediction("flights", version, at, x);
        ids.push(call.id.into());
        log.append_durable(&call).await.unwrap();
    }
    log.append(&prediction("other", 1, "2013-01-10", 9.0)).unwrap();
    ids
}

#[tokio::test]
async fn windows_hold_each_call_once_sealed_or_not() {
    let dir = tempfile::tempdir().unwrap();
    let mut tables = open(dir.path()).await;
    let ids = fill(tables.predictions()).await;
    for round in 0..4 {
        let log = tables.predictions();
        assert_eq!(xs(log.window(&january(&["x"])).await.unwrap()), [1.0, 2.0, 3.0], "{round}");
        let second = Window { version: Some(2), ..january(&["x"]) };
        assert_eq!(xs(log.window(&second).await.unwrap()), [3.0]);
        let none = Window { model: Some("nope".into()), ..january(&["x"]) };
        assert!(matches!(log.window(&none).await, Err(Error::NoColumn { .. })), "no feature was ever seen");
        assert_eq!(log.count("flights", None, None).await.unwrap(), 5);
        assert_eq!(
            log.count("flights", Some(time("2013-01-02")), Some(time("2013-02-01"))).await.unwrap(),
            2
        );
        assert_eq!(log.last_at("flights"), Some(time("2013-02-01")));
        assert_eq!((log.last_at("nope"), log.deployments()), (None, vec!["flights".into(), "other".into()]));
        let mut asked = ids.clone();
        asked.push(PredictionId::new(ids[0].call, 1));
        asked.push(uuid::Uuid::now_v7().into());
        assert_eq!(log.known(&asked).await.unwrap(), [true, true, true, true, true, false, false]);
        match round {
            0 => assert_eq!(log.seal().await.unwrap(), 3),
            1 => assert_eq!(log.seal().await.unwrap(), 0),
            2 => {
                drop(tables);
                tables = open(dir.path()).await;
                assert_eq!(tables.predictions().sealed().len(), 3);
            }
            _ => {}
        }
    }
    let whole = tables.predictions().window(&Window::of("flights")).await.unwrap();
    let names: Vec<_> = whole.schema().names().map(str::to_owned).collect();
    let fixed = ["prediction_id", "at", "model", "version", "latency_us", "entity", "x", "carrier", "p"];
    assert_eq!(names, fixed);
    let file = tables.predictions().window_file(&january(&["x", "p"])).await.unwrap();
    assert_eq!((file.rows, file.stats[0].mean), (3, Some(2.0)));
    let mut empty = tables.predictions().window(&Window::of("nobody")).await.unwrap();
    assert_eq!((empty.rows().unwrap(), empty.next_rows(1).unwrap()), (0, None));
}

#[tokio::test]
async fn calls_of_many_rows_have_an_id_per_row_and_clashing_names_get_a_prefix() {
    let dir = tempfile::tempdir().unwrap();
    let tables = open(dir.path()).await;
    let call = Prediction {
        rows: 2,
        features: vec![s64s("at", &[5, 6]), f64s("x", &[1.0, 2.0])],
        outputs: vec![texts("label", &["no", "yes"]), f64s("x", &[0.1, 0.2])],
        entities: vec![],
        ..prediction("flights", 1, "2013-01-01", 0.0)
    };
    tables.predictions().append(&call).unwrap();
    for _ in 0..2 {
        let window = tables.predictions().window(&Window::of("flights")).await.unwrap();
        let names: Vec<_> = window.schema().names().skip(6).map(str::to_owned).collect();
        assert_eq!(names, ["feature_at", "x", "output_label", "output_x"]);
        let rows = rows(window);
        assert_eq!(rows[0][0], call.id.to_string().into());
        assert_eq!(rows[1][0], format!("{}:1", call.id).into());
        assert_eq!((rows[1][6].clone(), rows[1][8].clone()), (6i64.into(), "yes".into()));
        tables.predictions().seal().await.unwrap();
    }
    let uneven = Prediction { rows: 3, ..call.clone() };
    let error = tables.predictions().append(&uneven).unwrap_err().to_string();
    assert!(error.contains("has 2 rows where the call has 3"), "{error}");
    assert!(tables.predictions().append(&Prediction { entities: vec![None], ..call }).is_err());
}

#[tokio::test]
async fn features_that_change_type_between_calls_still_seal_and_read() {
    let dir = tempfile::tempdir().unwrap();
    let tables = open(dir.path()).await;
    for column in [s64s("x", &[1]), f64s("x", &[2.5]), texts("x", &["three"])] {
        let call = Prediction { features: vec![column], ..prediction("flights", 1, "2013-01-01", 0.0) };
        tables.predictions().append_durable(&call).await.unwrap();
    }
    tables.predictions().seal().await.unwrap();
    let window = Window { columns: Some(vec!["x".into()]), ..Window::of("flights") };
    let got = rows(tables.predictions().window(&window).await.unwrap());
    assert_eq!(got.len(), 3);
    assert_eq!(got[2][0], Value::from("three"));
}

#[tokio::test]
async fn segments_seal_themselves_when_they_are_large() {
    let dir = tempfile::tempdir().unwrap();
    let tables = open_with(dir.path(), |options| options.seal_bytes = 1000).await;
    for n in 0..50 {
        tables.predictions().append(&prediction("flights", 1, "2013-01-01", f64::from(n))).unwrap();
    }
    for _ in 0..100 {
        if !tables.predictions().sealed().is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(tables.predictions().sealed()[0].rows, 50);
    assert_eq!(tables.predictions().count("flights", None, None).await.unwrap(), 50);
}

fn label(id: PredictionId, value: impl Into<Value>, at: &str) -> Label {
    Label { prediction_id: id, value: value.into(), at: time(at) }
}

#[tokio::test]
async fn labels_are_joined_by_id_and_the_latest_counts() {
    let dir = tempfile::tempdir().unwrap();
    let mut tables = open(dir.path()).await;
    let ids = fill(tables.predictions()).await;
    let first = vec![label(ids[1], true, "2013-03-01"), label(ids[3], false, "2013-03-01")];
    let put = tables.labels().put(first.clone()).await.unwrap();
    assert_eq!(put, LabelPut { added: 2, ..LabelPut::default() });
    let again = tables.labels().put(first).await.unwrap();
    assert_eq!(again, LabelPut { unchanged: 2, ..LabelPut::default() });
    let later = vec![label(ids[3], true, "2013-03-02"), label(ids[1], false, "2013-02-01")];
    let put = tables.labels().put(later).await.unwrap();
    assert_eq!(put, LabelPut { replaced: 1, outdated: 1, ..LabelPut::default() });
    for round in 0..3 {
        let joined = tables.predictions().joined(&january(&["x"]), false).await.unwrap();
        assert_eq!(joined.schema().names().collect::<Vec<_>>(), ["x", "label", "label_at"]);
        let mut got = rows(joined);
        got.sort_by(|a, b| a[0].as_f64().unwrap().total_cmp(&b[0].as_f64().unwrap()));
        let labels: Vec<_> = got.iter().map(|row| row[1].clone()).collect();
        assert_eq!(labels, [true.into(), Value::Null, true.into()]);
        assert_eq!(got[2][2], time("2013-03-02").into());
        let mut only = tables.predictions().joined(&january(&["x"]), true).await.unwrap();
        assert_eq!(only.rows().unwrap(), 2);
        assert_eq!(xs(only), [1.0, 3.0]);
        let (schema, latest) = tables.predictions().latest(&Window::of("flights"), 2).await.unwrap();
        let columns = from_batch(latest).unwrap();
        let cells = |name: &str| {
            let at = schema.names().position(|known| known == name).unwrap();
            [columns[at].value(0), columns[at].value(1)]
        };
        assert_eq!(cells("at"), [time("2013-02-01").into(), time("2013-01-31T23:59:59.999999").into()]);
        assert_eq!((cells("x"), cells("label")), ([4.0.into(), 3.0.into()], [Value::Null, true.into()]));
        let history = tables.labels().history(ids[1]).await.unwrap();
        assert_eq!(history.iter().map(|l| l.value.clone()).collect::<Vec<_>>(), [true.into(), false.into()]);
        match round {
            0 => drop(tables.predictions().seal().await.unwrap()),
            1 => {
                drop(tables);
                tables = open(dir.path()).await;
                assert_eq!(tables.labels().count(), 2);
            }
            _ => {}
        }
    }
    for bad in [Value::Null, f64::NAN.into()] {
        let error = tables.labels().put(vec![label(ids[0], bad, "2013-03-01")]).await.unwrap_err();
        assert!(error.to_string().contains(&ids[0].to_string()), "{error}");
    }
}

fn files_with(dir: &std::path::Path, text: &str) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut queue = vec![dir.to_owned()];
    while let Some(next) = queue.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                queue.push(path);
            } else if std::fs::read(&path).unwrap().windows(text.len()).any(|w| w == text.as_bytes()) {
                found.push(path);
            }
        }
    }
    found
}

#[tokio::test]
async fn an_erased_subject_is_gone_from_segments_files_and_labels() {
    let dir = tempfile::tempdir().unwrap();
    let tables: Tables = open(dir.path()).await;
    let ids = fill(tables.predictions()).await;
    tables.predictions().seal().await.unwrap();
    let mut late = prediction("flights", 1, "2013-01-20", 2.0);
    late.outputs.push(texts("note", &["open segment"]));
    tables.predictions().append_durable(&late).await.unwrap();
    let labels = vec![label(ids[2], true, "2013-03-01"), label(ids[1], true, "2013-03-01")];
    tables.labels().put(labels).await.unwrap();
    let before = tables.predictions().sealed();
    let erased = tables.predictions().erase("entity", &"person-2".into()).await.unwrap();
    assert_eq!((erased.rows, erased.labels, erased.files), (2, 1, 2));
    assert_eq!(files_with(dir.path(), "person-2"), Vec::<std::path::PathBuf>::new());
    assert_eq!(files_with(dir.path(), &ids[2].to_string()), Vec::<std::path::PathBuf>::new());
    assert_eq!(xs(tables.predictions().window(&january(&["x"])).await.unwrap()), [1.0, 3.0]);
    assert_eq!(tables.predictions().known(&[ids[2], ids[1]]).await.unwrap(), [false, true]);
    let after = tables.predictions().sealed();
    for old in before.iter().filter(|old| !after.iter().any(|new| new.digest == old.digest)) {
        let gone = std::panic::catch_unwind(|| blob_path(dir.path(), &old.digest));
        assert!(gone.is_err(), "the old blob is deleted");
    }
    let again = tables.predictions().erase("entity", &"person-2".into()).await.unwrap();
    assert_eq!((again.rows, again.labels), (0, 0));
    drop(tables);
    let tables = open(dir.path()).await;
    assert_eq!(tables.predictions().count("flights", None, None).await.unwrap(), 4);
    assert_eq!(
        tables.labels().get(&[ids[2], ids[1]]).iter().map(Option::is_some).collect::<Vec<_>>(),
        [false, true]
    );
}

#[tokio::test]
async fn a_torn_tail_is_cut_and_damage_inside_keeps_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let tables = open(dir.path()).await;
    fill(tables.predictions()).await;
    drop(tables);
    let segments = dir.path().join("tables/predictions/segments");
    let segment = std::fs::read_dir(&segments).unwrap().next().unwrap().unwrap().path();
    let whole = std::fs::read(&segment).unwrap();
    for tail in [&[1u8, 2, 3][..], &[0; 64], &whole[8..60]] {
        std::fs::write(&segment, [whole.as_slice(), tail].concat()).unwrap();
        let tables = open(dir.path()).await;
        assert_eq!(tables.predictions().count("flights", None, None).await.unwrap(), 5);
        drop(tables);
        assert_eq!(std::fs::read(&segment).unwrap(), whole, "cut back to what is whole");
    }
    let mut flipped = whole.clone();
    flipped[40] ^= 1;
    std::fs::write(&segment, &flipped).unwrap();
    let tables = open(dir.path()).await;
    assert_eq!(tables.predictions().count("flights", None, None).await.unwrap(), 4);
    tables.predictions().append_durable(&prediction("flights", 1, "2013-01-01", 1.0)).await.unwrap();
    drop(tables);
    assert_eq!(std::fs::read(segment.with_extension("damaged")).unwrap(), flipped, "set aside");
    let tables = open(dir.path()).await;
    assert_eq!(tables.predictions().count("flights", None, None).await.unwrap(), 5);
    drop(tables);
    std::fs::write(&segment, b"something else entirely").unwrap();
    let place = modelyard_blobs::Options::directory(dir.path().join("blobs"));
    let blobs = modelyard_blobs::Blobs::open(&place);
    let options = modelyard_tables::Options::new(dir.path().join("tables"));
    let error = Tables::open(options, blobs.await.unwrap(), modelyard_clock::Clock::system()).await;
    assert!(matches!(error.map(drop), Err(Error::CorruptLog { .. })));
}
