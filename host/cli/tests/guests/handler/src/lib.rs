//! Does what its path says, well or badly.

wit_bindgen::generate!({
    inline: "
        package test:guest;
        world handler {
            import wasi:cli/environment@0.2.10;
            import wasi:cli/stdout@0.2.10;
            import wasi:cli/stderr@0.2.10;
            import wasi:clocks/monotonic-clock@0.2.10;
            import wasi:config/store@0.2.0-rc.1;
            import wasi:http/outgoing-handler@0.2.10;
            export wasi:http/incoming-handler@0.2.10;
        }
    ",
    path: ["../../../../../examples/functions/wit", "wit"],
    world: "test:guest/handler",
    generate_all,
});

use std::sync::atomic::{AtomicU32, Ordering};

use exports::wasi::http::incoming_handler::Guest;
use wasi::cli::{environment, stderr, stdout};
use wasi::clocks::monotonic_clock;
use wasi::config::store;
use wasi::http::outgoing_handler;
use wasi::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingRequest, Method, OutgoingBody, OutgoingRequest, OutgoingResponse,
    ResponseOutparam, Scheme,
};
use wasi::io::streams::{InputStream, OutputStream, StreamError};

static CALLS: AtomicU32 = AtomicU32::new(0);

struct Handler;

impl Guest for Handler {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        match path {
            "/" => whole(out, 200, "hello"),
            "/request" => described(&request, out),
            "/echo" => echo(&request, out),
            "/status" => whole(out, query.parse().unwrap(), "as asked"),
            "/calls" => whole(out, 200, &(CALLS.fetch_add(1, Ordering::Relaxed) + 1).to_string()),
            "/environment" => whole(out, 200, &variable(query).unwrap_or_default()),
            "/config" => whole(out, 200, &store::get(query).unwrap().unwrap_or_default()),
            "/fetch" => fetch(query, out),
            "/print" => print(query.parse().unwrap(), out),
            "/sleep" => {
                sleep(query.parse().unwrap());
                whole(out, 200, "slept");
            }
            "/drip" => drip(query.parse().unwrap(), out),
            "/afterwards" => {
                whole(out, 200, "answered");
                sleep(query.parse().unwrap());
                line(&stdout::get_stdout(), "afterwards");
            }
            "/silent" => {}
            "/error" => ResponseOutparam::set(out, Err(ErrorCode::ConfigurationError)),
            "/unfinished" => {
                let (body, stream) = begin(out, 200, &[]);
                write(&stream, b"not all of it").unwrap();
                // Neither finished nor dropped.
                std::mem::forget((stream, body));
            }
            "/trap" => unreachable(),
            "/trap-late" => {
                let (_body, stream) = begin(out, 200, &[]);
                write(&stream, b"not all of it").unwrap();
                sleep(200);
                unreachable();
            }
            "/loop" => endless(),
            "/loop-late" => {
                let (_body, stream) = begin(out, 200, &[]);
                write(&stream, b"not all of it").unwrap();
                endless();
            }
            "/allocate" => {
                let mut held = Vec::new();
                loop {
                    held.push(vec![1_u8; 1 << 20]);
                    std::hint::black_box(&held);
                }
            }
            "/large" => {
                let (body, stream) = begin(out, 200, &[]);
                let piece = vec![b'x'; 64 << 10];
                for _ in 0..query.parse::<u32>().unwrap() {
                    if write(&stream, &piece).is_err() {
                        return;
                    }
                }
                drop(stream);
                OutgoingBody::finish(body, None).unwrap();
            }
            _ => whole(out, 404, "no such thing"),
        }
    }
}

export!(Handler);

fn unreachable() -> ! {
    core::arch::wasm32::unreachable()
}

fn endless() -> ! {
    loop {
        std::hint::black_box(0);
    }
}

fn sleep(ms: u64) {
    monotonic_clock::subscribe_duration(ms * 1_000_000).block();
}

