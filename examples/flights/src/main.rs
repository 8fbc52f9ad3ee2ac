//! A year in the life of a model: the flights of 2013, replayed.
//!
//! The program starts a server as a child process, receivers for mail and
//! webhooks in its own, and drives everything else through HTTP like any other
//! client. Every figure that it prints was computed in the run.

mod client;
mod data;
mod mail;
mod report;
mod server;
mod specs;
mod train;
mod webhook;
mod year;

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context, Result, bail};
use clap::Parser;

/// Marks a directory that an earlier replay left and the next may remove.
const MARKER: &str = ".modelyard-demo";

/// Replays 2013 on a simulated clock.
#[derive(Debug, Parser)]
#[command(name = "flights", version)]
struct Arguments {
    /// Where the server keeps everything; what an earlier replay left there is removed.
    #[arg(long, default_value = "data/flights", value_name = "DIRECTORY")]
    data: PathBuf,
    /// The `modelyard` program; by default the one beside this program.
    #[arg(long, value_name = "FILE")]
    modelyard: Option<PathBuf>,
    /// The directory of the CSV files.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/data"), value_name = "DIRECTORY")]
    source: PathBuf,
    /// The last month to replay.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(4..=12), value_name = "MONTH")]
    until: u32,
    /// The server's address.
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    listen: String,
    /// End when the year is over, instead of leaving the server running.
    #[arg(long)]
    exit: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let started = Instant::now();
    let landing = prepare(&arguments.data)?;
    println!("Reading the flights of 2013 …");
    let data = data::Year::read(&arguments.source)?;
    println!("  {} flights, {} hours of weather, in {:.1} s", data.flights(), data.hours(), seconds(started));
    let inbox = mail::Inbox::start()?;
    let hook = webhook::Hook::start().await?;
    let program = match arguments.modelyard {
        Some(program) => program,
        None => server::beside_this_program()?,
    };
    let server = server::Server::start(
        &program,
        &server::Settings {
            data: &arguments.data.join("server"),
            landing: &landing,
            listen: &arguments.listen,
            smtp_port: inbox.port(),
        },
    )
    .await?;
    println!("  the server answers at {}", server.address());
    let client = client::Client::new(server.address())?;
    let outcome = replay(&client, data, &landing, &inbox, &hook, arguments.until, started).await;
    if let Err(error) = outcome {
        eprintln!("\nThe server's last words ({}):\n{}", server.log().display(), server.last_words());
        server.stop().await?;
        return Err(error);
    }
    if arguments.exit {
        return server.stop().await;
    }
    println!(
        "\nThe server is still running at {}: its console is there, its API's reference at /reference.",
        server.address()
    );
    println!("Ctrl-C ends it.");
    tokio::signal::ctrl_c().await?;
    server.stop().await
}

/// Everything between start and end of the server.
async fn replay(
    client: &client::Client,
    data: data::Year,
    landing: &Path,
    inbox: &mail::Inbox,
    hook: &webhook::Hook,
    until: u32,
    started: Instant,
) -> Result<()> {
    let landing = data::Landing::create(landing)?;
    let files = specs::Files { flights: landing.flights_url()?, weather: landing.weather_url()? };
    let mut timing = report::Timing::new();
    specs::sources(client, &files).await?;
    let mut year = year::Year::new(client, data, landing, inbox, hook);
    println!("\nJanuary to March arrive …");
    year.history().await?;
    timing.lap("three months ingested and materialised");
    println!("\nTraining on January to March: arrives more than 30 minutes late?");
    let first = train::sweep_and_register(client).await?;
    timing.lap("sweep, comparison, registration");
    specs::subscriptions(client, inbox, hook).await?;
    train::promote_and_deploy(client, first).await?;
    specs::watch(client).await?;
    timing.lap("policy, promotion, deployment");
    println!("\nApril to {} pass, day by day …", report::month_name(until));
    let months = year.replay(until).await?;
    timing.lap("replay");
    report::months(&months);
    report::life(client).await?;
    report::received(inbox, hook)?;
    timing.print(started);
    Ok(())
}

/// An empty data directory with a landing place.
fn prepare(data: &Path) -> Result<PathBuf> {
    if data.exists() {
        let empty = std::fs::read_dir(data).with_context(|| data.display().to_string())?.next().is_none();
        if !empty && !data.join(MARKER).exists() {
            bail!("{} exists and is not from an earlier replay: give another --data", data.display());
        }
        std::fs::remove_dir_all(data).with_context(|| format!("{} can't be removed", data.display()))?;
    }
    let landing = data.join("landing");
    std::fs::create_dir_all(&landing).with_context(|| format!("{} can't be made", landing.display()))?;
    std::fs::write(data.join(MARKER), "Made by the flights example; it may remove this directory.\n")?;
    Ok(landing.canonicalize()?)
}

fn seconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64()
}
