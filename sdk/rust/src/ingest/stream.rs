//! An object as a stream of bytes: read in pieces, inflated where it is gzip,
//! and continued at the place where the last pull stopped.

use std::io::Read;

use flate2::read::MultiGzDecoder;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::objects::Object;

/// Bytes asked of the host at once.
const CHUNK: usize = 1 << 20;
/// Bytes that a fingerprint covers at either end.
const RECENT: usize = 4096;

/// Whether a source is gzip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Gzip where the first two bytes say so.
    #[default]
    Auto,
    /// Gzip, in one member or several.
    Gzip,
    /// None.
    None,
}

/// What the bytes before a place look like: hashes of the first and the last
/// 4 KiB of them. A source that kept both has only grown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Of the first bytes.
    pub head: u64,
    /// Of the last bytes before the place.
    pub tail: u64,
}

/// What became of a source that is opened at an earlier place.
pub enum Continued {
    /// The bytes before the place are as they were.
    Same(Box<Stream>),
    /// They are not, or there are fewer of them.
    Replaced,
}

/// The unread bytes of an object. [`buffered`](Stream::buffered) shows those
/// at hand, [`fill`](Stream::fill) fetches more, [`consume`](Stream::consume)
/// moves on.
pub struct Stream {
    source: Source,
    buffer: Vec<u8>,
    /// The first unread byte in the buffer.
    start: usize,
    /// The place of the buffer's first byte in the inflated stream.
    base: u64,
    head: Vec<u8>,
    ended: bool,
    hold: Option<u64>,
}

enum Source {
    Plain(Box<Chunks>),
    Gzip(Box<MultiGzDecoder<Chunks>>),
}

/// The object's bytes as the decoder wants them.
struct Chunks {
    object: Object,
    offset: u64,
    chunk: Vec<u8>,
    used: usize,
    /// The host's error, which doesn't fit through `std::io`.
    failure: Option<Error>,
}

impl Chunks {
    fn fetch(&mut self, length: usize) -> Result<Vec<u8>, Error> {
        let bytes = self.object.read(self.offset, length as u32)?;
        self.offset += bytes.len() as u64;
        Ok(bytes)
    }
}

impl Read for Chunks {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.used == self.chunk.len() {
            self.chunk = self.fetch(CHUNK / 4).map_err(|error| {
                self.failure = Some(error);
                std::io::Error::other("the source failed")
            })?;
            self.used = 0;
        }
        let ready = self.chunk.get(self.used..).unwrap_or_default();
        let count = ready.len().min(into.len());
        if let (Some(from), Some(to)) = (ready.get(..count), into.get_mut(..count)) {
            to.copy_from_slice(from);
        }
        self.used += count;
        Ok(count)
    }
}

impl Stream {
    /// The object from its first byte.
    pub fn open(object: Object, compression: Compression) -> Result<Stream, Error> {
        Stream::open_near(object, compression, 0)
    }

    /// The object at byte `position` of its inflated content, if what comes
    /// before still has the fingerprint that it had.
    pub fn resume(
        object: Object,
        compression: Compression,
        position: u64,
        fingerprint: Fingerprint,
    ) -> Result<Continued, Error> {
        let mut stream = Stream::open_near(object, compression, position)?;
        while stream.position() < position {
            let missing = position - stream.position();
            let ready = stream.buffered().len() as u64;
            if ready == 0 && !stream.fill()? {
                return Ok(Continued::Replaced);
            }
            stream.consume(missing.min(ready) as usize);
        }
        Ok(if stream.fingerprint() == fingerprint {
            Continued::Same(Box::new(stream))
        } else {
            Continued::Replaced
        })
    }

