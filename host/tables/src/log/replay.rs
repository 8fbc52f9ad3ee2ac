//! Reading a log at open: which frames are whole, and what to do about the
//! rest.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Segment,
    segment::{HEAD, MAGIC, REPLACES, remove_temporary},
};
use crate::{Error, Result};

/// What a segment's bytes hold.
struct Scanned {
    /// Offset and length of every whole payload.
    whole: Vec<(usize, usize)>,
    /// Where the first damage starts.
    damage: Option<usize>,
    /// Whether whole frames follow the damage.
    inside: bool,
}

fn scan(bytes: &[u8]) -> Scanned {
    let mut scanned = Scanned { whole: Vec::new(), damage: None, inside: false };
    let mut at = MAGIC.len();
    while at < bytes.len() {
        let number = |from: usize| {
            let bytes: [u8; 4] = bytes.get(from..from + 4)?.try_into().ok()?;
            Some(u32::from_le_bytes(bytes))
        };
        let (Some(length), Some(checksum)) = (number(at), number(at + 4)) else {
            scanned.damage.get_or_insert(at);
            break;
        };
        let start = at + HEAD;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let Some(payload) = start.checked_add(length).and_then(|end| bytes.get(start..end)) else {
            scanned.damage.get_or_insert(at);
            break;
        };
        // Eight zero bytes are a valid empty frame; nobody writes one, but a
        // file system may leave zeros behind a crash.
        if length > 0 && crc32fast::hash(payload) == checksum {
            scanned.inside |= scanned.damage.is_some();
            scanned.whole.push((start, length));
        } else {
            scanned.damage.get_or_insert(at);
        }
        at = start + length;
    }
    scanned
}

fn sequences(dir: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(Error::at(dir))? {
        let path = entry.map_err(Error::at(dir))?.path();
        let is_log = path.extension().is_some_and(|extension| extension == "log");
        let sequence = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
        if let (true, Some(sequence)) = (is_log, sequence) {
            found.push((sequence, path));
        }
    }
    found.sort();
    Ok(found)
}

/// The first bytes of a file; none if it has fewer.
fn magic(path: &Path) -> Result<Option<[u8; 8]>> {
    let mut magic = [0; MAGIC.len()];
    let mut file = File::open(path).map_err(Error::at(path))?;
    match file.read_exact(&mut magic) {
        Ok(()) => Ok(Some(magic)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(Error::io(path, &error)),
    }
}

/// Opens every segment of a directory behind `through`, oldest first.
pub(super) fn open<M: Clone>(
    dir: &Path,
    through: u64,
    read: &mut impl FnMut(&[u8]) -> Result<M>,
) -> Result<Vec<Arc<Segment<M>>>> {
    remove_temporary(dir)?;
    let mut found = sequences(dir)?;
    let mut first = through + 1;
    for (sequence, path) in &found {
        if magic(path)?.as_ref() == Some(REPLACES) {
            first = first.max(*sequence);
        }
    }
    // An interrupted rewrite or removal left these behind.
    for (_, path) in found.extract_if(.., |(sequence, _)| *sequence < first) {
        fs::remove_file(&path).map_err(Error::at(&path))?;
    }
    found.into_iter().map(|(sequence, path)| Ok(Arc::new(segment(&path, sequence, read)?))).collect()
}

/// The bytes of a segment's whole frames, after repairing the file.
fn repaired(path: &Path) -> Result<(Vec<u8>, Scanned)> {
    let bytes = fs::read(path).map_err(Error::at(path))?;
    let magic = bytes.get(..MAGIC.len()).unwrap_or_default();
    if magic != MAGIC && magic != REPLACES {
        return Err(Error::CorruptLog {
            path: path.display().to_string(),
            offset: 0,
            message: "it does not start as a log of tables; move it away or restore it".into(),
        });
    }
    let scanned = scan(&bytes);
    let Some(damage) = scanned.damage else { return Ok((bytes, scanned)) };
    if !scanned.inside {
        let cut = bytes.len() - damage;
        tracing::warn!(log = %path.display(), offset = damage, bytes = cut, "cut a torn tail off a log");
        let file = OpenOptions::new().write(true).open(path).map_err(Error::at(path))?;
        file.set_len(damage as u64).and_then(|()| file.sync_all()).map_err(Error::at(path))?;
        return Ok((bytes, scanned));
    }
    // Damage in the middle: keep every whole frame, and the file as it was.
    let aside = path.with_extension("damaged");
    tracing::error!(
        log = %path.display(), offset = damage, kept = %aside.display(),
        "a log is damaged in its middle; its whole frames are kept and the file is set aside"
    );
    fs::copy(path, &aside).and_then(|_| File::open(&aside)?.sync_all()).map_err(Error::at(&aside))?;
    let mut whole = magic.to_vec();
    for (start, length) in &scanned.whole {
        whole.extend_from_slice(bytes.get(start - HEAD..start + length).unwrap_or_default());
    }
    super::segment::replace(path, &whole)?;
    let scanned = scan(&whole);
    Ok((whole, scanned))
}

fn segment<M: Clone>(
    path: &Path,
    sequence: u64,
    read: &mut impl FnMut(&[u8]) -> Result<M>,
) -> Result<Segment<M>> {
    let (bytes, scanned) = repaired(path)?;
    let mut entries = Vec::with_capacity(scanned.whole.len());
    let mut length = MAGIC.len();
    for (start, size) in scanned.whole {
        let payload = bytes.get(start..start + size).unwrap_or_default();
        let meta = read(payload).map_err(|error| Error::CorruptLog {
            path: path.display().to_string(),
            offset: start as u64,
            message: error.to_string(),
        })?;
        entries.push((meta, start as u64, u32::try_from(size).unwrap_or(u32::MAX)));
        length = start + size;
    }
    Segment::existing(path, sequence, entries, length as u64)
}
