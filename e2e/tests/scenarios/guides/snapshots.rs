//! Snapshots of one tenant, with its ways back, a clone of it, and an object store.

use std::fs;

use anyhow::{Result, ensure};
use kamaji_e2e::databases::{Channel, postgresql};
use kamaji_e2e::datastore;
use kamaji_e2e::kubectl::has_condition;
use kamaji_e2e::object_store::ObjectStore;
use kamaji_e2e::pages::Block;
use kamaji_e2e::step::step;
use kamaji_e2e::tenant::Tenant;
use kamaji_e2e::wait::until;

use super::super::databases;
use super::LIMIT;
use super::shell::Guides;

impl Guides {
    /// Saves the tenant, makes a clone in PostgreSQL, and brings it back twice: over what it became, and after its deletion.
    pub async fn snapshots(&self, tenant: &Tenant) -> Result<()> {
        let server = postgresql::start(&self.testbed.bed, Channel::Tls).await?;
        databases::apply_data_store(&self.testbed, &server).await?;
        let [key, save, clone, replace, bring_back, store] = self.of("docs/snapshots.md")?;
        self.run(key).await?;
        let kubectl = tenant.kubectl().await?;
        kubectl
            .run("create configmap before --from-literal=a=b")
            .await?;
        let said = self.run(save).await?;
        ensure!(said.contains("demo.snap"), "{said}");
        kubectl
            .run("create configmap after --from-literal=a=b")
            .await?;

        let clone = self.text(&self.main, clone);
        let clone = clone.replace("postgres", &server.name());
        self.script(&self.main, &clone).await?;
        self.clone_has("before", "after").await?;
        step("migrations", self.moves()).await?;
        let management = self.testbed.kubectl()?;
        management.run("delete tcp copy --timeout=120s").await?;
        databases::remove(&self.testbed, &server).await?;

        step("replace", self.run(replace)).await?;
        has_gone_back(tenant).await?;
        step("bring back", self.run(bring_back)).await?;
        has_gone_back(tenant).await?;

        let [backup] = self.of("docs/guides/backup.md")?;
        fs::remove_file(self.main.file("demo.snap"))?;
        step("backup", self.run(backup)).await?;
        has_gone_back(tenant).await?;
        self.object_store(store).await
    }

    /// Saves the tenant and the whole etcd into an object store, lists and checks what is there.
    async fn object_store(&self, block: &Block) -> Result<()> {
        let store = ObjectStore::start(&self.testbed.bed, &["bucket", "backups"]).await?;
        let said = self.run(block).await?;
        ensure!(said.contains("demo.snap"), "{said}");

        let [verify] = self.of("docs/guides/restore-etcd.md")?;
        let text = self.text(&self.main, verify);
        let words = text.split_whitespace();
        let name = words
            .filter(|word| word.starts_with("s3://"))
            .collect::<String>();
        self.administrator()?;
        let bed = &self.testbed.bed;
        let save = format!(
            "kamaji etcd save {name} --recipient $(age-keygen -y backup.key) --endpoint https://{} --credentials root",
            datastore::endpoint(bed)
        );
        self.script(&self.main, &save).await?;
        self.script(&self.main, &text).await?;
        store.stop().await
    }

    /// Lays the certificate of etcd's administrator into the folder `root`, as the chart's Secret has it.
    fn administrator(&self) -> Result<()> {
        let from = self.testbed.bed.layout.dir("datastore");
        let to = self.main.file("root");
        fs::create_dir_all(&to)?;
        for (file, name) in [
            ("ca.crt", "ca.crt"),
            ("root.crt", "tls.crt"),
            ("root.key", "tls.key"),
        ] {
            fs::copy(from.join(file), to.join(name))?;
        }
        Ok(())
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
            for i in $(seq 15); do kubectl --kubeconfig copy.conf --server https://127.0.0.1:17443 \
            --tls-server-name kubernetes get configmaps -o name && exit; sleep 0.2; done; exit 1";
        // The pod that kubectl chooses may be one that the release replaces.
        let said = until("the clone answers", LIMIT, || {
            self.script(&self.main, script)
        })
        .await?;
        let has = |name: &str| said.contains(&format!("configmap/{name}\n"));
        ensure!(has(there) && !has(missing), "{said}");
        Ok(())
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
