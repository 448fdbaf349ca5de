//! The management cluster, as `kamaji snapshot` reads and writes it.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        core::v1::{Namespace, Pod, Secret},
    },
    jiff::Timestamp,
};
use kamaji_api::{datastore::DataStore, labels, tenant::TenantControlPlane};
use kamaji_core::{
    data_store::{self, ResolvedDataStore, Secrets},
    orphan::is_tenant,
};
use kamaji_shell::ObjectKey;
use kube::{
    Api, Client, Config,
    api::{ListParams, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::json;
use tokio::time::sleep;

use crate::access::unquoted_error;

/// Field manager of what this command writes.
const MANAGER: &str = "kamaji-snapshot";
/// Longest wait for the garbage collection of a former tenant's Secret, and the pause between two reads.
const COLLECTED: Duration = Duration::from_mins(2);
const AGAIN: Duration = Duration::from_millis(500);

/// Reads the key of a TenantControlPlane, written as NAMESPACE/NAME.
pub fn tenant_key(text: &str) -> Result<ObjectKey, String> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => {
            Ok(ObjectKey::new(namespace, name))
        }
        _ => Err("write it as NAMESPACE/NAME".to_owned()),
    }
}

/// Flags with the way to the management cluster.
#[derive(clap::Args)]
pub struct ClusterFlags {
    /// Kubeconfig of the management cluster; by default KUBECONFIG, ~/.kube/config, or the pod's own account
    #[arg(long)]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig; by default its current one
    #[arg(long)]
    context: Option<String>,
}

/// Client of the management cluster.
pub struct Cluster {
    client: Client,
}

impl Cluster {
    /// Opens the management cluster that the flags name.
    pub async fn connect(flags: &ClusterFlags) -> anyhow::Result<Self> {
        let options = KubeConfigOptions {
            context: flags.context.clone(),
            ..KubeConfigOptions::default()
        };
        let config = match &flags.kubeconfig {
            Some(path) => {
                let read = Kubeconfig::read_from(path).map_err(unquoted_error);
                let read = read.with_context(|| format!("--kubeconfig {}", path.display()))?;
                Config::from_custom_kubeconfig(read, &options).await?
            }
            None if flags.context.is_some() => {
                let found = Config::from_kubeconfig(&options).await;
                found.map_err(unquoted_error)?
            }
            None => Config::infer()
                .await
                .context("no kubeconfig: give --kubeconfig")?,
        };
        Ok(Self {
            client: Client::try_from(config)?,
        })
    }

