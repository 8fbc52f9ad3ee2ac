//! Reading JSON text back exactly as it was written.
//!
//! `serde_json` without its `float_roundtrip` feature may be off by the last
//! bit when it reads a float. What the catalogue keeps has to come back to the
//! bit, so it is read here, with the standard library's correctly rounded
//! conversion.

use serde_json::{Map, Number, Value};

/// Deepest nesting of arrays and objects that is kept.
pub(crate) const MAX_DEPTH: usize = 128;

/// Reads one JSON document.
pub(crate) fn parse(text: &str) -> Result<Value, String> {
    let mut parser = Parser { rest: text, len: text.len() };
    let value = parser.value(0)?;
    parser.space();
    if parser.rest.is_empty() { Ok(value) } else { Err(parser.fail("text after the end of the value")) }
}

struct Parser<'a> {
    rest: &'a str,
    len: usize,
}

impl Parser<'_> {
    fn fail(&self, what: &str) -> String {
        format!("{what} at byte {}", self.len - self.rest.len())
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    fn eat(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        self.space();
        match self.rest.as_bytes().first() {
            Some(b'{') if depth < MAX_DEPTH => self.object(depth + 1),
            Some(b'[') if depth < MAX_DEPTH => self.array(depth + 1),
            Some(b'{' | b'[') => Err(self.fail("nesting too deep")),
            Some(b'"') => self.string().map(Value::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ if self.eat("null") => Ok(Value::Null),
            _ if self.eat("true") => Ok(Value::Bool(true)),
            _ if self.eat("false") => Ok(Value::Bool(false)),
            _ => Err(self.fail("no JSON value")),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, String> {
        self.skip(1);
        let mut map = Map::new();
        self.space();
        if self.eat("}") {
            return Ok(Value::Object(map));
        }
        loop {
            self.space();
            if !self.rest.starts_with('"') {
                return Err(self.fail("no key"));
            }
            let key = self.string()?;
            self.space();
            if !self.eat(":") {
                return Err(self.fail("no colon after a key"));
            }
            let value = self.value(depth)?;
            map.insert(key, value);
            self.space();
            if self.eat("}") {
                return Ok(Value::Object(map));
            }
            if !self.eat(",") {
                return Err(self.fail("no comma between members"));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, String> {
        self.skip(1);
        let mut items = Vec::new();
        self.space();
        if self.eat("]") {
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.value(depth)?);
            self.space();
            if self.eat("]") {
                return Ok(Value::Array(items));
            }
            if !self.eat(",") {
                return Err(self.fail("no comma between items"));
            }
        }
    }

    fn string(&mut self) -> Result<String, String> {
        let bytes = self.rest.as_bytes();
        let mut end = 1;
        let mut escaped = false;
        loop {
            match bytes.get(end) {
                None => return Err(self.fail("a text without an end")),
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    end += 2;
                }
                Some(_) => end += 1,
            }
        }
        let text = if escaped {
            let quoted = self.rest.get(..=end).unwrap_or_default();
            serde_json::from_str(quoted).map_err(|error| self.fail(&error.to_string()))?
        } else {
            self.rest.get(1..end).unwrap_or_default().to_owned()
        };
        self.skip(end + 1);
        Ok(text)
    }

    fn number(&mut self) -> Result<Value, String> {
        let end = self
            .rest
            .find(|c: char| !matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E'))
            .unwrap_or(self.rest.len());
        let text = self.rest.get(..end).unwrap_or_default();
        let number = if text.contains(['.', 'e', 'E']) {
            text.parse().ok().and_then(Number::from_f64)
        } else if let Ok(number) = text.parse::<u64>() {
            Some(number.into())
        } else {
            text.parse::<i64>().ok().map(Number::from)
        };
        let number = number.ok_or_else(|| self.fail("no number"))?;
        self.skip(end);
        Ok(Value::Number(number))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn every_value_comes_back_to_the_bit() {
        let mut floats = vec![0.1, 1.0, -0.0, 1e300, 5e-324, f64::MAX, 0.1 + 0.2, 123_456_789.123_456_79];
        let mut bits: u64 = 0x9E37_79B9_7F4A_7C15;
        for _ in 0..20_000 {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let float = f64::from_bits(bits);
            if float.is_finite() {
                floats.push(float);
            }
        }
        for float in floats {
            let text = serde_json::to_string(&json!(float)).unwrap();
            assert_eq!(parse(&text).unwrap().as_f64().unwrap().to_bits(), float.to_bits(), "{text}");
        }
        let value = json!({
            "z": [u64::MAX, i64::MIN, 0, -1, 1.0, true, false, null, [], {}],
            "a\"\\\n\u{1}\u{1F600}é": "\u{0}/\\\"€ 𝄞",
            "": {"id": 1, "$x": {"__proto__": []}},
        });
        let back = parse(&serde_json::to_string_pretty(&value).unwrap()).unwrap();
        assert_eq!(back, value);
        assert_eq!(back.to_string(), value.to_string(), "the order of keys is kept");
    }

    #[test]
    fn broken_text_is_refused_with_its_place() {
        for text in [
            "",
            "{",
            "[1,",
            "[1 2]",
            "{\"a\" 1}",
            "{a:1}",
            "\"a",
            "\"\\",
            "\"\\q\"",
            "1 2",
            "--",
            "1e999",
            "nul",
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains("at byte"), "{text}: {error}");
        }
        let deep = "[".repeat(100_000);
        assert!(parse(&deep).unwrap_err().contains("too deep"));
    }
}
