//! Record of a tenant before its objects are lost, and the assertions that it is the same afterwards.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, ensure};
use kamaji_e2e::kubectl::Kubectl;
use kamaji_e2e::tenant::Tenant;
use kamaji_e2e::testbed::Testbed;
use serde_json::Value;

use super::LIMIT;

/// Endings of the names of Secrets that a restore has to bring back byte for byte.
const KEPT: [&str; 6] = [
    "ca",
    "front-proxy-ca-certificate",
    "sa-certificate",
    "admin-kubeconfig",
    "datastore-config",
    "datastore-certificate",
];

/// A tenant, and what its objects were.
pub struct Record {
    pub tenant: Tenant,
    management: Kubectl,
    /// kubectl with the kubeconfig that an administrator has kept.
    kept: Kubectl,
    /// Uid of the TenantControlPlane.
    pub uid: String,
    /// Schema and user, as the status has recorded them.
    pub setup: Value,
    /// Data of each Secret of [`KEPT`].
    data: BTreeMap<String, Value>,
    /// Uids of the Secrets as they were restored, by name.
    restored: BTreeMap<String, String>,
}

impl Record {
    /// Reads a tenant that is Ready.
    pub async fn of(testbed: &Testbed, tenant: Tenant) -> Result<Self> {
        let management = testbed.kubectl()?;
        let kubeconfig = tenant.kubeconfig().await?;
        let kept = kubeconfig.with_extension("kept");
        fs::copy(kubeconfig, &kept)?;
        let object = tenant.get().await?;
        let mut record = Self {
            kept: Kubectl::new(&testbed.bed.tools, &kept)?,
            management,
            uid: text(&object["metadata"]["uid"])?,
            setup: object["status"]["storage"]["setup"].clone(),
            data: BTreeMap::new(),
            restored: BTreeMap::new(),
            tenant,
        };
        ensure!(record.setup["schema"].is_string(), "{object}");
        record.data = record.data().await?;
        Ok(record)
    }

    /// Writes a ConfigMap through the tenant's API server.
    pub async fn write(&self, name: &str) -> Result<()> {
        let line = format!("create configmap {name} --from-literal=key=value");
        self.kept.run(&line).await.map(drop)
    }

    /// Asserts that the tenant's object was restored with its status, but with none of Velero's Secrets owned.
    pub async fn is_paused(&mut self) -> Result<()> {
        let object = self.tenant.get().await?;
        let annotations = &object["metadata"]["annotations"];
        ensure!(
            annotations["kamaji.clastix.io/paused"].is_string(),
            "{object}"
        );
        self.is_set_up(&object)?;
        self.restored = BTreeMap::new();
        for secret in self.secrets().await? {
            let metadata = &secret["metadata"];
            ensure!(metadata["ownerReferences"].is_null(), "{metadata}");
            let (name, uid) = (text(&metadata["name"])?, text(&metadata["uid"])?);
            self.restored.insert(name, uid);
        }
        ensure!(self.restored.len() > KEPT.len(), "{:?}", self.restored);
        Ok(())
    }

    /// Asserts that the tenant is Ready with its authorities, schema and user, that its Secrets are the new object's, and
    /// that those which were restored are the same objects.
    pub async fn has_returned(&mut self) -> Result<()> {
        self.tenant.wait_ready(LIMIT).await?;
        let object = self.tenant.get().await?;
        let uid = text(&object["metadata"]["uid"])?;
        ensure!(uid != self.uid, "the object was never lost");
        self.is_set_up(&object)?;
        let data = self.data().await?;
        for (name, before) in &self.data {
            ensure!(data[name] == *before, "Secret {name} has changed");
        }
        self.uid = uid;
        let owned = self.owned().await?;
        for (name, uid) in std::mem::take(&mut self.restored) {
            let now = owned.get(&name);
            ensure!(now == Some(&uid), "Secret {name} was {uid}, and is {now:?}");
        }
        Ok(())
    }

    fn is_set_up(&self, object: &Value) -> Result<()> {
        let setup = &object["status"]["storage"]["setup"];
        for name in ["schema", "user"] {
            ensure!(
                setup[name] == self.setup[name],
                "{setup}, not {}",
                self.setup
            );
        }
        Ok(())
    }

    /// Asserts that the kubeconfig of that time reaches these ConfigMaps.
    pub async fn serves(&self, written: &[&str]) -> Result<()> {
        for name in written {
            let line = format!("get configmap {name} -o name");
            self.kept.run(&line).await?;
        }
        Ok(())
    }

    /// Uids of the tenant's Secrets, each of which has the tenant as its one owner.
    pub async fn owned(&self) -> Result<BTreeMap<String, String>> {
        let mut uids = BTreeMap::new();
        for secret in self.secrets().await? {
            let metadata = &secret["metadata"];
            let owners = metadata["ownerReferences"].as_array();
            let owners: Vec<&Value> = owners.into_iter().flatten().collect();
            ensure!(
                matches!(owners[..], [owner] if owner["uid"] == *self.uid),
                "the owners of Secret {} are {owners:?}, not {}",
                metadata["name"],
                self.uid
            );
            uids.insert(text(&metadata["name"])?, text(&metadata["uid"])?);
        }
        Ok(uids)
    }

    /// Secrets with the tenant's labels.
    pub async fn secrets(&self) -> Result<Vec<Value>> {
        let (namespace, name) = (self.tenant.namespace(), self.tenant.name());
        let line = format!("get secrets -n {namespace} -l kamaji.clastix.io/name={name}");
        let mut list = self.management.json(&line).await?;
        serde_json::from_value(list["items"].take()).context("the list of Secrets")
    }

    async fn data(&self) -> Result<BTreeMap<String, Value>> {
        let name = self.tenant.name();
        let all = self.secrets().await?;
        let find = |ending: &&str| {
            let wanted = format!("{name}-{ending}");
            let mut all = all.iter();
            let found = all.find(|secret| secret["metadata"]["name"] == *wanted);
            let found = found.with_context(|| format!("there is no Secret {wanted}"))?;
            Ok((wanted, found["data"].clone()))
        };
        KEPT.iter().map(find).collect()
    }
}

fn text(value: &Value) -> Result<String> {
    let text = value.as_str().map(str::to_owned);
    text.with_context(|| format!("{value} is no text"))
}
