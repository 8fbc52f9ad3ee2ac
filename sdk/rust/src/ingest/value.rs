//! Values as text to values as types. Every parser takes the whole text or
//! gives none; none of them allocates.

/// Spaces and tabs off both ends.
pub fn trim(text: &[u8]) -> &[u8] {
    let mut text = text;
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// A decimal integer with an optional sign, within 64 bits.
pub fn s64(text: &[u8]) -> Option<i64> {
    let (negative, digits) = sign(text);
    if digits.is_empty() {
        return None;
    }
    // Eighteen digits can't overflow; more are rare enough for checked steps.
    if digits.len() <= 18 {
        let mut value = 0i64;
        for byte in digits {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            value = value * 10 + i64::from(digit);
        }
        return Some(if negative { -value } else { value });
    }
    let mut value = 0i64;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        // Downwards, because the most negative number has no opposite.
        value = value.checked_mul(10)?.checked_sub(i64::from(digit))?;
    }
    if negative { Some(value) } else { value.checked_neg() }
}

const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

/// A decimal number, correctly rounded, with an optional sign, fraction and
/// exponent; also `inf`, `infinity` and `nan` in any case.
pub fn f64(text: &[u8]) -> Option<f64> {
    let (negative, digits) = sign(text);
    // The exact case (Clinger 1990): a mantissa below 2^53 and a power of ten
    // that a double holds exactly need one rounding, the division's.
    let mut mantissa = 0u64;
    let mut seen = 0usize;
    let mut point = None;
    for (index, byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' if seen < 15 => {
                mantissa = mantissa * 10 + u64::from(byte - b'0');
                seen += 1;
            }
            b'.' if point.is_none() => point = Some(index),
            _ => return slow(text),
        }
    }
    if seen == 0 {
        return None;
    }
    let decimals = point.map_or(0, |index| digits.len() - index - 1);
    let value = mantissa as f64 / POWERS.get(decimals)?;
    Some(if negative { -value } else { value })
}

fn slow(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// `true`, `t`, `yes`, `y`, `1` and their opposites, in any case.
pub fn boolean(text: &[u8]) -> Option<bool> {
    const TRUE: [&str; 5] = ["true", "t", "yes", "y", "1"];
    const FALSE: [&str; 5] = ["false", "f", "no", "n", "0"];
    let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word.as_bytes()));
    if is(&TRUE) { Some(true) } else { is(&FALSE).then_some(false) }
}

/// Whether a text would be taken for a number and lose something by it: an
/// integer with leading zeros, as in postal codes and account numbers.
pub fn has_leading_zero(text: &[u8]) -> bool {
    let (_, digits) = sign(text);
    matches!(digits, [b'0', b'0'..=b'9', ..])
}

fn sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_end_where_64_bits_end() {
        assert_eq!(s64(b"0"), Some(0));
        assert_eq!(s64(b"-17"), Some(-17));
        assert_eq!(s64(b"+17"), Some(17));
        assert_eq!(s64(b"9223372036854775807"), Some(i64::MAX));
        assert_eq!(s64(b"-9223372036854775808"), Some(i64::MIN));
        assert_eq!(s64(b"9223372036854775808"), None);
        assert_eq!(s64(b"-9223372036854775809"), None);
        assert_eq!(s64(b"000000000000000000000012"), Some(12));
        for text in ["", "-", "+", "1.0", "1e3", "12a", " 1", "--1", "1_000", "1,000", "999999999999999999x"]
        {
            assert_eq!(s64(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn numbers_agree_with_the_standard_library_to_the_last_bit() {
        let mut state = 1u64;
        for _ in 0..20_000 {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let whole = (state >> 33) % 1_000_000_000;
            let decimals = (state >> 7) % 10_000_000_000;
            let sign = if state & 1 == 0 { "-" } else { "" };
            for text in [
                format!("{sign}{whole}.{decimals}"),
                format!("{sign}{whole}"),
                format!("{sign}.{decimals}"),
                format!("{sign}{whole}e{}", state % 40),
                format!("{whole}."),
            ] {
                let expected: f64 = text.parse().unwrap_or(f64::NAN);
                assert_eq!(f64(text.as_bytes()).map(f64::to_bits), Some(expected.to_bits()), "{text}");
            }
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", ".", "-", "+.", "1.2.3", "0x10", "1e", "one", "1,5", "--1", "1 "] {
            assert_eq!(f64(text.as_bytes()), None, "{text}");
        }
        assert_eq!(f64(b"-inf"), Some(f64::NEG_INFINITY));
        assert!(f64(b"NaN").is_some_and(f64::is_nan));
    }

    #[test]
    fn words_are_booleans_in_any_case() {
        assert_eq!(boolean(b"TRUE"), Some(true));
        assert_eq!(boolean(b"f"), Some(false));
        assert_eq!(boolean(b"0"), Some(false));
        assert_eq!(boolean(b"on"), None);
        assert_eq!(boolean(b""), None);
    }

    #[test]
    fn leading_zeros_are_seen() {
        assert!(has_leading_zero(b"00501"));
        assert!(has_leading_zero(b"-01"));
        assert!(!has_leading_zero(b"0"));
        assert!(!has_leading_zero(b"0.5"));
    }
}
