//! How values and columns are written into frames: little endian, lengths
//! first. Reading checks every length; foreign bytes are an error, not a panic.

use modelyard_clock::Timestamp;
use uuid::Uuid;

use crate::{Column, Error, Result, Value, Values};

/// Builds a payload.
#[derive(Default)]
pub(crate) struct Encoder(pub(crate) Vec<u8>);

impl Encoder {
    pub(crate) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn i64(&mut self, value: i64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn uuid(&mut self, value: Uuid) {
        self.0.extend_from_slice(value.as_bytes());
    }

    /// A length or a count. What is longer than 4 GiB does not fit a frame and
    /// is refused there.
    pub(crate) fn length(&mut self, value: usize) {
        self.u32(u32::try_from(value).unwrap_or(u32::MAX));
    }

    pub(crate) fn bytes(&mut self, value: &[u8]) {
        self.length(value.len());
        self.0.extend_from_slice(value);
    }

    pub(crate) fn text(&mut self, value: &str) {
        self.bytes(value.as_bytes());
    }

    pub(crate) fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.u8(0),
            Value::Boolean(value) => self.0.extend_from_slice(&[1, u8::from(*value)]),
            Value::S64(value) => {
                self.u8(2);
                self.i64(*value);
            }
            Value::F64(value) => {
                self.u8(3);
                self.u64(value.to_bits());
            }
            Value::Utf8(value) => {
                self.u8(4);
                self.text(value);
            }
            Value::Timestamp(value) => {
                self.u8(5);
                self.i64(value.micros());
            }
        }
    }

    pub(crate) fn column(&mut self, column: &Column) {
        self.text(&column.name);
        self.length(column.len());
        match &column.validity {
            None => self.u8(0),
            Some(validity) => {
                self.u8(1);
                self.0.extend(validity.iter().map(|valid| u8::from(*valid)));
            }
        }
        match &column.values {
            Values::F64(values) => {
                self.u8(0);
                values.iter().for_each(|value| self.u64(value.to_bits()));
            }
            Values::S64(values) => {
                self.u8(1);
                values.iter().for_each(|value| self.i64(*value));
            }
            Values::Boolean(values) => {
                self.u8(2);
                self.0.extend(values.iter().map(|value| u8::from(*value)));
            }
            Values::Utf8(values) => {
                self.u8(3);
                values.iter().for_each(|value| self.text(value));
            }
            Values::Timestamp(values) => {
                self.u8(4);
                values.iter().for_each(|value| self.i64(*value));
            }
        }
    }
}

/// Reads a payload.
pub(crate) struct Decoder<'a>(pub(crate) &'a [u8]);

impl<'a> Decoder<'a> {
    fn short() -> Error {
        Error::invalid("a record ends too early")
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(length).ok_or_else(Self::short)?;
        self.0 = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| Self::short())
    }

    pub(crate) fn u8(&mut self) -> Result<u8> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(crate) fn i64(&mut self) -> Result<i64> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    pub(crate) fn uuid(&mut self) -> Result<Uuid> {
        Ok(Uuid::from_bytes(self.array()?))
    }

    /// A count of things that take at least `size` bytes each, so that a wrong
    /// count can't reserve more memory than the record has.
    pub(crate) fn count(&mut self, size: usize) -> Result<usize> {
        let count = usize::try_from(self.u32()?).unwrap_or(usize::MAX);
        if count.saturating_mul(size) > self.0.len() {
            return Err(Self::short());
        }
        Ok(count)
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8]> {
        let length = self.count(1)?;
        self.take(length)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str> {
        std::str::from_utf8(self.bytes()?)
            .map_err(|_| Error::invalid("a record holds a text that is not UTF-8"))
    }

    pub(crate) fn value(&mut self) -> Result<Value> {
        Ok(match self.u8()? {
            0 => Value::Null,
            1 => Value::Boolean(self.u8()? != 0),
            2 => Value::S64(self.i64()?),
            3 => Value::F64(f64::from_bits(self.u64()?)),
            4 => Value::Utf8(self.text()?.to_owned()),
            5 => Value::Timestamp(Timestamp::from_micros(self.i64()?)),
            tag => return Err(Error::invalid(format!("a record holds a value of unknown kind {tag}"))),
        })
    }

    fn words(&mut self, rows: usize) -> Result<impl Iterator<Item = i64> + 'a> {
        let bytes = self.take(rows.saturating_mul(8))?;
        Ok(bytes.as_chunks::<8>().0.iter().map(|word| i64::from_le_bytes(*word)))
    }

    pub(crate) fn column(&mut self) -> Result<Column> {
        let name = self.text()?.to_owned();
        let rows = self.count(1)?;
        let flags = |bytes: &[u8]| bytes.iter().map(|byte| *byte != 0).collect::<Vec<_>>();
        let validity = if self.u8()? == 0 { None } else { Some(flags(self.take(rows)?)) };
        let values = match self.u8()? {
            0 => Values::F64(self.words(rows)?.map(|bits| f64::from_bits(bits.cast_unsigned())).collect()),
            1 => Values::S64(self.words(rows)?.collect()),
            2 => Values::Boolean(flags(self.take(rows)?)),
            3 => {
                let texts = (0..rows).map(|_| self.text().map(str::to_owned));
                Values::Utf8(texts.collect::<Result<_>>()?)
            }
            4 => Values::Timestamp(self.words(rows)?.collect()),
            tag => return Err(Error::invalid(format!("a record holds a column of unknown kind {tag}"))),
        };
        Ok(Column { name, values, validity })
    }

    pub(crate) fn columns(&mut self) -> Result<Vec<Column>> {
        let count = self.count(1)?;
        (0..count).map(|_| self.column()).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use proptest::prelude::*;

    use super::*;

    fn encoded() -> (Vec<Column>, Vec<Value>, Vec<u8>) {
        let columns = vec![
            Column::new("f", Values::F64(vec![1.5, -0.0])),
            Column { validity: Some(vec![true, false]), ..Column::new("i", Values::S64(vec![i64::MIN, 0])) },
            Column::new("b", Values::Boolean(vec![true, false])),
            Column::new("s", Values::Utf8(vec!["ü".into(), String::new()])),
            Column::new("t", Values::Timestamp(vec![7, 8])),
        ];
        let values = vec![
            Value::Null,
            true.into(),
            (-1i64).into(),
            0.5.into(),
            "x".into(),
            Timestamp::from_micros(3).into(),
        ];
        let mut out = Encoder::default();
        out.length(columns.len());
        columns.iter().for_each(|column| out.column(column));
        values.iter().for_each(|value| out.value(value));
        (columns, values, out.0)
    }

    #[test]
    fn what_is_written_is_read_and_what_is_cut_is_refused() {
        let (columns, values, bytes) = encoded();
        let mut decoder = Decoder(&bytes);
        assert_eq!(decoder.columns().unwrap(), columns);
        for value in &values {
            assert_eq!(decoder.value().unwrap(), *value);
        }
        assert!(decoder.0.is_empty());
        for end in 0..bytes.len() {
            let mut decoder = Decoder(&bytes[..end]);
            let all =
                decoder.columns().and_then(|_| values.iter().try_for_each(|_| decoder.value().map(drop)));
            assert!(all.is_err(), "cut at {end}");
        }
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Decoder(&bytes).columns();
            let _ = Decoder(&bytes).value();
        }
    }
}
