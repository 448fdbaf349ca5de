//! An operator that is killed at any moment of its work: a restarted one completes the objects and creates no key twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::StreamExt;
use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        core::v1::{ConfigMap, Secret, Service},
    },
    jiff::Timestamp,
};
use kube::{
    Api, ResourceExt,
    api::{ApiResource, DynamicObject},
    runtime::{WatchStreamExt, watcher},
};
use rustix::process::Signal;
use serde_json::json;

use crate::{
    environment::{Environment, NAMESPACE},
    process::Process,
};

/// Number of times that the operator is killed, each time at a later moment of its work.
const MOMENTS: u32 = 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_at_twenty_moments_leaves_the_same_objects_and_creates_no_key_twice() {
    let environment = Environment::new().await;
    let seed = seed();
    let (first, last) = duration_of_creation(&environment).await;
    println!("seed {seed} (KAMAJI_TEST_SEED), writes of one tenant from {first:?} to {last:?}");
    let contents = record_contents(&environment);
    let mark = environment.api.audit().mark().unwrap();
    let tenants: Vec<String> = (0..MOMENTS).map(|n| format!("t{n}")).collect();
    for (n, tenant) in (0..MOMENTS).zip(&tenants) {
        create_tenant(&environment, tenant).await;
        let operator = start_operator(&environment).await;
        let within = f64::from(n) + fraction(seed, n);
        let moment = first
            + last
                .saturating_sub(first)
                .mul_f64(within / f64::from(MOMENTS));
        tokio::time::sleep(moment).await;
        operator.signal(Signal::KILL);
        operator.wait_exited(Duration::from_secs(5)).await;
    }
    let _operator = start_operator(&environment).await;
    for tenant in &tenants {
        environment.wait_for_objects(tenant).await;
    }
    let writes = environment.writes(mark);
    let whole = Shape::of(&environment, "whole").await;
    let etcd = environment.etcd_admin().await;
    for tenant in &tenants {
        let shape = Shape::of(&environment, tenant).await;
        assert_eq!(shape, whole, "{tenant}");
        for key in ["ca", "front-proxy-ca-certificate", "sa-certificate"] {
            let name = format!("{tenant}-{key}");
            let answers: Vec<_> = writes
                .iter()
                .filter(|entry| entry.object_ref.resource == "secrets")
                .filter(|entry| entry.object_ref.name == name && entry.response_status.code < 300)
                .map(|entry| (entry.verb.as_str(), entry.response_status.code))
                .collect();
            // Created by an apply. The log lacks an object that was stored while the operator was killed.
            assert!(
                matches!(answers[..], [] | [("patch", 201)]),
                "{name}: {answers:?}"
            );
            let observed = contents.lock().unwrap().get(&name).cloned();
            assert_eq!(
                observed.map(|digests| digests.len()),
                Some(1),
                "contents of {name}"
            );
        }
        let tenancy = environment.tenancy(tenant, tenant, tenant).await;
        let missing = etcd.ensure(&tenancy).await.unwrap();
        assert!(missing.is_empty(), "{tenant} lacks {missing}");
    }
    tokio::time::sleep(Duration::from_secs(4)).await;
    environment.assert_quiescent(4).await;
}

/// Starts an operator without leader election.
async fn start_operator(environment: &Environment) -> Process {
    let kubeconfig = environment.api.kubeconfig();
    Process::start(environment, &kubeconfig, &["--leader-elect=false"]).await
}

async fn create_tenant(environment: &Environment, tenant: &str) {
    let spec = json!({
        "dataStoreSchema": tenant,
        "dataStoreUsername": tenant,
        "addons": {"konnectivity": {"server": {"port": 8132}}},
    });
    environment.tenant(tenant, spec).await;
}

