//! Load: a change of versions loses no request, too much is turned away, and a
//! model that hangs or crashes hinders no other.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use serde_json::json;

use crate::{Yard, deployed, infer, with_steps};

#[tokio::test(flavor = "multi_thread")]
async fn deploying_over_a_running_version_loses_no_request() {
    let yard = Arc::new(Yard::start(&[]));
    let run = yard.post("/experiments/side/runs?wait=true", json!({})).await.ok();
    let second = yard.post("/registry/models/side/versions", json!({"run": run["id"]})).await.ok();
    assert_eq!(second["version"], 2);
    let (stop, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let caller = |_| {
        let (yard, stop, calls) = (yard.clone(), stop.clone(), calls.clone());
        tokio::spawn(async move {
            let mut versions = BTreeSet::new();
            while !stop.load(Relaxed) {
                let answer = infer(&yard, "live", &[("x1", &[0.5]), ("x2", &[0.5])]).await.ok();
                versions.insert(answer["model_version"].as_str().unwrap().to_owned());
                calls.fetch_add(1, Relaxed);
            }
            versions
        })
    };
    deployed(&yard, "live", json!({})).await.ok();
    let callers: Vec<_> = (0..16).map(caller).collect();
    for change in 0..20 {
        let routes = json!([{"version": 2 - change % 2}]);
        // Now and then with another limit, so that it is more than the routes.
        let limits = json!({"deadline_ms": 20_000, "concurrency": 16 + change});
        deployed(&yard, "live", json!({"routes": routes, "limits": limits})).await.ok();
        let before = calls.load(Relaxed);
        crate::support::eventually("more calls", async || calls.load(Relaxed) > before + 50).await;
    }
    stop.store(true, Relaxed);
    let mut versions = BTreeSet::new();
    for caller in callers {
        // A call that was not answered 200 has failed its caller.
        versions.extend(caller.await.unwrap());
    }
    assert_eq!(versions.into_iter().collect::<Vec<_>>(), ["1", "2"]);
    let stats = yard.get("/v2/models/live/stats").await.ok();
    assert_eq!(stats["deployment"]["errors"].as_u64().unwrap_or(0), 0, "{stats}");
    yard.sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_is_turned_away_and_what_was_taken_is_answered() {
    let yard = Arc::new(with_steps(&["rogue"]).await);
    let limits = json!({"deadline_ms": 2_000, "concurrency": 1, "queue": 3, "batching": false});
    deployed(&yard, "narrow", json!({"before": [{"plugin": "rogue"}], "limits": limits})).await.ok();
    // One that hangs holds the only place until its deadline.
    let call = |x1: f64| {
        let yard = yard.clone();
        tokio::spawn(async move {
            let body = json!({"inputs": [crate::support::tensor("x1", json!([x1])),
                crate::support::tensor("x2", json!([0.0]))]});
            let request = yard.request(reqwest::Method::POST, "/v2/models/narrow/infer").json(&body);
            let response = request.send().await.unwrap();
            let after = response.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
            (response.status().as_u16(), after)
        })
    };
    let stuck = call(100.0);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let calls: Vec<_> = (0..30).map(|_| call(0.5)).collect();
    let (mut answered, mut refused) = (0, 0);
    for call in calls {
        match call.await.unwrap() {
            (200, _) => answered += 1,
            (503, Some(after)) => {
                assert!(after.parse::<u64>().unwrap() > 0, "{after}");
                refused += 1;
            }
            // Waited for its place until its own deadline.
            (504, _) => answered += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((answered, refused), (3, 27), "three may wait");
    assert_eq!(stuck.await.unwrap().0, 504);
    assert_eq!(call(0.5).await.unwrap().0, 200);
    yard.sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_or_crashing_model_hinders_no_neighbour() {
    let yard = Arc::new(with_steps(&["rogue"]).await);
    let rogue = json!({"before": [{"plugin": "rogue"}],
        "limits": {"deadline_ms": 6_000, "concurrency": 8, "batching": false}});
    deployed(&yard, "rogue", rogue).await.ok();
    deployed(&yard, "neighbour", json!({})).await.ok();
    // More that hang than there are cores, and some that crash all the time.
    let hanging: Vec<_> = (0..6)
        .map(|_| {
            let yard = yard.clone();
            tokio::spawn(
                async move { infer(&yard, "rogue", &[("x1", &[100.0]), ("x2", &[0.0])]).await.status },
            )
        })
        .collect();
    let stop = Arc::new(AtomicBool::new(false));
    let crashing = {
        let (yard, stop) = (yard.clone(), stop.clone());
        tokio::spawn(async move {
            let mut crashes = 0_u64;
            while !stop.load(Relaxed) {
                let answer = infer(&yard, "rogue", &[("x1", &[200.0]), ("x2", &[0.0])]).await;
                assert_eq!(answer.status, 502, "{answer:?}");
                crashes += 1;
            }
            crashes
        })
    };
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut answered = 0;
    while !hanging.iter().any(tokio::task::JoinHandle::is_finished) {
        infer(&yard, "neighbour", &[("x1", &[0.5]), ("x2", &[0.5])]).await.ok();
        answered += 1;
    }
    stop.store(true, Relaxed);
    // Before the first of the stuck calls came to its end.
    assert!(answered > 100, "only {answered} calls of the neighbour were answered");
    assert!(crashing.await.unwrap() > 10);
    for call in hanging {
        assert_eq!(call.await.unwrap(), 504);
    }
    yard.sound().await;
}
