//! One pull: from a cursor to a batch and the next cursor.

use std::cell::RefCell;

use modelyard_sdk::ingest::encoding::Encoding;
use modelyard_sdk::ingest::{ColumnBuilder, OnTypeChange, Rejections, time, value, widened};
use modelyard_sdk::prelude::*;

use crate::cursor::Cursor;
use crate::header::{self, Source};
use crate::scan::{self, Scan, Span};
use crate::session::{self, Session};
use crate::settings::{Composition, Settings};

thread_local! {
    /// The file as the last pull of this instance left it, with the parameters
    /// and the cursor that lead to it. A gzip file is so inflated once and not
    /// once for each pull. Losing it loses nothing but time.
    static OPEN: RefCell<Option<(String, String, Session)>> = const { RefCell::new(None) };
}

/// Columns hold at most this many values' room in advance.
const ROOM: usize = 1 << 16;

/// See [`Ingestion::pull`].
pub fn pull(
    parameters: &str,
    cursor: Option<String>,
    expected: &[Field],
    max_rows: u32,
) -> Result<Batch, Error> {
    let settings = Settings::new(parameters)?;
    if max_rows == 0 {
        return Err(Error::invalid("max-rows is 0; a pull reads at least one row"));
    }
    let mut session = match &cursor {
        None => Session::begin(&settings, session::open(&settings)?, expected)?,
        Some(text) => match cached(parameters, text) {
            Some(session) => session,
            None => {
                let place = Cursor::parse(text)?;
                if place.done && place.url == settings.given.url {
                    let version = session::open(&settings)?.version();
                    if version == place.version {
                        return unchanged(&settings, &place, text);
                    }
                }
                Session::resume(&settings, &place, expected)?
            }
        },
    };
    let (rows, rejected) = read(&settings, &mut session, max_rows as usize)?;
    let cursor = session.cursor(&settings).text()?;
    let done = session.done;
    if !done {
        OPEN.set(Some((parameters.to_owned(), cursor.clone(), session)));
    }
    let schema = schema(&rows);
    Ok(Batch { schema, rows, rejected: rejected.into_rows(), cursor, done })
}

fn cached(parameters: &str, cursor: &str) -> Option<Session> {
    let (of, at, session) = OPEN.take()?;
    (of == parameters && at == cursor).then_some(session)
}

/// The answer for a file that was read to its end and hasn't changed.
fn unchanged(settings: &Settings, place: &Cursor, text: &str) -> Result<Batch, Error> {
    let names = place.columns.iter().map(|(name, _)| name.clone());
    let sources: Vec<Source> = names.zip(place.types()?).map(|(name, kind)| Source { name, kind }).collect();
    let rows = table(builders(settings, &sources, 0))?;
    let schema = schema(&rows);
    Ok(Batch { schema, rows, rejected: Vec::new(), cursor: text.to_owned(), done: true })
}

fn schema(rows: &Table) -> Vec<Field> {
    rows.columns().iter().map(|column| Field::new(&column.name, column.column_type()).nullable()).collect()
}

fn table(builders: Vec<ColumnBuilder>) -> Result<Table, Error> {
    Table::new(builders.into_iter().map(ColumnBuilder::finish).collect::<Vec<_>>())
}

fn builders(settings: &Settings, sources: &[Source], capacity: usize) -> Vec<ColumnBuilder> {
    let capacity = capacity.min(ROOM);
    let read = sources.iter().map(|source| {
        let builder = ColumnBuilder::new(&source.name, source.kind, capacity);
        match settings.formats.get(&source.name) {
            Some(format) => builder.with_format(format.clone()),
            None => builder,
        }
    });
    let composed = settings
        .composed
        .iter()
        .map(|composed| ColumnBuilder::new(&composed.name, ColumnType::Timestamp, capacity));
    read.chain(composed).collect()
}

