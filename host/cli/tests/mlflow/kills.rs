//! What a server that is killed in the middle of something keeps: all that it
//! acknowledged, and nothing by half.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    time::Duration,
};

use serde_json::{Value, json};

use crate::support::{Yard, moment};

const API: &str = "/api/2.0/mlflow";
const FILES: &str = "/api/2.0/mlflow-artifacts";

async fn post(client: &reqwest::Client, url: &str, path: &str, body: &Value) -> Option<Value> {
    let answer = client.post(format!("{url}{path}")).json(body).send().await.ok()?;
    let good = answer.status().is_success();
    let body = answer.json().await.ok()?;
    assert!(good, "{path}: {body}");
    Some(body)
}

async fn get(yard: &Yard, path: &str) -> Value {
    let answer = yard.client.get(format!("{}{path}", yard.url)).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{path}");
    answer.json().await.unwrap()
}

/// Batches, each of two metrics at one step and a parameter of its own.
#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_batches_survive_and_none_is_half_there() {
    const POINTS: usize = 40;
    let mut yard = Yard::start(&[]);
    let run =
        post(&yard.client, &yard.url, &format!("{API}/runs/create"), &json!({"experiment_id": "0"})).await;
    let run = run.unwrap()["run"]["info"]["run_id"].as_str().unwrap().to_owned();
    let mut acknowledged = BTreeSet::new();
    let mut next = 0_u64;
    for _ in 0..3 {
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let (client, url, run) = (yard.client.clone(), yard.url.clone(), run.clone());
                let first = next + writer * 10_000;
                tokio::spawn(async move {
                    let mut done = Vec::new();
                    for batch in first.. {
                        let metric = |key: &str, at: usize| json!({"key": key, "value": at, "timestamp": at, "step": batch});
                        let metrics: Vec<Value> =
                            (0..POINTS).map(|at| metric(if at % 2 == 0 { "even" } else { "odd" }, at)).collect();
                        let params = json!([{"key": format!("p{batch}"), "value": "1"}]);
                        let body = json!({"run_id": run, "metrics": metrics, "params": params});
                        match post(&client, &url, &format!("{API}/runs/log-batch"), &body).await {
                            Some(_) => done.push(batch),
                            None => return done,
                        }
                    }
                    done
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(300) + moment(300)).await;
        yard.kill();
        for writer in writers {
            acknowledged.extend(writer.await.unwrap());
        }
        next += 100_000;
        yard.restart();
    }
    assert!(acknowledged.len() > 10, "{}", acknowledged.len());
    let mut points: BTreeMap<u64, usize> = BTreeMap::new();
    for key in ["even", "odd"] {
        let history = get(&yard, &format!("{API}/metrics/get-history?run_id={run}&metric_key={key}")).await;
        for point in history["metrics"].as_array().unwrap() {
            *points.entry(point["step"].as_u64().unwrap_or(0)).or_default() += 1;
        }
    }
    let read = get(&yard, &format!("{API}/runs/get?run_id={run}")).await;
    let params = read["run"]["data"]["params"].as_array().unwrap();
    let params: BTreeSet<u64> =
        params.iter().map(|param| param["key"].as_str().unwrap()[1..].parse().unwrap()).collect();
    assert!(acknowledged.is_subset(&params), "an acknowledged batch is gone");
    assert_eq!(params, points.keys().copied().collect(), "a batch is there by half");
    assert!(points.values().all(|count| *count == POINTS), "a batch is there by half");
    yard.sound().await;
}

/// The address of a part at the server as it listens now.
fn here(yard: &Yard, credential: &Value) -> String {
    let url = credential["url"].as_str().unwrap();
    let path = url.splitn(4, '/').nth(3).unwrap();
    format!("{}/{path}", yard.url)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_in_parts_goes_on_after_a_kill_and_is_never_half_there() {
    const PART: usize = 6 << 20;
    let mut yard = Yard::start(&[]);
    let part = |number: usize| vec![u8::try_from(number).unwrap(); PART];
    let asked = json!({"path": "/home/ann/whole.bin", "num_parts": 4});
    let begun = post(&yard.client, &yard.url, &format!("{FILES}/mpu/create/0/run"), &asked).await.unwrap();
    let credentials = begun["credentials"].as_array().unwrap().clone();
    let send = async |yard: &Yard, number: usize| {
        let request = yard.client.put(here(yard, &credentials[number - 1])).body(part(number));
        request.send().await.is_ok_and(|answer| answer.status().is_success())
    };
    assert!(send(&yard, 1).await);
    // The second is killed on its way.
    {
        let (client, url) = (yard.client.clone(), here(&yard, &credentials[1]));
        let chunks = futures::stream::unfold(0, |at| async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            (at < 400).then_some((Ok::<_, std::io::Error>(vec![2_u8; 16 << 10]), at + 1))
        });
        let sending = tokio::spawn(client.put(url).body(reqwest::Body::wrap_stream(chunks)).send());
        tokio::time::sleep(Duration::from_millis(200)).await;
        yard.kill();
        assert!(sending.await.unwrap().is_err());
    }
    yard.restart();
    let parts: Vec<Value> = (1..=4).map(|number| json!({"part_number": number, "etag": ""})).collect();
    let complete = json!({"path": "/home/ann/whole.bin", "upload_id": begun["upload_id"], "parts": parts});
    let early = yard
        .client
        .post(format!("{}{FILES}/mpu/complete/0/run", yard.url))
        .json(&complete)
        .send()
        .await
        .unwrap();
    assert_eq!(early.status(), 400);
    let listed = get(&yard, &format!("{FILES}/artifacts?path=0/run")).await;
    assert_eq!(listed, json!({"files": []}));
    for number in 2..=4 {
        assert!(send(&yard, number).await);
    }
    // Killed while the parts are put together, it is there whole or not at all.
    let (client, url) = (yard.client.clone(), yard.url.clone());
    let completing = {
        let complete = complete.clone();
        tokio::spawn(
            async move { post(&client, &url, &format!("{FILES}/mpu/complete/0/run"), &complete).await },
        )
    };
    tokio::time::sleep(moment(30)).await;
    yard.kill();
    let acknowledged = completing.await.unwrap().is_some();
    yard.restart();
    let fetch = async |yard: &Yard| {
        let answer =
            yard.client.get(format!("{}{FILES}/artifacts/0/run/whole.bin", yard.url)).send().await.unwrap();
        (answer.status().as_u16(), answer.bytes().await.unwrap())
    };
    let (mut status, mut bytes) = fetch(&yard).await;
    assert!(status == 200 || !acknowledged, "an acknowledged file is gone");
    if status == 404 {
        post(&yard.client, &yard.url, &format!("{FILES}/mpu/complete/0/run"), &complete).await.unwrap();
        (status, bytes) = fetch(&yard).await;
    }
    let whole: Vec<u8> = (1..=4).flat_map(part).collect();
    assert_eq!(status, 200);
    assert!(bytes == whole, "the file is not what was sent");
    // A signature is good for its own part alone.
    let forged = here(&yard, &credentials[0]).replace("/1?", "/2?");
    assert_eq!(yard.client.put(forged).body("x").send().await.unwrap().status(), 403);
    assert_eq!(fs::read_dir(yard.data.join("tracking/artifacts/staging")).unwrap().count(), 0);
    yard.sound().await;
}
