//! Snapshots of files of any origin: what the binary refuses to read or to write, and how it prints what they say.
#![expect(clippy::unwrap_used, reason = "tests and helpers of tests may panic")]

use std::{
    fs,
    process::{Command, Output},
};

use age::secrecy::ExposeSecret;
use kamaji_api::{datastore::Driver, owner::Owner};
use kamaji_snapshot::{Encoder, Header, NewFile, Seal};
use tempfile::TempDir;

/// Folder with snapshots and a key, in which commands run without a cluster.
struct Folder {
    files: TempDir,
    /// Public key of `backup.key`.
    recipient: String,
}

impl Folder {
    fn new() -> Self {
        let files = tempfile::tempdir().unwrap();
        let identity = age::x25519::Identity::generate();
        let secret = identity.to_string();
        fs::write(files.path().join("backup.key"), secret.expose_secret()).unwrap();
        Self {
            files,
            recipient: identity.to_public().to_string(),
        }
    }

    fn sealed(&self) -> Seal {
        Seal::recipients([self.recipient.as_str()]).unwrap()
    }

    /// Writes a whole snapshot of a tenant of the namespace `default`, whose header has this version.
    fn write(&self, name: &str, kubernetes: &str, seal: &Seal) {
        let header = Header {
            tenant: Owner {
                cluster: "cluster".to_owned(),
                tenant: "uid".to_owned(),
                namespace: "default".to_owned(),
                name: "victim".to_owned(),
            },
            driver: Driver::Etcd,
            data_store: "default".to_owned(),
            schema: "demo".to_owned(),
            root: "/demo/".to_owned(),
            begun: 1,
            kubernetes: kubernetes.to_owned(),
            taken: "2026-01-01T00:00:00Z".to_owned(),
            left_out: vec![kubernetes.to_owned()],
            encrypted: seal.encrypts(),
        };
        let file = NewFile::within(self.files.path()).unwrap();
        let encoder = Encoder::create(file.writer().unwrap(), &header, seal).unwrap();
        encoder.finish(1).unwrap();
        file.commit(&self.files.path().join(name)).unwrap();
    }

    /// Runs the binary without keys and without a way to any cluster.
    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kamaji"));
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.files.path())
            .env("KUBECONFIG", self.files.path().join("no-cluster"))
            .current_dir(self.files.path());
        command
    }
}

/// Both outputs of a command that has succeeded.
fn ok(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (said, errors) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{errors}");
    (said, errors)
}

