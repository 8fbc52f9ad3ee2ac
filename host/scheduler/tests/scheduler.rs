//! Schedules on a simulated clock, on the system's clock, on two nodes, and after a crash.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::{
    collections::BTreeMap,
    num::NonZeroU32,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use modelyard_catalog::{Catalog, Options as CatalogOptions};
use modelyard_clock::{Clock, Timestamp};
use modelyard_scheduler::{Draft, Error, Firing, Handler, Job, Missed, Options, Outcome, Scheduler};
use serde_json::{Value, json};

/// Notes what it is asked to do; `parameters` say what comes of it.
struct Recorder {
    clock: Clock,
    seen: Mutex<Vec<(String, Timestamp, Timestamp, u32)>>,
}

impl Recorder {
    fn new(clock: &Clock) -> Arc<Self> {
        Arc::new(Self { clock: clock.clone(), seen: Mutex::default() })
    }

    fn ticks(&self, schedule: &str) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|(id, ..)| id == schedule).map(|(_, tick, ..)| short(*tick)).collect()
    }

    fn len(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

fn short(tick: Timestamp) -> String {
    tick.to_string().replace(":00.000000Z", "")
}

#[async_trait]
impl Handler for Recorder {
    async fn fire(&self, firing: &Firing, job: &Job) -> Result<String, String> {
        let now = self.clock.now();
        self.seen.lock().unwrap().push((firing.schedule.clone(), firing.scheduled_at, now, firing.attempt));
        match job.parameters["does"].as_str() {
            Some("fail") => Err("no data".into()),
            Some("panic") => panic!("a bug"),
            Some("wait") => std::future::pending().await,
            Some("sleep") => {
                tokio::time::sleep(Duration::from_millis(1500)).await;
                Ok("slept".into())
            }
            _ => Ok(format!("did {} to {}", job.kind, job.target)),
        }
    }
}

fn draft(id: &str, cron: &str) -> Draft {
    Draft {
        id: Some(id.into()),
        name: format!("the {id}"),
        cron: cron.into(),
        timezone: String::new(),
        missed: Missed::Once,
        job: Job { kind: "monitoring".into(), target: "delay".into(), parameters: Value::Null },
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

async fn simulated(start: &str) -> (Scheduler, Clock, Catalog) {
    let clock = Clock::simulated(at(start));
    let catalog = Catalog::open(&CatalogOptions::memory()).await.unwrap();
    (Scheduler::new(catalog.clone(), clock.clone()), clock, catalog)
}

#[tokio::test]
async fn a_year_fires_exactly_its_ticks_in_order() {
    let (scheduler, clock, _) = simulated("2013-01-01").await;
    scheduler.create(draft("daily", "0 6 * * *")).await.unwrap();
    scheduler.create(draft("monthly", "0 0 1 * *")).await.unwrap();
    let berlin = Draft { timezone: "Europe/Berlin".into(), ..draft("berlin", "30 2 * * *") };
    scheduler.create(berlin).await.unwrap();
    let fails = json!({"does": "fail"});
    let mut weekly = draft("weekly", "0 6 * * 1");
    weekly.job.parameters = fails;
    scheduler.create(weekly).await.unwrap();
    let end = at("2014-01-01");
    assert_eq!(scheduler.due(at("2013-01-03")).await.unwrap().len(), 4);

    let recorder = Recorder::new(&clock);
    let fired = scheduler.run_due(end, recorder.as_ref()).await.unwrap();
    assert_eq!(clock.now(), end);
    let mut counts = BTreeMap::new();
    for firing in &fired {
        *counts.entry(firing.schedule.as_str()).or_insert(0) += 1;
    }
    // The monthly one was made at its tick of January, which is not after its making.
    assert_eq!(counts, BTreeMap::from([("berlin", 365), ("daily", 365), ("monthly", 12), ("weekly", 52)]));
    assert!(fired.is_sorted_by_key(|firing| firing.scheduled_at));
    for (_, tick, now, attempt) in recorder.seen.lock().unwrap().iter() {
        assert_eq!((tick, *attempt), (now, 1), "the clock stands at the tick");
    }
    for firing in &fired {
        let (outcome, says) = if firing.schedule == "weekly" {
            (Outcome::Failed, "no data")
        } else {
            (Outcome::Ok, "did monitoring to delay")
        };
        assert_eq!((firing.outcome, firing.message.as_str()), (outcome, says));
        assert_eq!(firing.finished_at, Some(firing.scheduled_at));
    }
    assert!(recorder.ticks("berlin").contains(&"2013-03-31T01:00".to_owned()), "after the skipped hour");
    assert!(
        recorder.ticks("berlin").contains(&"2013-10-27T00:30".to_owned()),
        "in the first of the doubled hours"
    );
    assert!(scheduler.run_due(end, recorder.as_ref()).await.unwrap().is_empty());

    let page = scheduler.history("daily", 10, None).await.unwrap();
    assert_eq!(page.items.len(), 10);
    assert_eq!(short(page.items[0].scheduled_at), "2013-12-31T06:00");
    let next = scheduler.history("daily", 1000, page.next).await.unwrap();
    assert_eq!((next.items.len(), next.next), (355, None));
    assert_eq!(scheduler.forget(at("2013-12-01")).await.unwrap(), 334 * 2 + 10 + 47);
    assert_eq!(scheduler.history("daily", 1000, None).await.unwrap().items.len(), 31);
}

#[tokio::test]
async fn missed_ticks_are_treated_by_policy() {
    let (scheduler, clock, _) = simulated("2013-01-01").await;
    let max = NonZeroU32::new(3).unwrap();
    for (id, missed) in [("skip", Missed::Skip), ("once", Missed::Once), ("all", Missed::All { max })] {
        scheduler.create(Draft { missed, ..draft(id, "0 * * * *") }).await.unwrap();
    }
    // Down for ten hours: 01:00 to 10:00 are missed, 10:30 is now.
    clock.advance_to(at("2013-01-01T10:30:00Z")).unwrap();
    let recorder = Recorder::new(&clock);
    scheduler.run_due(at("2013-01-01T12:00:00Z"), recorder.as_ref()).await.unwrap();
    assert_eq!(recorder.ticks("skip"), ["2013-01-01T11:00", "2013-01-01T12:00"]);
    assert_eq!(recorder.ticks("once"), ["2013-01-01T10:00", "2013-01-01T11:00", "2013-01-01T12:00"]);
    assert_eq!(
        recorder.ticks("all"),
        ["2013-01-01T08:00", "2013-01-01T09:00", "2013-01-01T10:00", "2013-01-01T11:00", "2013-01-01T12:00"]
    );
    for (id, skipped, says) in [("skip", 1, "10 ticks"), ("once", 1, "9 ticks"), ("all", 1, "7 ticks")] {
        let history = scheduler.history(id, 100, None).await.unwrap().items;
        let left_out: Vec<_> = history.iter().filter(|firing| firing.outcome == Outcome::Skipped).collect();
        assert_eq!(left_out.len(), skipped, "{id}");
        assert!(left_out[0].message.contains(says), "{}", left_out[0].message);
    }
}

#[tokio::test]
async fn a_tick_that_is_a_little_late_is_not_missed() {
    let (scheduler, clock, _) = simulated("2013-01-01").await;
    scheduler.create(Draft { missed: Missed::Skip, ..draft("a", "0 * * * *") }).await.unwrap();
    clock.advance_to(at("2013-01-01T01:00:59Z")).unwrap();
    let recorder = Recorder::new(&clock);
    scheduler.run_due(clock.now(), recorder.as_ref()).await.unwrap();
    assert_eq!(recorder.ticks("a"), ["2013-01-01T01:00"]);
}

#[tokio::test]
async fn schedules_are_made_changed_paused_and_removed() {
    let (scheduler, clock, _) = simulated("2013-01-01").await;
    let made = scheduler.create(draft("a", "0 6 * * *")).await.unwrap();
    assert_eq!((made.created_at, made.next_at), (clock.now(), Some(at("2013-01-01T06:00:00Z"))));
    assert!(matches!(scheduler.create(draft("a", "0 6 * * *")).await, Err(Error::Exists(id)) if id == "a"));
    let unnamed = scheduler.create(Draft { id: None, ..draft("", "@daily") }).await.unwrap();
    assert!(!unnamed.id.is_empty());
    assert_eq!(scheduler.list().await.unwrap().len(), 2);
    assert!(scheduler.delete(&unnamed.id).await.unwrap());
    assert!(!scheduler.delete(&unnamed.id).await.unwrap());

    let recorder = Recorder::new(&clock);
    scheduler.run_due(at("2013-01-02"), recorder.as_ref()).await.unwrap();
    let paused = scheduler.pause("a").await.unwrap();
    assert_eq!((paused.enabled, paused.next_at), (false, None));
    assert_eq!(scheduler.update("a", draft("a", "0 7 * * *")).await.unwrap().next_at, None);
    scheduler.run_due(at("2013-01-05"), recorder.as_ref()).await.unwrap();
    let resumed = scheduler.resume("a").await.unwrap();
    assert_eq!(resumed.next_at, Some(at("2013-01-05T07:00:00Z")));
    scheduler.run_due(at("2013-01-06"), recorder.as_ref()).await.unwrap();
    let changed = scheduler.update("a", draft("a", "0 9 * * *")).await.unwrap();
    assert_eq!(changed.next_at, Some(at("2013-01-06T09:00:00Z")));
    scheduler.run_due(at("2013-01-07"), recorder.as_ref()).await.unwrap();
    assert_eq!(recorder.ticks("a"), ["2013-01-01T06:00", "2013-01-05T07:00", "2013-01-06T09:00"]);
    assert_eq!(scheduler.get("a").await.unwrap().last_at, Some(at("2013-01-06T09:00:00Z")));

    for result in [
        scheduler.pause("b").await,
        scheduler.resume("b").await,
        scheduler.update("b", draft("b", "@daily")).await,
    ] {
        assert!(matches!(result, Err(Error::NotFound(id)) if id == "b"));
    }
}

#[tokio::test]
async fn bad_schedules_are_refused_with_reasons() {
    let (scheduler, _, _) = simulated("2013-01-01").await;
    for (cron, says) in [
        ("every day", "it has 2 fields"),
        ("61 * * * *", "61"),
        ("0 0 30 2 *", "it never fires"),
        ("0 0 0 1 1 * 2012", "it never fires"),
        ("* * * * 9", "\"9\" is no day of the week"),
    ] {
        let error = scheduler.create(draft("a", cron)).await.unwrap_err();
        assert!(matches!(error, Error::BadCron { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(cron) && text.contains(says) && text.contains("five crontab fields"), "{text}");
    }
    let lost = Draft { timezone: "Europe/Berln".into(), ..draft("a", "@daily") };
    let text = scheduler.create(lost).await.unwrap_err().to_string();
    assert!(text.contains("\"Europe/Berln\"") && text.contains("did you mean Europe/Berlin"), "{text}");
    assert!(scheduler.list().await.unwrap().is_empty());
    let ticks = scheduler.preview("0 12 * * *", "America/New_York", 2).unwrap();
    assert_eq!(ticks.into_iter().map(short).collect::<Vec<_>>(), ["2013-01-01T17:00", "2013-01-02T17:00"]);
    assert!(scheduler.preview("x", "", 1).is_err());
}

#[tokio::test]
async fn a_panic_fails_its_firing_only() {
    let (scheduler, clock, _) = simulated("2013-01-01").await;
    let mut panics = draft("a", "@hourly");
    panics.job.parameters = json!({"does": "panic"});
    scheduler.create(panics).await.unwrap();
    scheduler.create(draft("b", "@hourly")).await.unwrap();
    let fired = scheduler.run_due(at("2013-01-01T02:00:00Z"), Recorder::new(&clock).as_ref()).await.unwrap();
    assert_eq!(fired.len(), 4);
    assert!(fired[0].outcome == Outcome::Failed && fired[0].message.contains("a bug"), "{:?}", fired[0]);
    assert_eq!(fired[1].outcome, Outcome::Ok);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_several_nodes_one_fires_each_tick() {
    let clock = Clock::simulated(at("2013-01-01"));
    let catalog = Catalog::open(&CatalogOptions::memory()).await.unwrap();
    let node = |name: &str| {
        let options = Options { node: name.into(), alone: false, ..Options::new(&catalog) };
        Scheduler::with_options(catalog.clone(), clock.clone(), options)
    };
    let nodes = [node("one"), node("two"), node("three")];
    for id in ["a", "b"] {
        nodes[0]
            .create(Draft {
                missed: Missed::All { max: NonZeroU32::new(1000).unwrap() },
                ..draft(id, "@hourly")
            })
            .await
            .unwrap();
    }
    clock.advance_to(at("2013-01-03")).unwrap();
    let recorder = Recorder::new(&clock);
    let mut tasks = tokio::task::JoinSet::new();
    for node in nodes.clone() {
        let recorder = recorder.clone();
        tasks.spawn(async move { node.run_due(at("2013-01-03"), recorder.as_ref()).await.unwrap().len() });
    }
    let total: usize = tasks.join_all().await.into_iter().sum();
    assert_eq!((total, recorder.len()), (96, 96));
    for id in ["a", "b"] {
        let mut ticks = recorder.ticks(id);
        ticks.sort();
        ticks.dedup();
        assert_eq!(ticks.len(), 48);
    }
}

#[tokio::test]
async fn what_a_killed_process_left_running_is_run_again_by_policy() {
    let directory = tempfile::tempdir().unwrap();
    let options = CatalogOptions::directory(directory.path());
    let clock = Clock::simulated(at("2013-01-01"));
    {
        let catalog = Catalog::open(&options).await.unwrap();
        let scheduler = Scheduler::new(catalog, clock.clone());
        for (id, missed) in [("again", Missed::Once), ("skip", Missed::Skip)] {
            let mut waits = draft(id, "@hourly");
            waits.job.parameters = json!({"does": "wait"});
            waits.missed = missed;
            scheduler.create(waits).await.unwrap();
        }
        // Dropping the future in the middle of the handler is what a kill looks like in the store.
        for _ in 0..2 {
            let recorder = Recorder::new(&clock);
            let until = at("2013-01-01T01:00:00Z");
            let cut =
                tokio::time::timeout(Duration::from_millis(700), scheduler.run_due(until, recorder.as_ref()))
                    .await;
            assert!(cut.is_err() && recorder.len() == 1, "its own running firings are not taken over");
        }
        let mut done = draft("again", "@hourly");
        done.job.parameters = json!({});
        scheduler.update("again", done).await.unwrap();
    }
    let catalog = Catalog::open(&options).await.unwrap();
    let scheduler = Scheduler::new(catalog.clone(), clock.clone());
    let recorder = Recorder::new(&clock);
    let fired = scheduler.run_due(at("2013-01-01T01:30:00Z"), recorder.as_ref()).await.unwrap();
    assert_eq!(fired.len(), 1);
    assert_eq!((fired[0].schedule.as_str(), fired[0].attempt, fired[0].outcome), ("again", 2, Outcome::Ok));
    assert_eq!(recorder.ticks("again"), ["2013-01-01T01:00"]);
    let skipped = &scheduler.history("skip", 10, None).await.unwrap().items[0];
    assert_eq!(skipped.outcome, Outcome::Failed);
    assert!(skipped.message.contains("is gone"), "{}", skipped.message);

    // On a shared store a foreign firing is left alone until its lease has expired.
    let mut running = skipped.clone();
    running.outcome = Outcome::Running;
    running.schedule = "again".into();
    running.lease_until = Timestamp::from(chrono::Utc::now()) + Duration::from_secs(60);
    catalog.table::<Firing>().put(&running).await.unwrap();
    let shared = Options { alone: false, ..Options::new(&catalog) };
    let other = Scheduler::with_options(catalog.clone(), clock.clone(), shared);
    assert!(other.run_due(clock.now(), recorder.as_ref()).await.unwrap().is_empty());
    running.lease_until = Timestamp::from(chrono::Utc::now()) - Duration::from_secs(1);
    catalog.table::<Firing>().put(&running).await.unwrap();
    assert_eq!(other.run_due(clock.now(), recorder.as_ref()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_loop_fires_on_the_systems_clock_without_overlaps_and_ends_cleanly() {
    let clock = Clock::system();
    let catalog = Catalog::open(&CatalogOptions::memory()).await.unwrap();
    let scheduler = Scheduler::new(catalog, clock.clone());
    let mut slow = draft("slow", "* * * * * *");
    slow.job.parameters = json!({"does": "sleep"});
    scheduler.create(slow).await.unwrap();
    let recorder = Recorder::new(&clock);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn({
        let (scheduler, recorder) = (scheduler.clone(), recorder.clone());
        async move { scheduler.run(recorder, async { _ = stopped.await }).await }
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    scheduler.create(draft("quick", "* * * * * *")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(4800)).await;
    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
    let (quick, slow) = (recorder.ticks("quick").len(), recorder.ticks("slow").len());
    assert!((3..=6).contains(&quick) && (2..=4).contains(&slow), "{quick} {slow}");
    let history = scheduler.history("slow", 100, None).await.unwrap().items;
    assert!(
        history.iter().all(|firing| firing.outcome == Outcome::Ok),
        "what ran was waited for: {history:?}"
    );
    let spans: Vec<_> =
        history.iter().rev().map(|firing| (firing.started_at, firing.finished_at.unwrap())).collect();
    assert!(spans.windows(2).all(|pair| pair[0].1 <= pair[1].0), "no overlaps: {spans:?}");
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!(recorder.ticks("quick").len(), quick, "nothing fires after the end");
}
