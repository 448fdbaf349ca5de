//! Probes of DataStores, and sizes of the tenants' data in them.

use std::{
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use kamaji_api::{condition, datastore::DataStore};
use kamaji_e2e::ports::free_port;
use kamaji_operator::settings::Settings;
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::data_stores::wait_for_event;
use crate::environment::{Environment, wait_until};

/// DataStores that never answer; more than the operator once probed at the same time.
const HANGING: usize = 6;

/// Patches the soft limit for keys of the DataStore `default`.
async fn limit_keys(stores: &Api<DataStore>, keys: u64) {
    let patch = json!({"spec": {"tenantSoftLimit": {"keys": keys}}});
    stores
        .patch("default", &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn version_and_sizes_are_reported_and_a_soft_limit_warns_without_a_write_at_rest() {
    let environment = Environment::new().await;
    let stores: Api<DataStore> = Api::all(environment.client.clone());
    let _operator = environment.run(Settings {
        tenant_usage: Duration::from_secs(2),
        ..Environment::settings()
    });
    environment
        .tenant(
            "t",
            json!({"dataStoreSchema": "t", "dataStoreUsername": "t"}),
        )
        .await;
    environment.wait_for_objects("t").await;
    let probe = wait_until("the answer to a probe", async || {
        stores.get("default").await.ok()?.status?.probe
    })
    .await;
    assert!(probe.version.starts_with("etcd 3."), "{probe:?}");
    let usage = async || {
        let tenant = environment.tenants().get("t").await.ok()?;
        tenant.status?.storage?.usage
    };
    let empty = wait_until("a size", async || usage().await).await;
    assert_eq!((empty.keys, empty.bytes), (0, Some(0)));
    let mut client = environment.etcd_client().await;
    for n in 0..20 {
        let key = format!("/t/registry/configmaps/{n:02}");
        client.put(key, vec![b'x'; 1000], None).await.unwrap();
    }
    wait_until("the new keys and their size", async || {
        let usage = usage().await?;
        (usage.keys == 20 && usage.bytes? == 20 * (1000 + 25)).then_some(())
    })
    .await;
    limit_keys(&stores, 19).await;
    let message = environment
        .wait_for_condition("t", "DataStoreReady", "SoftLimitExceeded")
        .await;
    assert!(
        message.contains("20 keys, more than the soft limit of 19"),
        "{message}"
    );
    wait_for_event(&environment, "t", "SoftLimitExceeded").await;
    let versions = async || {
        let tenant = environment.tenants().get("t").await.unwrap();
        let store = stores.get("default").await.unwrap();
        (tenant.resource_version(), store.resource_version())
    };
    let before = versions().await;
    // Several probes and counts later, a size included.
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!(versions().await, before);
    limit_keys(&stores, 20).await;
    environment
        .wait_for_condition("t", "DataStoreReady", "AsPlanned")
        .await;
}

/// The lines of the operator's metrics that name `label`.
async fn metrics(address: SocketAddr, label: &str) -> Option<Vec<String>> {
    let mut connection = TcpStream::connect(address).await.ok()?;
    let request = "GET /metrics HTTP/1.0\r\n\r\n";
    connection.write_all(request.as_bytes()).await.ok()?;
    let mut text = String::new();
    connection.read_to_string(&mut text).await.ok()?;
    let lines = text.lines().filter(|line| line.contains(label));
    Some(lines.map(str::to_owned).collect())
}

/// Changes the endpoint of the DataStore `name`.
async fn move_to(stores: &Api<DataStore>, name: &str, endpoint: &str) {
    let patch = json!({"spec": {"endpoints": [endpoint]}});
    stores
        .patch(name, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn datastores_that_hang_do_not_hold_the_probes_of_others_and_leave_no_metrics_when_deleted() {
    let environment = Environment::without_data_store().await;
    let stores: Api<DataStore> = Api::all(environment.client.clone());
    // The kernel takes connections; nobody answers them.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap().to_string();
    for n in 0..HANGING {
        let name = format!("hangs-{n}");
        environment.data_store(&name).await;
        move_to(&stores, &name, &silent).await;
    }
    let metrics_address: SocketAddr = ([127, 0, 0, 1], free_port().unwrap()).into();
    let _operator = environment.run(Settings {
        metrics: Some(metrics_address),
        ..Environment::settings()
    });
    wait_until("a DataStore that hangs to be tried", async || {
        let store = stores.get("hangs-0").await.ok()?;
        (!store.finalizers().is_empty()).then_some(())
    })
    .await;
    environment.data_store("sound").await;
    let since = std::time::Instant::now();
    let available = async |name: &str| {
        let conditions = stores.get(name).await.ok()?.status?.conditions;
        let found = condition::find(&conditions, condition::DATA_STORE_AVAILABLE)?;
        Some(found.status == "True")
    };
    let answer = wait_until("the probe of a sound DataStore", async || {
        available("sound").await
    })
    .await;
    assert!(answer);
    let took = since.elapsed();
    assert!(took < Duration::from_secs(5), "after {took:?}");
    let up = wait_until("the metric of a DataStore that hangs", async || {
        let lines = metrics(metrics_address, "\"hangs-0\"").await?;
        lines
            .into_iter()
            .find(|line| line.starts_with("kamaji_datastore_up"))
    })
    .await;
    assert!(up.ends_with(" 0"), "{up}");
    let answer = wait_until("the condition of a DataStore that hangs", async || {
        available("hangs-0").await
    });
    assert!(!answer.await);
    for name in ["sound", "hangs-0"] {
        let params = DeleteParams::default();
        stores.delete(name, &params).await.unwrap();
        let label = format!("datastore_name=\"{name}\"");
        wait_until("the metrics of a deleted DataStore to end", async || {
            let lines = metrics(metrics_address, &label).await?;
            lines.is_empty().then_some(())
        })
        .await;
        // A probe that was under way ends meanwhile.
        tokio::time::sleep(Duration::from_secs(6)).await;
        assert_eq!(metrics(metrics_address, &label).await, Some(Vec::new()));
    }
}
