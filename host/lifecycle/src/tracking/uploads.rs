//! Uploads in parts, and the signed addresses that they and downloads go to.
//!
//! A client asks for an upload, sends its parts in any order and perhaps again,
//! and completes or aborts it. Parts lie in a directory of the upload's own; the
//! file appears when it is complete. An address that is handed out is good for
//! one thing for a time and needs no token.

use std::{
    fs,
    io::{self, Seek as _},
    path::{Path, PathBuf},
};

use modelyard_clock::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    ArtifactPath, Artifacts, Upload,
    artifacts::{failed, settle},
};
use crate::{Code, Error, Result};

/// The most parts of one upload.
const MOST: u64 = 10_000;
/// What an upload is for, in its directory.
const NOTE: &str = "upload.json";

/// A part as the client says it was sent.
#[derive(Clone, Debug, Deserialize)]
pub struct Part {
    /// Its number, counted from 1.
    pub part_number: u64,
    /// What the answer to it said that it is.
    #[serde(default)]
    pub etag: String,
}

/// What an upload is for.
#[derive(Serialize, Deserialize)]
struct Note {
    path: String,
    parts: u64,
}

/// The key of an artifact tree, made when it is first needed.
pub(super) fn key(file: &Path) -> Result<[u8; 32]> {
    let read = |bytes: Vec<u8>| <[u8; 32]>::try_from(bytes).ok();
    if let Some(key) = fs::read(file).ok().and_then(read) {
        return Ok(key);
    }
    let key = rand::random::<[u8; 32]>();
    let directory = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory).map_err(|error| failed(directory, &error))?;
    // Made with access for the owner alone.
    let temporary = tempfile::NamedTempFile::new_in(directory).map_err(|error| failed(file, &error))?;
    fs::write(temporary.path(), key).map_err(|error| failed(file, &error))?;
    temporary.persist(file).map_err(|error| failed(file, &error.error))?;
    Ok(key)
}

impl Artifacts {
    /// Signs what an address is good for until a moment.
    pub fn sign(&self, what: &str, until: Timestamp) -> String {
        // The key has a fixed length and goes on both sides, so nothing can be appended.
        let mut hasher = Sha256::new();
        hasher.update(self.key());
        hasher.update(Sha256::digest(
            [self.key().as_slice(), what.as_bytes(), &until.micros().to_be_bytes()].concat(),
        ));
        hex::encode(hasher.finalize())
    }

    /// Checks an address.
    ///
    /// # Errors
    /// [`Code::Forbidden`] if it was made up, or its time is over.
    pub fn check(&self, what: &str, until: Timestamp, signature: &str, now: Timestamp) -> Result<()> {
        let expected = self.sign(what, until);
        // Every byte is looked at, so that time tells nothing of the first that differs.
        let differs = expected.len() != signature.len()
            || expected.bytes().zip(signature.bytes()).fold(0, |all, (a, b)| all | (a ^ b)) != 0;
        if differs {
            return Err(Error::new(Code::Forbidden, "the address is not one that was handed out"));
        }
        if now > until {
            return Err(Error::new(
                Code::Forbidden,
                "the address was good for a time that is over; ask for another",
            ));
        }
        Ok(())
    }

    /// Begins an upload in parts, and gives its id.
    ///
    /// # Errors
    /// [`Code::InvalidInput`] for a number of parts that can't be.
    pub async fn begin(&self, path: &ArtifactPath, parts: i64) -> Result<(String, u64)> {
        let count = u64::try_from(parts).ok().filter(|count| (1..=MOST).contains(count));
        let count = count.ok_or_else(|| {
            Error::field("num_parts", format!("num_parts must be between 1 and {MOST}, but got {parts}"))
        })?;
        if path.is_root() {
            return Err(Error::field("path", "Invalid path: it names no file"));
        }
        let id = uuid::Uuid::new_v4().simple().to_string();
        let directory = self.uploads().join(&id);
        let note = serde_json::to_vec(&Note { path: path.to_string(), parts: count })?;
        tokio::task::spawn_blocking(move || {
            fs::create_dir_all(&directory)
                .and_then(|()| fs::write(directory.join(NOTE), note))
                .map_err(|error| failed(&directory, &error))
        })
        .await??;
        Ok((id, count))
    }

