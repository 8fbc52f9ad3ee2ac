//! Connections: how many there are at once, and how long a client may take.
//!
//! * A head that does not come in time, and an idle connection, is closed. A
//!   body has a pace to keep: see [`pace`].
//! * There are only so many connections, so that files can still be opened.
//!   Where all places are taken, those that have nothing to do are closed to
//!   make room, so that a crowd of silent clients keeps nobody out.
//! * Nothing that goes wrong with one connection, or with taking one, ends the
//!   server.

mod activity;
mod pace;

use std::{io, sync::Arc, time::Duration};

use axum::Router;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
};
use tokio_util::task::TaskTracker;

use self::activity::{Activity, Observed};
pub(crate) use self::pace::Pace;

/// What of a request's head is held in memory at most, in bytes; also how much
/// of a body is read at once.
const MOST_BUFFERED: usize = 64 << 10;
/// A connection that is closed to make room has had nothing to do for so long.
const IDLE: Duration = Duration::from_secs(1);
/// How often room is made while there is none.
const CROWDED: Duration = Duration::from_millis(200);
/// How long nothing is accepted after the system refused to.
const REFUSED: Duration = Duration::from_millis(100);
/// How often a peer that says nothing over HTTP/2 is asked whether it is there.
const STILL_THERE: Duration = Duration::from_secs(20);
/// The most connections at once, however many files may be open.
const MOST: usize = 50_000;

/// What a client may take: time, and connections.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// How long a request's head may take, and how long a connection may be
    /// idle, in seconds.
    pub head_seconds: u64,
    /// How long a request's body may be waited for, in seconds…
    pub body_seconds: u64,
    /// …and a second more for every so many bytes that have come.
    pub body_bytes_per_second: u64,
    /// Connections at once; 0: three quarters of the files that the process may
    /// have open, and at most 50,000.
    pub max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { head_seconds: 30, body_seconds: 30, body_bytes_per_second: 512, max: 0 }
    }
}

impl Options {
    fn places(&self) -> usize {
        if self.max > 0 {
            return self.max.min(Semaphore::MAX_PERMITS);
        }
        let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        usize::try_from(files / 4 * 3).unwrap_or(MOST).clamp(1, MOST)
    }
}

/// Lets the process have as many files open as the system allows it; a shell's
/// soft limit is often 1024, and each connection is a file.
///
/// # Errors
/// The system refused.
pub fn raise_open_files() -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?)
}

/// What is spoken on a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

/// Answers on sockets, which share the places for connections.
#[derive(Clone)]
pub(crate) struct Connections {
    head: Duration,
    places: Arc<Semaphore>,
    /// Changes when those that have nothing to do shall go.
    crowded: watch::Sender<()>,
    shutdown: watch::Receiver<bool>,
}

impl Connections {
    pub(crate) fn new(options: &Options, shutdown: watch::Receiver<bool>) -> Self {
        Self {
            head: Duration::from_secs(options.head_seconds.max(1)),
            places: Arc::new(Semaphore::new(options.places())),
            crowded: watch::Sender::default(),
            shutdown,
        }
    }

    /// Answers on a socket until the server ends and its connections with it.
    pub(crate) async fn serve(&self, listener: TcpListener, router: Router, protocol: Protocol) {
        let (tasks, builder) = (TaskTracker::new(), Arc::new(self.builder(protocol)));
        loop {
            let accepted = tokio::select! {
                accepted = self.accept(&listener) => accepted,
                () = stopped(self.shutdown.clone()) => break,
            };
            let Some((stream, place)) = accepted else { continue };
            tasks.spawn(self.clone().answer(stream, place, router.clone(), builder.clone()));
        }
        // Whoever connects now is told so by the system.
        drop(listener);
        tasks.close();
        tasks.wait().await;
    }

    fn builder(&self, protocol: Protocol) -> Builder<TokioExecutor> {
        let mut builder = Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(self.head).max_buf_size(MOST_BUFFERED);
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(STILL_THERE)
            .keep_alive_timeout(STILL_THERE);
        match protocol {
            Protocol::Http1 => builder.http1_only(),
            Protocol::Http2 => builder.http2_only(),
        }
    }

