//! `.ci/release`: files of a release, their checksums and the signature.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use kamaji_e2e::image::Image;
use kamaji_e2e::layout::checkout;
use kamaji_e2e::tools::Tools;
use serde_json::Value;
use sha2::{Digest, Sha256};

const VERSION: &str = "v0.21.0";

/// A folder with what the script reads of the checkout, and something in place of the binary.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        ".ci",
        "changes",
        "clusterctl-metadata.yaml",
        "config",
        "docs",
        "templates",
    ] {
        let link = folder.path().join(name);
        std::os::unix::fs::symlink(checkout().join(name), link).unwrap();
    }
    let binary = folder.path().join("static");
    fs::write(&binary, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&binary, PermissionsExt::from_mode(0o755)).unwrap();
    folder
}

async fn release(folder: &Path, variables: &[(&str, &Path)]) -> Output {
    // The script runs one after another what would otherwise be built at the same time.
    let _ = (Tools::all().await.unwrap(), Tools::helm().await.unwrap());
    let mut script = Command::new(checkout().join(".ci/release"));
    script.arg(VERSION).current_dir(folder);
    script.env("TESTBED", env!("CARGO_BIN_EXE_testbed"));
    script.env_remove("MINISIGN_KEY").env_remove("SBOM");
    for (name, value) in variables {
        script.env(name, value);
    }
    tokio::task::spawn_blocking(move || script.output().unwrap())
        .await
        .unwrap()
}

fn run(folder: &Path, line: &str) -> Output {
    let mut words = line.split_whitespace();
    let mut command = Command::new(words.next().unwrap());
    command.args(words).current_dir(folder).output().unwrap()
}

#[tokio::test]
async fn a_release_has_charts_definitions_image_and_checksums_of_all_of_them() {
    let folder = folder();
    let binary = folder.path().join("static");
    fs::create_dir(folder.path().join("out")).unwrap();
    fs::write(folder.path().join("out/of-a-former-run"), "").unwrap();
    let made = release(folder.path(), &[("STATIC", &binary)]).await;
    assert!(made.status.success(), "{made:?}");
    let out = folder.path().join("out");
    let sums = fs::read_to_string(out.join("SHA256SUMS")).unwrap();
    let machine = if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "amd64"
    };
    for name in [
        "kamaji-0.21.0.tgz",
        "kamaji-crds-0.21.0.tgz",
        "kamaji-capi-0.21.0.tgz",
        "kamaji-crds.yaml",
        "control-plane-components.yaml",
        "metadata.yaml",
        "notes.md",
        &format!("kamaji-linux-{machine}"),
        &format!("kamaji-image-linux-{machine}.tar"),
    ] {
        assert!(sums.contains(&format!("  {name}\n")), "{name}: {sums}");
    }
    assert!(!sums.contains("former"), "{sums}");
    assert!(
        run(&out, "sha256sum --strict -c SHA256SUMS")
            .status
            .success()
    );
    let text = |name: &str| fs::read_to_string(out.join(name)).unwrap();
    let components = text("control-plane-components.yaml");
    assert!(components.contains("docker.io/clastix/kamaji:v0.21.0"));
    assert!(!components.contains("kamaji:dev"));
    assert!(text("notes.md").starts_with("# v0.21.0\n"));
    // The image that the chart names by default is the one of the release.
    let mut helm = Tools::helm().await.unwrap().command("helm").unwrap();
    helm.args([
        "template",
        "kamaji",
        "--kube-version=v1.33.0",
        "--include-crds",
    ]);
    helm.arg(out.join("kamaji-0.21.0.tgz"));
    let rendered = helm.output().unwrap();
    let rendered = String::from_utf8(rendered.stdout).unwrap();
    assert!(rendered.contains("image: \"docker.io/clastix/kamaji:v0.21.0\""));
    assert!(rendered.contains("name: tenantcontrolplanes.kamaji.clastix.io"));
}

#[tokio::test]
async fn a_release_without_its_binary_is_refused_and_leaves_nothing() {
    let folder = folder();
    let none = PathBuf::from("/nonexistent/kamaji");
    let made = release(folder.path(), &[("STATIC", &none)]).await;
    let said = String::from_utf8_lossy(&made.stdout);
    assert!(
        !made.status.success() && said.contains("make static"),
        "{made:?}"
    );
    assert!(!folder.path().join("out").exists());
}

