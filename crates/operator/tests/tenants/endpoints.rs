//! Two API servers that announce one address: what pods reach the API server by stays while one of them ends.

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use k8s_openapi::api::{core::v1::Endpoints, discovery::v1::EndpointSlice};
use kamaji_api::datastore::Driver;
use kamaji_core::{
    endpoint,
    object::{Kind, Object},
    render::Renderer,
    settings::Settings,
    store::Store,
    tenant::Tenant,
    tenant_cluster::{self, TenantClusterFacts},
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

use crate::environment::{tenant, until};

/// What both announce.
const ADDRESS: &str = "192.0.2.10";
/// Longer than the lease of an API server's address.
const WATCHED: Duration = Duration::from_secs(16);

/// What the operator writes into a tenant for the Service `kubernetes`.
fn planned(renderer: Renderer) -> Vec<Object> {
    let spec = json!({"networkProfile": {"address": ADDRESS}});
    let mut object = tenant("demo", &spec);
    object["metadata"]["uid"] = json!("11111111-2222-3333-4444-555555555555");
    let tenant = Tenant::parse(&serde_json::from_value(object).unwrap()).unwrap();
    let endpoint = endpoint::resolve(&tenant, None).unwrap();
    let store = Store {
        name: "default".to_owned(),
        driver: Driver::Etcd,
        endpoints: Vec::new(),
        tls: None,
        basic_auth: None,
        without_access_control: false,
        adopted_clusters: Vec::new(),
    };
    let facts = TenantClusterFacts {
        renderer: Some(renderer),
        tenant: &tenant,
        settings: &Settings::default(),
        store: &store,
        endpoint: &endpoint,
        ca: "",
    };
    let mut objects = tenant_cluster::plan(&facts).unwrap().objects;
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
async fn there(client: &Client) -> [bool; 3] {
    let slices: Api<EndpointSlice> = Api::namespaced(client.clone(), "default");
    let params = ListParams::default().labels("kubernetes.io/service-name=kubernetes");
    let slices = slices.list(&params).await.unwrap().items;
    let holds = |slice: &EndpointSlice| {
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
        slices.iter().any(holds),
        named.is_some_and(holds),
        addresses.any(|address| address.ip == ADDRESS),
    ]
}

/// A further API server, which ends with the value.
struct Replica(Child);

impl Replica {
    fn start(mut command: Command) -> Self {
        let command = command.stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }

    fn end(&self) {
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

/// What stayed while one of two replicas with this reconciler came up and ended.
async fn stayed(reconciler: &str, renderer: Renderer) -> [bool; 3] {
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
    for object in planned(renderer) {
        apply(&client, &object).await;
    }
    until("the endpoints", async || {
        (there(&client).await == [true; 3]).then_some(())
    })
    .await;
    let mut command = api.replica(&tools).unwrap();
    command.args(&args);
    let replica = Replica::start(command);
    // It takes the address away when it starts, and puts it back once it is ready.
    let mut stayed = [true; 3];
    let started = Instant::now();
    let mut ended = false;
    while started.elapsed() < WATCHED * 2 {
        if !ended && started.elapsed() > WATCHED {
            replica.end();
            ended = true;
        }
        let now = there(&client).await;
        stayed = std::array::from_fn(|n| stayed[n] && now[n]);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stayed
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_of_the_service_kubernetes_stays_while_replicas_come_and_go() {
    let (first, newest) = tokio::join!(stayed("lease", Renderer::V1), stayed("none", Renderer::V2));
    // A lease is taken away by whoever ends; the operator's slice stays, and kube-proxy reads both.
    assert_eq!(first, [true, false, false]);
    assert_eq!(newest, [true; 3]);
}
