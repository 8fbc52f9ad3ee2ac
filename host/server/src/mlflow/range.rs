//! The part of a file that a request asks for (RFC 9110, 14.2).

/// What a `Range` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All: it says nothing, several parts, or what can't be read.
    All,
    /// So many bytes from there on.
    Part((u64, u64)),
    /// What isn't there.
    None,
}

/// Reads a `Range` over `size` bytes.
pub(super) fn parse(text: &str, size: u64) -> Wanted {
    let Some((from, to)) = text.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Wanted::All;
    };
    let bounds = match (from.trim(), to.trim()) {
        ("", last) => match last.parse::<u64>() {
            Ok(last) => (size.saturating_sub(last), size),
            Err(_) => return Wanted::All,
        },
        (from, "") => match from.parse() {
            Ok(from) => (from, size),
            Err(_) => return Wanted::All,
        },
        (from, to) => match (from.parse::<u64>(), to.parse::<u64>()) {
            (Ok(from), Ok(to)) if from <= to => (from, to.saturating_add(1).min(size)),
            _ => return Wanted::All,
        },
    };
    match bounds {
        (from, to) if from < to => Wanted::Part((from, to - from)),
        _ => Wanted::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        for (text, wanted) in [
            ("bytes=0-9", Wanted::Part((0, 10))),
            ("bytes=90-", Wanted::Part((90, 10))),
            ("bytes=-5", Wanted::Part((95, 5))),
            ("bytes=-500", Wanted::Part((0, 100))),
            ("bytes=50-1000", Wanted::Part((50, 50))),
            ("bytes=0-18446744073709551615", Wanted::Part((0, 100))),
            ("bytes=100-", Wanted::None),
            ("bytes=-0", Wanted::None),
            ("bytes=9-2", Wanted::All),
            ("bytes=0-1,5-6", Wanted::All),
            ("lines=1-2", Wanted::All),
            ("bytes=a-b", Wanted::All),
        ] {
            assert_eq!(parse(text, 100), wanted, "{text}");
        }
        assert_eq!(parse("bytes=0-0", 0), Wanted::None);
    }
}
