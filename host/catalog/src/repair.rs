//! Opening a store: the URL, the lock, and a known way in which a directory can be damaged.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use surrealdb::{
    Surreal,
    engine::any::{Any, connect},
    opt::auth,
};

use crate::{
    Error, Level, Options, Result,
    store::{Binds, Store, is_full, quoted},
};

/// How long another process may still hold the directory, for example while it shuts down.
const LOCK_PATIENCE: Duration = Duration::from_secs(3);

/// Connects, signs in and chooses the database.
pub(crate) async fn open(options: &Options) -> Result<Store> {
    let (url, directory) = address(&options.url)?;
    let db = match &directory {
        Some(directory) => open_directory(&url, directory).await?,
        None => connect(url.as_str()).await.map_err(|error| open_error(&url, error.message()))?,
    };
    let store = Store::new(db, url, directory);
    sign_in(&store, options).await?;
    choose(&store, options).await?;
    Ok(store)
}

/// The URL to connect to and, of an embedded store, its directory.
fn address(url: &str) -> Result<(String, Option<PathBuf>)> {
    let bad = |reason: &str| Error::BadUrl { url: url.to_owned(), reason: reason.to_owned() };
    let (scheme, rest) = url.split_once("://").ok_or_else(|| bad("it has no scheme"))?;
    match scheme {
        "mem" => Ok((url.to_owned(), None)),
        "ws" | "wss" if rest.is_empty() => Err(bad("it names no host")),
        "ws" | "wss" => Ok((url.to_owned(), None)),
        "surrealkv" => {
            let (path, settings) = rest.split_once('?').unwrap_or((rest, ""));
            if path.is_empty() {
                return Err(bad("it names no directory"));
            }
            let synced = settings.split('&').any(|setting| setting.starts_with("sync="));
            let all = match (synced, settings) {
                (true, _) => settings.to_owned(),
                (false, "") => "sync=every".to_owned(),
                (false, _) => format!("{settings}&sync=every"),
            };
            Ok((format!("surrealkv://{path}?{all}"), Some(PathBuf::from(path))))
        }
        other => Err(bad(&format!("this program has no engine for {other}://"))),
    }
}

