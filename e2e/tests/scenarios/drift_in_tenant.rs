//! Drift in a tenant cluster: damaged objects are restored, and foreign fields stay.

use std::time::Duration;

use anyhow::{Result, ensure};
use kamaji_e2e::audit::OPERATOR_NAMESPACE;
use kamaji_e2e::kubectl::Kubectl;
use kamaji_e2e::tenant::Tenant;
use kamaji_e2e::testbed::Testbed;
use kamaji_e2e::wait::until;
use serde_json::{Value, json};

use super::manifest;

/// An object in the tenant cluster, a patch that damages it, and the field that shows the damage.
struct Damage {
    object: &'static str,
    patch: Value,
    pointer: &'static str,
}

/// Objects of the tenant cluster that the scenario deletes.
const DELETED: [&str; 7] = [
    "-n kube-system configmap/kubelet-config",
    "-n kube-system configmap/kubeadm-config",
    "-n kube-public configmap/cluster-info",
    "-n kube-system deployment/coredns",
    "-n kube-system daemonset/kube-proxy",
    "-n kube-system daemonset/konnectivity-agent",
    "clusterrolebinding/kubeadm:cluster-admins",
];

fn damages() -> [Damage; 4] {
    let strategic = |object, patch, pointer| Damage {
        object,
        patch,
        pointer,
    };
    [
        strategic(
            "-n kube-system configmap/coredns",
            json!({"data": {"Corefile": ".:53 { whoami }"}}),
            "/data/Corefile",
        ),
        strategic(
            "-n kube-system deployment/coredns",
            json!({"spec": {"replicas": 5}}),
            "/spec/replicas",
        ),
        strategic(
            "-n kube-system service/kube-dns",
            json!({"spec": {"selector": {"k8s-app": "mine"}}}),
            "/spec/selector/k8s-app",
        ),
        strategic(
            "-n kube-system daemonset/konnectivity-agent",
            json!({"spec": {"template": {"spec": {"priorityClassName": "system-node-critical"}}}}),
            "/spec/template/spec/priorityClassName",
        ),
    ]
}

pub async fn run(testbed: Testbed) -> Result<()> {
    compare_often(&testbed).await?;
    let spec = json!({
        "networkProfile": manifest::at_address(&testbed, 2),
        "addons": {"coreDNS": {}, "kubeProxy": {}, "konnectivity": {"server": {"port": 8132}}},
    });
    let text = manifest::tenant("drift-tenant", "drifts", spec);
    let tenant = Tenant::apply(&testbed, &text).await?;
    tenant.wait_ready(Duration::from_mins(2)).await?;
    let kubectl = tenant.kubectl().await?;
    until(
        "the addons exist in the tenant cluster",
        Duration::from_mins(1),
        || present(&kubectl),
    )
    .await?;

    for object in DELETED {
        kubectl.run(&format!("delete {object}")).await?;
    }
    until(
        "deleted objects exist again",
        Duration::from_mins(2),
        || present(&kubectl),
    )
    .await?;
    edited_objects_are_restored(&kubectl).await?;
    tenant.delete().await
}

/// Makes the operator compare tenant clusters every few seconds instead of minutes.
async fn compare_often(testbed: &Testbed) -> Result<()> {
    let kubectl = testbed.kubectl()?;
    let deployment = format!("-n {OPERATOR_NAMESPACE} deployment/kamaji-controller-manager");
    let patch = json!([{
        "op": "add", "path": "/spec/template/spec/containers/0/args/-",
        "value": "--tenant-cluster-resync-period=10s",
    }]);
    let mut words: Vec<String> = vec!["patch".into()];
    words.extend(deployment.split(' ').map(ToString::to_string));
    words.extend(["--type=json".into(), "-p".into(), patch.to_string()]);
    kubectl.args(&words).await?;
    let wait = format!("rollout status {deployment} --timeout=90s");
    kubectl.run(&wait).await?;
    Ok(())
}

async fn present(kubectl: &Kubectl) -> Result<()> {
    for object in DELETED {
        kubectl.run(&format!("get {object}")).await?;
    }
    Ok(())
}

async fn edited_objects_are_restored(kubectl: &Kubectl) -> Result<()> {
    let damages = damages();
    let mut before = Vec::new();
    for damage in &damages {
        let object = kubectl.json(&format!("get {}", damage.object)).await?;
        before.push(object.pointer(damage.pointer).cloned());
    }
    for damage in &damages {
        let mark = json!({"metadata": {
            "annotations": {"example.com/mine": "kept"}, "labels": {"example.com/mine": "kept"},
        }});
        for patch in [&damage.patch, &mark] {
            let patch = patch.to_string();
            let mut words = vec!["patch"];
            words.extend(damage.object.split(' '));
            words.extend(["-p", &patch]);
            kubectl.args(&words).await?;
        }
    }
    for (damage, before) in damages.iter().zip(before) {
        until(
            &format!("{} of {} is restored", damage.pointer, damage.object),
            Duration::from_mins(1),
            || async {
                let object = kubectl.json(&format!("get {}", damage.object)).await?;
                let now = object.pointer(damage.pointer).cloned();
                ensure!(now == before, "it is {now:?}, not {before:?}");
                for what in ["annotations", "labels"] {
                    let foreign = &object["metadata"][what]["example.com/mine"];
                    ensure!(foreign == "kept", "the foreign {what} were removed");
                }
                Ok(())
            },
        )
        .await?;
    }
    Ok(())
}
