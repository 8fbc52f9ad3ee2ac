//! Cuts a filter or an order into tokens and keeps where each begins.

use crate::{Error, Result};

/// One token.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A bare word: a keyword, an entity, a key with its dots.
    Word(String),
    /// Text in quotes; which ones is kept, since backticks quote only names.
    Quoted { quote: char, text: String },
    /// A number as it was written.
    Number(String),
    /// A comparison sign.
    Sign(&'static str),
    /// `(`
    Open,
    /// `)`
    Close,
    /// `,`
    Comma,
    /// A dot that stands between quoted parts of a name.
    Dot,
}

/// A token and the bytes it takes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Spanned {
    pub(super) token: Token,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Longer signs first, so that `<=` is not read as `<`.
const SIGNS: [&str; 6] = ["!=", "<=", ">=", "=", "<", ">"];

pub(super) fn error(position: usize, message: impl Into<String>) -> Error {
    Error::Syntax { message: message.into(), position }
}

/// Cuts `text` into tokens.
///
/// # Errors
/// [`Error::Syntax`] at a quote that is not closed or a character that begins nothing.
pub(super) fn tokens(text: &str) -> Result<Vec<Spanned>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let Some(first) = rest.chars().next() else { break };
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        let (token, length) = token(rest, first, at)?;
        found.push(Spanned { token, start: at, end: at + length });
        at += length;
    }
    Ok(found)
}

fn token(rest: &str, first: char, at: usize) -> Result<(Token, usize)> {
    if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
        return Ok((Token::Sign(sign), sign.len()));
    }
    let mut following = rest.chars().skip(1);
    match first {
        '(' => Ok((Token::Open, 1)),
        ')' => Ok((Token::Close, 1)),
        ',' => Ok((Token::Comma, 1)),
        '\'' | '"' | '`' => quoted(rest, first, at),
        '0'..='9' => Ok(number(rest)),
        '+' | '-' | '.' if following.next().is_some_and(|next| next.is_ascii_digit() || next == '.') => {
            Ok(number(rest))
        }
        '.' => Ok((Token::Dot, 1)),
        first if first.is_alphabetic() || first == '_' => Ok(word(rest)),
        ';' => {
            Err(error(at, "Search filter contained multiple expressions. Provide AND-ed expression list."))
        }
        other => Err(error(at, format!("Invalid clause(s) in filter string: '{other}'"))),
    }
}

/// A quote within is written twice or after a backslash.
fn quoted(rest: &str, quote: char, at: usize) -> Result<(Token, usize)> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((offset, c)) = chars.next() {
        let next = chars.peek().map(|(_, next)| *next);
        if c == quote {
            if next != Some(quote) {
                return Ok((Token::Quoted { quote, text }, offset + c.len_utf8()));
            }
            chars.next();
        } else if c == '\\' && next == Some(quote) && quote != '`' {
            chars.next();
            text.push(quote);
            continue;
        }
        text.push(c);
    }
    Err(error(at, format!("The quote {quote} is not closed; expected another {quote}")))
}

fn number(rest: &str) -> (Token, usize) {
    let mut length = 0;
    let mut before = ' ';
    for c in rest.chars() {
        let sign = matches!(c, '+' | '-') && (length == 0 || matches!(before, 'e' | 'E'));
        if !(c.is_alphanumeric() || c == '.' || c == '_' || sign) {
            break;
        }
        length += c.len_utf8();
        before = c;
    }
    (Token::Number(rest.get(..length).unwrap_or_default().to_owned()), length)
}

fn word(rest: &str) -> (Token, usize) {
    let length: usize = rest
        .chars()
        .take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '/' | ':' | '@'))
        .map(char::len_utf8)
        .sum();
    (Token::Word(rest.get(..length).unwrap_or_default().to_owned()), length)
}
