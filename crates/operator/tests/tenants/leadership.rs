//! Leader election: at most one replica writes, whether the leader is killed, paused or terminated.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, Instant},
};

use k8s_openapi::api::{
    apps::v1::Deployment,
    coordination::v1::Lease,
    core::v1::{ConfigMap, Secret, Service},
};
use kamaji_api::labels;
use kamaji_e2e::audit::Entry;
use kube::{
    Api, ResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams},
};
use rustix::process::Signal;
use serde_json::json;

use crate::{
    environment::{Environment, NAMESPACE, wait_until},
    process::Process,
};

/// Rounds of each kind of interruption: one, and thirty in `make soak`.
fn rounds() -> u64 {
    if std::env::var_os("KAMAJI_SOAK").is_some() {
        30
    } else {
        1
    }
}

/// Uid and resource version of objects by kind and name.
type Versions = BTreeMap<String, (Option<String>, Option<String>)>;

const NAMES: [&str; 2] = ["first", "second"];

/// Two replicas of the operator, each with a user of its own. The first leads.
struct Pair {
    environment: Environment,
    accounts: [PathBuf; 2],
    first: Process,
    second: Process,
}

impl Pair {
    async fn new() -> Self {
        let environment = Environment::new().await;
        let accounts: [PathBuf; 2] = [
            environment.account("first").await,
            environment.account("second").await,
        ];
        let first = Process::start(&environment, &accounts[0], &[]).await;
        wait_for_leader(&environment, &first).await;
        let second = Process::start(&environment, &accounts[1], &[]).await;
        // A replica observes the lease for a while before it can conclude that it is not renewed.
        tokio::time::sleep(Duration::from_secs(4)).await;
        Self {
            environment,
            accounts,
            first,
            second,
        }
    }

    /// The pair for the next round: the replica that took over is the first, and a new process is the second.
    async fn with_roles_swapped(self) -> Self {
        let Self {
            environment,
            accounts: [former, accounts],
            second: first,
            ..
        } = self;
        let second = Process::start(&environment, &former, &[]).await;
        tokio::time::sleep(Duration::from_secs(4)).await;
        Self {
            environment,
            accounts: [accounts, former],
            first,
            second,
        }
    }

    /// Stops the leader's process in the middle of its work, lets its successor complete the work until `done`
    /// returns, and continues the process. Asserts that it exits without a change.
    async fn pause_leader(&self, round: u64, done: impl AsyncFnOnce(&Environment)) {
        // A different moment in each round.
        tokio::time::sleep(Duration::from_millis(round * 13 % 97)).await;
        self.first.signal(Signal::STOP);
        wait_for_leader(&self.environment, &self.second).await;
        done(&self.environment).await;
        let before = self.stable_versions(&TENANTS).await;
        assert!(!before.is_empty());
        let woken = self.environment.api.audit().mark().unwrap();
        self.first.signal(Signal::CONT);
        // A process that has lost the lease exits. A pod would be restarted.
        self.first.wait_exited(Duration::from_secs(10)).await;
        assert_eq!(self.versions(&TENANTS).await, before, "round {round}");
        let late_writes = self.writes_of(NAMES[usize::from(round % 2 == 1)], woken);
        assert!(late_writes.is_empty(), "round {round}: {late_writes:?}");
    }

    /// Waits until the second replica leads, and until it has written `tenants`. Returns the time until each.
    async fn wait_for_takeover(&self, tenants: &[&str]) -> (Duration, Duration) {
        let begin = Instant::now();
        wait_for_leader(&self.environment, &self.second).await;
        let led = begin.elapsed();
        for tenant in tenants {
            self.environment.wait_for_objects(tenant).await;
        }
        (led, begin.elapsed())
    }

    /// Successful writes of a replica since `mark`.
    fn writes_of(&self, name: &str, mark: u64) -> Vec<String> {
        let user = format!("system:serviceaccount:kamaji-system:{name}");
        let entries = self
            .environment
            .api
            .audit()
            .since(mark)
            .unwrap()
            .into_iter();
        entries
            .filter(|entry| entry.user.username == user && entry.is_write())
            .filter(|entry| entry.response_status.code < 300)
            .map(|entry| format!("{} {}", entry.verb, entry.uri))
            .collect()
    }

