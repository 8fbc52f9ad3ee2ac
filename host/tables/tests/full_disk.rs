//! A full disk: refused with `Full`, nothing lost that was acknowledged,
//! nothing half-written, and writing goes on when there is room again.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout
)]

mod common;

use std::{path::PathBuf, process::Command};

use common::{file, open, prediction, s64s, table, texts, time, times};
use modelyard_blobs::Blobs;
use modelyard_clock::Clock;
use modelyard_tables::{Error, Label, Layout, Options, Scan, Tables, Window};

/// A file system of a few megabytes in memory.
struct Small(tempfile::TempDir);

impl Small {
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"])
            .arg(dir.path())
            .output()
            .is_ok_and(|output| output.status.success());
        if !mounted {
            println!("skipped: mounting a small tmpfs needs root");
        }
        mounted.then_some(Self(dir))
    }

    fn ballast(&self) -> PathBuf {
        self.0.path().join("ballast")
    }

    /// Takes what room there is, but for a little.
    fn fill(&self) {
        let mut size = 4 << 20;
        while size > 512 {
            let old = std::fs::read(self.ballast()).unwrap_or_default();
            let grown = vec![1; old.len() + size];
            if std::fs::write(self.ballast(), grown).is_err() {
                std::fs::write(self.ballast(), old).unwrap();
                size /= 2;
            }
        }
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

async fn open_logs_on(small: &Small, blobs: &std::path::Path) -> Tables {
    open_logs_every(small, blobs, 1).await
}

async fn open_logs_every(small: &Small, blobs: &std::path::Path, commit_interval_ms: u64) -> Tables {
    let blobs = Blobs::open(&modelyard_blobs::Options::directory(blobs)).await.unwrap();
    let options = Options { commit_interval_ms, ..Options::new(small.0.path().join("tables")) };
    Tables::open(options, blobs, Clock::system()).await.unwrap()
}

#[tokio::test]
async fn logs_refuse_and_recover() {
    let Some(small) = Small::mount() else { return };
    let blobs = tempfile::tempdir().unwrap();
    let tables = open_logs_on(&small, blobs.path()).await;
    let log = tables.predictions();
    let first = prediction("flights", 1, "2013-01-01", 1.0);
    log.append_durable(&first).await.unwrap();
    small.fill();
    let big = |x: f64| {
        let mut call = prediction("flights", 1, "2013-01-01", x);
        call.outputs.push(texts("text", &["t".repeat(100_000).as_str()]));
        call
    };
    let error = log.append_durable(&big(2.0)).await.unwrap_err();
    assert!(matches!(error, Error::Full(_)), "{error}");
    let label =
        Label { prediction_id: first.id.into(), value: "l".repeat(100_000).into(), at: time("2013-02-01") };
    let error = tables.labels().put(vec![label.clone()]).await.unwrap_err();
    assert!(matches!(error, Error::Full(_)), "{error}");
    let row = table(vec![texts("id", &["i".repeat(100_000).as_str()]), times("at", &["2013-01-01"])]);
    let error = tables.online().put("stats", &Layout::new(&["id"], "at"), &row).await.unwrap_err();
    assert!(matches!(error, Error::Full(_)), "{error}");
    assert_eq!((tables.labels().count(), tables.online().keys("stats")), (0, 0), "refused is not there");
    // Who doesn't wait is kept in memory and written when there is room.
    log.append(&big(3.0)).unwrap();
    assert!(matches!(log.flush().await, Err(Error::Full(_))));
    std::fs::remove_file(small.ballast()).unwrap();
    log.append_durable(&big(4.0)).await.unwrap();
    tables.labels().put(vec![label]).await.unwrap();
    assert_eq!(log.count("flights", None, None).await.unwrap(), 3);
    drop(tables);
    let tables = open_logs_on(&small, blobs.path()).await;
    assert_eq!(tables.predictions().count("flights", None, None).await.unwrap(), 3);
    assert_eq!(tables.labels().count(), 1);
    drop(tables);
}

#[tokio::test]
async fn what_was_refused_does_not_come_back() {
    let Some(small) = Small::mount() else { return };
    let blobs = tempfile::tempdir().unwrap();
    // Long enough for two calls to be of one commit.
    let tables = open_logs_every(&small, blobs.path(), 300).await;
    let log = tables.predictions();
    let first = prediction("flights", 1, "2013-01-01", 1.0);
    log.append_durable(&first).await.unwrap();
    small.fill();
    // The first of them fits where the file's last page has room: it is written whole, and refused.
    let fits = prediction("flights", 1, "2013-01-01", 2.0);
    let mut large = prediction("flights", 1, "2013-01-01", 3.0);
    large.outputs.push(texts("text", &["t".repeat(100_000).as_str()]));
    let refused = tokio::join!(log.append_durable(&fits), log.append_durable(&large));
    assert!(matches!(refused, (Err(Error::Full(_)), Err(Error::Full(_)))), "{refused:?}");
    drop(tables);
    let tables = open_logs_on(&small, blobs.path()).await;
    let ids = [&first, &fits, &large].map(|call| call.id.into());
    assert_eq!(tables.predictions().known(&ids).await.unwrap(), [true, false, false]);
    drop(tables);
}

#[tokio::test]
async fn dataset_files_refuse_and_recover() {
    let Some(small) = Small::mount() else { return };
    let tables = open(small.0.path()).await;
    let good = file(&tables, vec![s64s("a", &[1, 2, 3])]).await;
    small.fill();
    // Numbers without order, so that they don't compress.
    let noise: Vec<i64> =
        (1..200_000i64).map(|n| n.wrapping_mul(6_364_136_223_846_793_005).rotate_left(17)).collect();
    let batch = table(vec![s64s("a", &noise)]);
    let schema = modelyard_tables::Schema::from_arrow(&batch.schema()).unwrap();
    let error = tables.write_batches(&schema, vec![batch.clone()]).await.unwrap_err();
    assert!(matches!(error, Error::Full(_)), "{error:?}");
    assert_eq!(std::fs::read_dir(small.0.path().join("tables/tmp")).unwrap().count(), 0);
    let mut whole = tables.scan(&[good.digest], Scan::default()).await.unwrap();
    assert_eq!(whole.next_rows(10).unwrap().unwrap().num_rows(), 3);
    // Sealing fails, and the calls stay in their segment.
    std::fs::remove_file(small.ballast()).unwrap();
    tables.predictions().append_durable(&prediction("flights", 1, "2013-01-01", 1.0)).await.unwrap();
    small.fill();
    let sealed = tables.predictions().seal().await;
    assert!(matches!(sealed, Err(Error::Full(_))), "{sealed:?}");
    std::fs::remove_file(small.ballast()).unwrap();
    assert_eq!(tables.predictions().count("flights", None, None).await.unwrap(), 1);
    assert_eq!(tables.predictions().seal().await.unwrap(), 1);
    let mut window = tables.predictions().window(&Window::of("flights")).await.unwrap();
    assert_eq!(window.rows().unwrap(), 1);
    assert_eq!(tables.write_batches(&schema, vec![batch.slice(0, 1000)]).await.unwrap().rows, 1000);
}