/// Creates the tenant `whole` without a kill. Returns the times of its first and last write, counted from the start of
/// the process.
async fn duration_of_creation(environment: &Environment) -> (Duration, Duration) {
    let mark = environment.api.audit().mark().unwrap();
    create_tenant(environment, "whole").await;
    Process::prepare().await;
    let begin = Timestamp::now();
    let _operator = start_operator(environment).await;
    environment.wait_for_objects("whole").await;
    let written: Vec<_> = environment
        .writes(mark)
        .into_iter()
        .filter(|entry| entry.at > begin && entry.object_ref.name.starts_with("whole"))
        .map(|entry| Duration::try_from(entry.at.duration_since(begin)).unwrap())
        .collect();
    (
        *written.iter().min().unwrap(),
        *written.iter().max().unwrap(),
    )
}

/// Digests of the uid and data of every version of every Secret, by name.
type Contents = Arc<Mutex<BTreeMap<String, BTreeSet<u64>>>>;

/// Watches Secrets and records their contents from now on.
fn record_contents(environment: &Environment) -> Contents {
    let contents = Contents::default();
    let (recorded, api, hasher) = (contents.clone(), environment.secrets(), RandomState::new());
    tokio::spawn(async move {
        let events = watcher::watcher(api, watcher::Config::default()).default_backoff();
        let mut secrets = std::pin::pin!(events.touched_objects());
        while let Some(secret) = secrets.next().await {
            let Ok(secret) = secret else { continue };
            let digest =
                hasher.hash_one((secret.uid(), serde_json::to_string(&secret.data).unwrap()));
            let mut recorded = recorded.lock().unwrap();
            recorded
                .entry(secret.name_any())
                .or_default()
                .insert(digest);
        }
    });
    contents
}

/// Objects, pods, conditions and finalizers of a tenant, with its name and address replaced.
#[derive(Debug, PartialEq)]
struct Shape {
    objects: BTreeSet<(String, String, BTreeSet<String>)>,
    pods: String,
    conditions: Vec<(String, String, String)>,
    finalizers: Vec<String>,
}

impl Shape {
    async fn of(environment: &Environment, tenant: &str) -> Self {
        let mut objects = BTreeSet::new();
        let mut pods = String::new();
        let mut address = "no address".to_owned();
        for kind in [
            ApiResource::erase::<Secret>(&()),
            ApiResource::erase::<ConfigMap>(&()),
            ApiResource::erase::<Service>(&()),
            ApiResource::erase::<Deployment>(&()),
        ] {
            for object in environment.owned(&kind, tenant).await {
                let keys = object.data["data"].as_object().into_iter().flatten();
                let keys = keys.map(|(key, _)| key.clone()).collect();
                let name = object.name_any().replacen(tenant, "NAME", 1);
                objects.insert((kind.kind.clone(), name, keys));
                if let Some(ip) = object.data["spec"]["clusterIP"].as_str() {
                    ip.clone_into(&mut address);
                }
                if kind.kind == "Deployment" {
                    pods = object.data["spec"]["template"]["spec"].to_string();
                }
            }
        }
        let live = Api::<DynamicObject>::namespaced_with(
            environment.client.clone(),
            NAMESPACE,
            &ApiResource::erase::<kamaji_api::tenant::TenantControlPlane>(&()),
        );
        let live = live.get(tenant).await.unwrap();
        let conditions = live.data["status"]["conditions"].as_array().unwrap().iter();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        Self {
            objects,
            pods: pods.replace(&address, "ADDRESS").replace(tenant, "NAME"),
            conditions: conditions
                .map(|c| (text(&c["type"]), text(&c["status"]), text(&c["reason"])))
                .collect(),
            finalizers: live.finalizers().to_vec(),
        }
    }
}

/// Seed of this run: `KAMAJI_TEST_SEED`, or a random one.
fn seed() -> u64 {
    let from_environment = std::env::var("KAMAJI_TEST_SEED").ok();
    from_environment.map_or_else(
        || RandomState::new().hash_one(0) % 1_000_000,
        |text| text.parse().unwrap(),
    )
}

/// Pseudo-random number from 0 to 1, the same for the same arguments.
fn fraction(seed: u64, n: u32) -> f64 {
    let mut x = seed.wrapping_add(u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let digits = u32::try_from((x >> 32) & 0xffff).unwrap();
    f64::from(digits) / f64::from(0x1_0000)
}
