//! The whole life of a tenant: its control plane comes up, a worker joins it with kubeadm, its
//! addons run there, and kubectl, DNS, Services and konnectivity work. A second worker joins with a
//! token of its own.

use std::time::Duration;

use anyhow::{Result, ensure};
use kamaji_e2e::tenant::Tenant;
use kamaji_e2e::testbed::Testbed;
use kamaji_e2e::worker::Worker;

use super::manifest::version;
use super::pod::{PAGE, Web};

const ADDONS: [&str; 3] = [
    "daemonset/kube-proxy",
    "daemonset/konnectivity-agent",
    "deployment/coredns",
];

pub async fn run(testbed: Testbed) -> Result<()> {
    let tenant = Tenant::apply(&testbed, &manifest(&testbed)).await?;
    tenant.wait_ready(Duration::from_mins(2)).await?;
    let kubectl = tenant.kubectl().await?;
    let worker = Worker::join(&testbed.bed, 1, &kubectl).await?;
    for addon in ADDONS {
        kubectl
            .run(&format!(
                "-n kube-system rollout status {addon} --timeout=120s"
            ))
            .await?;
    }

    let web = Web {
        name: "home",
        node: worker.name(),
        kubectl: &kubectl,
    };
    web.start().await?;
    ensure!(
        kubectl.run("logs home").await?.trim() == PAGE,
        "kubectl logs"
    );
    ensure!(
        web.shell("hostname").await?.trim() == "home",
        "kubectl exec"
    );
    web.fetch("home.default.svc.cluster.local", 80).await?;
    let page = kubectl
        .run("get --raw /api/v1/namespaces/default/services/home:80/proxy/")
        .await?;
    ensure!(
        page.trim() == PAGE,
        "the API server reaches a Service through konnectivity: {page}"
    );

    let second = Worker::join(&testbed.bed, 2, &kubectl).await?;
    let away = Web {
        name: "away",
        node: second.name(),
        kubectl: &kubectl,
    };
    away.start().await?;
    ensure!(kubectl.run("logs away").await?.trim() == PAGE);
    away.fetch("away.default.svc.cluster.local", 80).await?;

    for worker in [worker, second] {
        worker.remove().await?;
    }
    tenant.delete().await
}

fn manifest(testbed: &Testbed) -> String {
    let address = testbed.bed.layout.vip(1);
    let version = version();
    format!(
        "apiVersion: v1
kind: Namespace
metadata: {{name: with-worker}}
---
apiVersion: kamaji.clastix.io/v1alpha1
kind: TenantControlPlane
metadata: {{name: whole, namespace: with-worker}}
spec:
  controlPlane:
    deployment: {{replicas: 1}}
    service: {{serviceType: ClusterIP}}
  kubernetes: {{version: {version}, kubelet: {{cgroupfs: cgroupfs}}}}
  networkProfile:
    address: {address}
    port: 6443
    allowAddressAsExternalIP: true
    serviceCidr: 10.114.0.0/16
    podCidr: 10.115.0.0/16
    dnsServiceIPs: [10.114.0.10]
  addons:
    coreDNS: {{}}
    kubeProxy: {{}}
    konnectivity: {{server: {{port: 8132}}}}
"
    )
}
