//! What a store of blobs promises, on files and on an object store.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::{
    fs,
    path::Path,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use modelyard_blobs::{Blobs, Digest, Error, Options};
use tokio::io::AsyncWriteExt;

fn path_of(root: &Path, digest: &Digest) -> std::path::PathBuf {
    let hex = digest.hex();
    root.join("sha256").join(&hex[..2]).join(&hex[2..])
}

fn temporaries(root: &Path) -> usize {
    fs::read_dir(root.join("tmp")).unwrap().count()
}

/// Both kinds of store.
async fn stores() -> Vec<(Blobs, Option<tempfile::TempDir>)> {
    let directory = tempfile::tempdir().unwrap();
    let files = Blobs::open(&Options::directory(directory.path())).await.unwrap();
    let memory = Blobs::open(&Options::memory()).await.unwrap();
    vec![(files, Some(directory)), (memory, None)]
}

#[tokio::test]
async fn content_is_found_by_its_digest() {
    for (blobs, _directory) in stores().await {
        let digest = blobs.put(Bytes::from_static(b"hello")).await.unwrap();
        assert_eq!(digest, Digest::of("hello"));
        assert_eq!(blobs.put(Bytes::from_static(b"hello")).await.unwrap(), digest);
        assert_eq!(blobs.get(&digest).await.unwrap(), "hello");
        assert_eq!(blobs.size(&digest).await.unwrap(), 5);
        let empty = blobs.put(Bytes::new()).await.unwrap();
        assert!(blobs.get(&empty).await.unwrap().is_empty());
        let listed = blobs.list().await.unwrap();
        assert_eq!(listed.len(), 2);
        assert!(listed.iter().any(|blob| blob.digest == digest && blob.size == 5));
        assert_eq!(blobs.total_bytes().await.unwrap(), 5);
        let path = blobs.open_verified_path(&digest).await.unwrap();
        assert_eq!(fs::read(path).unwrap(), b"hello");

        assert!(blobs.delete(&digest).await.unwrap());
        assert!(!blobs.delete(&digest).await.unwrap());
        assert!(!blobs.exists(&digest).await.unwrap());
        assert!(blobs.exists(&empty).await.unwrap());
        assert!(matches!(blobs.get(&digest).await, Err(Error::NotFound(missing)) if missing == digest));
        assert!(matches!(blobs.size(&digest).await, Err(Error::NotFound(_))));
        assert!(matches!(blobs.open_verified_path(&digest).await, Err(Error::NotFound(_))));
    }
}

#[tokio::test]
async fn a_blob_is_written_piece_by_piece() {
    for (blobs, directory) in stores().await {
        let mut whole = Vec::new();
        let mut writer = blobs.writer().await.unwrap();
        for piece in 0..40_u32 {
            let bytes: Vec<u8> = (0..100_003_u32).map(|i| (i.wrapping_mul(31) ^ piece) as u8).collect();
            whole.extend_from_slice(&bytes);
            writer.write(&bytes).await.unwrap();
            if piece == 20 {
                writer.flush().await.unwrap();
                assert!(blobs.list().await.unwrap().is_empty(), "visible only when complete");
            }
        }
        let (digest, length) = writer.finish().await.unwrap();
        assert_eq!((digest, length), (Digest::of(&whole), whole.len() as u64));
        assert_eq!(blobs.get(&digest).await.unwrap(), whole);

        let mut abandoned = blobs.writer().await.unwrap();
        abandoned.write(b"half of it").await.unwrap();
        drop(abandoned);
        assert_eq!(blobs.list().await.unwrap().len(), 1);
        if let Some(directory) = &directory {
            assert_eq!(temporaries(directory.path()), 0);
        }
        let (empty, _) = blobs.writer().await.unwrap().finish().await.unwrap();
        assert_eq!(empty, Digest::of(""));
    }
}

#[tokio::test]
async fn a_file_is_moved_in() {
    for (blobs, _directory) in stores().await {
        let elsewhere = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let file = elsewhere.path().join("upload");
            fs::write(&file, "content").unwrap();
            let (digest, length) = blobs.put_file(&file).await.unwrap();
            assert_eq!((digest, length), (Digest::of("content"), 7));
            assert!(!file.exists());
            assert_eq!(blobs.get(&digest).await.unwrap(), "content");
        }
        let error = blobs.put_file(Path::new("/no/such/file")).await.unwrap_err();
        assert!(error.to_string().contains("/no/such/file"), "{error}");
    }
}

