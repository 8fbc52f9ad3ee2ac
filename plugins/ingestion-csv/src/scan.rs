//! RFC 4180 records in a buffer.
//!
//! Stricter than most readers where leniency would lose data: text after a
//! closing quote and a quote that is never closed are faults with a place, not
//! guesses. More lenient where nothing is lost: a quote inside an unquoted
//! field is a character, and records end in LF, CRLF or CR.

/// The characters that give a file its structure; all ASCII.
#[derive(Debug, Clone, Copy)]
pub struct Dialect {
    /// Between fields.
    pub delimiter: u8,
    /// Around fields that hold delimiters, line ends or quotes; doubled inside.
    pub quote: Option<u8>,
}

/// A field: the bytes `start..end` of the buffer, without its quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
    /// Whether it stood in quotes.
    pub quoted: bool,
    /// Whether it holds doubled quotes.
    pub doubled: bool,
}

/// What stands at the beginning of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scan {
    /// A record of so many bytes, its line end among them.
    Record {
        /// Bytes that it takes.
        length: usize,
        /// Whether it had a line end; without one the file may still grow.
        terminated: bool,
    },
    /// The record doesn't end in the buffer.
    More {
        /// The place of a quote that is open so far.
        open: Option<usize>,
    },
    /// Nothing at all, and nothing follows.
    End,
    /// The field whose number this is (from 0) opens a quote at `at` that is
    /// never closed.
    Unclosed {
        /// The field, from 0.
        field: usize,
        /// The place of the quote.
        at: usize,
    },
    /// The field has text after its closing quote, at `at`.
    AfterQuote {
        /// The field, from 0.
        field: usize,
        /// The place of the text.
        at: usize,
    },
}

/// Looks at the record at the beginning of `buffer` and puts its fields into
/// `fields`. `ended`: nothing follows the buffer.
pub fn scan(buffer: &[u8], ended: bool, dialect: Dialect, fields: &mut Vec<Span>) -> Scan {
    fields.clear();
    if buffer.is_empty() {
        return if ended { Scan::End } else { Scan::More { open: None } };
    }
    let mut at = 0;
    loop {
        let quoted = dialect.quote.is_some_and(|quote| buffer.get(at) == Some(&quote));
        let after = if quoted {
            match quoted_field(buffer, at, ended, dialect, fields.len()) {
                Ok(span) => {
                    fields.push(span);
                    span.end + 1
                }
                Err(outcome) => return outcome,
            }
        } else {
            let rest = buffer.get(at..).unwrap_or_default();
            let stop = |byte: &u8| *byte == dialect.delimiter || *byte == b'\n' || *byte == b'\r';
            let end = rest.iter().position(stop).map_or(buffer.len(), |length| at + length);
            fields.push(Span { start: at, end, quoted: false, doubled: false });
            end
        };
        match buffer.get(after) {
            None if ended => return Scan::Record { length: buffer.len(), terminated: false },
            None => return Scan::More { open: None },
            Some(byte) if *byte == dialect.delimiter => at = after + 1,
            Some(b'\n') => return Scan::Record { length: after + 1, terminated: true },
            Some(b'\r') => match buffer.get(after + 1) {
                Some(b'\n') => return Scan::Record { length: after + 2, terminated: true },
                None if !ended => return Scan::More { open: None },
                _ => return Scan::Record { length: after + 1, terminated: true },
            },
            Some(_) => return Scan::AfterQuote { field: fields.len() - 1, at: after },
        }
    }
}

/// The field whose opening quote is at `open`.
fn quoted_field(
    buffer: &[u8],
    open: usize,
    ended: bool,
    dialect: Dialect,
    field: usize,
) -> Result<Span, Scan> {
    let quote = dialect.quote.unwrap_or_default();
    let start = open + 1;
    let mut from = start;
    let mut doubled = false;
    loop {
        let found = buffer.get(from..).unwrap_or_default().iter().position(|byte| *byte == quote);
        let Some(length) = found else {
            return Err(if ended {
                Scan::Unclosed { field, at: open }
            } else {
                Scan::More { open: Some(open) }
            });
        };
        let end = from + length;
        match buffer.get(end + 1) {
            Some(byte) if *byte == quote => {
                doubled = true;
                from = end + 2;
            }
            None if !ended => return Err(Scan::More { open: Some(open) }),
            _ => return Ok(Span { start, end, quoted: true, doubled }),
        }
    }
}