    /// Opens at most 4 KiB before `position` where the content can be reached
    /// at any place, and at its start where it has to be inflated.
    fn open_near(object: Object, compression: Compression, position: u64) -> Result<Stream, Error> {
        let head = object.read(0, RECENT as u32)?;
        let gzip = match compression {
            Compression::Auto => head.starts_with(&[0x1f, 0x8b]),
            Compression::Gzip => true,
            Compression::None => false,
        };
        let offset = if gzip { 0 } else { position.saturating_sub(RECENT as u64) };
        let chunks = Chunks { object, offset, chunk: Vec::new(), used: 0, failure: None };
        Ok(Stream {
            source: if gzip {
                Source::Gzip(Box::new(MultiGzDecoder::new(chunks)))
            } else {
                Source::Plain(Box::new(chunks))
            },
            buffer: Vec::new(),
            start: 0,
            base: offset,
            head: if gzip { Vec::new() } else { head },
            ended: false,
            hold: None,
        })
    }

    /// The unread bytes at hand.
    pub fn buffered(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// Whether no byte follows those at hand.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// The place of the next unread byte in the inflated content.
    pub fn position(&self) -> u64 {
        self.base + self.start as u64
    }

    /// Moves past the next `count` bytes, or past all at hand if there are
    /// fewer.
    pub fn consume(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.buffer.len());
    }

    /// Keeps everything from here on in memory, so that [`rewind`](Stream::rewind)
    /// can come back to this place; until the next call.
    pub fn hold(&mut self) {
        self.hold = Some(self.position());
    }

    /// Back to the place that was held.
    pub fn rewind(&mut self) {
        if let Some(place) = self.hold {
            self.start = place.saturating_sub(self.base) as usize;
        }
    }

    /// Fetches more bytes, at least as many as are at hand; false at the end.
    pub fn fill(&mut self) -> Result<bool, Error> {
        if self.ended {
            return Ok(false);
        }
        self.compact();
        let wanted = CHUNK.max(self.buffer.len() - self.start);
        let before = self.buffer.len();
        match &mut self.source {
            Source::Plain(chunks) => {
                let bytes = chunks.fetch(wanted)?;
                if self.buffer.is_empty() {
                    self.buffer = bytes;
                } else {
                    self.buffer.extend_from_slice(&bytes);
                }
            }
            Source::Gzip(decoder) => inflate(decoder, &mut self.buffer, wanted, self.base)?,
        }
        self.ended = self.buffer.len() == before;
        if self.base == 0 && self.head.len() < RECENT {
            self.head = self.buffer.get(..RECENT).unwrap_or(&self.buffer).to_vec();
        }
        Ok(!self.ended)
    }

    /// Drops what was read, but for the last 4 KiB and for what is held.
    fn compact(&mut self) {
        let mut keep = self.start.saturating_sub(RECENT);
        if let Some(place) = self.hold {
            keep = keep.min((place.saturating_sub(self.base) as usize).saturating_sub(RECENT));
        }
        // Moving bytes is only worth it when it frees a good part.
        if keep > CHUNK / 2 {
            self.buffer.drain(..keep);
            self.base += keep as u64;
            self.start -= keep;
        }
    }

    /// What lies before the next unread byte.
    pub fn fingerprint(&self) -> Fingerprint {
        let head = self.head.len().min(self.position().min(RECENT as u64) as usize);
        let tail = self.start.saturating_sub(RECENT)..self.start;
        Fingerprint {
            head: fnv1a(self.head.get(..head).unwrap_or_default()),
            tail: fnv1a(self.buffer.get(tail).unwrap_or_default()),
        }
    }
}

fn inflate(
    decoder: &mut MultiGzDecoder<Chunks>,
    buffer: &mut Vec<u8>,
    wanted: usize,
    base: u64,
) -> Result<(), Error> {
    let mut filled = buffer.len();
    let end = filled + wanted;
    buffer.resize(end, 0);
    let result = loop {
        match decoder.read(buffer.get_mut(filled..end).unwrap_or_default()) {
            Ok(0) => break Ok(()),
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => break Err(error),
        }
    };
    buffer.truncate(filled);
    result.map_err(|error| match decoder.get_mut().failure.take() {
        Some(failure) => failure,
        None => {
            let place = base + filled as u64;
            let ends = error.kind() == std::io::ErrorKind::UnexpectedEof;
            let what = if ends { "ends in the middle".to_owned() } else { format!("is damaged ({error})") };
            Error::invalid(format!("the gzip source {what}, after byte {place} of its inflated content"))
        }
    })
}

