//! One pull: from a cursor to a batch and the next cursor.

use std::cell::RefCell;

use modelyard_sdk::prelude::*;
use serde_json::Value;

use crate::api::Api;
use crate::columns::{Columns, Known, Record};
use crate::cursor::{Cursor, Place};
use crate::file::File;
use crate::settings::{Paging, Settings};

thread_local! {
    /// The source as the last pull of this instance left it, with the
    /// parameters and the cursor that lead to it: a page is fetched, and a gzip
    /// file inflated, once. Losing it loses nothing but time.
    static OPEN: RefCell<Option<(String, String, Session)>> = const { RefCell::new(None) };
}

enum Source {
    File(Box<File>),
    Api(Box<Api>, Paging),
}

struct Session {
    source: Source,
    known: Vec<Known>,
    row: u64,
    rejected: u64,
}

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
        None => Session::begin(&settings)?,
        Some(text) => match cached(parameters, text) {
            Some(session) => session,
            None => Session::resume(&settings, &Cursor::parse(text)?)?,
        },
    };
    let mut columns = Columns::new(&settings, expected, std::mem::take(&mut session.known), session.rejected);
    let mut read = 0;
    let done = loop {
        if session.at_end(&settings)? {
            break true;
        }
        if read == max_rows {
            break false;
        }
        let value = session.next(&settings)?;
        session.row += 1;
        read += 1;
        columns.add(Record { row: session.row, value })?;
    };
    let (rows, rejections, known) = columns.finish()?;
    session.rejected = rejections.total();
    session.known = known;
    let cursor = session.cursor(&settings, done).text()?;
    if !done {
        OPEN.set(Some((parameters.to_owned(), cursor.clone(), session)));
    }
    let mut rejected = rejections.into_rows();
    rejected.sort_by_key(|row| row.row);
    let fields =
        rows.columns().iter().map(|column| Field::new(&column.name, column.column_type()).nullable());
    Ok(Batch { schema: fields.collect(), rows, rejected, cursor, done })
}

fn cached(parameters: &str, cursor: &str) -> Option<Session> {
    let (of, at, session) = OPEN.take()?;
    (of == parameters && at == cursor).then_some(session)
}

impl Session {
    fn begin(settings: &Settings) -> Result<Session, Error> {
        let source = match &settings.given.paging {
            Some(paging) => Source::Api(Box::new(Api::begin(settings, paging)?), paging.clone()),
            None => {
                let object = objects::open(&settings.given.url, &settings.headers())?;
                Source::File(Box::new(File::begin(settings, object)?))
            }
        };
        Ok(Session { source, known: Vec::new(), row: 0, rejected: 0 })
    }

    fn resume(settings: &Settings, cursor: &Cursor) -> Result<Session, Error> {
        if cursor.url != settings.given.url {
            return Session::begin(settings);
        }
        let source = match (&cursor.place, &settings.given.paging) {
            (Place::Page(page), Some(paging)) => {
                Api::resume(settings, paging, page)?.map(|api| Source::Api(Box::new(api), paging.clone()))
            }
            (place @ Place::File { .. }, None) => {
                let object = objects::open(&settings.given.url, &settings.headers())?;
                File::resume(settings, object, place, cursor.row)?.map(|file| Source::File(Box::new(file)))
            }
            _ => return Session::begin(settings),
        };
        match source {
            Some(source) => {
                Ok(Session { source, known: cursor.known()?, row: cursor.row, rejected: cursor.rejected })
            }
            None => {
                settings.replaced(cursor.row, "what was read of it is no longer the same")?;
                Session::begin(settings)
            }
        }
    }

    fn at_end(&mut self, settings: &Settings) -> Result<bool, Error> {
        match &mut self.source {
            Source::File(file) => file.at_end(),
            Source::Api(api, paging) => api.at_end(settings, paging),
        }
    }

    /// The next record, of which [`at_end`](Session::at_end) said that there is
    /// one.
    fn next(&mut self, settings: &Settings) -> Result<Result<Value, (String, String)>, Error> {
        let record = match &mut self.source {
            Source::File(file) => file.next(settings.given.max_record_bytes)?,
            Source::Api(api, _) => api.take().map(Ok),
        };
        record.ok_or_else(|| Error::internal("a record was announced and isn't there"))
    }

    fn cursor(&self, settings: &Settings, done: bool) -> Cursor {
        let columns = self.known.iter().map(|known| (known.name.clone(), known.kind.name().to_owned()));
        Cursor {
            v: Cursor::FORM,
            url: settings.given.url.clone(),
            place: match &self.source {
                Source::File(file) => file.place(),
                Source::Api(api, _) => Place::Page(api.place()),
            },
            row: self.row,
            rejected: self.rejected,
            done,
            columns: columns.collect(),
        }
    }
}
