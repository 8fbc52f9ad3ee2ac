//! Bad input and faults, against the binary as it is run: wrong uploads, broken
//! sources, `kill -9` in the middle of things, a full disk, a power cut, damaged files.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr
)]

mod disk;
mod input;
mod kills;
mod plugins;
mod power;
#[path = "../support/mod.rs"]
mod support;
mod sweeps;

use std::{fmt::Write as _, fs};

use support::Yard;

/// Rows of `id,x`, from one id up to another.
pub fn csv(ids: std::ops::Range<u64>) -> String {
    ids.fold("id,x\n".to_owned(), |mut text, id| {
        writeln!(text, "{id},{}", id * 7 % 1000).unwrap();
        text
    })
}

/// Rows, and how many different ids; as many rows as the data set's record says.
pub async fn ids(yard: &Yard, dataset: &str) -> (u64, u64) {
    let row = yard.row(&format!("SELECT count(*), count(DISTINCT id) FROM {dataset}")).await;
    let record = yard.get(&format!("/ingestion/datasets/{dataset}")).await.ok();
    assert_eq!(record["rows"], row[0], "{record}");
    (row[0].as_u64().unwrap(), row[1].as_u64().unwrap())
}

/// A component like this one, with other bytes.
pub fn varied(component: &[u8], with: u8) -> Vec<u8> {
    // A custom section: its id, its size, its name with its length, its content.
    [component, &[0, 5, 3, b'p', b'a', b'd', with]].concat()
}

/// A configuration as a file, which goes with its directory.
pub fn configured(text: &str) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("yard.toml");
    fs::write(&file, text).unwrap();
    let file = file.display().to_string();
    (dir, file)
}
