//! The `objects` capability: what ingestion plugins may read.

use std::{
    fs::File,
    io::{self, Seek, Write},
    os::unix::fs::FileExt,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, UNIX_EPOCH},
};

use async_trait::async_trait;
use modelyard_blobs::Digest;
use modelyard_runtime::{
    CallError, Object, Objects,
    types::{GuestError, InvalidInput, Unavailable},
};
use url::Url;

use crate::{Code, Error, IngestionOptions, Platform, hosts};

/// Files below the allowed roots, http and https to the allowed hosts, uploads.
pub(crate) struct Sources {
    platform: Platform,
    client: reqwest::Client,
    /// Whether the object asked for last could not be opened for want of room
    /// on our own disk. The contract has no error for that: the plugin hears
    /// that its source is unavailable.
    full: AtomicBool,
}

fn refused(message: String) -> GuestError {
    GuestError::InvalidInput(InvalidInput {
        message,
        parameter: Some("/url".into()),
        column: None,
        row: None,
    })
}

fn unavailable(message: String, retry_after: Option<Duration>) -> GuestError {
    let retry_after_ms = retry_after.and_then(|after| u64::try_from(after.as_millis()).ok());
    GuestError::Unavailable(Unavailable { message, retry_after_ms })
}

impl Sources {
    pub(crate) fn new(platform: &Platform) -> Arc<Self> {
        let timeout = Duration::from_secs(platform.options.ingestion.timeout_seconds);
        let client = reqwest::Client::builder()
            .connect_timeout(timeout)
            .read_timeout(timeout)
            // A redirect could lead to a host that isn't allowed.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap_or_default();
        Arc::new(Self { platform: platform.clone(), client, full: AtomicBool::new(false) })
    }

    /// What a plugin's failed call means, which may lie with our disk and not
    /// with the source that the plugin complains of.
    pub(crate) fn failure(&self, call: CallError) -> Error {
        let error = Error::from(call);
        match self.full.load(Relaxed) {
            true => Error { code: Code::Full, ..error },
            false => error,
        }
    }

