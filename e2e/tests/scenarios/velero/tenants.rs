//! Tenants of the namespace that is lost, and a neighbour on the same etcd.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kamaji_e2e::kubectl::Kubectl;
use kamaji_e2e::tenant::Tenant;
use kamaji_e2e::testbed::Testbed;
use kamaji_e2e::wait::until;
use serde_json::{Value, json};

use super::LIMIT;
use super::loss::{collect_garbage, lose, scale};
use super::record::Record;
use super::server::Velero;
use crate::scenarios::exposure::condition;
use crate::scenarios::keys::Store;
use crate::scenarios::{manifest, rest};

/// Namespace of the page's tenants.
const NAMESPACE: &str = "tenants";
/// Namespace that a restore is mapped to.
const ELSEWHERE: &str = "elsewhere";
/// Name of the neighbour, its schema and its user.
const NEIGHBOUR: &str = "next-door";
/// Time in which garbage collection reads the kinds of all objects again (30 s), and some more.
const COLLECTED: Duration = Duration::from_secs(45);
const RESTORE: &str = "velero restore create --from-backup kamaji --wait \
    --include-resources tenantcontrolplanes.kamaji.clastix.io,secrets";
const STATUS: &str = "--status-include-resources tenantcontrolplanes.kamaji.clastix.io";

/// The tenants, and what is known of them.
pub struct Tenants<'a> {
    testbed: &'a Testbed,
    velero: &'a Velero,
    kubectl: Kubectl,
    store: Store,
    records: Vec<Record>,
    neighbour: Tenant,
    /// Versions of the neighbour's Secrets.
    versions: BTreeMap<String, String>,
}

impl<'a> Tenants<'a> {
    /// Makes a tenant in etcd and one in the DataStore of this name, each with a ConfigMap, and the neighbour, whose
    /// pods are never scheduled.
    pub async fn start(testbed: &'a Testbed, velero: &'a Velero, database: &str) -> Result<Self> {
        let unscheduled = json!({
            "dataStoreSchema": NEIGHBOUR, "dataStoreUsername": NEIGHBOUR,
            "controlPlane": {"deployment": {"nodeSelector": {"no": "such-node"}}},
        });
        let text = manifest::tenant("velero-neighbour", NEIGHBOUR, unscheduled);
        let neighbour = Tenant::apply(testbed, &text).await?;
        let mut all = Vec::new();
        for (number, name, store) in [(12, "demo", "default"), (13, "second", database)] {
            let spec = json!({
                "networkProfile": manifest::at_address(testbed, number), "dataStore": store,
            });
            let text = manifest::tenant(NAMESPACE, name, spec);
            all.push(Tenant::apply(testbed, &text).await?);
        }
        let mut records = Vec::new();
        for tenant in all {
            tenant.wait_ready(LIMIT).await?;
            // So that the size is in the backup, and its first measurement writes nothing after a restore.
            rest::wait_measured(&tenant).await?;
            records.push(Record::of(testbed, tenant).await?);
        }
        let mut tenants = Self {
            testbed,
            velero,
            kubectl: testbed.kubectl()?,
            store: Store::of(testbed).await?,
            records,
            neighbour,
            versions: BTreeMap::new(),
        };
        tenants.versions = tenants.versions().await?;
        ensure!(tenants.versions.len() > 5, "{:?}", tenants.versions);
        tenants.write("before").await?;
        Ok(tenants)
    }

    /// Writes a ConfigMap in each tenant.
    pub async fn write(&self, name: &str) -> Result<()> {
        for record in &self.records {
            record.write(name).await?;
        }
        Ok(())
    }

    /// Loses the namespace, while no operator runs.
    pub async fn lose(&self) -> Result<()> {
        lose(&self.kubectl, NAMESPACE).await
    }

    /// Starts the operator again.
    pub async fn start_operator(&self) -> Result<()> {
        scale(&self.kubectl, 1).await
    }

    /// Restores objects, Secrets and status, without any modifier.
    pub async fn restore(&self, phase: &str) -> Result<()> {
        let restore = format!("{RESTORE} {STATUS}");
        self.velero.ends(&restore, phase).await
    }

    /// Asserts that the operator leaves the restored tenants alone: Secrets have no owner, and no more than was
    /// restored is there.
    pub async fn wait_paused(&mut self) -> Result<()> {
        tokio::time::sleep(Duration::from_secs(5)).await;
        for record in &mut self.records {
            record.is_paused().await?;
        }
        let made = "get deployment,service,configmap -l kamaji.clastix.io/project=kamaji -o name";
        let made = self.kubectl.run(&format!("{made} -n {NAMESPACE}")).await?;
        ensure!(made.is_empty(), "made while it was paused: {made}");
        Ok(())
    }

    /// Asserts that every tenant is what it was.
    pub async fn have_returned(&mut self) -> Result<()> {
        for record in &mut self.records {
            record.has_returned().await?;
            record.serves(&["before", "after"]).await?;
        }
        Ok(())
    }