/// Reads up to `max_rows` rows. Where a column has to be widened, begins again
/// with the wider type.
fn read(settings: &Settings, session: &mut Session, max_rows: usize) -> Result<(Table, Rejections), Error> {
    let begin = (session.row, session.rejected, session.unterminated);
    if settings.given.on_type_change == OnTypeChange::Widen {
        session.stream.hold();
    }
    loop {
        let mut pass = Pass::new(settings, session, max_rows);
        match pass.run(session, max_rows)? {
            None => {
                let Pass { builders, rejections, .. } = pass;
                session.rejected = rejections.total();
                return Ok((table(builders)?, rejections));
            }
            Some((column, wider)) => {
                if let Some(source) = session.sources.get_mut(column) {
                    let (name, from) = (&source.name, source.kind.name());
                    log::warn(format!("column {name:?} is no longer {from}: read as {}", wider.name()));
                    source.kind = wider;
                }
                session.stream.rewind();
                (session.row, session.rejected, session.unterminated) = begin;
            }
        }
    }
}

/// One way through the rows of a batch.
struct Pass<'a> {
    settings: &'a Settings,
    builders: Vec<ColumnBuilder>,
    rejections: Rejections,
    /// For each composed timestamp: the fields that it is made from.
    parts: Vec<(Vec<usize>, &'a Composition)>,
    spans: Vec<Span>,
    scratch: Vec<u8>,
    good: usize,
}

/// Why a row can't be taken.
enum Fault {
    /// Its text isn't in the encoding: nothing after it can be trusted.
    Undecodable(Error),
    /// The row alone is bad: the field at fault and the reason.
    Row(Option<usize>, String),
    /// The column has to be widened.
    Widen(usize, ColumnType),
}

