//! JSON, with `NaN` and `Infinity` as XGBoost writes them.

use crate::value::{Budget, Items, MAX_DEPTH, Value, key};

/// Reads a document.
pub(crate) fn read(bytes: &[u8]) -> Result<Value, String> {
    let mut reader = Reader { bytes, at: 0, budget: Budget::new() };
    let value = reader.value(0, true).and_then(|value| {
        reader.space();
        if reader.at < bytes.len() { Err("something after the end".to_owned()) } else { Ok(value) }
    });
    value.map_err(|error| format!("JSON, byte {}: {error}", reader.at))
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    budget: Budget,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    /// Takes a byte that has to come next, after space.
    fn expect(&mut self, byte: u8) -> Result<(), String> {
        self.space();
        if self.take(byte) { Ok(()) } else { Err(self.unexpected(&format!("`{}`", char::from(byte)))) }
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn unexpected(&self, wanted: &str) -> String {
        match self.peek() {
            Some(byte) => {
                format!("{wanted} is expected, and {:?} is there", char::from(byte))
            }
            None => format!("it ends where {wanted} is expected"),
        }
    }

    /// A value; null for one that is not to be kept.
    fn value(&mut self, depth: usize, keep: bool) -> Result<Value, String> {
        if depth > MAX_DEPTH {
            return Err(format!("more than {MAX_DEPTH} lists and objects in each other"));
        }
        self.space();
        match self.peek() {
            Some(b'{') => self.object(depth, keep),
            Some(b'[') => self.array(depth, keep),
            Some(b'"') => {
                let bytes = self.string(keep)?;
                let text = String::from_utf8(bytes).map_err(|_| "a text that is not UTF-8".to_owned())?;
                Ok(if keep { Value::Text(text) } else { Value::Null })
            }
            _ => self.word(),
        }
    }

    fn object(&mut self, depth: usize, keep: bool) -> Result<Value, String> {
        self.expect(b'{')?;
        let mut members = Vec::new();
        self.space();
        if self.take(b'}') {
            return Ok(Value::Object(members));
        }
        loop {
            self.space();
            let name = self.string(true)?;
            self.expect(b':')?;
            let known = key(&name).filter(|_| keep);
            let value = self.value(depth + 1, known.is_some())?;
            if let Some(name) = known {
                self.budget.spend()?;
                members.push((name, value));
            }
            self.space();
            if !self.take(b',') {
                self.expect(b'}')?;
                return Ok(Value::Object(members));
            }
        }
    }

    fn array(&mut self, depth: usize, keep: bool) -> Result<Value, String> {
        self.expect(b'[')?;
        let mut items = Items::default();
        self.space();
        if self.take(b']') {
            return Ok(items.finish());
        }
        loop {
            let value = self.value(depth + 1, keep)?;
            if keep {
                if !matches!(value, Value::Number(_) | Value::Flag(_)) {
                    self.budget.spend()?;
                }
                items.push(value)?;
            }
            self.space();
            if !self.take(b',') {
                self.expect(b']')?;
                return Ok(items.finish());
            }
        }
    }

    /// A text's bytes; none for one that is not to be kept.
    fn string(&mut self, keep: bool) -> Result<Vec<u8>, String> {
        self.expect(b'"')?;
        let mut text = Vec::new();
        loop {
            let from = self.at;
            while self.peek().is_some_and(|byte| byte != b'"' && byte != b'\\') {
                self.at += 1;
            }
            if keep {
                text.extend_from_slice(self.bytes.get(from..self.at).unwrap_or_default());
            }
            if self.take(b'"') {
                return Ok(text);
            }
            if !self.take(b'\\') {
                return Err("it ends within a text".to_owned());
            }
            let character = self.escape()?;
            if keep {
                text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Result<char, String> {
        let character = match self.peek() {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'n') => '\n',
            Some(b't') => '\t',
            Some(b'r') => '\r',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'u') => {
                self.at += 1;
                return self.unicode();
            }
            _ => return Err(self.unexpected("one of `\"\\/ntrbfu`")),
        };
        self.at += 1;
        Ok(character)
    }

    /// What follows `\u`: four digits, or a pair of surrogates.
    fn unicode(&mut self) -> Result<char, String> {
        let first = self.four_digits()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first).ok_or_else(|| "half a surrogate pair".to_owned());
        }
        if !(self.take(b'\\') && self.take(b'u')) {
            return Err("half a surrogate pair".to_owned());
        }
        let second = self.four_digits()?;
        let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400);
        low.and_then(|low| char::from_u32(0x10000 + ((first - 0xd800) << 10) + low))
            .ok_or_else(|| "half a surrogate pair".to_owned())
    }

    fn four_digits(&mut self) -> Result<u32, String> {
        let mut value = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            value = value << 4 | digit.ok_or_else(|| self.unexpected("a hexadecimal digit"))?;
            self.at += 1;
        }
        Ok(value)
    }

    /// A number, or a name such as `true`.
    fn word(&mut self) -> Result<Value, String> {
        let from = self.at;
        while self.peek().is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'+' | b'.')) {
            self.at += 1;
        }
        let word = self.bytes.get(from..self.at).unwrap_or_default();
        let value = match word {
            b"null" => Some(Value::Null),
            b"true" => Some(Value::Flag(true)),
            b"false" => Some(Value::Flag(false)),
            b"NaN" | b"-NaN" => Some(Value::Number(f64::NAN)),
            b"Infinity" => Some(Value::Number(f64::INFINITY)),
            b"-Infinity" => Some(Value::Number(f64::NEG_INFINITY)),
            [b'-' | b'0'..=b'9', ..] => {
                let text = std::str::from_utf8(word).unwrap_or_default();
                text.parse().ok().map(Value::Number)
            }
            _ => None,
        };
        value.ok_or_else(|| {
            self.at = from;
            self.unexpected("a value")
        })
    }
}
