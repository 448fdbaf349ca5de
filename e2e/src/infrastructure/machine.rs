//! Life cycle of an infrastructure machine, by Cluster API's contract of InfraMachines.
//!
//! It is made once its Machine has bootstrap data, then known by `spec.providerID`, and gone before
//! its finalizer is.

use std::future::Future;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher;
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use super::resources::{core, resource};

const FINALIZER: &str = "testbed.kamaji.clastix.io/machine";
const CLUSTER_LABEL: &str = "cluster.x-k8s.io/cluster-name";

/// Input from which a machine is started.
pub struct MachineInput<'a> {
    /// Infrastructure machine to provide.
    pub machine: &'a DynamicObject,
    /// Machine of Cluster API that owns it.
    pub owner: &'a DynamicObject,
    /// Provider id by which the tenant knows the machine.
    pub provider_id: &'a str,
    /// Bootstrap data that the machine runs first.
    pub bootstrap: &'a str,
    /// Kubeconfig of the tenant.
    pub kubeconfig: &'a str,
}

/// Provider of one kind of machines.
pub trait MachineProvider: Sync {
    /// Kind of the infrastructure machines.
    const KIND: &'static str;

    /// Ensures that the machine runs; returns its address.
    fn ensure(&self, input: &MachineInput<'_>) -> impl Future<Output = Result<String>> + Send;

    /// Removes the machine; does nothing if it was removed before.
    fn remove(&self, machine: &DynamicObject) -> impl Future<Output = Result<()>> + Send;

    /// Time of the next reconcile of a machine that runs.
    fn next(&self) -> Action;
}

/// Reconciles machines also when their Machine or their Cluster changes.
pub fn related<M: MachineProvider>(
    controller: Controller<DynamicObject>,
    client: &Client,
) -> Controller<DynamicObject> {
    let all = |kind: &str| {
        let resource = core(kind);
        (Api::all_with(client.clone(), &resource), resource)
    };
    let matching = |matches: fn(&DynamicObject, &DynamicObject) -> bool| {
        let machines = controller.store();
        move |other: DynamicObject| {
            let mut machines = machines.state();
            machines.retain(|machine| {
                machine.namespace() == other.namespace() && matches(machine, &other)
            });
            machines
                .into_iter()
                .map(|machine| ObjectRef::from_obj_with(&*machine, resource(M::KIND)))
        }
    };
    let of_machine = matching(|machine, other| owner(machine) == Some(&other.name_any()));
    let of_cluster =
        matching(|machine, other| machine.labels().get(CLUSTER_LABEL) == Some(&other.name_any()));
    let (owners, clusters) = (all("Machine"), all("Cluster"));
    let config = watcher::Config::default();
    controller
        .watches_with(owners.0, owners.1, config.clone(), of_machine)
        .watches_with(clusters.0, clusters.1, config, of_cluster)
}

/// Reconciles one infrastructure machine.
pub async fn reconcile<M: MachineProvider>(
    client: &Client,
    provider: &M,
    machine: &DynamicObject,
) -> Result<Action> {
    let namespace = machine.namespace().unwrap_or_default();
    let api = Objects {
        client,
        namespace: &namespace,
        kind: M::KIND,
    };
    if machine.metadata.deletion_timestamp.is_some() {
        provider.remove(machine).await?;
        api.remove_finalizer(machine).await?;
        return Ok(Action::await_change());
    }
    let (Some(owner), Some(cluster)) = (owner(machine), machine.labels().get(CLUSTER_LABEL)) else {
        return Ok(Action::await_change());
    };
    let (owner, cluster_object) =
        tokio::try_join!(api.read("Machine", owner), api.read("Cluster", cluster),)?;
    let paused = cluster_object.data["spec"]["paused"] == json!(true);
    let data = owner.data["spec"]["bootstrap"]["dataSecretName"].as_str();
    let provisioned = &cluster_object.data["status"]["initialization"]["infrastructureProvisioned"];
    let (false, Some(data), true) = (paused, data, *provisioned == json!(true)) else {
        return Ok(Action::await_change());
    };
    api.add_finalizer(machine).await?;
    let kind = M::KIND.trim_end_matches("Machine").to_lowercase();
    let provider_id = format!("{kind}://{namespace}/{}", machine.name_any());
    let address = provider
        .ensure(&MachineInput {
            machine,
            owner: &owner,
            provider_id: &provider_id,
            bootstrap: &api.value(data).await?,
            kubeconfig: &api.value(&format!("{cluster}-kubeconfig")).await?,
        })
        .await?;
    api.report_provisioned(machine, &provider_id, &address)
        .await?;
    Ok(provider.next())
}

/// Name of the Machine that owns an infrastructure machine.
fn owner(machine: &DynamicObject) -> Option<&str> {
    let mut owners = machine.owner_references().iter();
    let owner = owners.find(|owner| {
        owner.kind == "Machine" && owner.api_version.starts_with("cluster.x-k8s.io/")
    });
    Some(&owner?.name)
}

/// Objects of one namespace; `kind` is that of the machines.
struct Objects<'a> {
    client: &'a Client,
    namespace: &'a str,
    kind: &'static str,
}