impl<'a> Pass<'a> {
    fn new(settings: &'a Settings, session: &Session, max_rows: usize) -> Pass<'a> {
        let index = |name: &String| session.sources.iter().position(|source| source.name == *name);
        let parts = settings
            .composed
            .iter()
            .map(|composed| (composed.from.iter().filter_map(index).collect(), composed))
            .collect();
        Pass {
            settings,
            builders: builders(settings, &session.sources, max_rows),
            rejections: Rejections::after(session.rejected),
            parts,
            spans: Vec::new(),
            scratch: Vec::new(),
            good: 0,
        }
    }

    /// Reads rows until there are enough, the file ends, or a column has to be
    /// widened.
    fn run(&mut self, session: &mut Session, max_rows: usize) -> Result<Option<(usize, ColumnType)>, Error> {
        let columns = session.sources.len();
        while self.good + self.rejections.len() < max_rows {
            let outcome = header::record(&mut session.stream, 0, self.settings, &mut self.spans)?;
            let Scan::Record { length, terminated } = outcome else {
                if outcome == Scan::End {
                    break;
                }
                self.malformed(outcome, session)?;
                continue;
            };
            session.unterminated = !terminated;
            if columns > 1 && header::is_blank(&self.spans) {
                session.stream.consume(length);
                continue;
            }
            session.row += 1;
            let record = session.stream.buffered().get(..length).unwrap_or_default();
            match self.row(record, &session.sources, session.row, session.stream.position()) {
                Ok(()) => self.good += 1,
                Err(Fault::Undecodable(error)) => return Err(error),
                Err(Fault::Widen(column, wider)) => return Ok(Some((column, wider))),
                Err(Fault::Row(column, reason)) => {
                    self.builders.iter_mut().for_each(|builder| builder.truncate(self.good));
                    let name = column.and_then(|column| session.sources.get(column)).map(|s| s.name.as_str());
                    self.reject(session.row, name, reason, record)?;
                }
            }
            session.stream.consume(length);
        }
        if session.stream.buffered().is_empty() && (session.stream.ended() || !session.stream.fill()?) {
            session.done = true;
        }
        Ok(None)
    }

    fn reject(&mut self, row: u64, column: Option<&str>, reason: String, record: &[u8]) -> Result<(), Error> {
        let text = record.strip_suffix(b"\n").unwrap_or(record);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let raw = self.settings.given.encoding.show(text, Rejections::RAW_LIMIT);
        self.rejections.add(row, column, reason, raw);
        self.rejections.check(row, self.settings.given.max_rejected)
    }

    /// Rejects the line on which a record with a quoting fault begins, and goes
    /// on with the next line: a quote that is never closed takes one row along
    /// and not the rest of the file.
    fn malformed(&mut self, outcome: Scan, session: &mut Session) -> Result<(), Error> {
        let place = |at: usize| session.stream.position() + at as u64;
        let (field, reason) = match outcome {
            Scan::Unclosed { at, .. } | Scan::More { open: Some(at) } => {
                let reason = format!("the quote that opens at byte {} has no closing quote", place(at));
                (self.spans.len(), reason)
            }
            Scan::AfterQuote { field, at } => {
                (field, format!("text follows a closing quote at byte {}", place(at)))
            }
            _ => {
                return Err(Error::invalid(format!(
                    "row {} does not end within {} bytes (max_record_bytes), from byte {} on",
                    session.row + 1,
                    self.settings.given.max_record_bytes,
                    place(0)
                )));
            }
        };
        session.row += 1;
        let ahead = session.stream.buffered();
        let length = scan::line(ahead);
        let name = session.sources.get(field).map(|source| source.name.clone());
        let record = ahead.get(..length).unwrap_or_default().to_vec();
        session.unterminated = !matches!(record.last(), Some(b'\n' | b'\r'));
        session.stream.consume(length);
        self.reject(session.row, name.as_deref(), reason, &record)
    }

    /// Parses one record into the columns. On a fault some columns may have a
    /// value more than others.
    fn row(&mut self, record: &[u8], sources: &[Source], row: u64, place: u64) -> Result<(), Fault> {
        let encoding = self.settings.given.encoding;
        if encoding == Encoding::Utf8
            && !record.is_ascii()
            && let Err(error) = std::str::from_utf8(record)
        {
            let at = place + error.valid_up_to() as u64;
            return Err(Fault::Undecodable(header::undecodable(encoding, row, at)));
        }
        if self.spans.len() != sources.len() {
            let what = if self.spans.len() < sources.len() { "short" } else { "long" };
            let reason = format!("the row is too {what}: {} fields, not {}", self.spans.len(), sources.len());
            return Err(Fault::Row(None, reason));
        }
        let spans = std::mem::take(&mut self.spans);
        let result = self.fields(record, &spans, sources);
        let result = result.and_then(|()| self.compose(record, &spans, sources.len()));
        self.spans = spans;
        result
    }

    fn fields(&mut self, record: &[u8], spans: &[Span], sources: &[Source]) -> Result<(), Fault> {
        let given = &self.settings.given;
        for (index, (span, builder)) in spans.iter().zip(&mut self.builders).enumerate() {
            let text = scan::content(record, *span, self.settings.dialect, &mut self.scratch);
            let textual = builder.column_type() == ColumnType::Utf8;
            if (!span.quoted || !textual || given.quoted_nulls) && self.settings.nulls.contain(text) {
                builder.push_null();
                continue;
            }
            if let Err(mismatch) = builder.push(text, given.encoding) {
                let declared = sources.get(index).is_some_and(|s| self.settings.declared(&s.name).is_some());
                if given.on_type_change == OnTypeChange::Widen && !declared && !textual {
                    return Err(Fault::Widen(index, widened(builder.column_type(), text)));
                }
                return Err(Fault::Row(Some(index), mismatch.reason(&given.encoding.show(text, 256))));
            }
        }
        Ok(())
    }

    fn compose(&mut self, record: &[u8], spans: &[Span], columns: usize) -> Result<(), Fault> {
        for ((fields, composed), builder) in self.parts.iter().zip(self.builders.iter_mut().skip(columns)) {
            let mut numbers = [1970, 1, 1, 0, 0, 0];
            let mut missing = false;
            for (field, number) in fields.iter().zip(&mut numbers) {
                let Some(span) = spans.get(*field) else { continue };
                let text = scan::content(record, *span, self.settings.dialect, &mut self.scratch);
                if self.settings.nulls.contain(text) {
                    missing = true;
                    break;
                }
                let shown = || self.settings.given.encoding.show(text, 256);
                *number = value::s64(value::trim(text)).ok_or_else(|| {
                    let reason =
                        format!("{:?} is no whole number for the timestamp {:?}", shown(), composed.name);
                    Fault::Row(Some(*field), reason)
                })?;
            }
            if missing {
                builder.push_null();
                continue;
            }
            let [year, parts @ ..] = numbers;
            let [month, day, hour, minute, second] =
                parts.map(|part| u32::try_from(part).unwrap_or(u32::MAX));
            let micros = time::timestamp((year, month, day), (hour, minute, second), 0, composed.offset);
            let fits = micros.is_some_and(|micros| builder.push_timestamp(micros).is_ok());
            if !fits {
                let reason = format!("{numbers:?} is no date and time for {:?}", composed.name);
                return Err(Fault::Row(fields.first().copied(), reason));
            }
        }
        Ok(())
    }
}