    fn tenants(&self, namespace: &str) -> Api<TenantControlPlane> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Uid of the management cluster: that of its namespace kube-system.
    pub async fn uid(&self) -> anyhow::Result<String> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let found = namespaces.get("kube-system").await;
        let found = found.context("the uid of the namespace kube-system")?;
        found
            .metadata
            .uid
            .context("the namespace kube-system has no uid")
    }

    /// A tenant that exists.
    pub async fn tenant(&self, key: &ObjectKey) -> anyhow::Result<TenantControlPlane> {
        let found = self.find(key).await?;
        found.with_context(|| format!("there is no TenantControlPlane {key}"))
    }

    /// A tenant; `None` if there is none.
    pub async fn find(&self, key: &ObjectKey) -> anyhow::Result<Option<TenantControlPlane>> {
        let found = self.tenants(&key.namespace).get_opt(&key.name).await;
        found.with_context(|| format!("the TenantControlPlane {key}"))
    }

    /// Creates a tenant, or only checks that it could be created; an object of that name is an error.
    pub async fn create(&self, tenant: &TenantControlPlane, dry_run: bool) -> anyhow::Result<()> {
        let namespace = tenant.metadata.namespace.as_deref().unwrap_or_default();
        let parameters = PostParams {
            dry_run,
            field_manager: Some(MANAGER.to_owned()),
        };
        let created = self.tenants(namespace).create(&parameters, tenant).await;
        created.context("creating the TenantControlPlane")?;
        Ok(())
    }

    /// Sets annotations of exactly this version of a tenant, and removes those without a value.
    pub async fn annotate(
        &self,
        tenant: &TenantControlPlane,
        annotations: &[(&str, Option<&str>)],
    ) -> anyhow::Result<TenantControlPlane> {
        let metadata = &tenant.metadata;
        let annotations: BTreeMap<_, _> = annotations.iter().copied().collect();
        let patch = json!({"metadata": {
            "uid": metadata.uid,
            "resourceVersion": metadata.resource_version,
            "annotations": annotations,
        }});
        let api = self.tenants(metadata.namespace.as_deref().unwrap_or_default());
        let name = metadata.name.as_deref().unwrap_or_default();
        let parameters = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let patched = api.patch(name, &parameters, &Patch::Merge(patch)).await;
        patched.with_context(|| format!("annotating the TenantControlPlane {name}"))
    }

    /// A Secret; `None` if there is none.
    pub async fn secret(&self, namespace: &str, name: &str) -> anyhow::Result<Option<Secret>> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let found = api.get_opt(name).await;
        found.with_context(|| format!("the Secret {namespace}/{name}"))
    }

    /// Creates a Secret, unless one of that name has the same data. One that a former tenant owns, or that is being
    /// deleted, is waited for until garbage collection has removed it, for at most [`COLLECTED`].
    pub async fn create_secret(&self, secret: &Secret) -> anyhow::Result<()> {
        let namespace = secret.metadata.namespace.as_deref().unwrap_or_default();
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let name = secret.metadata.name.clone().unwrap_or_default();
        let started = Instant::now();
        while let Some(found) = self.secret(namespace, &name).await? {
            if !is_leaving(&found) {
                if found.data == secret.data {
                    return Ok(());
                }
                bail!(
                    "the Secret {namespace}/{name} exists and has other keys than the snapshot: delete it if nothing uses it"
                );
            }
            if started.elapsed() > COLLECTED {
                bail!(
                    "the Secret {namespace}/{name} belongs to an owner that is gone, or is being deleted, and still exists after {} s: remove its metadata.ownerReferences to keep it, or delete it, and run this again",
                    COLLECTED.as_secs()
                );
            }
            sleep(AGAIN).await;
        }
        let created = api.create(&PostParams::default(), secret).await;
        created.with_context(|| format!("creating the Secret {namespace}/{name}"))?;
        Ok(())
    }

    /// A DataStore with its references resolved.
    pub async fn store(&self, name: &str) -> anyhow::Result<ResolvedDataStore> {
        let api: Api<DataStore> = Api::all(self.client.clone());
        let found = api.get_opt(name).await.context("the DataStore")?;
        let store = found.with_context(|| format!("there is no DataStore {name}"))?;
        let mut secrets = Secrets::new();
        for (namespace, name) in data_store::references(&store) {
            if let Some(secret) = self.secret(&namespace, &name).await? {
                secrets.insert((namespace, name), secret);
            }
        }
        let resolved = data_store::resolve(&store, &secrets, Timestamp::now());
        resolved.with_context(|| format!("the DataStore {name}"))
    }

    /// Number of pods of a tenant's control plane, those that end included, and of replicas that its Deployment
    /// asks for.
    pub async fn pods(&self, key: &ObjectKey) -> anyhow::Result<(usize, i32)> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &key.namespace);
        let selector = format!("{}={}", labels::NAME, key.name);
        let pods = pods
            .list(&ListParams::default().labels(&selector).limit(100))
            .await;
        let deployments: Api<Deployment> = Api::namespaced(self.client.clone(), &key.namespace);
        let deployment = deployments
            .get_opt(&key.name)
            .await
            .context("its Deployment")?;
        let replicas = deployment.and_then(|deployment| deployment.spec?.replicas);
        Ok((pods.context("its pods")?.items.len(), replicas.unwrap_or(0)))
    }
}

/// Refuses a tenant that the operator leaves alone.
pub fn require_reconciled(tenant: &TenantControlPlane, key: &ObjectKey) -> anyhow::Result<()> {
    if tenant.metadata.deletion_timestamp.is_some() {
        bail!("{key} is being deleted");
    }
    if labels::is_paused(&tenant.metadata) {
        bail!(
            "{key} has the annotation {}, so that the operator does not act on it: remove it first",
            labels::PAUSED
        );
    }
    Ok(())
}

/// True of a Secret that will not stay: before its tenant exists, a TenantControlPlane that owns it is a former one.
fn is_leaving(secret: &Secret) -> bool {
    let mut owners = secret.metadata.owner_references.iter().flatten();
    secret.metadata.deletion_timestamp.is_some() || owners.any(is_tenant)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};

    use super::*;

    fn of(metadata: ObjectMeta) -> Secret {
        Secret {
            metadata,
            ..Secret::default()
        }
    }

    #[test]
    fn a_secret_of_a_former_tenant_does_not_count_as_restored() {
        let owned_by = |api_version: &str, kind: &str| {
            let owner = OwnerReference {
                api_version: api_version.to_owned(),
                kind: kind.to_owned(),
                ..OwnerReference::default()
            };
            of(ObjectMeta {
                owner_references: Some(vec![owner]),
                ..ObjectMeta::default()
            })
        };
        let tenant = owned_by("kamaji.clastix.io/v1alpha1", "TenantControlPlane");
        assert!(is_leaving(&tenant));
        let cluster_api = "controlplane.cluster.x-k8s.io/v1alpha2";
        assert!(!is_leaving(&owned_by(cluster_api, "KamajiControlPlane")));
        assert!(!is_leaving(&of(ObjectMeta::default())));
        assert!(is_leaving(&of(ObjectMeta {
            deletion_timestamp: Some(Time(Timestamp::UNIX_EPOCH)),
            ..ObjectMeta::default()
        })));
    }
}
