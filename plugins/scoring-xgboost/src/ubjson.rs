//! Universal Binary JSON, draft 12, as far as XGBoost uses it: big-endian, with
//! lists of one type.

use crate::value::{Budget, Items, MAX_DEPTH, Value, key};

/// Reads a document.
pub(crate) fn read(bytes: &[u8]) -> Result<Value, String> {
    let mut reader = Reader { bytes, at: 0, budget: Budget::new() };
    let value = reader.marker().and_then(|marker| reader.value(marker, 0, true)).and_then(|value| {
        if reader.at < bytes.len() { Err("something after the end".to_owned()) } else { Ok(value) }
    });
    value.map_err(|error| format!("UBJSON, byte {}: {error}", reader.at))
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    budget: Budget,
}

impl<'a> Reader<'a> {
    fn raw(&mut self, length: usize) -> Result<&'a [u8], String> {
        let end = self.at.checked_add(length);
        let Some(taken) = end.and_then(|end| self.bytes.get(self.at..end)) else {
            return Err(format!("it ends where {length} more bytes are needed"));
        };
        self.at += length;
        Ok(taken)
    }

    fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(there);
        there
    }

    /// The next marker that means something.
    fn marker(&mut self) -> Result<u8, String> {
        while self.take(b'N') {}
        Ok(self.raw(1)?.first().copied().unwrap_or_default())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        Ok(self.raw(N)?.first_chunk::<N>().copied().unwrap_or([0; N]))
    }

    /// How long a text, list or object is.
    fn length(&mut self) -> Result<usize, String> {
        let marker = self.marker()?;
        let length = match marker {
            b'i' => i64::from(i8::from_be_bytes(self.array()?)),
            b'U' => i64::from(u8::from_be_bytes(self.array()?)),
            b'I' => i64::from(i16::from_be_bytes(self.array()?)),
            b'l' => i64::from(i32::from_be_bytes(self.array()?)),
            b'L' => i64::from_be_bytes(self.array()?),
            _ => return Err(format!("a length can't begin with {:?}", char::from(marker))),
        };
        // Whatever it counts takes a byte or more, so that a false length
        // reserves no memory.
        match usize::try_from(length) {
            Ok(length) if length <= self.left() => Ok(length),
            _ => Err(format!("a length of {length} is announced, {} bytes are left", self.left())),
        }
    }

    /// A value; null for one that is not to be kept.
    fn value(&mut self, marker: u8, depth: usize, keep: bool) -> Result<Value, String> {
        if depth > MAX_DEPTH {
            return Err(format!("more than {MAX_DEPTH} lists and objects in each other"));
        }
        Ok(match marker {
            b'{' => self.object(depth, keep)?,
            b'[' => self.list(depth, keep)?,
            b'Z' => Value::Null,
            b'T' => Value::Flag(true),
            b'F' => Value::Flag(false),
            b'S' => {
                let length = self.length()?;
                let text = utf8(self.raw(length)?)?;
                if keep { Value::Text(text.to_owned()) } else { Value::Null }
            }
            b'H' => {
                let length = self.length()?;
                let text = utf8(self.raw(length)?)?;
                Value::Number(text.parse().map_err(|_| format!("{text:?} is no number"))?)
            }
            _ => {
                let Some(size) = size(marker) else {
                    return Err(format!("{:?} begins no value", char::from(marker)));
                };
                Value::Number(number(marker, self.raw(size)?))
            }
        })
    }

    fn object(&mut self, depth: usize, keep: bool) -> Result<Value, String> {
        if self.take(b'$') {
            return Err("objects of one type are not accepted".to_owned());
        }
        let mut left = if self.take(b'#') { Some(self.length()?) } else { None };
        let mut members = Vec::new();
        loop {
            match &mut left {
                Some(0) => return Ok(Value::Object(members)),
                Some(left) => *left -= 1,
                None if self.take(b'}') => return Ok(Value::Object(members)),
                None => {}
            }
            let length = self.length()?;
            let known = key(self.raw(length)?).filter(|_| keep);
            let marker = self.marker()?;
            let value = self.value(marker, depth + 1, known.is_some())?;
            if let Some(name) = known {
                self.budget.spend()?;
                members.push((name, value));
            }
        }
    }

    fn list(&mut self, depth: usize, keep: bool) -> Result<Value, String> {
        if self.take(b'$') {
            return self.typed(keep);
        }
        let mut left = if self.take(b'#') { Some(self.length()?) } else { None };
        let mut items = Items::default();
        loop {
            match &mut left {
                Some(0) => return Ok(items.finish()),
                Some(left) => *left -= 1,
                None if self.take(b']') => return Ok(items.finish()),
                None => {}
            }
            let marker = self.marker()?;
            let value = self.value(marker, depth + 1, keep)?;
            if keep {
                if !matches!(value, Value::Number(_) | Value::Flag(_)) {
                    self.budget.spend()?;
                }
                items.push(value)?;
            }
        }
    }

    /// A list of numbers without markers of their own.
    fn typed(&mut self, keep: bool) -> Result<Value, String> {
        let marker = self.marker()?;
        let Some(size) = size(marker) else {
            return Err(format!("lists of the one type {:?} are not accepted", char::from(marker)));
        };
        if !self.take(b'#') {
            return Err("a list of one type has no length".to_owned());
        }
        let length = self.length()?;
        let bytes = length.checked_mul(size).ok_or("a length too large")?;
        let bytes = self.raw(bytes)?;
        if !keep {
            return Ok(Value::Null);
        }
        Ok(Value::Numbers(bytes.chunks_exact(size).map(|bytes| number(marker, bytes)).collect()))
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|_| "a text that is not UTF-8".to_owned())
}

/// The bytes of a number of a type.
fn size(marker: u8) -> Option<usize> {
    Some(match marker {
        b'i' | b'U' | b'C' => 1,
        b'I' => 2,
        b'l' | b'd' => 4,
        b'L' | b'D' => 8,
        _ => return None,
    })
}

/// A number of a type from as many bytes as [`size`] says.
fn number(marker: u8, bytes: &[u8]) -> f64 {
    fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
        bytes.first_chunk::<N>().copied().unwrap_or([0; N])
    }
    match marker {
        b'i' => f64::from(i8::from_be_bytes(array(bytes))),
        b'U' | b'C' => f64::from(u8::from_be_bytes(array(bytes))),
        b'I' => f64::from(i16::from_be_bytes(array(bytes))),
        b'l' => f64::from(i32::from_be_bytes(array(bytes))),
        b'L' => i64::from_be_bytes(array(bytes)) as f64,
        b'd' => f64::from(f32::from_be_bytes(array(bytes))),
        _ => f64::from_be_bytes(array(bytes)),
    }
}
