//! The examples, built by their languages' own tools and used by the command
//! line as people do.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    examples, got, handler,
    support::{Yard, answer, tools},
    text, to,
};

/// The modelyard command.
fn modelyard(yard: &Yard, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_modelyard"));
    command.env_remove("MODELYARD_TOKEN").env("GREETING", "Salut");
    command.args(["--server", &yard.url]).args(arguments).output().unwrap()
}

/// What a command prints that works.
fn done(yard: &Yard, arguments: &[&str]) -> String {
    let output = modelyard(yard, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", tools::told(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// `modelyard plugin push`.
fn push(yard: &Yard, file: &Path, name: &str) {
    let told = done(yard, &["plugin", "push", file.to_str().unwrap(), "--name", name]);
    assert!(told.contains(&format!("{name} is in place: function plugin")), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rust_counts_texts_while_they_come() {
    let yard = Yard::empty(&[]);
    let source = examples().join("rust");
    let file = yard.home().join("texts.wasm");
    let build = ["plugin", "build", source.to_str().unwrap(), "--locked", "--out", file.to_str().unwrap()];
    let told = done(&yard, &build);
    assert!(told.contains("wasi:http/incoming-handler@0.2.10") && told.contains("http"), "{told}");
    done(&yard, &["plugin", "push", file.to_str().unwrap()]);

    let letter = yard.home().join("letter.txt");
    fs::write(&letter, "Grüße aus Köln\nund von der See\n".repeat(1000)).unwrap();
    let plain = "content-type: text/plain";
    let input = format!("@{}", letter.display());
    let told =
        done(&yard, &["function", "call", "texts", &input, "--header", plain, "--path", "/statistics"]);
    let counted: Value = serde_json::from_str(&told).unwrap();
    let expected =
        json!({"bytes": 34_000, "characters": 31_000, "lines": 2000, "words": 7000, "longest_word": 5});
    assert_eq!(counted, expected);
    let told =
        done(&yard, &["function", "call", "texts", "in capitals", "--header", plain, "--path", "capitals"]);
    assert_eq!(told, "IN CAPITALS");
    let told = modelyard(&yard, &["function", "call", "texts", "--method", "DELETE", "--path", "/capitals"]);
    assert!(tools::told(&told).contains("405"), "{}", tools::told(&told));
    assert_eq!(
        got(&yard, "texts").await,
        "POST a text to /statistics, or to /capitals to get it back in capitals.\n"
    );
    command_line(&yard);
}

/// The rest of `modelyard function`.
fn command_line(yard: &Yard) {
    let file = yard.home().join("handler.wasm");
    fs::write(&file, handler()).unwrap();
    push(yard, &file, "handler");
    let key = yard.home().join("key");
    fs::write(&key, "from a file\n").unwrap();
    let key = format!("KEY=@{}", key.display());
    done(
        yard,
        &[
            "function",
            "put",
            "other",
            "--plugin",
            "handler",
            "--env",
            "A.B=c d",
            "--secret",
            &key,
            "--secret",
            "GREETING",
            "--host",
            "https://example.com",
            "--reuse",
            "7",
            "--public",
        ],
    );
    let listed: Value = serde_json::from_str(&done(yard, &["function", "list", "--output", "json"])).unwrap();
    let listed = listed.as_array().unwrap().iter().find(|record| record["name"] == "other").unwrap().clone();
    assert_eq!(listed["environment"], json!({"A.B": "c d"}));
    assert_eq!(listed["secrets"], json!({"GREETING": "***", "KEY": "***"}));
    assert_eq!((&listed["hosts"], &listed["reuse"]), (&json!(["https://example.com"]), &json!(7)));
    assert_eq!(listed["public"], true);
    for (name, value) in [("A.B", "c d"), ("KEY", "from a file"), ("GREETING", "Salut")] {
        let path = format!("/environment?{name}");
        assert_eq!(done(yard, &["function", "call", "other", "--method", "GET", "--path", &path]), value);
    }
    declared(yard, &file);
    done(yard, &["function", "delete", "other"]);
    assert!(!modelyard(yard, &["function", "call", "other"]).status.success());
}

/// A declarative file keeps secrets that it shows as the server does.
fn declared(yard: &Yard, component: &Path) {
    let file = yard.home().join("modelyard.toml");
    let text = format!(
        "[[plugin]]\nname = 'handler'\nfile = '{}'\n[[function]]\nname = 'other'\nplugin = 'handler'\nreuse = 2\nsecrets = {{ KEY = '***' }}\n",
        component.display()
    );
    fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    let told = done(yard, &["plan", "--file", file]);
    assert!(told.contains("~ function other") && told.contains("reuse: 7 -> 2"), "{told}");
    done(yard, &["apply", "--file", file]);
    assert!(done(yard, &["apply", "--file", file]).contains("nothing to do"));
    let key = ["function", "call", "other", "--method", "GET", "--path", "/environment?KEY"];
    assert_eq!(done(yard, &key), "from a file");
}

#[tokio::test(flavor = "multi_thread")]
async fn javascript_reads_orders() {
    let yard = Yard::empty(&[]);
    let source = examples().join("javascript");
    let tools_at = tools::node("javascript", &source);
    // Its modules are looked up from where the script lies.
    let place = yard.home().join("functions/javascript");
    copied(&source, &["build.mjs", "orders.js", "package.json"], &place);
    copied(&examples().join("wit"), &["world.wit"], &yard.home().join("functions/wit"));
    copied(&examples().join("wit/deps"), &DEPS, &yard.home().join("functions/wit/deps"));
    std::os::unix::fs::symlink(tools_at.join("node_modules"), place.join("node_modules")).unwrap();
    let file = yard.home().join("orders.wasm");
    tools::step(
        Command::new("node").arg("build.mjs").arg(&file).current_dir(&place),
        "componentize-js could not build the example.",
    );
    push(&yard, &file, "orders");
    let record = json!({"name": "shop", "plugin": "orders", "environment": {"GREETING": "Grüezi"}});
    yard.put("/functions", record).await.ok();
    assert_eq!(got(&yard, "shop?name=Ada").await, "{\"greeting\":\"Grüezi, Ada!\"}\n");
    assert_eq!(got(&yard, "orders/").await, "{\"greeting\":\"Hello, world!\"}\n");
    let order = json!({"customer": "Ada", "items": [{"price": 2.5, "count": 4}, {"price": 1, "count": 1}]});
    for function in ["orders/orders", "shop/orders", "shop/orders"] {
        assert_eq!(answer(to(&yard, Method::POST, function).json(&order)).await.ok()["total"], 11.0);
    }
    let wrong = json!({"customer": "Ada", "items": [{"price": -1, "count": 0.5}]});
    let told = answer(to(&yard, Method::POST, "orders/orders").json(&wrong)).await;
    assert_eq!(told.status, 422);
    assert_eq!(told.body["faults"][1], "items[0].count: is no number of pieces", "{told:?}");
    assert_eq!(text(to(&yard, Method::PUT, "orders/orders")).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn python_asks_a_model() {
    let source = examples().join("python");
    let tools_at = tools::python("python", &source.join("requirements.txt"));
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("yard.toml");
    fs::write(&config, "[functions]\nprivate_hosts = [\"127.0.0.1\"]\n").unwrap();
    let yard = Yard::start(&["--config", config.to_str().unwrap()]);
    let file = yard.home().join("row.wasm");
    tools::step(
        Command::new(tools_at.join("bin/componentize-py"))
            .args(["-d", "../wit", "-w", "function", "componentize", "app", "-o"])
            .arg(&file)
            .current_dir(&source)
            .env("PYTHONDONTWRITEBYTECODE", "1"),
        "componentize-py could not build the example.",
    );
    push(&yard, &file, "row");
    let model = format!("MODEL={}/v2/models/side", yard.url);
    let host = yard.url.strip_prefix("http://").unwrap();
    done(&yard, &["function", "put", "row", "--plugin", "row", "--env", &model, "--host", host]);
    let said = yard.infer(0.5, 0.5).await.ok();
    let told = done(&yard, &["function", "call", "row", "{\"x1\": 0.5, \"x2\": 0.5}"]);
    let told: Value = serde_json::from_str(&told).unwrap();
    for output in said["outputs"].as_array().unwrap() {
        let name = output["name"].as_str().unwrap();
        assert_eq!(told[name], output["data"][0], "{told}");
    }
    for (input, status, fault) in [
        (json!({"x1": 0.5}), 400, "x2"),
        (json!([1]), 400, "no JSON object"),
        (json!({"x1": [1], "x2": 1}), 400, "x1 is no number"),
    ] {
        let told = answer(to(&yard, Method::POST, "row").json(&input)).await;
        assert!(told.status == status && told.body["error"].as_str().unwrap().contains(fault), "{told:?}");
    }
    assert_eq!(text(to(&yard, Method::GET, "row")).await.0, 405);
    // The component by its own name may call nobody, and says so.
    done(&yard, &["function", "delete", "row"]);
    let told = answer(to(&yard, Method::POST, "row").json(&json!({"x1": 1, "x2": 1}))).await;
    assert!(told.body["error"].as_str().unwrap().contains("names no MODEL"), "{told:?}");
    yard.sound().await;
}

/// The WIT of WASI that the examples are built with.
const DEPS: [&str; 7] =
    ["cli.wit", "clocks.wit", "filesystem.wit", "http.wit", "io.wit", "random.wit", "sockets.wit"];

fn copied(from: &Path, files: &[&str], to: &Path) -> PathBuf {
    fs::create_dir_all(to).unwrap();
    for file in files {
        fs::copy(from.join(file), to.join(file)).unwrap();
    }
    to.to_owned()
}