    /// The next connection and its place; none where there was a failure.
    async fn accept(&self, listener: &TcpListener) -> Option<(TcpStream, OwnedSemaphorePermit)> {
        let place = self.place().await?;
        match listener.accept().await {
            Ok((stream, _)) => {
                // A small answer is not kept back until a larger one follows;
                // where that can't be set it is only slower.
                let _ = stream.set_nodelay(true);
                Some((stream, place))
            }
            Err(error) if is_of_the_client(&error) => None,
            Err(error) => {
                // No files are left, or no memory: that doesn't change at once.
                tracing::warn!(%error, "no connection can be taken");
                self.crowded.send_replace(());
                tokio::time::sleep(REFUSED).await;
                None
            }
        }
    }

    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            let place = self.places.clone().acquire_owned();
            if self.places.available_permits() > 0 {
                return place.await.ok();
            }
            self.crowded.send_replace(());
            if let Ok(place) = tokio::time::timeout(CROWDED, place).await {
                return place.ok();
            }
        }
    }

    async fn answer(
        self,
        stream: TcpStream,
        _place: OwnedSemaphorePermit,
        router: Router,
        builder: Arc<Builder<TokioExecutor>>,
    ) {
        let activity = Arc::new(Activity::default());
        let service = TowerToHyperService::new(Observed::new(router, activity.clone()));
        let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
        let mut crowded = self.crowded.subscribe();
        // The head's own time begins with its first byte over HTTP/2.
        let mut begins = std::pin::pin!(tokio::time::sleep(self.head));
        let mut stopping = std::pin::pin!(stopped(self.shutdown));
        let (mut begun, mut ending) = (false, false);
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(error, "a connection ended early");
                    }
                    return;
                }
                () = stopping.as_mut(), if !ending => {
                    ending = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = begins.as_mut(), if !begun => {
                    begun = true;
                    if !activity.has_begun() {
                        return;
                    }
                }
                Ok(()) = crowded.changed() => {
                    if activity.idle().is_some_and(|idle| idle >= IDLE) {
                        return;
                    }
                }
            }
        }
    }
}

/// Whether a client left before it was taken.
fn is_of_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Waits for the end of the server.
pub(crate) async fn stopped(mut shutdown: watch::Receiver<bool>) {
    let _ = shutdown.wait_for(|stop| *stop).await;
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// A server of these connections.
    struct Serving {
        address: std::net::SocketAddr,
        /// Ends it.
        stop: watch::Sender<bool>,
        /// Has a permit for every slow answer that was begun.
        begun: Arc<Semaphore>,
    }

    async fn serving(options: Options) -> Serving {
        let (stop, shutdown) = watch::channel(false);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let begun = Arc::new(Semaphore::new(0));
        let asked = begun.clone();
        let slow = move || async move {
            asked.add_permits(1);
            tokio::time::sleep(Duration::from_secs(2)).await;
            "slow"
        };
        let router = Router::new().route("/", get(|| async { "here" })).route("/slow", get(slow));
        let connections = Connections::new(&options, shutdown);
        tokio::spawn(async move { connections.serve(listener, router, Protocol::Http1).await });
        Serving { address, stop, begun }
    }

    async fn ask(stream: &mut TcpStream, path: &str) -> String {
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"here") && !answer.ends_with(b"slow") {
            if stream.read_buf(&mut answer).await.unwrap() == 0 {
                break;
            }
        }
        String::from_utf8(answer).unwrap()
    }

    /// Whether it is closed from the other end.
    async fn is_closed(stream: &mut TcpStream, within: Duration) -> bool {
        let read = tokio::time::timeout(within, stream.read(&mut [0; 100])).await;
        read.is_ok_and(|read| read.is_err() || read.is_ok_and(|read| read == 0))
    }

    #[tokio::test]
    async fn silent_connections_make_room_and_busy_ones_stay() {
        let Serving { address, stop: _stop, begun } =
            serving(Options { max: 4, head_seconds: 60, ..Options::default() }).await;
        let mut silent = Vec::new();
        for _ in 0..3 {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        let mut used = TcpStream::connect(address).await.unwrap();
        assert!(ask(&mut used, "/").await.ends_with("here"));
        tokio::time::sleep(IDLE).await;
        let busy = tokio::spawn(async move { (ask(&mut used, "/slow").await, used) });
        begun.acquire().await.unwrap().forget();
        let mut more = TcpStream::connect(address).await.unwrap();
        assert!(ask(&mut more, "/").await.ends_with("here"));
        for stream in &mut silent {
            assert!(is_closed(stream, Duration::from_secs(5)).await);
        }
        let (answer, mut used) = busy.await.unwrap();
        assert!(answer.ends_with("slow"), "{answer}");
        assert!(ask(&mut used, "/").await.ends_with("here"));
    }

    #[tokio::test]
    async fn a_head_has_its_time() {
        let Serving { address, stop: _stop, .. } =
            serving(Options { head_seconds: 1, ..Options::default() }).await;
        let mut silent = TcpStream::connect(address).await.unwrap();
        let mut drip = TcpStream::connect(address).await.unwrap();
        let dripping = async {
            for byte in b"GET / HTTP/1.1\r\nx-slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" {
                if drip.write_all(&[*byte]).await.is_err() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            is_closed(&mut drip, Duration::from_secs(5)).await
        };
        let (silent, dripping) = tokio::join!(is_closed(&mut silent, Duration::from_secs(5)), dripping);
        assert!(silent && dripping);
    }

    #[tokio::test]
    async fn the_end_waits_for_what_is_asked() {
        let Serving { address, stop, begun } = serving(Options::default()).await;
        let mut idle = TcpStream::connect(address).await.unwrap();
        assert!(ask(&mut idle, "/").await.ends_with("here"));
        let mut busy = TcpStream::connect(address).await.unwrap();
        let asked = tokio::spawn(async move { ask(&mut busy, "/slow").await });
        begun.acquire().await.unwrap().forget();
        stop.send_replace(true);
        assert!(is_closed(&mut idle, Duration::from_secs(1)).await);
        assert!(asked.await.unwrap().ends_with("slow"));
        assert!(TcpStream::connect(address).await.is_err());
    }
}