    /// An object that can't be kept while it is read.
    fn unwritable(&self, url: &Url, error: &io::Error) -> GuestError {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        let full = matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge);
        self.full.store(full, Relaxed);
        unavailable(format!("{url} can't be kept while it is read: {error}"), None)
    }

    fn options(&self) -> &IngestionOptions {
        &self.platform.options.ingestion
    }

    fn file(&self, url: &Url) -> Result<Opened, GuestError> {
        let path =
            url.to_file_path().map_err(|()| refused(format!("{url} names no file on this machine")))?;
        let real = path.canonicalize().map_err(|error| refused(format!("{}: {error}", path.display())))?;
        let roots = &self.options().roots;
        let allowed =
            roots.iter().filter_map(|root| root.canonicalize().ok()).any(|root| real.starts_with(root));
        if !allowed {
            let roots: Vec<_> = roots.iter().map(|root| root.display().to_string()).collect();
            return Err(refused(format!(
                "{} lies outside the allowed roots ({}); add its directory to [ingestion] roots",
                real.display(),
                if roots.is_empty() { "none".to_owned() } else { roots.join(", ") },
            )));
        }
        let failed = |error: io::Error| refused(format!("{}: {error}", real.display()));
        let file = File::open(&real).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(refused(format!("{} is no file", real.display())));
        }
        let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let version = format!("{}-{}", metadata.len(), modified.unwrap_or_default().as_nanos());
        Ok(Opened { file, size: metadata.len(), version, headers: vec![] })
    }

    async fn upload(&self, digest: &str) -> Result<Opened, GuestError> {
        let digest: Digest = digest.parse().map_err(|error| refused(format!("upload: {error}")))?;
        let path: PathBuf = self.platform.blobs.open_verified_path(&digest).await.map_err(|error| {
            self.full.store(matches!(error, modelyard_blobs::Error::Full(_)), Relaxed);
            refused(error.to_string())
        })?;
        let file = File::open(&path).map_err(|error| refused(error.to_string()))?;
        let size = file.metadata().map_err(|error| refused(error.to_string()))?.len();
        Ok(Opened { file, size, version: digest.to_string(), headers: vec![] })
    }

    async fn http(&self, url: &Url, headers: &[(String, String)]) -> Result<Opened, GuestError> {
        let host = url.host_str().unwrap_or_default();
        let with_port = format!("{host}:{}", url.port_or_known_default().unwrap_or_default());
        if !hosts::read(&self.options().hosts).iter().any(|allowed| allowed.has(url)) {
            return Err(refused(format!("the host {with_port} is not allowed; add it to [ingestion] hosts")));
        }
        let mut request = self.client.get(url.clone());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let mut response = request
            .send()
            .await
            .map_err(|error| unavailable(format!("{url} did not answer: {error}"), None))?;
        let status = response.status();
        if status.is_server_error() || status.as_u16() == 429 {
            let after = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
            let after = after.and_then(|value| value.parse().ok()).map(Duration::from_secs);
            return Err(unavailable(format!("{url} answered {status}"), after));
        }
        if !status.is_success() {
            return Err(refused(format!("{url} answered {status}")));
        }
        let names = |name: &reqwest::header::HeaderName| name.as_str().to_owned();
        let headers: Vec<(String, String)> = response
            .headers()
            .iter()
            .filter_map(|(name, value)| Some((names(name), value.to_str().ok()?.to_owned())))
            .collect();
        let expected = response.content_length();
        // Spooled, so that its bytes don't change while it is open and any part can be read.
        let failed = |error: io::Error| self.unwritable(url, &error);
        let mut file = tempfile::tempfile_in(&self.platform.options.data_dir).map_err(failed)?;
        let mut size = 0u64;
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| unavailable(format!("{url} ended early: {error}"), None))?
        {
            size += chunk.len() as u64;
            if size > self.options().max_bytes {
                return Err(refused(format!("{url} has more than {} bytes", self.options().max_bytes)));
            }
            file.write_all(&chunk).map_err(failed)?;
        }
        if expected.is_some_and(|expected| expected != size) {
            let expected = expected.unwrap_or_default();
            return Err(unavailable(format!("{url} ended after {size} of {expected} bytes"), None));
        }
        file.rewind().map_err(failed)?;
        let tag = headers.iter().find(|(name, _)| name == "etag").map(|(_, value)| value.clone());
        Ok(Opened { file, size, version: tag.unwrap_or_else(|| size.to_string()), headers })
    }
}

#[async_trait]
impl Objects for Sources {
    async fn open(&self, url: &str, headers: &[(String, String)]) -> Result<Box<dyn Object>, GuestError> {
        self.full.store(false, Relaxed);
        if let Some(digest) = url.strip_prefix("upload:") {
            return Ok(Box::new(self.upload(digest).await?));
        }
        let parsed = Url::parse(url).map_err(|error| refused(format!("{url:?} is no URL: {error}")))?;
        Ok(Box::new(match parsed.scheme() {
            "file" => self.file(&parsed)?,
            "http" | "https" => self.http(&parsed, headers).await?,
            other => {
                return Err(refused(format!(
                    "the scheme {other:?} can't be read; use file, http, https or upload"
                )));
            }
        }))
    }
}

struct Opened {
    file: File,
    size: u64,
    version: String,
    headers: Vec<(String, String)>,
}

#[async_trait]
impl Object for Opened {
    fn size(&self) -> u64 {
        self.size
    }

    fn version(&self) -> String {
        self.version.clone()
    }

    fn header(&self, name: &str) -> Option<String> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    async fn read(&mut self, offset: u64, length: u32) -> Result<Vec<u8>, GuestError> {
        // Only what was there when it was opened, even if the file grew since.
        let length = u64::from(length).min(self.size.saturating_sub(offset));
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        let mut filled = 0;
        while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let read = self
                .file
                .read_at(rest, offset + filled as u64)
                .map_err(|error| unavailable(format!("reading failed: {error}"), None))?;
            if read == 0 {
                return Err(unavailable("the file became shorter while it was read".into(), None));
            }
            filled += read;
        }
        Ok(bytes)
    }
}
