//! Snapshots in an S3-compatible server that runs here.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests, their helpers included"
)]

#[path = "kit/header.rs"]
mod header;
#[path = "../../datastore/tests/kit/ports.rs"]
mod ports;
#[path = "../../datastore/tests/kit/process.rs"]
mod process;
#[path = "../../datastore/tests/kit/tools.rs"]
mod tools;

use std::{
    io::Write,
    process::{Command, Stdio},
};

use kamaji_datastore::transfer::{Op, Record};
use kamaji_snapshot::{Bucket, Encoder, Error, Header, Keys, NewFile, Seal};
use tempfile::TempDir;

use ports::free_ports;
use process::{Launched, Process, start};
use tools::find;

/// An S3-compatible server with one bucket `backups`, which ends with the value.
struct Server {
    process: Process,
    files: TempDir,
    port: u16,
}

impl Launched for Server {
    const NAME: &'static str = "versitygw";

    fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    async fn serves(&mut self) -> bool {
        self.bucket("backups/", "secret").list().await.is_ok()
    }
}

impl Server {
    async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        start(Self::launch).await
    }

    fn launch() -> Self {
        let files = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(files.path().join("data/backups")).unwrap();
        std::fs::create_dir_all(files.path().join("metadata")).unwrap();
        let [port] = free_ports();
        let mut command = Command::new(find("versitygw", "versitygw"));
        command
            .args(["--port", &format!("127.0.0.1:{port}"), "--quiet"])
            .arg("posix")
            .arg("--sidecar")
            .arg(files.path().join("metadata"))
            .arg(files.path().join("data"))
            .env("ROOT_ACCESS_KEY_ID", "access")
            .env("ROOT_SECRET_ACCESS_KEY", "secret")
            .stderr(Stdio::null());
        Self {
            process: Process::spawn(&mut command, "KILL"),
            files,
            port,
        }
    }

    fn bucket(&self, path: &str, secret: &str) -> Bucket {
        let options = [
            ("AWS_ACCESS_KEY_ID", "access"),
            ("AWS_SECRET_ACCESS_KEY", secret),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ENDPOINT", &format!("http://127.0.0.1:{}", self.port)),
            ("AWS_ALLOW_HTTP", "true"),
            ("HOME", "ignored"),
        ];
        let options = options.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Bucket::open(&format!("s3://{path}"), options).unwrap()
    }
}

/// A snapshot of `keys` keys whose values do not compress, 100,000 bytes each.
fn snapshot(keys: u32) -> NewFile {
    let file = NewFile::within(&std::env::temp_dir()).unwrap();
    let mut encoder =
        Encoder::create(file.writer().unwrap(), &header::header(), &Seal::Plain).unwrap();
    let mut state = 1u64;
    for number in 1..=keys {
        let noise = |_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            state.to_le_bytes()[7]
        };
        let record = Record {
            key: format!("configmaps/a/{number:06}").into_bytes(),
            value: (0..100_000).map(noise).collect(),
            created: 1,
            modified: i64::from(number),
            ttl: None,
        };
        encoder.op(&Op::Put(record)).unwrap();
    }
    encoder.finish(i64::from(keys)).unwrap();
    file
}

#[tokio::test]
async fn a_snapshot_of_several_parts_comes_back_as_it_was_and_is_listed() {
    let server = Server::start().await;
    let file = snapshot(400);
    let bytes = std::fs::read(file.path()).unwrap();
    assert!(
        bytes.len() > 33 << 20,
        "{} bytes are one or two parts",
        bytes.len()
    );
    let bucket = server.bucket("backups/daily/demo.snap", "secret");
    bucket.upload(file.path()).await.unwrap();

    let found = bucket.download(1 << 30).await.unwrap();
    assert_eq!(found.length(), bytes.len() as u64);
    let checked = found.check(&Keys::default(), 1 << 30, &|_| true).unwrap();
    assert_eq!((checked.footer.ops, checked.footer.revision), (400, 400));

    let listed = server
        .bucket("backups/daily", "secret")
        .list()
        .await
        .unwrap()
        .entries;
    let names: Vec<_> = listed
        .iter()
        .map(|entry| (entry.name.as_str(), entry.bytes))
        .collect();
    assert_eq!(names, [("daily/demo.snap", bytes.len() as u64)]);
    assert_eq!(listed[0].header.as_ref().unwrap().tenant.name, "demo");
}

#[tokio::test]
async fn an_object_that_exists_is_not_replaced() {
    let server = Server::start().await;
    let bucket = server.bucket("backups/demo.snap", "secret");
    bucket.upload(snapshot(1).path()).await.unwrap();
    let refused = bucket.upload(snapshot(2).path()).await;
    assert!(
        matches!(refused, Err(Error::Location { .. })),
        "{refused:?}"
    );
    let kept = bucket.download(1 << 20).await.unwrap();
    assert_eq!(
        kept.check(&Keys::default(), 1 << 20, &|_| true)
            .unwrap()
            .footer
            .ops,
        1
    );
}

#[tokio::test]
async fn an_object_that_was_cut_or_is_too_large_or_absent_is_refused() {
    let server = Server::start().await;
    let bucket = server.bucket("backups/demo.snap", "secret");
    assert!(matches!(
        bucket.download(1 << 20).await,
        Err(Error::Bucket { .. })
    ));
    let whole = std::fs::read(snapshot(1).path()).unwrap();
    let mut cut = tempfile::NamedTempFile::new().unwrap();
    cut.write_all(&whole[..whole.len() - 1]).unwrap();
    bucket.upload(cut.path()).await.unwrap();
    let found = bucket.download(1 << 20).await.unwrap();
    assert!(found.check(&Keys::default(), 1 << 20, &|_| true).is_err());
    assert!(matches!(
        bucket.download(1000).await,
        Err(Error::TooLarge { .. })
    ));
    // What is no snapshot is not listed as one.
    for (name, content) in [
        ("empty", ""),
        ("short", "something else"),
        ("other", "something else that is longer"),
    ] {
        let path = server.files.path().join("data/backups").join(name);
        std::fs::write(path, content).unwrap();
    }
    let listed = server.bucket("backups/", "secret").list().await.unwrap();
    assert_eq!(listed.entries.len(), 1);
}

#[tokio::test]
async fn a_wrong_secret_is_refused_without_showing_it() {
    let server = Server::start().await;
    let bucket = server.bucket("backups/demo.snap", "mistaken-secret");
    let refused = bucket
        .upload(snapshot(1).path())
        .await
        .unwrap_err()
        .to_string();
    assert!(refused.contains("s3://backups/demo.snap"), "{refused}");
    assert!(!refused.contains("mistaken-secret"), "{refused}");
}

#[tokio::test]
async fn names_directly_below_a_path_are_listed_and_one_of_them_is_removed() {
    let server = Server::start().await;
    let file = snapshot(1);
    for path in ["a/one", "a/two", "a/below/three", "ab/four"] {
        let bucket = server.bucket(&format!("backups/{path}"), "secret");
        bucket.upload(file.path()).await.unwrap();
    }
    let folder = server.bucket("backups/a/", "secret");
    let names = async || {
        let mut names = folder.names().await.unwrap();
        names.sort();
        names
    };
    assert_eq!(names().await, ["one", "two"]);
    folder.remove("one").await.unwrap();
    assert_eq!(names().await, ["two"]);
}
