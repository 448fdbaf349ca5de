//! Data of single resources that moves between etcds, while the tenant writes it and the rest.

use std::time::Duration;

use etcd_client::{GetOptions, Permission};
use kamaji_api::tenant::MigrationPhase;
use serde_json::{Value, json};

use crate::{
    checker::{History, check},
    clients::Clients,
    environment::{Environment, client_of, wait_until},
    kit_kine::write,
    late_cut::LateCut,
    pairs::roll_out,
    trusting::Trusting,
    world::{Service, TENANT, World},
    writers::{assert_served, fill},
};

const LEASES: &str = "coordination.k8s.io/leases";
/// Keys beside those that move: none of them may be refused.
const BESIDE: [&str; 5] = [
    "events.k8s.io/things/x",
    "events-x/y",
    "leasecandidates/x",
    "pods/default/p",
    "zz",
];

impl World {
    /// Asks for these overrides, all in the DataStore `store`.
    async fn override_in(&self, store: &str, resources: &[&str]) {
        let item = |resource: &&str| json!({"resource": resource, "dataStore": store});
        let items: Value = resources.iter().map(item).collect();
        self.change(json!({"spec": {"dataStoreOverrides": items}}))
            .await;
    }

    /// Waits until the status has these overrides, and the Secret leads to as many authorities.
    async fn wait_for_overrides(&self, expected: &[(&str, &str)]) {
        wait_until("the cut", async || {
            let storage = self.storage().await?;
            let items = storage.overrides.unwrap_or_default();
            let found: Vec<(&str, &str)> = items
                .iter()
                .map(|item| (item.resource.as_str(), item.data_store.as_str()))
                .collect();
            let name = format!("{TENANT}-datastore-certificate");
            let secret = self.environment.secret(&name);
            let bundle = secret.await?.data?.remove("ca.crt")?;
            let authorities = String::from_utf8_lossy(&bundle.0).matches("BEGIN").count();
            (found == expected && (authorities > 1) != expected.is_empty()).then_some(())
        })
        .await;
    }

    /// The etcd arguments of the tenant's API server.
    async fn overrides_argument(&self) -> Option<String> {
        use k8s_openapi::api::apps::v1::Deployment;
        let api = kube::Api::<Deployment>::namespaced(
            self.environment.client.clone(),
            crate::environment::NAMESPACE,
        );
        let text = serde_json::to_string(&api.get(TENANT).await.ok()?).ok()?;
        let (_, rest) = text.split_once("--etcd-servers-overrides=")?;
        Some(rest.split('"').next()?.to_owned())
    }

    async fn without_record(&self) {
        wait_until("the record is dropped", async || {
            self.storage().await?.migration.is_none().then_some(())
        })
        .await;
    }
}

async fn writes(service: &Service, key: &str) -> bool {
    let path = format!("{}{key}", service.root);
    service.client.clone().put(path, "v", None).await.is_ok()
}

async fn assert_frozen(service: &Service) {
    for key in [
        "events/default/late",
        "leases/kube-node-lease/late",
        "events/~",
    ] {
        assert!(!writes(service, key).await, "{key}");
    }
    for key in BESIDE {
        assert!(writes(service, key).await, "{key}");
    }
}

/// Keys of the tenant at an etcd under `prefix`.
async fn count(client: &mut etcd_client::Client, prefix: String) -> i64 {
    let options = GetOptions::new().with_prefix().with_count_only();
    client.get(prefix, Some(options)).await.unwrap().count()
}

/// Writes of one client to two etcds have revisions of both: those of each are in order.
fn by_store(mut history: History) -> History {
    let mut acknowledged = Vec::new();
    for writes in history.acknowledged {
        let (moved, rest): (Vec<_>, Vec<_>) = writes
            .into_iter()
            .partition(|write| write.key.starts_with("leases/"));
        acknowledged.extend([moved, rest]);
    }
    history.acknowledged = acknowledged;
    history
}

/// Gives the tenant the right to write all of its keys, as a person may by mistake.
async fn widen_role(etcd: &mut etcd_client::Client, service: &Service) {
    let schema = service.root.trim_matches('/').to_owned();
    let wide = Permission::read_write(service.root.clone()).with_range_end(format!("/{schema}0"));
    etcd.role_grant_permission(schema.as_str(), wide)
        .await
        .unwrap();
    assert!(
        writes(service, "events/~").await,
        "somebody widens the role"
    );
}

/// Takes every resource out of the override, which is refused over what was left at `source` without the annotation.
async fn move_back_with_a_word(world: &World, source: &Service) {
    world.override_in("events", &[]).await;
    let message = world.wait_for_failure().await;
    assert!(message.contains("cleanup-prior-migration"), "{message}");
    world.override_in("events", &[LEASES, "/events"]).await;
    world.without_record().await;
    assert_frozen(source).await;
    let annotations = json!({"kamaji.clastix.io/cleanup-prior-migration": "true"});
    let patch =
        json!({"metadata": {"annotations": annotations}, "spec": {"dataStoreOverrides": []}});
    world.change(patch).await;
    world.wait_for_overrides(&[]).await;
}