/// Standard error of a command that has failed.
fn refused(output: &Output) -> String {
    assert!(!output.status.success(), "it succeeded: {output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_plain_file_is_refused_where_a_key_is_given_and_read_without_one_with_a_notice() {
    let folder = Folder::new();
    folder.write("demo.snap", "v1.36.3", &Seal::Plain);
    let verify = ["snapshot", "verify", "demo.snap"];
    let by_key = folder.run(&[&verify[..], &["--identity", "backup.key"]].concat());
    let mut by_passphrase = folder.command(&verify);
    by_passphrase.env("KAMAJI_SNAPSHOT_PASSPHRASE", "open");
    for output in [by_key, by_passphrase.output().unwrap()] {
        let said = refused(&output);
        assert!(
            said.contains("not encrypted") && said.contains("--plain"),
            "{said}"
        );
        assert!(output.stdout.is_empty());
    }
    let mut plain = folder.command(&[&verify[..], &["--plain"]].concat());
    plain.env("KAMAJI_SNAPSHOT_PASSPHRASE", "open");
    for output in [folder.run(&verify), plain.output().unwrap()] {
        let (said, errors) = ok(&output);
        assert!(said.contains("proof      not encrypted"), "{said}");
        assert!(errors.contains("demo.snap is not encrypted"), "{errors}");
    }
}

#[test]
fn an_encrypted_file_is_read_by_its_key_and_says_that_a_public_key_proves_no_writer() {
    let folder = Folder::new();
    folder.write("demo.snap", "v1.36.3", &folder.sealed());
    let verify = ["snapshot", "verify", "demo.snap", "--identity=backup.key"];
    let (said, errors) = ok(&folder.run(&verify));
    assert!(
        said.contains("whoever knows the public key can have made it"),
        "{said}"
    );
    assert!(errors.is_empty(), "{errors}");
}

#[test]
fn a_restore_asks_for_a_key_or_a_plain_file_by_name() {
    let folder = Folder::new();
    folder.write("demo.snap", "v1.36.3", &Seal::Plain);
    let restore = ["snapshot", "restore", "demo.snap", "--replace"];
    let restore = [&restore[..], &["default/victim"]].concat();
    let said = refused(&folder.run(&restore));
    assert!(
        said.contains("--identity") && said.contains("--plain"),
        "{said}"
    );
    let said = refused(&folder.run(&[&restore[..], &["--identity=backup.key"]].concat()));
    assert!(said.contains("not encrypted"), "{said}");
    // Everything about the file is in order: the cluster is asked next.
    let said = refused(&folder.run(&[&restore[..], &["--plain"]].concat()));
    assert!(said.contains("no-cluster"), "{said}");
}

#[test]
fn a_restore_over_a_tenant_that_the_person_did_not_name_is_refused_before_the_cluster_is_asked() {
    let folder = Folder::new();
    folder.write("demo.snap", "v1.36.3", &folder.sealed());
    for way in ["--replace", "--create"] {
        let restore = ["snapshot", "restore", "demo.snap", "--identity=backup.key"];
        let said = refused(&folder.run(&[&restore[..], &[way, "default/demo"]].concat()));
        assert!(
            said.contains("default/victim") && said.contains("default/demo"),
            "{said}"
        );
        assert!(!said.contains("no-cluster"), "{said}");
        let said = refused(&folder.run(&[&restore[..], &[way, "default/victim"]].concat()));
        assert!(said.contains("no-cluster"), "{said}");
    }
}

#[test]
fn a_restore_of_the_whole_etcd_refuses_a_plain_file_where_a_key_is_given() {
    let folder = Folder::new();
    fs::write(folder.files.path().join("etcd.db"), "content").unwrap();
    fs::create_dir(folder.files.path().join("data")).unwrap();
    let restore = [
        "etcd",
        "restore",
        "etcd.db",
        "--to=to.db",
        "--data-dir=data",
    ];
    let verify = ["etcd", "verify", "etcd.db"];
    for command in [&restore[..], &verify] {
        let said = refused(&folder.run(&[command, &["--identity=backup.key"]].concat()));
        assert!(said.contains("it is not encrypted"), "{said}");
        let said = refused(&folder.run(&[command, &["--plain"]].concat()));
        assert!(said.contains("no snapshot of etcd"), "{said}");
        assert!(said.contains("etcd.db is not encrypted"), "{said}");
    }
    let said = refused(&folder.run(&restore));
    assert!(said.contains("--identity"), "{said}");
    assert!(!folder.files.path().join("to.db").exists());
}

#[test]
fn what_a_header_says_to_a_terminal_is_printed_escaped() {
    let folder = Folder::new();
    let evil = "v1\u{1b}]0;title\u{7}\nnext\u{202e}";
    folder.write("demo.snap", evil, &Seal::Plain);
    let acts = |text: &str| text.contains(['\u{1b}', '\u{7}', '\u{202e}']);
    for command in ["list", "verify"] {
        let (said, errors) = ok(&folder.run(&["snapshot", command, "demo.snap"]));
        assert!(!acts(&said) && !acts(&errors), "{said:?} {errors:?}");
        assert!(said.contains("v1\\u{1b}]0;title\\u{7}\\nnext"), "{said}");
    }
    // A header that is refused is quoted by the error.
    let path = folder.files.path().join("demo.snap");
    let bytes = fs::read(&path).unwrap();
    let at = bytes
        .windows(6)
        .position(|part| part == b"\"etcd\"")
        .unwrap();
    let mut altered = bytes.clone();
    altered.splice(at..at + 6, *b"\"\\u001b\"");
    let length = u32::from_le_bytes(bytes[20..24].try_into().unwrap()) + 2;
    altered[20..24].copy_from_slice(&length.to_le_bytes());
    fs::write(&path, altered).unwrap();
    let (said, _) = ok(&folder.run(&["snapshot", "list", "demo.snap"]));
    assert!(
        !acts(&said) && said.contains("header cannot be read"),
        "{said:?}"
    );
    let said = refused(&folder.run(&["snapshot", "verify", "demo.snap"]));
    assert!(
        !acts(&said) && said.contains("header cannot be read"),
        "{said:?}"
    );
}
