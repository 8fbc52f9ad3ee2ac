//! The platform under test: started with a directory, and told by its public
//! HTTP what to import and deploy.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::process::Command;

use super::{
    http::{Connection, request},
    process::Server,
};

/// A `modelyard serve`.
pub(crate) struct Platform {
    pub(crate) server: Server,
    pub(crate) control: Control,
}

/// A program that was built beside this one.
pub(crate) fn program(name: &str) -> Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    anyhow::ensure!(path.is_file(), "{} is missing: build the whole workspace", path.display());
    Ok(path)
}

impl Platform {
    /// Starts it with what a directory holds.
    pub(crate) async fn start(data: &Path) -> Result<Self> {
        let mut command = Command::new(program("modelyard")?);
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data);
        command.env("RUST_LOG", "warn");
        let server = Server::announced(command, &data.with_extension("log")).await?;
        let control = Control::open(server.address).await?;
        Ok(Self { server, control })
    }

    pub(crate) async fn stop(self) -> Result<()> {
        self.server.stop().await
    }

    /// A second connection to tell it things.
    pub(crate) async fn control(&self) -> Result<Control> {
        Control::open(self.server.address).await
    }
}

/// What a platform is told through one connection.
pub(crate) struct Control(Connection);

impl Control {
    async fn open(address: SocketAddr) -> Result<Self> {
        Ok(Self(Connection::open(address).await?))
    }

    /// Waits until the built-in plugins of a new directory are compiled, so that
    /// nothing is measured beside it.
    pub(crate) async fn settled(&mut self) -> Result<()> {
        let builtin = modelyard_builtin::all().len();
        for _ in 0..600 {
            let found = self.ask("GET", "/api/v1/plugins?limit=500", &[], b"").await?;
            let found = found.get("items").and_then(Value::as_array).map_or(0, Vec::len);
            if found >= builtin {
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
        bail!("the built-in plugins were not there after two minutes")
    }

    /// Makes a model file the next version of a model; gives the version.
    pub(crate) async fn import(&mut self, model: &str, file: &Path) -> Result<Value> {
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let bytes = std::fs::read(file).with_context(|| file.display().to_string())?;
        let path = format!("/api/v1/registry/models/{model}/versions?file={name}");
        let version = self.ask("POST", &path, &[("content-type", "application/octet-stream")], &bytes).await;
        version.with_context(|| format!("importing {}", file.display()))
    }

    /// Deploys the only version of a model.
    pub(crate) async fn deploy(&mut self, name: &str, model: &str, limits: Value) -> Result<()> {
        let spec = json!({"name": name, "model": model, "routes": [{"version": 1}], "limits": limits});
        let body = spec.to_string();
        let json = [("content-type", "application/json")];
        let deployed = self.ask("PUT", "/api/v1/deployment", &json, body.as_bytes()).await;
        deployed.map(drop).with_context(|| format!("deploying {name}"))
    }

    /// Uploads a plugin.
    pub(crate) async fn plugin(&mut self, name: &str, component: &[u8]) -> Result<()> {
        let path = format!("/api/v1/plugins?name={name}");
        let uploaded = self.ask("POST", &path, &[("content-type", "application/wasm")], component).await;
        uploaded.map(drop).with_context(|| format!("uploading {name}"))
    }

    /// Mounts a function.
    pub(crate) async fn function(&mut self, record: &Value) -> Result<()> {
        let json = [("content-type", "application/json")];
        self.ask("PUT", "/api/v1/functions", &json, record.to_string().as_bytes()).await.map(drop)
    }

    async fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Value> {
        let reply = self.0.call(&request(method, path, headers, body)).await?;
        if !(200..300).contains(&reply.status) {
            bail!("{method} {path}: {} {}", reply.status, String::from_utf8_lossy(reply.body));
        }
        Ok(serde_json::from_slice(reply.body)?)
    }
}
