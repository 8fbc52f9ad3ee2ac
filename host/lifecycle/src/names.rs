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
        assert!(split_reference("model", "late@3").is_ok());
        assert!(split_reference("model", "late").is_err());
    }
}
