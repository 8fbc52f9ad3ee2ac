//! Dates and times to microseconds since 1970-01-01T00:00:00Z.
//!
//! Two ways in: [`iso`] takes the usual ISO 8601 and RFC 3339 forms, and
//! [`Format`] takes a pattern in the manner of `strptime`. Text without a zone
//! is UTC. The calendar is the proleptic Gregorian one; the arithmetic is
//! Howard Hinnant's (<https://howardhinnant.github.io/date_algorithms.html>).

pub use super::format::Format;

pub(super) const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// Days from 1970-01-01 to a date; negative before it. The date isn't checked.
pub fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted = (i64::from(month) + 9) % 12;
    let day_of_year = (153 * shifted + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The date that lies `days` after 1970-01-01: year, month (1–12), day (1–31).
pub fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * shifted + 2) / 5 + 1) as u32;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 } as u32;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// The number of days of a month (1–12).
pub fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// A date and time of day in UTC, or in the zone of `offset_seconds` east of
/// it, as microseconds; none when a part is out of range. Second 60 (a leap
/// second) counts as the first of the next minute.
pub fn timestamp(
    date: (i64, u32, u32),
    clock: (u32, u32, u32),
    micros: u32,
    offset_seconds: i64,
) -> Option<i64> {
    let (year, month, day) = date;
    let (hour, minute, second) = clock;
    let in_range = (-9999..=9999).contains(&year)
        && (1..=12).contains(&month)
        && day >= 1
        && day <= days_in_month(year, month)
        && hour <= 23
        && minute <= 59
        && second <= 60
        && offset_seconds.abs() < SECONDS_PER_DAY;
    if !in_range {
        return None;
    }
    let seconds = days_from_civil(year, month, day) * SECONDS_PER_DAY
        + i64::from(hour) * 3_600
        + i64::from(minute) * 60
        + i64::from(second)
        - offset_seconds;
    Some(seconds * MICROS_PER_SECOND + i64::from(micros))
}

/// Reads the ISO 8601 and RFC 3339 forms: `2013-01-31`, `2013/01/31`, with
/// `T` or a space and `10:20`, `10:20:30`, `10:20:30.123456`, and `Z`,
/// `+01:00`, `+0100` or `+01` after that. Digits past the sixth of a fraction
/// are cut off.
pub fn iso(text: &[u8]) -> Option<i64> {
    let mut at = Cursor::new(text);
    let year = at.digits(4, 4)?;
    let separator = at.next()?;
    if separator != b'-' && separator != b'/' {
        return None;
    }
    let month = at.digits(2, 2)?;
    at.expect(separator)?;
    let day = at.digits(2, 2)?;
    let date = (year, month as u32, day as u32);
    if at.is_empty() {
        return timestamp(date, (0, 0, 0), 0, 0);
    }
    if !matches!(at.next()?, b'T' | b't' | b' ') {
        return None;
    }
    let hour = at.digits(2, 2)? as u32;
    at.expect(b':')?;
    let minute = at.digits(2, 2)? as u32;
    let mut second = 0;
    let mut micros = 0;
    if at.eat(b':') {
        second = at.digits(2, 2)? as u32;
        if at.eat(b'.') || at.eat(b',') {
            micros = at.fraction()?;
        }
    }
    at.eat(b' ');
    let offset = if at.is_empty() { 0 } else { at.offset()? };
    if !at.is_empty() {
        return None;
    }
    timestamp(date, (hour, minute, second), micros, offset)
}

