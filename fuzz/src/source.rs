//! A source: its rows are the same however it is pulled, or it is refused with
//! a reason.

use modelyard_sdk::objects::testing;
use modelyard_sdk::prelude::{Batch, Error, Ingestion};

/// Where a target's bytes are served.
pub const URL: &str = "file:///in";
/// Pulls after which a source is left alone.
const MOST: usize = 300;

/// Serves bytes and pulls all of them at once, and again a few rows at a time,
/// every other time from the cursor alone, as after a crash. `typed`: a column's
/// type doesn't depend on how the source is pulled.
pub fn check<P: Ingestion>(parameters: &str, bytes: &[u8], rows: u32, typed: bool) {
    testing::serve(URL, bytes);
    let whole = pull::<P>(parameters, None, 100_000);
    let mut parts = Vec::new();
    let mut cursor = None;
    for number in 0..MOST {
        if number % 2 == 1 {
            // Makes the instance forget what it has open.
            let _ = P::pull(r#"{"url": "file:///nowhere"}"#, cursor.clone(), Vec::new(), 1);
        }
        let Ok(batch) = pull::<P>(parameters, cursor, rows) else { break };
        assert!(batch.rows.rows() <= rows as usize, "{} rows of {rows}", batch.rows.rows());
        cursor = Some(batch.cursor.clone());
        let done = batch.done;
        parts.push(batch);
        if done {
            break;
        }
    }
    if let Some(last) = parts.last().filter(|batch| batch.done) {
        if let Some(whole) = whole.as_ref().ok().filter(|batch| batch.done) {
            same(whole, &parts, typed);
        }
        // Whoever pulls again finds nothing new.
        let again = pull::<P>(parameters, Some(last.cursor.clone()), rows).expect("an end that was reached");
        assert!(again.done && again.rows.rows() == 0, "{again:?}");
    }
}

/// Pulls with parameters and a cursor that may be anything.
pub fn pull_any<P: Ingestion>(parameters: &str, cursor: Option<&str>, bytes: &[u8]) {
    testing::serve(URL, bytes);
    for rows in [0, 3] {
        if let Ok(batch) = pull::<P>(parameters, cursor.map(str::to_owned), rows) {
            let _ = pull::<P>(parameters, Some(batch.cursor), 1000);
        }
    }
}

fn pull<P: Ingestion>(parameters: &str, cursor: Option<String>, rows: u32) -> Result<Batch, Error> {
    testing::requests();
    let outcome = P::pull(parameters, cursor, Vec::new(), rows);
    match &outcome {
        Ok(batch) => {
            assert_eq!(batch.schema.len(), batch.rows.columns().len());
            for (field, column) in batch.schema.iter().zip(batch.rows.columns()) {
                assert_eq!((&field.name, field.type_), (&column.name, column.column_type()));
            }
        }
        Err(error) => assert!(!matches!(error, Error::Internal(_)), "{error:?}"),
    }
    outcome
}

/// What was read at once is what was read in parts: the same rows, or at least
/// as many where their types follow from what a pull sees.
fn same(whole: &Batch, parts: &[Batch], typed: bool) {
    let count = |batch: &Batch| batch.rows.rows() + batch.rejected.len();
    assert_eq!(count(whole), parts.iter().map(count).sum::<usize>());
    if typed {
        let pieces: Vec<String> = parts.iter().flat_map(lines).collect();
        assert_eq!(lines(whole), pieces);
    }
}

fn lines(batch: &Batch) -> Vec<String> {
    let columns = batch.rows.columns();
    let line = |row: usize| columns.iter().map(|column| format!("{:?};", column.text(row))).collect();
    (0..batch.rows.rows()).map(line).collect()
}
