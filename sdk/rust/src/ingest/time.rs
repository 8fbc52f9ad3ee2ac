//! Dates and times to microseconds since 1970-01-01T00:00:00Z.
//!
//! Two ways in: [`iso`] takes the usual ISO 8601 and RFC 3339 forms, and
//! [`Format`] takes a pattern in the manner of `strptime`. Text without a zone
//! is UTC. The calendar is the proleptic Gregorian one; the arithmetic is
//! Howard Hinnant's (<https://howardhinnant.github.io/date_algorithms.html>).

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

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
struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn new(text: &'a [u8]) -> Self {
        Cursor { rest: text }
    }

    fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn eat(&mut self, byte: u8) -> bool {
        match self.rest.split_first() {
            Some((first, rest)) if *first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.eat(byte).then_some(())
    }

    fn digits(&mut self, least: usize, most: usize) -> Option<i64> {
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
    fn fraction(&mut self) -> Option<u32> {
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
    fn offset(&mut self) -> Option<i64> {
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
    fn name(&mut self, names: &[&str]) -> Option<usize> {
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
    fn half(&mut self) -> Option<bool> {
        let (word, rest) = self.rest.split_at_checked(2)?;
        self.rest = rest;
        if word.eq_ignore_ascii_case(b"pm") {
            Some(true)
        } else {
            word.eq_ignore_ascii_case(b"am").then_some(false)
        }
    }

    fn spaces(&mut self) {
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

#[derive(Debug, Clone, Copy, PartialEq)]
enum Item {
    Year,
    ShortYear,
    Month,
    MonthName,
    Day,
    DayOfYear,
    Weekday,
    Hour,
    Hour12,
    Minute,
    Second,
    Fraction,
    Half,
    Zone,
    Epoch(i64),
    Space,
    Literal(u8),
}

/// How a column writes its timestamps.
#[derive(Debug, Clone, PartialEq)]
pub struct Format {
    /// Empty: the forms of [`iso`].
    items: Vec<Item>,
    /// The zone of text that carries none, in seconds east of UTC.
    offset: i64,
}

impl Format {
    /// The forms that [`iso`] takes, read as UTC where they name no zone.
    pub fn iso() -> Format {
        Format { items: Vec::new(), offset: 0 }
    }

    /// Compiles a pattern: `%Y %y %m %b %B %d %j %a %A %H %I %M %S %f %p %z
    /// %s %%`, the compounds `%F` (`%Y-%m-%d`), `%T` (`%H:%M:%S`), `%R`
    /// (`%H:%M`) and `%D` (`%m/%d/%y`), or one of the words `iso`, `unix`,
    /// `unix_ms`, `unix_us`. A space stands for any number of spaces. Says
    /// what it doesn't know.
    pub fn compile(pattern: &str) -> Result<Format, String> {
        let items = match pattern {
            "iso" => Vec::new(),
            "unix" => vec![Item::Epoch(MICROS_PER_SECOND)],
            "unix_ms" => vec![Item::Epoch(1_000)],
            "unix_us" => vec![Item::Epoch(1)],
            "" => return Err("an empty timestamp format; write \"iso\" for ISO 8601".to_owned()),
            _ => items(pattern)?,
        };
        Ok(Format { items, offset: 0 })
    }

    /// The same format for text whose zone lies `seconds` east of UTC where
    /// it names none.
    pub fn with_offset(mut self, seconds: i64) -> Format {
        self.offset = seconds;
        self
    }

    /// Reads one value; none where it doesn't follow the format.
    pub fn parse(&self, text: &[u8]) -> Option<i64> {
        if self.items.is_empty() {
            let micros = iso(text)?;
            // Dates and clocks only: a zone ends in Z, a letter or ±hh[:mm].
            let zoned = self.offset != 0 && names_zone(text);
            return Some(if zoned { micros } else { micros - self.offset * MICROS_PER_SECOND });
        }
        let mut at = Cursor::new(text);
        let mut parts = Parts { year: 1970, month: 1, day: 1, offset: self.offset, ..Parts::default() };
        for item in &self.items {
            parts.read(*item, &mut at)?;
        }
        if at.is_empty() { parts.finish() } else { None }
    }
}

fn names_zone(text: &[u8]) -> bool {
    let clock = text.get(10..).unwrap_or_default();
    clock.iter().any(|byte| matches!(byte, b'Z' | b'z' | b'+' | b'-' | b'C'))
}

fn items(pattern: &str) -> Result<Vec<Item>, String> {
    let mut items = Vec::new();
    let mut bytes = pattern.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let letter = bytes.next().ok_or("a timestamp format ends in %")?;
                directive(letter, &mut items)?;
            }
            b' ' => items.push(Item::Space),
            other => items.push(Item::Literal(other)),
        }
    }
    Ok(items)
}

fn directive(letter: u8, items: &mut Vec<Item>) -> Result<(), String> {
    use Item::*;
    let one: &[Item] = match letter {
        b'Y' => &[Year],
        b'y' => &[ShortYear],
        b'm' => &[Month],
        b'b' | b'B' | b'h' => &[MonthName],
        b'd' | b'e' => &[Day],
        b'j' => &[DayOfYear],
        b'a' | b'A' => &[Weekday],
        b'H' | b'k' => &[Hour],
        b'I' | b'l' => &[Hour12],
        b'M' => &[Minute],
        b'S' => &[Second],
        b'f' => &[Fraction],
        b'p' | b'P' => &[Half],
        b'z' => &[Zone],
        b's' => &[Epoch(MICROS_PER_SECOND)],
        b'F' => &[Year, Literal(b'-'), Month, Literal(b'-'), Day],
        b'T' => &[Hour, Literal(b':'), Minute, Literal(b':'), Second],
        b'R' => &[Hour, Literal(b':'), Minute],
        b'D' => &[Month, Literal(b'/'), Day, Literal(b'/'), ShortYear],
        b'%' => &[Literal(b'%')],
        other => {
            return Err(format!(
                "a timestamp format has no %{}; known are %Y %y %m %b %B %d %j %a %A %H %I %M %S %f %p %z %s \
                 %F %T %R %D %%",
                other.escape_ascii()
            ));
        }
    };
    items.extend_from_slice(one);
    Ok(())
}

#[derive(Default)]
struct Parts {
    year: i64,
    month: u32,
    day: u32,
    day_of_year: Option<u32>,
    hour: u32,
    minute: u32,
    second: u32,
    micros: u32,
    half: Option<bool>,
    twelve: bool,
    offset: i64,
    epoch: Option<i64>,
}

impl Parts {
    fn read(&mut self, item: Item, at: &mut Cursor<'_>) -> Option<()> {
        match item {
            Item::Year => self.year = at.digits(4, 4)?,
            // POSIX: 69–99 are the twentieth century, 00–68 the twenty-first.
            Item::ShortYear => {
                let year = at.digits(2, 2)?;
                self.year = if year >= 69 { 1900 + year } else { 2000 + year };
            }
            Item::Month => self.month = at.digits(1, 2)? as u32,
            Item::MonthName => self.month = at.name(&MONTHS)? as u32 + 1,
            Item::Day => self.day = at.digits(1, 2)? as u32,
            Item::DayOfYear => self.day_of_year = Some(at.digits(1, 3)? as u32),
            Item::Weekday => {
                at.name(&WEEKDAYS)?;
            }
            Item::Hour => self.hour = at.digits(1, 2)? as u32,
            Item::Hour12 => {
                self.hour = at.digits(1, 2)? as u32;
                self.twelve = true;
            }
            Item::Minute => self.minute = at.digits(1, 2)? as u32,
            Item::Second => {
                self.second = at.digits(1, 2)? as u32;
                if matches!(at.rest, [b'.', b'0'..=b'9', ..]) {
                    at.next();
                    self.micros = at.fraction()?;
                }
            }
            Item::Fraction => self.micros = at.fraction()?,
            Item::Half => self.half = Some(at.half()?),
            Item::Zone => self.offset = at.offset()?,
            Item::Epoch(unit) => self.epoch = Some(epoch(at, unit)?),
            Item::Space => at.spaces(),
            Item::Literal(byte) => at.expect(byte)?,
        }
        Some(())
    }

    fn finish(mut self) -> Option<i64> {
        if let Some(micros) = self.epoch {
            return Some(micros);
        }
        if self.twelve && !(1..=12).contains(&self.hour) {
            return None;
        }
        if let Some(afternoon) = self.half {
            self.hour = self.hour % 12 + if afternoon { 12 } else { 0 };
        }
        if let Some(day) = self.day_of_year {
            let year_length = if days_in_month(self.year, 2) == 29 { 366 } else { 365 };
            if day == 0 || day > year_length {
                return None;
            }
            let days = days_from_civil(self.year, 1, 1) + i64::from(day) - 1;
            (_, self.month, self.day) = civil_from_days(days);
        }
        let clock = (self.hour, self.minute, self.second);
        timestamp((self.year, self.month, self.day), clock, self.micros, self.offset)
    }
}

/// Seconds, milliseconds or microseconds since 1970, with a fraction or not.
fn epoch(at: &mut Cursor<'_>, unit: i64) -> Option<i64> {
    let negative = at.eat(b'-');
    let whole = at.digits(1, 18)?.checked_mul(unit)?;
    let part = if at.eat(b'.') { i64::from(at.fraction()?) * unit / MICROS_PER_SECOND } else { 0 };
    let micros = whole.checked_add(part)?;
    Some(if negative { -micros } else { micros })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
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

    #[test]
    fn formats_are_compiled_and_read() {
        let read = |pattern: &str, text: &str| Format::compile(pattern).unwrap().parse(text.as_bytes());
        assert_eq!(read("%Y-%m-%d", "2013-01-31"), at(2013, 1, 31, 0));
        assert_eq!(read("%d.%m.%Y %H:%M", "1.2.2013  7:05"), at(2013, 2, 1, 25_500));
        assert_eq!(read("%m/%d/%y %I:%M %p", "01/31/13 12:05 AM"), at(2013, 1, 31, 300));
        assert_eq!(read("%m/%d/%y %I:%M %p", "01/31/13 12:05 pm"), at(2013, 1, 31, 43_500));
        assert_eq!(
            read("%a, %d %b %Y %T %z", "Thu, 31 January 2013 10:00:00 +0100"),
            at(2013, 1, 31, 32_400)
        );
        assert_eq!(read("%Y%m%d", "20130131"), at(2013, 1, 31, 0));
        assert_eq!(read("%Y-%j", "2013-031"), at(2013, 1, 31, 0));
        assert_eq!(read("%F %T", "2013-01-31 00:00:01.5"), at(2013, 1, 31, 1).map(|t| t + 500_000));
        assert_eq!(read("unix", "1.5"), Some(1_500_000));
        assert_eq!(read("unix_ms", "-1500"), Some(-1_500_000));
        assert_eq!(read("iso", "2013-01-31"), at(2013, 1, 31, 0));
        assert_eq!(read("%Y-%m-%d", "2013-02-30"), None);
        assert_eq!(read("%Y-%m-%d", "2013-01-31 "), None);
        assert_eq!(read("%Y-%j", "2013-366"), None);
        assert_eq!(read("%I:%M", "13:00"), None);
        assert_eq!(read("unix", "99999999999999999"), None);
    }

    #[test]
    fn a_zone_applies_where_the_text_has_none() {
        let format = Format::iso().with_offset(offset("-05:00").unwrap());
        assert_eq!(format.parse(b"2013-01-31 10:00"), at(2013, 1, 31, 15 * 3_600));
        assert_eq!(format.parse(b"2013-01-31 10:00Z"), at(2013, 1, 31, 10 * 3_600));
        assert_eq!(format.parse(b"2013-01-31 10:00+01:00"), at(2013, 1, 31, 9 * 3_600));
        let format = Format::compile("%d/%m/%Y").unwrap().with_offset(3_600);
        assert_eq!(format.parse(b"31/01/2013"), at(2013, 1, 30, 23 * 3_600));
        assert_eq!(offset("five"), None);
        assert_eq!(offset("+01:00 "), None);
    }

    #[test]
    fn unknown_directives_are_named() {
        assert!(Format::compile("%Q").unwrap_err().contains("%Q"));
        assert!(Format::compile("%").unwrap_err().contains("ends in %"));
        assert!(Format::compile("").is_err());
    }
}
