//! An HTTP/1.1 client that costs next to nothing: requests are bytes made once,
//! and of an answer it reads the status and where the body ends.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A request as it goes over the wire.
pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Bytes {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    let mut whole = head.into_bytes();
    whole.extend_from_slice(body);
    whole.into()
}

/// One kept connection.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer, good until the next call.
pub(crate) struct Reply<'a> {
    pub(crate) status: u16,
    pub(crate) head: &'a str,
    pub(crate) body: &'a [u8],
}

impl Reply<'_> {
    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(self.head, name)
    }
}

/// Where an answer ends.
enum End {
    At(usize),
    /// With the empty chunk.
    Chunk,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(64 << 10) })
    }

    /// Sends a request and reads its whole answer.
    pub(crate) async fn call(&mut self, request: &[u8]) -> Result<Reply<'_>> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let (mut start, mut end) = (0, None);
        loop {
            let read = self.stream.read_buf(&mut self.buffer).await?;
            ensure!(read > 0, "the server closed the connection");
            if end.is_none()
                && let Some(at) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n")
            {
                start = at + 4;
                end = Some(self.end(start)?);
            }
            match end {
                Some(End::At(length)) if self.buffer.len() >= length => break,
                Some(End::Chunk) if self.buffer.ends_with(b"\r\n0\r\n\r\n") => break,
                _ => {}
            }
        }
        let (head, body) = self.buffer.split_at_checked(start).unwrap_or_default();
        let head = std::str::from_utf8(head)?;
        let status = head.get(9..12).and_then(|status| status.parse().ok());
        Ok(Reply { status: status.context("the answer has no status")?, head, body })
    }

    fn end(&self, start: usize) -> Result<End> {
        let head = std::str::from_utf8(self.buffer.get(..start).unwrap_or_default())?;
        if let Some(length) = header(head, "content-length") {
            return Ok(End::At(start + length.parse::<usize>().context("content-length is no number")?));
        }
        if header(head, "transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            return Ok(End::Chunk);
        }
        bail!("the answer has neither content-length nor chunks: {head}")
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.split("\r\n").find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}