/// FNV-1a, 64 bits (<http://www.isthe.com/chongo/tech/comp/fnv/>).
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use std::io::Write;

    use super::*;
    use crate::objects::{self, testing};

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn object(bytes: Vec<u8>) -> Object {
        testing::serve("file:///s", bytes);
        objects::open("file:///s", &[]).unwrap()
    }

    fn text() -> Vec<u8> {
        (0..400_000u32).flat_map(|n| format!("{n}\n").into_bytes()).collect()
    }

    fn drain(stream: &mut Stream) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            all.extend_from_slice(stream.buffered());
            stream.consume(usize::MAX);
            if !stream.fill().unwrap() {
                return all;
            }
        }
    }

    #[test]
    fn plain_gzip_and_several_members_give_the_same_bytes() {
        let text = text();
        let (one, two) = text.split_at(1_000_000);
        let members = [gzip(one), gzip(two)].concat();
        for bytes in [text.clone(), gzip(&text), members] {
            let mut stream = Stream::open(object(bytes), Compression::Auto).unwrap();
            assert_eq!(drain(&mut stream), text);
            assert_eq!(stream.position(), text.len() as u64);
        }
        let as_it_is = gzip(b"x");
        let mut stream = Stream::open(object(as_it_is.clone()), Compression::None).unwrap();
        assert_eq!(drain(&mut stream), as_it_is);
        assert!(Stream::open(object(b"text".to_vec()), Compression::Gzip).unwrap().fill().is_err());
    }

    #[test]
    fn a_stream_is_resumed_at_any_place_and_a_changed_one_is_noticed() {
        let text = text();
        for wrap in [<[u8]>::to_vec as fn(&[u8]) -> Vec<u8>, gzip] {
            for place in [0, 1, 4_095, 4_097, 700_001, 2_000_000, text.len()] {
                let mut stream = Stream::open(object(wrap(&text)), Compression::Auto).unwrap();
                while (stream.position() as usize) < place {
                    let missing = place - stream.position() as usize;
                    if stream.buffered().is_empty() {
                        assert!(stream.fill().unwrap());
                    }
                    stream.consume(missing.min(stream.buffered().len()));
                }
                let (position, fingerprint) = (stream.position(), stream.fingerprint());
                let resume = |bytes: Vec<u8>| {
                    Stream::resume(object(bytes), Compression::Auto, position, fingerprint).unwrap()
                };
                let mut grown = text.clone();
                grown.extend_from_slice(b"more");
                let Continued::Same(mut resumed) = resume(wrap(&grown)) else {
                    panic!("{place} is replaced")
                };
                assert_eq!(drain(&mut resumed), grown.get(place..).unwrap());
                assert!(resumed.fingerprint() != fingerprint || place == 0);
                if place > 0 {
                    let mut other = text.clone();
                    *other.get_mut(place - 1).unwrap() = b'#';
                    assert!(matches!(resume(wrap(&other)), Continued::Replaced), "{place}");
                    let short = text.get(..place - 1).unwrap();
                    assert!(matches!(resume(wrap(short)), Continued::Replaced), "{place}");
                }
            }
        }
    }

    #[test]
    fn what_is_held_can_be_read_again() {
        let text = text();
        let mut stream = Stream::open(object(text.clone()), Compression::Auto).unwrap();
        stream.fill().unwrap();
        stream.consume(900_000);
        stream.hold();
        let after = drain(&mut stream);
        stream.rewind();
        assert_eq!(stream.position(), 900_000);
        assert_eq!(drain(&mut stream), after);
    }
}
