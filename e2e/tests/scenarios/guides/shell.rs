//! Shells in which blocks of pages are typed, and the record of the blocks that were.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use kamaji_e2e::command::{command, output, without_proxy};
use kamaji_e2e::layout::{cache_dir, checkout};
use kamaji_e2e::object_store::{self, ObjectStore};
use kamaji_e2e::operator;
use kamaji_e2e::pages::{Block, blocks, filled_in, manifests, marked};
use kamaji_e2e::testbed::Testbed;
use tempfile::TempDir;

/// Capitals that stand for a name in pages, and what they are replaced with.
const WORDS: [(&str, &str); 5] = [
    ("NAMESPACE", "default"),
    ("NAME", "demo"),
    ("COPY", "copy"),
    ("SOURCE", "postgresql"),
    ("TARGET", "postgresql"),
];

/// Texts of pages, and what they stand for.
type Texts = &'static [(&'static str, &'static str)];

/// Names in pages, and those of the testbed.
const TEXTS: [(&str, &str); 2] = [("blue", "demo"), ("worker-1", "worker1")];

/// A `cargo` that knows the testbed's program alone, which the tests have built: cargo would build it again, with other
/// features.
const CARGO: &str = r#"#!/bin/sh
case "$*" in
"run -q -p kamaji-e2e --bin testbed -- "*) shift 7 ;;
"run -p kamaji-e2e --bin testbed -- "*) shift 6 ;;
*) echo "cargo $*: pages run the testbed alone" >&2; exit 1 ;;
esac
exec TESTBED "$@"
"#;

/// The blocks, and what the shells that type them have in common.
pub struct Guides {
    /// The testbed, whose management cluster the blocks are about.
    pub testbed: Testbed,
    /// Shell in the namespace `default`, which most pages are typed into.
    pub main: Shell,
    all: Vec<Block>,
    run: RefCell<BTreeSet<String>>,
    folder: TempDir,
    environment: Vec<(&'static str, String)>,
}

/// A folder, and a kubeconfig of the management cluster.
pub struct Shell {
    /// Folder that commands run in.
    pub folder: PathBuf,
    kubeconfig: PathBuf,
    /// Texts of pages that stand for something else.
    texts: Texts,
}

impl Guides {
    /// Lays the files that pages refer to into a folder.
    pub async fn new(testbed: &Testbed) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let kamaji = operator::binary().await?;
        let programs = folder.path().join("programs");
        fs::create_dir(&programs)?;
        let cargo = programs.join("cargo");
        fs::write(
            &cargo,
            CARGO.replace("TESTBED", env!("CARGO_BIN_EXE_testbed")),
        )?;
        fs::set_permissions(&cargo, Permissions::from_mode(0o755))?;
        symlink(&kamaji, programs.join("kamaji"))?;
        let cache = cache_dir()?;
        let cache = cache.parent().context("the folder of caches")?;
        let layout = &testbed.bed.layout;
        let path = testbed.bed.tools.search_path();
        let environment = vec![
            ("PATH", format!("{}:{path}", programs.display())),
            ("KAMAJI_BIN", kamaji.display().to_string()),
            ("KAMAJI_E2E_STATE", layout.state.display().to_string()),
            ("XDG_CACHE_HOME", cache.display().to_string()),
            ("AWS_ACCESS_KEY_ID", object_store::ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", object_store::SECRET_KEY.to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ENDPOINT", ObjectStore::url(&testbed.bed)),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
        ];
        Ok(Self {
            main: Shell::at(folder.path().join("main"), layout.kubeconfig(), &TEXTS)?,
            testbed: testbed.clone(),
            all: blocks()?,
            run: RefCell::default(),
            folder,
            environment,
        })
    }