    /// Begins a part, which replaces one of the same number.
    ///
    /// # Errors
    /// [`Code::NotFound`] for an upload that isn't under way.
    pub async fn part(&self, id: &str, number: u64) -> Result<Upload> {
        let (directory, note) = self.note(id)?;
        if !(1..=note.parts).contains(&number) {
            return Err(Error::field("part", format!("the upload has the parts 1 to {}", note.parts)));
        }
        self.stage(directory.join(number.to_string())).await
    }

    /// Puts the parts together and the file into its place.
    ///
    /// # Errors
    /// [`Code::NotFound`] for an upload that isn't under way, [`Code::InvalidInput`] for parts that are
    /// missing, sent twice, or of another upload.
    pub async fn complete(&self, path: &ArtifactPath, id: &str, parts: Vec<Part>) -> Result<()> {
        let (directory, note) = self.note(id)?;
        if note.path != path.to_string() {
            return Err(Error::field("upload_id", format!("the upload {id} is one of '{}'", note.path)));
        }
        let mut numbers: Vec<u64> = parts.iter().map(|part| part.part_number).collect();
        numbers.sort_unstable();
        if numbers.len() as u64 != note.parts || !numbers.iter().copied().eq(1..=note.parts) {
            let message = format!("parts must name each of the parts 1 to {} once", note.parts);
            return Err(Error::field("parts", message));
        }
        let target = self.place(path);
        tokio::task::spawn_blocking(move || join(&directory, &numbers, &target)).await?
    }

    /// Ends an upload without a file.
    ///
    /// # Errors
    /// [`Code::NotFound`] for an upload that isn't under way.
    pub async fn abort(&self, id: &str) -> Result<()> {
        let (directory, _) = self.note(id)?;
        tokio::task::spawn_blocking(move || {
            fs::remove_dir_all(&directory).map_err(|error| failed(&directory, &error))
        })
        .await?
    }

    fn note(&self, id: &str) -> Result<(PathBuf, Note)> {
        let unknown = || Error::new(Code::NotFound, format!("no upload {id:?} is under way"));
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(unknown());
        }
        let directory = self.uploads().join(id);
        let note = fs::read(directory.join(NOTE)).map_err(|_| unknown())?;
        let note = serde_json::from_slice(&note).map_err(|_| unknown())?;
        Ok((directory, note))
    }
}

