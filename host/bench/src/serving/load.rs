//! The load generator: a closed loop over a number of connections, each sending
//! its next request when it has the answer to the one before. One thread, so
//! that both cores are left to the server as far as they can be.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Result, bail, ensure};
use bytes::Bytes;
use tokio::task::JoinSet;

use super::http::Connection;

/// Whom to ask, and what. Requests are sent in turn.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    pub(crate) requests: Arc<[Bytes]>,
}

/// What came of one round.
#[derive(Clone)]
pub(crate) struct Round {
    seconds: f64,
    /// Of every call, ascending.
    latencies: Vec<Duration>,
}

impl Round {
    /// Answers per second.
    pub(crate) fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.seconds
    }

    /// The latency below which a share of the calls stayed.
    pub(crate) fn percentile(&self, share: f64) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        let at = (share * last as f64).round() as usize;
        self.latencies.get(at.min(last)).copied().unwrap_or_default()
    }
}

/// Keeps a server busy for some time. An answer other than 200 ends it.
pub(crate) async fn round(target: &Target, connections: usize, length: Duration) -> Result<Round> {
    let mut open = Vec::with_capacity(connections);
    for _ in 0..connections {
        open.push(Connection::open(target.address).await?);
    }
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for (number, connection) in open.into_iter().enumerate() {
        tasks.spawn(drive(connection, target.requests.clone(), number, started + length));
    }
    let mut latencies = Vec::new();
    while let Some(done) = tasks.join_next().await {
        latencies.append(&mut done??);
    }
    let seconds = started.elapsed().as_secs_f64();
    ensure!(!latencies.is_empty(), "{} answered nothing", target.name);
    latencies.sort_unstable();
    Ok(Round { seconds, latencies })
}

async fn drive(
    mut connection: Connection,
    requests: Arc<[Bytes]>,
    first: usize,
    until: Instant,
) -> Result<Vec<Duration>> {
    let mut latencies = Vec::with_capacity(1 << 16);
    for request in requests.iter().cycle().skip(first) {
        let started = Instant::now();
        if started >= until {
            break;
        }
        let reply = connection.call(request).await?;
        if reply.status != 200 {
            bail!("{} instead of 200: {}", reply.status, String::from_utf8_lossy(reply.body));
        }
        latencies.push(started.elapsed());
    }
    Ok(latencies)
}

/// Rounds of several servers in turn, so that what else happens on the machine
/// meets all of them: for each target its rounds, in order.
pub(crate) async fn interleaved(
    targets: &[&Target],
    connections: usize,
    rounds: usize,
    length: Duration,
) -> Result<Vec<Vec<Round>>> {
    for target in targets {
        round(target, connections, length / 4).await?;
    }
    let mut all = vec![Vec::with_capacity(rounds); targets.len()];
    for _ in 0..rounds {
        for (target, rounds) in targets.iter().zip(&mut all) {
            rounds.push(round(target, connections, length).await?);
        }
    }
    Ok(all)
}

/// The median; of nothing 0.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_unstable_by(f64::total_cmp);
    let (lower, upper) = (values.len().saturating_sub(1) / 2, values.len() / 2);
    let at = |index: usize| values.get(index).copied().unwrap_or_default();
    (at(lower) + at(upper)) / 2.0
}

/// The median over rounds of what one side has to the other.
pub(crate) fn ratio(ours: &[Round], theirs: &[Round], of: impl Fn(&Round) -> f64) -> f64 {
    median(ours.iter().zip(theirs).map(|(ours, theirs)| of(ours) / of(theirs)))
}
