//! The binary as people type it: its help, its server, its declarative file.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_modelyard");

/// The binary without what the shell that runs the tests has set.
fn modelyard() -> Command {
    let mut command = Command::new(BINARY);
    for name in ["MODELYARD_SERVER", "MODELYARD_TOKEN", "MODELYARD_SMTP", "RUST_LOG"] {
        command.env_remove(name);
    }
    command
}

/// A server of its own, ended with the test.
struct Server {
    child: Child,
    url: String,
    data: Option<tempfile::TempDir>,
}

impl Server {
    fn start(arguments: &[&str]) -> Self {
        Self::start_on(tempfile::tempdir().unwrap(), arguments)
    }

    fn start_on(data: tempfile::TempDir, arguments: &[&str]) -> Self {
        let mut child = modelyard()
            .args(["serve", "--listen", "127.0.0.1:0", "--simulated-clock", "2013-01-01", "--data"])
            .arg(data.path().join("data"))
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(fs::File::create(data.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let log = || fs::read_to_string(data.path().join("log")).unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{line:?}: {}", log()));
        Self { url: url.to_owned(), child, data: Some(data) }
    }

    /// Ends the server by a signal, which is no failure; and gives its data.
    fn stop(mut self, signal: &str) -> tempfile::TempDir {
        let status = self.signal(signal);
        let data = self.data.take().unwrap();
        let log = fs::read_to_string(data.path().join("log")).unwrap();
        assert!(status.success(), "{status}: {log}");
        assert!(log.contains("listening") && log.contains("stopping"), "{log}");
        data
    }

    fn call(&self, arguments: &[&str]) -> Output {
        modelyard().args(["--server", &self.url]).args(arguments).stdin(Stdio::null()).output().unwrap()
    }

    /// Standard output of a call that works.
    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.call(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.ok(&[arguments, &["--output", "json"]].concat())).unwrap()
    }

    /// Standard error of a call that ends with this code.
    fn fails(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.call(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    fn signal(&mut self, signal: &str) -> std::process::ExitStatus {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "the server goes on after {signal}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The subcommands that a help text lists.
fn subcommands(help: &str) -> Vec<String> {
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let listed = listed.take_while(|line| line.is_empty() || line.starts_with("  "));
    let name = |line: &str| {
        let indent = line.len() - line.trim_start().len();
        (indent == 2).then(|| line.split_whitespace().next().map(str::to_owned)).flatten()
    };
    listed.filter_map(name).filter(|name| name != "help").collect()
}

#[test]
fn every_command_explains_itself() {
    let mut todo: Vec<Vec<String>> = vec![vec![]];
    let mut seen = Vec::new();
    while let Some(path) = todo.pop() {
        let output = modelyard().args(&path).arg("--help").output().unwrap();
        assert!(output.status.success(), "{path:?}");
        let help = text(&output.stdout);
        assert!(help.contains("Usage:"), "{path:?}");
        assert!(!help.contains("__worker"), "{path:?}");
        // Each noun has an example.
        assert!(path.len() > 1 || help.contains("Example"), "{path:?}");
        todo.extend(subcommands(&help).into_iter().map(|name| [path.clone(), vec![name]].concat()));
        seen.push(path.join(" "));
    }
    for wanted in [
        "serve",
        "plan",
        "apply",
        "plugin new",
        "function call",
        "ingestion source pull",
        "features view put",
        "experiments sweep",
        "experiments trials",
        "sweep",
        "runs compare",
        "evaluation run",
        "registry alias revert",
        "deployment rollback",
        "monitoring monitor put",
        "feedback rule put",
        "governance token create",
        "scaling usage",
        "documentation show",
        "retirement rule put",
        "subscription add webhook",
        "schedule preview",
        "job wait",
        "clock advance",
        "audit verify",
    ] {
        assert!(seen.iter().any(|path| path == wanted), "{wanted} is missing of {seen:?}");
    }
}

#[test]
fn what_is_typed_wrongly_ends_with_two() {
    for arguments in [
        &["no-such-command"][..],
        &["deployment", "put"],
        &["deployment", "put", "late", "--route", "=1"],
        &["function", "call", "hello", "{not json"],
        &["ingestion", "source", "put", "s", "--param", "novalue"],
        &["ingestion", "upload", "Cargo.lock", "--dataset", "d"],
        &["feedback", "label", "id-without-label"],
        &["serve", "--smtp", "mail.example.com"],
        &["serve", "--ingest-root", "/no/such/directory"],
        &["clock", "advance", "tomorrow"],
        &["plugins", "list"],
    ] {
        let output = modelyard().args(arguments).args(["--server", "http://127.0.0.1:9"]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output.stderr));
        assert!(!output.stderr.is_empty() && output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let output = modelyard().args(["--server", "http://127.0.0.1:9", "job", "list"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stderr);
    assert!(told.contains("http://127.0.0.1:9/ can't be reached: is `modelyard serve` running"), "{told}");
}

#[test]
fn a_wrong_configuration_says_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("yard.toml");
    for (content, wanted) in [
        ("[server]\nlisten = \"127.0.0.1:0\"\nlissen = 1\n", ":3:1: unknown field `lissen`"),
        ("commit_interval = 5\n", ":1:1: unknown field `commit_interval`"),
        ("[notify.smtp]\nhost = \"h\"\nfrom = \"a@b\"\ntls = \"ssl\"\n", ":4:7: unknown variant `ssl`"),
        ("[server\n", ":1:"),
    ] {
        fs::write(&file, content).unwrap();
        let output = modelyard().args(["serve", "--config"]).arg(&file).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let told = text(&output.stderr);
        assert!(told.contains(&format!("yard.toml{wanted}")), "{told}");
    }
    let output = modelyard().args(["serve", "--config", "/no/such.toml"]).output().unwrap();
    assert!(text(&output.stderr).contains("/no/such.toml"));
}

#[test]
fn plugins_are_written_and_inspected_without_a_server() {
    let directory = tempfile::tempdir().unwrap();
    let new = |kind: &str| {
        modelyard()
            .current_dir(&directory)
            .args(["plugin", "new", "scoring-half", "--kind", kind])
            .output()
            .unwrap()
    };
    assert_eq!(new("model").status.code(), Some(2));
    let output = new("scoring");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(directory.path().join("scoring-half/src/lib.rs").is_file());
    assert!(text(&new("scoring").stderr).contains("not empty"));

    let component = directory.path().join("not.wasm");
    fs::write(&component, "a,b\n1,2\n").unwrap();
    let output = modelyard().args(["plugin", "inspect"]).arg(&component).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("text file"), "{}", text(&output.stderr));
    let output = modelyard().args(["plugin", "build"]).arg(directory.path()).output().unwrap();
    assert!(text(&output.stderr).contains("holds no Cargo.toml"), "{}", text(&output.stderr));
}

/// A declarative file beside its data.
fn yard(directory: &Path, description: &str) -> PathBuf {
    fs::create_dir_all(directory.join("data")).unwrap();
    fs::write(directory.join("data/rows.csv"), "x,y\n1,2\n2,4\n3,6\n").unwrap();
    let file = directory.join("modelyard.toml");
    let content = format!(
        r#"
[[schedule]]
name = "nightly"
cron = "0 3 * * *"
job = {{ kind = "ingestion.pull", target = "rows" }}

[[subscription]]
name = "ops"
channel = {{ type = "webhook", url = "http://127.0.0.1:9/hook", headers = {{ Authorization = "Bearer ${{HOOK_TOKEN}}" }} }}
filter = {{ stages = ["monitoring"], severity_at_least = "warning" }}

[[model]]
name = "double"
description = "{description}"
tags = ["test"]

[[experiment]]
name = "double"
task = "regression"
spine = {{ dataset = "rows" }}
target = "y"
training = {{ plugin = "training-linear" }}

[[source]]
name = "rows"
plugin = "ingestion-csv"
parameters = {{ url = "file://./data/rows.csv" }}
schedule = "@daily"
"#
    );
    fs::write(&file, content).unwrap();
    file
}

/// One server for all of it: each new one compiles the built-in plugins.
#[test]
fn a_server_from_its_first_start_to_its_last() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().to_str().unwrap().to_owned();
    let arguments = ["--ingest-root", &root, "--allow-private-webhooks"];
    let server = Server::start(&arguments);
    a_declarative_file_is_applied_once(&server, directory.path());
    rows_are_pulled_uploaded_and_asked(&server, directory.path());
    lists_have_pages_and_problems_their_reasons(&server);
    let data = server.stop("-TERM");

    let server = Server::start_on(data, &arguments);
    let again = apply(&server, "apply", &directory.path().join("modelyard.toml"));
    assert!(again.contains("nothing to do: all 5 are as the file says"), "{again}");
    time_is_moved(&server);
    tokens_are_asked_for(&server);
    server.stop("-INT");
}

/// The file of the flights example, on a server that fills as it is applied.
#[test]
fn the_flights_file_is_applied_as_its_data_land() {
    let example =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/flights").canonicalize().unwrap();
    let file = example.join("modelyard.toml");
    let server = Server::start(&["--ingest-root", example.to_str().unwrap()]);
    let refused = || server.fails(1, &["apply", "--file", file.to_str().unwrap()]);
    server.ok(&["plugin", "list"]);

    let told = refused();
    assert!(told.contains("view weather: ") && told.contains("deployment late: "), "{told}");
    assert!(!told.contains("source ") && !told.contains("model late") && !told.contains("policy "), "{told}");

    assert_eq!(server.json(&["ingestion", "source", "pull", "flights"])["rows"], 336_776);
    assert!(server.json(&["ingestion", "source", "pull", "weather"])["rows"].as_u64() > Some(20_000));
    let told = refused();
    assert!(
        told.contains("deployment late: ") && !told.contains("view ") && !told.contains("experiment "),
        "{told}"
    );

    let run = server.json(&["experiments", "run", "late-arrivals"]);
    server.ok(&["registry", "register", "late", run["id"].as_str().unwrap()]);
    server.ok(&["registry", "alias", "set", "late@1", "champion", "--reason", "the first"]);
    assert!(apply(&server, "apply", &file).contains("+ deployment late\n"));
    assert_eq!(server.json(&["deployment", "show", "late"])["status"], "live");

    let entries = || server.json(&["audit", "list", "--limit", "0"]).as_array().unwrap().len();
    let before = entries();
    for verb in ["plan", "apply"] {
        let again = apply(&server, verb, &file);
        assert!(again.contains("nothing to do: all ") && again.contains("= deployment late\n"), "{again}");
    }
    assert_eq!(entries(), before);
}

/// Standard output of plan or apply.
fn apply(server: &Server, verb: &str, file: &Path) -> String {
    let mut command = modelyard();
    command.env("HOOK_TOKEN", "s3cret").args(["--server", &server.url, verb, "--file"]).arg(file);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{verb}: {}", text(&output.stderr));
    text(&output.stdout)
}

fn a_declarative_file_is_applied_once(server: &Server, directory: &Path) {
    let file = yard(directory, "first");
    let without_token = server.fails(1, &["plan", "--file", file.to_str().unwrap()]);
    assert!(without_token.contains("HOOK_TOKEN is not set"), "{without_token}");
    let run = |verb: &str| apply(server, verb, &file);
    // Waits for the built-in plugins, whose arrival is in the audit trail too.
    server.ok(&["plugin", "list"]);

    let plan = run("plan");
    assert!(plan.contains("+ source rows\n") && plan.contains("+ model double\n"), "{plan}");
    assert!(plan.contains("5 to create, 0 to change, 0 the same"), "{plan}");
    let applied = run("apply");
    assert!(applied.contains("5 created, 0 changed, 0 the same"), "{applied}");
    let entries = server.json(&["audit", "list", "--limit", "0"]).as_array().unwrap().len();
    let again = run("apply");
    assert!(again.contains("nothing to do: all 5 are as the file says"), "{again}");
    assert!(again.contains("= schedule nightly\n"), "{again}");
    assert_eq!(server.json(&["audit", "list", "--limit", "0"]).as_array().unwrap().len(), entries);

    yard(directory, "second");
    let plan = run("plan");
    assert!(plan.contains("~ model double\n    description: \"first\" -> \"second\""), "{plan}");
    assert!(run("apply").contains("0 created, 1 changed, 4 the same"));
    assert!(run("plan").contains("nothing to do"));
}

fn rows_are_pulled_uploaded_and_asked(server: &Server, directory: &Path) {
    assert!(server.ok(&["ingestion", "source", "list"]).contains("ingestion-csv"));
    assert_eq!(server.json(&["ingestion", "source", "pull", "rows"])["rows"], 3);
    let rows = server.ok(&["ingestion", "query", "SELECT sum(y) AS total FROM rows"]);
    assert!(rows.contains("total") && rows.contains("12"), "{rows}");
    let file = directory.join("data/rows.csv");
    let told = server.ok(&["ingestion", "upload", file.to_str().unwrap(), "--dataset", "more"]);
    assert!(told.contains("3 rows in more version 1, 0 rejected"), "{told}");
    let job = &server.json(&["ingestion", "source", "pull", "rows", "--no-wait"])["job"]["id"];
    assert_eq!(server.json(&["job", "wait", job.as_str().unwrap()])["status"], "finished");
    assert!(server.ok(&["audit", "verify"]).starts_with("intact: "));
}

fn lists_have_pages_and_problems_their_reasons(server: &Server) {
    let names = |arguments: &[&str]| -> Vec<String> {
        let items = server.json(arguments);
        items.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    };
    assert!(names(&["plugin", "list", "--kind", "ingestion"]).contains(&"ingestion-csv".to_owned()));
    assert!(names(&["plugin", "list", "--limit", "0"]).len() > 10);
    assert_eq!(names(&["plugin", "list", "--limit", "3"]).len(), 3);
    assert!(server.ok(&["plugin", "inspect", "ingestion-csv"]).contains("ingestion"));

    let told = server.fails(1, &["registry", "show", "double@7"]);
    assert!(told.contains("Not Found (404)"), "{told}");
    let job = ["--job", "ingestion.pull", "--target", "rows"];
    let told = server.fails(1, &[&["schedule", "put", "n", "--cron", "nonsense"], &job[..]].concat());
    assert!(told.contains("Bad Request (400)"), "{told}");
}

fn time_is_moved(server: &Server) {
    assert_eq!(server.json(&["clock", "show"])["simulated"], true);
    let told = server.ok(&["clock", "advance", "+2d"]);
    assert!(told.contains("ingestion.pull/rows") && told.contains("it is 2013-01-03 00:00:00"), "{told}");
    assert!(server.fails(1, &["clock", "advance", "2012-01-01"]).contains("can't go back"));
    let ticks = server.ok(&["schedule", "preview", "0 3 * * *", "--count", "2"]);
    assert_eq!(ticks, "2013-01-03 03:00:00\n2013-01-04 03:00:00\n");
}

fn tokens_are_asked_for(server: &Server) {
    let token = server.ok(&["governance", "token", "create", "me", "--role", "admin"]);
    assert!(token.starts_with("my_"), "{token}");
    assert!(server.fails(1, &["job", "list"]).contains("Unauthorized (401)"));
    assert!(server.ok(&["--token", token.trim(), "governance", "token", "list"]).contains("admin"));
}
