//! What a name may be.

use crate::{Error, Result};

/// Checks a name: 1 to 80 of `a-z`, `A-Z`, `0-9`, `.`, `_`, `-`, beginning with
/// a letter or digit. `field` is where the name stands in the request.
pub fn check(field: &str, name: &str) -> Result<()> {
    let first = name.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
    let rest = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    if first && rest && name.len() <= 80 {
        return Ok(());
    }
    Err(Error::field(
        field,
        format!(
            "{name:?} is not a name: use 1 to 80 letters, digits, '.', '_' or '-', beginning with a letter or digit"
        ),
    ))
}

/// Checks the name of a model that a client of the tracking protocol gives: any
/// text of 1 to 250 bytes without `/`, `:` and control characters that is no way
/// up or on the spot in a path.
pub fn check_model(field: &str, name: &str) -> Result<()> {
    let blank = name.trim().is_empty();
    let bad = |character: char| matches!(character, '/' | ':') || character.is_control();
    if !blank && name.len() <= 250 && !name.chars().any(bad) && name != "." && name != ".." {
        return Ok(());
    }
    let message =
        format!("{name:?} is not a model's name: use 1 to 250 bytes without '/', ':' and control characters");
    Err(Error::field(field, message))
}

/// Checks an alias: 1 to 255 letters, digits, `.`, `_` and `-`.
pub fn check_label(field: &str, label: &str) -> Result<()> {
    let fits = label.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-'));
    if fits && !label.is_empty() && label.len() <= 255 {
        return Ok(());
    }
    Err(Error::field(
        field,
        format!("{label:?} is no {field}: use 1 to 255 letters, digits, '.', '_' or '-'"),
    ))
}

/// The reference `name@version`, taken apart. A version may be a number or,
/// for models, an alias.
pub fn split_reference<'a>(field: &str, reference: &'a str) -> Result<(&'a str, &'a str)> {
    match reference.split_once('@') {
        Some((name, version)) if !name.is_empty() && !version.is_empty() => Ok((name, version)),
        _ => Err(Error::field(field, format!("{reference:?} is not a reference: write name@version"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        for good in ["flights", "a", "9lives", "a.b_c-d"] {
            assert!(check("name", good).is_ok(), "{good}");
        }
        for bad in ["", ".hidden", "a/b", "a b", "é", &"x".repeat(81)] {
            let error = check("name", bad).unwrap_err();
            assert_eq!(error.location.field.as_deref(), Some("name"));
        }
        for good in ["late", "Späte Flüge (2013)", "..a"] {
            assert!(check_model("name", good).is_ok(), "{good}");
        }
        for bad in ["", " ", "a/b", "a:b", "..", "a\nb", &"x".repeat(251)] {
            assert!(check_model("name", bad).is_err(), "{bad}");
        }
        assert!(check_label("alias", "-Späte_1.0").is_ok());
        assert!(check_label("alias", "").is_err() && check_label("alias", "a b").is_err());
        assert!(split_reference("model", "late@3").is_ok());
        assert!(split_reference("model", "late").is_err());
    }
}
