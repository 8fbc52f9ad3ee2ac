use std::str::FromStr;

use chrono::{DateTime, Duration, NaiveDateTime, TimeZone, Utc};
use chrono_tz::Tz;
use modelyard_clock::Timestamp;

use crate::{Error, Result, timezone};

/// When a schedule fires: a cron expression in a time zone.
#[derive(Clone, Debug)]
pub struct Cron {
    /// The earliest of these fires. Two for a crontab line that restricts both kinds of days.
    parts: Vec<cron::Schedule>,
    zone: Tz,
    /// Whether it follows elapsed time rather than the clock on the wall.
    interval: bool,
}

impl Cron {
    /// Reads an expression and a time zone's name (empty: UTC).
    ///
    /// # Errors
    /// [`Error::BadCron`], [`Error::UnknownTimezone`].
    pub fn parse(text: &str, timezone: &str) -> Result<Self> {
        let zone = timezone::parse(timezone)?;
        let bad = |reason: String| Error::BadCron { cron: text.to_owned(), reason };
        let fields: Vec<&str> = text.split_whitespace().collect();
        let (lines, hour) = match fields.as_slice() {
            [name] if name.starts_with('@') => {
                (vec![(*name).to_owned()], if *name == "@hourly" { "*" } else { "0" })
            }
            [minute, hour, day, month, weekday] => {
                let weekday = weekdays(weekday).map_err(bad)?;
                let restricted = |field: &str| !field.starts_with(['*', '?']);
                let line = |day: &str, weekday: &str| format!("0 {minute} {hour} {day} {month} {weekday}");
                let lines = if restricted(day) && restricted(&weekday) {
                    vec![line(day, "*"), line("*", &weekday)]
                } else {
                    vec![line(day, &weekday)]
                };
                (lines, *hour)
            }
            [_, _, hour, ..] if fields.len() == 6 || fields.len() == 7 => (vec![fields.join(" ")], *hour),
            fields => return Err(bad(format!("it has {} fields", fields.len()))),
        };
        let interval = hour.starts_with('*');
        let parse = |line: &String| cron::Schedule::from_str(line).map_err(|error| bad(error.to_string()));
        let parts = lines.iter().map(parse).collect::<Result<Vec<_>>>()?;
        Ok(Self { parts, zone, interval })
    }

    /// The first tick after `after`; `None`: there is none before the year 2100.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let after = after.to_utc();
        let found = if self.interval { self.next_by_elapsed(after) } else { self.next_by_wall(after) };
        found.map(Timestamp::from)
    }

    /// The next `n` ticks after `after`.
    pub fn preview(&self, after: Timestamp, n: usize) -> Vec<Timestamp> {
        std::iter::successors(self.next(after), |tick| self.next(*tick)).take(n).collect()
    }

    /// The first local time after `after` that the expression names; inclusive: or at it.
    fn next_local(&self, after: NaiveDateTime, inclusive: bool) -> Option<NaiveDateTime> {
        // The expression is evaluated on local times as if there were no time zones.
        let after = if inclusive { after - Duration::nanoseconds(1) } else { after };
        let after = after.and_utc();
        self.parts.iter().filter_map(|part| part.after(&after).next()).min().map(|time| time.naive_utc())
    }

    fn local(&self, moment: DateTime<Utc>) -> NaiveDateTime {
        moment.with_timezone(&self.zone).naive_local()
    }

    /// Each local time once: skipped ones after the gap, doubled ones the first time.
    fn next_by_wall(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut local = self.local(after);
        // Local times of before may have been moved behind `after` by a gap.
        let earlier = after - Duration::hours(25);
        if self.local(earlier) + Duration::hours(25) != local {
            local = self.local(earlier);
        }
        loop {
            local = self.next_local(local, false)?;
            let moment = self.once(local)?;
            if moment > after {
                return Some(moment);
            }
        }
    }

    fn once(&self, local: NaiveDateTime) -> Option<DateTime<Utc>> {
        // No zone has ever skipped more than a day.
        let candidates = (0..=24 * 60)
            .map(|minutes| if minutes == 0 { local } else { truncate(local) + Duration::minutes(minutes) });
        candidates
            .filter_map(|local| self.zone.from_local_datetime(&local).earliest())
            .next()
            .map(|t| t.to_utc())
    }

    /// Each moment whose local time matches.
    fn next_by_elapsed(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut local = self.local(after);
        let mut inclusive = false;
        let mut from = after;
        loop {
            let next = self.next_local(local, inclusive)?;
            // As long as the offset stays what it is at `from`, this is the moment.
            let offset = self.local(from) - from.naive_utc();
            let moment = (next - offset).and_utc();
            let Some(change) = self.first_change(from, moment) else { return Some(moment) };
            // It changes before: go on with the local time that the change leads to.
            from = change;
            local = self.local(change);
            inclusive = true;
        }
    }

    /// The moment of the first change of the offset after `from`, up to and including `until`.
    fn first_change(&self, from: DateTime<Utc>, until: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let offset = |moment: DateTime<Utc>| self.local(moment) - moment.naive_utc();
        let before = offset(from);
        let mut low = from;
        // Offsets change for months, or, in odd years of a few zones, for weeks.
        let mut high = loop {
            let next = (low + Duration::days(7)).min(until);
            if offset(next) != before {
                break next;
            }
            if next == until {
                return None;
            }
            low = next;
        };
        while high - low > Duration::seconds(1) {
            let middle = low + (high - low) / 2;
            if offset(middle) == before {
                low = middle;
            } else {
                high = middle;
            }
        }
        DateTime::from_timestamp(high.timestamp(), 0)
    }
}

