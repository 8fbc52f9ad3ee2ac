//! Training and serving see the same: what a call looks up of joined views is
//! what a training set holds for its moment, value by value, also when rows of
//! the future, of other creations, without keys or with nulls lie in the views.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::{collections::BTreeMap, fmt::Write, path::Path, time::Duration};

use modelyard_clock::{Clock, Timestamp};
use modelyard_lifecycle::{
    Options, Platform, columns,
    deployment::Request,
    features::{Join, Spine},
    governance::Actor,
    ingestion::SchemaPolicy,
    progress::Progress,
    runtime::types::{Table, Tensor, TensorData},
    tables::{self, Scan, Scanner, Window},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const STATIONS: [&str; 4] = ["a", "b", "c", "nowhere"];
/// What the views give, each with a type of its own.
const JOINED: [&str; 7] = ["temp", "cars", "open", "kind", "since", "rate", "n"];

fn spec<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn me() -> Actor {
    Actor::local()
}

fn hour(hours: u32) -> String {
    format!("2013-01-{:02}T{:02}:00:00Z", 1 + hours / 24, hours % 24)
}

/// Uploads rows of a CSV file.
async fn upload(platform: &Platform, dataset: &str, csv: String, types: Value) {
    let digest = platform.blobs.put(csv.into()).await.unwrap();
    let (me, policy) = (me(), SchemaPolicy::default());
    let parameters = json!({"columns": types});
    let ingestion = platform.ingestion();
    let pulled =
        ingestion.upload(&me, dataset, "ingestion-csv", parameters, policy, &digest, None).await.unwrap();
    assert_eq!(pulled.rejected, 0, "{dataset}");
}

/// Readings of three days. Every fifth hour is there twice, the one created
/// later first; some hours of `b` are missing, some cells and keys are empty.
async fn readings(platform: &Platform, correction: bool) {
    let mut csv = "station,since,made,temp,cars,open,kind\n".to_owned();
    for hours in 0..72u32 {
        for (number, station) in (0u32..).zip(["a", "b", "c", ""]) {
            if station == "b" && (3..=6).contains(&(hours % 9)) {
                continue;
            }
            let draw = (hours * 37 + number * 11) % 23;
            let cell = |null: u32, text: String| if draw % 7 == null { String::new() } else { text };
            let cells = |add: u32| {
                let temp = cell(1, format!("{}.5", draw + add));
                let cars = cell(2, (draw * 3 + add).to_string());
                let open = cell(3, (draw % 2 == 0).to_string());
                let kind = cell(4, if draw < 12 { "rain" } else { "sun" }.to_owned());
                format!("{temp},{cars},{open},{kind}")
            };
            let mut row = |made: u32, cells: String| {
                writeln!(csv, "{station},{},{},{cells}", hour(hours), hour(made)).unwrap();
            };
            if correction {
                if hours % 4 == 0 {
                    row(hours + 30, cells(300));
                }
            } else if hours % 5 == 0 {
                row(hours + 20, cells(200));
                row(hours + 10, cells(100));
            } else {
                row(hours + 10, cells(0));
            }
        }
    }
    let types = json!({"station": "utf8", "since": "timestamp", "made": "timestamp", "temp": "f64",
                       "cars": "s64", "open": "boolean", "kind": "utf8"});
    upload(platform, "readings", csv, types).await;
}

/// What happened at each station, known at the end of its hour; a few without a time.
async fn events(platform: &Platform) {
    let mut csv = "station,gone,x\n".to_owned();
    for hours in 0..72u32 {
        for (number, station) in (0u32..).zip(["a", "b"]) {
            let gone = if hours % 10 == 9 { String::new() } else { hour(hours) };
            for draw in [hours * 17 % 13, hours * 5 % 7] {
                writeln!(csv, "{station},{gone},{}.25", draw + number).unwrap();
            }
        }
    }
    upload(platform, "events", csv, json!({"station": "utf8", "gone": "timestamp", "x": "f64"})).await;
}

/// Every half hour a question about each station.
async fn asks(platform: &Platform) {
    let mut csv = "station,t,size,late\n".to_owned();
    for half in 0..144u32 {
        for (number, station) in (0u32..).zip(STATIONS) {
            let t = hour(half / 2).replace(":00:00Z", if half % 2 == 0 { ":00:00Z" } else { ":30:00Z" });
            let size = (half * 7 + number * 3) % 10;
            let late = (half / 2 * 37 + number * 11) % 23 > 11 || size > 8;
            writeln!(csv, "{station},{t},{size}.0,{late}").unwrap();
        }
    }
    let types = json!({"station": "utf8", "t": "timestamp", "size": "f64", "late": "boolean"});
    upload(platform, "asks", csv, types).await;
}

/// Defines the views, with what happened in an hour known so many hours after its beginning.
async fn views(platform: &Platform, known: u32) {
    let features = platform.features();
    let micros = u64::from(known) * 3_600_000_000;
    let readings = json!({
        "name": "readings", "dataset": "readings", "keys": ["station"], "event_time": "since",
        "created_time": "made", "columns": ["temp", "cars", "open", "kind", "since"], "ttl_seconds": 7200,
    });
    features.put_view(&me(), spec(readings)).await.unwrap();
    let rates = json!({
        "name": "rates", "keys": ["station"], "event_time": "known", "ttl_seconds": 43_200,
        "sql": format!("SELECT station, to_timestamp_micros(CAST(gone AS BIGINT) + {micros}) AS known, \
                        avg(x) AS rate, count(*) AS n FROM events GROUP BY 1, 2"),
    });
    features.put_view(&me(), spec(rates)).await.unwrap();
    materialize(platform).await;
}

async fn materialize(platform: &Platform) {
    for view in ["readings", "rates"] {
        platform.features().materialize(&me(), view, &Progress::default()).await.unwrap();
    }
}

/// Trains a version that takes the key as an input, or one that doesn't.
async fn train(platform: &Platform, ignore: Value) -> u32 {
    let experiment = json!({
        "name": "late", "task": "binary_classification", "target": "late", "ignore": ignore,
        "spine": {"dataset": "asks", "event_time": "t"},
        "joins": [{"view": "readings"}, {"view": "rates"}],
        "features": {"plugin": "features-standard", "parameters": {"rest": "keep", "steps": [
            {"do": "date-parts", "columns": ["since"], "parts": ["hour"]},
        ]}},
        "training": {"plugin": "training-gbdt", "parameters": {"rounds": 20, "min_data_in_leaf": 5}},
        "seed": 7,
    });
    let experiment = platform.experiments().put(&me(), spec(experiment)).await.unwrap();
    let (run, job) = platform.experiments().start(&me(), experiment.spec).await.unwrap();
    if let Err(error) = platform.jobs().wait(&job.id).await {
        let run = platform.experiments().run(&run.id).await.unwrap();
        panic!("{error}\n{:?}", run.log);
    }
    platform.registry().register(&me(), "late", &run.id).await.unwrap().version
}

/// Every row of a scanner, as columns.
fn rows(scanner: Scanner) -> Table {
    let batches: Vec<_> = scanner.map(Result::unwrap).filter(|batch| batch.num_rows() > 0).collect();
    let schema = batches[0].schema();
    columns::from_batch(arrow::compute::concat_batches(&schema, &batches).unwrap()).unwrap()
}

/// A cell as text, whatever type carries it: missing is empty, NaN and null alike.
fn cell(value: &tables::Value) -> String {
    match value {
        tables::Value::Null => String::new(),
        tables::Value::Utf8(text) => text.clone(),
        value => value
            .as_f64()
            .filter(|number| !number.is_nan())
            .map(|number| number.to_string())
            .unwrap_or_default(),
    }
}

/// Some columns' cells, row by row.
fn cells(table: &Table, names: &[&str]) -> Vec<Vec<String>> {
    let found = |name: &&str| columns::from_wit(table.iter().find(|one| one.name == **name).unwrap().clone());
    let found: Vec<_> = names.iter().map(found).collect();
    (0..found[0].len()).map(|row| found.iter().map(|column| cell(&column.value(row))).collect()).collect()
}

/// What a training set holds for all stations at a moment.
async fn joined(platform: &Platform, now: Timestamp) -> Table {
    let spine = Spine {
        dataset: Some("asks".into()),
        sql: None,
        event_time: Some("t".into()),
        from: Some(now),
        to: Some(now + Duration::from_micros(1)),
    };
    let joins: Vec<Join> = vec![spec(json!({"view": "readings"})), spec(json!({"view": "rates"}))];
    let set = platform.features().training_set(&me(), &spine, &joins).await.unwrap();
    rows(platform.tables.scan(&[set.file.digest], Scan::default()).await.unwrap())
}

fn texts(name: &str, values: &[String]) -> Tensor {
    let data = values.iter().map(|text| text.clone().into_bytes()).collect();
    Tensor { name: name.into(), shape: vec![values.len() as i64], data: TensorData::Bytes(data) }
}

fn numbers(name: &str, values: &[String]) -> Tensor {
    let data = values.iter().map(|text| text.parse().unwrap()).collect();
    Tensor { name: name.into(), shape: vec![values.len() as i64], data: TensorData::Fp64(data) }
}

async fn ask(platform: &Platform, inputs: Vec<Tensor>) -> Vec<f64> {
    let answer = platform.deployment().infer("late", Request { inputs, ..Request::default() }).await.unwrap();
    let found = answer.outputs.into_iter().find(|output| output.name == "probability").unwrap();
    columns::floats(&found.data)
}

/// Asks at a moment: all stations at once with nothing but keys, each alone, and all
/// with everything that the training set holds. The answers are the same.
async fn compare(platform: &Platform, now: Timestamp) -> Vec<Vec<String>> {
    let table = joined(platform, now).await;
    let keys: Vec<_> = cells(&table, &["station", "size"]);
    let (stations, sizes): (Vec<_>, Vec<_>) =
        keys.into_iter().map(|row| (row[0].clone(), row[1].clone())).unzip();
    assert_eq!(stations, STATIONS);
    let together = ask(platform, vec![texts("station", &stations), numbers("size", &sizes)]).await;
    let mut alone = Vec::new();
    for (station, size) in stations.iter().zip(&sizes) {
        let inputs = vec![
            texts("station", std::slice::from_ref(station)),
            numbers("size", std::slice::from_ref(size)),
        ];
        alone.extend(ask(platform, inputs).await);
    }
    let log = platform.tables.predictions();
    let window = Window { from: Some(now), ..Window::of("late") };
    let logged = cells(&rows(log.window(&window).await.unwrap()), &JOINED);
    let expected = cells(&table, &JOINED);
    assert_eq!(logged[..4], expected, "together at {now}");
    assert_eq!(logged[4..], expected, "alone at {now}");
    let taken = |column: &modelyard_lifecycle::runtime::types::Column| {
        column.name == "size" || JOINED.contains(&column.name.as_str())
    };
    let whole = columns::to_tensors(table.into_iter().filter(taken).collect());
    let given = ask(platform, whole).await;
    assert_eq!((&together, &alone), (&given, &given), "at {now}");
    expected
}

async fn platform(dir: &Path, clock: &Clock) -> Platform {
    Platform::open(Options::at(dir), clock.clone()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_call_looks_up_is_what_a_training_set_holds() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::simulated("2013-01-01T00:15:00Z".parse().unwrap());
    let mut platform = platform(dir.path(), &clock).await;
    readings(&platform, false).await;
    events(&platform).await;
    asks(&platform).await;
    views(&platform, 1).await;
    // The champion uses the key for look-ups alone, the shadow takes it as an input as well.
    let champion = train(&platform, json!(["t", "station"])).await;
    let shadow = train(&platform, json!(["t"])).await;
    let deployment = json!({"name": "late", "model": "late", "routes": [{"version": champion.to_string()}],
                            "shadow": shadow.to_string()});
    platform.deployment().deploy(&me(), spec(deployment), "first").await.unwrap();
    let start: Timestamp = "2013-01-01".parse().unwrap();
    let mut seen = Vec::new();
    for (number, half) in [1u32, 2, 9, 10, 14, 31, 40, 41, 63, 90, 101, 142].into_iter().enumerate() {
        clock.advance_to(start + Duration::from_secs(u64::from(half) * 1800)).unwrap();
        if number == 5 {
            // Corrections of what has been and of what is still to come.
            readings(&platform, true).await;
            materialize(&platform).await;
        }
        if number == 10 {
            // A definition that knows of everything later than the one before it.
            views(&platform, 5).await;
        }
        if number == 8 {
            platform.tables.predictions().flush().await.unwrap();
            drop(platform);
            platform = self::platform(dir.path(), &clock).await;
        }
        seen.extend(compare(&platform, clock.now()).await);
    }
    // The comparison was of something: every column was there and missing.
    for (column, name) in JOINED.iter().enumerate() {
        let missing = seen.iter().filter(|row| row[column].is_empty()).count();
        assert!((12..seen.len() - 8).contains(&missing), "{name}: {missing} of {} are missing", seen.len());
    }
    shadowed(&platform).await;
}

/// The shadow was asked whenever it had its inputs, with the same looked-up values.
async fn shadowed(platform: &Platform) {
    let log = platform.tables.predictions();
    let mut calls = BTreeMap::new();
    for _ in 0..1000 {
        for name in ["late", "late.shadow"] {
            calls.insert(name, log.count(name, None, None).await.unwrap());
        }
        // Each of twelve rounds has 4 + 4 rows with the key and 4 without, which the shadow can't answer.
        if calls["late.shadow"] == 12 * 8 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!((calls["late"], calls["late.shadow"]), (12 * 12, 12 * 8));
    let of = async |name: &str| {
        let table = rows(log.window(&Window::of(name)).await.unwrap());
        let ids = cells(&table, &["prediction_id"]).into_iter().map(|mut row| row.remove(0));
        ids.zip(cells(&table, &JOINED)).collect::<BTreeMap<_, _>>()
    };
    let (champion, shadow) = (of("late").await, of("late.shadow").await);
    for (id, values) in &shadow {
        assert_eq!(champion.get(id), Some(values), "{id}");
    }
}
