//! Tools from PyPI and npm, installed below the target directory once for each
//! list of what is needed.

use std::{
    fs::{self, File},
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// What a command printed.
pub fn told(output: &Output) -> String {
    [&output.stdout[..], &output.stderr[..]].map(|text| String::from_utf8_lossy(text).into_owned()).concat()
}

/// Runs a step that has to work; `missing` says what to do if it doesn't.
pub fn step(command: &mut Command, missing: &str) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}. {missing}"));
    assert!(output.status.success(), "{command:?}: {}\n{}\n{missing}", output.status, told(&output));
    told(&output)
}

/// A directory for a tool that is named by what it is made of, and filled once:
/// one process fills it, the others wait.
fn place(name: &str, of: impl Hash, fill: impl FnOnce(&Path)) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    let home = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(home).unwrap();
    let place = home.join(format!("{name}-{:016x}", hasher.finish()));
    let whole = place.join("whole");
    let lock = File::create(place.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    if !whole.exists() {
        let _ = fs::remove_dir_all(&place);
        fs::create_dir_all(&place).unwrap();
        fill(&place);
        fs::write(&whole, "").unwrap();
    }
    place
}

/// As [`place`], and what was made of something else before is gone.
pub fn once(name: &str, of: impl Hash, fill: impl FnOnce(&Path)) -> PathBuf {
    let place = place(name, of, fill);
    for entry in fs::read_dir(place.parent().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_stem().unwrap().to_str().unwrap();
        if file.starts_with(&format!("{name}-")) && file != place.file_name().unwrap() && path.is_dir() {
            // Another process may be at it, too.
            let _ = fs::remove_dir_all(path);
        }
    }
    place
}

/// A Python environment that has what a file of requirements lists.
pub fn python(name: &str, requirements: &Path) -> PathBuf {
    let version = step(
        Command::new("python3").arg("--version"),
        "These tests run Python programs: install python3, 3.10 or later.",
    );
    place(name, (version, fs::read(requirements).unwrap()), |place| {
        step(
            Command::new("python3").args(["-m", "venv"]).arg(place),
            "python3 needs its venv module: on Debian and Ubuntu apt-get install python3-venv.",
        );
        step(
            Command::new(place.join("bin/python"))
                .args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--quiet"])
                .args(["--only-binary", ":all:", "-r"])
                .arg(requirements),
            "The packages come from PyPI: these tests need to reach it, or a mirror that pip is configured for.",
        );
    })
}

/// A directory whose `node_modules` has what a package's lock file lists.
pub fn node(name: &str, package: &Path) -> PathBuf {
    let version = step(
        Command::new("node").arg("--version"),
        "These tests build JavaScript: install Node.js 20 or later with npm (on Debian and Ubuntu apt-get install nodejs npm).",
    );
    let files = ["package.json", "package-lock.json"];
    let contents = files.map(|file| fs::read(package.join(file)).unwrap());
    place(name, (version, contents), |place| {
        for file in files {
            fs::copy(package.join(file), place.join(file)).unwrap();
        }
        step(
            Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(place),
            "The packages come from npm: these tests need to reach it, or a mirror that npm is configured for.",
        );
    })
}
