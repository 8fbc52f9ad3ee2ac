use chrono_tz::{TZ_VARIANTS, Tz};

use crate::{Error, Result};

/// The time zone of this name, in whatever case; an empty name is UTC.
pub(crate) fn parse(name: &str) -> Result<Tz> {
    let name = name.trim();
    if name.is_empty() {
        return Ok(Tz::UTC);
    }
    let found = TZ_VARIANTS.iter().find(|zone| zone.name().eq_ignore_ascii_case(name)).copied();
    found.ok_or_else(|| Error::UnknownTimezone { name: name.to_owned(), near: near(name) })
}

/// The names that are least different, if they are not too different.
fn near(name: &str) -> Vec<String> {
    let wanted = name.to_lowercase().replace(' ', "_");
    let wanted_city = city(&wanted);
    let mut names: Vec<(usize, &str)> = TZ_VARIANTS
        .iter()
        .map(|zone| zone.name())
        .filter_map(|zone| {
            let lower = zone.to_lowercase();
            let (whole, part) = (distance(&lower, &wanted), distance(city(&lower), wanted_city));
            let near = whole <= 2.max(wanted.len() / 5) || part <= 2.max(wanted_city.len() / 5);
            near.then_some((whole.min(part + 1), zone))
        })
        .collect();
    names.sort();
    names.into_iter().take(3).map(|(_, zone)| zone.to_owned()).collect()
}

/// The last part of a zone's name.
fn city(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// Levenshtein's edit distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (above, to) in row.iter().skip(1).zip(&b) {
            let cost = (diagonal + usize::from(from != *to)).min(above + 1).min(left + 1);
            diagonal = *above;
            left = cost;
            next.push(cost);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_unknown_zone_is_answered_with_near_names() {
        assert_eq!(parse("europe/berlin").unwrap(), Tz::Europe__Berlin);
        assert_eq!(parse("").unwrap(), Tz::UTC);
        let error = parse("Europe/Belrin").unwrap_err().to_string();
        assert!(error.contains("\"Europe/Belrin\"") && error.contains("Europe/Berlin"), "{error}");
        assert!(parse("New York").unwrap_err().to_string().contains("America/New_York"));
        assert!(parse("Berlin").unwrap_err().to_string().contains("Europe/Berlin"));
        assert!(parse("Middle-earth/Hobbiton").unwrap_err().to_string().contains("IANA"));
    }

    #[test]
    fn edit_distance() {
        assert_eq!([distance("kitten", "sitting"), distance("", "abc"), distance("a", "a")], [3, 3, 0]);
    }
}
