//! An open file and how far it was read.

use modelyard_sdk::ingest::{Continued, OnReplaced, Stream};
use modelyard_sdk::prelude::*;

use crate::cursor::Cursor;
use crate::header::{self, Source};
use crate::settings::Settings;

/// A file between two pulls.
pub struct Session {
    /// The bytes.
    pub stream: Stream,
    /// The object's version when it was opened.
    pub version: String,
    /// The columns.
    pub sources: Vec<Source>,
    /// Whether their types come from rows.
    pub sampled: bool,
    /// Rows read, rejected ones among them.
    pub row: u64,
    /// Rows rejected.
    pub rejected: u64,
    /// Whether the last record had no line end.
    pub unterminated: bool,
    /// Whether the end was reached.
    pub done: bool,
}

impl Session {
    /// The file from its beginning.
    pub fn begin(settings: &Settings, object: Object, expected: &[Field]) -> Result<Session, Error> {
        let version = object.version();
        let mut stream = Stream::open(object, settings.given.compression)?;
        let names = header::names(&mut stream, settings)?;
        let (sources, sampled) = header::types(&mut stream, names, settings, expected)?;
        Ok(Session {
            stream,
            version,
            sources,
            sampled,
            row: 0,
            rejected: 0,
            unterminated: false,
            done: false,
        })
    }

    /// The file where `cursor` stands; from its beginning where the cursor is
    /// of another source.
    pub fn resume(settings: &Settings, cursor: &Cursor, expected: &[Field]) -> Result<Session, Error> {
        let object = open(settings)?;
        if cursor.url != settings.given.url {
            return Session::begin(settings, object, expected);
        }
        let version = object.version();
        let continued =
            Stream::resume(object, settings.given.compression, cursor.position, cursor.fingerprint)?;
        let Continued::Same(mut stream) = continued else {
            return Session::replaced(settings, cursor, expected, "its content before that place is another");
        };
        if cursor.unterminated && version != cursor.version && !continues(&mut stream)? {
            return Session::replaced(settings, cursor, expected, "its last record has changed");
        }
        let mut session = Session {
            stream: *stream,
            version,
            sources: Vec::new(),
            sampled: cursor.sampled,
            row: cursor.row,
            rejected: cursor.rejected,
            unterminated: cursor.unterminated,
            done: false,
        };
        session.sources = session.known(settings, cursor, expected)?;
        Ok(session)
    }

    /// The columns as the cursor has them. The host's types come first: it may
    /// have evolved the data set's schema since.
    fn known(
        &mut self,
        settings: &Settings,
        cursor: &Cursor,
        expected: &[Field],
    ) -> Result<Vec<Source>, Error> {
        let types = cursor.types()?;
        let names: Vec<String> = cursor.columns.iter().map(|(name, _)| name.clone()).collect();
        if !cursor.sampled {
            let (sources, sampled) = header::types(&mut self.stream, names, settings, expected)?;
            self.sampled = sampled;
            return Ok(sources);
        }
        let sources = names.into_iter().zip(types).map(|(name, kind)| {
            let host = expected.iter().find(|field| field.name == name).map(|field| field.type_);
            let kind = settings.declared(&name).or(host).unwrap_or(kind);
            Source { name, kind }
        });
        Ok(sources.collect())
    }

    fn replaced(
        settings: &Settings,
        cursor: &Cursor,
        expected: &[Field],
        why: &str,
    ) -> Result<Session, Error> {
        let url = &settings.given.url;
        if settings.given.on_replaced == OnReplaced::Error {
            return Err(Error::parameter(
                "/on_replaced",
                format!(
                    "{url} was replaced after {} rows (byte {}) were read: {why}; on_replaced \"restart\" reads it \
                     from the beginning",
                    cursor.row, cursor.position
                ),
            ));
        }
        log::warn(format!("{url} was replaced ({why}); it is read from the beginning"));
        Session::begin(settings, open(settings)?, expected)
    }

    /// The place for the next pull.
    pub fn cursor(&self, settings: &Settings) -> Cursor {
        let columns = self.sources.iter().map(|source| (source.name.clone(), source.kind.name().to_owned()));
        Cursor {
            v: Cursor::FORM,
            url: settings.given.url.clone(),
            version: self.version.clone(),
            position: self.stream.position(),
            fingerprint: self.stream.fingerprint(),
            row: self.row,
            rejected: self.rejected,
            unterminated: self.unterminated,
            done: self.done,
            columns: columns.collect(),
            sampled: self.sampled,
        }
    }
}

/// Opens the object that the parameters name.
pub fn open(settings: &Settings) -> Result<Object, Error> {
    let headers: Vec<(String, String)> =
        settings.given.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    objects::open(&settings.given.url, &headers)
}

/// Whether what follows a record without a line end leaves it as it was: a
/// line end, which is skipped, or nothing.
fn continues(stream: &mut Stream) -> Result<bool, Error> {
    while stream.buffered().len() < 2 && stream.fill()? {}
    match stream.buffered() {
        [] => Ok(true),
        [b'\r', b'\n', ..] => {
            stream.consume(2);
            Ok(true)
        }
        [b'\n' | b'\r', ..] => {
            stream.consume(1);
            Ok(true)
        }
        _ => Ok(false),
    }
}