/// The first part with the others behind it becomes the file.
fn join(directory: &Path, numbers: &[u64], target: &Path) -> Result<()> {
    let part = |number: &u64| directory.join(number.to_string());
    if let Some(missing) = numbers.iter().find(|number| !part(number).is_file()) {
        return Err(Error::field("parts", format!("part {missing} was not sent")));
    }
    // A copy in the making, so that what is killed here can be asked for again.
    let whole = tempfile::NamedTempFile::new_in(directory).map_err(|error| failed(directory, &error))?;
    let joined = || -> io::Result<()> {
        let mut file = whole.as_file();
        file.seek(io::SeekFrom::Start(0))?;
        for number in numbers {
            io::copy(&mut fs::File::open(part(number))?, &mut file)?;
        }
        Ok(())
    };
    joined().map_err(|error| failed(target, &error))?;
    settle(whole.into_temp_path(), target)?;
    // The file is there; what is left of its parts is removed at leisure.
    if let Err(error) = fs::remove_dir_all(directory) {
        tracing::warn!(%error, "the parts of an upload can't be removed");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    async fn send(artifacts: &Artifacts, id: &str, number: u64, bytes: &[u8]) {
        let mut part = artifacts.part(id, number).await.unwrap();
        part.write(Bytes::copy_from_slice(bytes)).await.unwrap();
        part.finish().await.unwrap();
    }

    fn parts(numbers: &[u64]) -> Vec<Part> {
        numbers.iter().map(|number| Part { part_number: *number, etag: String::new() }).collect()
    }

    #[tokio::test]
    async fn parts_in_any_order_become_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::open(directory.path()).unwrap();
        let path = ArtifactPath::parse("0/run/big.bin").unwrap();
        let (id, count) = artifacts.begin(&path, 3).await.unwrap();
        assert_eq!(count, 3);
        for (number, bytes) in [(3, "ghi"), (1, "xxx"), (1, "abc")] {
            send(&artifacts, &id, number, bytes.as_bytes()).await;
        }
        for wrong in [&[1, 2][..], &[1, 1, 2], &[1, 2, 4], &[]] {
            let error = artifacts.complete(&path, &id, parts(wrong)).await.unwrap_err();
            assert_eq!(error.location.field.as_deref(), Some("parts"));
        }
        let error = artifacts.complete(&path, &id, parts(&[1, 2, 3])).await.unwrap_err();
        assert!(error.message.contains("part 2 was not sent"), "{error}");
        assert!(artifacts.list(&ArtifactPath::default()).await.unwrap().is_empty());
        send(&artifacts, &id, 2, b"def").await;
        // As after a restart.
        let artifacts = Artifacts::open(directory.path()).unwrap();
        let other = ArtifactPath::parse("0/run/other.bin").unwrap();
        assert!(artifacts.complete(&other, &id, parts(&[1, 2, 3])).await.is_err());
        artifacts.complete(&path, &id, parts(&[3, 1, 2])).await.unwrap();
        assert_eq!(fs::read(artifacts.place(&path)).unwrap(), b"abcdefghi");
        assert_eq!(artifacts.abort(&id).await.unwrap_err().code, Code::NotFound);
        assert_eq!(fs::read_dir(artifacts.uploads()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn what_is_no_upload_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::open(directory.path()).unwrap();
        let path = ArtifactPath::parse("a").unwrap();
        for count in [-1, 0, 10_001, i64::MAX] {
            assert!(artifacts.begin(&path, count).await.is_err(), "{count}");
        }
        for id in ["", "../files", "0123"] {
            assert_eq!(artifacts.part(id, 1).await.unwrap_err().code, Code::NotFound);
        }
        let (id, _) = artifacts.begin(&path, 1).await.unwrap();
        assert!(artifacts.part(&id, 0).await.is_err() && artifacts.part(&id, 2).await.is_err());
        artifacts.abort(&id).await.unwrap();
    }

    #[tokio::test]
    async fn an_address_is_good_for_one_thing_and_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::open(directory.path()).unwrap();
        let (now, until) = (Timestamp::from_micros(5), Timestamp::from_micros(10));
        let signature = artifacts.sign("get a", until);
        assert!(artifacts.check("get a", until, &signature, now).is_ok());
        assert!(artifacts.check("get b", until, &signature, now).is_err());
        assert!(artifacts.check("get a", Timestamp::from_micros(11), &signature, now).is_err());
        assert!(artifacts.check("get a", until, &signature, Timestamp::from_micros(11)).is_err());
        assert!(artifacts.check("get a", until, "", now).is_err());
        let again = Artifacts::open(directory.path()).unwrap();
        assert!(again.check("get a", until, &signature, now).is_ok());
    }

    #[tokio::test]
    async fn a_file_appears_whole_or_not_at_all() {
        let directory = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::open(directory.path()).unwrap();
        let path = ArtifactPath::parse("0/a.txt").unwrap();
        let mut upload = artifacts.upload(&path).await.unwrap();
        upload.write(Bytes::from_static(b"half")).await.unwrap();
        assert!(artifacts.read(&path).await.is_err());
        drop(upload);
        assert_eq!(fs::read_dir(directory.path().join("staging")).unwrap().count(), 0);
        let mut upload = artifacts.upload(&path).await.unwrap();
        upload.write(Bytes::from_static(b"whole")).await.unwrap();
        upload.finish().await.unwrap();
        assert_eq!(artifacts.read(&path).await.unwrap().1, 5);
        // A file is no directory, and a directory no file.
        let below = ArtifactPath::parse("0/a.txt/b").unwrap();
        let upload = artifacts.upload(&below).await.unwrap();
        assert_eq!(upload.finish().await.unwrap_err().code, Code::InvalidInput);
        let above = ArtifactPath::parse("0").unwrap();
        assert_eq!(artifacts.upload(&above).await.unwrap_err().code, Code::InvalidInput);
        artifacts.delete(&above).await.unwrap();
        assert!(artifacts.read(&path).await.is_err());
        artifacts.delete(&above).await.unwrap();
    }
}
