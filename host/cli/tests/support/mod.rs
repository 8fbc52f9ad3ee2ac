//! What the tests of faults share: the binary as a process that can be killed,
//! and real receivers and sources for it to talk to.

#![allow(dead_code, unused_imports, unreachable_pub)]

mod receivers;
pub mod tools;

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead, BufReader, Write as _},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

pub use receivers::{Hook, Mailbox};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const BINARY: &str = env!("CARGO_BIN_EXE_modelyard");

/// `modelyard serve` with a data directory that outlives it.
pub struct Yard {
    child: Child,
    pub url: String,
    /// Where it speaks gRPC, if an argument asks for that.
    pub grpc: Option<String>,
    pub data: PathBuf,
    pub client: reqwest::Client,
    arguments: Vec<String>,
    home: tempfile::TempDir,
}

/// A data directory with the data set `points` and a model, deployed as
/// `side`: made once for each build of the binary, copied for each test.
fn template() -> PathBuf {
    let made_of = (fs::metadata(BINARY).unwrap().modified().unwrap(), include_str!("mod.rs"));
    tools::once("template", made_of, |place| {
        // A runtime of its own: the caller's is busy here.
        let path = place.to_owned();
        let made = move || tokio::runtime::Runtime::new().unwrap().block_on(make(path));
        std::thread::spawn(made).join().unwrap();
    })
}

async fn make(path: PathBuf) {
    let mut yard = Yard::spawn(path.join("data"), tempfile::tempdir().unwrap(), &[]);
    // The list waits for every built-in plugin, so that no copy has to add one.
    yard.get("/plugins").await.ok();
    let mut csv = "x1,x2,label\n".to_owned();
    for row in 0..300_u32 {
        let (x1, x2) = (f64::from(row * 37 % 101) / 50.0 - 1.0, f64::from(row * 53 % 97) / 48.0 - 1.0);
        let noise = f64::from(row * 29 % 31) / 31.0 - 0.5;
        writeln!(csv, "{x1},{x2},{}", x1 + x2 + noise > 0.0).unwrap();
    }
    yard.rows("points", &csv, None).await.ok();
    let experiment = json!({"name": "side", "task": "binary_classification", "target": "label",
        "spine": {"sql": "SELECT x1, x2, label FROM points"}, "training": {"plugin": "training-linear"}});
    yard.put("/experiments", experiment).await.ok();
    let run = yard.post("/experiments/side/runs?wait=true", json!({})).await.ok();
    yard.post("/registry/models/side/versions", json!({"run": run["id"]})).await.ok();
    let deployment = json!({"name": "side", "model": "side", "routes": [{"version": 1}],
        "limits": {"max_rows": 4, "deadline_ms": 20_000}});
    yard.put("/deployment", deployment).await.ok();
    yard.stop();
}

/// What a request came to.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub replayed: bool,
    pub media: String,
    pub body: Value,
}

impl Answer {
    /// The body of an answer that says it was done.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert!((200..300).contains(&self.status), "{self:?}");
        self.body
    }

    /// The detail of a problem with this status.
    #[track_caller]
    pub fn problem(self, status: u16) -> String {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.media, "application/problem+json", "{self:?}");
        assert_eq!(self.body["status"], status, "{self:?}");
        self.body["detail"].as_str().unwrap().to_owned()
    }
}

pub async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let header = |name: &str| {
        response.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
    };
    let (status, media) = (response.status().as_u16(), header("content-type"));
    let replayed = header("idempotent-replay") == "true";
    let text = response.text().await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Answer { status, replayed, media, body }
}

impl Yard {
    /// A server on a copy of the template; `{home}` in an argument is a
    /// directory for the test's own files.
    pub fn start(arguments: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let data = home.path().join("data");
        copy(&data);
        Self::spawn(data, home, arguments)
    }

    /// A server that has nothing.
    pub fn empty(arguments: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        Self::spawn(home.path().join("data"), home, arguments)
    }

