//! A text in YAML, quoted or not, over as many lines as it takes.

/// The text at `key` below `section`, which stands at the margin; none if there
/// is none or it is null.
pub(super) fn below(yaml: &str, section: &str, key: &str) -> Option<String> {
    let mut rest = yaml;
    let mut inside = false;
    while !rest.is_empty() {
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        let text = line.trim_start();
        let margin = text.len() == line.len();
        if margin && !text.is_empty() && !text.starts_with('#') {
            inside = text.trim_end().strip_suffix(':') == Some(section);
        } else if inside && let Some(value) = text.strip_prefix(key).and_then(|value| value.strip_prefix(':'))
        {
            return read(value, after);
        }
        rest = after;
    }
    None
}

/// The text that begins on a line and may go on below it.
fn read(line: &str, after: &str) -> Option<String> {
    let begin = line.trim();
    match begin.chars().next()? {
        '\'' => single(begin.get(1..)?, after),
        '"' => double(begin.get(1..)?, after),
        _ if begin == "null" || begin == "~" => None,
        _ => Some(begin.to_owned()),
    }
}

/// In single quotes: a quote is doubled, and a line's end is a space.
fn single(begin: &str, after: &str) -> Option<String> {
    let mut text = String::new();
    for (number, line) in std::iter::once(begin).chain(after.lines()).enumerate() {
        if number > 0 {
            text.push(' ');
        }
        let mut characters = line.trim().chars().peekable();
        while let Some(character) = characters.next() {
            match character {
                '\'' if characters.peek() == Some(&'\'') => {
                    characters.next();
                    text.push('\'');
                }
                '\'' => return ends(characters).then_some(text),
                other => text.push(other),
            }
        }
    }
    None
}

/// Whether nothing but a comment follows on a line.
fn ends(mut rest: impl Iterator<Item = char>) -> bool {
    rest.find(|character| !character.is_whitespace()).is_none_or(|character| character == '#')
}

/// In double quotes: with escapes, of which that of a line's end joins the lines.
fn double(begin: &str, after: &str) -> Option<String> {
    let mut text = String::new();
    let mut joined = true;
    for line in std::iter::once(begin).chain(after.lines()) {
        if !joined {
            text.push(' ');
        }
        joined = false;
        let mut characters = line.trim().chars();
        while let Some(character) = characters.next() {
            match character {
                '"' => return ends(characters).then_some(text),
                '\\' => match characters.next() {
                    None => joined = true,
                    Some(escaped) => text.push(unescaped(escaped, &mut characters)?),
                },
                other => text.push(other),
            }
        }
    }
    None
}

/// What an escape stands for.
fn unescaped(escape: char, rest: &mut std::str::Chars<'_>) -> Option<char> {
    let mut code = |digits: usize| {
        let code: String = rest.by_ref().take(digits).collect();
        u32::from_str_radix(&code, 16).ok().and_then(char::from_u32)
    };
    match escape {
        'n' => Some('\n'),
        't' => Some('\t'),
        'r' => Some('\r'),
        '0' => Some('\0'),
        'x' => code(2),
        'u' => code(4),
        'U' => code(8),
        other => Some(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_in_each_style() {
        let read =
            |value: &str| below(&format!("a: 1\nb:\n  c: {value}\n  d: 'no'\ne:\n  c: no\n"), "b", "c");
        assert_eq!(read("'x ''y'''").unwrap(), "x 'y'");
        assert_eq!(read("'one\n    two'").unwrap(), "one two");
        assert_eq!(read("\"gr\\xF6\\u00DFe\\\n    \\ more\\\" \\\n    end\"").unwrap(), "größe more\" end");
        assert_eq!(read("plain text").unwrap(), "plain text");
        assert_eq!(read("null"), None);
        assert_eq!(read("'never closed"), None);
        assert_eq!(below("b:\n  x: 1\n", "b", "c"), None);
        assert_eq!(below("c: 1\n", "b", "c"), None);
    }
}
