//! Closing, killing, locking, filling up, damaging. The children are this test binary, run again.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use modelyard_catalog::{Catalog, Error, Options, Query};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{Model, User, directory};

const DIRECTORY: &str = "MODELYARD_TEST_DIRECTORY";

/// The directory that a parent gave; `None`: this is not a child.
fn given() -> Option<PathBuf> {
    std::env::var_os(DIRECTORY).map(PathBuf::from)
}

fn child(test: &str, directory: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([&format!("durability::{test}"), "--exact", "--nocapture"]).env(DIRECTORY, directory);
    command
}

async fn open(directory: &Path) -> Catalog {
    Catalog::open(&Options::directory(directory)).await.unwrap()
}

#[tokio::test]
async fn records_are_there_after_closing() {
    let store = directory().await;
    let path = store.directory.as_ref().unwrap().path();
    let models = store.catalog.table::<Model>();
    models.insert(&Model::new("a")).await.unwrap();
    store.catalog.table::<User>().insert(&User::new(1, Some("x"), "red", 1)).await.unwrap();
    let error = store.catalog.clone().close().await.unwrap_err();
    assert!(matches!(error, Error::Locked(_)), "handles are left: {error:?}");
    drop(models);
    store.catalog.close().await.unwrap();
    for round in 0..3_u64 {
        let catalog = open(path).await;
        let models = catalog.table::<Model>();
        assert_eq!(models.require("a").await.unwrap().versions, round);
        models.update("a", |model| model.versions += 1).await.unwrap();
        let twice = catalog.table::<User>().insert(&User::new(2, Some("x"), "red", 2)).await.unwrap_err();
        assert!(twice.is_exists(), "unique indexes stay: {twice}");
    }
}

/// Writes from eight tasks and prints every id once it is acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writing_child() {
    let Some(path) = given() else { return };
    let models = open(&path).await.table::<Model>();
    let round = models.count(Query::new()).await.unwrap();
    models.insert(&Model::new(&format!("counter-{round}"))).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..8 {
        let models = models.clone();
        tasks.spawn(async move {
            for i in 0.. {
                let id = format!("{round}-{task}-{i}");
                models.insert(&Model::new(&id)).await.unwrap();
                println!("acknowledged {id}");
                if i % 4 == 0 {
                    let counter = models
                        .update(&format!("counter-{round}"), |model| model.versions += 1)
                        .await
                        .unwrap();
                    println!("counted {round} {}", counter.versions);
                }
            }
        });
    }
    tasks.join_next().await;
}

#[tokio::test]
async fn a_killed_process_loses_nothing_that_was_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    let mut counted = std::collections::HashMap::new();
    for kill in 0..3 {
        let mut process = child("writing_child", directory.path()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut seen = 0;
        while let Some(Ok(line)) = lines.next() {
            let words: Vec<&str> = line.split(' ').collect();
            match words.as_slice() {
                ["acknowledged", id] => {
                    acknowledged.push((*id).to_owned());
                    seen += 1;
                }
                ["counted", round, n] => {
                    let n: u64 = n.parse().unwrap();
                    let most = counted.entry((*round).to_owned()).or_insert(0);
                    *most = n.max(*most);
                }
                _ => {}
            }
            if seen == 150 * (kill + 1) {
                // SIGKILL.
                process.kill().unwrap();
            }
        }
        let status = process.wait().unwrap();
        assert!(!status.success() && seen >= 150, "killed while writing: {status:?} after {seen}");
        let catalog = open(directory.path()).await;
        let models = catalog.table::<Model>();
        for id in &acknowledged {
            assert!(models.exists(id).await.unwrap(), "{id} was acknowledged");
        }
        for (round, least) in &counted {
            let counter = models.require(&format!("counter-{round}")).await.unwrap();
            assert!(counter.versions >= *least && counter.versions <= *least + 8, "{counter:?} {least}");
        }
        drop(models);
        catalog.close().await.unwrap();
    }
}

/// Holds the directory until it is killed.
#[tokio::test]
async fn holding_child() {
    let Some(path) = given() else { return };
    let _catalog = open(&path).await;
    println!("holding");
    tokio::time::sleep(Duration::from_secs(60)).await;
}