fn truncate(local: NaiveDateTime) -> NaiveDateTime {
    let seconds = local.and_utc().timestamp();
    DateTime::from_timestamp(seconds - seconds.rem_euclid(60), 0).map_or(local, |time| time.naive_utc())
}

/// A crontab's weekdays (Sunday is 0 or 7) as those of the `cron` crate (Sunday is 1).
fn weekdays(field: &str) -> std::result::Result<String, String> {
    if field == "*" || field == "?" {
        return Ok("*".to_owned());
    }
    let mut days = [false; 7];
    for item in field.split(',') {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => {
                (range, step.parse().map_err(|_| format!("the step {step:?} is no number"))?)
            }
            None => (item, 1_usize),
        };
        if step == 0 {
            return Err("a step must not be 0".to_owned());
        }
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (0, 6),
            Some((first, last)) => (weekday(first)?, weekday(last)?),
            None if item.contains('/') => (weekday(range)?, 6),
            None => (weekday(range)?, weekday(range)?),
        };
        // As in `fri-mon`.
        let last = if last < first { last + 7 } else { last };
        for day in (first..=last).step_by(step) {
            if let Some(chosen) = days.get_mut(day % 7) {
                *chosen = true;
            }
        }
    }
    let chosen = days.iter().enumerate().filter(|(_, chosen)| **chosen).map(|(day, _)| (day + 1).to_string());
    Ok(chosen.collect::<Vec<_>>().join(","))
}

