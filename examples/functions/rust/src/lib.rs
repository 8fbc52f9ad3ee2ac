//! Statistics of texts, and texts in capitals, while they stream in.
//!
//! A handler of `wasi:http` as any host of WASI 0.2 runs it: nothing here is
//! Modelyard's own.

wit_bindgen::generate!({ path: "../wit", world: "function", generate_all });

use exports::wasi::http::incoming_handler::Guest;
use wasi::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam,
    http_error_code,
};
use wasi::io::streams::{OutputStream, StreamError};

const HELP: &str = "POST a text to /statistics, or to /capitals to get it back in capitals.\n";

struct Texts;

impl Guest for Texts {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let path = target.split('?').next().unwrap_or_default();
        match (path, request.method()) {
            ("/", Method::Get | Method::Head) => whole(out, 200, "text/plain", HELP),
            ("/statistics", Method::Post) => statistics(&request, out),
            ("/capitals", Method::Post) => capitals(&request, out),
            ("/" | "/statistics" | "/capitals", _) => whole(out, 405, "text/plain", HELP),
            _ => whole(out, 404, "text/plain", HELP),
        }
    }
}

export!(Texts);

/// What is counted of a text, piece by piece.
#[derive(Default)]
struct Counts {
    bytes: u64,
    characters: u64,
    lines: u64,
    words: u64,
    /// The characters of the word under way.
    word: u64,
    longest_word: u64,
}

impl Counts {
    fn add(&mut self, piece: &[u8]) {
        for byte in piece {
            self.bytes += 1;
            // All bytes of a character but its first begin with the bits 10.
            let character = u64::from(byte & 0xc0 != 0x80);
            self.characters += character;
            self.lines += u64::from(*byte == b'\n');
            if byte.is_ascii_whitespace() {
                self.word = 0;
                continue;
            }
            self.words += u64::from(self.word == 0);
            self.word += character;
            self.longest_word = self.longest_word.max(self.word);
        }
    }
}

fn statistics(request: &IncomingRequest, out: ResponseOutparam) {
    let mut counts = Counts::default();
    let read = each_piece(request, |piece| {
        counts.add(piece);
        Ok(())
    });
    match read {
        Ok(()) => {
            let Counts { bytes, characters, lines, words, longest_word, .. } = counts;
            let body = format!(
                r#"{{"bytes":{bytes},"characters":{characters},"lines":{lines},"words":{words},"longest_word":{longest_word}}}"#
            );
            whole(out, 200, "application/json", &body);
        }
        Err(error) => ResponseOutparam::set(out, Err(reason(&error))),
    }
}

fn capitals(request: &IncomingRequest, out: ResponseOutparam) {
    let body = begin(out, 200, "text/plain");
    let Ok(stream) = body.write() else { return };
    let sent = each_piece(request, |piece| write(&stream, &piece.to_ascii_uppercase()));
    drop(stream);
    // A body that is not finished tells its reader that it is not whole.
    if sent.is_ok() {
        let _ = OutgoingBody::finish(body, None);
    }
}

/// Hands over a request's body as it comes.
fn each_piece(
    request: &IncomingRequest,
    mut each: impl FnMut(&[u8]) -> Result<(), StreamError>,
) -> Result<(), StreamError> {
    let Ok(body) = request.consume() else { return Ok(()) };
    let Ok(stream) = body.stream() else { return Ok(()) };
    loop {
        match stream.blocking_read(64 << 10) {
            Ok(piece) => each(&piece)?,
            Err(StreamError::Closed) => break,
            Err(error) => return Err(error),
        }
    }
    drop(stream);
    IncomingBody::finish(body);
    Ok(())
}

/// Writes as much at a time as the host has room for.
fn write(stream: &OutputStream, mut bytes: &[u8]) -> Result<(), StreamError> {
    while !bytes.is_empty() {
        let room = stream.check_write()? as usize;
        if room == 0 {
            stream.subscribe().block();
            continue;
        }
        let (piece, rest) = bytes.split_at(room.min(bytes.len()));
        stream.write(piece)?;
        bytes = rest;
    }
    Ok(())
}

/// Sends the head of a response; its body is still to be written.
fn begin(out: ResponseOutparam, status: u16, media_type: &str) -> OutgoingBody {
    let headers = Fields::from_list(&[("content-type".to_owned(), media_type.as_bytes().to_vec())]);
    let response = OutgoingResponse::new(headers.expect("a header that may be set"));
    response.set_status_code(status).expect("a status that is one");
    let body = response.body().expect("the first body");
    ResponseOutparam::set(out, Ok(response));
    body
}

fn whole(out: ResponseOutparam, status: u16, media_type: &str, text: &str) {
    let body = begin(out, status, media_type);
    let Ok(stream) = body.write() else { return };
    let sent = write(&stream, text.as_bytes());
    drop(stream);
    if sent.is_ok() {
        let _ = OutgoingBody::finish(body, None);
    }
}

/// Why a body could not be read, in the words of `wasi:http`.
fn reason(error: &StreamError) -> ErrorCode {
    match error {
        StreamError::LastOperationFailed(error) => {
            http_error_code(error).unwrap_or_else(|| ErrorCode::InternalError(Some(error.to_debug_string())))
        }
        StreamError::Closed => ErrorCode::ConnectionTerminated,
    }
}
