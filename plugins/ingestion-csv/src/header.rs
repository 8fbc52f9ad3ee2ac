//! The columns of a file: their names from its first record, their types from
//! a sample of its rows.

use std::collections::HashSet;

use modelyard_sdk::ingest::encoding::{self, Encoding, UTF8_MARK};
use modelyard_sdk::ingest::{Inference, Stream, resolve};
use modelyard_sdk::prelude::*;

use crate::scan::{self, Scan, Span};
use crate::settings::Settings;

/// A column of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// The type that it is read as.
    pub kind: ColumnType,
}

/// Skips the byte-order mark and reads the names; the stream is then at the
/// first row.
pub fn names(stream: &mut Stream, settings: &Settings) -> Result<Vec<String>, Error> {
    if stream.buffered().is_empty() && !stream.fill()? {
        let what = if settings.given.header { "a header" } else { "a row" };
        return Err(Error::invalid(format!("the file {} is empty; {what} is expected", settings.given.url)));
    }
    if let Some(foreign) = encoding::foreign_mark(stream.buffered()) {
        return Err(Error::invalid(format!(
            "the file is {foreign} (row 0, byte 0); utf-8 is accepted, and latin1 and windows-1252 with the \
             parameter encoding"
        )));
    }
    if stream.buffered().starts_with(&UTF8_MARK) {
        stream.consume(UTF8_MARK.len());
    }
    let mut spans = Vec::new();
    let (outcome, length) = loop {
        match record(stream, 0, settings, &mut spans)? {
            Scan::Record { length, .. } if is_blank(&spans) => stream.consume(length),
            Scan::Record { length, .. } => break (None, length),
            other => break (Some(other), 0),
        }
    };
    if let Some(outcome) = outcome {
        return Err(fault(outcome, stream, settings));
    }
    let given = if settings.given.header {
        texts(stream, &spans, settings, length)?
    } else {
        (1..=spans.len()).map(|number| format!("column_{number}")).collect()
    };
    let names = rename(given, settings)?;
    if settings.given.header {
        stream.consume(length);
    }
    Ok(names)
}

fn fault(outcome: Scan, stream: &Stream, settings: &Settings) -> Error {
    let what = if settings.given.header { "header" } else { "first row" };
    match outcome {
        Scan::Unclosed { at, .. } | Scan::More { open: Some(at) } => Error::invalid(format!(
            "the {what} opens a quote at byte {} that has no closing quote",
            stream.position() + at as u64
        )),
        Scan::AfterQuote { field, at } => Error::invalid(format!(
            "the {what} has text after a closing quote at byte {} (column {})",
            stream.position() + at as u64,
            field + 1
        )),
        Scan::More { open: None } => Error::invalid(format!(
            "the {what} does not end within {} bytes; is this a CSV file?",
            settings.given.max_record_bytes
        )),
        _ => Error::invalid(format!("the file {} is empty; a {what} is expected", settings.given.url)),
    }
}

/// Looks at the record `from` bytes ahead, fetching what it takes; `More` only
/// where it is longer than the parameters allow.
pub fn record(
    stream: &mut Stream,
    from: usize,
    settings: &Settings,
    spans: &mut Vec<Span>,
) -> Result<Scan, Error> {
    loop {
        let ahead = stream.buffered().get(from..).unwrap_or_default();
        match scan::scan(ahead, stream.ended(), settings.dialect, spans) {
            Scan::More { open } => {
                if ahead.len() > settings.given.max_record_bytes {
                    return Ok(Scan::More { open });
                }
                stream.fill()?;
            }
            outcome => return Ok(outcome),
        }
    }
}

/// Whether a record is an empty line.
pub fn is_blank(spans: &[Span]) -> bool {
    matches!(spans, [Span { start, end, quoted: false, .. }] if start == end)
}