    /// Asserts that garbage collection removes no Secret, that the operator writes nothing more, and that the neighbour
    /// is as before.
    pub async fn stay(&self) -> Result<()> {
        let mut before = Vec::new();
        for record in &self.records {
            before.push(record.owned().await?);
        }
        collect_garbage(&self.kubectl, NAMESPACE).await?;
        rest::stays_at_rest(self.testbed, COLLECTED).await?;
        for (record, before) in self.records.iter().zip(before) {
            let after = record.owned().await?;
            ensure!(after == before, "{before:?} became {after:?}");
        }
        let (versions, remains) = (self.versions().await?, self.store.remains(NEIGHBOUR));
        ensure!(versions == self.versions, "{versions:?} of the neighbour");
        ensure!(remains.await? == ["the role", "the user"]);
        Ok(())
    }

    /// Restores the tenants into another namespace while they live: the copies get nothing, and take nothing away.
    pub async fn are_not_copied(&self) -> Result<()> {
        let restore = format!("{RESTORE} {STATUS} --namespace-mappings {NAMESPACE}:{ELSEWHERE}");
        self.velero.ends(&restore, "Completed").await?;
        for record in &self.records {
            let copy = Tenant::named(self.testbed, ELSEWHERE, record.tenant.name())?;
            let message = waits_for(&copy, "DataStoreShared").await?;
            let owner = format!("TenantControlPlane {NAMESPACE}/{}", record.tenant.name());
            ensure!(message.contains(&owner), "{message}");
        }
        let pods = format!("get deployment,pod -n {ELSEWHERE} -o name");
        let pods = self.kubectl.run(&pods).await?;
        ensure!(pods.is_empty(), "copies run: {pods}");
        self.serve().await?;
        let delete = format!("delete tcp --all -n {ELSEWHERE} --timeout=120s");
        self.kubectl.run(&delete).await?;
        let delete = format!("delete namespace {ELSEWHERE} --timeout=120s");
        self.kubectl.run(&delete).await?;
        // Secrets alone, which no tenant ever takes over, keep no namespace.
        let secrets = RESTORE.replace("tenantcontrolplanes.kamaji.clastix.io,", "");
        let secrets = format!("{secrets} --namespace-mappings {NAMESPACE}:{ELSEWHERE}");
        self.velero.ends(&secrets, "Completed").await?;
        self.kubectl.run(&delete).await?;
        self.write("beside-a-copy").await?;
        self.serve().await
    }

    async fn serve(&self) -> Result<()> {
        for record in &self.records {
            record.serves(&["before", "after"]).await?;
            record.tenant.wait_ready(LIMIT).await?;
        }
        Ok(())
    }

    /// Restores while no operator runs: its webhooks do not answer, so that only Secrets come back.
    pub async fn are_refused(&self) -> Result<()> {
        self.restore("PartiallyFailed").await?;
        let restored = format!("get tcp -n {NAMESPACE} -o name");
        let restored = self.kubectl.run(&restored).await?;
        ensure!(restored.is_empty(), "{restored} is restored");
        for record in &self.records {
            ensure!(!record.secrets().await?.is_empty(), "no Secret is restored");
        }
        Ok(())
    }

    /// Restores without status: the tenants wait until somebody names schema, user and former owner.
    pub async fn return_by_annotation(&mut self) -> Result<()> {
        self.velero.ends(RESTORE, "Completed").await?;
        for record in &self.records {
            let (tenant, setup) = (&record.tenant, &record.setup);
            let message = waits_for(tenant, "DataStoreUnrecorded").await?;
            for name in ["schema", "user"] {
                ensure!(message.contains(&setup[name].to_string()), "{message}");
            }
            let spec = json!({
                "dataStoreSchema": setup["schema"], "dataStoreUsername": setup["user"],
            });
            tenant.patch(&json!({ "spec": spec })).await?;
            let message = waits_for(tenant, "DataStoreShared").await?;
            ensure!(message.contains(&record.uid), "{message}");
            let owner = json!({"kamaji.clastix.io/adopt-datastore-owner": record.uid});
            let annotations = json!({"metadata": {"annotations": owner}});
            tenant.patch(&annotations).await?;
        }
        self.have_returned().await
    }

    /// Deletes every tenant.
    pub async fn remove(self) -> Result<()> {
        for record in &self.records {
            record.tenant.delete().await?;
        }
        self.neighbour.delete().await
    }

    async fn versions(&self) -> Result<BTreeMap<String, String>> {
        let line = format!("get secrets -n {}", self.neighbour.namespace());
        let list = self.kubectl.json(&line).await?;
        let items = list["items"].as_array().into_iter().flatten();
        let version = |item: &Value| {
            let text = |key: &str| item["metadata"][key].as_str().map(str::to_owned);
            text("name").zip(text("resourceVersion"))
        };
        let all: Option<_> = items.map(version).collect();
        all.context("a Secret without a name")
    }
}

/// Waits until a tenant's condition `DataStoreReady` has this reason; returns its message.
async fn waits_for(tenant: &Tenant, reason: &str) -> Result<String> {
    until(&format!("{} waits", tenant.name()), LIMIT, || async {
        let found = condition(tenant, "DataStoreReady").await?;
        ensure!(found["reason"] == reason, "{found}");
        let message = found["message"].as_str().unwrap_or_default();
        Ok(message.to_owned())
    })
    .await
}
