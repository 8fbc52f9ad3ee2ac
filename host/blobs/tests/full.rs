//! A full disk, made by a limit on the size of files in a child process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::{fs, path::PathBuf, process::Command};

use bytes::Bytes;
use modelyard_blobs::{Blobs, Digest, Error, Options};

const ROOT: &str = "MODELYARD_TEST_FULL_ROOT";

/// Runs in the child, where no file may grow beyond 1 MiB; in the parent it does nothing.
#[tokio::test]
async fn child() {
    let Some(root) = std::env::var_os(ROOT).map(PathBuf::from) else { return };
    let blobs = Blobs::open(&Options::directory(&root)).await.unwrap();
    expect_full(&blobs).await;
    println!("the child saw it");
}

/// Small content still fits, large content does not and leaves nothing.
async fn expect_full(blobs: &Blobs) {
    let small = blobs.put(Bytes::from_static(b"small")).await.unwrap();
    let large = Bytes::from((0..6_000_000_u32).map(|i| (i >> 3) as u8).collect::<Vec<u8>>());
    let error = blobs.put(large.clone()).await.unwrap_err();
    assert!(matches!(error, Error::Full(_)), "{error}");
    let mut writer = blobs.writer().await.unwrap();
    let mut result = Ok(());
    for piece in large.chunks(100_000) {
        result = writer.write(piece).await;
        if result.is_err() {
            break;
        }
    }
    let error = match result {
        Err(error) => error,
        Ok(()) => writer.finish().await.unwrap_err(),
    };
    assert!(matches!(error, Error::Full(_)), "{error}");
    assert!(!blobs.exists(&Digest::of(&large)).await.unwrap());
    assert_eq!(blobs.get(&small).await.unwrap(), "small");
    assert_eq!(blobs.list().await.unwrap().len(), 1);
}

#[test]
fn a_file_size_limit_is_a_full_disk_and_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let output = Command::new("sh")
        .args(["-c", "ulimit -f 2048 && trap '' XFSZ && exec \"$0\" child --exact --nocapture"])
        .arg(std::env::current_exe().unwrap())
        .env(ROOT, root.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("the child saw it"), "{output:?}");
    assert_eq!(fs::read_dir(root.path().join("tmp")).unwrap().count(), 0);
}

/// The real thing, where the test may mount a small file system.
#[tokio::test]
async fn a_full_file_system_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let mount =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"]).arg(root.path()).status();
    if !mount.is_ok_and(|status| status.success()) {
        eprintln!("no right to mount; the limit on file sizes stands for it");
        return;
    }
    let blobs = Blobs::open(&Options::directory(root.path())).await.unwrap();
    let outcome = tokio::spawn(async move { expect_full(&blobs).await }).await;
    let left = fs::read_dir(root.path().join("tmp")).unwrap().count();
    Command::new("umount").arg("-l").arg(root.path()).status().unwrap();
    outcome.unwrap();
    assert_eq!(left, 0);
}
