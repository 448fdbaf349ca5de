//! Hollow machines: a Node object whose lease is renewed and whose pods are ended, as a kubelet
//! would.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::Result;
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use super::machine::{MachineInput, MachineProvider};
use crate::kubeconfig::client_from;

/// Time between two renewals of the lease. A tenant misses them after 40 s.
const BEAT: Duration = Duration::from_secs(10);
const MANAGER: &str = "hollow-kubelet";
/// Taint that Cluster API's core removes once it knows the Node.
const UNINITIALIZED: &str = "node.cluster.x-k8s.io/uninitialized";

/// Machines that are Node objects only.
#[derive(Default)]
pub struct Hollow {
    // By kubeconfig: a connection for each sign of life would cost more than all else.
    clients: Mutex<BTreeMap<String, Client>>,
}

impl Hollow {
    async fn tenant(&self, kubeconfig: &str) -> Result<Client> {
        let known = self.clients.lock().ok();
        if let Some(client) = known.and_then(|known| known.get(kubeconfig).cloned()) {
            return Ok(client);
        }
        let client = client_from(kubeconfig).await?;
        if let Ok(mut known) = self.clients.lock() {
            known.insert(kubeconfig.to_owned(), client.clone());
        }
        Ok(client)
    }
}

impl MachineProvider for Hollow {
    const KIND: &'static str = "HollowMachine";

    async fn ensure(&self, input: &MachineInput<'_>) -> Result<String> {
        let tenant = self.tenant(input.kubeconfig).await?;
        let name = input.machine.name_any();
        let nodes: Api<Node> = Api::all(tenant.clone());
        if nodes.get_opt(&name).await?.is_none() {
            register(&nodes, &name, input).await?;
        }
        renew(&tenant, &name).await?;
        end_pods(&tenant, &name).await?;
        Ok("192.0.2.1".into())
    }

    /// Removes nothing: Cluster API removes the Node, and its lease ends.
    async fn remove(&self, _: &DynamicObject) -> Result<()> {
        Ok(())
    }

    fn next(&self) -> Action {
        Action::requeue(BEAT)
    }
}

async fn register(nodes: &Api<Node>, name: &str, input: &MachineInput<'_>) -> Result<()> {
    let version = input.owner.data["spec"]["version"]
        .as_str()
        .unwrap_or_default();
    let params = PatchParams::apply(MANAGER).force();
    let node = json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "spec": {
            "providerID": input.provider_id,
            "taints": [{"key": UNINITIALIZED, "effect": "NoSchedule"}],
        },
    });
    nodes.patch(name, &params, &Patch::Apply(&node)).await?;
    // The taint is core's to take away, so it must not be ours for ever.
    let now = Timestamp::now().to_string();
    let condition = |type_: &str, status: &str| {
        json!({
            "type": type_, "status": status, "reason": "Hollow", "message": "",
            "lastHeartbeatTime": now, "lastTransitionTime": now,
        })
    };
    let mut capacity = json!({"cpu": "4", "memory": "8Gi", "pods": "110"});
    if let (Value::Object(into), Value::Object(asked)) =
        (&mut capacity, &input.machine.data["spec"]["capacity"])
    {
        into.extend(asked.clone());
    }
    let status = json!({"status": {
        "capacity": capacity, "allocatable": capacity,
        "addresses": [{"type": "InternalIP", "address": "192.0.2.1"}],
        "nodeInfo": {
            "architecture": "amd64", "bootID": "", "containerRuntimeVersion": "hollow://1",
            "kernelVersion": "", "kubeProxyVersion": "", "kubeletVersion": version, "machineID": "",
            "operatingSystem": "linux", "osImage": "hollow", "systemUUID": "",
        },
        "conditions": [
            condition("Ready", "True"), condition("MemoryPressure", "False"),
            condition("DiskPressure", "False"), condition("PIDPressure", "False"),
        ],
    }});
    nodes
        .patch_status(name, &PatchParams::default(), &Patch::Strategic(&status))
        .await?;
    Ok(())
}

async fn renew(tenant: &Client, name: &str) -> Result<()> {
    let leases: Api<k8s_openapi::api::coordination::v1::Lease> =
        Api::namespaced(tenant.clone(), "kube-node-lease");
    let now = format!("{:.6}", Timestamp::now());
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": name},
        "spec": {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": now},
    });
    let params = PatchParams::apply(MANAGER).force();
    leases.patch(name, &params, &Patch::Apply(&lease)).await?;
    Ok(())
}

/// Ends pods that are to go, since no kubelet does.
async fn end_pods(tenant: &Client, name: &str) -> Result<()> {
    let own = ListParams::default().fields(&format!("spec.nodeName={name}"));
    let everywhere: Api<Pod> = Api::all(tenant.clone());
    for pod in everywhere.list(&own).await? {
        if pod.metadata.deletion_timestamp.is_some() {
            let namespace = pod.namespace().unwrap_or_default();
            let pods: Api<Pod> = Api::namespaced(tenant.clone(), &namespace);
            let now = DeleteParams::default().grace_period(0);
            pods.delete(&pod.name_any(), &now).await?;
        }
    }
    Ok(())
}
