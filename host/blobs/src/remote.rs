//! Blobs in a store of the `object_store` crate, with a local directory for files in the
//! making and for verified copies.

use std::{path::Path as FilePath, sync::Arc};

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt, WriteMultipart, path::Path};

use crate::{Blob, Digest, Error, Result};

/// Files are sent in pieces of this size.
const PIECE: usize = 8 << 20;

#[derive(Clone)]
pub(crate) struct Remote {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
}

impl Remote {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, prefix: Path) -> Self {
        Self { store, prefix }
    }

    fn path(&self, digest: &Digest) -> Path {
        let hex = digest.hex();
        let (directory, name) = hex.split_at_checked(2).unwrap_or_default();
        self.prefix.clone().join("sha256").join(directory).join(name)
    }

    /// Sends a file whose digest is known. Objects appear when they are complete.
    pub(crate) async fn send(&self, from: &FilePath, digest: &Digest) -> Result<()> {
        if self.size(digest).await.is_ok() {
            return Ok(());
        }
        let upload =
            self.store.put_multipart(&self.path(digest)).await.map_err(|error| named(digest, error))?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, PIECE);
        match pump(from, &mut upload).await {
            Ok(()) => upload.finish().await.map(drop).map_err(|error| named(digest, error)),
            Err(error) => {
                let _ = upload.abort().await;
                Err(error)
            }
        }
    }

    pub(crate) async fn get(&self, digest: &Digest) -> Result<Bytes> {
        let path = self.path(digest);
        let object = self.store.get(&path).await.map_err(|error| named(digest, error))?;
        let bytes = object.bytes().await.map_err(|error| named(digest, error))?;
        let found = Digest::of(&bytes);
        if found == *digest {
            return Ok(bytes);
        }
        Err(Error::Corrupt { digest: *digest, place: path.to_string(), found })
    }

    pub(crate) async fn size(&self, digest: &Digest) -> Result<u64> {
        Ok(self.store.head(&self.path(digest)).await.map_err(|error| named(digest, error))?.size)
    }

    pub(crate) async fn delete(&self, digest: &Digest) -> Result<bool> {
        match self.size(digest).await {
            Err(Error::NotFound(_)) => return Ok(false),
            other => other?,
        };
        self.store.delete(&self.path(digest)).await.map(|()| true).map_err(|error| named(digest, error))
    }

    pub(crate) async fn list(&self) -> Result<Vec<Blob>> {
        let prefix = self.prefix.clone().join("sha256");
        let objects: Vec<_> = self
            .store
            .list(Some(&prefix))
            .try_collect()
            .await
            .map_err(|error| Error::Store(error.to_string()))?;
        let mut blobs: Vec<_> = objects
            .into_iter()
            .filter_map(|object| {
                let name: String =
                    object.location.prefix_match(&prefix)?.map(|part| part.as_ref().to_owned()).collect();
                let digest = format!("sha256:{name}").parse().ok()?;
                Some(Blob { digest, size: object.size })
            })
            .collect();
        blobs.sort_by_key(|blob| blob.digest);
        Ok(blobs)
    }
}

async fn pump(from: &FilePath, upload: &mut WriteMultipart) -> Result<()> {
    use tokio::io::AsyncReadExt;
    let io = |source| Error::io(from, source);
    let mut file = tokio::fs::File::open(from).await.map_err(io)?;
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let read = file.read(&mut buffer).await.map_err(io)?;
        if read == 0 {
            return Ok(());
        }
        upload.wait_for_capacity(4).await.map_err(|error| Error::Store(error.to_string()))?;
        upload.write(buffer.get(..read).unwrap_or_default());
    }
}

fn named(digest: &Digest, error: object_store::Error) -> Error {
    match error {
        object_store::Error::NotFound { .. } => Error::NotFound(*digest),
        other => Error::Store(other.to_string()),
    }
}
