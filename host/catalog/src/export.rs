//! The whole catalogue as one text file, and back.
//!
//! The file is NDJSON: a header, one line per record and per edge in the order
//! of tables and ids, and a footer with counts and a checksum. It doesn't
//! depend on the database's format, which changes one way between versions.

use std::{
    fs,
    io::{BufRead, BufReader, BufWriter, Write},
    path::{Path, PathBuf},
};

use modelyard_clock::Timestamp;
use serde_json::{Value, json};
use surrealdb::{engine::any::Any, method::Transaction as Snapshot, types::Value as Db};

use crate::{
    Catalog, Edge, Error, Options, Result,
    catalog::EDGES,
    encode, graph, json,
    row::content,
    select::behind_id,
    store::{Binds, quoted, record_id, rows},
    table::read_row,
};

const FORMAT: &str = "modelyard-catalog";
const VERSION: u64 = 1;
const BATCH: usize = 500;

/// What an export holds.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Export {
    /// Where it is.
    pub path: PathBuf,
    /// How many records.
    pub records: u64,
    /// How many edges.
    pub edges: u64,
    /// Of all records and edges (FNV-1a, 64 bits, hexadecimal).
    pub checksum: String,
}

/// Counts and checksum of lines.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Tally {
    records: u64,
    edges: u64,
    hash: u64,
}

impl Tally {
    const EMPTY: Self = Self { records: 0, edges: 0, hash: 0xcbf2_9ce4_8422_2325 };

