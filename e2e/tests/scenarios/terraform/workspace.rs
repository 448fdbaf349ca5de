//! A copy of `config/`, in which OpenTofu runs with the providers that were built.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use kamaji_e2e::command::{command, output, without_proxy};
use kamaji_e2e::layout::checkout;
use kamaji_e2e::testbed::Testbed;
use kamaji_e2e::tools::{PROVIDERS, Tools};
use serde_json::Value;

const VARIABLES: &str = "set.auto.tfvars.json";
/// File with the output of all commands, standard error included.
const PRINTED: &str = "printed.log";

/// Folder of a root module.
pub struct Workspace {
    folder: PathBuf,
    settings: PathBuf,
    tools: Tools,
    path: String,
}

impl Workspace {
    /// Copies modules and charts, links of the checkout followed, and lays the providers out as a mirror.
    pub async fn new(testbed: &Testbed) -> Result<Self> {
        let tools = Tools::opentofu().await?;
        let base = testbed.bed.layout.dir("terraform");
        if base.exists() {
            fs::remove_dir_all(&base)?;
        }
        fs::create_dir_all(&base)?;
        for part in ["terraform", "charts"] {
            let mut copy = command("cp", ["-rL"]);
            copy.arg(checkout().join("config").join(part)).arg(&base);
            output(copy).await?;
        }
        let mirror = base.join("mirror");
        mirror_providers(&tools, &mirror)?;
        let settings = base.join("settings.tfrc");
        let text = format!(
            "provider_installation {{\n  filesystem_mirror {{\n    path = \"{}\"\n  }}\n}}\n",
            mirror.display()
        );
        fs::write(&settings, text)?;
        Ok(Self {
            folder: base.join("terraform/example"),
            settings,
            path: testbed.bed.tools.search_path(),
            tools,
        })
    }

    /// Sets the variables of the root module.
    pub fn set(&self, variables: &Value) -> Result<()> {
        Ok(fs::write(
            self.folder.join(VARIABLES),
            variables.to_string(),
        )?)
    }

    /// Runs a line of tofu, split at blanks, and returns its standard output.
    pub async fn tofu(&self, line: &str) -> Result<String> {
        let done = self.run(line).await?;
        let all = text(&done);
        ensure!(
            done.status.success(),
            "`tofu {line}` ended with {}: {all}",
            done.status
        );
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    }

    /// Runs a line of tofu that has to fail, and returns all that it prints, without frames and breaks of lines.
    pub async fn refusal(&self, line: &str) -> Result<String> {
        let done = self.run(line).await?;
        let all = text(&done);
        ensure!(!done.status.success(), "`tofu {line}` succeeded: {all}");
        let plain = all.replace(['│', '╷', '╵'], " ");
        Ok(plain.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    async fn run(&self, line: &str) -> Result<std::process::Output> {
        let mut tofu = self.tools.command("tofu")?;
        tofu.args(line.split_whitespace())
            .current_dir(&self.folder)
            .env("TF_CLI_CONFIG_FILE", &self.settings)
            .env("TF_INPUT", "0")
            .env("TF_CLI_ARGS", "-no-color")
            .env("CHECKPOINT_DISABLE", "1")
            .env("PATH", &self.path);
        without_proxy(&mut tofu);
        let mut tofu = tokio::process::Command::from(tofu);
        let done = tofu.kill_on_drop(true).output().await;
        let done = done.with_context(|| format!("`tofu {line}` does not start"))?;
        let mut log = File::options()
            .create(true)
            .append(true)
            .open(self.folder.join(PRINTED))?;
        writeln!(log, "--- tofu {line}\n{}", text(&done))?;
        Ok(done)
    }

    /// No state exists, and no file that a hostile value would have made.
    pub fn has_made_nothing(&self) -> Result<()> {
        for file in list(&self.folder)? {
            let name = file.display().to_string();
            ensure!(
                !name.ends_with(".tfstate") && !name.contains("made-by"),
                "{name} exists"
            );
        }
        Ok(())
    }

    /// No file has one of the secrets: variables, plan, state, and what commands printed.
    pub async fn knows_none_of(&self, secrets: &[String]) -> Result<()> {
        let plan = self.tofu("show first.plan").await?;
        fs::write(self.folder.join("first.plan.shown"), plan)?;
        let files = list(&self.folder)?;
        ensure!(
            files.iter().any(|file| file.ends_with("terraform.tfstate")),
            "there is no state among {files:?}"
        );
        for file in files {
            let content = fs::read(&file).with_context(|| format!("read {}", file.display()))?;
            let content = String::from_utf8_lossy(&content);
            for secret in secrets {
                ensure!(
                    !content.contains(secret.as_str()),
                    "{} has a secret",
                    file.display()
                );
            }
        }
        Ok(())
    }
}

/// Copies the providers to where OpenTofu looks for them in a mirror of files.
fn mirror_providers(tools: &Tools, mirror: &Path) -> Result<()> {
    let platform = if cfg!(target_arch = "aarch64") {
        "linux_arm64"
    } else {
        "linux_amd64"
    };
    for (name, version) in PROVIDERS {
        let hosted = mirror.join("registry.opentofu.org/hashicorp").join(name);
        let dir = hosted.join(version).join(platform);
        fs::create_dir_all(&dir)?;
        let binary = format!("terraform-provider-{name}");
        fs::copy(
            tools.path(&binary)?,
            dir.join(format!("{binary}_v{version}")),
        )?;
    }
    Ok(())
}

/// Both outputs of a command.
fn text(done: &std::process::Output) -> String {
    let (out, err) = (&done.stdout, &done.stderr);
    format!(
        "{}{}",
        String::from_utf8_lossy(out),
        String::from_utf8_lossy(err)
    )
}

/// Files of a folder and of those in it. Modules and providers are links to what is not of this folder.
fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            files.extend(list(&path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}

/// Text of a value of a Secret.
pub fn decode(value: &Value) -> Result<String> {
    let text = value.as_str().context("the Secret lacks a key")?;
    Ok(String::from_utf8(BASE64_STANDARD.decode(text)?)?)
}
