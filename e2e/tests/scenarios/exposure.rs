//! Addresses, ports and names at which a control plane is reached.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kamaji_e2e::kubectl::Kubectl;
use kamaji_e2e::tenant::Tenant;
use kamaji_e2e::testbed::Testbed;
use kamaji_e2e::wait::until;
use serde_json::{Value, json};

use super::manifest;

const READY: Duration = Duration::from_mins(2);

/// NodePort with a port, an advertised address, a domain and a SAN of the tenant's own, all at
/// once.
pub async fn by_node_port(testbed: Testbed) -> Result<()> {
    let layout = &testbed.bed.layout;
    let (assigned, advertised) = (layout.vip(6), layout.management_ip());
    let spec = json!({
        "controlPlane": {"service": {"serviceType": "NodePort"}},
        "networkProfile": {
            "address": assigned, "allowAddressAsExternalIP": true, "advertiseAddress": advertised,
            "port": 30443, "clusterDomain": "tenant.example.com", "certSANs": ["api.example.com"],
        },
        "addons": {"coreDNS": {}},
    });
    let text = manifest::tenant("exposure", "node-port", spec);
    let tenant = Tenant::apply(&testbed, &text).await?;
    tenant.wait_ready(READY).await?;
    let kubectl = tenant.kubectl().await?;
    ensure!(kubectl.server().await? == format!("https://{advertised}:30443"));
    for line in [
        format!("get --raw /readyz --server https://{assigned}:30443"),
        "get --raw /readyz --tls-server-name api.example.com".into(),
    ] {
        kubectl.run(&line).await?;
    }
    let slice = kubectl.json("get endpointslice kubernetes").await?;
    ensure!(
        slice["endpoints"][0]["addresses"] == json!([advertised])
            && slice["ports"][0]["port"] == 30443,
        "the tenant's Service kubernetes leads to {slice}"
    );
    let known = kubectl
        .json("-n kube-system get configmap kubelet-config")
        .await?;
    let known = known["data"]["kubelet"].as_str().unwrap_or_default();
    ensure!(known.contains("clusterDomain: tenant.example.com"));
    tenant.delete().await
}

/// LoadBalancer whose address is assigned late.
pub async fn by_late_load_balancer(testbed: Testbed) -> Result<()> {
    let spec = json!({"controlPlane": {"service": {"serviceType": "LoadBalancer"}}});
    let text = manifest::tenant("load-balancer", "late", spec);
    let tenant = Tenant::apply(&testbed, &text).await?;
    until("the condition names the load balancer", READY, || async {
        let condition = condition(&tenant, "EndpointAssigned").await?;
        ensure!(
            condition["reason"] == "LoadBalancerPending",
            "the condition is {condition}"
        );
        Ok(())
    })
    .await?;
    let address = testbed.bed.layout.vip(7);
    let status = json!({"status": {"loadBalancer": {"ingress": [{"ip": address}]}}});
    let patch = status.to_string();
    let words = "patch service late -n load-balancer --subresource=status --type=merge -p";
    let words: Vec<&str> = words.split(' ').chain([patch.as_str()]).collect();
    testbed.kubectl()?.args(words).await?;
    tenant.wait_ready(READY).await?;
    let server = tenant.kubectl().await?.server().await?;
    ensure!(server == format!("https://{address}:6443"), "{server}");
    tenant.delete().await
}

/// ClusterIP, with the Service's own address.
pub async fn by_cluster_ip(testbed: Testbed) -> Result<()> {
    let text = manifest::tenant("cluster-ip", "own", json!({}));
    let tenant = Tenant::apply(&testbed, &text).await?;
    tenant.wait_ready(READY).await?;
    let service = testbed
        .kubectl()?
        .json("-n cluster-ip get service own")
        .await?;
    let address = service["spec"]["clusterIP"].as_str().unwrap_or_default();
    let server = tenant.kubectl().await?.server().await?;
    ensure!(server == format!("https://{address}:6443"), "{server}");
    tenant.delete().await
}