    /// Uid and resource version of the tenants and of all their objects.
    async fn versions(&self, tenants: &[&str]) -> Versions {
        let mut versions = BTreeMap::new();
        for kind in [
            ApiResource::erase::<Secret>(&()),
            ApiResource::erase::<ConfigMap>(&()),
            ApiResource::erase::<Service>(&()),
            ApiResource::erase::<Deployment>(&()),
        ] {
            for tenant in tenants {
                for object in self.environment.owned(&kind, tenant).await {
                    let name = format!("{} {}", kind.kind, object.name_any());
                    versions.insert(name, (object.uid(), object.resource_version()));
                }
            }
        }
        for tenant in self
            .environment
            .tenants()
            .list(&ListParams::default())
            .await
            .unwrap()
        {
            let name = format!("tenant {}", tenant.name_any());
            versions.insert(name, (tenant.uid(), tenant.resource_version()));
        }
        versions
    }

    /// Waits until the versions do not change for a second, and returns them.
    async fn stable_versions(&self, tenants: &[&str]) -> Versions {
        let mut last = self.versions(tenants).await;
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let next = self.versions(tenants).await;
            if next == last {
                return next;
            }
            last = next;
        }
    }

    /// Asserts that the first replica wrote nothing after the first write of the second, the lease included.
    fn assert_single_writer(&self, mark: u64) {
        let entries = self.environment.api.audit().since(mark).unwrap();
        let wrote = |entry: &Entry, name: &str| {
            let user = format!("system:serviceaccount:kamaji-system:{name}");
            entry.user.username == user && entry.is_write() && entry.response_status.code < 300
        };
        let both = entries
            .iter()
            .skip_while(|entry| !wrote(entry, "second"))
            .filter(|entry| wrote(entry, "first"));
        let both: Vec<_> = both.map(|entry| (&entry.verb, &entry.uri)).collect();
        assert!(both.is_empty(), "{both:?}");
        for name in ["first", "second"] {
            let found = entries.iter().any(|entry| wrote(entry, name));
            assert!(found, "{name} wrote nothing");
        }
    }
}

