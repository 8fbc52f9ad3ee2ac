//! A handler of `wasi:http` that says a line, beside `wasmtime serve`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use modelyard_build::BuildOptions;
use serde_json::json;
use tokio::process::Command;

use super::{
    Effort,
    control::Platform,
    http::{Connection, request},
    load::{Round, Target, interleaved, median, ratio},
    process::Server,
    python,
    table::{Figure, Goal, Line, Table},
};

/// What `wasmtime serve` needs, without its tools for other things.
const FEATURES: &str = "run,serve,wasi-http,compile,pooling-allocator,parallel-compilation,component-model,component-model-async,backtrace,cache,gc,gc-drc,threads,logging";
const CONNECTIONS: [usize; 3] = [1, 16, 64];

pub(super) async fn measure(effort: Effort, work: &Path, table: &mut Table) -> Result<()> {
    let version = version()?;
    let wasmtime = wasmtime(&version).await?;
    let component = work.join("hello.wasm");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/functions/rust");
    let build = move || modelyard_build::build(&BuildOptions { locked: true, ..BuildOptions::new(source) });
    let built = tokio::task::spawn_blocking(build).await??.bytes;
    std::fs::write(&component, &built)?;

    let mut platform = Platform::start(&work.join("data")).await?;
    platform.control.settled().await?;
    platform.control.plugin("hello", &built).await?;
    for (name, reuse) in [("fresh", 1), ("reused", 10_000)] {
        platform.control.function(&json!({"name": name, "plugin": "hello", "reuse": reuse})).await?;
    }
    let ready = |port: u16| {
        let mut command = Command::new(&wasmtime);
        command.args(["serve", "-S", "cli", "-O", "pooling-allocator=y", "--addr"]);
        command.arg(format!("127.0.0.1:{port}")).arg(&component);
        command
    };
    let server = Server::on_port(ready, "/", &work.join("wasmtime.log")).await?;
    let target = |name: &str, address, path: &str| Target {
        name: name.to_owned(),
        address,
        requests: vec![request("GET", path, &[], b"")].into(),
    };
    let theirs = target("wasmtime serve", server.address, "/");
    let fresh = target("fresh", platform.server.address, "/functions/fresh/");
    let reused = target("reused", platform.server.address, "/functions/reused/");
    for target in [&theirs, &fresh, &reused] {
        says_the_line(target).await?;
    }
    for connections in CONNECTIONS {
        eprintln!("  wasi:http at {connections} connections");
        let rounds =
            interleaved(&[&theirs, &fresh, &reused], connections, effort.rounds, effort.length).await?;
        let [theirs, fresh, reused] = rounds.as_slice() else { continue };
        let rate = |rounds: &[Round]| format!("{:.0}/s", median(rounds.iter().map(Round::rate)));
        for (name, rounds) in [("fresh", fresh), ("reused", reused)] {
            table.lines.push(Line {
                what: format!("wasi:http hello, connections: {connections}; {name}, requests"),
                ours: rate(rounds),
                beside: format!("wasmtime serve {version} {}", rate(theirs)),
                figure: Figure::Ratio(ratio(rounds, theirs, Round::rate)),
                goal: Some(Goal::AtLeast(1.0)),
            });
        }
    }
    platform.stop().await?;
    server.stop().await
}

async fn says_the_line(target: &Target) -> Result<()> {
    let mut connection = Connection::open(target.address).await?;
    let reply = connection.call(target.requests.first().context("nothing to ask")?).await?;
    let said = String::from_utf8_lossy(reply.body);
    ensure!(reply.status == 200 && said.contains("POST a text"), "{}: {} {said}", target.name, reply.status);
    Ok(())
}

/// The version of wasmtime that the platform itself is built with.
fn version() -> Result<String> {
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.lock");
    let text = std::fs::read_to_string(&lock).with_context(|| lock.display().to_string())?;
    let found =
        text.split_once("name = \"wasmtime\"\nversion = \"").and_then(|(_, rest)| rest.split_once('"'));
    Ok(found.context("Cargo.lock has no wasmtime")?.0.to_owned())
}

/// The program, built once from crates.io below the cache.
async fn wasmtime(version: &str) -> Result<PathBuf> {
    let root = python::cache()?.join("wasmtime");
    let program = root.join("bin/wasmtime");
    let known = match program.is_file() {
        true => python::run(Command::new(&program).arg("--version")).await?,
        false => String::new(),
    };
    if !known.contains(version) {
        eprintln!("building wasmtime-cli {version} into {}; this takes some minutes", root.display());
        let mut install = Command::new("cargo");
        install.args(["install", "wasmtime-cli", "--version", version, "--locked", "--no-default-features"]);
        install.args(["--features", FEATURES, "--root"]).arg(&root);
        install.env("CARGO_TARGET_DIR", root.with_extension("build"));
        python::run(&mut install).await?;
    }
    Ok(program)
}
