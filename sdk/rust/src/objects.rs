//! Bytes behind URLs that the plugin's record allows. Natively, [`testing`]
//! serves what the test gave it.

use crate::{Error, Result};

#[cfg(target_arch = "wasm32")]
use crate::bindings::host::modelyard::lifecycle::objects as host;

/// An opened object: its bytes don't change while it is open.
#[derive(Debug)]
pub struct Object {
    #[cfg(target_arch = "wasm32")]
    source: host::Object,
    #[cfg(not(target_arch = "wasm32"))]
    source: testing::Served,
}

/// Opens an object: `file:///…`, `http://…`, `https://…` or `upload:<digest>`;
/// `headers` go along with http and https. `invalid-input` for a URL that isn't
/// allowed or doesn't exist, `unavailable` for a source that does not answer.
pub fn open(url: &str, headers: &[(String, String)]) -> Result<Object> {
    #[cfg(target_arch = "wasm32")]
    let source = host::open(&host::Request { url: url.to_owned(), headers: headers.to_vec() })?;
    #[cfg(not(target_arch = "wasm32"))]
    let source = testing::open(url, headers)?;
    Ok(Object { source })
}

impl Object {
    /// Its length in bytes.
    pub fn size(&self) -> u64 {
        self.source.size()
    }

    /// A value that differs when the content differs.
    pub fn version(&self) -> String {
        self.source.version()
    }

    /// A response header, for http and https; the name's case does not matter.
    pub fn header(&self, name: &str) -> Option<String> {
        self.source.header(&name.to_ascii_lowercase())
    }

    /// Up to `length` bytes from `offset`; fewer only at the end, empty past it.
    pub fn read(&self, offset: u64, length: u32) -> Result<Vec<u8>> {
        self.source.read(offset, length)
    }

    /// All bytes; for objects that fit into memory. An object above `limit` bytes
    /// is `invalid-input`.
    pub fn read_all(&self, limit: u64) -> Result<Vec<u8>> {
        if self.size() > limit {
            return Err(Error::invalid(format!(
                "the object has {} bytes; at most {limit} are read",
                self.size()
            )));
        }
        let mut all = Vec::new();
        loop {
            let part = self.read(all.len() as u64, Stream::CHUNK)?;
            if part.is_empty() {
                return Ok(all);
            }
            all.extend_from_slice(&part);
            if all.len() as u64 > limit {
                return Err(Error::invalid(format!("the object has more than {limit} bytes")));
            }
        }
    }

    /// The bytes from `offset` as a [`std::io::Read`], in chunks of 256 KiB.
    pub fn stream(&self, offset: u64) -> Stream<'_> {
        Stream { object: self, offset, chunk: Vec::new(), at: 0 }
    }
}

/// An object's bytes as a [`std::io::Read`]. A failed read is an
/// [`std::io::Error`] that holds the plugin's [`Error`]: [`Stream::error`] gets it
/// back.
#[derive(Debug)]
pub struct Stream<'a> {
    object: &'a Object,
    offset: u64,
    chunk: Vec<u8>,
    at: usize,
}

impl Stream<'_> {
    const CHUNK: u32 = 256 * 1024;

    /// Bytes handed out so far, counted from the object's start.
    pub fn position(&self) -> u64 {
        self.offset - (self.chunk.len() - self.at) as u64
    }

    /// The plugin's error inside an I/O error; another I/O error (of a
    /// decompressor, say) becomes `invalid-input`.
    pub fn error(error: std::io::Error) -> Error {
        match error.downcast::<Error>() {
            Ok(error) => error,
            Err(error) => Error::invalid(error.to_string()),
        }
    }
}

impl std::io::Read for Stream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.at >= self.chunk.len() {
            self.chunk = self.object.read(self.offset, Stream::CHUNK).map_err(std::io::Error::other)?;
            self.offset += self.chunk.len() as u64;
            self.at = 0;
        }
        let rest = self.chunk.get(self.at..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        self.at += count;
        Ok(count)
    }
}

/// Contents for native tests, per thread.
#[cfg(not(target_arch = "wasm32"))]
pub mod testing {
    use std::cell::RefCell;
    use std::collections::HashMap;
    use std::hash::{DefaultHasher, Hash, Hasher};
    use std::rc::Rc;

    use crate::{Error, Result};

    /// What a URL gives.
    #[derive(Clone, Debug)]
    enum Content {
        Served(Served),
        Fails(Error),
    }

    /// An object in memory.
    #[derive(Clone, Debug)]
    pub(super) struct Served {
        bytes: Rc<[u8]>,
        headers: HashMap<String, String>,
        fails: Option<(u64, Error)>,
    }

