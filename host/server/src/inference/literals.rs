//! NaN and infinities in JSON. JSON has none of them; Python's writers, which
//! the protocol's clients use, write the bare words `NaN`, `Infinity` and
//! `-Infinity`. A body that can't be read as JSON is tried again with those
//! words replaced.

/// What stands for an infinity: an object, because data can't hold one
/// otherwise.
const POSITIVE: &[u8] = br#"{"":1}"#;
const NEGATIVE: &[u8] = br#"{"":-1}"#;

/// The body with NaN as `null` and infinities as objects that
/// [`infinity`] knows; none if it has no such word outside its texts.
pub(super) fn replaced(json: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(json.len());
    let mut rest = json;
    let mut found = false;
    let mut inside = false;
    while let Some((&byte, after)) = rest.split_first() {
        let word = |from: &'static str| (!inside).then(|| rest.strip_prefix(from.as_bytes())).flatten();
        let replacement = match byte {
            b'N' => word("NaN").map(|after| (&b"null"[..], after)),
            b'I' => word("Infinity").map(|after| (POSITIVE, after)),
            b'-' => word("-Infinity").map(|after| (NEGATIVE, after)),
            _ => None,
        };
        if let Some((with, after)) = replacement {
            out.extend_from_slice(with);
            rest = after;
            found = true;
            continue;
        }
        out.push(byte);
        rest = after;
        match byte {
            b'"' => inside = !inside,
            b'\\' if inside => {
                // What is escaped, a quote perhaps, ends no text.
                if let Some((&escaped, after)) = rest.split_first() {
                    out.push(escaped);
                    rest = after;
                }
            }
            _ => {}
        }
    }
    found.then_some(out)
}

/// The infinity that an object's only member stands for.
pub(super) fn infinity(key: &str, value: &serde_json::Value) -> Option<f64> {
    match (key, value.as_i64()) {
        ("", Some(1)) => Some(f64::INFINITY),
        ("", Some(-1)) => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_replaced_outside_of_texts() {
        let text = |json: &str| replaced(json.as_bytes()).map(|bytes| String::from_utf8(bytes).unwrap());
        assert_eq!(
            text(r#"{"a": [NaN, -1, Infinity,-Infinity]}"#).unwrap(),
            r#"{"a": [null, -1, {"":1},{"":-1}]}"#
        );
        assert_eq!(text(r#"["NaN", "\"NaN", "\\", 1]"#), None);
        assert_eq!(text(r#"["\\", NaN, "Infinity"]"#).unwrap(), r#"["\\", null, "Infinity"]"#);
        assert_eq!(text(r#"["\"#), None);
        assert_eq!(text("Na"), None);
    }
}
