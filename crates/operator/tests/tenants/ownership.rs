//! A tenant's schema and user stay its own, whoever else asks for them, and whatever ends in between.

use k8s_openapi::api::core::v1::Event;
use kamaji_api::{condition, datastore::DataStore, tenant::TenantControlPlane};
use kamaji_datastore::{Owner, Tenancy};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::world::{NAMESPACE, Operator, World, until};

fn asks_for(schema: &str, user: &str) -> Value {
    json!({"dataStoreSchema": schema, "dataStoreUsername": user})
}

/// `first` has the schema `shared`, `second` asks for it and is refused.
async fn namesakes() -> (World, Operator) {
    let world = World::new().await;
    let operator = world.operator();
    world.tenant("first", asks_for("shared", "one")).await;
    world.written("first").await;
    world.tenant("second", asks_for("shared", "two")).await;
    let why = world
        .reason("second", "DataStoreReady", "DataStoreShared")
        .await;
    assert!(why.contains("tenants/first"), "{why}");
    (world, operator)
}

async fn delete(world: &World, tenant: &str) {
    let tenants = world.tenants();
    tenants
        .delete(tenant, &DeleteParams::default())
        .await
        .unwrap();
}

/// Number of keys of `tenancy`, with whose own certificate it is asked.
async fn keys(world: &World, tenancy: &Tenancy) -> u64 {
    let name = format!("{}-datastore-certificate", tenancy.owner.name);
    let data = world.secret(&name).await.unwrap().data.unwrap();
    let own = world.connection(&data["server.crt"].0, &data["server.key"].0);
    let tenant = kamaji_datastore::connect(&own).await.unwrap();
    tenant.usage(tenancy).await.unwrap()
}

/// That everything of `first` is there still.
async fn first_is_whole(world: &World) {
    let first = world.tenancy("first", "shared", "one").await;
    let admin = world.etcd_admin().await;
    let missing = admin.ensure(&first).await.unwrap();
    assert!(missing.is_empty(), "{missing}");
    assert_eq!(keys(world, &first).await, 1);
}