#[tokio::test]
async fn a_directory_in_use_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = child("holding_child", directory.path()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(process.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line.contains("holding")));
    let error = Catalog::open(&Options::directory(directory.path())).await.unwrap_err();
    assert!(matches!(&error, Error::Locked(path) if path == directory.path()), "{error:?}");
    assert!(error.to_string().contains("in use by another process"), "{error}");
    process.kill().unwrap();
    process.wait().unwrap();
    open(directory.path()).await.health().await.unwrap();
}

/// Writes until there is no more room, which the parent made small; makes room, and goes on.
#[tokio::test]
async fn filling_child() {
    let Some(path) = given() else { return };
    let models = open(&path).await.table::<Model>();
    let mut fulls = 0;
    for i in 0..10_000 {
        let model = Model { tags: vec!["x".repeat(3000)], ..Model::new(&format!("m{i}")) };
        match models.insert(&model).await {
            Ok(()) => println!("acknowledged m{i}"),
            Err(Error::Full(reason)) => {
                println!("full {reason}");
                println!("refused m{i}");
                fulls += 1;
                if fulls == 3 {
                    break;
                }
            }
            Err(error) => panic!("{error:?}"),
        }
    }
    let Rlimit { maximum, .. } = getrlimit(Resource::Fsize);
    setrlimit(Resource::Fsize, Rlimit { current: maximum, maximum }).unwrap();
    for i in 0..50 {
        match models.insert(&Model::new(&format!("later{i}"))).await {
            Ok(()) => println!("acknowledged later{i}"),
            Err(error) => panic!("there is room again: {error:?}"),
        }
    }
}

#[tokio::test]
async fn a_full_disk_is_named_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let inner = child("filling_child", directory.path());
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -S -f 2048 && trap '' XFSZ && exec \"$@\"", "sh"]).arg(inner.get_program());
    command.args(inner.get_args()).env(DIRECTORY, directory.path());
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("\nfull "), "{output:?}");
    let models = open(directory.path()).await.table::<Model>();
    let acknowledged: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("acknowledged ")).collect();
    assert!(acknowledged.len() > 20);
    for id in acknowledged {
        assert!(models.exists(id).await.unwrap(), "{id} was acknowledged");
    }
    for id in text.lines().filter_map(|line| line.strip_prefix("refused ")) {
        // It may have reached the log; then it is whole.
        let found = models.get(id).await.unwrap();
        assert!(found.is_none_or(|model| model.tags == ["x".repeat(3000)]), "{id}");
    }
    models.insert(&Model::new("after")).await.unwrap();
}

#[tokio::test]
async fn an_empty_table_file_does_not_keep_the_store_from_opening() {
    let store = directory().await;
    let path = store.directory.as_ref().unwrap().path();
    store.catalog.table::<Model>().insert(&Model::new("a")).await.unwrap();
    store.catalog.close().await.unwrap();
    // What a crash in the middle of a flush can leave.
    let tables = path.join("sstables");
    fs::create_dir_all(&tables).unwrap();
    for id in [7, 99_999] {
        fs::write(tables.join(format!("{id:020}.sst")), "").unwrap();
    }
    let catalog = open(path).await;
    let models = catalog.table::<Model>();
    assert!(models.exists("a").await.unwrap());
    models.insert(&Model::new("b")).await.unwrap();
}

#[tokio::test]
async fn a_damaged_store_is_left_as_it_is() {
    let store = directory().await;
    let path = store.directory.as_ref().unwrap().path();
    store.catalog.table::<Model>().insert(&Model::new("a")).await.unwrap();
    store.catalog.close().await.unwrap();
    let manifests: Vec<_> =
        fs::read_dir(path.join("manifest")).unwrap().map(|entry| entry.unwrap().path()).collect();
    for manifest in &manifests {
        fs::write(manifest, "not a manifest").unwrap();
    }
    let error = Catalog::open(&Options::directory(path)).await.unwrap_err();
    assert!(matches!(error, Error::Open { .. }), "{error:?}");
    for manifest in &manifests {
        assert_eq!(fs::read(manifest).unwrap(), b"not a manifest");
    }
}

#[tokio::test]
async fn a_file_is_no_directory() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = Catalog::open(&Options::directory(file.path())).await.unwrap_err();
    assert!(error.to_string().contains(&file.path().display().to_string()), "{error}");
}