/// Waits until `process` holds the lease.
async fn wait_for_leader(environment: &Environment, process: &Process) {
    let leases: Api<Lease> = Api::namespaced(environment.client.clone(), "kamaji-system");
    wait_until("the replica to lead", async || {
        let lease = leases.get_opt("kamaji.clastix.io").await.ok()??;
        let holder = lease.spec?.holder_identity?;
        process.is_named_by(&holder).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_replica_acquires_leadership_within_twenty_seconds_of_the_leaders_death() {
    let pair = Pair::new().await;
    let mark = pair.environment.api.audit().mark().unwrap();
    pair.environment.tenant("before", json!({})).await;
    pair.environment.wait_for_objects("before").await;
    pair.first.signal(Signal::KILL);
    pair.environment.tenant("after", json!({})).await;
    let (led, done) = pair.wait_for_takeover(&["after"]).await;
    println!("the other led after {led:?} and had done the work after {done:?}");
    assert!(done < Duration::from_secs(20), "{done:?}");
    pair.assert_single_writer(mark);
}

const TENANTS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

async fn create_tenants(environment: &Environment) {
    for tenant in TENANTS {
        environment.tenant(tenant, json!({})).await;
    }
}

async fn wait_for_tenants(environment: &Environment) {
    for tenant in TENANTS {
        environment.wait_for_objects(tenant).await;
    }
}

/// Deletes the tenants' objects as the garbage collector does, which does not run here.
async fn collect_garbage(environment: &Environment) {
    for kind in [
        ApiResource::erase::<Secret>(&()),
        ApiResource::erase::<ConfigMap>(&()),
        ApiResource::erase::<Service>(&()),
        ApiResource::erase::<Deployment>(&()),
    ] {
        let api: Api<DynamicObject> =
            Api::namespaced_with(environment.client.clone(), NAMESPACE, &kind);
        for tenant in TENANTS {
            for object in environment.owned(&kind, tenant).await {
                let name = object.name_any();
                api.delete(&name, &DeleteParams::default()).await.unwrap();
            }
        }
    }
}

async fn delete_tenants(environment: &Environment) {
    for tenant in TENANTS {
        let params = DeleteParams::default();
        environment.tenants().delete(tenant, &params).await.unwrap();
    }
}

async fn wait_tenants_deleted(environment: &Environment) {
    for tenant in TENANTS {
        environment.wait_deleted(tenant).await;
    }
    collect_garbage(environment).await;
}

/// A lease does not revoke requests on their way: one that a stopped process had handed to its connection is sent when
/// the process continues, like one that the network has delayed.
#[tokio::test(flavor = "multi_thread")]
async fn a_paused_leader_changes_nothing_that_its_successor_created() {
    let mut pair = Pair::new().await;
    for round in 0..rounds() {
        let mark = pair.environment.api.audit().mark().unwrap();
        create_tenants(&pair.environment).await;
        // In the middle of its work: some objects are written, others are not.
        wait_until("a Secret", async || pair.environment.secret("a-ca").await).await;
        pair.pause_leader(round, wait_for_tenants).await;
        let earlier_writes = pair.writes_of(NAMES[usize::from(round % 2 == 1)], mark);
        assert!(
            !earlier_writes.is_empty(),
            "the paused leader wrote nothing before"
        );
        if round + 1 < rounds() {
            delete_tenants(&pair.environment).await;
            wait_tenants_deleted(&pair.environment).await;
            pair = pair.with_roles_swapped().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_leader_changes_nothing_that_its_successor_rotated() {
    let mut pair = Pair::new().await;
    create_tenants(&pair.environment).await;
    wait_for_tenants(&pair.environment).await;
    for round in 0..rounds() {
        let former = pair.environment.secret("a-ca").await.unwrap().data;
        let rotation = json!({"metadata": {"annotations": {labels::ROTATE: ""}}});
        for tenant in TENANTS {
            let (name, params) = (format!("{tenant}-ca"), PatchParams::default());
            let patch = Patch::Merge(&rotation);
            let patched = pair
                .environment
                .secrets()
                .patch(&name, &params, &patch)
                .await;
            patched.unwrap();
        }
        wait_until("a new CA", async || {
            let now = pair.environment.secret("a-ca").await?.data;
            (now != former).then_some(())
        })
        .await;
        let rotated = async |environment: &Environment| {
            for tenant in TENANTS {
                wait_until("the CA to be rotated", async || {
                    let secret = environment.secret(&format!("{tenant}-ca")).await?;
                    let stamp = secret.annotations().get(labels::ROTATE)?;
                    (!stamp.is_empty()).then_some(())
                })
                .await;
            }
            wait_for_tenants(environment).await;
        };
        pair.pause_leader(round, rotated).await;
        if round + 1 < rounds() {
            pair = pair.with_roles_swapped().await;
        }
    }
}

/// The objects that the paused leader was about to delete or to release exist again, with the same names.
#[tokio::test(flavor = "multi_thread")]
async fn a_paused_leader_deletes_nothing_that_its_successor_recreated() {
    let mut pair = Pair::new().await;
    create_tenants(&pair.environment).await;
    wait_for_tenants(&pair.environment).await;
    for round in 0..rounds() {
        delete_tenants(&pair.environment).await;
        wait_until("a tenant to be deleted", async || {
            let left = pair
                .environment
                .tenants()
                .list(&ListParams::default())
                .await;
            (left.ok()?.items.len() < TENANTS.len()).then_some(())
        })
        .await;
        let recreate = async |environment: &Environment| {
            wait_tenants_deleted(environment).await;
            create_tenants(environment).await;
            wait_for_tenants(environment).await;
        };
        pair.pause_leader(round, recreate).await;
        if round + 1 < rounds() {
            pair = pair.with_roles_swapped().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminated_leader_finishes_its_reconciles_and_releases_the_lease() {
    let pair = Pair::new().await;
    let mark = pair.environment.api.audit().mark().unwrap();
    let tenants = ["a", "b", "c", "d", "e", "f"];
    for tenant in tenants {
        pair.environment.tenant(tenant, json!({})).await;
    }
    wait_until("a Secret", async || pair.environment.secret("f-ca").await).await;
    pair.first.signal(Signal::TERM);
    pair.first.wait_exited(Duration::from_secs(8)).await;
    let (led, done) = pair.wait_for_takeover(&tenants).await;
    println!("the other led after {led:?} and had done the work after {done:?}");
    assert!(led < Duration::from_secs(5), "{led:?}");
    pair.assert_single_writer(mark);
    let created: Vec<_> = pair.environment.api.audit().since(mark).unwrap();
    let created = |name: &str, resource: &str| {
        let mut found = created.iter().filter(|entry| {
            entry.response_status.code == 201
                && (&*entry.object_ref.name, &*entry.object_ref.resource) == (name, resource)
        });
        found.next().map(|entry| entry.user.username.clone())
    };
    for tenant in tenants {
        let (begun, ended) = (
            created(&format!("{tenant}-ca"), "secrets"),
            created(tenant, "deployments"),
        );
        assert_eq!(begun, ended, "{tenant} was left half written");
    }
}
