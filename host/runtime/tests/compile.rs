//! Compiling and snapshotting in a child that can be killed, and the cache.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use common::{fp64, guest, home, home_with, limits, options, values};
use modelyard_runtime::{Error, Fault, Fetch, Grants, ModelOptions, Runtime, Source, Worker, digest};

/// A component with so many functions of so many branches; it compiles, given
/// time and memory.
fn bomb(functions: usize, branches: usize) -> Bytes {
    let mut body = vec![0, 0x20, 0];
    for n in 0..branches {
        // f64.const n, f64.add, local.get 1, if nop end
        body.push(0x44);
        body.extend((n as f64).to_le_bytes());
        body.extend([0xa0, 0x20, 1, 0x04, 0x40, 0x01, 0x0b]);
    }
    body.push(0x0b);
    let mut code = leb(functions);
    for _ in 0..functions {
        code.extend(sized(&body));
    }
    let mut types = leb(functions);
    types.extend(vec![0; functions]);
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    // One type: (f64, i32) -> f64.
    for (id, section) in [(1, vec![1, 0x60, 2, 0x7c, 0x7f, 1, 0x7c]), (3, types), (10, code)] {
        module.push(id);
        module.extend(sized(&section));
    }
    let mut component = b"\0asm\x0d\0\x01\0\x01".to_vec();
    component.extend(sized(&module));
    component.into()
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    let mut out = leb(bytes.len());
    out.extend(bytes);
    out
}

fn leb(mut number: usize) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            out.push(low);
            return out;
        }
        out.push(low | 0x80);
    }
}

#[tokio::test]
async fn code_is_compiled_once_and_read_back() {
    let home = home();
    let bytes = guest("scoring");
    let name = digest(&bytes);
    drop(home.runtime.plugin(&name, bytes.clone()).await.unwrap());
    assert_eq!(home.code().len(), 1);
    // A second runtime on the same directory needs no compiler.
    let mut options = options(home.directory.path());
    options.worker = Worker::Process("/nonexistent".into(), vec![]);
    let second = Runtime::new(options).unwrap();
    let plugin = second.plugin(&name, bytes).await.unwrap();
    assert_eq!(plugin.describe().await.unwrap().summary, "Multiplies");
}

#[tokio::test]
async fn flipped_bytes_in_the_cache_are_compiled_again() {
    let home = home();
    let bytes = guest("scoring");
    let name = digest(&bytes);
    drop(home.runtime.plugin(&name, bytes.clone()).await.unwrap());
    let path = home.code().pop().unwrap();
    let sound = std::fs::read(&path).unwrap();
    for at in [0, 20, sound.len() / 3, sound.len() / 2, sound.len() - 1] {
        let mut flipped = sound.clone();
        flipped[at] ^= 0xff;
        std::fs::write(&path, &flipped).unwrap();
        // This runtime has seen the file sound, a new one has not.
        for runtime in [home.runtime.clone(), Runtime::new(options(home.directory.path())).unwrap()] {
            let plugin = runtime.plugin(&name, bytes.clone()).await.unwrap();
            assert_eq!(plugin.describe().await.unwrap().summary, "Multiplies");
            assert_eq!(std::fs::read(&path).unwrap().len(), sound.len(), "flipped at {at}");
            assert_ne!(std::fs::read(&path).unwrap(), flipped, "flipped at {at}");
        }
    }
    // A truncated file, and one without its checksum.
    std::fs::write(&path, &sound[..sound.len() / 2]).unwrap();
    home.runtime.plugin(&name, bytes.clone()).await.unwrap();
    std::fs::remove_file(path.with_extension("crc32")).unwrap();
    let fresh = Runtime::new(options(home.directory.path())).unwrap();
    fresh.plugin(&name, bytes).await.unwrap();
    assert!(path.with_extension("crc32").exists());
}