    /// A server on a copy of the template at a place that is there already.
    pub fn start_at(data: &Path, arguments: &[&str]) -> Self {
        copy(data);
        Self::spawn(data.to_owned(), tempfile::tempdir().unwrap(), arguments)
    }

    fn spawn(data: PathBuf, home: tempfile::TempDir, arguments: &[&str]) -> Self {
        let place = home.path().display().to_string();
        let arguments: Vec<String> =
            arguments.iter().map(|argument| argument.replace("{home}", &place)).collect();
        let (child, url, grpc) = begin(&data, home.path(), &arguments);
        Self { child, url, grpc, data, client: reqwest::Client::new(), arguments, home }
    }

    /// Where the test keeps its own files.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The server's resident memory.
    pub fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.home.path().join("log")).unwrap()
    }

    /// Ends it without a warning.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends it as an operator does.
    pub fn stop(&mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {}", self.log());
    }

    pub fn restart(&mut self) {
        (self.child, self.url, self.grpc) = begin(&self.data, self.home.path(), &self.arguments);
        self.client = reqwest::Client::new();
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let prefix = if path.starts_with("/v2") || path.starts_with("/health") { "" } else { "/api/v1" };
        self.client.request(method, format!("{}{prefix}{path}", self.url))
    }

    pub async fn get(&self, path: &str) -> Answer {
        answer(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        answer(self.request(Method::POST, path).json(&body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        answer(self.request(Method::PUT, path).json(&body)).await
    }

    /// A request that appends CSV to a data set.
    pub fn upload(&self, dataset: &str, csv: impl Into<reqwest::Body>, key: Option<&str>) -> RequestBuilder {
        let path = format!("/ingestion/datasets/{dataset}/rows");
        let request = self.request(Method::POST, &path).header("content-type", "text/csv").body(csv);
        match key {
            Some(key) => request.header("idempotency-key", key),
            None => request,
        }
    }

    pub async fn rows(&self, dataset: &str, csv: &str, key: Option<&str>) -> Answer {
        answer(self.upload(dataset, csv.to_owned(), key)).await
    }

    /// The first row of a query.
    pub async fn row(&self, sql: &str) -> Value {
        self.post("/ingestion/query", json!({"sql": sql})).await.ok()["rows"][0].clone()
    }

    pub async fn plugin(&self, name: &str, bytes: &[u8], key: &str) -> Answer {
        let request = self.request(Method::POST, &format!("/plugins?name={name}")).body(bytes.to_vec());
        answer(request.header("idempotency-key", key)).await
    }

    /// The component of a built-in plugin.
    pub async fn component(&self, name: &str) -> Vec<u8> {
        let plugin = self.get(&format!("/plugins/{name}")).await.ok();
        let digest = plugin["digest"].as_str().unwrap().trim_start_matches("sha256:").to_owned();
        fs::read(self.data.join("blobs/sha256").join(&digest[..2]).join(&digest[2..])).unwrap()
    }

    pub async fn infer(&self, x1: f64, x2: f64) -> Answer {
        let inputs = json!([tensor("x1", json!([x1])), tensor("x2", json!([x2]))]);
        self.post("/v2/models/side/infer", json!({"inputs": inputs})).await
    }

    /// It answers, its records are whole, and what the template had is there.
    pub async fn sound(&self) {
        self.get("/health").await.ok();
        let verified = self.get("/governance/audit/verify").await.ok();
        assert_eq!(verified["intact"], true, "{verified}");
        assert_eq!(self.row("SELECT count(*) FROM points").await, json!([300]));
        self.infer(0.5, 0.5).await.ok();
    }

    /// Files below the data directory that somebody meant to finish.
    pub fn unfinished(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut todo = vec![self.data.clone()];
        while let Some(directory) = todo.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                let temporary = path.strip_prefix(&self.data).is_ok_and(names_temporary);
                match path.is_dir() {
                    true => todo.push(path),
                    false if temporary => found.push(path),
                    false => {}
                }
            }
        }
        found
    }
}