async fn put(world: &World, key: &str) {
    world.etcd_client().await.put(key, "x", None).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_tenant_has_no_certificate_and_its_deletion_touches_nothing_of_the_owners() {
    let (world, operator) = namesakes().await;
    put(&world, "/shared/x").await;
    let mut client = world.etcd_client().await;
    let refused = async |client: &mut etcd_client::Client| {
        assert!(world.secret("second-datastore-certificate").await.is_none());
        let users = client.user_list().await.unwrap().users().to_vec();
        assert!(!users.contains(&"two".to_owned()), "{users:?}");
    };
    refused(&mut client).await;
    drop(operator);
    let _operator = world.operator();
    world
        .reason("second", "DataStoreReady", "DataStoreShared")
        .await;
    refused(&mut client).await;
    delete(&world, "second").await;
    world.gone("second").await;
    first_is_whole(&world).await;
    world.written("first").await;
    told(&world, "second", "DataStoreLeft").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_without_address_that_asks_for_anothers_user_is_refused_and_gets_no_certificate() {
    let (world, _operator) = namesakes().await;
    let exposed = json!({
        "dataStoreUsername": "one",
        "controlPlane": {"service": {"serviceType": "LoadBalancer"}},
    });
    world.tenant("third", exposed).await;
    world
        .reason("third", "DataStoreReady", "DataStoreShared")
        .await;
    assert!(world.secret("third-datastore-certificate").await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn after_restarts_the_recorded_tenant_keeps_its_place_and_the_refused_one_never_gets_it() {
    let (world, mut operator) = namesakes().await;
    for _ in 0..3 {
        drop(operator);
        operator = world.operator();
        world
            .reason("second", "DataStoreReady", "DataStoreShared")
            .await;
        // Something that only a whole pass brings.
        let patch = json!({"spec": {"controlPlane": {"deployment": {"replicas": 2}}}});
        for (name, patch) in [("first", &patch), ("second", &patch)] {
            let params = PatchParams::default();
            let tenants = world.tenants();
            tenants
                .patch(name, &params, &Patch::Merge(patch))
                .await
                .unwrap();
        }
        world.written("first").await;
    }
    assert!(world.secret("second-datastore-certificate").await.is_none());
    let first = world.tenancy("first", "shared", "one").await;
    let missing = world.etcd_admin().await.ensure(&first).await.unwrap();
    assert!(missing.is_empty(), "{missing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_data_stores_for_one_etcd_do_not_get_round_the_owner() {
    let (world, _operator) = namesakes().await;
    world.data_store("other").await;
    let other = json!({"dataStore": "other", "dataStoreSchema": "shared"});
    world.tenant("third", other).await;
    let why = world
        .reason("third", "DataStoreReady", "DataStoreShared")
        .await;
    assert!(why.contains("tenants/first"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_management_cluster_has_is_refused_and_left_alone() {
    let world = World::new().await;
    let admin = world.etcd_admin().await;
    let owner = Owner {
        cluster: "elsewhere".to_owned(),
        tenant: "a-uid".to_owned(),
        namespace: NAMESPACE.to_owned(),
        name: "t".to_owned(),
    };
    let theirs = Tenancy::parse("shared", "one", owner).unwrap();
    admin.ensure(&theirs).await.unwrap();
    put(&world, "/shared/x").await;
    let _operator = world.operator();
    world.tenant("t", asks_for("shared", "one")).await;
    let why = world.reason("t", "DataStoreReady", "DataStoreShared").await;
    assert!(why.contains("elsewhere"), "{why}");
    delete(&world, "t").await;
    world.gone("t").await;
    assert!(admin.ensure(&theirs).await.unwrap().is_empty());
    assert_eq!(admin.usage(&theirs).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrators_name_is_refused_in_the_spec_and_in_the_status() {
    let world = World::new().await;
    let mut client = world.etcd_client().await;
    let user = etcd_client::UserAddOptions::new().with_no_pwd();
    client.user_add("backup", "", Some(user)).await.unwrap();
    client.user_grant_role("backup", "root").await.unwrap();
    world.tenant("t", asks_for("t", "backup")).await;
    world.tenant("forged", json!({})).await;
    let storage =
        json!({"dataStoreName": "default", "setup": {"schema": "forged", "user": "root"}});
    status(&world, "forged", json!({"storage": storage})).await;
    let _operator = world.operator();
    let why = world
        .reason("t", "DataStoreReady", "DataStoreForeign")
        .await;
    assert!(why.contains("administrator"), "{why}");
    let why = world
        .reason("forged", "DataStoreReady", "DataStoreNameRefused")
        .await;
    assert!(why.contains("status.storage.setup.user"), "{why}");
    for name in ["t", "forged"] {
        let secret = format!("{name}-datastore-certificate");
        assert!(world.secret(&secret).await.is_none());
        delete(&world, name).await;
        world.gone(name).await;
    }
    let kept = client.user_get("backup").await.unwrap();
    assert_eq!(kept.roles(), ["root"]);
}

async fn status(world: &World, tenant: &str, status: Value) {
    let params = PatchParams::default();
    let patch = Patch::Merge(json!({ "status": status }));
    let tenants = world.tenants();
    tenants.patch_status(tenant, &params, &patch).await.unwrap();
}

/// A tenant that was set up, and then lost with its management cluster's objects: its last status.
async fn lost(world: &World) -> Value {
    let operator = world.operator();
    world.tenant("t", asks_for("t", "t")).await;
    world.written("t").await;
    put(world, "/t/x").await;
    drop(operator);
    let object = world.tenants().get("t").await.unwrap();
    let insist = json!({"metadata": {"finalizers": null}});
    let params = PatchParams::default();
    delete(world, "t").await;
    let tenants = world.tenants();
    tenants
        .patch("t", &params, &Patch::Merge(insist))
        .await
        .unwrap();
    world.gone("t").await;
    // What its garbage collector would remove.
    let secrets = world.secrets();
    for secret in secrets.list(&ListParams::default()).await.unwrap() {
        let name = secret.name_any();
        let free = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        secrets.patch(&name, &params, &free).await.unwrap();
        let _ = secrets.delete(&name, &DeleteParams::default()).await;
    }
    serde_json::to_value(object.status.unwrap().storage.unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_tenant_with_the_same_setup_gets_its_place_back() {
    let world = World::new().await;
    let storage = Box::pin(lost(&world)).await;
    world.tenant("t", asks_for("t", "t")).await;
    status(&world, "t", json!({"storage": storage})).await;
    let _operator = world.operator();
    world.written("t").await;
    let tenancy = world.tenancy("t", "t", "t").await;
    assert_eq!(keys(&world, &tenancy).await, 1);
    let admin = world.etcd_admin().await;
    assert!(admin.ensure(&tenancy).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_gets_the_place_of_its_former_self_if_a_person_names_it() {
    let world = World::new().await;
    let operator = world.operator();
    world.tenant("t", asks_for("t", "t")).await;
    world.written("t").await;
    let uid = world.tenants().get("t").await.unwrap().uid().unwrap();
    drop(operator);
    Box::pin(lost(&world)).await;
    let _operator = world.operator();
    world.tenant("t", asks_for("t", "t")).await;
    let why = world.reason("t", "DataStoreReady", "DataStoreShared").await;
    assert!(
        why.contains(&uid) && why.contains("adopt-datastore-owner"),
        "{why}"
    );
    let word =
        json!({"metadata": {"annotations": {"kamaji.clastix.io/adopt-datastore-owner": uid}}});
    let tenants: Api<TenantControlPlane> = world.tenants();
    tenants
        .patch("t", &PatchParams::default(), &Patch::Merge(word))
        .await
        .unwrap();
    world.written("t").await;
    let tenancy = world.tenancy("t", "t", "t").await;
    assert_eq!(keys(&world, &tenancy).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_runs_without_a_record_gets_one_at_first_contact() {
    let world = World::new().await;
    let operator = world.operator();
    world.tenant("t", asks_for("t", "t")).await;
    world.written("t").await;
    drop(operator);
    let mut client = world.etcd_client().await;
    for key in ["schema/t", "user/t"] {
        let key = format!("/kamaji.clastix.io/owners/{key}");
        assert_eq!(client.delete(key, None).await.unwrap().deleted(), 1);
    }
    world.tenant("thief", asks_for("t", "t")).await;
    let _operator = world.operator();
    world.reason("thief", "Ready", "DataStoreShared").await;
    let tenancy = world.tenancy("t", "t", "t").await;
    until("the record", async || {
        let key = "/kamaji.clastix.io/owners/schema/t";
        let found = client.get(key, None).await.ok()?;
        (found.kvs().first()?.value() == tenancy.owner.record()).then_some(())
    })
    .await;
}

/// That an event of the tenant says so.
async fn told(world: &World, tenant: &str, reason: &str) {
    let events: Api<Event> = Api::namespaced(world.client.clone(), NAMESPACE);
    until(&format!("an event of {tenant}"), async || {
        let fields = format!("involvedObject.name={tenant},reason={reason}");
        let list = events.list(&ListParams::default().fields(&fields)).await;
        (!list.ok()?.items.is_empty()).then_some(())
    })
    .await;
}

async fn store_condition(world: &World, type_: &str, reason: &str) {
    let stores: Api<DataStore> = Api::all(world.client.clone());
    until(&format!("{type_} to be {reason}"), async || {
        let status = stores.get("default").await.ok()?.status?;
        let found = condition::find(&status.conditions, type_)?;
        (found.reason == reason).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_sees_that_access_control_was_switched_off_and_on_again() {
    let world = World::new().await;
    let _operator = world.operator();
    world.tenant("t", json!({})).await;
    world.written("t").await;
    store_condition(&world, condition::ACCESS_CONTROL, "Enforced").await;
    let client = world.etcd_client().await;
    client.auth_client().auth_disable().await.unwrap();
    store_condition(&world, condition::ACCESS_CONTROL, "Off").await;
    let why = world
        .reason("t", "DataStoreReady", "AccessControlOff")
        .await;
    assert!(why.contains("auth enable"), "{why}");
    client.auth_client().auth_enable().await.unwrap();
    store_condition(&world, condition::ACCESS_CONTROL, "Enforced").await;
    world.reason("t", "DataStoreReady", "AsPlanned").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_without_access_control_is_used_only_if_the_data_store_accepts_it() {
    let world = World::new().await;
    let client = world.etcd_client().await;
    client.auth_client().auth_disable().await.unwrap();
    let _operator = world.operator();
    world.tenant("t", asks_for("t", "t")).await;
    world
        .reason("t", "DataStoreReady", "AccessControlOff")
        .await;
    assert!(world.secret("t-datastore-certificate").await.is_none());
    let word = json!({"metadata": {"annotations": {"kamaji.clastix.io/allow-without-access-control": "true"}}});
    let stores: Api<DataStore> = Api::all(world.client.clone());
    stores
        .patch("default", &PatchParams::default(), &Patch::Merge(word))
        .await
        .unwrap();
    world.written("t").await;
    world.reason("t", "DataStoreReady", "AsPlanned").await;
    store_condition(&world, condition::ACCESS_CONTROL, "Accepted").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn overrides_of_a_running_tenant_stay_as_they_were_set_up_and_go_with_it() {
    let world = World::new().await;
    world.data_store("events").await;
    let _operator = world.operator();
    let overrides = json!([{"resource": "/events", "dataStore": "events"}]);
    world
        .tenant("t", json!({"dataStoreOverrides": overrides}))
        .await;
    world.written("t").await;
    let recorded = async || {
        let storage = world.tenants().get("t").await.unwrap().status?.storage?;
        Some(
            storage
                .overrides?
                .into_iter()
                .map(|item| (item.resource, item.data_store))
                .collect(),
        )
    };
    let events = vec![("/events".to_owned(), "events".to_owned())];
    assert_eq!(recorded().await, Some(events.clone()));
    let patch = json!({"spec": {"dataStoreOverrides": []}});
    let tenants = world.tenants();
    tenants
        .patch("t", &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
    let why = world
        .reason("t", "DataStoreReady", "OverridesChanged")
        .await;
    assert!(why.contains("/events in events"), "{why}");
    assert_eq!(recorded().await, Some(events));
    let resource = kube::api::ApiResource::erase::<k8s_openapi::api::apps::v1::Deployment>(&());
    let pods = world.owned(&resource, "t").await;
    let text = serde_json::to_string(&pods[0].data).unwrap();
    assert!(text.contains("--etcd-servers-overrides=/events#"), "{text}");
    let stores: Api<DataStore> = Api::all(world.client.clone());
    let used = async || {
        let status = stores.get("events").await.ok()?.status?;
        Some(status.used_by)
    };
    until("the events' DataStore to be used", async || {
        (!used().await?.is_empty()).then_some(())
    })
    .await;
    delete(&world, "t").await;
    world.gone("t").await;
    until("the events' DataStore to be free", async || {
        used().await?.is_empty().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_store_goes_within_seconds_after_its_last_tenant_and_not_before() {
    let world = World::new().await;
    let _operator = world.operator();
    let stores: Api<DataStore> = Api::all(world.client.clone());
    let gone = async || {
        stores
            .get_opt("default")
            .await
            .ok()?
            .is_none()
            .then_some(())
    };
    until("the DataStore to be held", async || {
        let store = stores.get("default").await.ok()?;
        (!store.finalizers().is_empty()).then_some(())
    })
    .await;
    // The tenant is new, and the DataStore goes at that moment.
    world.tenant("t", json!({})).await;
    until("the tenant's finalizer", async || {
        let tenant = world.tenants().get("t").await.ok()?;
        (!tenant.finalizers().is_empty()).then_some(())
    })
    .await;
    let params = DeleteParams::default();
    stores.delete("default", &params).await.unwrap();
    world.written("t").await;
    assert!(gone().await.is_none(), "it holds the tenant's data");
    world.tenant("late", json!({})).await;
    world
        .reason("late", "DataStoreReady", "DataStoreLeaving")
        .await;
    delete(&world, "t").await;
    delete(&world, "late").await;
    world.gone("t").await;
    world.gone("late").await;
    let since = std::time::Instant::now();
    until("the DataStore to be gone", gone).await;
    assert!(since.elapsed() < std::time::Duration::from_secs(15));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_store_whose_name_no_label_takes_says_so_and_a_condition_tells_what_is_now() {
    let world = World::new().await;
    let name = "s".repeat(64);
    world.data_store(&name).await;
    let _operator = world.operator();
    world.tenant("t", json!({"dataStore": name})).await;
    let why = world
        .reason("t", "DataStoreReady", "DataStoreNotReady")
        .await;
    assert!(why.contains("64 characters"), "{why}");
    delete(&world, "t").await;
    world.gone("t").await;
}
