//! What runs in Python: virtual environments made once below the cache, with
//! nothing of this machine's own packages in them.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result, bail};
use tokio::process::Command;

/// Where the scripts and the lists of packages are.
pub(crate) fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("python")
}

/// Where environments, models and data are kept between runs:
/// `$MODELYARD_BENCH_DIR`, else `~/.cache/modelyard/bench`.
pub(crate) fn cache() -> Result<PathBuf> {
    let given = std::env::var_os("MODELYARD_BENCH_DIR").map(PathBuf::from);
    let home = std::env::home_dir().map(|home| home.join(".cache/modelyard/bench"));
    let cache = given.or(home).context("there is no home directory; set MODELYARD_BENCH_DIR")?;
    std::fs::create_dir_all(&cache).with_context(|| cache.display().to_string())?;
    Ok(cache)
}

/// A virtual environment.
pub(crate) struct Environment(PathBuf);

impl Environment {
    /// The one that `python/NAME.txt` describes, made again when that changed.
    pub(crate) async fn named(name: &str) -> Result<Self> {
        let wanted = scripts().join(name).with_extension("txt");
        let text = std::fs::read_to_string(&wanted).with_context(|| wanted.display().to_string())?;
        let path = cache()?.join(format!("venv-{name}"));
        let made = path.join("made-from.txt");
        if std::fs::read_to_string(&made).is_ok_and(|known| known == text) {
            return Ok(Self(path));
        }
        eprintln!("making {} from {}", path.display(), wanted.display());
        let mut create = Command::new("python3");
        run(create.args(["-m", "venv", "--clear"]).arg(&path)).await?;
        let mut install = Command::new(path.join("bin/python"));
        install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]);
        run(install.arg(&wanted)).await?;
        std::fs::write(&made, text)?;
        Ok(Self(path))
    }

    /// One of its programs. Numerical libraries get one thread: rows come singly,
    /// and threads that wait for each other would only slow them.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.0.join("bin").join(program));
        for name in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"] {
            command.env(name, "1");
        }
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }
}

/// Runs a program to its end; gives what it printed.
pub(crate) async fn run(command: &mut Command) -> Result<String> {
    let done = command.stdin(Stdio::null()).output().await;
    let done = done.with_context(|| format!("{:?} can't be started", command.as_std().get_program()))?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        let last: Vec<&str> = said.lines().rev().take(15).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        bail!("{:?} ended with {}:\n{}", command.as_std().get_program(), done.status, last.join("\n"));
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}
