//! Values of a JSON document as a stream: the document is never held whole.
//!
//! Only the structure is followed here (brackets, strings, commas); whether a
//! record is valid JSON is found when it is parsed.

use modelyard_sdk::ingest::Stream;
use modelyard_sdk::prelude::*;

/// The next byte that is no white space and its distance; none at the end.
/// Nothing is read past.
pub fn peek(stream: &mut Stream) -> Result<Option<(usize, u8)>, Error> {
    let mut from = 0;
    loop {
        let ahead = stream.buffered();
        let rest = ahead.get(from..).unwrap_or_default();
        if let Some(at) = rest.iter().position(|byte| !byte.is_ascii_whitespace()) {
            return Ok(rest.get(at).map(|byte| (from + at, *byte)));
        }
        from = ahead.len();
        if !stream.fill()? {
            return Ok(None);
        }
    }
}

fn cut(stream: &Stream) -> Error {
    Error::invalid(format!(
        "the document ends in the middle, at byte {}",
        stream.position() + stream.buffered().len() as u64
    ))
}

/// Moves past white space and one byte, which must be one of `accepted`.
fn take(stream: &mut Stream, accepted: &[u8]) -> Result<u8, Error> {
    let (distance, byte) = peek(stream)?.ok_or_else(|| cut(stream))?;
    if !accepted.contains(&byte) {
        let wanted: Vec<String> = accepted.iter().map(|byte| format!("{:?}", char::from(*byte))).collect();
        return Err(Error::invalid(format!(
            "the document has {:?} at byte {}, where {} is expected",
            char::from(byte),
            stream.position() + distance as u64,
            wanted.join(" or ")
        )));
    }
    stream.consume(distance + 1);
    Ok(byte)
}

/// Moves past white space and one value. Its bytes go into `text` where that
/// is wanted; more than `limit` of them are an error.
fn value(stream: &mut Stream, mut text: Option<&mut Vec<u8>>, limit: usize) -> Result<(), Error> {
    let (distance, _) = peek(stream)?.ok_or_else(|| cut(stream))?;
    stream.consume(distance);
    let begin = stream.position();
    let mut scan = Extent::default();
    loop {
        let ahead = stream.buffered();
        let (length, complete) = scan.advance(ahead);
        if let Some(text) = &mut text {
            text.extend_from_slice(ahead.get(..length).unwrap_or_default());
            if text.len() > limit {
                let why =
                    format!("the record at byte {begin} is longer than {limit} bytes (max_record_bytes)");
                return Err(Error::invalid(why));
            }
        }
        stream.consume(length);
        if complete {
            return Ok(());
        }
        if !stream.fill()? {
            // A bare number may end with the document; nothing else may.
            return if scan.depth == 0 && !scan.string && scan.begun { Ok(()) } else { Err(cut(stream)) };
        }
    }
}

/// How far a value reaches.
#[derive(Default)]
struct Extent {
    begun: bool,
    depth: usize,
    string: bool,
    escaped: bool,
}

impl Extent {
    /// The bytes of `ahead` that belong to the value, and whether it is
    /// complete with them.
    fn advance(&mut self, ahead: &[u8]) -> (usize, bool) {
        for (at, byte) in ahead.iter().enumerate() {
            if self.string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => {
                        self.string = false;
                        if self.depth == 0 {
                            return (at + 1, true);
                        }
                    }
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' if self.depth > 0 => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return (at + 1, true);
                    }
                }
                b'}' | b']' | b',' | b':' if self.depth == 0 => return (at, true),
                byte if self.depth == 0 && byte.is_ascii_whitespace() => return (at, true),
                _ => {}
            }
            self.begun = true;
        }
        (ahead.len(), false)
    }
}

/// Moves to the first record: behind the bracket of the array that `pointer`
/// names (RFC 6901).
pub fn enter(stream: &mut Stream, pointer: &str, limit: usize) -> Result<(), Error> {
    let missing = |segment: &str| {
        let why = format!("the document has no {segment:?} on the way to {pointer:?}");
        Error::parameter("/records", why)
    };
    for segment in pointer.split('/').skip(1) {
        let segment = segment.replace("~1", "/").replace("~0", "~");
        if take(stream, b"{[")? == b'[' {
            let index: usize = segment.parse().map_err(|_| missing(&segment))?;
            for _ in 0..index {
                value(stream, None, limit)?;
                if take(stream, b",]")? == b']' {
                    return Err(missing(&segment));
                }
            }
            continue;
        }
        loop {
            if peek(stream)?.is_some_and(|(_, byte)| byte == b'}') {
                return Err(missing(&segment));
            }
            let mut key = Vec::new();
            value(stream, Some(&mut key), limit)?;
            let key: String = serde_json::from_slice(&key).map_err(|_| {
                Error::invalid(format!("the document has no key at byte {}", stream.position()))
            })?;
            take(stream, b":")?;
            if key == segment {
                break;
            }
            value(stream, None, limit)?;
            if take(stream, b",}")? == b'}' {
                return Err(missing(&segment));
            }
        }
    }
    match peek(stream)? {
        Some((_, b'[')) => take(stream, b"[").map(drop),
        None => Err(cut(stream)),
        Some(_) => Err(Error::parameter("/records", format!("{pointer:?} is no array in this document"))),
    }
}

/// The next record of the array that was entered; none at its end, which is
/// not read past. `first`: none was read before.
pub fn next(stream: &mut Stream, first: bool, limit: usize) -> Result<Option<Vec<u8>>, Error> {
    if peek(stream)?.is_some_and(|(_, byte)| byte == b']') {
        return Ok(None);
    }
    if !first {
        take(stream, b",")?;
    }
    let mut text = Vec::new();
    value(stream, Some(&mut text), limit)?;
    Ok(Some(text))
}

/// The next line that isn't blank, without its end; none at the end.
pub fn line(stream: &mut Stream, limit: usize) -> Result<Option<Vec<u8>>, Error> {
    let Some((distance, _)) = peek(stream)? else {
        stream.consume(stream.buffered().len());
        return Ok(None);
    };
    stream.consume(distance);
    let mut from = 0;
    loop {
        let ahead = stream.buffered();
        let end = ahead.get(from..).unwrap_or_default().iter().position(|byte| *byte == b'\n');
        let most = end.map_or(ahead.len(), |end| from + end);
        if most > limit {
            let why = format!(
                "the line at byte {} is longer than {limit} bytes (max_record_bytes)",
                stream.position()
            );
            return Err(Error::invalid(why));
        }
        if let Some(end) = end {
            let text = ahead.get(..from + end).unwrap_or_default().to_vec();
            stream.consume(from + end + 1);
            return Ok(Some(text));
        }
        from = ahead.len();
        if !stream.fill()? {
            let text = stream.buffered().to_vec();
            stream.consume(text.len());
            return Ok(Some(text));
        }
    }
}
