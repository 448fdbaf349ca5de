//! Each verb in a terminal, which `script` of util-linux makes, and piped.

use std::{path::Path, process::Output};

use serde_json::json;

use crate::support::Cluster;

/// Escape sequences of a table's colours.
const COLOURS: [&str; 4] = ["\u{1b}[32m", "\u{1b}[33m", "\u{1b}[31m", "\u{1b}[0m"];

/// Output of a command in a terminal, standard error included, and its exit code.
fn in_terminal(
    cluster: &Cluster,
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> (String, Option<i32>) {
    let line = cluster.command(arguments);
    let words = std::iter::once(line.get_program()).chain(line.get_args());
    let quoted: Vec<String> = words
        .map(|word| format!("'{}'", word.to_str().unwrap()))
        .collect();
    let mut script = std::process::Command::new("script");
    script
        .args([
            "--quiet",
            "--return",
            "--command",
            &quoted.join(" "),
            "/dev/null",
        ])
        .env("TERM", "xterm")
        .env_remove("NO_COLOR")
        .envs(
            line.get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .envs(variables.iter().copied())
        .stdin(std::process::Stdio::null());
    let output = script.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (text.replace('\r', ""), output.status.code())
}

/// Lines of a command whose output is no terminal, standard error included.
fn lines(output: &Output) -> Vec<String> {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    let text = String::from_utf8(text).unwrap();
    assert!(!text.contains('\u{1b}'), "no colours in a pipe: {text:?}");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// The lines of a terminal without colours, which are the only escapes there.
fn without_colours(text: &str) -> Vec<String> {
    let mut text = text.to_owned();
    for colour in COLOURS {
        text = text.replace(colour, "");
    }
    let acts = |c: char| c.is_control() && c != '\n';
    assert!(!text.contains(acts), "{text:?}");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// Verbs: the exit code of each, and its arguments, in which `NAME` is a tenant and `FILE` a path.
const VERBS: [(i32, &str); 19] = [
    (0, "create made-NAME --version v1.36.3 --dry-run"),
    (0, "create made-NAME --version v1.36.3"),
    (0, "get NAME -o json"),
    (0, "get NAME -o yaml"),
    (0, "get NAME -o name"),
    (0, "kubeconfig NAME"),
    (0, "kubeconfig NAME --into FILE.conf --entry tenant"),
    (0, "join NAME"),
    (3, "wait NAME --for ready --timeout 1s"),
    (0, "upgrade NAME v1.36.3"),
    (0, "rotate NAME --secret admin-kubeconfig"),
    (1, "rotate NAME --secret ca"),
    (0, "sleep NAME"),
    (0, "wake NAME"),
    (0, "pause NAME"),
    (4, "wait NAME"),
    (0, "resume NAME"),
    (0, "support-bundle FILE.tar.gz"),
    (0, "completion bash"),
];

#[tokio::test]
async fn each_verb_says_the_same_in_a_terminal_and_in_a_pipe() {
    let cluster = Cluster::start().await;
    let admin = std::fs::read_to_string(cluster.kubeconfig()).unwrap();
    for name in ["t-pipe", "t-term"] {
        let tenant = cluster.tenant(name, &json!({})).await;
        let secret = format!("{name}-admin-kubeconfig");
        let files = [("admin.conf", admin.as_str())];
        cluster.secret(&tenant, &secret, &files).await;
        cluster
            .set_condition(name, "ControlPlaneAvailable", "NoReplicaReady")
            .await;
    }
    for (code, verb) in VERBS {
        let of = |name: &str| {
            let file = cluster.home().join(name);
            verb.replace("NAME", name)
                .replace("FILE", file.to_str().unwrap())
        };
        let (piped, shown) = (of("t-pipe"), of("t-term"));
        let words: Vec<&str> = piped.split(' ').collect();
        let output = cluster.command(&words).output().unwrap();
        let piped = lines(&output);
        assert_eq!(output.status.code(), Some(code), "{verb}: {piped:?}");
        let words: Vec<&str> = shown.split(' ').collect();
        let (text, ended) = in_terminal(&cluster, &words, &[]);
        assert_eq!(ended, Some(code), "{verb}: {text}");
        let shown = without_colours(&text.replace("t-term", "t-pipe"));
        assert_eq!(shown.len(), piped.len(), "{verb}: {shown:?} and {piped:?}");
        for (line, other) in shown.iter().zip(&piped) {
            assert!(same(line, other), "{verb}: {line:?} and {other:?}");
        }
    }
    assert!(Path::new(&cluster.home().join("t-term.tar.gz")).exists());
}

/// True for equal lines; uids, versions and times of two tenants differ.
fn same(line: &str, other: &str) -> bool {
    let differs = [
        "uid",
        "resourceVersion",
        "Timestamp",
        "time",
        "token",
        " in ",
    ];
    line == other
        || differs
            .iter()
            .any(|word| line.contains(word) && other.contains(word))
}

#[tokio::test]
async fn tables_have_colours_in_a_terminal_alone_and_none_that_an_object_brings() {
    let cluster = Cluster::start().await;
    for (name, reason) in [("good", "AsPlanned"), ("bad", "AuthorityLost")] {
        cluster.tenant(name, &json!({})).await;
        cluster.set_condition(name, "Reconciled", reason).await;
    }
    let hostile = "v1\u{1b}[2J\u{9b}31m";
    let version = json!({"kubernetesResources": {"version": {"version": hostile}}});
    cluster.set_status("bad", version).await;
    let names = |lines: Vec<String>| -> Vec<String> {
        let first = |line: &String| line.split(' ').next().map(str::to_owned);
        lines.iter().filter_map(first).collect()
    };
    for verb in [&["get"][..], &["get", "-o", "wide"], &["doctor"]] {
        let piped = lines(&cluster.command(verb).output().unwrap());
        let (shown, _) = in_terminal(&cluster, verb, &[]);
        assert!(shown.contains('\u{1b}'), "{verb:?}: {shown}");
        assert_eq!(names(without_colours(&shown)), names(piped), "{verb:?}");
        for off in [("NO_COLOR", "1"), ("TERM", "dumb")] {
            let (shown, _) = in_terminal(&cluster, verb, &[off]);
            assert!(!shown.contains('\u{1b}'), "{verb:?} with {off:?}: {shown}");
        }
    }
}
