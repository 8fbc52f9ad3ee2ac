//! Finding a compiler for the guest target.
//!
//! In this order: rustup's own target, where it is installed or can be fetched;
//! then Debian's `rustc-web` with the standard library's sources (`rust-web-src`),
//! which needs no network. A failed attempt to fetch is remembered in the guest
//! target directory for a day, so an offline machine pays for it once.

use std::net::{TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::{Error, Result, TARGET, command};

/// Chooses the route: `rustup` or `debian`; anything else tries both.
pub const ROUTE_VARIABLE: &str = "MODELYARD_GUEST_TOOLCHAIN";

/// What a Debian machine lacks, as one line for a shell.
pub const APT_GET: &str = "apt-get install -y rustc-web rust-web-src";

const FETCH_LIMIT: Duration = Duration::from_secs(90);
const FETCH_AGAIN_AFTER: Duration = Duration::from_secs(24 * 3600);

/// A compiler for the guest target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Toolchain {
    /// The target's standard library lies in the toolchain's own directory.
    Rustup,
    /// Debian's compiler builds the standard library from its sources.
    Debian {
        /// The compiler: `/usr/bin/rustc`.
        rustc: PathBuf,
        /// A linker for WebAssembly: `rust-lld` or `wasm-ld`.
        linker: PathBuf,
    },
}

impl Toolchain {
    /// Sets up a cargo command to compile for the guest target.
    pub(crate) fn apply(&self, cargo: &mut Command) {
        cargo.args(["--target", TARGET]);
        if let Toolchain::Debian { rustc, linker } = self {
            // Debian ships the sources and no compiled library for this target;
            // building it from a stable compiler needs the bootstrap switch.
            cargo.arg("-Zbuild-std=std,panic_abort");
            cargo.env("RUSTC", rustc).env("RUSTC_BOOTSTRAP", "1");
            cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
    }
}

/// Finds the compiler for crates below `directory` (its `rust-toolchain.toml`
/// counts). What failed is remembered in `target_dir`.
pub fn find(directory: &Path, target_dir: &Path) -> Result<Toolchain> {
    let route = std::env::var(ROUTE_VARIABLE).unwrap_or_default();
    let sysroot = sysroot(directory)?;
    let mut tried = Vec::new();
    if route != "debian" {
        match rustup(directory, target_dir, &sysroot) {
            Ok(()) => return Ok(Toolchain::Rustup),
            Err(why) => tried.push(why),
        }
    }
    if route != "rustup" {
        match debian(&sysroot) {
            Ok(toolchain) => return Ok(toolchain),
            Err(why) => tried.push(why),
        }
    }
    Err(Error::Toolchain(format!(
        "plugins are compiled for {TARGET}, and no compiler for it was found:\n  - {}\n\
         Get it in one of two ways:\n  - with a network: rustup target add {TARGET}\n  \
         - on Debian or Ubuntu, as root: {APT_GET}",
        tried.join("\n  - ")
    )))
}

/// Where the toolchain of a directory lies.
fn sysroot(directory: &Path) -> Result<PathBuf> {
    let output = command::run(command::clean("rustc", directory).args(["--print", "sysroot"]))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Error::Toolchain(format!("rustc does not run: {}", said.trim())));
    }
    Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
}

fn rustup(directory: &Path, target_dir: &Path, sysroot: &Path) -> Result<(), String> {
    let library = sysroot.join("lib/rustlib").join(TARGET).join("lib");
    if library.is_dir() {
        return Ok(());
    }
    let failed = target_dir.join("rustup-target-failed");
    let note = sysroot.to_string_lossy();
    if recently_failed(&failed, &note) {
        return Err(format!(
            "`rustup target add {TARGET}` failed within the last day (remembered in {})",
            failed.display()
        ));
    }
    let mut add = command::clean("rustup", directory);
    if reachable()
        && command::succeeds_within(add.args(["target", "add", TARGET]), FETCH_LIMIT)
        && library.is_dir()
    {
        return Ok(());
    }
    // Only a time-saver: when it can't be written, the next build tries again.
    let _ = std::fs::create_dir_all(target_dir).and_then(|()| std::fs::write(&failed, note.as_bytes()));
    Err(format!(
        "{} does not hold the target, and `rustup target add {TARGET}` did not fetch it (no rustup, or no network)",
        sysroot.display()
    ))
}

fn recently_failed(note: &Path, sysroot: &str) -> bool {
    let age = std::fs::metadata(note)
        .and_then(|metadata| metadata.modified())
        .ok()
        .and_then(|modified| SystemTime::now().duration_since(modified).ok());
    age.is_some_and(|age| age < FETCH_AGAIN_AFTER)
        && std::fs::read_to_string(note).is_ok_and(|text| text == sysroot)
}

/// Whether fetching is worth a try. Behind a proxy or with a mirror it is; else a
/// connection must be had within 3 s, because rustup itself waits for minutes.
fn reachable() -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "RUSTUP_DIST_SERVER"]
        .iter()
        .any(|name| set(name))
    {
        return true;
    }
    let Ok(mut addresses) = ("static.rust-lang.org", 443).to_socket_addrs() else { return false };
    addresses
        .next()
        .is_some_and(|address| TcpStream::connect_timeout(&address, Duration::from_secs(3)).is_ok())
}

fn debian(sysroot: &Path) -> Result<Toolchain, String> {
    let rustc = PathBuf::from("/usr/bin/rustc");
    if !rustc.is_file() {
        return Err("Debian's rustc (package rustc-web) is not installed: no /usr/bin/rustc".to_owned());
    }
    let sources = Path::new("/usr/lib/rustlib/src/rust/library/std/Cargo.toml");
    if !sources.is_file() {
        return Err(format!(
            "the standard library's sources (package rust-web-src) are not installed: no {}",
            sources.display()
        ));
    }
    let linker = linker(sysroot).ok_or(
        "no linker for WebAssembly: neither rust-lld in the rustup toolchain nor wasm-ld (package lld)",
    )?;
    Ok(Toolchain::Debian { rustc, linker })
}

/// The toolchain's own `rust-lld`, else a `wasm-ld` on the path.
fn linker(sysroot: &Path) -> Option<PathBuf> {
    let own = std::fs::read_dir(sysroot.join("lib/rustlib"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin/rust-lld"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let others = std::env::split_paths(&path).map(|directory| directory.join("wasm-ld")).collect::<Vec<_>>();
    own.chain(others).find(|candidate| candidate.is_file())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_failed_fetch_is_remembered_per_toolchain() {
        let directory = Scratch::new();
        let note = directory.path().join("note");
        assert!(!recently_failed(&note, "/toolchain"));
        std::fs::write(&note, "/toolchain").unwrap();
        assert!(recently_failed(&note, "/toolchain"));
        assert!(!recently_failed(&note, "/another"));
    }

    #[test]
    fn a_toolchain_that_holds_the_target_is_taken_without_a_fetch() {
        let directory = Scratch::new();
        std::fs::create_dir_all(directory.path().join("lib/rustlib").join(TARGET).join("lib")).unwrap();
        assert_eq!(rustup(directory.path(), directory.path(), directory.path()), Ok(()));
        assert!(!directory.path().join("rustup-target-failed").exists());
    }

    #[test]
    fn the_linker_of_the_toolchain_comes_first() {
        let directory = Scratch::new();
        let bin = directory.path().join("lib/rustlib/some-host/bin");
        std::fs::create_dir_all(&bin).unwrap();
        std::fs::write(bin.join("rust-lld"), "").unwrap();
        assert_eq!(linker(directory.path()), Some(bin.join("rust-lld")));
    }
}
