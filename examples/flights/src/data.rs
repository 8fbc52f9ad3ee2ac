//! The flights and the weather of 2013, by day, and the files in which they
//! arrive.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow};
use chrono::{DateTime, Datelike, NaiveDate};
use flate2::read::GzDecoder;

/// The weather's measurements, in the order of the file.
pub(crate) const WEATHER: [&str; 9] =
    ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"];

/// How old the recent delays of an airport may be, in hours: the view's time to live.
pub(crate) const DELAYS_LAST_HOURS: i64 = 12;
/// How old the weather may be, in hours: that view's.
pub(crate) const WEATHER_LASTS_HOURS: i64 = 2;

/// One flight: what its operator knows before departure, and what came of it.
#[derive(Clone, Debug)]
pub(crate) struct Flight {
    line: String,
    pub(crate) date: NaiveDate,
    pub(crate) carrier: String,
    pub(crate) origin: String,
    pub(crate) dest: String,
    pub(crate) distance: f64,
    /// The local hour and minute of the scheduled departure.
    pub(crate) hour: f64,
    pub(crate) minute: f64,
    /// The scheduled hour in hours since 1970 (UTC).
    pub(crate) at: i64,
    /// Minutes; none: it never departed.
    dep_delay: Option<f64>,
    /// Minutes; none: it never arrived where it should.
    pub(crate) arr_delay: Option<f64>,
}

impl Flight {
    /// Sunday is 0, as in SQL's `dow`.
    pub(crate) fn weekday(&self) -> f64 {
        f64::from(self.date.weekday().num_days_from_sunday())
    }
}

#[derive(Clone, Debug)]
struct Hour {
    line: String,
    at: i64,
}

/// Mean and number of an airport's departure delays in one hour.
#[derive(Clone, Copy, Debug, Default)]
struct Delays {
    sum: f64,
    count: u32,
}

/// Everything, in the order of time.
#[derive(Debug)]
pub(crate) struct Year {
    header: String,
    days: BTreeMap<NaiveDate, Vec<Flight>>,
    weather_header: String,
    weather: Vec<Hour>,
    measured: HashMap<(String, i64), [Option<f64>; 9]>,
    /// By airport and the hour (since 1970) from which they are known.
    delays: HashMap<(String, i64), Delays>,
}

impl Year {
    /// Reads `flights.csv.gz` and `weather.csv.gz`.
    pub(crate) fn read(directory: &Path) -> Result<Self> {
        let mut year = Self {
            header: String::new(),
            days: BTreeMap::new(),
            weather_header: String::new(),
            weather: Vec::new(),
            measured: HashMap::new(),
            delays: HashMap::new(),
        };
        let path = directory.join("flights.csv.gz");
        year.header = each(&path, |columns, line| {
            let flight = flight(columns, line)?;
            // Delays are known at the end of the hour in which the flight really
            // left; an early one at the end of the hour it was scheduled for.
            if let Some(delay) = flight.dep_delay {
                let left = flight.at * 60 + (flight.minute + delay.max(0.0)) as i64;
                let known = left.div_euclid(60) + 1;
                let delays = year.delays.entry((flight.origin.clone(), known)).or_default();
                delays.sum += delay;
                delays.count += 1;
            }
            year.days.entry(flight.date).or_default().push(flight);
            Ok(())
        })?;
        // The file has its months in the order of their names.
        for flights in year.days.values_mut() {
            flights.sort_by_key(|flight| flight.at);
        }
        let path = directory.join("weather.csv.gz");
        year.weather_header = each(&path, |columns, line| {
            let at = hour_of(columns.get("time_hour")?)?;
            let mut values = [None; 9];
            for (value, name) in values.iter_mut().zip(WEATHER) {
                *value = columns.number(name)?;
            }
            year.measured.insert((columns.get("origin")?.to_owned(), at), values);
            year.weather.push(Hour { line: line.to_owned(), at });
            Ok(())
        })?;
        year.weather.sort_by_key(|hour| hour.at);
        Ok(year)
    }

