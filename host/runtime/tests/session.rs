//! Calls of plugins on the cold path: what is lent, what is limited, and what a
//! failed call says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use common::{f64s, fp64, home, home_with, limits};
use modelyard_runtime::types::{ColumnData, Field, GuestError, Settings, Table, Task, Unavailable};
use modelyard_runtime::{
    BatchSource, CallError, Capability, Error, Fault, Grants, Limits, Object, Objects, Progress, Session,
    Tables,
};
use parking_lot::Mutex;

/// Serves `mem:<bytes>`; `hang:` never answers and `down:` says so.
struct Served;

struct Bytes(Vec<u8>, bool);

#[async_trait]
impl Objects for Served {
    async fn open(&self, url: &str, _headers: &[(String, String)]) -> Result<Box<dyn Object>, GuestError> {
        match url.split_once(':') {
            Some(("mem", bytes)) => Ok(Box::new(Bytes(bytes.into(), false))),
            Some(("liar", bytes)) => Ok(Box::new(Bytes(bytes.into(), true))),
            Some(("hang", _)) => std::future::pending().await,
            _ => Err(GuestError::Unavailable(Unavailable {
                message: format!("{url} does not answer"),
                retry_after_ms: Some(1500),
            })),
        }
    }
}

#[async_trait]
impl Object for Bytes {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }
    fn version(&self) -> String {
        "1".into()
    }
    fn header(&self, _name: &str) -> Option<String> {
        None
    }
    async fn read(&mut self, offset: u64, length: u32) -> Result<Vec<u8>, GuestError> {
        let rest = self.0.get(offset as usize..).unwrap_or_default();
        let length = if self.1 { usize::MAX } else { length as usize };
        Ok(rest[..rest.len().min(length)].to_vec())
    }
}

#[derive(Default)]
struct Watched {
    stop: bool,
    seen: Mutex<Vec<String>>,
}

impl Progress for Watched {
    fn report(&self, fraction: f64, message: &str) {
        self.seen.lock().push(format!("{fraction} {message}"));
    }
    fn metric(&self, name: &str, step: u64, value: f64) {
        self.seen.lock().push(format!("{name} {step} {value}"));
    }
    fn cancelled(&self) -> bool {
        self.stop
    }
}

fn grants() -> Grants {
    Grants {
        progress: Some(Arc::new(Watched::default())),
        objects: Some(Arc::new(Served)),
        ..Grants::default()
    }
}

async fn ingestion(limits: Limits) -> Session {
    home().plugin("ingestion").await.session(limits, grants()).await.unwrap()
}

/// One pull in a session of its own.
async fn pull(parameters: &str, url: &str, limits: Limits) -> CallError {
    ingestion(limits).await.pull(parameters, Some(url), &[], 10).await.unwrap_err()
}

