//! Dataset files: what is written is read, whatever the schema did since;
//! damage is named; queries only read; erasure leaves nothing behind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::{all, blob_path, f64s, file, open, open_with, rows, s64s, table, texts, time, times};
use modelyard_tables::{Column, ColumnType, Error, Field, Scan, Schema, TimeRange, Value, from_batch};

#[tokio::test]
async fn files_of_different_schemas_read_as_one_table() {
    let dir = tempfile::tempdir().unwrap();
    let tables = open(dir.path()).await;
    let old = file(&tables, vec![s64s("a", &[1, 2]), texts("s", &["x", "y"])]).await;
    let new = file(&tables, vec![f64s("a", &[2.5]), s64s("n", &[7])]).await;
    assert_eq!((old.rows, old.stats[0].max.clone()), (2, Some(Value::S64(2))));
    let mut scanner = tables.scan(&[old.digest, new.digest], Scan::default()).await.unwrap();
    let types: Vec<_> =
        scanner.schema().fields.iter().map(|f| (f.name.as_str(), f.r#type, f.nullable)).collect();
    assert_eq!(
        types,
        vec![("a", ColumnType::F64, false), ("s", ColumnType::Utf8, true), ("n", ColumnType::S64, true)]
    );
    assert_eq!(scanner.rows().unwrap(), 3);
    let first = scanner.next_rows(3).unwrap().unwrap();
    assert_eq!(first.num_rows(), 3);
    assert!(scanner.next_rows(1).unwrap().is_none());
    scanner.rewind();
    let expected: Vec<Vec<Value>> = vec![
        vec![1.0.into(), "x".into(), Value::Null],
        vec![2.0.into(), "y".into(), Value::Null],
        vec![2.5.into(), Value::Null, 7i64.into()],
    ];
    assert_eq!(rows(scanner), expected);
}

#[tokio::test]
async fn scans_keep_the_asked_rows_and_columns() {
    let dir = tempfile::tempdir().unwrap();
    let tables = open(dir.path()).await;
    // Three row groups, so that skipping by statistics is at work.
    let count = 150_000;
    let start = time("2013-01-01").micros();
    let hours: Vec<i64> = (0..count).map(|hour| start + hour * 3_600_000_000).collect();
    let parity: Vec<&str> = (0..count).map(|n| if n % 2 == 0 { "even" } else { "odd" }).collect();
    let columns = vec![
        modelyard_tables::Column::new("t", modelyard_tables::Values::Timestamp(hours)),
        texts("parity", &parity),
        s64s("n", &(0..count).collect::<Vec<_>>()),
    ];
    let file = file(&tables, columns).await;
    let range = |from: Option<&str>, to: Option<&str>| {
        Some(TimeRange { column: "t".into(), from: from.map(time), to: to.map(time) })
    };
    let scan = Scan {
        columns: Some(vec!["n".into()]),
        range: range(Some("2013-01-02"), Some("2013-01-03")),
        equals: vec![("parity".into(), "odd".into())],
        batch_rows: 5,
    };
    let mut scanner = tables.scan(&[file.digest], scan).await.unwrap();
    assert_eq!(scanner.rows().unwrap(), 12);
    let kept: Vec<Vec<Value>> = (24..48).filter(|n| n % 2 == 1).map(|n: i64| vec![n.into()]).collect();
    assert_eq!(rows(scanner), kept);
    let late = Scan { range: range(Some("2030-01-01"), None), ..Scan::default() };
    let mut late = tables.scan(&[file.digest], late).await.unwrap();
    let hours_before = (time("2030-01-01").micros() - start) / 3_600_000_000;
    assert_eq!(late.rows().unwrap(), u64::try_from(count - hours_before).unwrap());
    assert_eq!(
        late.next_rows(20_000).unwrap().unwrap().num_rows(),
        usize::try_from(count - hours_before).unwrap()
    );
    let wrong = Scan { columns: Some(vec!["nope".into()]), ..Scan::default() };
    let error = tables.scan(&[file.digest], wrong).await.unwrap_err();
    assert!(matches!(&error, Error::NoColumn { name, known, .. } if name == "nope" && known.len() == 3));
    let wrong =
        Scan { range: Some(TimeRange { column: "n".into(), from: None, to: None }), ..Scan::default() };
    assert!(matches!(tables.scan(&[file.digest], wrong).await, Err(Error::Type { .. })));
}

#[tokio::test]
async fn equal_rows_give_equal_digests_and_no_rows_a_readable_file() {
    let dir = tempfile::tempdir().unwrap();
    let tables = open(dir.path()).await;
    let one = file(&tables, vec![f64s("a", &[1.0, f64::NAN]), texts("s", &["x", "y"])]).await;
    let two = file(&tables, vec![f64s("a", &[1.0, f64::NAN]), texts("s", &["x", "y"])]).await;
    assert_eq!(one, two);
    let back: modelyard_tables::FileInfo =
        serde_json::from_str(&serde_json::to_string(&one).unwrap()).unwrap();
    assert_eq!(back, one);
    let schema = Schema::new(vec![Field::new("a", ColumnType::Utf8)]).unwrap();
    let empty = tables.write_batches(&schema, vec![]).await.unwrap();
    assert_eq!(empty.rows, 0);
    let mut scanner = tables.scan(&[empty.digest], Scan::default()).await.unwrap();
    assert_eq!(scanner.next_rows(10).unwrap(), None);
    assert_eq!(scanner.schema(), &schema);
}

#[tokio::test]
async fn writers_refuse_what_the_schema_does_not_say_and_leave_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let tables = open(dir.path()).await;
    let schema = Schema::new(vec![Field::required("a", ColumnType::S64)]).unwrap();
    let mut writer = tables.writer(&schema).unwrap();
    let extra = writer.push(&table(vec![s64s("a", &[1]), s64s("b", &[1])])).unwrap_err();
    assert!(extra.to_string().contains("\"b\""), "{extra}");
    let wrong = writer.push(&table(vec![texts("a", &["one"])])).unwrap_err();
    assert!(matches!(wrong, Error::Type { expected: ColumnType::S64, .. }), "{wrong}");
    let mut null = s64s("a", &[1, 2]);
    null.validity = Some(vec![true, false]);
    assert!(matches!(writer.push(&table(vec![null])), Err(Error::Type { row: Some(1), .. })));
    assert!(matches!(writer.push(&table(vec![])), Ok(())), "no rows, no fault");
    writer.push(&table(vec![s64s("a", &[1])])).unwrap();
    drop(writer);
    assert_eq!(std::fs::read_dir(dir.path().join("tables/tmp")).unwrap().count(), 0);
}

#[tokio::test]
async fn damaged_and_missing_blobs_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let digest = {
        let tables = open(dir.path()).await;
        file(&tables, vec![s64s("a", &(0..10_000).collect::<Vec<_>>())]).await.digest
    };
    let path = blob_path(dir.path(), &digest);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    let mut permissions = std::fs::metadata(&path).unwrap().permissions();
    #[allow(clippy::permissions_set_readonly_false)]
    permissions.set_readonly(false);
    std::fs::set_permissions(&path, permissions).unwrap();
    std::fs::write(&path, &bytes).unwrap();
    let tables = open(dir.path()).await;
    let error = tables.scan(&[digest], Scan::default()).await.unwrap_err();
    assert!(
        matches!(&error, Error::Corrupt { digest: named, .. } if *named == digest.to_string()),
        "{error}"
    );
    let error = tables.sql("SELECT * FROM t", &[("t", vec![digest])], None).await.unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }));
    let missing = modelyard_blobs::Digest::of("nothing");
    let error = tables.scan(&[missing], Scan::default()).await.unwrap_err();
    assert!(matches!(&error, Error::NotFound(named) if *named == missing.to_string()));
}

