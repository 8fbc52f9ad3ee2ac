//! Point-in-time joins, against an obvious slow one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use std::{collections::BTreeMap, time::Duration};

use common::{all, f64s, file, open, s64s, texts, times};
use modelyard_blobs::Digest;
use modelyard_tables::{Column, ColumnType, Error, PointInTime, Value, Values, ViewJoin};
use proptest::{prelude::*, test_runner::TestRunner};

fn view(files: &[Digest], columns: &[&str]) -> ViewJoin {
    ViewJoin {
        name: "stats".into(),
        files: files.to_vec(),
        entity_keys: vec![("plane".into(), "id".into())],
        event_time: "at".into(),
        created_at: None,
        ttl: None,
        columns: columns.iter().map(|c| (*c).to_owned()).collect(),
        rename: BTreeMap::new(),
    }
}

fn how(views: Vec<ViewJoin>) -> PointInTime {
    PointInTime { event_time: "t".into(), views }
}

#[tokio::test]
async fn each_row_sees_the_latest_that_was_known_and_never_the_future() {
    let dir = tempfile::tempdir().unwrap();
    let tables = open(dir.path()).await;
    let mut moments = times("t", &["2013-01-05", "2013-01-01", "2013-01-03", "2013-01-05", "2013-01-05"]);
    moments.validity = Some(vec![true, true, true, true, false]);
    let spine =
        file(&tables, vec![texts("plane", &["a", "a", "a", "b", "a"]), moments, s64s("n", &[0, 1, 2, 3, 4])])
            .await;
    let first = file(
        &tables,
        vec![texts("id", &["a", "a"]), times("at", &["2013-01-04", "2013-01-02"]), f64s("v", &[4.0, 2.0])],
    )
    .await;
    let second = file(
        &tables,
        vec![texts("id", &["a", "c"]), times("at", &["2013-01-06", "2013-01-01"]), f64s("v", &[6.0, 1.0])],
    )
    .await;
    let mut stats = view(&[first.digest, second.digest], &["v", "at"]);
    stats.rename = [("at".to_owned(), "known_since".to_owned())].into();
    let joined = tables.point_in_time_join(&[spine.digest], how(vec![stats.clone()])).await.unwrap();
    assert_eq!(joined.schema.names().collect::<Vec<_>>(), ["plane", "t", "n", "v", "known_since"]);
    let rows = all(&tables, &[joined.digest]).await;
    let got: Vec<_> = rows.iter().map(|row| (row[2].clone(), row[3].clone())).collect();
    let expected: Vec<(Value, Value)> = vec![
        (0i64.into(), 4.0.into()),
        (1i64.into(), Value::Null),
        (2i64.into(), 2.0.into()),
        (3i64.into(), Value::Null),
        (4i64.into(), Value::Null),
    ];
    assert_eq!(got, expected);

    stats.ttl = Some(Duration::from_secs(86_400));
    let joined = tables.point_in_time_join(&[spine.digest], how(vec![stats.clone()])).await.unwrap();
    let rows = all(&tables, &[joined.digest]).await;
    assert_eq!(rows[0][3], Value::F64(4.0), "exactly as old as allowed");
    stats.ttl = Some(Duration::from_secs(86_399));
    let joined = tables.point_in_time_join(&[spine.digest], how(vec![stats])).await.unwrap();
    assert_eq!(all(&tables, &[joined.digest]).await[0][3], Value::Null);
}

#[tokio::test]
async fn of_equal_moments_the_last_created_counts_and_keys_of_other_types_meet() {
    let dir = tempfile::tempdir().unwrap();
    let tables = open(dir.path()).await;
    let spine = file(&tables, vec![f64s("plane", &[7.0]), times("t", &["2013-01-05"])]).await;
    let same = ["2013-01-02"; 3];
    let rows = vec![
        s64s("id", &[7, 7, 7]),
        times("at", &same),
        times("made", &["2013-01-03", "2013-01-09", "2013-01-04"]),
        f64s("v", &[1.0, 2.0, 3.0]),
    ];
    let facts = file(&tables, rows).await;
    let mut stats = view(&[facts.digest], &["v"]);
    let spine = [spine.digest];
    let join = |stats: &ViewJoin| tables.point_in_time_join(&spine, how(vec![stats.clone()]));
    let last_written = join(&stats).await.unwrap();
    assert_eq!(all(&tables, &[last_written.digest]).await[0][2], Value::F64(3.0));
    stats.created_at = Some("made".into());
    let last_created = join(&stats).await.unwrap();
    assert_eq!(all(&tables, &[last_created.digest]).await[0][2], Value::F64(2.0));
}

