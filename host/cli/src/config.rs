//! The server's configuration: a TOML file, and flags over it.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use modelyard_lifecycle::notify;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};
use url::Url;

use crate::{document::Usage, manifest::text::Toml};

/// What the services are started with.
#[derive(Debug, Default)]
pub(crate) struct Config {
    /// The `[server]` section.
    pub(crate) server: modelyard_server::Options,
    /// All others.
    pub(crate) platform: modelyard_lifecycle::Options,
}

impl Config {
    /// Reads a file. Relative paths in it are relative to it.
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let name = file.display().to_string();
        let text = std::fs::read_to_string(file).with_context(|| name.clone())?;
        let directory = file.parent().unwrap_or(Path::new(""));
        Self::parse(&Toml::new(&name, &text, directory), directory)
    }

    fn parse<'t>(toml: &Toml<'t>, directory: &Path) -> Result<Self> {
        let mut table: Spanned<DeTable<'t>> = toml.table()?;
        let server = table.get_mut().remove("server").map(|section| match section.get_ref() {
            DeValue::Table(_) => toml.part(section),
            _ => Err(toml.error(Some(section.span()), "`server` is a section: write [server]")),
        });
        let placed = table.get_ref().contains_key("data_dir");
        let mut platform: modelyard_lifecycle::Options = toml.read(table)?;
        let anchor = |path: &mut PathBuf| *path = directory.join(&*path);
        if placed {
            anchor(&mut platform.data_dir);
        }
        platform.ingestion.roots.iter_mut().for_each(anchor);
        Ok(Self { server: server.transpose()?.unwrap_or_default(), platform })
    }
}

/// The mail server that a URL names: `smtp://user:password@host:port?from=…&tls=…`.
/// `smtp` begins in the clear and switches to TLS, except on this machine;
/// `smtps` is TLS from the first byte; `tls=none|starttls|tls` says it outright.
pub(crate) fn smtp(text: &str) -> Result<notify::Smtp> {
    let wrong = |why: &str| {
        Usage::new(format!(
            "--smtp {why}; write smtp://user:password@mail.example.com:587?from=alerts@example.com"
        ))
    };
    let url = Url::parse(text).map_err(|error| wrong(&format!("is no URL ({error})")))?;
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| wrong("names no host"))?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let near = host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    let mut tls = match url.scheme() {
        "smtp" if near => notify::Tls::None,
        "smtp" => notify::Tls::Starttls,
        "smtps" => notify::Tls::Tls,
        other => bail!(wrong(&format!("can't be {other}://"))),
    };
    let mut from = "Modelyard <modelyard@localhost>".to_owned();
    for (name, value) in url.query_pairs() {
        match (&*name, &*value) {
            ("from", value) => from = value.to_owned(),
            ("tls", "none") => tls = notify::Tls::None,
            ("tls", "starttls") => tls = notify::Tls::Starttls,
            ("tls", "tls") => tls = notify::Tls::Tls,
            _ => bail!(wrong(&format!("takes from=… and tls=none, starttls or tls, not {name}={value}"))),
        }
    }
    // A URL's user and password are percent-encoded; its query decodes them.
    let plain = |text: &str| -> Option<String> {
        let pair = format!("v={}", text.replace('+', "%2B").replace('&', "%26"));
        url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned())
    };
    let username = Some(url.username()).filter(|name| !name.is_empty()).and_then(plain);
    let password = url.password().and_then(plain).map(notify::Secret::new);
    Ok(notify::Smtp {
        host,
        port: url.port(),
        tls,
        ca_file: None,
        username,
        password,
        from,
        timeout: std::time::Duration::from_secs(20),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parse(text: &str) -> Result<Config> {
        Config::parse(&Toml::new("yard.toml", text, Path::new("")), Path::new("/srv"))
    }

    #[test]
    fn a_file_sets_server_and_platform() {
        let text = "commit_interval_ms = 5\n[server]\nlisten = '127.0.0.1:9000'\ngrpc_listen = '[::1]:9001'\n[ingestion]\nhosts = ['example.com']\n[prices]\ncurrency = 'CHF'";
        let config = parse(text).unwrap();
        assert_eq!(config.server.listen.port(), 9000);
        assert_eq!(config.server.grpc_listen.map(|address| address.port()), Some(9001));
        assert_eq!(config.platform.commit_interval_ms, 5);
        assert_eq!(config.platform.ingestion.hosts, ["example.com"]);
        assert_eq!(config.platform.prices.currency, "CHF");
        // Paths of the file are relative to it, the default to where the server starts.
        assert_eq!(parse("").unwrap().platform.data_dir, Path::new("data"));
        let placed = parse("data_dir = 'yard'\n[ingestion]\nroots = ['in', '/out']").unwrap().platform;
        assert_eq!(placed.data_dir, Path::new("/srv/yard"));
        assert_eq!(placed.ingestion.roots, [Path::new("/srv/in"), Path::new("/out")]);
    }

    #[test]
    fn faults_say_their_line() {
        let told = |text: &str| parse(text).unwrap_err().to_string();
        assert!(
            told("[server]\nlisten = '127.0.0.1:1'\nlisen = 1")
                .starts_with("yard.toml:3:1: unknown field `lisen`")
        );
        assert!(told("datadir = 'x'").starts_with("yard.toml:1:1: unknown field `datadir`"));
        assert!(told("[ingestion]\nmax_bytes = 'many'").starts_with("yard.toml:2:13: invalid type"));
        assert!(told("[server]\nlisten = 'here'").starts_with("yard.toml:2:10: invalid socket address"));
        assert!(told("server = 3").contains("[server]"));
        assert!(told("[server").starts_with("yard.toml:1:"));
    }

    #[test]
    fn mail_servers_are_named_by_url() {
        let near = smtp("smtp://127.0.0.1:2525?from=a@example.com").unwrap();
        assert_eq!(
            (near.host.as_str(), near.port(), near.tls, near.from.as_str()),
            ("127.0.0.1", 2525, notify::Tls::None, "a@example.com")
        );
        let far = smtp("smtp://us%40er:p%26+w@mail.example.com").unwrap();
        assert_eq!((far.port(), far.tls), (587, notify::Tls::Starttls));
        assert_eq!(far.username.as_deref(), Some("us@er"));
        assert_eq!(far.password.unwrap().reveal(), "p&+w");
        assert_eq!(smtp("smtps://mail.example.com").unwrap().port(), 465);
        for bad in
            ["mail.example.com", "http://mail.example.com", "smtp://h?tls=ssl", "smtp://h?fro=x", "smtp://"]
        {
            assert!(smtp(bad).is_err(), "{bad}");
        }
    }
}