#[tokio::test]
async fn queries_read_named_tables_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let tables = open(dir.path()).await;
    let a = file(&tables, vec![texts("k", &["x", "y", "x"]), s64s("n", &[1, 2, 3])]).await;
    let b = file(&tables, vec![texts("k", &["z"]), f64s("n", &[0.5]), times("t", &["2013-01-01"])]).await;
    let named = [("facts", vec![a.digest, b.digest]), ("only", vec![a.digest])];
    let query = "SELECT k, sum(n) AS total, count(t) AS timed FROM facts GROUP BY k ORDER BY k";
    let (schema, batches) = tables.sql(query, &named, None).await.unwrap();
    let types: Vec<_> = schema.fields.iter().map(|field| field.r#type).collect();
    assert_eq!(types, [ColumnType::Utf8, ColumnType::F64, ColumnType::S64]);
    let columns = from_batch(batches[0].clone()).unwrap();
    assert_eq!(columns[1].value(0), Value::F64(4.0));
    assert_eq!(columns[2].value(2), Value::S64(1));
    let (_, limited) = tables.sql("SELECT * FROM facts", &named, Some(2)).await.unwrap();
    assert_eq!(limited.iter().map(|batch| batch.num_rows()).sum::<usize>(), 2);
    let written = tables.write_sql("SELECT k, n + 1 AS n FROM only WHERE k = 'x'", &named).await.unwrap();
    assert_eq!(
        all(&tables, &[written.digest]).await,
        [["x".into(), Value::S64(2)], ["x".into(), Value::S64(4)]]
    );

    for (query, verb) in [
        ("DELETE FROM only", "DELETE"),
        ("INSERT INTO only VALUES ('a', 1)", "INSERT"),
        ("CREATE TABLE x AS SELECT 1", "CREATE"),
        ("COPY only TO '/tmp/out.parquet'", "COPY"),
        ("SET datafusion.execution.batch_size = 1", "SET"),
        ("SELECT 1; SELECT 2", "2 statements"),
        ("CREATE EXTERNAL TABLE p STORED AS CSV LOCATION '/etc/passwd'", "CREATE"),
        ("EXPLAIN SELECT 1", "EXPLAIN"),
    ] {
        let error = tables.sql(query, &named, None).await.unwrap_err();
        assert!(matches!(error, Error::NotReadOnly(_)), "{query}: {error}");
        assert!(error.to_string().contains(verb), "{query}: {error}");
    }
    for query in ["SELECT", "SELECT nope FROM only", "SELECT * FROM '/etc/passwd'", "SELECT * FROM other"] {
        let error = tables.sql(query, &named, None).await.unwrap_err();
        assert!(matches!(error, Error::Query(_)), "{query}: {error:?}");
    }
}