#[tokio::test]
async fn a_file_of_another_file_system_is_copied() {
    let shared = Path::new("/dev/shm");
    if !shared.is_dir() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(&Options::directory(directory.path())).await.unwrap();
    let elsewhere = tempfile::tempdir_in(shared).unwrap();
    let file = elsewhere.path().join("upload");
    fs::write(&file, vec![7; 700_000]).unwrap();
    let (digest, _) = blobs.put_file(&file).await.unwrap();
    assert!(!file.exists());
    assert_eq!(blobs.get(&digest).await.unwrap(), vec![7; 700_000]);
    assert_eq!(temporaries(directory.path()), 0);
}

#[tokio::test]
async fn two_writers_of_the_same_content_are_fine() {
    let directory = tempfile::tempdir().unwrap();
    // Two handles that opened the directory by themselves are like two processes.
    let one = Blobs::open(&Options::directory(directory.path())).await.unwrap();
    let two = Blobs::open(&Options::directory(directory.path())).await.unwrap();
    let content = Bytes::from(vec![1; 300_000]);
    let mut tasks = tokio::task::JoinSet::new();
    for blobs in [&one, &two].into_iter().cycle().take(32) {
        let (blobs, content) = (blobs.clone(), content.clone());
        tasks.spawn(async move { blobs.put(content).await });
    }
    while let Some(put) = tasks.join_next().await {
        assert_eq!(put.unwrap().unwrap(), Digest::of(&content));
    }
    assert_eq!(one.list().await.unwrap().len(), 1);
    assert_eq!(two.get(&Digest::of(&content)).await.unwrap(), content);
    assert_eq!(temporaries(directory.path()), 0);
}

#[tokio::test]
async fn damage_is_noticed_named_and_repaired() {
    let directory = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(&Options::directory(directory.path())).await.unwrap();
    let digest = blobs.put(Bytes::from_static(b"precious")).await.unwrap();
    let path = blobs.open_verified_path(&digest).await.unwrap();
    assert_eq!(path, path_of(directory.path(), &digest));

    let mut permissions = fs::metadata(&path).unwrap().permissions();
    assert!(permissions.readonly());
    #[allow(clippy::permissions_set_readonly_false)]
    permissions.set_readonly(false);
    fs::set_permissions(&path, permissions).unwrap();
    fs::write(&path, "Precious").unwrap();
    // The same length: only the modification time tells.
    let later = SystemTime::now() + Duration::from_secs(5);
    fs::File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();

    for error in [blobs.get(&digest).await.unwrap_err(), blobs.open_verified_path(&digest).await.unwrap_err()]
    {
        let Error::Corrupt { digest: named, found, .. } = &error else { panic!("{error}") };
        assert_eq!((*named, *found), (digest, Digest::of("Precious")));
        assert!(error.to_string().contains(&digest.to_string()));
    }
    blobs.put(Bytes::from_static(b"precious")).await.unwrap();
    assert_eq!(blobs.get(&digest).await.unwrap(), "precious");
    fs::remove_file(&path).unwrap();
    fs::write(&path, "cut").unwrap();
    assert!(matches!(blobs.open_verified_path(&digest).await, Err(Error::Corrupt { .. })));
}

#[tokio::test]
async fn leftovers_of_killed_writers_are_swept_and_live_writers_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let first = Blobs::open(&Options::directory(directory.path())).await.unwrap();
    let mut writer = first.writer().await.unwrap();
    writer.write(b"in the making").await.unwrap();
    writer.flush().await.unwrap();
    fs::write(directory.path().join("tmp/4242-0-0"), "left by a killed process").unwrap();
    assert_eq!(temporaries(directory.path()), 2);

    let second = Blobs::open(&Options::directory(directory.path())).await.unwrap();
    assert_eq!(temporaries(directory.path()), 1);
    let (digest, _) = writer.finish().await.unwrap();
    assert_eq!(second.get(&digest).await.unwrap(), "in the making");
}

#[tokio::test]
async fn files_that_are_no_blobs_are_passed_over() {
    let directory = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(&Options::directory(directory.path())).await.unwrap();
    blobs.put(Bytes::from_static(b"one")).await.unwrap();
    fs::write(directory.path().join("sha256/README"), "x").unwrap();
    fs::create_dir(directory.path().join("sha256/zz")).unwrap();
    fs::write(directory.path().join("sha256/zz/junk"), "x").unwrap();
    assert_eq!(blobs.list().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_bad_place_says_what_is_accepted() {
    for url in ["", "nonsense://x", "memory://[", "://"] {
        let options = Options { url: url.to_owned(), cache: None };
        let Err(error) = Blobs::open(&options).await else { panic!("{url} was opened") };
        assert!(
            matches!(error, Error::BadUrl { .. }) && error.to_string().contains("director"),
            "{url}: {error}"
        );
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    let Err(error) = Blobs::open(&Options::directory(file.path())).await else { panic!("a file was opened") };
    assert!(matches!(error, Error::Io { .. }), "{error}");
}