#[test]
fn the_cache_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let home = home();
    let mode = std::fs::metadata(home.directory.path().join("cache")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[tokio::test]
async fn bytes_are_held_to_their_digest() {
    let home = home();
    let bytes = guest("scoring");
    let wrong = digest(b"something else");
    match home.runtime.plugin(&wrong, bytes).await.map(drop) {
        Err(Error::Digest { expected, .. }) => assert_eq!(expected, wrong),
        other => panic!("{other:?}"),
    }
    assert!(home.code().is_empty());
}

#[tokio::test]
async fn a_component_that_takes_too_long_to_compile_is_killed() {
    let home = home_with(|options| options.compile.time_ms = 500);
    let bytes = bomb(3000, 200);
    let start = Instant::now();
    match home.runtime.plugin(&digest(&bytes), bytes).await.map(drop) {
        Err(Error::CompileTime(limit)) => assert_eq!(limit, Duration::from_millis(500)),
        other => panic!("{other:?}"),
    }
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    assert!(home.code().is_empty());
}

#[tokio::test]
async fn a_component_that_takes_too_much_memory_to_compile_is_stopped() {
    // Thirty memory images of 60 MB each, in two kilobytes.
    let module = r#"(core module (memory 1000) (data (i32.const 0) "a") (data (i32.const 62000000) "a"))"#;
    let bytes = Bytes::from(wat::parse_str(format!("(component {})", module.repeat(30))).unwrap());
    let home = home_with(|options| options.compile.memory_bytes = 400 << 20);
    match home.runtime.plugin(&digest(&bytes), bytes).await.map(drop) {
        Err(Error::CompileMemory(limit)) => assert_eq!(limit, 400 << 20),
        other => panic!("{other:?}"),
    }
    // An honest component compiles within the same limit.
    home.plugin("scoring").await;
}

#[tokio::test]
async fn a_killed_compiler_is_an_error_and_leaves_nothing() {
    let home = home_with(|options| {
        options.worker = Worker::Process("/bin/sh".into(), vec!["-c".into(), "kill -9 $$".into()]);
    });
    let bytes = guest("scoring");
    match home.runtime.plugin(&digest(&bytes), bytes).await.map(drop) {
        Err(Error::Worker(reason)) => assert!(reason.contains("signal: 9"), "{reason}"),
        other => panic!("{other:?}"),
    }
    assert!(home.code().is_empty());
    let home = home_with(|options| options.worker = Worker::Process("/nonexistent".into(), vec![]));
    let bytes = guest("scoring");
    let error = home.runtime.plugin(&digest(&bytes), bytes).await.map(drop).unwrap_err();
    assert!(error.to_string().contains("/nonexistent"), "{error}");
}

#[tokio::test]
async fn an_invalid_component_is_refused_by_the_compiler_too() {
    let home = home();
    let bytes = Bytes::from_static(b"\0asm\x0d\0\x01\0\x7f\x7f");
    let error = home.runtime.plugin(&digest(&bytes), bytes).await.map(drop).unwrap_err();
    assert!(matches!(error, Error::Compile(_)), "{error:?}");
    // The text form is no component, although the engine would take it.
    let bytes = Bytes::from_static(b"(component)");
    let error = home.runtime.plugin(&digest(&bytes), bytes).await.map(drop).unwrap_err();
    assert!(matches!(error, Error::Compile(_)), "{error:?}");
}

#[tokio::test]
async fn a_snapshot_holds_the_loaded_model() {
    let home = home();
    let runner = guest("scoring");
    let mut artifact = vec![7; 20 << 20];
    artifact[0] = 3;
    let (bytes, signature) = home.runtime.snapshot(&runner, &artifact).await.unwrap();
    assert_eq!(signature.inputs[0].name, "x");
    assert!(bytes.len() > artifact.len());
    let found = home.runtime.inspect(&bytes).unwrap();
    assert!(found.pure);
    let options = ModelOptions { signature: Some(signature), ..ModelOptions::default() };
    let model = home.runtime.model(&digest(&bytes), bytes, options).await.unwrap();
    let (outputs, timings) = model.predict(vec![fp64("x", &[1.0, f64::NAN])]).await.unwrap();
    assert_eq!(values(&outputs[0])[0], 3.0);
    assert!(timings.memory_bytes > 20 << 20);
}

#[tokio::test]
async fn what_load_does_wrong_is_told() {
    let home = home();
    let runner = guest("scoring");
    let fault = |error| match error {
        Error::Load(call) => call.fault,
        other => panic!("{other:?}"),
    };
    match fault(home.runtime.snapshot(&runner, b"refuse").await.unwrap_err()) {
        Fault::InvalidInput(input) => assert_eq!(input.message, "not an artifact of this model"),
        other => panic!("{other:?}"),
    }
    match fault(home.runtime.snapshot(&runner, b"panic").await.unwrap_err()) {
        Fault::Panicked { message, .. } => assert!(message.contains("haunted"), "{message}"),
        other => panic!("{other:?}"),
    }
    let hasty = home_with(|options| options.compile.time_ms = 3000);
    let error = hasty.runtime.snapshot(&runner, b"loop").await.unwrap_err();
    assert!(matches!(error, Error::CompileTime(_)), "{error:?}");
    let error = home.runtime.snapshot(&guest("features"), b"").await.unwrap_err();
    assert!(matches!(error, Error::Snapshot(_)), "{error:?}");
}

struct Counted(Bytes, AtomicUsize);

#[async_trait]
impl Fetch for Counted {
    async fn fetch(&self, _digest: &str) -> Result<Bytes, String> {
        self.1.fetch_add(1, Ordering::SeqCst);
        Ok(self.0.clone())
    }
}

#[tokio::test]
async fn bytes_are_fetched_only_to_compile_and_once_for_many_callers() {
    let home = home();
    let bytes = guest("scoring");
    let name = digest(&bytes);
    let counted = Arc::new(Counted(bytes, AtomicUsize::new(0)));
    let source = || Source::Fetch(Arc::clone(&counted) as Arc<dyn Fetch>);
    let plugins = (0..8).map(|_| home.runtime.plugin(&name, source()));
    let plugins = futures::future::join_all(plugins).await;
    assert!(plugins.iter().all(Result::is_ok));
    drop(plugins);
    home.runtime.plugin(&name, source()).await.unwrap();
    assert_eq!(counted.1.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn compiling_in_this_process_gives_the_same_code() {
    let home = home_with(|options| options.worker = Worker::InProcess);
    let plugin = home.plugin("features").await;
    let mut session = plugin.session(limits(), Grants::default()).await.unwrap();
    assert_eq!(session.describe().await.unwrap().summary, "Centres x");
}