    fn add(&mut self, line: &str, edge: bool) {
        if edge {
            self.edges += 1;
        } else {
            self.records += 1;
        }
        for byte in line.bytes().chain(*b"\n") {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn footer(&self) -> Value {
        json!({"records": self.records, "edges": self.edges, "checksum": self.checksum()})
    }

    fn checksum(&self) -> String {
        format!("{:016x}", self.hash)
    }

    fn export(&self, path: &Path) -> Export {
        Export { path: path.to_owned(), records: self.records, edges: self.edges, checksum: self.checksum() }
    }
}

impl Catalog {
    /// Writes all records and edges, as they are at one moment, to a file. The file appears
    /// when it is complete, and replaces an older one.
    pub async fn export(&self, path: &Path) -> Result<Export> {
        let part = path.with_extension("part");
        let result = self.export_to(&part, path).await;
        if result.is_err() {
            let _ = fs::remove_file(&part);
        }
        result
    }

    async fn export_to(&self, part: &Path, path: &Path) -> Result<Export> {
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            fs::create_dir_all(parent).map_err(|source| Error::io(parent, source))?;
        }
        let io = |source| Error::io(part, source);
        let mut file = BufWriter::new(fs::File::create(part).map_err(io)?);
        let header = json!({"format": FORMAT, "version": VERSION});
        writeln!(file, "{header}").map_err(io)?;
        let tally = self.dump(|line| writeln!(file, "{line}").map_err(io)).await?;
        writeln!(file, "{}", tally.footer()).map_err(io)?;
        let file = file.into_inner().map_err(|error| io(error.into_error()))?;
        file.sync_all().map_err(io)?;
        fs::rename(part, path).map_err(io)?;
        if let Some(Ok(directory)) = path.parent().map(fs::File::open) {
            directory.sync_all().map_err(io)?;
        }
        Ok(tally.export(path))
    }

    /// Reads an export into this store, which must hold no records. The file is checked to its
    /// end before anything is written.
    ///
    /// # Errors
    /// [`Error::Export`] if the file is damaged, cut off or of another format, or the store is not empty.
    pub async fn import(&self, path: &Path) -> Result<Export> {
        let bad = |reason: String| Error::Export { path: path.to_owned(), reason };
        let tally = read(path, |_| Ok(()))?;
        let present = self.dump(|_| Ok(())).await?;
        if present.records + present.edges > 0 {
            return Err(bad(format!(
                "the store holds {} records and {} edges; import into an empty one",
                present.records, present.edges
            )));
        }
        let mut lines = Vec::new();
        read(path, |line| {
            lines.push(json::parse(line)?);
            Ok(())
        })?;
        for batch in lines.chunks(BATCH) {
            self.import_batch(batch).await.map_err(|error| match error {
                Error::Decode { reason, .. } => bad(reason),
                other => other,
            })?;
        }
        Ok(tally.export(path))
    }

    async fn import_batch(&self, lines: &[Value]) -> Result<()> {
        let mut binds = Binds::default();
        let mut text = String::from("BEGIN;");
        let mut tables = std::collections::BTreeSet::new();
        for (step, line) in lines.iter().enumerate() {
            if let Some(edge) = line.get("edge") {
                let edge: Edge = serde_json::from_value(edge.clone())
                    .map_err(|error| crate::row::decode_error("edge", "", error.to_string()))?;
                text.push_str(&graph::bind(&edge, step, &mut binds)?);
                text.push(';');
                continue;
            }
            let member = |name| line.get(name).and_then(Value::as_str).unwrap_or_default();
            if tables.insert(member("table")) {
                text.push_str(&format!(
                    "DEFINE TABLE IF NOT EXISTS {} TYPE NORMAL SCHEMALESS;",
                    quoted(member("table"))?
                ));
            }
            binds.set(format!("id{step}"), record_id(member("table"), member("id")));
            binds.set(format!("row{step}"), content(line.get("doc").unwrap_or(&Value::Null)));
            text.push_str(&format!("UPSERT $id{step} CONTENT $row{step} RETURN NONE;"));
        }
        text.push_str("COMMIT;");
        self.0.run(&text, &binds).await.map(drop)
    }

    /// Imports an export into a store in memory and compares the two: the proof that it can be
    /// restored.
    pub async fn restore_test(path: &Path) -> Result<Export> {
        let trial = Self::open(&Options::memory()).await?;
        let expected = trial.import(path).await?;
        let restored = trial.dump(|_| Ok(())).await?.export(path);
        if restored == expected {
            return Ok(restored);
        }
        let reason = format!("restored it is not the same: {restored:?} instead of {expected:?}");
        Err(Error::Export { path: path.to_owned(), reason })
    }

    /// Exports into `directory` under a name made of `at`, tests that the export can be restored,
    /// and removes the oldest exports there beyond `keep`.
    pub async fn backup(&self, directory: &Path, at: Timestamp, keep: usize) -> Result<Export> {
        let name = format!("catalog-{}.ndjson", at.to_utc().format("%Y%m%dT%H%M%S%6fZ"));
        let path = directory.join(name);
        self.export(&path).await?;
        let export = Self::restore_test(&path).await?;
        let io = |source| Error::io(directory, source);
        let mut exports = Vec::new();
        for entry in fs::read_dir(directory).map_err(io)? {
            let name = entry.map_err(io)?.file_name();
            let text = name.to_string_lossy();
            if text.starts_with("catalog-") && text.ends_with(".ndjson") {
                exports.push(name);
            }
        }
        exports.sort();
        for old in exports.iter().rev().skip(keep.max(1)) {
            fs::remove_file(directory.join(old)).map_err(io)?;
        }
        Ok(export)
    }

    /// Hands out one line per record and edge, all of one moment.
    async fn dump(&self, mut line: impl FnMut(&str) -> Result<()>) -> Result<Tally> {
        let snapshot = self.0.db.clone().begin().await.map_err(|error| self.0.name(&error))?;
        let mut tally = Tally::EMPTY;
        let result = self.dump_from(&snapshot, &mut tally, &mut line).await;
        let _ = snapshot.cancel().await;
        result.map(|()| tally)
    }

    async fn dump_from(
        &self,
        snapshot: &Snapshot<Any>,
        tally: &mut Tally,
        line: &mut impl FnMut(&str) -> Result<()>,
    ) -> Result<()> {
        for table in self.tables(snapshot).await? {
            let mut after = None;
            loop {
                let rows = self.rows_after(snapshot, &table, after.take()).await?;
                let full = rows.len() == BATCH;
                for row in rows {
                    let (id, text) = write_line(&table, row)?;
                    tally.add(&text, table == EDGES);
                    line(&text)?;
                    after = Some(id);
                }
                if !full {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn tables(&self, snapshot: &Snapshot<Any>) -> Result<Vec<String>> {
        let named = |error: surrealdb::Error| self.0.name(&error);
        let mut results = snapshot.query("INFO FOR DB").await.map_err(named)?;
        let info: Db = results.take(0).map_err(named)?;
        let Db::Object(mut info) = info else { return Ok(Vec::new()) };
        match info.remove("tables") {
            Some(Db::Object(tables)) => Ok(tables.into_inner().into_keys().collect()),
            _ => Ok(Vec::new()),
        }
    }

    async fn rows_after(
        &self,
        snapshot: &Snapshot<Any>,
        table: &str,
        after: Option<String>,
    ) -> Result<Vec<Db>> {
        let mut binds = Binds::default();
        let target = match after {
            Some(id) => behind_id(table, &id, &mut binds),
            None => quoted(table)?,
        };
        let named = |error: surrealdb::Error| self.0.name(&error);
        let fields = if table == EDGES { "id, in, out, kind, at, doc" } else { "id, doc" };
        let text = format!("SELECT {fields} FROM {target} LIMIT {BATCH}");
        let mut results = snapshot.query(text).bind(binds.into_object()).await.map_err(named)?;
        let value: Db = results.take(0).map_err(named)?;
        Ok(rows(value))
    }
}

/// Id and line of a selected row.
fn write_line(table: &str, row: Db) -> Result<(String, String)> {
    if table == EDGES {
        let (key, edge) = graph::read(row)?;
        let edge = encode::to_json(&edge).map_err(|reason| crate::row::decode_error("edge", &key, reason))?;
        return Ok((key, json!({"edge": edge}).to_string()));
    }
    let (id, doc) = read_row(table, row)?;
    let text = json!({"table": table, "id": id, "doc": doc}).to_string();
    Ok((id, text))
}

/// Reads an export, checks it, and hands out its lines.
fn read(path: &Path, mut each: impl FnMut(&str) -> std::result::Result<(), String>) -> Result<Tally> {
    let bad = |reason: String| Error::Export { path: path.to_owned(), reason };
    let io = |source| Error::io(path, source);
    let mut lines = BufReader::new(fs::File::open(path).map_err(io)?).lines();
    let mut line = || -> Result<String> {
        match lines.next() {
            Some(Err(error)) if error.kind() == std::io::ErrorKind::InvalidData => {
                Err(bad("it is not text".to_owned()))
            }
            Some(line) => line.map_err(io),
            None => Err(bad("it ends before its footer; it was cut off".to_owned())),
        }
    };
    let header = json::parse(&line()?).unwrap_or_default();
    if header.get("format").and_then(Value::as_str) != Some(FORMAT) {
        return Err(bad(format!("it is not a {FORMAT} export")));
    }
    if header.get("version").and_then(Value::as_u64) != Some(VERSION) {
        return Err(bad(format!("it is of another version than {VERSION}")));
    }
    let mut tally = Tally::EMPTY;
    loop {
        let text = line()?;
        let is_edge = text.starts_with("{\"edge\":");
        if !is_edge && !text.starts_with("{\"table\":") {
            let footer = json::parse(&text).unwrap_or_default();
            if footer == tally.footer() {
                return Ok(tally);
            }
            return Err(bad(format!("its content does not match its footer {text}; it is damaged")));
        }
        each(&text).map_err(|reason| bad(format!("line {}: {reason}", tally.records + tally.edges + 2)))?;
        tally.add(&text, is_edge);
    }
}
