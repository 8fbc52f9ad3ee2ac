//! Records from a file: lines, or an array in a document.

use modelyard_sdk::ingest::encoding::{UTF8_MARK, foreign_mark};
use modelyard_sdk::ingest::{Continued, Stream};
use modelyard_sdk::prelude::*;
use serde_json::Value;

use crate::cursor::Place;
use crate::document;
use crate::settings::{Layout, Settings};

/// An open file.
pub struct File {
    stream: Stream,
    version: String,
    document: bool,
    /// Whether no record of the document was read yet.
    first: bool,
}

impl File {
    /// The file from its beginning.
    pub fn begin(settings: &Settings, object: Object) -> Result<File, Error> {
        let version = object.version();
        let mut stream = Stream::open(object, settings.given.compression)?;
        stream.fill()?;
        if let Some(foreign) = foreign_mark(stream.buffered()) {
            return Err(Error::invalid(format!("the file is {foreign} (byte 0); JSON is utf-8")));
        }
        if stream.buffered().starts_with(&UTF8_MARK) {
            stream.consume(UTF8_MARK.len());
        }
        let Some((_, byte)) = document::peek(&mut stream)? else {
            return Err(Error::invalid(format!(
                "the file {} is empty; records are expected",
                settings.given.url
            )));
        };
        let document = match settings.given.format {
            Layout::Auto => byte == b'[' || !settings.given.records.is_empty(),
            Layout::Ndjson => false,
            Layout::Document => true,
        };
        if document {
            document::enter(&mut stream, &settings.given.records, settings.given.max_record_bytes)?;
        }
        Ok(File { stream, version, document, first: true })
    }

    /// The file where it was left; none if what comes before has changed.
    pub fn resume(
        settings: &Settings,
        object: Object,
        place: &Place,
        row: u64,
    ) -> Result<Option<File>, Error> {
        let Place::File { position, fingerprint, document, .. } = place else {
            return Ok(None);
        };
        let version = object.version();
        match Stream::resume(object, settings.given.compression, *position, *fingerprint)? {
            Continued::Same(stream) => {
                Ok(Some(File { stream: *stream, version, document: *document, first: row == 0 }))
            }
            Continued::Replaced => Ok(None),
        }
    }

    /// Where it is left.
    pub fn place(&self) -> Place {
        Place::File {
            version: self.version.clone(),
            position: self.stream.position(),
            fingerprint: self.stream.fingerprint(),
            document: self.document,
        }
    }

    /// Whether no record follows. Nothing is read past.
    pub fn at_end(&mut self) -> Result<bool, Error> {
        Ok(match document::peek(&mut self.stream)? {
            None => !self.document,
            Some((_, byte)) => self.document && byte == b']',
        })
    }

    /// The next record: its value, or why it has none and its text.
    #[allow(clippy::type_complexity)]
    pub fn next(&mut self, limit: usize) -> Result<Option<Result<Value, (String, String)>>, Error> {
        let begin = self.stream.position();
        let text = if self.document {
            document::next(&mut self.stream, self.first, limit)?
        } else {
            document::line(&mut self.stream, limit)?
        };
        self.first = false;
        let Some(text) = text else { return Ok(None) };
        Ok(Some(serde_json::from_slice(&text).map_err(|error| {
            let shown = String::from_utf8_lossy(&text).into_owned();
            let message = error.to_string();
            let what = message.split(" at line ").next().unwrap_or(&message).to_owned();
            (
                format!("no valid JSON: {what} (column {} of the record after byte {begin})", error.column()),
                shown,
            )
        })))
    }
}