/// Bytes and a place in them.
pub(super) struct Cursor<'a> {
    pub(super) rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Cursor { rest: text }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    pub(super) fn eat(&mut self, byte: u8) -> bool {
        match self.rest.split_first() {
            Some((first, rest)) if *first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    pub(super) fn expect(&mut self, byte: u8) -> Option<()> {
        self.eat(byte).then_some(())
    }

    pub(super) fn digits(&mut self, least: usize, most: usize) -> Option<i64> {
        let mut value = 0i64;
        let mut seen = 0;
        while seen < most {
            match self.rest.split_first() {
                Some((digit @ b'0'..=b'9', rest)) => {
                    value = value * 10 + i64::from(digit - b'0');
                    self.rest = rest;
                    seen += 1;
                }
                _ => break,
            }
        }
        (seen >= least).then_some(value)
    }

    /// The digits after a decimal point as microseconds.
    pub(super) fn fraction(&mut self) -> Option<u32> {
        let mut micros = 0u32;
        let mut seen = 0;
        while let Some((digit @ b'0'..=b'9', rest)) = self.rest.split_first() {
            if seen < 6 {
                micros = micros * 10 + u32::from(digit - b'0');
            }
            seen += 1;
            self.rest = rest;
        }
        (1..=18).contains(&seen).then(|| micros * 10u32.pow(6u32.saturating_sub(seen)))
    }

    /// A zone: `Z`, `UTC`, `+01`, `+0100`, `+01:00`; in seconds east of UTC.
    pub(super) fn offset(&mut self) -> Option<i64> {
        for name in ["UTC", "GMT", "Z", "z"] {
            if let Some(rest) = self.rest.strip_prefix(name.as_bytes()) {
                self.rest = rest;
                return Some(0);
            }
        }
        let sign = match self.next()? {
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        let hours = self.digits(2, 2)?;
        self.eat(b':');
        let minutes = if self.is_empty() { 0 } else { self.digits(2, 2)? };
        (hours <= 23 && minutes <= 59).then_some(sign * (hours * 3_600 + minutes * 60))
    }

    /// The index of the name that stands here, in full or by its first three
    /// letters, whatever the case.
    pub(super) fn name(&mut self, names: &[&str]) -> Option<usize> {
        let letters = self.rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        let (word, rest) = self.rest.split_at_checked(letters)?;
        let found = names.iter().position(|name| {
            word.eq_ignore_ascii_case(name.as_bytes())
                || name.as_bytes().get(..3).is_some_and(|short| word.eq_ignore_ascii_case(short))
        })?;
        self.rest = rest;
        Some(found)
    }

    /// `AM` or `PM`; true for the latter.
    pub(super) fn half(&mut self) -> Option<bool> {
        let (word, rest) = self.rest.split_at_checked(2)?;
        self.rest = rest;
        if word.eq_ignore_ascii_case(b"pm") {
            Some(true)
        } else {
            word.eq_ignore_ascii_case(b"am").then_some(false)
        }
    }

    pub(super) fn spaces(&mut self) {
        while self.eat(b' ') || self.eat(b'\t') {}
    }
}

/// Reads `+01:00` and the like, in seconds east of UTC; what a parameter gives
/// as the zone of a column that carries none.
pub fn offset(text: &str) -> Option<i64> {
    let mut at = Cursor::new(text.as_bytes());
    let seconds = at.offset()?;
    at.is_empty().then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(year: i64, month: u32, day: u32, seconds: i64) -> Option<i64> {
        Some((days_from_civil(year, month, day) * 86_400 + seconds) * 1_000_000)
    }

    #[test]
    fn the_calendar_goes_both_ways() {
        assert_eq!(days_from_civil(1970, 1, 1), 0);
        assert_eq!(days_from_civil(2000, 3, 1), 11_017);
        assert_eq!(days_from_civil(1969, 12, 31), -1);
        for days in (-800_000..800_000).step_by(37) {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month, day), days);
            assert!(day >= 1 && day <= days_in_month(year, month));
        }
    }

    #[test]
    fn iso_forms_are_read() {
        assert_eq!(iso(b"2013-01-31"), at(2013, 1, 31, 0));
        assert_eq!(iso(b"2013/01/31"), at(2013, 1, 31, 0));
        assert_eq!(iso(b"2013-01-31T10:20"), at(2013, 1, 31, 37_200));
        assert_eq!(iso(b"2013-01-31 10:20:30Z"), at(2013, 1, 31, 37_230));
        assert_eq!(iso(b"2013-01-31T10:20:30.25+01:00"), at(2013, 1, 31, 33_630).map(|t| t + 250_000));
        assert_eq!(iso(b"2013-01-31T10:20:30.123456789-0130"), at(2013, 1, 31, 42_630).map(|t| t + 123_456));
        assert_eq!(iso(b"2013-01-31 10:20:30 UTC"), at(2013, 1, 31, 37_230));
        assert_eq!(iso(b"2016-12-31T23:59:60Z"), at(2017, 1, 1, 0));
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "2013",
            "2013-1-1",
            "2013-02-29",
            "2013-13-01",
            "2013-00-01",
            "2013-01-01T24:00",
            "2013-01-01T1:00",
            "2013-01/01",
            "2013-01-01T",
            "2013-01-01x",
            "2013-01-01T10:00+25:00",
            "20130101",
            "2013-01-01T10:00:00.",
            "2013-01-01T10:00:00+01:00x",
            "999999999999999999999",
        ] {
            assert_eq!(iso(text.as_bytes()), None, "{text}");
        }
    }
}