fn s64(table: &Table, column: usize) -> i64 {
    match &table[column].data {
        ColumnData::S64(values) => values[0],
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_granted_object_is_read_in_pieces() {
    let mut session = ingestion(limits()).await;
    let text = "a".repeat(2500);
    let batch = session.pull("read", Some(&format!("mem:{text}")), &[], 10).await.unwrap();
    assert_eq!((s64(&batch.rows, 0), s64(&batch.rows, 1)), (2500, 2500 * 97));
    // A source that gives more than it was asked for overruns nobody.
    let batch = session.pull("read", Some(&format!("liar:{text}")), &[], 10).await.unwrap();
    assert_eq!(s64(&batch.rows, 1), 2500 * 97);
    let usage = session.usage();
    assert_eq!(usage.calls, 2);
    assert!(usage.memory_peak_bytes > 0 && usage.wall > Duration::ZERO);
}

#[tokio::test]
async fn what_is_not_granted_is_refused_by_name() {
    let plugin = home().plugin("ingestion").await;
    let refused = |grants| {
        let plugin = plugin.clone();
        async move {
            match plugin.session(limits(), grants).await.map(drop) {
                Err(Error::NotGranted(capability)) => capability,
                other => panic!("{other:?}"),
            }
        }
    };
    assert_eq!(refused(Grants { objects: None, ..grants() }).await, Capability::Objects);
    assert_eq!(refused(Grants { progress: None, ..grants() }).await, Capability::Progress);
    assert_eq!(refused(Grants { log: false, ..grants() }).await, Capability::Log);
    // What the plugin says of itself needs nothing.
    assert_eq!(plugin.describe().await.unwrap().summary, "Reads");
}

#[tokio::test]
async fn a_call_of_another_kind_is_refused() {
    let mut session = ingestion(limits()).await;
    let error = session.transform(&vec![f64s("x", &[1.0])]).await.unwrap_err();
    assert!(matches!(error.fault, Fault::Unsupported(_)), "{error:?}");
    assert!(session.pull("ok", None, &[], 10).await.is_ok(), "the session lives on");
}

#[tokio::test]
async fn a_plugins_own_errors_come_through() {
    let error = pull("read", "down:", limits()).await;
    let expected = Fault::Unavailable {
        message: "down: does not answer".into(),
        retry_after: Some(Duration::from_millis(1500)),
    };
    assert_eq!(error.fault, expected);
}

#[tokio::test]
async fn a_panic_comes_with_its_message_stack_and_log() {
    let error = pull("log", "", Limits { log_lines: 10, ..limits() }).await;
    match &error.fault {
        Fault::Panicked { message, backtrace } => {
            assert!(message.contains("after logging") && message.contains("lib.rs:"), "{message}");
            assert!(backtrace.contains("pull"), "{backtrace}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(error.log.lines.len(), 10);
    assert_eq!(error.log.lines[0].message, "line 0");
    assert_eq!(error.log.dropped, 11);
    let error = pull("log", "", limits()).await;
    let last = &error.log.lines.last().unwrap().message;
    assert!(last.starts_with("ää") && last.len() <= 4096, "a long line is cut: {}", last.len());
}

#[tokio::test]
async fn a_session_is_over_after_a_trap() {
    let mut session = ingestion(limits()).await;
    session.pull("log", None, &[], 10).await.unwrap_err();
    let error = session.pull("ok", None, &[], 10).await.unwrap_err();
    match &error.fault {
        Fault::Ended(why) => assert!(why.contains("after logging"), "{why}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(session.usage().log.lines.len(), 21, "the log outlives the instance");
}

#[tokio::test]
async fn a_hanging_source_is_cut_by_the_deadline() {
    let start = Instant::now();
    let error = pull("read", "hang:", Limits { deadline: Duration::from_millis(200), ..limits() }).await;
    assert_eq!(error.fault, Fault::Deadline(Duration::from_millis(200)));
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn a_plugin_never_holds_more_memory_than_its_limit() {
    // That it ends without memory is no proof: it would at the end of its address space, too.
    let limit = 64 << 20;
    let limits = Limits { memory_bytes: limit, ..limits() };
    let plugin = home().plugin("scoring").await;
    let mut session = plugin.session(limits, Grants::default()).await.unwrap();
    let error = session.predict(&[fp64("grow", &[1.0])]).await.unwrap_err();
    assert_eq!(error.fault, Fault::OutOfMemory(limit));
    let peak = usize::try_from(session.usage().memory_peak_bytes).unwrap();
    assert!((limit / 2..=limit).contains(&peak), "{peak} bytes");
}

#[tokio::test]
async fn host_calls_and_handles_are_counted() {
    let error = pull("calls", "", Limits { host_calls: 1000, ..limits() }).await;
    assert_eq!(error.fault, Fault::TooManyHostCalls(1000));
    let error = pull("handles", "mem:x", Limits { handles: 20, ..limits() }).await;
    assert_eq!(error.fault, Fault::TooManyHandles(20));
}

#[tokio::test]
async fn progress_is_told_and_cancellation_heard() {
    let plugin = home().plugin("ingestion").await;
    let watched = Arc::new(Watched::default());
    let grants = |watched: &Arc<Watched>| Grants { progress: Some(Arc::clone(watched) as _), ..grants() };
    let mut session = plugin.session(limits(), grants(&watched)).await.unwrap();
    session.pull("progress", None, &[], 10).await.unwrap();
    assert_eq!(*watched.seen.lock(), ["0.5 half", "rows 1 2"]);
    let stopped = Arc::new(Watched { stop: true, ..Watched::default() });
    let mut session = plugin.session(limits(), grants(&stopped)).await.unwrap();
    assert_eq!(session.pull("progress", None, &[], 10).await.unwrap_err().fault, Fault::Cancelled);
}

#[tokio::test]
async fn a_batch_that_breaks_the_contract_is_named() {
    for (wrong, words) in [
        ("unequal", "column `b` has 1 rows and column `a` has 2"),
        ("twice", "two columns are called `a`"),
        ("schema", "column `c` where the schema has `b`"),
        ("many", "11 rows where 10 were asked for"),
    ] {
        match pull(wrong, "", limits()).await.fault {
            Fault::BadOutput(what) => assert!(what.contains(words), "{wrong}: {what}"),
            other => panic!("{wrong}: {other:?}"),
        }
    }
}

/// A plugin that breaks the contract, and says so in these words.
#[track_caller]
fn broken<T>(outcome: Result<T, CallError>, words: &str) {
    match outcome.map(drop).map_err(|error| error.fault) {
        Err(Fault::BadOutput(what)) => assert!(what.contains(words), "{what}"),
        other => panic!("{words}: {other:?}"),
    }
}

#[tokio::test]
async fn what_is_measured_as_nan_is_refused_whoever_measured_it() {
    let data = || -> Box<dyn BatchSource> { Box::new(Tables::new(vec![f64s("x", &[1.0])]).unwrap()) };
    let open = async |kind| home().plugin(kind).await.session(limits(), grants()).await.unwrap();
    let mut session = open("evaluation").await;
    session.evaluate("", data()).await.unwrap();
    broken(session.evaluate("metric", data()).await, "the metric `auc` is NaN");
    broken(session.evaluate("curve", data()).await, "the curve `roc` is NaN");

    let mut session = open("training").await;
    let settings = |parameters: &str| Settings {
        task: Task::Regression,
        target: "x".into(),
        weight: None,
        ignore: vec![],
        seed: 1,
        parameters: parameters.into(),
    };
    session.train(&settings(""), data(), None).await.unwrap();
    session.train(&settings(""), data(), Some(data())).await.unwrap();
    broken(session.train(&settings("metric"), data(), None).await, "the metric `loss` is NaN");
    broken(
        session.train(&settings("importance"), data(), Some(data())).await,
        "the importance of `x` is NaN",
    );

    let mut session = open("monitoring").await;
    session.check("", data(), data()).await.unwrap();
    broken(session.check("metric", data(), data()).await, "the metric `psi` is NaN");
    broken(session.check("finding", data(), data()).await, "the finding `psi` is NaN");
}

#[tokio::test]
async fn a_wrong_shape_is_named_on_the_cold_path_too() {
    let plugin = home().plugin("scoring").await;
    let mut session = plugin.session(limits(), Grants::default()).await.unwrap();
    broken(session.predict(&[fp64("shape", &[1.0, 2.0])]).await, "[3] and 2 elements");
}

#[tokio::test]
async fn features_are_fitted_loaded_and_transformed() {
    let plugin = home().plugin("features").await;
    let mut session = plugin.session(limits(), Grants::default()).await.unwrap();
    let data = || Box::new(Tables::new(vec![f64s("x", &[1.0, 2.0, 3.0, 4.0, 5.0])]).unwrap());
    let state = session.fit("", data()).await.unwrap();
    assert_eq!(state, 3f64.to_le_bytes());
    let error = session.fit("again", data()).await.unwrap_err();
    assert!(error.to_string().contains("trapped"), "it counted twice the rows: {error}");
    let mut session = plugin.session(limits(), Grants::default()).await.unwrap();
    let schema = session.load_features(&state).await.unwrap();
    assert_eq!(schema[0].name, "x_centred");
    let out = session.transform(&vec![f64s("x", &[4.0, f64::NAN])]).await.unwrap();
    match &out[0].data {
        ColumnData::F64(values) => assert!(values[0] == 1.0 && values[1].is_nan()),
        other => panic!("{other:?}"),
    }
    let short = vec![f64s("x", &[1.0, 2.0]), f64s("short", &[0.0, 0.0])];
    let error = session.transform(&short).await.unwrap_err();
    assert!(matches!(&error.fault, Fault::BadOutput(what) if what.contains("1 rows")), "{error:?}");
    let unequal = vec![f64s("x", &[1.0]), f64s("y", &[1.0, 2.0])];
    let error = session.transform(&unequal).await.unwrap_err();
    assert!(matches!(error.fault, Fault::InvalidInput(_)), "{error:?}");
}

/// A source that breaks a promise.
struct Liar(&'static str);

#[async_trait]
impl BatchSource for Liar {
    fn schema(&self) -> Vec<Field> {
        Tables::new(vec![f64s("x", &[1.0])]).unwrap().schema()
    }
    fn rows(&self) -> u64 {
        1
    }
    async fn next(&mut self, _max_rows: u32) -> Result<Option<Table>, String> {
        match self.0 {
            "hangs" => std::future::pending().await,
            "unequal" => Ok(Some(vec![f64s("x", &[1.0]), f64s("y", &[])])),
            "other columns" => Ok(Some(vec![f64s("y", &[1.0])])),
            "too many" => Ok(Some(vec![f64s("x", &[1.0; 3])])),
            "endless" => Ok(Some(vec![f64s("x", &[1.0])])),
            other => Err(other.into()),
        }
    }
    async fn rewind(&mut self) -> Result<(), String> {
        Ok(())
    }
}

#[tokio::test]
async fn a_lying_reader_reaches_no_guest_and_ends_in_time() {
    let plugin = home().plugin("features").await;
    // Nothing but the deadline may end the endless one.
    let limits = Limits { deadline: Duration::from_millis(300), host_calls: u64::MAX, ..limits() };
    for (lie, words) in [
        ("unequal", "has 0 rows"),
        ("other columns", "`y` where the schema has `x`"),
        ("too many", "3 rows where 2 were asked for"),
        ("the disk is gone", "the disk is gone"),
        ("hangs", "longer than 300 ms"),
        ("endless", "longer than 300 ms"),
    ] {
        let mut session = plugin.session(limits, Grants::default()).await.unwrap();
        let error = session.fit("", Box::new(Liar(lie))).await.unwrap_err();
        assert!(error.to_string().contains(words), "{lie}: {error}");
    }
}

#[tokio::test]
async fn sessions_wait_for_a_place_and_no_longer_than_their_deadline() {
    let home = home_with(|options| options.max_instances = 1);
    let plugin = home.plugin("ingestion").await;
    let held = plugin.session(limits(), grants()).await.unwrap();
    let short = Limits { deadline: Duration::from_millis(100), ..limits() };
    match plugin.session(short, grants()).await.map(drop) {
        Err(Error::Busy { limit, .. }) => assert_eq!(limit, 1),
        other => panic!("{other:?}"),
    }
    let turns = AtomicU32::new(0);
    let wait = async {
        let session = plugin.session(limits(), grants()).await;
        assert_eq!(turns.load(Ordering::SeqCst), 1);
        session.map(drop)
    };
    let release = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        turns.store(1, Ordering::SeqCst);
        drop(held);
    };
    let (waited, ()) = tokio::join!(wait, release);
    waited.unwrap();
    assert_eq!(home.runtime.free_instances(), 1);
}