fn variable(name: &str) -> Option<String> {
    environment::get_environment().into_iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

fn line(stream: &OutputStream, text: &str) {
    write(stream, format!("{text}\n").as_bytes()).unwrap();
}

/// Method, target and headers, a line each.
fn described(request: &IncomingRequest, out: ResponseOutparam) {
    let method = match request.method() {
        Method::Other(name) => name,
        method => format!("{method:?}"),
    };
    let mut text = format!(
        "{method} {} {}\n",
        request.path_with_query().unwrap_or_default(),
        request.authority().unwrap_or_default()
    );
    for (name, value) in request.headers().entries() {
        text += &format!("{name}: {}\n", String::from_utf8_lossy(&value));
    }
    whole(out, 200, &text);
}

/// The body as it comes, and its length in a trailer.
fn echo(request: &IncomingRequest, out: ResponseOutparam) {
    let (body, stream) = begin(out, 200, &[("trailer", "x-bytes")]);
    let mut bytes = 0;
    each_piece(request.consume().unwrap(), |piece| {
        bytes += piece.len();
        write(&stream, piece)
    })
    .unwrap();
    drop(stream);
    let trailers = Fields::from_list(&[("x-bytes".to_owned(), bytes.to_string().into_bytes())]).unwrap();
    OutgoingBody::finish(body, Some(trailers)).unwrap();
}

/// Asks `scheme://authority/path` and passes the answer on, or why there is none.
fn fetch(url: &str, out: ResponseOutparam) {
    let (scheme, rest) = url.split_once("://").unwrap();
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let request = OutgoingRequest::new(Fields::new());
    request.set_scheme(Some(&if scheme == "https" { Scheme::Https } else { Scheme::Http })).unwrap();
    request.set_authority(Some(authority)).unwrap();
    request.set_path_with_query(Some(&format!("/{path}"))).unwrap();
    request.set_method(&Method::Post).unwrap();
    let sent = request.body().unwrap();
    let waiting = match outgoing_handler::handle(request, None) {
        Ok(waiting) => waiting,
        Err(error) => return whole(out, 502, &format!("{error:?}")),
    };
    let stream = sent.write().unwrap();
    let _ = write(&stream, b"from a guest");
    drop(stream);
    let _ = OutgoingBody::finish(sent, None);
    let response = loop {
        match waiting.get() {
            Some(response) => break response.unwrap(),
            None => waiting.subscribe().block(),
        }
    };
    match response {
        Err(error) => whole(out, 502, &format!("{error:?}")),
        Ok(response) => {
            let (body, stream) = begin(out, response.status(), &[]);
            each_piece(response.consume().unwrap(), |piece| write(&stream, piece)).unwrap();
            drop(stream);
            OutgoingBody::finish(body, None).unwrap();
        }
    }
}

fn print(lines: u32, out: ResponseOutparam) {
    for number in 0..lines {
        line(&stdout::get_stdout(), &format!("printed {number}"));
    }
    line(&stderr::get_stderr(), "printed to standard error");
    whole(out, 200, "printed");
}

/// A piece every few milliseconds, for as long as somebody reads.
fn drip(ms: u64, out: ResponseOutparam) {
    let (_body, stream) = begin(out, 200, &[]);
    while write(&stream, b"drip\n").is_ok() {
        sleep(ms);
    }
}

fn each_piece(
    body: IncomingBody,
    mut each: impl FnMut(&[u8]) -> Result<(), StreamError>,
) -> Result<(), StreamError> {
    let stream: InputStream = body.stream().unwrap();
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

fn begin(out: ResponseOutparam, status: u16, headers: &[(&str, &str)]) -> (OutgoingBody, OutputStream) {
    let headers: Vec<_> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
    let response = OutgoingResponse::new(Fields::from_list(&headers).unwrap());
    response.set_status_code(status).unwrap();
    let body = response.body().unwrap();
    ResponseOutparam::set(out, Ok(response));
    let stream = body.write().unwrap();
    (body, stream)
}

fn whole(out: ResponseOutparam, status: u16, text: &str) {
    let (body, stream) = begin(out, status, &[("content-type", "text/plain"), ("x-answered-by", "guest")]);
    write(&stream, text.as_bytes()).unwrap();
    drop(stream);
    OutgoingBody::finish(body, None).unwrap();
}