/// Dual-stack ranges in the tenant cluster.
pub async fn dual_stack(testbed: Testbed) -> Result<()> {
    let mut network = manifest::at_address(&testbed, 8);
    network["serviceCidrs"] = json!(["10.118.0.0/16", "fd00:118::/112"]);
    network["podCidrs"] = json!(["10.119.0.0/16", "fd00:119::/56"]);
    let spec = json!({"networkProfile": network, "addons": {"coreDNS": {}}});
    let text = manifest::tenant("dual-stack", "two", spec);
    let tenant = Tenant::apply(&testbed, &text).await?;
    tenant.wait_ready(READY).await?;
    let kubectl = tenant.kubectl().await?;
    families(
        &kubectl,
        &["10.118.", "fd00:118:"],
        &["10.119.", "fd00:119:"],
    )
    .await?;
    tenant.delete().await
}

/// IPv6-only tenant cluster on a management cluster of IPv4.
pub async fn ipv6(testbed: Testbed) -> Result<()> {
    let mut network = manifest::at_address(&testbed, 9);
    network["advertiseAddress"] = json!("fd00:120::1");
    network["serviceCidrs"] = json!(["fd00:120:1::/112"]);
    network["podCidrs"] = json!(["fd00:120:2::/56"]);
    let spec = json!({"networkProfile": network, "addons": {"coreDNS": {}}});
    let text = manifest::tenant("ipv6", "six", spec);
    let tenant = Tenant::apply(&testbed, &text).await?;
    tenant.wait_state(READY).await?;
    let kubectl = tenant.kubectl().await?;
    ensure!(kubectl.server().await? == "https://[fd00:120::1]:6443");
    // The testbed routes no IPv6, so the assigned address leads to the same API server.
    let kubectl = kubectl.at(&format!("https://{}:6443", testbed.bed.layout.vip(9)));
    kubectl.run("get --raw /readyz").await?;
    families(&kubectl, &["fd00:120:1:"], &["fd00:120:2:"]).await?;
    tenant.delete().await
}

/// Checks that Services and Nodes get addresses with these prefixes.
async fn families(kubectl: &Kubectl, services: &[&str], pods: &[&str]) -> Result<()> {
    let policy = if services.len() > 1 {
        "RequireDualStack"
    } else {
        "SingleStack"
    };
    let objects = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Service",
         "metadata": {"name": "probe", "namespace": "default"},
         "spec": {"ports": [{"port": 80}], "ipFamilyPolicy": policy}},
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "probe"}},
    ]});
    kubectl.apply(&objects.to_string()).await?;
    let service = kubectl.json("-n default get service probe").await?;
    begin_with(&service["spec"]["clusterIPs"], services)?;
    let dns = kubectl.json("-n kube-system get service kube-dns").await?;
    begin_with(&json!([dns["spec"]["clusterIP"]]), &services[..1])?;
    until(
        "the node has addresses",
        Duration::from_secs(30),
        || async {
            let node = kubectl.json("get node probe").await?;
            begin_with(&node["spec"]["podCIDRs"], pods)
        },
    )
    .await
}

fn begin_with(addresses: &Value, prefixes: &[&str]) -> Result<()> {
    let list = addresses.as_array().context("there are none")?;
    let fits = list.len() == prefixes.len()
        && list
            .iter()
            .zip(prefixes)
            .all(|(address, prefix)| address.as_str().is_some_and(|a| a.starts_with(prefix)));
    ensure!(fits, "{addresses} instead of {prefixes:?}");
    Ok(())
}

/// A condition of a tenant.
pub async fn condition(tenant: &Tenant, name: &str) -> Result<Value> {
    let object = tenant.get().await?;
    let conditions = object["status"]["conditions"].as_array();
    let found = conditions
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == name);
    found
        .cloned()
        .with_context(|| format!("no condition {name}"))
}