#[tokio::test]
async fn faults_name_the_column_and_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let tables = open(dir.path()).await;
    let spine = file(&tables, vec![texts("plane", &["a"]), times("t", &["2013-01-05"])]).await;
    let facts =
        file(&tables, vec![texts("id", &["a"]), times("at", &["2013-01-02"]), f64s("t", &[1.0])]).await;
    let spine = [spine.digest];
    let join = |stats: ViewJoin| tables.point_in_time_join(&spine, how(vec![stats]));
    let good = view(&[facts.digest], &["t"]);
    let clash = join(good.clone()).await.unwrap_err().to_string();
    assert!(clash.contains("two columns are named \"t\""), "{clash}");
    let missing = join(view(&[facts.digest], &["nope"])).await.unwrap_err().to_string();
    assert!(missing.contains("\"nope\" in view \"stats\""), "{missing}");
    let untimed = join(ViewJoin { event_time: "t".into(), ..good.clone() }).await.unwrap_err();
    assert!(matches!(untimed, Error::Type { expected: ColumnType::Timestamp, .. }));
    let keyless = join(ViewJoin { entity_keys: vec![], ..good }).await.unwrap_err().to_string();
    assert!(keyless.contains("no key"), "{keyless}");
}

/// Key, event time, created and value of a view row.
type Fact = (i64, i64, Option<i64>, i64);

fn slow(facts: &[Fact], key: Option<i64>, moment: Option<i64>, ttl: Option<i64>) -> Option<i64> {
    let (key, moment) = (key?, moment?);
    let seen = |(_, fact): &(usize, &Fact)| {
        fact.0 == key && fact.1 <= moment && ttl.is_none_or(|ttl| moment - fact.1 <= ttl)
    };
    let latest = facts.iter().enumerate().filter(seen).max_by_key(|(row, fact)| (fact.1, fact.2, *row));
    latest.map(|(_, fact)| fact.3)
}

fn column(name: &str, cells: &[Option<i64>], values: impl Fn(Vec<i64>) -> Values) -> Column {
    let validity = cells.iter().map(Option::is_some).collect();
    let data = values(cells.iter().map(|cell| cell.unwrap_or(0)).collect());
    Column { validity: Some(validity), ..Column::new(name, data) }
}

#[test]
fn any_join_equals_the_obvious_one() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let tables = runtime.block_on(open(dir.path()));
    let fact = (0i64..4, 0i64..20, proptest::option::of(0i64..5), any::<i64>());
    let facts = proptest::collection::vec(fact, 0..40);
    let spine =
        proptest::collection::vec((proptest::option::of(0i64..5), proptest::option::of(0i64..25)), 1..40);
    let mut runner = TestRunner::new(ProptestConfig { cases: 60, ..ProptestConfig::default() });
    let strategy = (facts, spine, proptest::option::of(0i64..10));
    let result = runner.run(&strategy, |(facts, spine, ttl)| {
        let expected: Vec<Option<i64>> =
            spine.iter().map(|(key, moment)| slow(&facts, *key, *moment, ttl)).collect();
        let got = runtime.block_on(async {
            let keys: Vec<_> = spine.iter().map(|row| row.0).collect();
            let moments: Vec<_> = spine.iter().map(|row| row.1).collect();
            let spine = vec![column("plane", &keys, Values::S64), column("t", &moments, Values::Timestamp)];
            let spine = file(&tables, spine).await;
            let created: Vec<_> = facts.iter().map(|fact| fact.2).collect();
            let pick = |get: fn(&Fact) -> i64| facts.iter().map(get).collect::<Vec<_>>();
            let rows = vec![
                s64s("id", &pick(|fact| fact.0)),
                Column::new("at", Values::Timestamp(pick(|fact| fact.1))),
                column("made", &created, Values::Timestamp),
                s64s("v", &pick(|fact| fact.3)),
            ];
            let facts = file(&tables, rows).await;
            let mut stats = view(&[facts.digest], &["v"]);
            stats.created_at = Some("made".into());
            stats.ttl = ttl.map(|ttl| Duration::from_micros(ttl.unsigned_abs()));
            let joined = tables.point_in_time_join(&[spine.digest], how(vec![stats])).await.unwrap();
            all(&tables, &[joined.digest]).await
        });
        let got: Vec<Option<i64>> = got
            .iter()
            .map(|row| match row[2] {
                Value::S64(value) => Some(value),
                _ => None,
            })
            .collect();
        prop_assert_eq!(got, expected);
        Ok(())
    });
    result.unwrap();
}
