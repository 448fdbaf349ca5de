//! Two API servers of a tenant that announce one address: the endpoints of the Service `kubernetes` keep it while one
//! of them ends.

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use k8s_openapi::{
    ByteString,
    api::{core::v1::Endpoints, discovery::v1::EndpointSlice},
    jiff::Timestamp,
};
use kamaji_api::datastore::Driver;
use kamaji_core::{
    data_store::ResolvedDataStore,
    object::{Kind, Object},
    pki::kubeconfig::{Access, Kubeconfig},
    render::Renderer,
    settings::Settings,
    tenant_cluster::{self, AdminSecret, TenantClusterSnapshot},
};
use kamaji_e2e::{
    envtest::{ApiServer, Options},
    tools::Tools,
};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams},
    core::GroupVersionKind,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::environment::{tenant, wait_until};

/// Address that both API servers announce.
const ADDRESS: &str = "192.0.2.10";
/// Time to observe, longer than the lease of an API server's address.
const WATCHED: Duration = Duration::from_secs(16);

/// Desired objects in the tenant cluster for the endpoints of the Service `kubernetes`.
fn planned_objects(renderer: Renderer) -> Vec<Object> {
    let spec = json!({"networkProfile": {"address": ADDRESS}});
    let mut object = tenant("demo", &spec);
    object["metadata"]["uid"] = json!("11111111-2222-3333-4444-555555555555");
    object["status"] = json!({"renderer": renderer.number()});
    let object = serde_json::from_value(object).unwrap();
    let store = ResolvedDataStore {
        name: "default".to_owned(),
        driver: Driver::Etcd,
        endpoints: Vec::new(),
        tls: None,
        basic_auth: None,
        without_access_control: false,
        adopted_clusters: Vec::new(),
    };
    let access = Access {
        cluster: "demo".to_owned(),
        user: "admin".to_owned(),
        server: format!("https://{ADDRESS}:6443"),
    };
    let kubeconfig = Kubeconfig::new(&access, b"CA", b"certificate", b"key").to_yaml();
    let kubeconfig = ByteString(kubeconfig.into_bytes());
    let snapshot = TenantClusterSnapshot {
        object: &object,
        unreadable: false,
        settings: Settings::default(),
        service: None,
        store: Ok(store),
        admin_secret: AdminSecret::Read([("super-admin.conf".to_owned(), kubeconfig)].into()),
        last: None,
        resync: Duration::from_mins(10),
        now: Timestamp::UNIX_EPOCH,
    };
    let desired = tenant_cluster::plan(&snapshot).desired.unwrap();
    let mut objects: Vec<Object> = desired.objects().cloned().collect();
    objects.retain(|object| matches!(object.key.kind, Kind::Endpoints | Kind::EndpointSlice));
    objects
}

async fn apply(client: &Client, object: &Object) {
    let (group, version, kind, _) = object.key.kind.names();
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), "default", &resource);
    let params = PatchParams::apply("kamaji").force();
    api.patch(&object.key.name, &params, &Patch::Apply(&object.body))
        .await
        .unwrap();
}

/// Whether the address is in any slice of the Service, in the slice of its name, and in its Endpoints.
async fn announced(client: &Client) -> [bool; 3] {
    let slices: Api<EndpointSlice> = Api::namespaced(client.clone(), "default");
    let params = ListParams::default().labels("kubernetes.io/service-name=kubernetes");
    let slices = slices.list(&params).await.unwrap().items;
    let has_address = |slice: &EndpointSlice| {
        let mut addresses = slice.endpoints.iter().flat_map(|e| &e.addresses);
        addresses.any(|address| address == ADDRESS)
    };
    let named = slices
        .iter()
        .find(|slice| slice.metadata.name.as_deref() == Some("kubernetes"));
    let endpoints: Api<Endpoints> = Api::namespaced(client.clone(), "default");
    let endpoints = endpoints.get_opt("kubernetes").await.unwrap();
    let subsets = endpoints.and_then(|endpoints| endpoints.subsets);
    let mut addresses = subsets
        .into_iter()
        .flatten()
        .flat_map(|s| s.addresses.unwrap_or_default());
    [
        slices.iter().any(has_address),
        named.is_some_and(has_address),
        addresses.any(|address| address.ip == ADDRESS),
    ]
}

/// A second API server, which is killed when the value is dropped.
struct Replica(Child);

impl Replica {
    fn start(mut command: Command) -> Self {
        let command = command.stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }

    fn terminate(&self) {
        let pid = Pid::from_raw(i32::try_from(self.0.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts and ends a second API server with the endpoint reconciler `reconciler`, and returns which of the three
/// places kept the address all the time, as in [`announced`].
async fn addresses_kept(reconciler: &str, renderer: Renderer) -> [bool; 3] {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let tools = Tools::api_server().await.unwrap();
    let args = vec![
        format!("--advertise-address={ADDRESS}"),
        format!("--endpoint-reconciler-type={reconciler}"),
    ];
    let options = Options {
        args: args.clone(),
        ..Options::default()
    };
    let api = ApiServer::start(&tools, options).await.unwrap();
    let client = api.client().await.unwrap();
    for object in planned_objects(renderer) {
        apply(&client, &object).await;
    }
    wait_until("the endpoints", async || {
        (announced(&client).await == [true; 3]).then_some(())
    })
    .await;
    let mut command = api.replica(&tools).unwrap();
    command.args(&args);
    let replica = Replica::start(command);
    // A replica may remove the address when it starts, and adds it again once it is ready.
    let mut kept = [true; 3];
    let started = Instant::now();
    let mut ended = false;
    while started.elapsed() < WATCHED * 2 {
        if !ended && started.elapsed() > WATCHED {
            replica.terminate();
            ended = true;
        }
        let now = announced(&client).await;
        kept = std::array::from_fn(|n| kept[n] && now[n]);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    kept
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_of_the_service_kubernetes_stays_while_replicas_start_and_end() {
    let (first, newest) = tokio::join!(
        addresses_kept("lease", Renderer::V1),
        addresses_kept("none", Renderer::V2)
    );
    // A replica that ends removes its lease. The operator's slice stays, and kube-proxy reads both.
    assert_eq!(first, [true, false, false]);
    assert_eq!(newest, [true; 3]);
}
