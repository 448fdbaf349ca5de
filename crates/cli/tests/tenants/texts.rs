//! Texts that need no cluster: help, completion, manual pages, and the name as a plugin of kubectl.

use std::{
    fs,
    os::unix::fs::symlink,
    process::{Command, Stdio},
};

const VERBS: [&str; 14] = [
    "get",
    "wait",
    "kubeconfig",
    "join",
    "create",
    "upgrade",
    "rotate",
    "sleep",
    "wake",
    "pause",
    "resume",
    "doctor",
    "support-bundle",
    "snapshot",
];

fn run(program: &std::path::Path, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_verb_has_a_page_and_is_completed() {
    let kamaji = std::path::Path::new(env!("CARGO_BIN_EXE_kamaji"));
    let folder = tempfile::tempdir().unwrap();
    run(kamaji, &["man", folder.path().to_str().unwrap()]);
    for verb in VERBS {
        let page = fs::read_to_string(folder.path().join(format!("kamaji-{verb}.1"))).unwrap();
        assert!(page.contains(".SH SYNOPSIS"), "{verb}");
    }
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = run(kamaji, &["completion", shell]);
        for verb in VERBS {
            assert!(script.contains(verb), "{verb} in {shell}");
        }
    }
    let folder = folder.path().join("bash");
    fs::write(&folder, run(kamaji, &["completion", "bash"])).unwrap();
    run("/bin/bash".as_ref(), &["-n", folder.to_str().unwrap()]);
}

#[test]
fn a_plugin_of_kubectl_is_named_as_it_is_called() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = folder.path().join("kubectl-kamaji");
    symlink(env!("CARGO_BIN_EXE_kamaji"), &plugin).unwrap();
    let help = run(&plugin, &["get", "--help"]);
    assert!(help.contains("Usage: kubectl kamaji get"), "{help}");
    let own = run(env!("CARGO_BIN_EXE_kamaji").as_ref(), &["get", "--help"]);
    assert!(own.contains("Usage: kamaji get"), "{own}");
}

#[test]
fn a_reader_that_goes_ends_the_output_without_an_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_kamaji"))
        .args(["completion", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(output.stderr, b"");
}