    /// How many flights.
    pub(crate) fn flights(&self) -> usize {
        self.days.values().map(Vec::len).sum()
    }

    /// How many rows of weather.
    pub(crate) fn hours(&self) -> usize {
        self.weather.len()
    }

    /// A day's flights, in the order of their schedule.
    pub(crate) fn day(&self, date: NaiveDate) -> &[Flight] {
        self.days.get(&date).map_or(&[], Vec::as_slice)
    }

    /// The latest weather at an airport at the beginning of an hour.
    pub(crate) fn weather(&self, origin: &str, at: i64) -> [Option<f64>; 9] {
        (at - WEATHER_LASTS_HOURS..=at)
            .rev()
            .find_map(|hour| self.measured.get(&(origin.to_owned(), hour)).copied())
            .unwrap_or_default()
    }

    /// The latest known delays of an airport at the beginning of an hour: mean
    /// and number of departures.
    pub(crate) fn delays(&self, origin: &str, at: i64) -> [Option<f64>; 2] {
        (at - DELAYS_LAST_HOURS..=at)
            .rev()
            .find_map(|known| self.delays.get(&(origin.to_owned(), known)))
            .map_or([None; 2], |delays| {
                [Some(delays.sum / f64::from(delays.count)), Some(f64::from(delays.count))]
            })
    }
}

/// A row's fields by name.
struct Columns<'a> {
    names: &'a HashMap<String, usize>,
    fields: Vec<&'a str>,
}

impl<'a> Columns<'a> {
    fn get(&self, name: &str) -> Result<&'a str> {
        let field = self.names.get(name).and_then(|index| self.fields.get(*index));
        field.copied().with_context(|| format!("no column {name:?}"))
    }

    fn number(&self, name: &str) -> Result<Option<f64>> {
        match self.get(name)? {
            "" | "NA" => Ok(None),
            text => text.parse().map(Some).map_err(|_| anyhow!("{name}: {text:?} is no number")),
        }
    }

    fn given(&self, name: &str) -> Result<f64> {
        self.number(name)?.with_context(|| format!("{name} is missing"))
    }
}