fn names_temporary(path: &Path) -> bool {
    path.components().any(|part| {
        let part = part.as_os_str().to_string_lossy();
        part == "tmp" || part.starts_with(".tmp") || part.ends_with(".tmp")
    })
}

impl Drop for Yard {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("{}", fs::read_to_string(self.home.path().join("log")).unwrap_or_default());
        }
    }
}

fn copy(data: &Path) {
    let from = template().join("data/.");
    fs::create_dir_all(data).unwrap();
    assert!(Command::new("cp").arg("-a").arg(from).arg(data).status().unwrap().success());
}

fn begin(data: &Path, home: &Path, arguments: &[String]) -> (Child, String, Option<String>) {
    let mut command = Command::new(BINARY);
    for name in ["MODELYARD_SERVER", "MODELYARD_TOKEN", "MODELYARD_SMTP", "RUST_LOG"] {
        command.env_remove(name);
    }
    let log = fs::File::options().create(true).append(true).open(home.join("log")).unwrap();
    let mut child = command
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let told = || fs::read_to_string(home.join("log")).unwrap();
    let mut url = || {
        let line = lines.next().transpose().unwrap().unwrap_or_default();
        line.strip_prefix("listening on ").unwrap_or_else(|| panic!("{line:?}: {}", told())).to_owned()
    };
    let http = url();
    let grpc = arguments.iter().any(|argument| argument == "--grpc").then(url);
    (child, http, grpc)
}

/// A column of numbers as a tensor.
pub fn tensor(name: &str, data: Value) -> Value {
    json!({"name": name, "shape": [data.as_array().unwrap().len()], "datatype": "FP64", "data": data})
}

/// Waits until something is so.
pub async fn eventually(what: &str, so: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !so().await {
        assert!(begun.elapsed() < Duration::from_secs(40), "{what} did not come to be");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A duration that differs from run to run.
pub fn moment(most_ms: u64) -> Duration {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Duration::from_millis(u64::from(now.subsec_micros()) * 7919 % most_ms)
}

/// A port of this machine that nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Answers by the path: `/fails`, `/hangs`, `/cut` (until told otherwise).
pub async fn source(text: String, cut: Arc<AtomicBool>) -> String {
    async fn serve(mut stream: TcpStream, text: &str, cut: bool) -> std::io::Result<()> {
        let mut request = vec![0; 4096];
        let read = stream.read(&mut request).await?;
        let asked = String::from_utf8_lossy(&request[..read]).into_owned();
        if asked.starts_with("GET /fails") {
            return stream.write_all(b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n").await;
        }
        if asked.starts_with("GET /hangs") {
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", text.len());
        stream.write_all(head.as_bytes()).await?;
        let end = if cut { text.len() / 2 } else { text.len() };
        stream.write_all(&text.as_bytes()[..end]).await
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let text: Arc<str> = text.into();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (text, cut) = (text.clone(), cut.load(Relaxed));
            tokio::spawn(async move { serve(stream, &text, cut).await });
        }
    });
    url
}

/// A file system of its own size in memory.
pub struct Small(tempfile::TempDir);

impl Small {
    pub fn mount(megabytes: u32) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let size = format!("size={megabytes}m");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(dir.path()).output();
        let mounted = mounted.is_ok_and(|output| output.status.success());
        if !mounted {
            println!("skipped: mounting a small tmpfs needs root");
        }
        mounted.then(|| Self(dir))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes all room that is left.
    pub fn fill(path: &Path) {
        let mut file = fs::File::create(path).unwrap();
        let mut piece = vec![1; 1 << 20];
        while !piece.is_empty() {
            if file.write_all(&piece).is_err() {
                piece.truncate(piece.len() / 2);
            }
        }
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}
