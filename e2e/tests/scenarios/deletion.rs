//! Deletion of tenants: nothing is left, also if the API server is dead.

use std::time::Duration;

use anyhow::{Result, ensure};
use kamaji_e2e::tenant::Tenant;
use kamaji_e2e::testbed::Testbed;
use kamaji_e2e::wait::until;
use serde_json::json;

use super::keys::Store;
use super::manifest;

/// Kinds that a tenant has objects of in its namespace.
const KINDS: &str = "secrets,configmaps,services,deployments,replicasets,pods,tenantcontrolplanes";

pub async fn leaves_nothing(testbed: Testbed) -> Result<()> {
    let spec = |name: &str, vip| {
        json!({
            "networkProfile": manifest::at_address(&testbed, vip),
            "dataStoreSchema": name, "dataStoreUsername": name,
        })
    };
    let kept = manifest::tenant("deletion-kept", "goes-too", spec("goes-too", 3));
    let gone = manifest::tenant("deletion", "goes", spec("goes", 4));
    let (kept, gone) = (
        Tenant::apply(&testbed, &kept).await?,
        Tenant::apply(&testbed, &gone).await?,
    );
    for tenant in [&kept, &gone] {
        tenant.wait_ready(Duration::from_mins(3)).await?;
    }
    let store = Store::of(&testbed).await?;
    let neighbour = store.keys("goes-too").await?;
    ensure!(store.keys("goes").await? > 100 && neighbour > 100);

    gone.delete().await?;
    wait_until_empty(&testbed, &gone).await?;
    let remains = store.remains("goes").await?;
    ensure!(remains.is_empty(), "left in etcd: {remains:?}");
    ensure!(
        store.keys("goes-too").await? >= neighbour,
        "the neighbour has lost keys"
    );
    let kubectl = kept.kubectl().await?;
    kubectl.run("get --raw /readyz").await?;
    kept.delete().await
}

pub async fn with_dead_api_server(testbed: Testbed) -> Result<()> {
    let spec = json!({
        "networkProfile": manifest::at_address(&testbed, 5),
        "dataStoreSchema": "dies", "dataStoreUsername": "dies",
        "addons": {"coreDNS": {}},
    });
    let text = manifest::tenant("deletion-dead", "dies", spec);
    let tenant = Tenant::apply(&testbed, &text).await?;
    tenant.wait_ready(Duration::from_mins(2)).await?;
    let extra = json!({"spec": {"controlPlane": {"deployment": {"extraArgs": {
        "apiServer": ["--no-such-flag=1"],
    }}}}});
    tenant.patch(&extra).await?;
    let management = testbed.kubectl()?;
    management
        .run("-n deletion-dead delete pods --all --grace-period=0 --force --wait=false")
        .await?;
    let kubectl = tenant.kubectl().await?;
    until("the API server is dead", Duration::from_mins(1), || async {
        let answer = kubectl.run("get --raw /readyz --request-timeout=2s").await;
        ensure!(answer.is_err(), "it answers");
        Ok(())
    })
    .await?;
    tenant.delete().await?;
    wait_until_empty(&testbed, &tenant).await?;
    let remains = Store::of(&testbed).await?.remains("dies").await?;
    ensure!(remains.is_empty(), "left in etcd: {remains:?}");
    Ok(())
}

/// Waits until the tenant's namespace has only the objects that Kubernetes creates in every namespace.
async fn wait_until_empty(testbed: &Testbed, tenant: &Tenant) -> Result<()> {
    let kubectl = testbed.kubectl()?;
    let line = format!("-n {} get {KINDS} -o name", tenant.namespace());
    until(
        "the namespace is empty again",
        Duration::from_mins(1),
        || async {
            let names = kubectl.run(&line).await?;
            let left: Vec<&str> = names
                .lines()
                .filter(|name| *name != "configmap/kube-root-ca.crt")
                .collect();
            ensure!(left.is_empty(), "{left:?} are left");
            Ok(())
        },
    )
    .await
}
