//! Removing one data subject's rows from dataset files.

use modelyard_blobs::Digest;
use serde::{Deserialize, Serialize};

use crate::{
    Result, Value,
    dataset::{FileInfo, Files, Filter, Scanner},
};

/// A file that held rows to erase. The caller lists the new file in place of
/// the old, then deletes the old blob.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Erased {
    /// The file as it was; its blob is still there.
    pub old: Digest,
    /// The file without the rows; none if no row is left.
    pub new: Option<FileInfo>,
    /// The rows that the new file lacks.
    pub rows_removed: u64,
}

/// Rewrites a file without the rows in which `column` equals `value`; none if
/// it has no such column or no such row.
pub(crate) async fn erase_file(
    files: &Files,
    digest: &Digest,
    column: &str,
    value: &Value,
) -> Result<Option<Erased>> {
    let sources = files.open(&[*digest]).await?;
    let Some(source) = sources.first() else { return Ok(None) };
    if source.schema().field(column).is_none() {
        return Ok(None);
    }
    let before = source.rows();
    let filter = Filter { except: Some((column.to_owned(), value.clone())), ..Filter::default() };
    let mut scanner = Scanner::filtered(sources, filter, None, 0)?;
    let (scanner, after) = crate::predictions::blocking(move || {
        let after = scanner.rows()?;
        Ok((scanner, after))
    })
    .await?;
    if after == before {
        return Ok(None);
    }
    let new = if after == 0 { None } else { Some(files.write(scanner).await?) };
    Ok(Some(Erased { old: *digest, new, rows_removed: before - after }))
}