/// The length of the first line of a buffer, its line end among it; the whole
/// where it has none.
pub fn line(buffer: &[u8]) -> usize {
    match buffer.iter().position(|byte| *byte == b'\n' || *byte == b'\r') {
        Some(end) if buffer.get(end) == Some(&b'\r') && buffer.get(end + 1) == Some(&b'\n') => end + 2,
        Some(end) => end + 1,
        None => buffer.len(),
    }
}

/// A field's bytes with doubled quotes made single, through `scratch` where
/// there are any.
pub fn content<'a>(buffer: &'a [u8], span: Span, dialect: Dialect, scratch: &'a mut Vec<u8>) -> &'a [u8] {
    let bytes = buffer.get(span.start..span.end).unwrap_or_default();
    if !span.doubled {
        return bytes;
    }
    scratch.clear();
    let quote = dialect.quote.unwrap_or_default();
    let mut skip = false;
    for byte in bytes {
        if *byte == quote && skip {
            skip = false;
            continue;
        }
        skip = *byte == quote;
        scratch.push(*byte);
    }
    scratch
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMA: Dialect = Dialect { delimiter: b',', quote: Some(b'"') };

    fn fields(text: &str) -> (Scan, Vec<String>) {
        let mut spans = Vec::new();
        let outcome = scan(text.as_bytes(), true, COMMA, &mut spans);
        let texts = spans.iter().map(|span| {
            let mut scratch = Vec::new();
            String::from_utf8_lossy(content(text.as_bytes(), *span, COMMA, &mut scratch)).into_owned()
        });
        (outcome, texts.collect())
    }

    #[test]
    fn records_end_in_any_line_end() {
        let whole = |length, terminated| Scan::Record { length, terminated };
        assert_eq!(fields("a,b\nc"), (whole(4, true), vec!["a".into(), "b".into()]));
        assert_eq!(fields("a,b\r\nc"), (whole(5, true), vec!["a".into(), "b".into()]));
        assert_eq!(fields("a,b\rc"), (whole(4, true), vec!["a".into(), "b".into()]));
        assert_eq!(fields("a,b"), (whole(3, false), vec!["a".into(), "b".into()]));
        assert_eq!(fields("a,\n"), (whole(3, true), vec!["a".into(), String::new()]));
        assert_eq!(fields("a,"), (whole(2, false), vec!["a".into(), String::new()]));
        assert_eq!(fields("\n"), (whole(1, true), vec![String::new()]));
        assert_eq!(fields("").0, Scan::End);
    }

    #[test]
    fn quotes_hold_delimiters_line_ends_and_quotes() {
        let (outcome, texts) = fields("\"a,b\",\"c\r\nd\",\"say \"\"hi\"\"\",\"\"\"\",\"\"\nx");
        assert_eq!(outcome, Scan::Record { length: 34, terminated: true });
        assert_eq!(texts, ["a,b", "c\r\nd", "say \"hi\"", "\"", ""]);
        assert_eq!(fields("5\" disk,x").1, ["5\" disk", "x"]);
    }

    #[test]
    fn faults_have_a_place() {
        assert_eq!(fields("a,\"bc\n1,2\n").0, Scan::Unclosed { field: 1, at: 2 });
        assert_eq!(fields("a,\"b\"c\n").0, Scan::AfterQuote { field: 1, at: 5 });
        assert_eq!(line(b"a,\"b\"c\r\nd"), 8);
        assert_eq!(line(b"abc"), 3);
    }

    #[test]
    fn a_cut_at_any_place_asks_for_more_and_changes_nothing() {
        let text = b"1,\"a\"\"b\r\n,\",x\r\n\"\",2\n";
        let mut whole = Vec::new();
        let first = scan(text, true, COMMA, &mut whole);
        assert_eq!(first, Scan::Record { length: 15, terminated: true });
        for cut in 0..15 {
            let mut spans = Vec::new();
            let outcome = scan(&text[..cut], false, COMMA, &mut spans);
            assert!(matches!(outcome, Scan::More { .. }), "{cut}: {outcome:?}");
        }
        let mut spans = Vec::new();
        assert_eq!(scan(&text[..15], false, COMMA, &mut spans), first);
        assert_eq!(spans, whole);
    }

    #[test]
    fn without_a_quote_character_quotes_are_text() {
        let dialect = Dialect { delimiter: b'\t', quote: None };
        let mut spans = Vec::new();
        scan(b"\"a\tb\"\n", true, dialect, &mut spans);
        assert_eq!(spans.len(), 2);
        assert_eq!(spans[0], Span { start: 0, end: 2, quoted: false, doubled: false });
    }
}
