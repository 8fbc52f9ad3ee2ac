//! Bytes of a model artifact: written by a trainer, read back with every count
//! and index checked, since an artifact may come from anybody.
//!
//! Integers are unsigned LEB128, numbers little-endian IEEE 754 doubles, texts
//! a length in bytes and UTF-8.

use super::{Error, malformed};

/// The longest text that is read, in bytes.
const MAX_TEXT: usize = 1 << 16;

/// Builds an artifact.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Begins with the format's name, such as `modelyard-gbdt-1`.
    #[must_use]
    pub fn new(format: &str) -> Self {
        Self { bytes: format.as_bytes().to_vec() }
    }

    /// One byte.
    pub fn byte(&mut self, value: u8) {
        self.bytes.push(value);
    }

    /// An integer, in as few bytes as it needs.
    pub fn integer(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    /// A length or an index.
    pub fn count(&mut self, value: usize) {
        self.integer(value as u64);
    }

    /// A double, bit for bit.
    pub fn number(&mut self, value: f64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// A text.
    pub fn text(&mut self, value: &str) {
        self.count(value.len());
        self.bytes.extend_from_slice(value.as_bytes());
    }

    /// Bytes whose length the reader knows.
    pub fn raw(&mut self, value: &[u8]) {
        self.bytes.extend_from_slice(value);
    }

    /// The artifact.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// Reads an artifact. Every method fails, naming the offset, where the bytes
/// end too early or make no sense.
#[derive(Debug)]
pub struct Decoder<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Decoder<'a> {
    /// Checks the format's name at the front.
    pub fn new(bytes: &'a [u8], format: &str) -> Result<Self, Error> {
        if bytes.starts_with(format.as_bytes()) {
            return Ok(Self { bytes, at: format.len() });
        }
        let front: Vec<u8> = bytes.iter().take(24).copied().collect();
        let front = String::from_utf8_lossy(&front).into_owned();
        Err(malformed(format!(
            "an artifact of the format `{format}` is expected; this one begins with {front:?}"
        )))
    }

    /// An error at the present place.
    pub fn fault(&self, what: impl std::fmt::Display) -> Error {
        malformed(format!("artifact, byte {}: {what}", self.at))
    }

    /// How many bytes are left.
    #[must_use]
    pub fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    /// The next `length` bytes.
    pub fn raw(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let end = self.at.checked_add(length);
        let Some(taken) = end.and_then(|end| self.bytes.get(self.at..end)) else {
            return Err(self.fault(format!("it ends where {length} more bytes are needed")));
        };
        self.at += length;
        Ok(taken)
    }

    /// One byte.
    pub fn byte(&mut self) -> Result<u8, Error> {
        Ok(self.raw(1)?.first().copied().unwrap_or_default())
    }

    /// An integer.
    pub fn integer(&mut self) -> Result<u64, Error> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            if shift == 63 && part > 1 {
                break;
            }
            value |= part << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.fault("an integer of more than 64 bits"))
    }

    /// An index below `limit`, or the fault that names `what`.
    pub fn index(&mut self, what: &str, limit: usize) -> Result<usize, Error> {
        let value = self.integer()?;
        match usize::try_from(value) {
            Ok(index) if index < limit => Ok(index),
            _ => Err(self.fault(format!("{what} {value} is out of range, there are {limit}"))),
        }
    }

    /// How many items follow: at most `most`, and no more than the bytes that
    /// are left can hold at `each` bytes or more, so that a false count does
    /// not reserve memory.
    pub fn count(&mut self, what: &str, most: usize, each: usize) -> Result<usize, Error> {
        let value = self.integer()?;
        let fits = self.left() / each.max(1);
        match usize::try_from(value) {
            Ok(count) if count <= most && count <= fits => Ok(count),
            Ok(count) if count <= most => {
                Err(self.fault(format!("{count} {what} are announced, the rest holds {fits} at most")))
            }
            _ => Err(self.fault(format!("{value} {what} are announced, {most} is the most"))),
        }
    }

    /// A finite double.
    pub fn number(&mut self) -> Result<f64, Error> {
        let bytes = self.raw(8)?.first_chunk::<8>().copied().unwrap_or_default();
        let value = f64::from_le_bytes(bytes);
        if value.is_finite() { Ok(value) } else { Err(self.fault("a number that is not finite")) }
    }

    /// A text.
    pub fn text(&mut self) -> Result<String, Error> {
        let length = self.count("bytes of text", MAX_TEXT, 1)?;
        let bytes = self.raw(length)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Err(self.fault("a text that is not UTF-8")),
        }
    }

    /// Nothing may follow.
    pub fn finish(self) -> Result<(), Error> {
        match self.left() {
            0 => Ok(()),
            more => Err(self.fault(format!("{more} bytes after the end"))),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn decoder(bytes: &[u8]) -> Decoder<'_> {
        Decoder { bytes, at: 0 }
    }

    #[test]
    fn what_is_written_is_read() {
        let mut writer = Writer::new("format-1");
        for value in [0, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            writer.integer(value);
        }
        writer.number(-0.25);
        writer.text("naïve");
        writer.byte(7);
        let bytes = writer.finish();
        let mut read = Decoder::new(&bytes, "format-1").unwrap();
        for value in [0, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            assert_eq!(read.integer().unwrap(), value);
        }
        assert_eq!(read.number().unwrap(), -0.25);
        assert_eq!(read.text().unwrap(), "naïve");
        assert_eq!(read.byte().unwrap(), 7);
        read.finish().unwrap();
    }

    #[test]
    fn hostile_bytes_are_refused() {
        assert!(Decoder::new(b"format-2...", "format-1").is_err());
        assert!(decoder(&[0xff; 12]).integer().is_err(), "an endless integer");
        assert!(decoder(&[0x80]).integer().is_err(), "an integer cut off");
        assert!(decoder(&f64::NAN.to_le_bytes()).number().is_err());
        assert!(decoder(&[1, 2, 3]).number().is_err());
        assert!(decoder(&[2, 0xc3, 0x28]).text().is_err(), "not UTF-8");
        assert!(decoder(&[200, 1, 65]).text().is_err(), "a text longer than the bytes");
        assert!(decoder(&[0xff, 0xff, 0xff, 0xff, 0x0f]).count("trees", usize::MAX, 4).is_err());
        assert!(decoder(&[5]).index("input", 5).is_err());
        assert!(decoder(&[5]).finish().is_err());
    }
}
