use std::{
    fs::{self, File, OpenOptions},
    io::{BufWriter, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    time::Instant,
};

use parking_lot::{Mutex, RwLock};

use crate::{Error, Result};

/// What a segment starts with.
pub(super) const MAGIC: &[u8; 8] = b"mytable1";
/// What a segment starts with that replaces all before it: if a crash leaves
/// older ones behind, they are not read again.
pub(super) const REPLACES: &[u8; 8] = b"mytableR";
/// Length and checksum before every payload.
pub(super) const HEAD: usize = 8;

/// A payload with its length and checksum.
pub(super) fn frame(payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD + payload.len());
    bytes.extend_from_slice(&u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(payload).to_le_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// Where a payload stands in its segment, and what the index keeps of it.
#[derive(Clone, Debug)]
pub(crate) struct Entry<M> {
    pub(crate) meta: M,
    offset: u64,
    length: u32,
}

/// One file of a log. It can be read while it is written to, and after it was
/// deleted.
pub(crate) struct Segment<M> {
    pub(crate) sequence: u64,
    pub(crate) path: PathBuf,
    pub(crate) created: Instant,
    file: File,
    /// Bytes that are synced; nothing lies behind them.
    length: Mutex<u64>,
    entries: RwLock<Vec<Entry<M>>>,
}

pub(super) fn path(dir: &Path, sequence: u64) -> PathBuf {
    dir.join(format!("{sequence:016}.log"))
}

/// Makes created, renamed and deleted names durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(Error::at(dir))
}

impl<M: Clone> Segment<M> {
    /// A new empty segment.
    pub(super) fn create(dir: &Path, sequence: u64) -> Result<Self> {
        Self::write(dir, sequence, MAGIC, |_| Ok(()))
    }

    /// A new segment with payloads in it that replaces all before it.
    pub(super) fn rewritten(
        dir: &Path,
        sequence: u64,
        fill: impl FnOnce(&mut dyn FnMut(&[u8], M) -> Result<()>) -> Result<()>,
    ) -> Result<Self> {
        Self::write(dir, sequence, REPLACES, fill)
    }

    /// A segment appears under its name complete and synced, or not at all.
    fn write(
        dir: &Path,
        sequence: u64,
        magic: &[u8; 8],
        fill: impl FnOnce(&mut dyn FnMut(&[u8], M) -> Result<()>) -> Result<()>,
    ) -> Result<Self> {
        let path = path(dir, sequence);
        let temporary = tempfile::Builder::new().suffix(".tmp").tempfile_in(dir).map_err(Error::at(&path))?;
        let mut out = BufWriter::with_capacity(1 << 18, temporary);
        out.write_all(magic).map_err(Error::at(&path))?;
        let mut entries = Vec::new();
        let mut length = MAGIC.len() as u64;
        fill(&mut |payload, meta| {
            let bytes = frame(payload);
            out.write_all(&bytes).map_err(Error::at(&path))?;
            entries.push(Entry {
                meta,
                offset: length + HEAD as u64,
                length: u32::try_from(payload.len()).unwrap_or(u32::MAX),
            });
            length += bytes.len() as u64;
            Ok(())
        })?;
        let temporary = out.into_inner().map_err(|error| Error::io(&path, error.error()))?;
        temporary.as_file().sync_all().map_err(Error::at(&path))?;
        let file = temporary.persist(&path).map_err(|error| Error::io(&path, &error.error))?;
        sync_dir(dir)?;
        Ok(Self {
            sequence,
            path,
            created: Instant::now(),
            file,
            length: Mutex::new(length),
            entries: RwLock::new(entries),
        })
    }

    /// A segment that was there, checked up to `length`.
    pub(super) fn existing(
        path: &Path,
        sequence: u64,
        entries: Vec<(M, u64, u32)>,
        length: u64,
    ) -> Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(Error::at(path))?;
        let entry = |(meta, offset, length)| Entry { meta, offset, length };
        Ok(Self {
            sequence,
            path: path.to_owned(),
            created: Instant::now(),
            file,
            length: Mutex::new(length),
            entries: RwLock::new(entries.into_iter().map(entry).collect()),
        })
    }

    /// Writes frames behind the last one and syncs; all of them or none.
    pub(super) fn append<'a>(&self, frames: impl Iterator<Item = (&'a [u8], &'a M)>) -> Result<()>
    where
        M: 'a,
    {
        let mut length = self.length.lock();
        let mut buffer = Vec::new();
        let mut entries = Vec::new();
        for (bytes, meta) in frames {
            entries.push(Entry {
                meta: meta.clone(),
                offset: *length + (buffer.len() + HEAD) as u64,
                length: u32::try_from(bytes.len() - HEAD).unwrap_or(u32::MAX),
            });
            buffer.extend_from_slice(bytes);
        }
        let written = self.file.write_all_at(&buffer, *length).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // What was acknowledged ends at `length`; nothing may stay behind it.
            if let Err(error) = self.file.set_len(*length).and_then(|()| self.file.sync_data()) {
                tracing::error!(log = %self.path.display(), %error, "could not cut off a failed write");
            }
            return Err(Error::io(&self.path, &error));
        }
        *length += buffer.len() as u64;
        self.entries.write().extend(entries);
        Ok(())
    }

    /// Bytes behind the header.
    pub(crate) fn payload(&self) -> u64 {
        (*self.length.lock()).saturating_sub(MAGIC.len() as u64)
    }

    /// What is committed, oldest first, as far as `keep` wants it.
    pub(crate) fn entries(&self, mut keep: impl FnMut(&M) -> bool) -> Vec<Entry<M>> {
        self.entries.read().iter().filter(|entry| keep(&entry.meta)).cloned().collect()
    }

    /// Looks at every committed frame's index entry.
    pub(crate) fn each(&self, mut look: impl FnMut(&M)) {
        self.entries.read().iter().for_each(|entry| look(&entry.meta));
    }

    /// An entry's payload. Blocking.
    pub(crate) fn read(&self, entry: &Entry<M>) -> Result<Vec<u8>> {
        let mut payload = vec![0; usize::try_from(entry.length).unwrap_or(0)];
        self.file.read_exact_at(&mut payload, entry.offset).map_err(Error::at(&self.path))?;
        Ok(payload)
    }
}

/// Replaces a small file atomically and durably.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut temporary = tempfile::Builder::new().suffix(".tmp").tempfile_in(dir).map_err(Error::at(path))?;
    temporary.write_all(bytes).map_err(Error::at(path))?;
    temporary.as_file().sync_all().map_err(Error::at(path))?;
    temporary.persist(path).map_err(|error| Error::io(path, &error.error))?;
    sync_dir(dir)
}

/// Removes what an interrupted write left behind.
pub(crate) fn remove_temporary(dir: &Path) -> Result<()> {
    for entry in fs::read_dir(dir).map_err(Error::at(dir))? {
        let path = entry.map_err(Error::at(dir))?.path();
        if path.extension().is_some_and(|extension| extension == "tmp") {
            fs::remove_file(&path).map_err(Error::at(&path))?;
        }
    }
    Ok(())
}
