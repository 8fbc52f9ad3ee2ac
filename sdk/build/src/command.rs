//! Starting cargo, rustc and rustup without what an outer cargo left behind.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::{Error, Result};

/// Settings of cargo that a nested one keeps: where its home is and how it
/// reaches the network. All others name the outer build (its target, flags,
/// wrapper, job server) and would change or block the nested one.
const KEPT: [&str; 5] = ["CARGO_HOME", "CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTR", "CARGO_SOURCE_"];

/// Variables without the prefix `CARGO_` that an outer build sets.
const DROPPED: [&str; 17] = [
    "RUSTC",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_BOOTSTRAP",
    "RUSTC_LINKER",
    "RUSTDOC",
    "RUSTFLAGS",
    "RUSTDOCFLAGS",
    "MAKEFLAGS",
    "MFLAGS",
    "TARGET",
    "HOST",
    "PROFILE",
    "OUT_DIR",
    "OPT_LEVEL",
    "DEBUG",
    "NUM_JOBS",
];

/// Whether a nested build gets a variable.
fn inherited(name: &str) -> bool {
    if name.starts_with("CARGO") {
        return KEPT.iter().any(|kept| name.starts_with(kept));
    }
    !DROPPED.contains(&name) && !name.starts_with("DEP_") && !name.starts_with("CLIPPY_")
}

/// A command with a clean environment, in a directory.
pub(crate) fn clean(program: impl Into<OsString>, directory: &Path) -> Command {
    let mut command = Command::new(program.into());
    command.current_dir(directory).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if !name.to_str().is_none_or(inherited) {
            command.env_remove(&name);
        }
    }
    command
}

/// The cargo that runs this program, or the one on the path.
pub(crate) fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Result<Output> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.output().map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => Error::Toolchain(format!(
            "{program} was not found; install Rust with rustup (https://rustup.rs) and put ~/.cargo/bin on the path"
        )),
        _ => Error::Io { what: format!("starting {program}"), source },
    })
}

/// Runs a command, and ends it after a time. Whether it succeeded.
pub(crate) fn succeeds_within(command: &mut Command, limit: Duration) -> bool {
    let Ok(mut child) = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn() else { return false };
    let deadline = Instant::now() + limit;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(50)),
            _ => {
                // The result does not matter: the child is ours, and it is over.
                let _ = child.kill();
                let _ = child.wait();
                return false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outer_build_leaves_nothing() {
        for name in [
            "CARGO",
            "CARGO_TARGET_DIR",
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_MAKEFLAGS",
            "CARGO_BUILD_TARGET",
            "RUSTFLAGS",
            "RUSTC_WORKSPACE_WRAPPER",
            "CLIPPY_ARGS",
            "DEP_Z_ROOT",
        ] {
            assert!(!inherited(name), "{name}");
        }
        for name in ["CARGO_HOME", "CARGO_NET_OFFLINE", "PATH", "RUSTUP_TOOLCHAIN", "HTTPS_PROXY"] {
            assert!(inherited(name), "{name}");
        }
    }

    #[test]
    fn a_hanging_command_is_ended() {
        let start = Instant::now();
        assert!(!succeeds_within(Command::new("sleep").arg("30"), Duration::from_millis(200)));
        assert!(start.elapsed() < Duration::from_secs(10));
        assert!(succeeds_within(&mut Command::new("true"), Duration::from_secs(10)));
        assert!(!succeeds_within(&mut Command::new("no-such-program"), Duration::from_secs(1)));
    }
}