async fn open_directory(url: &str, directory: &Path) -> Result<Surreal<Any>> {
    fs::create_dir_all(directory).map_err(|source| Error::io(directory, source))?;
    let start = Instant::now();
    loop {
        let error = match connect(url).await {
            Ok(db) => return Ok(db),
            Err(error) => error.message().to_owned(),
        };
        if error.contains("already locked") {
            if start.elapsed() > LOCK_PATIENCE {
                return Err(Error::Locked(directory.to_owned()));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        }
        let moved = move_empty_tables(directory).map_err(|source| Error::io(directory, source))?;
        if moved.is_empty() {
            return Err(open_error(url, &error));
        }
        // A table file of no bytes holds no records, so the store can't be worse off without it;
        // but where it is still listed, the store doesn't open without it either.
        match connect(url).await {
            Ok(db) => {
                tracing::warn!(?moved, "the store did not open until its empty table files were moved away");
                return Ok(db);
            }
            Err(second) => {
                put_back(&moved);
                return Err(open_error(
                    url,
                    &format!(
                        "{error}; moving its {} empty table files away did not help ({}), they are back in place; \
                         restore the last export into a new directory",
                        moved.len(),
                        second.message()
                    ),
                ));
            }
        }
    }
}

/// Waits until this process has let go of the directory.
pub(crate) async fn released(directory: &Path) -> Result<()> {
    let path = directory.join("LOCK");
    let start = Instant::now();
    while let Ok(file) = fs::File::open(&path) {
        match file.try_lock() {
            Err(fs::TryLockError::WouldBlock) if start.elapsed() < LOCK_PATIENCE => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Err(fs::TryLockError::WouldBlock) => return Err(Error::Locked(directory.to_owned())),
            Err(fs::TryLockError::Error(source)) => return Err(Error::io(&path, source)),
            Ok(()) => break,
        }
    }
    Ok(())
}

/// Moves table files without content out of the store; returns where from and where to.
fn move_empty_tables(directory: &Path) -> io::Result<Vec<(PathBuf, PathBuf)>> {
    let tables = directory.join("sstables");
    let mut moved = Vec::new();
    if !tables.is_dir() {
        return Ok(moved);
    }
    let aside = directory.join("empty-tables");
    for entry in fs::read_dir(&tables)? {
        let entry = entry?;
        let is_table = entry.path().extension().is_some_and(|extension| extension == "sst");
        if is_table && entry.metadata()?.len() == 0 {
            fs::create_dir_all(&aside)?;
            let to = aside.join(entry.file_name());
            fs::rename(entry.path(), &to)?;
            moved.push((entry.path(), to));
        }
    }
    Ok(moved)
}

fn put_back(moved: &[(PathBuf, PathBuf)]) {
    for (from, to) in moved {
        if let Err(error) = fs::rename(to, from) {
            tracing::error!(%error, from = %to.display(), to = %from.display(), "a table file could not be put back");
        }
    }
}

fn open_error(url: &str, reason: &str) -> Error {
    if is_full(reason) {
        return Error::Full(reason.to_owned());
    }
    Error::Open { url: url.to_owned(), reason: reason.to_owned() }
}

async fn sign_in(store: &Store, options: &Options) -> Result<()> {
    let Some(credentials) = &options.credentials else { return Ok(()) };
    let (username, password) = (credentials.username.clone(), credentials.password.clone());
    let (namespace, database) = (options.namespace.clone(), options.database.clone());
    let answer = match credentials.level {
        Level::Root => store.db.signin(auth::Root { username, password }).await,
        Level::Namespace => store.db.signin(auth::Namespace { namespace, username, password }).await,
        Level::Database => store.db.signin(auth::Database { namespace, database, username, password }).await,
    };
    answer.map(drop).map_err(|error| Error::Unauthorized(error.message().to_owned()))
}

async fn choose(store: &Store, options: &Options) -> Result<()> {
    let level = options.credentials.as_ref().map_or(Level::Root, |credentials| credentials.level);
    let (namespace, database) = (quoted(&options.namespace)?, quoted(&options.database)?);
    if level == Level::Root {
        store.run(&format!("DEFINE NAMESPACE IF NOT EXISTS {namespace}"), &Binds::default()).await?;
    }
    let named = |error: surrealdb::Error| store.name(&error);
    store.db.use_ns(options.namespace.clone()).await.map_err(named)?;
    if level != Level::Database {
        store.run(&format!("DEFINE DATABASE IF NOT EXISTS {database}"), &Binds::default()).await?;
    }
    store.db.use_ns(options.namespace.clone()).use_db(options.database.clone()).await.map_err(named)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_directory_store_is_synced_on_every_commit() {
        let (url, directory) = address("surrealkv://data/catalog").unwrap();
        assert_eq!(url, "surrealkv://data/catalog?sync=every");
        assert_eq!(directory.unwrap(), Path::new("data/catalog"));
        assert_eq!(
            address("surrealkv:///x?versioned=true").unwrap().0,
            "surrealkv:///x?versioned=true&sync=every"
        );
        assert_eq!(address("surrealkv:///x?sync=1s").unwrap().0, "surrealkv:///x?sync=1s");
    }

    #[test]
    fn a_bad_address_says_what_is_accepted() {
        for url in ["", "data", "surrealkv://", "ws://", "postgres://x", "surrealkv://?sync=every"] {
            let error = address(url).unwrap_err().to_string();
            assert!(error.contains("surrealkv://<directory>"), "{url}: {error}");
        }
    }

    #[test]
    fn empty_table_files_are_moved_and_put_back() {
        let directory = tempfile::tempdir().unwrap();
        let tables = directory.path().join("sstables");
        fs::create_dir(&tables).unwrap();
        fs::write(tables.join("1.sst"), "").unwrap();
        fs::write(tables.join("2.sst"), "x").unwrap();
        let moved = move_empty_tables(directory.path()).unwrap();
        assert_eq!(moved.len(), 1);
        assert!(!tables.join("1.sst").exists() && tables.join("2.sst").exists());
        put_back(&moved);
        assert!(tables.join("1.sst").exists());
    }
}
