//! Single rows against servers in Python: the same model file, the same values,
//! the original library.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::json;
use tokio::process::Command;

use super::{
    Effort,
    control::Platform,
    http::request,
    load::{Round, Target, interleaved, median, ratio, round},
    models::{Models, requests},
    process::Server,
    python::{Environment, scripts},
    table::{Figure, Goal, Line, Table},
    verify,
};

/// Where every candidate says that it is ready.
const READY: &str = "/v2/health/ready";
const NAME: &str = "flights";
/// Connections at which candidates are compared with each other.
const USUAL: usize = 16;

/// Ways to serve with LightGBM's own package: what it is called, the program,
/// its arguments. `{port}` stands for the port.
const CANDIDATES: &[(&str, &str, &[&str])] = &[
    ("FastAPI, uvicorn, 1 worker", "uvicorn", &["fastapi_app:app", "--port", "{port}", "--workers", "1"]),
    ("FastAPI, uvicorn, 2 workers", "uvicorn", &["fastapi_app:app", "--port", "{port}", "--workers", "2"]),
    ("bare ASGI, uvicorn, 1 worker", "uvicorn", &["asgi_app:app", "--port", "{port}", "--workers", "1"]),
    ("bare ASGI, uvicorn, 2 workers", "uvicorn", &["asgi_app:app", "--port", "{port}", "--workers", "2"]),
    (
        "bare ASGI, granian, 1 worker",
        "granian",
        &["asgi_app:app", "--interface", "asginl", "--port", "{port}", "--workers", "1", "--no-ws"],
    ),
    (
        "bare ASGI, granian, 2 workers",
        "granian",
        &["asgi_app:app", "--interface", "asginl", "--port", "{port}", "--workers", "2", "--no-ws"],
    ),
];

pub(super) async fn measure(models: &Models, effort: Effort, work: &Path, table: &mut Table) -> Result<()> {
    let model = models.trees();
    let mut platform = Platform::start(&work.join("data")).await?;
    platform.control.settled().await?;
    platform.control.import(NAME, &model.file).await?;
    platform.control.deploy(NAME, NAME, json!({})).await?;
    let target = |title: &str, address, bodies: &[Vec<u8>]| Target {
        name: title.to_owned(),
        address,
        requests: requests(NAME, bodies).into(),
    };
    let ours = target("modelyard", platform.server.address, &model.bodies);
    verify(&ours, &model.expected).await?;
    let bodies = models.flights().matrices();

    let server = mlserver(&model.file, work).await.context("MLServer")?;
    let theirs = target("MLServer 1.7.1", server.address, &bodies);
    verify(&theirs, &model.expected).await?;
    compare(&ours, &theirs, effort, 60.0, table).await?;
    server.stop().await?;

    let environment = Environment::named("fast").await?;
    let (best, others) = fastest(&environment, &model.file, work, effort, |title, address| {
        (target(title, address, &bodies), model.expected.clone())
    })
    .await?;
    table.note(format!("servers in Python at {USUAL} connections: {others}"));
    let server = start(&environment, best, &model.file, work).await?;
    let theirs = target(best.0, server.address, &bodies);
    compare(&ours, &theirs, effort, 15.0, table).await?;
    server.stop().await?;
    platform.stop().await
}

async fn compare(ours: &Target, theirs: &Target, effort: Effort, goal: f64, table: &mut Table) -> Result<()> {
    for connections in [1, USUAL, 64] {
        eprintln!("  {} at {connections} connections", theirs.name);
        let rounds = interleaved(&[ours, theirs], connections, effort.rounds, effort.length).await?;
        let [mine, other] = rounds.as_slice() else { continue };
        let rate = |rounds: &[Round]| median(rounds.iter().map(Round::rate));
        table.lines.push(Line {
            what: format!("LightGBM, 200 trees, {connections} connections: reused, requests"),
            ours: format!("{:.0}/s", rate(mine)),
            beside: format!("{} {:.0}/s", theirs.name, rate(other)),
            figure: Figure::Ratio(ratio(mine, other, Round::rate)),
            goal: Some(Goal::AtLeast(goal)),
        });
    }
    Ok(())
}

/// MLServer with the model, in this process rather than in workers: for a small
/// model that is the faster way.
async fn mlserver(model: &Path, work: &Path) -> Result<Server> {
    let environment = Environment::named("mlserver").await?;
    let directory = work.join("mlserver");
    std::fs::create_dir(&directory)?;
    let settings = json!({
        "name": NAME, "implementation": "mlserver_lightgbm.LightGBMModel", "parameters": {"uri": model},
    });
    std::fs::write(directory.join("model-settings.json"), settings.to_string())?;
    let free = || -> Result<u16> { Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port()) };
    let (grpc, metrics) = (free()?, free()?);
    let command = |port: u16| {
        let settings = json!({
            "host": "127.0.0.1", "http_port": port, "grpc_port": grpc, "metrics_port": metrics,
            "parallel_workers": 0, "debug": false,
        });
        // Written late, since the port is known late.
        let written = std::fs::write(directory.join("settings.json"), settings.to_string());
        let mut command = environment.command("mlserver");
        if let Err(error) = written {
            eprintln!("MLServer's settings can't be written: {error}");
        }
        command.arg("start").arg(&directory);
        command
    };
    Server::on_port(command, &format!("/v2/models/{NAME}/ready"), &work.join("mlserver.log")).await
}

type Candidate = (&'static str, &'static str, &'static [&'static str]);

/// The candidate with the most answers per second, and what each had.
async fn fastest(
    environment: &Environment,
    model: &Path,
    work: &Path,
    effort: Effort,
    target: impl Fn(&str, std::net::SocketAddr) -> (Target, Vec<f64>),
) -> Result<(Candidate, String)> {
    let (mut best, mut said) = (None::<(f64, Candidate)>, Vec::new());
    for candidate in CANDIDATES {
        eprintln!("  {}", candidate.0);
        let server = start(environment, *candidate, model, work).await.context(candidate.0)?;
        let (target, expected) = target(candidate.0, server.address);
        verify(&target, &expected).await?;
        round(&target, USUAL, effort.length / 4).await?;
        let rate = round(&target, USUAL, effort.length).await?.rate();
        server.stop().await?;
        said.push(format!("{} {rate:.0}/s", candidate.0));
        if best.is_none_or(|(most, _)| rate > most) {
            best = Some((rate, *candidate));
        }
    }
    let (_, best) = best.context("there is no candidate")?;
    Ok((best, said.join("; ")))
}

async fn start(environment: &Environment, candidate: Candidate, model: &Path, work: &Path) -> Result<Server> {
    let (_, program, arguments) = candidate;
    let log: PathBuf = work.join("python.log");
    let command = |port: u16| -> Command {
        let mut command = environment.command(program);
        command.args(arguments.iter().map(|argument| argument.replace("{port}", &port.to_string())));
        command.args(["--host", "127.0.0.1", "--log-level", "warning"]);
        if program == "uvicorn" {
            command.args(["--loop", "uvloop", "--http", "httptools", "--no-access-log"]);
        }
        command.env("MODEL", model).env("PYTHONPATH", scripts()).current_dir(work);
        command
    };
    let server = Server::on_port(command, READY, &log).await?;
    // Every worker has loaded the model, not only the one that answered.
    let ready = request("GET", READY, &[], b"");
    for _ in 0..20 {
        super::http::Connection::open(server.address).await?.call(&ready).await?;
    }
    Ok(server)
}
