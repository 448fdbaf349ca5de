//! Golden plans: every folder of `crates/core/tests/plans` holds objects as a user writes them and as a
//! cluster has them (`input.yaml`), and what `kamaji render` prints for them (`plan.yaml`).
//!
//! Clock and seed are fixed, and certificates and keys are printed as summaries, so a plan differs only where
//! the code that plans it does. To accept a change:
//!
//! ```text
//! KAMAJI_UPDATE_PLANS=1 cargo test -p kamaji --test plans && git diff crates/core/tests/plans
//! ```
//!
//! An input that begins with the line `# arguments: --tenant-cluster` is rendered with these arguments. All
//! others are rendered with `--plan`, which adds the datastore binding, deletions, waits and the next status.
#![expect(clippy::unwrap_used, reason = "tests, their helpers included")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    thread,
};

const UPDATE: &str = "KAMAJI_UPDATE_PLANS";
const INPUT: &str = "input.yaml";
const PLAN: &str = "plan.yaml";
const FIXED: [&str; 5] = [
    "--summarise-keys",
    "--seed",
    "plans",
    "--now",
    "2026-01-01T00:00:00Z",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/tests/plans")
}

/// Names of the entries of a folder, sorted.
fn entries(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

fn render(input: &Path) -> Output {
    let text = fs::read_to_string(input).unwrap();
    let given = text.lines().next().unwrap_or_default();
    let given = given.strip_prefix("# arguments: ").unwrap_or("--plan");
    Command::new(env!("CARGO_BIN_EXE_kamaji"))
        .args(["render", "-f"])
        .arg(input)
        .args(FIXED)
        .args(given.split_whitespace())
        .output()
        .unwrap()
}

/// The first line in which two texts differ, with its number.
fn difference(expected: &str, actual: &str) -> String {
    let (mut expected, mut actual) = (expected.lines(), actual.lines());
    for number in 1.. {
        match (expected.next(), actual.next()) {
            (None, None) => break,
            (before, after) if before == after => {}
            (before, after) => {
                let text = |line: Option<&str>| line.unwrap_or("(end of the plan)").to_owned();
                return format!("line {number}\n  - {}\n  + {}", text(before), text(after));
            }
        }
    }
    "the end of the last line".to_owned()
}

/// Compares or updates one scenario. Returns what is wrong with it.
fn check(scenario: &str) -> Option<String> {
    let folder = root().join(scenario);
    let output = render(&folder.join(INPUT));
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Some(format!("{scenario}: kamaji render failed: {why}"));
    }
    let actual = String::from_utf8(output.stdout).unwrap();
    let plan = folder.join(PLAN);
    if std::env::var_os(UPDATE).is_some() {
        fs::write(plan, actual).unwrap();
        return None;
    }
    let expected = fs::read_to_string(plan).unwrap_or_default();
    (expected != actual).then(|| {
        format!(
            "{scenario}: the plan differs, first in {}",
            difference(&expected, &actual)
        )
    })
}

#[test]
fn every_plan_is_the_golden_one() {
    let scenarios: Vec<String> = entries(&root()).into_iter().collect();
    let workers = thread::available_parallelism().map_or(2, usize::from);
    let share = scenarios.len().div_ceil(workers).max(1);
    let wrong: Vec<String> = thread::scope(|scope| {
        let shares: Vec<_> = scenarios
            .chunks(share)
            .map(|share| scope.spawn(|| share.iter().filter_map(|name| check(name)).collect()))
            .collect();
        let wrong = shares.into_iter().map(|worker| worker.join().unwrap());
        wrong.flat_map(|wrong: Vec<String>| wrong).collect()
    });
    assert!(
        wrong.is_empty(),
        "{}\n\nIf this is what you mean, accept it and read the difference:\n{UPDATE}=1 cargo test -p kamaji --test plans && git diff crates/core/tests/plans",
        wrong.join("\n")
    );
}

#[test]
fn every_scenario_has_an_input_and_a_plan_and_nothing_else() {
    let wanted = BTreeSet::from([INPUT.to_owned(), PLAN.to_owned()]);
    let scenarios = entries(&root());
    assert!(scenarios.len() >= 20, "only {} scenarios", scenarios.len());
    if std::env::var_os(UPDATE).is_some() {
        return;
    }
    for scenario in scenarios {
        let folder = root().join(&scenario);
        assert!(folder.is_dir(), "{scenario} is no folder of a scenario");
        assert_eq!(entries(&folder), wanted, "files of {scenario}");
    }
}
