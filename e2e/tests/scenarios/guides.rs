//! Command blocks of pages that have the mark `run=guides`, run against a tenant as a reader would type them: the kubeconfig
//! generator, a tenant's snapshot with its ways back, and what runbooks ask.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::Duration;

use age::secrecy::ExposeSecret;
use anyhow::{Context, Result, ensure};
use kamaji_e2e::audit::OPERATOR_NAMESPACE;
use kamaji_e2e::command::output;
use kamaji_e2e::databases::{Channel, postgresql};
use kamaji_e2e::kubectl::has_condition;
use kamaji_e2e::layout::checkout;
use kamaji_e2e::operator;
use kamaji_e2e::pages::{Block, blocks, filled_in};
use kamaji_e2e::step::step;
use kamaji_e2e::tenant::Tenant;
use kamaji_e2e::testbed::Testbed;
use kamaji_e2e::wait::until;
use serde_json::json;
use tempfile::TempDir;

use super::{databases, manifest};

/// Capitals that stand for a name in pages, and what they are replaced with.
const WORDS: [(&str, &str); 3] = [("NAMESPACE", "default"), ("NAME", "demo"), ("COPY", "copy")];
/// Longest time until a process or a tenant has done what a guide asks for.
const LIMIT: Duration = Duration::from_mins(3);

pub async fn run(testbed: Testbed) -> Result<()> {
    let guides = Guides::new(&testbed).await?;
    let tenant = step("tenant demo", guides.start()).await?;
    step("kubeconfig generator", guides.generator(&tenant)).await?;
    step("snapshots", guides.snapshots(&tenant)).await?;
    step("runbooks", guides.runbooks()).await?;
    guides.remove(&tenant).await
}

/// A shell in a folder of its own, with the management cluster's kubeconfig.
struct Guides {
    testbed: Testbed,
    folder: TempDir,
    path: String,
    all: Vec<Block>,
    /// Public key of the file `backup.key`.
    recipient: String,
}