/// Reads a gzipped CSV file without quoted fields line by line; gives its header.
fn each(path: &Path, mut row: impl FnMut(&Columns<'_>, &str) -> Result<()>) -> Result<String> {
    let file = File::open(path).with_context(|| format!("{} can't be opened", path.display()))?;
    let mut lines = BufReader::new(GzDecoder::new(file)).lines();
    let header = lines.next().with_context(|| format!("{} is empty", path.display()))??;
    let names = header.split(',').enumerate().map(|(index, name)| (name.to_owned(), index)).collect();
    for (number, line) in lines.enumerate() {
        let line = line?;
        let columns = Columns { names: &names, fields: line.split(',').collect() };
        row(&columns, &line).with_context(|| format!("{}, line {}", path.display(), number + 2))?;
    }
    Ok(header)
}

fn flight(columns: &Columns<'_>, line: &str) -> Result<Flight> {
    let whole = |name: &str| columns.given(name).map(|value| value as u32);
    let date = NaiveDate::from_ymd_opt(whole("year")? as i32, whole("month")?, whole("day")?);
    Ok(Flight {
        line: line.to_owned(),
        date: date.context("there is no such day")?,
        carrier: columns.get("carrier")?.to_owned(),
        origin: columns.get("origin")?.to_owned(),
        dest: columns.get("dest")?.to_owned(),
        distance: columns.given("distance")?,
        hour: columns.given("hour")?,
        minute: columns.given("minute")?,
        at: hour_of(columns.get("time_hour")?)?,
        dep_delay: columns.number("dep_delay")?,
        arr_delay: columns.number("arr_delay")?,
    })
}

/// Hours since 1970.
fn hour_of(text: &str) -> Result<i64> {
    let time = DateTime::parse_from_rfc3339(text).with_context(|| format!("{text:?} is no time"))?;
    Ok(time.timestamp().div_euclid(3600))
}

/// Files that grow as days pass.
#[derive(Debug)]
pub(crate) struct Landing {
    flights: PathBuf,
    weather: PathBuf,
    /// The last day whose flights have arrived.
    last: Option<NaiveDate>,
    /// How much of the weather has.
    hours: usize,
}

impl Landing {
    /// Files in this directory; the first rows make them.
    pub(crate) fn create(directory: &Path) -> Result<Self> {
        Ok(Self {
            flights: directory.join("flights.csv"),
            weather: directory.join("weather.csv"),
            last: None,
            hours: 0,
        })
    }

    /// `file:///…/flights.csv`.
    pub(crate) fn flights_url(&self) -> Result<String> {
        url(&self.flights)
    }

    /// `file:///…/weather.csv`.
    pub(crate) fn weather_url(&self) -> Result<String> {
        url(&self.weather)
    }

    /// The flights up to the end of a day arrive.
    pub(crate) fn land(&mut self, year: &Year, date: NaiveDate) -> Result<()> {
        let new = year.days.range(..=date).filter(|(day, _)| self.last.is_none_or(|last| **day > last));
        let lines = new.flat_map(|(_, flights)| flights).map(|flight| flight.line.as_str());
        append(&self.flights, &year.header, lines)?;
        self.last = Some(date);
        Ok(())
    }

    /// The weather before an hour (since 1970) arrives.
    pub(crate) fn measure(&mut self, year: &Year, before: i64) -> Result<()> {
        let end = year.weather.partition_point(|hour| hour.at < before).max(self.hours);
        let lines =
            year.weather.get(self.hours..end).unwrap_or_default().iter().map(|hour| hour.line.as_str());
        append(&self.weather, &year.weather_header, lines)?;
        self.hours = end;
        Ok(())
    }
}

fn url(path: &Path) -> Result<String> {
    let text = path.to_str().with_context(|| format!("{} is no UTF-8", path.display()))?;
    Ok(format!("file://{}", text.replace('%', "%25").replace(' ', "%20")))
}

fn append<'a>(path: &Path, header: &str, lines: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut text = if path.exists() { String::new() } else { format!("{header}\n") };
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    let open = OpenOptions::new().create(true).append(true).open(path);
    let mut file = open.with_context(|| format!("{} can't be written", path.display()))?;
    file.write_all(text.as_bytes()).with_context(|| format!("{} can't be written", path.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn the_files_are_whole_and_delays_are_never_of_the_future() {
        let year = Year::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("data")).unwrap();
        assert_eq!((year.flights(), year.hours(), year.days.len()), (336_776, 26_115, 365));
        let day = year.day(NaiveDate::from_ymd_opt(2013, 1, 1).unwrap());
        // The first departures of the year are scheduled for 5 o'clock: nothing had left before.
        assert_eq!((day[0].hour, year.delays("EWR", day[0].at)[1]), (5.0, None));
        assert_eq!(day[0].weekday(), 2.0);
        let flight = day.iter().find(|flight| flight.carrier == "UA" && flight.dest == "IAH").unwrap();
        assert_eq!((flight.distance, flight.arr_delay), (1400.0, Some(11.0)));
        // Known at six are the two of five o'clock from EWR, 2 minutes late and 4 early; three of six
        // o'clock had left as well, but no flight tells of itself before its hour is over.
        assert_eq!(year.delays("EWR", day[0].at + 1), [Some(-1.0), Some(2.0)]);
        let alone = |flight: &&Flight| year.delays(&flight.origin, flight.at)[1].is_none();
        assert_eq!(day.iter().filter(alone).count(), 6, "the first of the year know of no departure");
        assert_eq!(year.weather("EWR", day[0].at)[0], Some(39.02));
    }
}
