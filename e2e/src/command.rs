//! Commands that run to their end; a failure repeats the end of their standard error.

use std::fmt::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use tokio::io::AsyncWriteExt;

/// Lines of standard error that a failure repeats.
const TAIL: usize = 15;

/// Builds a command from a program and its arguments.
pub fn command<I, A>(program: impl AsRef<std::ffi::OsStr>, args: I) -> Command
where
    I: IntoIterator<Item = A>,
    A: AsRef<std::ffi::OsStr>,
{
    let mut command = Command::new(program);
    command.args(args);
    command
}

/// Makes a command reach the testbed's addresses, which lie behind no proxy.
pub fn without_proxy(command: &mut Command) -> &mut Command {
    for variable in ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"] {
        command.env_remove(variable);
    }
    command
}

/// Splits a line at blanks into a command, for lines without quoting needs.
pub fn words(line: &str) -> Command {
    let mut words = line.split_whitespace();
    command(words.next().unwrap_or_default(), words)
}

/// Runs a command and returns its standard output.
pub async fn output(command: Command) -> Result<String> {
    feed(command, "").await
}

/// Runs a command with `input` as its standard input and returns its standard output.
pub async fn feed(command: Command, input: &str) -> Result<String> {
    let shown = show(&command);
    let mut command = tokio::process::Command::from(command);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command
        .spawn()
        .with_context(|| format!("`{shown}` does not start"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A command that does not read its input closes the pipe; its exit status shows a failure.
        let _ = stdin.write_all(input.as_bytes()).await;
    }
    let done = child
        .wait_with_output()
        .await
        .with_context(|| format!("wait for `{shown}`"))?;
    if !done.status.success() {
        let stderr = String::from_utf8_lossy(&done.stderr);
        bail!(
            "`{shown}` ended with {}: {}",
            done.status,
            tail(&stderr, TAIL)
        );
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

/// Runs lines one after another, each as [`words`].
pub async fn lines(script: &str) -> Result<()> {
    for line in script
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        output(words(line)).await?;
    }
    Ok(())
}

/// The last `count` lines of a text.
pub fn tail(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

fn show(command: &Command) -> String {
    let mut shown = command.get_program().to_string_lossy().into_owned();
    for arg in command.get_args() {
        let _ = write!(shown, " {}", arg.to_string_lossy());
    }
    shown
}
