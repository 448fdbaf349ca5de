//! Variables that a process sets for the libraries in it, by starting itself again.

use std::{
    collections::BTreeMap,
    fs,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use kamaji_datastore::ENVIRONMENT;

/// A process that reads a pipe into which nobody writes, and its pipe.
struct Waiting {
    child: Child,
    _folder: tempfile::TempDir,
}

impl Waiting {
    fn start(variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        let mut kamaji = Command::new(env!("CARGO_BIN_EXE_kamaji"));
        kamaji.args(["snapshot", "verify"]).arg(&pipe);
        kamaji.envs(variables.iter().copied()).stderr(Stdio::null());
        Self {
            child: kamaji.spawn().unwrap(),
            _folder: folder,
        }
    }

    fn file(&self, name: &str) -> Vec<String> {
        let content = fs::read(format!("/proc/{}/{name}", self.child.id())).unwrap();
        let text = String::from_utf8(content).unwrap();
        text.split_terminator('\0').map(str::to_owned).collect()
    }

    /// Variables of the process, once it has the one of this name.
    fn variables(&self, name: &str) -> BTreeMap<String, String> {
        let since = Instant::now();
        loop {
            let all = self.file("environ").into_iter();
            let all = all.filter_map(|line| {
                let (name, value) = line.split_once('=')?;
                Some((name.to_owned(), value.to_owned()))
            });
            let all: BTreeMap<String, String> = all.collect();
            if all.contains_key(name) {
                return all;
            }
            assert!(since.elapsed() < Duration::from_secs(20), "{all:?}");
            sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_process_that_opens_datastores_gets_their_variables_and_keeps_its_arguments() {
    let waiting = Waiting::start(&[]);
    for (name, value) in ENVIRONMENT {
        assert_eq!(waiting.variables(name).get(name).unwrap(), value);
    }
    let arguments = waiting.file("cmdline");
    assert_eq!(&arguments[1..3], ["snapshot", "verify"]);
}

#[test]
fn variables_that_are_set_already_are_kept() {
    let (name, _) = ENVIRONMENT[0];
    let waiting = Waiting::start(&[(name, "1024")]);
    assert_eq!(waiting.variables(name).get(name).unwrap(), "1024");
}