impl Guides {
    async fn new(testbed: &Testbed) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        symlink(checkout().join("config"), folder.path().join("config"))?;
        let identity = age::x25519::Identity::generate();
        let key = folder.path().join("backup.key");
        fs::write(key, identity.to_string().expose_secret())?;
        let kamaji = operator::binary().await?;
        let kamaji = kamaji.parent().context("the folder of kamaji")?.display();
        Ok(Self {
            path: format!("{kamaji}:{}", testbed.bed.tools.search_path()),
            testbed: testbed.clone(),
            folder,
            all: blocks()?,
            recipient: identity.to_public().to_string(),
        })
    }

    /// The tenant of the pages.
    async fn start(&self) -> Result<Tenant> {
        let kubectl = self.testbed.kubectl()?;
        let label = "label namespace default stage=production";
        kubectl.run(&format!("{label} --overwrite")).await?;
        let spec = json!({"networkProfile": databases::network(&self.testbed)});
        let tenant =
            Tenant::apply(&self.testbed, &manifest::tenant("default", "demo", spec)).await?;
        kubectl.run("label tcp demo team=platform").await?;
        tenant.wait_ready(LIMIT).await?;
        Ok(tenant)
    }

    /// Blocks of a page that are run here.
    fn of<const N: usize>(&self, page: &str) -> Result<[&Block; N]> {
        let of_page = self.all.iter().filter(|block| block.page == page);
        let marked: Vec<&Block> = of_page.filter(|block| block.is_run_by("guides")).collect();
        let number = marked.len();
        let marked = marked.try_into().ok();
        marked.with_context(|| format!("{page} has {number} blocks with the mark, not {N}"))
    }

    /// Runs a block in a shell that ends at the first error; returns what it prints.
    async fn run(&self, block: &Block) -> Result<String> {
        let script = block
            .body
            .replace("age1…", &self.recipient)
            .replace("blue", "demo");
        let said = self.shell("-euo", &filled_in(&script, &WORDS)).await;
        said.with_context(|| block.to_string())
    }

    async fn shell(&self, options: &str, script: &str) -> Result<String> {
        let mut bash = Command::new("timeout");
        let options = options.split(' ').filter(|option| !option.is_empty());
        bash.args(["300", "bash"])
            .args(options)
            .args(["pipefail", "-c", script])
            .current_dir(self.folder.path())
            .env("HOME", self.folder.path())
            .env("KUBECONFIG", self.testbed.kubectl()?.kubeconfig())
            .env("PATH", &self.path);
        output(bash).await
    }

    /// Switches the generator on, reads the kubeconfig that it gives, and asks a tenant for a certificate.
    async fn generator(&self, tenant: &Tenant) -> Result<()> {
        let page = "docs/guides/kubeconfig-generator.md";
        let [switch_on, read, sign] = self.of(page)?;
        self.run(switch_on).await?;
        let kubectl = self.testbed.kubectl()?;
        let rollout = format!("-n {OPERATOR_NAMESPACE} deployment/kamaji-kubeconfiggenerator");
        kubectl
            .run(&format!("rollout status {rollout} --timeout=90s"))
            .await?;
        let of_page = self.all.iter().filter(|block| block.page == page);
        for manifest in of_page.filter(|block| block.is_manifest()) {
            kubectl.apply(&manifest.body).await?;
        }
        until("the generator has a result", LIMIT, || async {
            let found = kubectl.json("get kubeconfiggenerator auditors").await?;
            let status = &found["status"];
            ensure!(
                status["availableResources"] == 1 && status["resources"] == 1,
                "{status}"
            );
            Ok(())
        })
        .await?;
        let said = self.run(read).await?;
        ensure!(
            said.contains("demo") && said.contains("audit:readers"),
            "the tenant knows the user as {said}"
        );
        self.run(sign).await?;
        let signed = fs::read_to_string(self.folder.path().join("auditor.crt"))?;
        ensure!(
            signed.starts_with("-----BEGIN CERTIFICATE-----"),
            "{signed:?}"
        );

        kubectl.run("delete kubeconfiggenerator auditors").await?;
        until("its Secret is gone", LIMIT, || async {
            let left = kubectl.run("get secret demo-auditors -o name").await;
            ensure!(left.is_err(), "it is there");
            Ok(())
        })
        .await?;
        let remove = "kubectl delete -k config/kubeconfig-generator --timeout=60s";
        self.shell("-uo", remove).await?;
        tenant.kubectl().await?.run("get --raw /readyz").await?;
        Ok(())
    }

    /// Saves the tenant, makes a clone in PostgreSQL, and brings it back twice: over what it became, and after its deletion.
    async fn snapshots(&self, tenant: &Tenant) -> Result<()> {
        let server = postgresql::start(&self.testbed.bed, Channel::Tls).await?;
        databases::apply_data_store(&self.testbed, &server).await?;
        let [save, clone, replace, bring_back] = self.of("docs/snapshots.md")?;
        let kubectl = tenant.kubectl().await?;
        kubectl
            .run("create configmap before --from-literal=a=b")
            .await?;
        let said = self.run(save).await?;
        ensure!(said.contains("demo.snap"), "{said}");
        kubectl
            .run("create configmap after --from-literal=a=b")
            .await?;

        let name = server.name();
        let mut clone = clone.clone();
        clone.body = clone.body.replace("postgres", &name);
        self.run(&clone).await?;
        self.clone_has("before", "after").await?;
        let management = self.testbed.kubectl()?;
        management.run("delete tcp copy --timeout=120s").await?;
        databases::remove(&self.testbed, &server).await?;

        self.run(replace).await?;
        has_gone_back(tenant).await?;
        self.run(bring_back).await?;
        has_gone_back(tenant).await
    }

    /// Asserts that the released clone is Ready and has the ConfigMap `there` in its cluster, and not `missing`.
    async fn clone_has(&self, there: &str, missing: &str) -> Result<()> {
        let copy = Tenant::named(&self.testbed, "default", "copy")?;
        until("the clone is Ready", LIMIT, || async {
            let object = copy.get().await?;
            for wanted in ["Ready", "TenantClusterConfigured"] {
                ensure!(
                    has_condition(&object, (wanted, "True")),
                    "not {wanted}: {}",
                    object["status"]["conditions"]
                );
            }
            Ok(())
        })
        .await?;
        // Its Service has an address of the management cluster, which this machine does not reach.
        let script = "kubectl get secret copy-admin-kubeconfig -o jsonpath='{.data.admin\\.conf}' | base64 -d > copy.conf\n\
            kubectl port-forward service/copy 17443:6443 >/dev/null & trap 'kill %1' EXIT\n\
            for i in $(seq 50); do kubectl --kubeconfig copy.conf --server https://127.0.0.1:17443 \
            --tls-server-name kubernetes get configmaps -o name && exit; sleep 0.2; done; exit 1";
        let said = self.shell("-uo", script).await?;
        let has = |name: &str| said.contains(&format!("configmap/{name}\n"));
        ensure!(has(there) && !has(missing), "{said}");
        Ok(())
    }

    /// Runs what runbooks ask, which may find nothing, but fails at nothing.
    async fn runbooks(&self) -> Result<()> {
        let of_runbooks =
            |block: &&Block| block.page.starts_with("docs/runbooks/") && block.is_run_by("guides");
        let mut number = 0;
        for block in self.all.iter().filter(of_runbooks) {
            number += 1;
            // Of several pods kubectl says which one it takes.
            let script = format!(
                "exec 3>&2 2>errors\n{}\nexec 2>&3\nif grep -v '^Found ' errors >&2; then exit 1; fi",
                block.body
            );
            let said = self.shell("-uo", &script).await;
            said.with_context(|| block.to_string())?;
        }
        ensure!(number >= 8, "only {number} blocks of runbooks are marked");
        Ok(())
    }

    async fn remove(self, tenant: &Tenant) -> Result<()> {
        tenant.delete().await?;
        let kubectl = self.testbed.kubectl()?;
        kubectl
            .run("label namespace default stage-")
            .await
            .map(drop)
    }
}

/// Asserts that the tenant is what it was when it was saved, reached by its kubeconfig of that time.
async fn has_gone_back(tenant: &Tenant) -> Result<()> {
    tenant.wait_ready(LIMIT).await?;
    let found = tenant
        .kubectl()
        .await?
        .run("get configmaps -o name")
        .await?;
    let has = |name: &str| found.contains(&format!("configmap/{name}\n"));
    ensure!(has("before") && !has("after"), "{found}");
    Ok(())
}
