//! Comparison with upstream: objects of the same input, and the differences that are not accepted.
//!
//! Each case of upstream's dumps is rendered by `kamaji render` and applied to lone API servers,
//! which fill in their defaults; their answers are written in the layout of the dumps, and the
//! dumps' own `compare.py` prints the differences that `compat/accepted` does not list.

mod case;
mod dump;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};
use kamaji_e2e::command::{command, words};
use kamaji_e2e::layout::{checkout, crate_dir};
use kamaji_e2e::{operator, tools::Tools};

use case::Case;

/// The cases that are compared.
const CASES: [&str; 6] = [
    "01-minimal",
    "02-full",
    "02b-full-with-worker",
    "02c-full-addons-removed",
    "05-kine-pg",
    "05c-kine-mysql",
];

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let reference = checkout().join("../shared/reference");
    if !reference.is_dir() {
        println!(
            "nothing to compare with: {} does not exist",
            reference.display()
        );
        return Ok(ExitCode::SUCCESS);
    }
    let python = words("python3 -c").args(["import yaml"]).output();
    if !python.is_ok_and(|done| done.status.success()) {
        bail!("comparing needs python3 with PyYAML: apt-get install python3-yaml");
    }
    let tools = Tools::api_server().await?;
    let kamaji = operator::binary().await?;
    let out = checkout().join("target/compat");
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let mut different = Vec::new();
    for name in CASES {
        if !wanted.is_empty() && !wanted.iter().any(|word| name.contains(word.as_str())) {
            continue;
        }
        let case = Case::read(&reference.join(name), name)?;
        let ours = out.join(name);
        case.dump(&tools, &kamaji, &ours).await?;
        if !same(&reference, name, &out)? {
            different.push(name);
        }
    }
    if different.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    println!("different from upstream: {}", different.join(", "));
    println!("each line above is a mistake, or belongs into e2e/compat/accepted with a reason");
    Ok(ExitCode::FAILURE)
}

/// Prints the remaining differences, and returns true if there are none.
fn same(reference: &Path, name: &str, out: &Path) -> Result<bool> {
    println!("== {name}");
    let accepted = crate_dir().join(format!("compat/accepted/{name}.tsv"));
    let mut compare = command("python3", [reference.join("compare.py")]);
    compare
        .args([reference.join(name), out.join(name)])
        .arg("--accept")
        .arg(accepted);
    Ok(compare.status()?.success())
}
