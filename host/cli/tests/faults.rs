//! Bad input and faults, against the binary as it is run: wrong uploads, broken
//! sources, `kill -9` in the middle of things, a full disk, damaged files.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr
)]

mod support;

use std::{
    collections::HashSet,
    fmt::Write as _,
    fs,
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use reqwest::Method;
use serde_json::{Value, json};
use support::{Answer, Hook, Mailbox, Small, Yard, answer, eventually, free_port, moment, source, tensor};

/// Rows of `id,x`, from one id up to another.
fn csv(ids: std::ops::Range<u64>) -> String {
    ids.fold("id,x\n".to_owned(), |mut text, id| {
        writeln!(text, "{id},{}", id * 7 % 1000).unwrap();
        text
    })
}

/// Rows, and how many different ids.
async fn ids(yard: &Yard, dataset: &str) -> (u64, u64) {
    let row = yard.row(&format!("SELECT count(*), count(DISTINCT id) FROM {dataset}")).await;
    (row[0].as_u64().unwrap(), row[1].as_u64().unwrap())
}

/// A component like this one, with other bytes.
fn varied(component: &[u8], with: u8) -> Vec<u8> {
    // A custom section: its id, its size, its name with its length, its content.
    [component, &[0, 5, 3, b'p', b'a', b'd', with]].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_components_are_refused_with_their_fault() {
    let yard = Yard::start(&[]);
    let scoring = yard.component("scoring-linear").await;
    let mut newer = scoring.clone();
    for at in 0..newer.len() - 6 {
        if &newer[at..at + 6] == b"@0.1.0" {
            newer[at..at + 6].copy_from_slice(b"@9.9.0");
        }
    }
    let before = yard.get("/plugins").await.ok();
    let cases: [(&str, &[u8], &str); 6] = [
        ("text", b"name: flights\nschedule: daily\n", "text file"),
        ("cut", &scoring[..scoring.len() / 2], "cut off"),
        ("core", b"\0asm\x01\0\0\0", "metadata"),
        ("stranger", b"\0asm\x0d\0\x01\0", "modelyard:lifecycle"),
        ("newer", &newer, "9.9.0"),
        ("empty", b"", "empty"),
    ];
    for (name, bytes, told) in cases {
        let refused = yard.plugin(name, bytes, name).await;
        let (text, detail) = (refused.body.to_string(), refused.problem(400));
        assert!(text.contains(told), "{name}: {detail}");
        yard.get(&format!("/plugins/{name}")).await.problem(404);
    }
    let large = vec![0; (64 << 20) + 1];
    let request = yard.request(Method::POST, "/plugins?name=large").body(large);
    assert!(answer(request).await.problem(413).contains("64 MiB"));
    assert_eq!(yard.get("/plugins").await.ok(), before);
    assert_eq!(yard.unfinished(), Vec::<std::path::PathBuf>::new());
    yard.sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_rows_are_refused_or_kept_apart() {
    let yard = Yard::start(&[]);
    // Bad rows: kept apart with their place, the good ones taken.
    let late = csv(1..200_101).replace("\n200000,0\n", "\n200000,oops\n");
    let cases = [
        ("quote", "id,x\n1,2\n2,\"3\n3,4\n".to_owned(), 2, json!([2, "x"]), "no closing quote"),
        ("short", "id,x\n1,2\n2\n3,4\n".to_owned(), 2, json!([2, ""]), "too short"),
        ("late", late, 200_099, json!([200_000, "x"]), "\"oops\" is not of type s64"),
    ];
    for (name, text, rows, place, reason) in cases {
        let pulled = yard.rows(name, &text, None).await.ok();
        assert_eq!((&pulled["rows"], &pulled["rejected"]), (&json!(rows), &json!(1)), "{name}: {pulled}");
        assert_eq!(yard.row(&format!("SELECT count(*) FROM {name}")).await, json!([rows]));
        let columns = "\"row\", \"column\", reason";
        let kept = yard.row(&format!("SELECT {columns} FROM {name}_quarantine")).await;
        assert_eq!(json!([kept[0], kept[1]]), place, "{name}: {kept}");
        assert!(kept[2].as_str().unwrap().contains(reason), "{name}: {kept}");
        let files = yard.get(&format!("/ingestion/datasets/{name}/files?quarantine=true")).await.ok();
        assert_eq!(files["items"][0]["file"]["rows"], 1, "{files}");
    }
    // Files that are none: refused, and nothing comes to be.
    let utf16: Vec<u8> = "\u{feff}id,x\n1,2\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let cases: [(&str, &[u8], &str); 3] = [
        ("nothing", b"", "is empty"),
        ("wide", &utf16, "UTF-16"),
        ("latin", b"id,x\n1,2\n2,caf\xe9\n", "row 2 is not utf-8 at byte"),
    ];
    for (name, bytes, told) in cases {
        let detail = answer(yard.upload(name, bytes.to_vec(), None)).await.problem(400);
        assert!(detail.contains(told), "{name}: {detail}");
        yard.get(&format!("/ingestion/datasets/{name}")).await.problem(404);
    }
    // Other columns than the data set's: refused, and it stays as it was.
    let changed = yard.rows("short", "id,z\n9,9\n", None).await.problem(409);
    assert!(changed.contains('z') && changed.contains("schema_policy"), "{changed}");
    assert_eq!(yard.row("SELECT count(*) FROM short").await, json!([2]));

    // The same request twice is one; the same key for another is refused.
    let rows = csv(1..51);
    let first = yard.rows("once", &rows, Some("k")).await;
    let again = yard.rows("once", &rows, Some("k")).await;
    assert!(!first.replayed && again.replayed);
    assert_eq!(first.ok(), again.ok());
    yard.rows("once", &csv(51..61), Some("k")).await.problem(422);
    yard.rows("twice", &rows, Some("k")).await.problem(422);
    assert_eq!(ids(&yard, "once").await, (50, 50));
    yard.get("/ingestion/datasets/twice").await.problem(404);
    yard.sound().await;
}

fn configured(text: &str) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("yard.toml");
    fs::write(&file, text).unwrap();
    let file = file.display().to_string();
    (dir, file)
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_sources_leave_nothing_behind() {
    let (_dir, config) = configured("[ingestion]\ntimeout_seconds = 1\n");
    let yard = Yard::start(&["--config", &config, "--ingest-host", "127.0.0.1"]);
    let cut = Arc::new(AtomicBool::new(true));
    let url = source(csv(1..2001), cut.clone()).await;
    for (path, told) in [("fails", "answered 500"), ("hangs", "did not answer"), ("cut", "ended")] {
        let parameters = json!({"url": format!("{url}/{path}")});
        let spec = json!({"name": path, "plugin": "ingestion-csv", "parameters": parameters});
        yard.put("/ingestion/sources", spec).await.ok();
        let begun = Instant::now();
        let detail =
            yard.post(&format!("/ingestion/sources/{path}/pull?wait=true"), json!({})).await.problem(503);
        assert!(detail.contains(told), "{path}: {detail}");
        assert!(begun.elapsed() < Duration::from_secs(15), "{path}");
        let source = yard.get(&format!("/ingestion/sources/{path}")).await.ok();
        assert!(source["last_error"].as_str().unwrap().contains(told), "{source}");
        assert_eq!((&source["rows"], &source["cursor"]), (&json!(0), &Value::Null));
        yard.get(&format!("/ingestion/datasets/{path}")).await.problem(404);
    }
    cut.store(false, Relaxed);
    let pulled = yard.post("/ingestion/sources/cut/pull?wait=true", json!({})).await.ok();
    assert_eq!(pulled["rows"], 2000, "{pulled}");
    assert_eq!(ids(&yard, "cut").await, (2000, 2000));
    assert_eq!(yard.get("/ingestion/sources/cut").await.ok()["last_error"], Value::Null);
    let events = yard.get("/events?stage=ingestion").await.ok();
    assert_eq!(events.to_string().matches("dev.modelyard.ingestion.failed").count(), 3, "{events}");
    yard.sound().await;
}

/// The protocol's error with this status.
#[track_caller]
fn fault(answer: &Answer, status: u16, told: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    let error = answer.body["error"].as_str().unwrap_or_else(|| panic!("{answer:?}"));
    assert!(error.contains(told), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_calls_of_a_model_say_what_is_wrong_and_damaged_code_is_compiled_again() {
    let mut yard = Yard::start(&[]);
    let ask = |inputs: Value| yard.post("/v2/models/side/infer", json!({"inputs": inputs}));
    let (x1, x2) = (tensor("x1", json!([1.0])), tensor("x2", json!([1.0])));
    fault(&yard.post("/v2/models/nobody/infer", json!({"inputs": [x1]})).await, 404, "nobody");
    fault(&yard.post("/v2/models/side/versions/9/infer", json!({"inputs": [x1, x2]})).await, 404, "9");
    fault(&ask(json!([x1, tensor("y", json!([1.0]))])).await, 400, "\"y\"");
    fault(&ask(json!([x1])).await, 400, "x2");
    fault(&ask(json!([x1, x2, x1])).await, 400, "x1");
    let bytes = json!({"name": "x2", "shape": [1], "datatype": "BYTES", "data": ["a"]});
    fault(&ask(json!([x1, bytes])).await, 400, "x2");
    let unknown = json!({"name": "x2", "shape": [1], "datatype": "FP16", "data": [1]});
    fault(&ask(json!([x1, unknown])).await, 400, "FP16");
    let text = json!({"name": "x2", "shape": [1], "datatype": "FP64", "data": ["NaN"]});
    fault(&ask(json!([x1, text])).await, 400, "NaN");
    let wide = |name: &str| json!({"name": name, "shape": [1, 2], "datatype": "FP64", "data": [1, 2]});
    fault(&ask(json!([wide("x1"), wide("x2")])).await, 400, "shape");
    let short = json!({"name": "x2", "shape": [2], "datatype": "FP64", "data": [1]});
    fault(&ask(json!([x1, short])).await, 400, "2 elements");
    fault(&ask(json!([x1, tensor("x2", json!([1.0, 2.0]))])).await, 400, "x2");
    let five = json!([1, 2, 3, 4, 5]);
    fault(&ask(json!([tensor("x1", five.clone()), tensor("x2", five)])).await, 413, "5 rows");
    for body in ["{\"inputs\": [", "[]", "", "{\"inputs\": [{\"name\": \"x1\", \"data\": [NaN]}]}"] {
        let request = yard.request(Method::POST, "/v2/models/side/infer").body(body);
        fault(&answer(request).await, 400, "can't be read");
    }
    // A missing value is null, and the answer is a number.
    let answered = ask(json!([x1, tensor("x2", json!([null]))])).await.ok();
    assert!(answered["outputs"][0]["data"][0].as_f64().unwrap() > 0.0, "{answered}");
    let expected = yard.infer(0.25, -0.5).await.ok()["outputs"].clone();

    // Compiled code whose bytes were flipped is never run.
    yard.stop();
    let compiled: Vec<_> =
        fs::read_dir(yard.data.join("compiled")).unwrap().map(|one| one.unwrap().path()).collect();
    let code: Vec<_> =
        compiled.iter().filter(|path| path.extension().is_some_and(|end| end == "cwasm")).collect();
    assert!(code.len() > 2);
    for (number, path) in code.into_iter().enumerate() {
        let mut bytes = fs::read(path).unwrap();
        match number % 3 {
            0 => bytes.truncate(bytes.len() / 2),
            _ => (1..10).for_each(|tenth| {
                let at = bytes.len() * tenth / 10;
                bytes[at] ^= 0x55;
            }),
        }
        fs::write(path, bytes).unwrap();
    }
    yard.restart();
    assert_eq!(yard.infer(0.25, -0.5).await.ok()["outputs"], expected);
    yard.rows("after", &csv(1..11), None).await.ok();
    assert!(yard.log().contains("damaged"), "{}", yard.log());
    yard.sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_that_is_killed_goes_on_where_it_was() {
    let mut yard = Yard::start(&["--ingest-root", "{home}"]);
    let file = yard.home().join("growing.csv");
    let spec = json!({"name": "growing", "plugin": "ingestion-csv",
        "parameters": {"url": format!("file://{}", file.display()), "columns": {"id": "s64"}}});
    fs::write(&file, "id\n").unwrap();
    yard.put("/ingestion/sources", spec).await.ok();
    let grow = |from: u64, to: u64| {
        let rows: String = (from..to).map(|id| format!("{id}\n")).collect();
        fs::File::options().append(true).open(&file).unwrap().write_all(rows.as_bytes()).unwrap();
    };
    // More than is committed at once: killed after the first part of it.
    let mut last = 1_150_000;
    grow(0, last);
    yard.post("/ingestion/sources/growing/pull", json!({})).await.ok();
    eventually("the first part of a large pull", async || {
        yard.get("/ingestion/sources/growing").await.ok()["rows"].as_u64().unwrap() > 0
    })
    .await;
    yard.kill();
    yard.restart();
    let partly = ids(&yard, "growing").await;
    assert!(partly.0 == partly.1 && partly.0 > 0 && partly.0 <= last, "{partly:?}");
    // Small ones, killed at any moment.
    for _ in 0..4 {
        grow(last, last + 20_000);
        last += 20_000;
        yard.post("/ingestion/sources/growing/pull", json!({})).await.ok();
        tokio::time::sleep(moment(900)).await;
        yard.kill();
        yard.restart();
        let (rows, different) = ids(&yard, "growing").await;
        assert!(rows == different && rows <= last, "{rows} rows, {different} ids");
    }
    yard.post("/ingestion/sources/growing/pull?wait=true", json!({})).await.ok();
    assert_eq!(ids(&yard, "growing").await, (last, last));
    assert_eq!(yard.get("/ingestion/sources/growing").await.ok()["rows"], last);
    let jobs = yard.get("/jobs?kind=ingestion.pull").await.ok();
    let running = jobs["items"].as_array().unwrap().iter().filter(|job| job["status"] == "running").count();
    assert_eq!(running, 0, "{jobs}");
    assert_eq!(yard.unfinished(), Vec::<std::path::PathBuf>::new());
    yard.sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_killed_is_there_whole_or_not_at_all() {
    let mut yard = Yard::start(&[]);
    let text = csv(0..30_000);
    for round in 0..4 {
        let (name, key) = (format!("rows{round}"), format!("key{round}"));
        let sending = tokio::spawn(yard.upload(&name, text.clone(), Some(&key)).send());
        if round < 2 {
            // The worst moment: the rows are written, the answer is not.
            let path = format!("/ingestion/datasets/{name}");
            while yard.get(&path).await.status != 200 {}
        } else {
            tokio::time::sleep(moment(1_200)).await;
        }
        yard.kill();
        let _ = sending.await.unwrap();
        yard.restart();
        assert_eq!(yard.unfinished(), Vec::<std::path::PathBuf>::new(), "round {round}");
        if yard.get(&format!("/ingestion/datasets/{name}")).await.status == 200 {
            assert_eq!(ids(&yard, &name).await, (30_000, 30_000), "round {round}");
        }
        for _ in 0..2 {
            let pulled = yard.rows(&name, &text, Some(&key)).await.ok();
            assert_eq!(pulled["rows"], 30_000, "round {round}: {pulled}");
            assert_eq!(ids(&yard, &name).await, (30_000, 30_000), "round {round}");
        }
    }
    let component = yard.component("ingestion-csv").await;
    for round in 0..2 {
        let (name, bytes) = (format!("mine{round}"), varied(&component, round));
        let path = format!("/plugins?name={name}");
        let request = yard.request(Method::POST, &path).header("idempotency-key", &name).body(bytes.clone());
        let sending = tokio::spawn(request.send());
        tokio::time::sleep(moment(2_000)).await;
        yard.kill();
        let _ = sending.await.unwrap();
        yard.restart();
        assert_eq!(yard.unfinished(), Vec::<std::path::PathBuf>::new(), "round {round}");
        assert!([200, 404].contains(&yard.get(&format!("/plugins/{name}")).await.status));
        yard.plugin(&name, &bytes, &name).await.ok();
        let listed = yard.get("/plugins?kind=ingestion").await.ok();
        let mine =
            listed["items"].as_array().unwrap().iter().filter(|plugin| plugin["name"] == name.as_str());
        assert_eq!(mine.count(), 1, "{listed}");
        let path = format!("/ingestion/datasets/by{round}/rows?plugin={name}");
        let request = yard.request(Method::POST, &path).header("content-type", "text/csv").body(csv(0..10));
        assert_eq!(answer(request).await.ok()["rows"], 10);
    }
    yard.sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_found_before_a_kill_is_told_once_after_it() {
    let (_dir, config) =
        configured("[notify.retry]\nfirst_delay_seconds = 0.3\nfactor = 1\nmax_attempts = 200\n");
    let ports = [free_port(), free_port(), free_port()];
    let smtp = format!("smtp://127.0.0.1:{}?from=yard@example.com", ports[0]);
    let mut yard = Yard::start(&["--config", &config, "--smtp", &smtp, "--allow-private-webhooks"]);
    let filter = json!({"stages": ["ingestion"]});
    let mail =
        json!({"name": "mail", "channel": {"type": "email", "address": "ops@example.com"}, "filter": filter});
    yard.post("/subscriptions", mail).await.ok();
    let mut secrets = Vec::new();
    for (name, port) in [("steady", ports[1]), ("shaky", ports[2])] {
        let channel = json!({"type": "webhook", "url": format!("http://127.0.0.1:{port}/hook")});
        let hook = json!({"name": name, "channel": channel, "filter": filter});
        let made = yard.post("/subscriptions", hook).await.ok();
        secrets.push(made["secret"].as_str().unwrap().to_owned());
    }
    // Nobody listens yet; the process ends as soon as the event is acknowledged.
    assert_eq!(yard.rows("torn", "id,x\n1,2\n2\n3,4\n", None).await.ok()["rejected"], 1);
    yard.kill();
    // And again, while it tries in vain.
    yard.restart();
    tokio::time::sleep(moment(1_000)).await;
    yard.kill();

    let mailbox = Mailbox::start(ports[0]);
    let steady = Hook::start(ports[1], 0).await;
    let shaky = Hook::start(ports[2], 1).await;
    yard.restart();
    eventually("the deliveries", async || {
        !mailbox.subjects().is_empty() && !steady.received().is_empty() && shaky.received().len() == 2
    })
    .await;
    let delivered =
        async || yard.get("/deliveries?status=delivered").await.ok()["items"].as_array().unwrap().len();
    eventually("their records", async || delivered().await == 3).await;
    // A restart and some time later, nobody was told again.
    yard.kill();
    yard.restart();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let subjects = mailbox.subjects();
    assert_eq!(subjects.len(), 1, "{subjects:?}");
    assert!(subjects[0].contains("1 rows of torn"), "{subjects:?}");
    let (steady, shaky) = (steady.received(), shaky.received());
    assert_eq!((steady.len(), shaky.len()), (1, 2));
    assert!(steady[0].signed(&secrets[0]) && !steady[0].signed(&secrets[1]));
    assert!(shaky.iter().all(|call| call.signed(&secrets[1])));
    assert_eq!(shaky[0].header("webhook-id"), shaky[1].header("webhook-id"));
    let deliveries = yard.get("/deliveries").await.ok();
    assert_eq!(deliveries["items"].as_array().unwrap().len(), 3, "{deliveries}");
    yard.sound().await;
}

/// Calls from four callers, and a kill among them; gives the ids of what was
/// acknowledged at least `since` before it.
async fn calls_until_killed(yard: &mut Yard, since: Duration) -> Vec<String> {
    let callers: Vec<_> = (0..4)
        .map(|caller| {
            let inputs = json!([tensor("x1", json!([f64::from(caller)])), tensor("x2", json!([0.5]))]);
            let request =
                yard.request(Method::POST, "/v2/models/side/infer").json(&json!({"inputs": inputs}));
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                while let Ok(response) = request.try_clone().unwrap().send().await {
                    let Ok(body) = response.json::<Value>().await else { break };
                    let id = body["parameters"]["prediction_id"].as_str().unwrap_or_else(|| panic!("{body}"));
                    acknowledged.push((Instant::now(), id.to_owned()));
                }
                acknowledged
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(1_500) + moment(500)).await;
    let killed = Instant::now();
    yard.kill();
    let mut known = Vec::new();
    for caller in callers {
        let acknowledged = caller.await.unwrap();
        known.extend(acknowledged.into_iter().filter(|(at, _)| since.is_zero() || *at + since <= killed));
    }
    yard.restart();
    assert!(known.len() > 20, "only {} calls", known.len());
    known.into_iter().map(|(_, id)| id).collect()
}

/// The same label whenever it is sent.
fn label(id: &str) -> Value {
    json!({"prediction_id": id, "label": true, "at": "2030-01-01T00:00:00Z"})
}

/// Every prediction is known, and is one.
async fn all_known(yard: &Yard, ids: &[String]) {
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
    let labels: Vec<_> = ids.iter().map(|id| label(id)).collect();
    let labels = json!({"labels": labels});
    let first = yard.post("/feedback/labels", labels.clone()).await.ok();
    assert_eq!(first["unknown"], json!([]), "of {}: {first}", ids.len());
    assert_eq!((&first["added"], &first["replaced"]), (&json!(ids.len()), &json!(0)));
    let again = yard.post("/feedback/labels", labels).await.ok();
    assert_eq!((&again["added"], &again["unchanged"]), (&json!(0), &json!(ids.len())));
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_predictions_outlive_a_kill_under_load() {
    // Committed before the reply: not one is missing.
    let (dir, config) = configured("commit_interval_ms = 0\n");
    let mut yard = Yard::start(&["--config", &config]);
    yard.infer(0.0, 0.0).await.ok();
    let strict = calls_until_killed(&mut yard, Duration::ZERO).await;
    all_known(&yard, &strict).await;
    // Committed every ten milliseconds: what is older is not missing either.
    yard.kill();
    fs::write(dir.path().join("yard.toml"), "commit_interval_ms = 10\n").unwrap();
    yard.restart();
    yard.infer(0.0, 0.0).await.ok();
    let late = calls_until_killed(&mut yard, Duration::from_millis(500)).await;
    all_known(&yard, &late).await;
    // And what was acknowledged before the first kill outlived the others.
    let again = yard.post("/feedback/labels", json!({"labels": [label(&strict[0])]})).await.ok();
    assert_eq!(again["unchanged"], 1, "{again}");
    yard.sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_and_harms_nothing() {
    let Some(disk) = Small::mount(96) else { return };
    let mut yard = Yard::start_at(&disk.path().join("data"), &[]);
    yard.rows("kept", &csv(0..1000), None).await.ok();
    // More than there is room for.
    let large = vec![b'1'; 120 << 20];
    answer(yard.upload("large", large, None)).await.problem(507);
    yard.get("/ingestion/datasets/large").await.problem(404);
    assert_eq!(yard.unfinished(), Vec::<std::path::PathBuf>::new());
    yard.rows("kept", &csv(1000..2000), None).await.ok();

    // Nothing is left at all.
    let ballast = disk.path().join("ballast");
    Small::fill(&ballast);
    let detail = yard.rows("more", &csv(0..200_000), None).await.problem(507);
    assert!(detail.contains("space") || detail.contains("full"), "{detail}");
    yard.get("/health").await.ok();
    assert_eq!(ids(&yard, "kept").await, (2000, 2000));

    fs::remove_file(&ballast).unwrap();
    yard.rows("kept", &csv(2000..3000), None).await.ok();
    yard.rows("more", &csv(0..20_000), None).await.ok();
    yard.sound().await;
    yard.kill();
    yard.restart();
    assert_eq!(ids(&yard, "kept").await, (3000, 3000));
    assert_eq!(ids(&yard, "more").await, (20_000, 20_000));
    yard.sound().await;
}