    thread_local! {
        static CONTENTS: RefCell<HashMap<String, Content>> = RefCell::default();
        static REQUESTS: RefCell<Vec<Request>> = RefCell::default();
    }

    /// A URL that was opened, and the headers that went along.
    pub type Request = (String, Vec<(String, String)>);

    /// Makes a URL give these bytes.
    pub fn serve(url: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        serve_with_headers(url, bytes, &[]);
    }

    /// Makes a URL give these bytes and response headers.
    pub fn serve_with_headers(url: impl Into<String>, bytes: impl Into<Vec<u8>>, headers: &[(&str, &str)]) {
        let headers = headers.iter().map(|(k, v)| (k.to_ascii_lowercase(), (*v).to_owned())).collect();
        let served = Served { bytes: bytes.into().into(), headers, fails: None };
        insert(url.into(), Content::Served(served));
    }

    /// Makes opening a URL fail.
    pub fn fail(url: impl Into<String>, error: Error) {
        insert(url.into(), Content::Fails(error));
    }

    /// Makes a URL give these bytes, and every read past `offset` fail.
    pub fn fail_after(url: impl Into<String>, bytes: impl Into<Vec<u8>>, offset: u64, error: Error) {
        let served =
            Served { bytes: bytes.into().into(), headers: HashMap::new(), fails: Some((offset, error)) };
        insert(url.into(), Content::Served(served));
    }

    /// Takes the requests made on this thread since the last call.
    pub fn requests() -> Vec<Request> {
        REQUESTS.take()
    }

    fn insert(url: String, content: Content) {
        CONTENTS.with_borrow_mut(|contents| contents.insert(url, content));
    }

    pub(super) fn open(url: &str, headers: &[(String, String)]) -> Result<Served> {
        REQUESTS.with_borrow_mut(|requests| requests.push((url.to_owned(), headers.to_vec())));
        match CONTENTS.with_borrow(|contents| contents.get(url).cloned()) {
            Some(Content::Served(served)) => Ok(served),
            Some(Content::Fails(error)) => Err(error),
            None => {
                Err(Error::invalid(format!("{url} does not exist: give it with objects::testing::serve")))
            }
        }
    }

    impl Served {
        pub(super) fn size(&self) -> u64 {
            self.bytes.len() as u64
        }

        pub(super) fn version(&self) -> String {
            let mut hasher = DefaultHasher::new();
            self.bytes.hash(&mut hasher);
            format!("{:016x}", hasher.finish())
        }

        pub(super) fn header(&self, name: &str) -> Option<String> {
            self.headers.get(name).cloned()
        }

        pub(super) fn read(&self, offset: u64, length: u32) -> Result<Vec<u8>> {
            let end = offset.saturating_add(u64::from(length)).min(self.size());
            match &self.fails {
                Some((at, error)) if end > *at => Err(error.clone()),
                _ => {
                    let (start, end) = (offset.min(end) as usize, end as usize);
                    Ok(self.bytes.get(start..end).unwrap_or_default().to_vec())
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::Read;

    #[test]
    fn objects_are_read_in_parts_and_whole() {
        let bytes: Vec<u8> = (0..600_000u32).map(|i| i as u8).collect();
        testing::serve_with_headers("https://x/a", bytes.clone(), &[("Link", "next")]);
        let object = open("https://x/a", &[("accept".into(), "text/csv".into())]).unwrap();
        assert_eq!((object.size(), object.header("link").as_deref()), (600_000, Some("next")));
        assert_eq!(object.read(599_998, 100).unwrap(), bytes[599_998..]);
        assert!(object.read(u64::MAX, 1).unwrap().is_empty());
        assert_eq!(object.read_all(1 << 20).unwrap(), bytes);
        assert!(object.read_all(10).unwrap_err().is_invalid_input());
        let mut stream = object.stream(5);
        let mut part = [0; 10];
        stream.read_exact(&mut part).unwrap();
        assert_eq!((stream.position(), &part[..]), (15, &bytes[5..15]));
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, bytes[15..]);
        assert_eq!(testing::requests()[0].1[0].1, "text/csv");
    }

    #[test]
    fn a_source_that_ends_early_keeps_its_error() {
        let error = Error::unavailable("ended after 3 of 9 bytes", Some(1000));
        testing::fail_after("http://x/b", *b"123456789", 3, error.clone());
        let object = open("http://x/b", &[]).unwrap();
        assert_eq!(object.read(0, 3).unwrap(), b"123");
        let failed = object.stream(0).read(&mut [0; 9]).unwrap_err();
        assert_eq!(Stream::error(failed), error);
        testing::fail("http://x/c", error.clone());
        assert_eq!(open("http://x/c", &[]).unwrap_err(), error);
        assert!(open("http://x/d", &[]).unwrap_err().is_invalid_input());
    }
}