#[tokio::test]
async fn rows_that_were_written_twice_are_there_twice() {
    let dir = tempfile::tempdir().unwrap();
    let tables = open(dir.path()).await;
    let a = file(&tables, vec![s64s("n", &[1, 2])]).await;
    let b = file(&tables, vec![f64s("n", &[0.5])]).await;
    let named = [("facts", vec![a.digest, b.digest, a.digest, a.digest])];
    let query = "SELECT count(*) AS rows, count(DISTINCT n) AS values, sum(n) AS total FROM facts";
    let (_, batches) = tables.sql(query, &named, None).await.unwrap();
    let columns = from_batch(batches[0].clone()).unwrap();
    let row: Vec<_> = columns.iter().map(|column| column.value(0)).collect();
    assert_eq!(row, [Value::S64(7), Value::S64(3), Value::F64(9.5)]);
}

#[tokio::test]
async fn nan_is_read_as_it_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let tables = open(dir.path()).await;
    let kept = file(&tables, vec![f64s("a.b", &[f64::NAN, 1.5]), s64s("n", &[1, 2])]).await;
    let named = [("t", vec![kept.digest])];
    for (query, wanted) in [
        ("SELECT count(*) FROM t WHERE isnan(\"a.b\")", 1),
        ("SELECT n FROM t WHERE \"a.b\" = 1.5", 2),
        // As in the SQL of PostgreSQL and others, NaN is greater than any number.
        ("SELECT n FROM t WHERE \"a.b\" > 2.0", 1),
    ] {
        let (_, batches) = tables.sql(query, &named, None).await.unwrap();
        let first = |batch| from_batch(batch).unwrap().remove(0);
        let columns: Vec<Column> = batches.into_iter().map(first).collect();
        let found: Vec<Value> =
            columns.iter().flat_map(|column| (0..column.len()).map(|row| column.value(row))).collect();
        assert_eq!(found, [Value::S64(wanted)], "{query}");
    }
}