fn weekday(name: &str) -> std::result::Result<usize, String> {
    let names = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
    let lower = name.to_lowercase();
    let by_name = names.iter().position(|short| lower.len() >= 3 && lower.starts_with(short));
    by_name
        .or_else(|| name.parse().ok().filter(|day| *day <= 7))
        .ok_or_else(|| format!("{name:?} is no day of the week (0 to 7, Sunday is 0 and 7, or a name)"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn ticks(cron: &str, zone: &str, after: &str, n: usize) -> Vec<String> {
        let cron = Cron::parse(cron, zone).unwrap();
        let ticks = cron.preview(after.parse().unwrap(), n);
        ticks.iter().map(|tick| tick.to_string().trim_end_matches(":00.000000Z").to_owned()).collect()
    }

    #[test]
    fn crontab_lines_mean_what_crontab_says() {
        // 2013-01-01 was a Tuesday.
        assert_eq!(ticks("0 9 * * 1", "", "2013-01-01", 2), ["2013-01-07T09:00", "2013-01-14T09:00"]);
        let sunday = ticks("0 9 * * 0", "", "2013-01-01", 2);
        assert_eq!(sunday, ["2013-01-06T09:00", "2013-01-13T09:00"]);
        for other in ["0 9 * * 7", "0 9 * * sun", "0 9 ? * SUNDAY", "0 0 9 * * 1", "0 0 9 * * SUN *"] {
            assert_eq!(ticks(other, "", "2013-01-01", 2), sunday, "{other}");
        }
        assert_eq!(
            ticks("0 0 * * fri-mon/2", "", "2013-01-01", 4),
            ["2013-01-04T00:00", "2013-01-06T00:00", "2013-01-11T00:00", "2013-01-13T00:00"]
        );
        assert_eq!(
            ticks("0 0 13 * 5", "", "2013-01-01", 4),
            ["2013-01-04T00:00", "2013-01-11T00:00", "2013-01-13T00:00", "2013-01-18T00:00"],
            "the 13th or a Friday"
        );
        assert_eq!(
            ticks("*/20 * * * *", "", "2013-01-01T00:10:00Z", 2),
            ["2013-01-01T00:20", "2013-01-01T00:40"]
        );
        assert_eq!(ticks("@monthly", "", "2013-01-01", 1), ["2013-02-01T00:00"]);
        assert_eq!(ticks("0 0 29 2 *", "", "2013-01-01", 2), ["2016-02-29T00:00", "2020-02-29T00:00"]);
        assert!(ticks("0 0 30 2 *", "", "2013-01-01", 2).is_empty());
        assert_eq!(ticks("30 6 * * *", "Asia/Kolkata", "2013-01-01T01:00:00Z", 1), ["2013-01-02T01:00"]);
    }

    #[test]
    fn fixed_hours_fire_once_a_day_whatever_the_clocks_do() {
        // Berlin, 2013-03-31: 02:00 to 03:00 does not exist; the gap ends at 01:00 UTC.
        assert_eq!(
            ticks("30 2 * * *", "Europe/Berlin", "2013-03-29T12:00:00Z", 3),
            ["2013-03-30T01:30", "2013-03-31T01:00", "2013-04-01T00:30"]
        );
        assert_eq!(
            ticks("0,30 2,3 * * *", "Europe/Berlin", "2013-03-31T00:00:00Z", 3),
            ["2013-03-31T01:00", "2013-03-31T01:30", "2013-04-01T00:00"],
            "02:00, 02:30 and 03:00 fall on one moment, which is one tick"
        );
        // 2013-10-27: 02:00 to 03:00 comes twice, at 00:00 and at 01:00 UTC.
        assert_eq!(
            ticks("30 2 * * *", "Europe/Berlin", "2013-10-26T12:00:00Z", 2),
            ["2013-10-27T00:30", "2013-10-28T01:30"]
        );
        assert_eq!(ticks("30 2 * * *", "Europe/Berlin", "2013-10-27T00:45:00Z", 1), ["2013-10-28T01:30"]);
        assert_eq!(
            ticks("0 9 * * *", "Pacific/Apia", "2011-12-29T00:00:00Z", 3),
            ["2011-12-29T19:00", "2011-12-30T10:00", "2011-12-30T19:00"],
            "Samoa skipped 2011-12-30; its nine o'clock is the end of the gap"
        );
    }

    #[test]
    fn intervals_follow_elapsed_time_through_the_changes() {
        let spring = ticks("*/30 * * * *", "Europe/Berlin", "2013-03-31T00:15:00Z", 4);
        assert_eq!(spring, ["2013-03-31T00:30", "2013-03-31T01:00", "2013-03-31T01:30", "2013-03-31T02:00"]);
        let autumn = ticks("*/30 * * * *", "Europe/Berlin", "2013-10-26T23:45:00Z", 6);
        assert_eq!(
            autumn,
            [
                "2013-10-27T00:00",
                "2013-10-27T00:30",
                "2013-10-27T01:00",
                "2013-10-27T01:30",
                "2013-10-27T02:00",
                "2013-10-27T02:30"
            ]
        );
        assert_eq!(
            ticks("0 */2 * * *", "Europe/Berlin", "2013-03-30T23:30:00Z", 2),
            ["2013-03-31T02:00", "2013-03-31T04:00"],
            "02:00 is skipped"
        );
        let year = Cron::parse("0 * * * *", "Europe/Berlin").unwrap();
        let ticks = year.preview("2013-01-01".parse().unwrap(), 365 * 24);
        assert!(ticks.windows(2).all(|pair| matches!(pair, [a, b] if b.since(*a).as_secs() == 3600)));
    }

    #[test]
    fn every_local_day_has_its_tick() {
        for zone in
            ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Tehran"]
        {
            let daily = Cron::parse("30 0 * * *", zone).unwrap();
            let ticks = daily.preview("2013-01-01".parse().unwrap(), 3650);
            let zone = timezone::parse(zone).unwrap();
            let days: Vec<_> =
                ticks.iter().map(|tick| tick.to_utc().with_timezone(&zone).date_naive()).collect();
            assert!(days.windows(2).all(|pair| matches!(pair, [a, b] if a.succ_opt() == Some(*b))), "{zone}");
        }
    }

    #[test]
    fn bad_expressions_say_what_is_accepted() {
        for text in [
            "",
            "* *",
            "61 * * * *",
            "* * * * 8",
            "a b c d e",
            "0 0 * * 1/0",
            "@fortnightly",
            "* * * * * * * *",
        ] {
            let error = Cron::parse(text, "").unwrap_err().to_string();
            assert!(error.contains(&format!("{text:?}")) && error.contains("five crontab fields"), "{error}");
        }
    }
}
