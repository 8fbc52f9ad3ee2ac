use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    Digest, Error, Result, Writer,
    local::{Local, Temporary},
    remote::Remote,
};

/// Where blobs are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// A directory (a path or `file://…`), `memory:///`, or the URL of a store that `object_store`
    /// knows and this program was built with; its credentials come from the environment.
    pub url: String,
    /// For stores that are no directory: where files in the making and verified copies go.
    /// A temporary directory if absent.
    pub cache: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self::directory("data/blobs")
    }
}

impl Options {
    /// Files of this directory, which is created.
    pub fn directory(path: impl AsRef<Path>) -> Self {
        Self { url: path.as_ref().display().to_string(), cache: None }
    }

    /// In memory, gone with the last handle.
    pub fn memory() -> Self {
        Self { url: "memory:///".to_owned(), cache: None }
    }
}

/// One blob of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blob {
    /// Its name.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
}

/// A store of blobs. A cheap handle: clones share one store.
#[derive(Clone)]
pub struct Blobs(Arc<Inner>);

struct Inner {
    /// The store itself, or the cache of a remote one.
    local: Arc<Local>,
    remote: Option<Remote>,
    /// Keeps a temporary cache directory until the last handle is gone.
    _temporary: Option<tempfile::TempDir>,
}

impl Blobs {
    /// Opens a store; a directory is created where there is none, and what killed writers left
    /// in it is removed.
    ///
    /// # Errors
    /// [`Error::BadUrl`], [`Error::Io`], [`Error::Full`].
    pub async fn open(options: &Options) -> Result<Self> {
        let url = &options.url;
        let bad = |reason: String| Error::BadUrl { url: url.clone(), reason };
        if url.is_empty() {
            return Err(bad("write a directory or a URL".to_owned()));
        }
        let Some((scheme, rest)) = url.split_once("://") else {
            return Self::at(PathBuf::from(url), None, None).await;
        };
        if scheme == "file" {
            return Self::at(PathBuf::from(rest), None, None).await;
        }
        let parsed = url::Url::parse(url).map_err(|error| {
            bad(format!("{error}; write a directory, memory:/// or a URL of an object store"))
        })?;
        // Keys, regions and endpoints come from the environment, as for the tools of these stores.
        let environment = std::env::vars().map(|(name, value)| (name.to_lowercase(), value));
        let (store, prefix) = object_store::parse_url_opts(&parsed, environment).map_err(|error| {
            bad(format!("{error}; write a directory, memory:/// or a URL of an object store"))
        })?;
        let remote = Remote::new(Arc::from(store), prefix);
        match &options.cache {
            Some(cache) => Self::at(cache.clone(), Some(remote), None).await,
            None => {
                let cache = tempfile::tempdir().map_err(|source| Error::io(&std::env::temp_dir(), source))?;
                Self::at(cache.path().to_owned(), Some(remote), Some(cache)).await
            }
        }
    }

    async fn at(root: PathBuf, remote: Option<Remote>, temporary: Option<tempfile::TempDir>) -> Result<Self> {
        let local = blocking(move || Local::open(&root)).await?;
        Ok(Self(Arc::new(Inner { local: Arc::new(local), remote, _temporary: temporary })))
    }

    async fn local<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Local) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let local = self.0.local.clone();
        blocking(move || work(&local)).await
    }

    /// Stores these bytes; where they are stored already nothing changes.
    pub async fn put(&self, bytes: Bytes) -> Result<Digest> {
        if self.0.remote.is_none() {
            return self.local(move |local| local.put(&bytes)).await;
        }
        let temporary = self
            .local(move |local| {
                let mut temporary = local.temporary()?;
                temporary.write(&bytes)?;
                Ok(temporary)
            })
            .await?;
        self.keep(temporary).await.map(|(digest, _)| digest)
    }

    /// Stores a file's content and removes the file (it is moved where that is possible). The
    /// file must not be written to meanwhile. Returns digest and length in bytes.
    pub async fn put_file(&self, path: &Path) -> Result<(Digest, u64)> {
        let owned = path.to_owned();
        let Some(remote) = &self.0.remote else {
            return self.local(move |local| local.put_file(&owned)).await;
        };
        let (digest, length) = blocking(move || {
            let io = |source| Error::io(&owned, source);
            Digest::of_reader(std::fs::File::open(&owned).map_err(io)?).map_err(io)
        })
        .await?;
        remote.send(path, &digest).await?;
        tokio::fs::remove_file(path).await.map_err(|source| Error::io(path, source))?;
        Ok((digest, length))
    }

    /// Starts a blob that is written piece by piece.
    pub async fn writer(&self) -> Result<Writer> {
        let temporary = self.local(Local::temporary).await?;
        Ok(Writer::new(self.clone(), temporary))
    }

    pub(crate) async fn keep(&self, temporary: Temporary) -> Result<(Digest, u64)> {
        if let Some(remote) = &self.0.remote {
            let (digest, _) = temporary.digest();
            remote.send(temporary.path(), &digest).await?;
            let length = temporary.digest().1;
            return Ok((digest, length));
        }
        self.local(move |local| local.keep(temporary)).await
    }

    /// The blob's bytes, verified.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Corrupt`].
    pub async fn get(&self, digest: &Digest) -> Result<Bytes> {
        let digest = *digest;
        match &self.0.remote {
            Some(remote) => remote.get(&digest).await,
            None => self.local(move |local| local.get(&digest)).await,
        }
    }

    /// A file that holds the blob, verified; it must not be written to. Of a remote store it is
    /// a copy in the cache.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Corrupt`].
    pub async fn open_verified_path(&self, digest: &Digest) -> Result<PathBuf> {
        let digest = *digest;
        let here = self.local(move |local| local.verify(&digest)).await;
        match (&self.0.remote, here) {
            (Some(remote), Err(Error::NotFound(_) | Error::Corrupt { .. })) => {
                let bytes = remote.get(&digest).await?;
                self.local(move |local| local.put(&bytes).and_then(|digest| local.verify(&digest))).await
            }
            (_, here) => here,
        }
    }

    /// The blob's length in bytes.
    pub async fn size(&self, digest: &Digest) -> Result<u64> {
        let digest = *digest;
        match &self.0.remote {
            Some(remote) => remote.size(&digest).await,
            None => self.local(move |local| local.size(&digest)).await,
        }
    }

    /// Whether the blob is there.
    pub async fn exists(&self, digest: &Digest) -> Result<bool> {
        match self.size(digest).await {
            Ok(_) => Ok(true),
            Err(Error::NotFound(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Removes the blob; says whether there was one.
    pub async fn delete(&self, digest: &Digest) -> Result<bool> {
        let digest = *digest;
        let here = self.local(move |local| local.delete(&digest)).await?;
        match &self.0.remote {
            Some(remote) => remote.delete(&digest).await,
            None => Ok(here),
        }
    }

    /// All blobs, ordered by digest.
    pub async fn list(&self) -> Result<Vec<Blob>> {
        match &self.0.remote {
            Some(remote) => remote.list().await,
            None => self.local(Local::list).await,
        }
    }

    /// The length of all blobs together.
    pub async fn total_bytes(&self) -> Result<u64> {
        Ok(self.list().await?.iter().map(|blob| blob.size).sum())
    }
}

/// Runs file work where it may block.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::Store(format!("the work on a blob was cut off: {error}"))),
    }
}
