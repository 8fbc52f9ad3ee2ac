//! The wire format of protocol buffers, as far as ONNX uses it. Nothing is
//! copied and no count is believed: a field is as long as its bytes.

use modelyard_sdk::prelude::{Error, Result};

/// A message, field after field.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    bytes: &'a [u8],
    /// Where `bytes` begins in the file, for errors.
    start: usize,
    at: usize,
}

/// A field's payload.
#[derive(Clone, Copy, Debug)]
pub enum Field<'a> {
    /// An integer of any width, or a boolean.
    Varint(u64),
    /// Eight bytes: a double.
    Fixed64([u8; 8]),
    /// Four bytes: a float.
    Fixed32([u8; 4]),
    /// A text, bytes, a message, or packed numbers.
    Bytes(Message<'a>),
}

impl<'a> Message<'a> {
    /// The outermost message.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, start: 0, at: 0 }
    }

    /// An error at the present place.
    pub fn fault(&self, what: impl std::fmt::Display) -> Error {
        Error::invalid(format!("not a readable ONNX file: byte {}: {what}", self.start + self.at))
    }

    /// The next field's number and payload; none at the end.
    pub fn field(&mut self) -> Result<Option<(u64, Field<'a>)>> {
        if self.at == self.bytes.len() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let field = match tag & 7 {
            0 => Field::Varint(self.varint()?),
            1 => Field::Fixed64(self.fixed()?),
            2 => {
                let length = self.varint()?;
                let start = self.start + self.at;
                let bytes = usize::try_from(length).ok().and_then(|length| self.raw(length));
                let Some(bytes) = bytes else {
                    return Err(self.fault(format!("it ends within a field of {length} bytes")));
                };
                Field::Bytes(Message { bytes, start, at: 0 })
            }
            5 => Field::Fixed32(self.fixed()?),
            kind => return Err(self.fault(format!("there is no wire type {kind}"))),
        };
        if tag >> 3 == 0 {
            return Err(self.fault("a field has the number 0"));
        }
        Ok(Some((tag >> 3, field)))
    }

    /// All bytes.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The bytes as text.
    pub fn text(&self) -> Result<String> {
        match std::str::from_utf8(self.bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Err(self.fault("a text that is not UTF-8")),
        }
    }

    fn raw(&mut self, length: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(length)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N]> {
        match self.raw(N).and_then(|bytes| bytes.first_chunk::<N>()) {
            Some(bytes) => Ok(*bytes),
            None => Err(self.fault("it ends within a number")),
        }
    }

    fn varint(&mut self) -> Result<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let Some(&byte) = self.bytes.get(self.at) else {
                return Err(self.fault("it ends within an integer"));
            };
            self.at += 1;
            value |= u64::from(byte & 0x7f).wrapping_shl(shift);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.fault("an integer of more than 64 bits"))
    }
}

impl<'a> Field<'a> {
    /// The payload as a message, bytes or text.
    pub fn message(self, of: &Message<'_>) -> Result<Message<'a>> {
        match self {
            Field::Bytes(message) => Ok(message),
            _ => Err(of.fault("a number where bytes are expected")),
        }
    }

    /// The payload as a text.
    pub fn text(self, of: &Message<'_>) -> Result<String> {
        self.message(of)?.text()
    }

    /// The payload as an integer.
    pub fn integer(self, of: &Message<'_>) -> Result<i64> {
        match self {
            Field::Varint(value) => Ok(value.cast_signed()),
            _ => Err(of.fault("an integer is expected")),
        }
    }

    /// The payload as a float.
    pub fn float(self, of: &Message<'_>) -> Result<f32> {
        match self {
            Field::Fixed32(bytes) => Ok(f32::from_le_bytes(bytes)),
            _ => Err(of.fault("a float is expected")),
        }
    }

    /// Adds one integer, or all of a packed field.
    pub fn integers(self, of: &Message<'_>, into: &mut Vec<i64>) -> Result<()> {
        match self {
            Field::Varint(value) => into.push(value.cast_signed()),
            Field::Bytes(mut packed) => {
                while packed.at < packed.bytes.len() {
                    into.push(packed.varint()?.cast_signed());
                }
            }
            _ => return Err(of.fault("integers are expected")),
        }
        Ok(())
    }

    /// Adds one float, or all of a packed field.
    pub fn floats(self, of: &Message<'_>, into: &mut Vec<f32>) -> Result<()> {
        match self {
            Field::Fixed32(bytes) => into.push(f32::from_le_bytes(bytes)),
            Field::Bytes(packed) => match packed.bytes.as_chunks::<4>() {
                (all, []) => into.extend(all.iter().map(|bytes| f32::from_le_bytes(*bytes))),
                _ => return Err(packed.fault("floats of a length that is no multiple of 4")),
            },
            _ => return Err(of.fault("floats are expected")),
        }
        Ok(())
    }

    /// Adds one double, or all of a packed field.
    pub fn doubles(self, of: &Message<'_>, into: &mut Vec<f64>) -> Result<()> {
        match self {
            Field::Fixed64(bytes) => into.push(f64::from_le_bytes(bytes)),
            Field::Bytes(packed) => match packed.bytes.as_chunks::<8>() {
                (all, []) => into.extend(all.iter().map(|bytes| f64::from_le_bytes(*bytes))),
                _ => return Err(packed.fault("doubles of a length that is no multiple of 8")),
            },
            _ => return Err(of.fault("doubles are expected")),
        }
        Ok(())
    }
}
