//! `kill -9` at the worst of times: nothing that was acknowledged is lost, and
//! nothing is there twice.

use std::{
    collections::HashSet,
    fs,
    io::Write as _,
    time::{Duration, Instant},
};

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    configured, csv, ids,
    support::{Hook, Mailbox, Yard, answer, eventually, free_port, moment, tensor},
    varied,
};

/// The rows of a data set: each is there once, and the source that gave them
/// counts as many, so it stands behind them.
async fn whole(yard: &Yard, name: &str) -> u64 {
    let (rows, different) = ids(yard, name).await;
    let source = yard.get(&format!("/ingestion/sources/{name}")).await.ok();
    assert_eq!((&json!(rows), &json!(different)), (&source["rows"], &source["rows"]), "{source}");
    rows
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
    let partly = whole(&yard, "growing").await;
    assert!(partly > 0 && partly <= last, "{partly} rows");
    // Small ones, killed at any moment, and as soon as the rows can be seen.
    for round in 0..6 {
        let versions =
            async |yard: &Yard| yard.get("/ingestion/datasets/growing").await.ok()["version"].clone();
        let before = versions(&yard).await;
        grow(last, last + 20_000);
        last += 20_000;
        yard.post("/ingestion/sources/growing/pull", json!({})).await.ok();
        match round % 2 {
            0 => while versions(&yard).await == before {},
            _ => tokio::time::sleep(moment(900)).await,
        }
        yard.kill();
        yard.restart();
        let rows = whole(&yard, "growing").await;
        assert!(rows <= last, "{rows} rows");
    }
    yard.post("/ingestion/sources/growing/pull?wait=true", json!({})).await.ok();
    assert_eq!(whole(&yard, "growing").await, last);
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
        // What the kill would have left a moment later, or earlier.
        fs::write(yard.data.join("compiled/.tmpcode"), "half of it").unwrap();
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
async fn a_large_upload_that_is_killed_is_there_whole_or_not_at_all() {
    let mut yard = Yard::start(&[]);
    // More rows than a pull commits at once.
    let rows = 1_150_000;
    let text: String =
        std::iter::once("id\n".to_owned()).chain((0..rows).map(|id| format!("{id}\n"))).collect();
    let sending = tokio::spawn(yard.upload("large", text.clone(), Some("large")).send());
    while yard.get("/ingestion/datasets/large").await.status != 200 {}
    yard.kill();
    let _ = sending.await.unwrap();
    yard.restart();
    assert_eq!(ids(&yard, "large").await, (rows, rows));
    let pulled = yard.rows("large", &text, Some("large")).await.ok();
    assert_eq!(pulled["rows"], rows, "{pulled}");
    assert_eq!(ids(&yard, "large").await, (rows, rows));
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
    // Nobody listens yet; the process ends as soon as the rows can be seen, before it answers.
    let sending = tokio::spawn(yard.upload("torn", "id,x\n1,2\n2\n3,4\n", None).send());
    while yard.get("/ingestion/datasets/torn").await.status != 200 {}
    yard.kill();
    let _ = sending.await.unwrap();
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
pub fn label(id: &str) -> Value {
    json!({"prediction_id": id, "label": true, "at": "2030-01-01T00:00:00Z"})
}

/// Every prediction is known, and is one.
pub async fn all_known(yard: &Yard, ids: &[String]) {
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
