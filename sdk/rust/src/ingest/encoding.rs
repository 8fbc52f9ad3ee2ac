//! Bytes to text: UTF-8, ISO 8859-1 and windows-1252.

use std::borrow::Cow;

use serde::Deserialize;

/// How a source writes its text. All three are ASCII below 0x80, so that
/// delimiters, digits and line ends can be found before anything is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
pub enum Encoding {
    /// UTF-8, with or without a byte-order mark.
    #[default]
    #[serde(rename = "utf-8", alias = "utf8", alias = "UTF-8")]
    Utf8,
    /// ISO 8859-1: a byte is the code point of its value.
    #[serde(rename = "latin1", alias = "iso-8859-1")]
    Latin1,
    /// windows-1252, as in the WHATWG encoding standard.
    #[serde(rename = "windows-1252", alias = "cp1252")]
    Windows1252,
}

/// 0x80–0x9F of windows-1252 (<https://encoding.spec.whatwg.org/index-windows-1252.txt>).
const WINDOWS_1252: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}',
    '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

impl Encoding {
    /// The text that the bytes stand for; the offset of the first byte that
    /// can't be decoded as the error.
    pub fn decode<'a>(self, bytes: &'a [u8]) -> Result<Cow<'a, str>, usize> {
        if self == Encoding::Utf8 || bytes.is_ascii() {
            return match std::str::from_utf8(bytes) {
                Ok(text) => Ok(Cow::Borrowed(text)),
                Err(error) => Err(error.valid_up_to()),
            };
        }
        let text = bytes.iter().map(|byte| match (self, byte) {
            (Encoding::Windows1252, 0x80..=0x9f) => {
                WINDOWS_1252.get(usize::from(byte - 0x80)).copied().unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            _ => char::from(*byte),
        });
        Ok(Cow::Owned(text.collect()))
    }

    /// The same, with a replacement character for what can't be decoded, and
    /// cut at `limit` bytes: for showing a row to a person.
    pub fn show(self, bytes: &[u8], limit: usize) -> String {
        let cut = bytes.get(..limit).unwrap_or(bytes);
        let mut text = match self.decode(cut) {
            Ok(text) => text.into_owned(),
            Err(_) => String::from_utf8_lossy(cut).into_owned(),
        };
        let mut end = limit.min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text
    }

    /// The name for messages.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Utf8 => "utf-8",
            Encoding::Latin1 => "latin1",
            Encoding::Windows1252 => "windows-1252",
        }
    }
}

/// Why a source whose first bytes are these can't be UTF-8, where they are the
/// byte-order mark of another encoding.
pub fn foreign_mark(start: &[u8]) -> Option<&'static str> {
    match start {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Some("UTF-32"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("UTF-16"),
        _ => None,
    }
}

/// The byte-order mark of UTF-8.
pub const UTF8_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn single_byte_encodings_are_decoded() {
        assert_eq!(Encoding::Latin1.decode(b"caf\xe9").unwrap(), "café");
        assert_eq!(Encoding::Windows1252.decode(b"\x80 5 \x96 caf\xe9").unwrap(), "€ 5 – café");
        assert_eq!(Encoding::Utf8.decode("café".as_bytes()).unwrap(), "café");
    }

    #[test]
    fn bad_utf8_is_an_error_with_its_place() {
        assert_eq!(Encoding::Utf8.decode(b"caf\xe9 au lait"), Err(3));
    }

    #[test]
    fn shown_text_is_cut_at_a_character() {
        assert_eq!(Encoding::Utf8.show("aéé".as_bytes(), 4), "aé\u{fffd}".get(..3).unwrap_or_default());
        assert_eq!(Encoding::Latin1.show(b"\xe9\xe9\xe9", 4), "éé");
        assert_eq!(Encoding::Utf8.show(b"a\xffb", 10), "a\u{fffd}b");
    }

    #[test]
    fn marks_of_other_encodings_are_known() {
        assert_eq!(foreign_mark(b"\xff\xfea\0"), Some("UTF-16"));
        assert_eq!(foreign_mark(b"\xff\xfe\0\0"), Some("UTF-32"));
        assert_eq!(foreign_mark(b"abc"), None);
    }
}