#[tokio::test]
async fn checksums_are_signed_with_a_key_from_outside() {
    let folder = folder();
    let generated = run(folder.path(), "minisign -G -W -p public -s private");
    assert!(generated.status.success(), "{generated:?}");
    let (binary, key) = (folder.path().join("static"), folder.path().join("private"));
    let made = release(
        folder.path(),
        &[("STATIC", &binary), ("MINISIGN_KEY", &key)],
    )
    .await;
    assert!(made.status.success(), "{made:?}");
    let sums = folder.path().join("out/SHA256SUMS");
    let verify = "minisign -V -p public -m out/SHA256SUMS";
    assert!(run(folder.path(), verify).status.success());
    let more = fs::read_to_string(&sums).unwrap() + "x";
    fs::write(&sums, more).unwrap();
    assert!(!run(folder.path(), verify).status.success());
}

#[test]
fn notes_of_a_release_are_made_of_fragments_which_end_with_it() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["changes", "docs/releases"] {
        fs::create_dir_all(folder.path().join(name)).unwrap();
    }
    let list = "- [The next release](releases/next.md)\n";
    for (name, text) in [
        ("docs/SUMMARY.md", list),
        ("changes/README.md", "# How to write one\n"),
        ("changes/new-b.md", "- B: [page](../docs/b.md).\n"),
        ("changes/new-c.md", "- C.\n"),
        ("changes/security-a.md", "A, in a paragraph.\n"),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let script = checkout().join(".ci/notes.py");
    let script = script.to_str().unwrap();
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();

    let refused = run(folder.path(), &format!("{script} release 1.2"));
    assert!(!refused.status.success() && folder.path().join("changes/new-b.md").exists());
    let made = run(folder.path(), &format!("{script} release v0.21.0"));
    assert!(made.status.success(), "{made:?}");
    assert_eq!(
        read("docs/releases/v0.21.0.md"),
        "# v0.21.0\n\n## Security\n\nA, in a paragraph.\n\n## New\n\n- B: [page](../b.md).\n- C.\n"
    );
    assert_eq!(read("docs/releases/next.md"), "# The next release\n");
    assert!(read("docs/SUMMARY.md").contains("- [v0.21.0](releases/v0.21.0.md)\n"));
    let left = fs::read_dir(folder.path().join("changes")).unwrap();
    assert_eq!(left.count(), 1);

    fs::write(folder.path().join("changes/nice-d.md"), "- D.\n").unwrap();
    let refused = run(folder.path(), &format!("{script} write"));
    let words = String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success() && words.contains("changes/nice-d.md"),
        "{words}"
    );
}

#[test]
fn an_oci_archive_names_blobs_by_their_content_and_is_the_same_whenever_it_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let image = Image::named("example.com/a/b:1").text("/hello", "hello");
    let paths = ["first.tar", "second.tar"].map(|name| dir.path().join(name));
    for path in &paths {
        image.write_oci(path).unwrap();
    }
    assert_eq!(fs::read(&paths[0]).unwrap(), fs::read(&paths[1]).unwrap());
    let mut tar = tar::Archive::new(fs::File::open(&paths[0]).unwrap());
    let mut blobs = BTreeMap::new();
    for entry in tar.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        if let Some(digest) = name.strip_prefix("blobs/sha256/") {
            assert_eq!(digest, format!("{:x}", Sha256::digest(&content)));
        }
        blobs.insert(name, content);
    }
    let json = |name: &str| serde_json::from_slice::<Value>(&blobs[name]).unwrap();
    let blob = |described: &Value| {
        let digest = described["digest"].as_str().unwrap();
        format!("blobs/{}", digest.replace(':', "/"))
    };
    let entry = &json("index.json")["manifests"][0];
    let name = &entry["annotations"]["io.containerd.image.name"];
    assert_eq!(name, "example.com/a/b:1");
    let manifest = json(&blob(entry));
    let config = json(&blob(&manifest["config"]));
    let layer = &manifest["layers"][0];
    assert_eq!(config["rootfs"]["diff_ids"][0], layer["digest"]);
    assert_eq!(layer["size"], blobs[&blob(layer)].len());
}
