//! The power fails: what was acknowledged is on the disk, and not only on its way
//! there.

use std::{path::Path, process::Command};

use reqwest::Method;
use serde_json::json;

use crate::{
    configured, csv, ids,
    kills::{all_known, label},
    support::{Yard, answer},
    varied,
};

/// A file system in a file, which holds what a disk would hold: what is not
/// synced reaches it late.
struct Disk {
    image: tempfile::NamedTempFile,
    at: tempfile::TempDir,
}

impl Disk {
    fn new(megabytes: u64) -> Option<Self> {
        let image = tempfile::NamedTempFile::new().unwrap();
        image.as_file().set_len(megabytes << 20).unwrap();
        let made = Command::new("mkfs.ext4").args(["-q", "-F"]).arg(image.path()).output();
        let made = made.is_ok_and(|output| output.status.success());
        let disk = if made { Self::mount(image) } else { None };
        if disk.is_none() {
            println!("skipped: a disk of our own needs root, mkfs.ext4 and a loop device");
        }
        disk
    }

    fn mount(image: tempfile::NamedTempFile) -> Option<Self> {
        let at = tempfile::tempdir().unwrap();
        // The journal is not to be written just because time has passed.
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-o", "loop,commit=600"]).arg(image.path()).arg(at.path()).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Self { image, at })
    }

    fn path(&self) -> &Path {
        self.at.path()
    }

    /// Writes what is there until now.
    fn settle(&self) {
        assert!(Command::new("sync").arg("-f").arg(self.path()).status().unwrap().success());
    }

    /// What is left if the power fails at this moment.
    fn cut(&self) -> Self {
        let image = tempfile::NamedTempFile::new().unwrap();
        let mut copy = Command::new("cp");
        copy.arg("--sparse=always").arg(self.image.path()).arg(image.path());
        assert!(copy.status().unwrap().success());
        Self::mount(image).unwrap()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_outlives_a_power_cut() {
    let Some(disk) = Disk::new(512) else { return };
    let (_dir, config) = configured("commit_interval_ms = 0\n");
    let mut yard = Yard::start_at(&disk.path().join("data"), &["--config", &config]);
    yard.infer(0.0, 0.0).await.ok();
    let component = yard.component("ingestion-csv").await;
    disk.settle();

    // One of each kind of what is kept: records, files, frames of a log.
    yard.rows("kept", &csv(0..1000), Some("once")).await.ok();
    yard.plugin("mine", &varied(&component, 1), "mine").await.ok();
    let mut predictions = Vec::new();
    for _ in 0..20 {
        let answer = yard.infer(0.5, 0.5).await.ok();
        predictions.push(answer["parameters"]["prediction_id"].as_str().unwrap().to_owned());
    }
    all_known(&yard, &predictions).await;
    yard.put("/registry/models", json!({"name": "late"})).await.ok();
    let cut = disk.cut();

    yard.kill();
    yard.data = cut.path().join("data");
    yard.restart();
    assert_eq!(ids(&yard, "kept").await, (1000, 1000));
    assert_eq!(yard.rows("kept", &csv(0..1000), Some("once")).await.ok()["rows"], 1000);
    assert_eq!(ids(&yard, "kept").await, (1000, 1000));
    yard.get("/registry/models/late").await.ok();
    let path = "/ingestion/datasets/called/rows?plugin=mine";
    let request = yard.request(Method::POST, path).header("content-type", "text/csv").body(csv(0..10));
    assert_eq!(answer(request).await.ok()["rows"], 10);
    let labels: Vec<_> = predictions.iter().map(|id| label(id)).collect();
    let again = yard.post("/feedback/labels", json!({"labels": labels})).await.ok();
    assert_eq!((&again["unknown"], &again["unchanged"]), (&json!([]), &json!(20)), "{again}");
    yard.sound().await;
}
