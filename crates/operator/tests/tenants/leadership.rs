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
    environment::{Environment, NAMESPACE, until},
    process::Process,
};

/// How often each kind of interruption is tried: thirty times in `make soak`.
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

/// Two replicas with a user each; the first leads.
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
        leads(&environment, &first).await;
        let second = Process::start(&environment, &accounts[1], &[]).await;
        // It has to look at the lease for a while before it can tell that nobody renews it.
        tokio::time::sleep(Duration::from_secs(4)).await;
        Self {
            environment,
            accounts,
            first,
            second,
        }
    }

    /// The replica that took over leads, and another one waits, so that it can happen again.
    async fn swapped(self) -> Self {
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

    /// The leader stops in the middle of its work, its successor does all of it, and the leader wakes:
    /// it has changed nothing then, and ends.
    async fn leader_sleeps(&self, round: u64, done: impl AsyncFnOnce(&Environment)) {
        // Another moment in each round.
        tokio::time::sleep(Duration::from_millis(round * 13 % 97)).await;
        self.first.signal(Signal::STOP);
        leads(&self.environment, &self.second).await;
        done(&self.environment).await;
        let made = self.settled(&TENANTS).await;
        assert!(!made.is_empty());
        let woken = self.environment.api.audit().mark().unwrap();
        self.first.signal(Signal::CONT);
        // A process that may not write any more ends, and is started anew where it is a pod.
        self.first.ended(Duration::from_secs(10)).await;
        assert_eq!(self.versions(&TENANTS).await, made, "round {round}");
        let late = self.wrote(NAMES[usize::from(round % 2 == 1)], woken);
        assert!(late.is_empty(), "round {round}: {late:?}");
    }

    /// Until the second replica leads and does the work that is there.
    async fn taken_over(&self, tenants: &[&str]) -> (Duration, Duration) {
        let begin = Instant::now();
        leads(&self.environment, &self.second).await;
        let led = begin.elapsed();
        for tenant in tenants {
            self.environment.written(tenant).await;
        }
        (led, begin.elapsed())
    }

    /// What a replica has written since `mark`.
    fn wrote(&self, name: &str, mark: u64) -> Vec<String> {
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

    /// Uid and version of everything that the tenants are made of.
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

    /// The same, once the second replica has nothing more to do.
    async fn settled(&self, tenants: &[&str]) -> Versions {
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

    /// That from the first write of the second replica on, the lease included, the first wrote
    /// nothing.
    fn never_both(&self, mark: u64) {
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
            let some = entries.iter().any(|entry| wrote(entry, name));
            assert!(some, "{name} wrote nothing");
        }
    }
}

async fn leads(environment: &Environment, process: &Process) {
    let leases: Api<Lease> = Api::namespaced(environment.client.clone(), "kamaji-system");
    until("the replica to lead", async || {
        let lease = leases.get_opt("kamaji.clastix.io").await.ok()??;
        let holder = lease.spec?.holder_identity?;
        process.is_named_by(&holder).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_replica_leads_within_twenty_seconds_of_the_leaders_death() {
    let pair = Pair::new().await;
    let mark = pair.environment.api.audit().mark().unwrap();
    pair.environment.tenant("before", json!({})).await;
    pair.environment.written("before").await;
    pair.first.signal(Signal::KILL);
    pair.environment.tenant("after", json!({})).await;
    let (led, done) = pair.taken_over(&["after"]).await;
    println!("the other led after {led:?} and had done the work after {done:?}");
    assert!(done < Duration::from_secs(20), "{done:?}");
    pair.never_both(mark);
}

const TENANTS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

async fn make(environment: &Environment) {
    for tenant in TENANTS {
        environment.tenant(tenant, json!({})).await;
    }
}

async fn made(environment: &Environment) {
    for tenant in TENANTS {
        environment.written(tenant).await;
    }
}

/// Deletes the tenants' objects as the garbage collector does, which does not run here.
async fn collect(environment: &Environment) {
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

async fn delete(environment: &Environment) {
    for tenant in TENANTS {
        let params = DeleteParams::default();
        environment.tenants().delete(tenant, &params).await.unwrap();
    }
}

async fn deleted(environment: &Environment) {
    for tenant in TENANTS {
        environment.gone(tenant).await;
    }
    collect(environment).await;
}

/// A lease does not recall what was on its way already: a request that a stopped process had handed to its
/// connection goes out when it wakes, like one that the network has delayed.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_slept_changes_nothing_that_its_successor_created() {
    let mut pair = Pair::new().await;
    for round in 0..rounds() {
        let mark = pair.environment.api.audit().mark().unwrap();
        make(&pair.environment).await;
        // In the middle of its work: some of it is written, some is not.
        until("a Secret", async || pair.environment.secret("a-ca").await).await;
        pair.leader_sleeps(round, made).await;
        let begun = pair.wrote(NAMES[usize::from(round % 2 == 1)], mark);
        assert!(!begun.is_empty(), "it had begun");
        if round + 1 < rounds() {
            delete(&pair.environment).await;
            deleted(&pair.environment).await;
            pair = pair.swapped().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_slept_changes_nothing_that_its_successor_rotated() {
    let mut pair = Pair::new().await;
    make(&pair.environment).await;
    made(&pair.environment).await;
    for round in 0..rounds() {
        let had = pair.environment.secret("a-ca").await.unwrap().data;
        let ask = json!({"metadata": {"annotations": {labels::ROTATE: ""}}});
        for tenant in TENANTS {
            let (name, params) = (format!("{tenant}-ca"), PatchParams::default());
            let patch = Patch::Merge(&ask);
            let asked = pair
                .environment
                .secrets()
                .patch(&name, &params, &patch)
                .await;
            asked.unwrap();
        }
        until("a new CA", async || {
            let now = pair.environment.secret("a-ca").await?.data;
            (now != had).then_some(())
        })
        .await;
        let rotated = async |environment: &Environment| {
            for tenant in TENANTS {
                until("the CA to be rotated", async || {
                    let secret = environment.secret(&format!("{tenant}-ca")).await?;
                    let stamp = secret.annotations().get(labels::ROTATE)?;
                    (!stamp.is_empty()).then_some(())
                })
                .await;
            }
            made(environment).await;
        };
        pair.leader_sleeps(round, rotated).await;
        if round + 1 < rounds() {
            pair = pair.swapped().await;
        }
    }
}

/// What it was about to delete or to release is there again, under the same names.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_slept_deletes_nothing_that_its_successor_made_anew() {
    let mut pair = Pair::new().await;
    make(&pair.environment).await;
    made(&pair.environment).await;
    for round in 0..rounds() {
        delete(&pair.environment).await;
        until("a tenant to be gone", async || {
            let left = pair
                .environment
                .tenants()
                .list(&ListParams::default())
                .await;
            (left.ok()?.items.len() < TENANTS.len()).then_some(())
        })
        .await;
        let anew = async |environment: &Environment| {
            deleted(environment).await;
            make(environment).await;
            made(environment).await;
        };
        pair.leader_sleeps(round, anew).await;
        if round + 1 < rounds() {
            pair = pair.swapped().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_told_to_stop_ends_what_it_began_and_gives_the_lease_back() {
    let pair = Pair::new().await;
    let mark = pair.environment.api.audit().mark().unwrap();
    let tenants = ["a", "b", "c", "d", "e", "f"];
    for tenant in tenants {
        pair.environment.tenant(tenant, json!({})).await;
    }
    until("a Secret", async || pair.environment.secret("f-ca").await).await;
    pair.first.signal(Signal::TERM);
    pair.first.ended(Duration::from_secs(8)).await;
    let (led, done) = pair.taken_over(&tenants).await;
    println!("the other led after {led:?} and had done the work after {done:?}");
    assert!(led < Duration::from_secs(5), "{led:?}");
    pair.never_both(mark);
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
        assert_eq!(begun, ended, "{tenant} was left in the middle of it");
    }
}
