//! What the tests share: guests, a runtime with a real child, small builders.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use modelyard_runtime::types::{Column, ColumnData, Tensor, TensorData};
use modelyard_runtime::{
    CompileLimits, Limits, Model, ModelOptions, Options, Plugin, Runtime, Worker, digest,
};

const GUESTS: [&str; 6] = ["scoring", "ingestion", "features", "training", "evaluation", "monitoring"];

/// A guest as a component, built when its sources are newer.
pub fn guest(name: &str) -> Bytes {
    let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests");
    let built = modelyard_build::default_target_dir().join("components").join(format!("guest-{name}.wasm"));
    let sources =
        [guests.join(name).join("src/lib.rs"), guests.join("Cargo.lock"), guests.join("../../../../wit")];
    let newest = sources.iter().map(|path| modified(path)).max().unwrap();
    if modified(&built) < newest {
        let crates: Vec<PathBuf> = GUESTS.iter().map(|name| guests.join(name)).collect();
        let built = modelyard_build::build_all(&crates, &Default::default()).expect("the guests build");
        let found = built.into_iter().find(|built| built.name == format!("guest-{name}")).unwrap();
        return found.bytes.into();
    }
    std::fs::read(built).unwrap().into()
}

/// The core module that a guest was encoded from; it carries its metadata.
pub fn core_module(name: &str) -> Vec<u8> {
    let _ = guest(name);
    let path = format!("wasm32-unknown-unknown/guest/guest_{name}.wasm");
    std::fs::read(modelyard_build::default_target_dir().join(path)).unwrap()
}

fn modified(path: &Path) -> SystemTime {
    std::fs::metadata(path).and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// A runtime with a cache of its own and a real child.
pub struct Home {
    pub directory: tempfile::TempDir,
    pub runtime: Runtime,
}

pub fn options(directory: &Path) -> Options {
    Options {
        cache_dir: directory.join("cache"),
        max_instances: 50,
        worker: Worker::Process(env!("CARGO_BIN_EXE_modelyard-worker").into(), vec![]),
        compile: CompileLimits::default(),
        ..Options::default()
    }
}

pub fn home() -> Home {
    home_with(|_| ())
}

pub fn home_with(change: impl FnOnce(&mut Options)) -> Home {
    let directory = tempfile::tempdir().unwrap();
    let mut options = options(directory.path());
    change(&mut options);
    let runtime = Runtime::new(options).unwrap();
    Home { directory, runtime }
}

impl Home {
    pub async fn plugin(&self, name: &str) -> Plugin {
        let bytes = guest(name);
        self.runtime.plugin(&digest(&bytes), bytes).await.unwrap()
    }

    /// The scoring guest with an artifact, as a model.
    pub async fn model(&self, artifact: &[u8], change: impl FnOnce(&mut ModelOptions)) -> Model {
        let (bytes, _) = self.runtime.snapshot(&guest("scoring"), artifact).await.unwrap();
        let mut options = ModelOptions { deadline: Duration::from_secs(30), ..ModelOptions::default() };
        change(&mut options);
        self.runtime.model(&digest(&bytes), bytes, options).await.unwrap()
    }

    /// Compiled code on disk.
    pub fn code(&self) -> Vec<PathBuf> {
        let files = std::fs::read_dir(self.directory.path().join("cache")).unwrap();
        let files = files.map(|file| file.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|extension| extension == "cwasm")).collect()
    }
}

pub fn limits() -> Limits {
    Limits { deadline: Duration::from_secs(30), ..Limits::small() }
}

pub fn fp64(name: &str, values: &[f64]) -> Tensor {
    Tensor { name: name.into(), shape: vec![values.len() as i64], data: TensorData::Fp64(values.to_vec()) }
}

pub fn values(tensor: &Tensor) -> &[f64] {
    match &tensor.data {
        TensorData::Fp64(values) => values,
        other => panic!("{other:?}"),
    }
}

pub fn f64s(name: &str, values: &[f64]) -> Column {
    Column { name: name.into(), data: ColumnData::F64(values.to_vec()), validity: None }
}