impl Objects<'_> {
    async fn read(&self, kind: &str, name: &str) -> Result<DynamicObject> {
        let client = self.client.clone();
        let api: Api<DynamicObject> = Api::namespaced_with(client, self.namespace, &core(kind));
        let found = api.get(name).await;
        found.with_context(|| format!("read {kind} {name}"))
    }

    /// Key `value` of one of Cluster API's Secrets.
    async fn value(&self, name: &str) -> Result<String> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), self.namespace);
        let secret = api.get(name).await;
        let mut data = secret
            .with_context(|| format!("read Secret {name}"))?
            .data
            .unwrap_or_default();
        let value = data.remove("value");
        let value = value.with_context(|| format!("Secret {name} has no key value"))?;
        Ok(String::from_utf8(value.0)?)
    }

    /// Adds [`FINALIZER`] to a machine that does not have it.
    async fn add_finalizer(&self, machine: &DynamicObject) -> Result<()> {
        let finalizers = machine.finalizers();
        if finalizers.iter().any(|one| one == FINALIZER) {
            return Ok(());
        }
        let with = finalizers.iter().map(String::as_str).chain([FINALIZER]);
        let with: Vec<_> = with.collect();
        self.patch(machine, &json!({"metadata": {"finalizers": with}}))
            .await
    }

    async fn remove_finalizer(&self, machine: &DynamicObject) -> Result<()> {
        let finalizers = machine.finalizers().iter();
        let left: Vec<_> = finalizers.filter(|one| *one != FINALIZER).collect();
        self.patch(machine, &json!({"metadata": {"finalizers": left}}))
            .await
    }

    fn machines(&self) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), self.namespace, &resource(self.kind))
    }

    async fn patch(&self, machine: &DynamicObject, patch: &Value) -> Result<()> {
        let api = self.machines();
        let params = PatchParams::default();
        api.patch(&machine.name_any(), &params, &Patch::Merge(patch))
            .await?;
        Ok(())
    }

    /// Writes provider id and address of a machine that runs, and that it is provisioned.
    async fn report_provisioned(
        &self,
        machine: &DynamicObject,
        provider_id: &str,
        address: &str,
    ) -> Result<()> {
        if machine.data["spec"]["providerID"] != json!(provider_id) {
            self.patch(machine, &json!({"spec": {"providerID": provider_id}}))
                .await?;
        }
        let status = json!({
            "initialization": {"provisioned": true},
            "addresses": [{"type": "InternalIP", "address": address}],
        });
        if machine.data["status"] != status {
            let api = self.machines();
            let (params, status) = (PatchParams::default(), json!({"status": status}));
            api.patch_status(&machine.name_any(), &params, &Patch::Merge(&status))
                .await?;
        }
        Ok(())
    }
}