    /// A shell whose kubeconfig is in a namespace of its own, which is created.
    pub async fn shell_in(&self, namespace: &str) -> Result<Shell> {
        let management = self.testbed.kubectl()?;
        let create = format!("create namespace {namespace}");
        management.run(&create).await?;
        let folder = self.folder.path().join(namespace);
        let kubeconfig = self.folder.path().join(format!("{namespace}.kubeconfig"));
        fs::copy(management.kubeconfig(), &kubeconfig)?;
        let shell = Shell::at(folder, kubeconfig, &[])?;
        let change = format!("kubectl config set-context --current --namespace={namespace}");
        self.script(&shell, &change).await?;
        Ok(shell)
    }

    /// Blocks of a page that are run here.
    pub fn of<const N: usize>(&self, page: &str) -> Result<[&Block; N]> {
        marked(&self.all, page, "guides")
    }

    /// Manifests of a page.
    pub fn manifests(&self, page: &str) -> impl Iterator<Item = &Block> {
        manifests(&self.all, page)
    }

    /// Blocks of all pages of a folder that are run here.
    pub fn below(&self, folder: &str) -> impl Iterator<Item = &Block> {
        let below = self
            .all
            .iter()
            .filter(move |block| block.page.starts_with(folder));
        below.filter(|block| block.is_run_by("guides"))
    }

    /// Types a block into the main shell; returns what it prints.
    pub async fn run(&self, block: &Block) -> Result<String> {
        self.run_in(&self.main, block).await
    }

    /// Types a block into a shell that ends at the first error; returns what it prints.
    pub async fn run_in(&self, shell: &Shell, block: &Block) -> Result<String> {
        let text = self.text(shell, block);
        let said = self.script(shell, &text).await;
        said.with_context(|| block.to_string())
    }

    /// Text of a block with names filled in; the block counts as run.
    pub fn text(&self, shell: &Shell, block: &Block) -> String {
        self.run.borrow_mut().insert(block.to_string());
        let mut text = block.body.clone();
        for (from, to) in shell.texts {
            text = text.replace(from, to);
        }
        if let Some(recipient) = shell.recipient() {
            text = text.replace("age1…", &recipient);
        }
        filled_in(&text, &WORDS)
    }

    /// Runs a script in a shell that ends at the first error.
    pub async fn script(&self, shell: &Shell, script: &str) -> Result<String> {
        self.bash(shell, &["-euo", "pipefail", "-c", script]).await
    }

    /// Runs bash with these arguments, for five minutes at most.
    pub async fn bash(&self, shell: &Shell, arguments: &[&str]) -> Result<String> {
        let mut bash: Command = command("timeout", ["300", "bash"]);
        bash.args(arguments)
            .current_dir(&shell.folder)
            .env("HOME", &shell.folder)
            .env("KUBECONFIG", &shell.kubeconfig)
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        without_proxy(&mut bash);
        output(bash).await
    }

    /// Fails if a block has the mark and was not run.
    pub fn all_have_run(&self) -> Result<()> {
        let run = self.run.borrow();
        let marked = self.below("").map(ToString::to_string);
        let left: Vec<String> = marked.filter(|block| !run.contains(block)).collect();
        ensure!(left.is_empty(), "marked run=guides, and not run: {left:?}");
        Ok(())
    }
}

impl Shell {
    fn at(folder: PathBuf, kubeconfig: PathBuf, texts: Texts) -> Result<Self> {
        fs::create_dir(&folder)?;
        for name in ["config", "Makefile"] {
            symlink(checkout().join(name), folder.join(name))?;
        }
        Ok(Self {
            folder,
            kubeconfig,
            texts,
        })
    }

    /// Public key of the file `backup.key`, once there is one.
    fn recipient(&self) -> Option<String> {
        let text = fs::read_to_string(self.file("backup.key")).ok()?;
        let (_, rest) = text.split_once("# public key: ")?;
        Some(rest.lines().next()?.to_owned())
    }

    /// Path of a file in the folder.
    pub fn file(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.join(name)
    }
}