fn texts(stream: &Stream, spans: &[Span], settings: &Settings, length: usize) -> Result<Vec<String>, Error> {
    let record = stream.buffered().get(..length).unwrap_or_default();
    let mut scratch = Vec::new();
    let mut names = Vec::with_capacity(spans.len());
    for (index, span) in spans.iter().enumerate() {
        let bytes = scan::content(record, *span, settings.dialect, &mut scratch);
        let text = settings.given.encoding.decode(bytes).map_err(|at| {
            let place = stream.position() + (span.start + at) as u64;
            undecodable(settings.given.encoding, 0, place)
        })?;
        let text = text.trim();
        names.push(if text.is_empty() { format!("column_{}", index + 1) } else { text.to_owned() });
    }
    Ok(names)
}

/// The error for bytes that aren't text in the encoding.
pub fn undecodable(encoding: Encoding, row: u64, place: u64) -> Error {
    Error::invalid(format!(
        "row {row} is not {} at byte {place}; utf-8 is accepted, and latin1 and windows-1252 with the parameter \
         encoding",
        encoding.name()
    ))
}

fn rename(found: Vec<String>, settings: &Settings) -> Result<Vec<String>, Error> {
    let given = &settings.given.names;
    if !given.is_empty() && given.len() != found.len() {
        let why = format!("names has {} names and the file has {} columns", given.len(), found.len());
        return Err(Error::parameter("/names", why));
    }
    let names = if given.is_empty() { found } else { given.clone() };
    let mut seen = HashSet::new();
    for name in &names {
        if !seen.insert(name.as_str()) {
            let why = format!("two columns have the name {name:?}; the parameter names can give them others");
            return Err(Error::column(name, why));
        }
    }
    for declared in settings.given.columns.keys().chain(settings.formats.keys()) {
        if !seen.contains(declared.as_str()) {
            let why = format!(
                "the parameters name a column {declared:?} that the file doesn't have; it has {names:?}"
            );
            return Err(Error::column(declared, why));
        }
    }
    for composed in &settings.composed {
        if seen.contains(composed.name.as_str()) {
            let why = format!("the timestamp {:?} would replace a column of the file", composed.name);
            return Err(Error::column(&composed.name, why));
        }
        if let Some(missing) = composed.from.iter().find(|name| !seen.contains(name.as_str())) {
            let why = format!(
                "the timestamp {:?} is made from {missing:?}, which the file doesn't have",
                composed.name
            );
            return Err(Error::column(missing, why));
        }
    }
    Ok(names)
}

/// Infers the types of the columns from the rows ahead, without reading past
/// them. Also whether there was a row.
pub fn types(
    stream: &mut Stream,
    names: Vec<String>,
    settings: &Settings,
    expected: &[Field],
) -> Result<(Vec<Source>, bool), Error> {
    let known = |name: &String| expected.iter().find(|field| field.name == *name).map(|field| field.type_);
    let mut inferences: Vec<Inference> = names.iter().map(|name| Inference::new(known(name))).collect();
    let mut spans = Vec::new();
    let mut scratch = Vec::new();
    let mut from = 0;
    let mut rows = 0;
    while rows < settings.given.sample_rows {
        match record(stream, from, settings, &mut spans)? {
            Scan::Record { length, .. } => {
                let record = stream.buffered().get(from..from + length).unwrap_or_default();
                if spans.len() == inferences.len() && (names.len() == 1 || !is_blank(&spans)) {
                    observe(record, &spans, &mut inferences, settings, &mut scratch);
                    rows += 1;
                }
                from += length;
            }
            Scan::End => break,
            // A bad row says nothing of types; reading it will reject it.
            _ => from += scan::line(stream.buffered().get(from..).unwrap_or_default()),
        }
    }
    let sources = names.into_iter().zip(&inferences).map(|(name, inference)| {
        let kind = resolve(settings.declared(&name), inference);
        Source { name, kind }
    });
    Ok((sources.collect(), rows > 0))
}

fn observe(
    record: &[u8],
    spans: &[Span],
    inferences: &mut [Inference],
    settings: &Settings,
    scratch: &mut Vec<u8>,
) {
    for (span, inference) in spans.iter().zip(inferences) {
        let text = scan::content(record, *span, settings.dialect, scratch);
        if !settings.nulls.contain(text) {
            inference.observe(text);
        }
    }
}