/// Stops the clients, and asserts that nothing they wrote is lost, and that only writes of Leases were refused.
async fn assert_nothing_lost(clients: Clients) {
    let (history, figures) = clients.stop().await;
    eprintln!(
        "{} writes acknowledged, {} refused; {} ms without an acknowledgement at most",
        figures.acknowledged,
        figures.refused,
        figures.longest_pause.as_millis()
    );
    let problems = check(&by_store(history));
    assert!(problems.is_empty(), "{problems:#?}");
    let beside = figures.refused_beside;
    assert_eq!(beside, [""; 0], "writes of other resources");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resources_under_writes_move_into_an_override_and_out_again_and_the_rest_is_never_refused()
{
    let world = World::bare().await;
    let other = Trusting::start(&world, "events").await;
    let first = world.environment.operator();
    world.tenant_with(json!({"dataStore": "etcd"})).await;
    let source = world.serve(kamaji_datastore::Driver::Etcd).await;
    let events = fill(&source, 500).await;
    let mut main = client_of(&world.environment.etcd).await;
    let mut second = other.client().await;
    let neighbour = "/neighbour/events/default/e";
    for client in [&mut main, &mut second] {
        client.put(neighbour, "theirs", None).await.unwrap();
    }
    let clients = Clients::start(&source, 0);
    clients.write_on(300).await;

    world.override_in("events", &["/events", LEASES]).await;
    let both = [(LEASES, "events"), ("/events", "events")];
    world.wait_for_overrides(&both).await;
    let target = world.serve_etcd(&other.endpoint).await;
    clients.lead_to(&source, ("leases/", &target));
    clients.write_on(300).await;
    let argument = world.overrides_argument().await.unwrap();
    assert!(argument.contains(&other.endpoint), "{argument}");
    assert_served(&target, &events).await;
    roll_out(&world).await;
    assert_frozen(&source).await;
    assert_eq!(world.storage().await.unwrap().former, None);
    // Neither another operator nor a repair of the role gives the right to write back.
    widen_role(&mut main, &source).await;
    drop(first);
    let _operator = world.environment.operator();
    wait_until("the role is repaired", async || {
        (!writes(&source, "events/~").await).then_some(())
    })
    .await;
    assert_frozen(&source).await;

    move_back_with_a_word(&world, &source).await;
    clients.lead_to(&source, ("leases/", &source));
    clients.write_on(300).await;
    assert_nothing_lost(clients).await;
    assert_served(&source, &events).await;
    assert!(writes(&source, "events/~").await);
    assert!(
        !writes(&target, "events/~").await,
        "what was left takes no write"
    );
    roll_out(&world).await;
    assert_eq!(world.overrides_argument().await, None);
    let former = world.storage().await.unwrap().former.unwrap();
    assert_eq!(former[0].data_store, "events");

    // A release makes a probe where the data is. A pass that has nothing to do writes nothing.
    world.release("events").await;
    let revision = |answer: etcd_client::GetResponse| answer.header().unwrap().revision();
    let before = revision(main.get("x", None).await.unwrap());
    roll_out(&world).await;
    assert_eq!(revision(main.get("x", None).await.unwrap()), before);
    assert_eq!(count(&mut second, source.root.clone()).await, 0);
    let roles = second.role_list().await.unwrap();
    assert!(
        !roles
            .roles()
            .contains(&source.root.trim_matches('/').to_owned()),
        "{:?}",
        roles.roles()
    );
    for client in [&mut main, &mut second] {
        let kept = client.get(neighbour, None).await.unwrap();
        assert_eq!(kept.kvs()[0].value(), b"theirs");
    }
}

/// The cut of the first operator is held on its way to the API server while it is killed, and sent after the second one
/// has rolled the migration back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_whose_operator_is_killed_under_the_fence_is_thawed_by_an_abort_and_moves_later() {
    let world = World::bare().await;
    let other = Trusting::start(&world, "events").await;
    let cut = LateCut::default();
    let through = cut.clone();
    let wrap = move |request, client| through.clone().pass(request, client);
    let killed = world.environment.run_through(Environment::settings(), wrap);
    world.tenant_with(json!({"dataStore": "etcd"})).await;
    let source = world.serve(kamaji_datastore::Driver::Etcd).await;
    let mut events = fill(&source, 300).await;
    world.override_in("events", &["/events"]).await;
    cut.wait().await;
    assert_eq!(world.phase().await, Some(MigrationPhase::Fenced));
    assert!(!writes(&source, "events/default/refused").await);
    for key in BESIDE {
        assert!(writes(&source, key).await, "{key}");
    }
    drop(killed);
    world.override_in("events", &[]).await;
    let operator = world.environment.operator();
    world.without_record().await;
    write(
        &source.client,
        &format!("{}events/lifted", source.root),
        0,
        b"lifted",
    )
    .await
    .unwrap();
    events.insert("events/lifted".to_owned(), Some(b"lifted".to_vec()));
    let mut second = other.client().await;
    assert_eq!(count(&mut second, source.root.clone()).await, 0);
    assert_eq!(second.role_list().await.unwrap().roles(), ["root"]);
    cut.assert_refused(&world).await;
    // Once more, with an operator that is killed while it copies.
    world.override_in("events", &["/events"]).await;
    world.wait_for_phase(MigrationPhase::Copying).await;
    drop(operator);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let _operator = world.environment.operator();
    world.wait_for_overrides(&[("/events", "events")]).await;
    let target = world.serve_etcd(&other.endpoint).await;
    assert_served(&target, &events).await;
    assert_eq!(count(&mut second, format!("{}pods/", source.root)).await, 0);
    assert!(!writes(&source, "events/default/late").await);
    assert!(writes(&target, "events/default/more").await);
}