#[tokio::test]
async fn queries_end_at_their_time_and_memory_limits() {
    let dir = tempfile::tempdir().unwrap();
    let tables = open_with(dir.path(), |options| options.sql_timeout_s = 1).await;
    let numbers: Vec<i64> = (0..20_000).collect();
    let file = file(&tables, vec![s64s("n", &numbers)]).await;
    let named = [("t", vec![file.digest])];
    let cross = "SELECT count(*) FROM t a, t b, t c WHERE a.n * b.n + c.n = 7";
    let error = tables.sql(cross, &named, None).await.unwrap_err();
    assert!(matches!(error, Error::Timeout(_)), "{error:?}");
    drop(tables);
    let tables = open_with(dir.path(), |options| options.sql_memory = 100_000).await;
    let hungry = "SELECT count(*) FROM t a JOIN t b ON a.n = b.n";
    let error = tables.sql(hungry, &named, None).await.unwrap_err();
    assert!(matches!(error, Error::Memory(_)), "{error:?}");
    // The engine is as good as before.
    assert!(tables.sql("SELECT max(n) FROM t", &named, None).await.is_ok());
}

#[tokio::test]
async fn erasure_rewrites_only_files_that_hold_the_subject() {
    let dir = tempfile::tempdir().unwrap();
    let tables = open(dir.path()).await;
    let mut nullable = texts("who", &["ann", "bob", ""]);
    nullable.validity = Some(vec![true, true, false]);
    let mixed = file(&tables, vec![nullable, s64s("n", &[1, 2, 3])]).await;
    let only = file(&tables, vec![texts("who", &["ann"]), s64s("n", &[4])]).await;
    let other = file(&tables, vec![texts("who", &["bob"]), s64s("n", &[5])]).await;
    let without = file(&tables, vec![s64s("n", &[6])]).await;
    let files = [mixed.digest, only.digest, other.digest, without.digest];
    let erased = tables.erase(&files, "who", &"ann".into()).await.unwrap();
    assert_eq!(erased.len(), 2);
    assert_eq!((erased[0].old, erased[0].rows_removed), (mixed.digest, 1));
    let new = erased[0].new.as_ref().unwrap();
    assert_eq!(new.rows, 2);
    assert_eq!(
        all(&tables, &[new.digest]).await,
        [["bob".into(), Value::S64(2)], [Value::Null, Value::S64(3)]]
    );
    assert!(!new.stats[0].top.iter().any(|(text, _)| text == "ann"));
    assert_eq!((erased[1].old, &erased[1].new, erased[1].rows_removed), (only.digest, &None, 1));
    assert!(tables.erase(&[new.digest], "who", &"ann".into()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_directory_is_open_in_one_place_only() {
    let dir = tempfile::tempdir().unwrap();
    let tables = open(dir.path()).await;
    let place = modelyard_blobs::Options::directory(dir.path().join("blobs"));
    let blobs = modelyard_blobs::Blobs::open(&place);
    let options = modelyard_tables::Options::new(dir.path().join("tables"));
    let clock = modelyard_clock::Clock::system();
    let second = modelyard_tables::Tables::open(options, blobs.await.unwrap(), clock).await;
    assert!(matches!(second.map(drop), Err(Error::Locked(_))));
    drop(tables);
}
