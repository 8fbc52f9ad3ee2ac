//! Timestamps by a pattern in the manner of `strptime`.

use super::time::{
    Cursor, MICROS_PER_SECOND, civil_from_days, days_from_civil, days_in_month, iso, timestamp,
};

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
    use super::super::time::offset;
    use super::*;

    fn at(year: i64, month: u32, day: u32, seconds: i64) -> Option<i64> {
        Some((days_from_civil(year, month, day) * 86_400 + seconds) * 1_000_000)
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
