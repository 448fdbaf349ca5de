//! A tenant's schema and user stay its own, whoever else asks for them, and whatever ends in between.

use k8s_openapi::api::core::v1::Event;
use kamaji_api::{condition, datastore::DataStore, tenant::TenantControlPlane};
use kamaji_datastore::{Owner, Tenancy};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::environment::{Environment, NAMESPACE, Operator, until};

fn asks_for(schema: &str, user: &str) -> Value {
    json!({"dataStoreSchema": schema, "dataStoreUsername": user})
}

/// `first` has the schema `shared`, `second` asks for it and is refused.
async fn namesakes() -> (Environment, Operator) {
    let environment = Environment::new().await;
    let operator = environment.operator();
    environment.tenant("first", asks_for("shared", "one")).await;
    environment.written("first").await;
    environment
        .tenant("second", asks_for("shared", "two"))
        .await;
    let why = environment
        .reason("second", "DataStoreReady", "DataStoreShared")
        .await;
    assert!(why.contains("tenants/first"), "{why}");
    (environment, operator)
}

async fn delete(environment: &Environment, tenant: &str) {
    let tenants = environment.tenants();
    tenants
        .delete(tenant, &DeleteParams::default())
        .await
        .unwrap();
}

/// Number of keys of `tenancy`, with whose own certificate it is asked.
async fn keys(environment: &Environment, tenancy: &Tenancy) -> u64 {
    let name = format!("{}-datastore-certificate", tenancy.owner.name);
    let data = environment.secret(&name).await.unwrap().data.unwrap();
    let own = environment.connection(&data["server.crt"].0, &data["server.key"].0);
    let tenant = kamaji_datastore::connect(&own).await.unwrap();
    tenant.usage(tenancy).await.unwrap()
}

/// That everything of `first` is there still.
async fn first_is_whole(environment: &Environment) {
    let first = environment.tenancy("first", "shared", "one").await;
    let admin = environment.etcd_admin().await;
    let missing = admin.ensure(&first).await.unwrap();
    assert!(missing.is_empty(), "{missing}");
    assert_eq!(keys(environment, &first).await, 1);
}

async fn put(environment: &Environment, key: &str) {
    environment
        .etcd_client()
        .await
        .put(key, "x", None)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_tenant_has_no_certificate_and_its_deletion_touches_nothing_of_the_owners() {
    let (environment, operator) = namesakes().await;
    put(&environment, "/shared/x").await;
    let mut client = environment.etcd_client().await;
    let refused = async |client: &mut etcd_client::Client| {
        assert!(
            environment
                .secret("second-datastore-certificate")
                .await
                .is_none()
        );
        let users = client.user_list().await.unwrap().users().to_vec();
        assert!(!users.contains(&"two".to_owned()), "{users:?}");
    };
    refused(&mut client).await;
    drop(operator);
    let _operator = environment.operator();
    environment
        .reason("second", "DataStoreReady", "DataStoreShared")
        .await;
    refused(&mut client).await;
    delete(&environment, "second").await;
    environment.gone("second").await;
    first_is_whole(&environment).await;
    environment.written("first").await;
    told(&environment, "second", "DataStoreLeft").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_without_address_that_asks_for_anothers_user_is_refused_and_gets_no_certificate() {
    let (environment, _operator) = namesakes().await;
    let exposed = json!({
        "dataStoreUsername": "one",
        "controlPlane": {"service": {"serviceType": "LoadBalancer"}},
    });
    environment.tenant("third", exposed).await;
    environment
        .reason("third", "DataStoreReady", "DataStoreShared")
        .await;
    assert!(
        environment
            .secret("third-datastore-certificate")
            .await
            .is_none()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn after_restarts_the_recorded_tenant_keeps_its_place_and_the_refused_one_never_gets_it() {
    let (environment, mut operator) = namesakes().await;
    for _ in 0..3 {
        drop(operator);
        operator = environment.operator();
        environment
            .reason("second", "DataStoreReady", "DataStoreShared")
            .await;
        // Something that only a whole pass brings.
        let patch = json!({"spec": {"controlPlane": {"deployment": {"replicas": 2}}}});
        for (name, patch) in [("first", &patch), ("second", &patch)] {
            let params = PatchParams::default();
            let tenants = environment.tenants();
            tenants
                .patch(name, &params, &Patch::Merge(patch))
                .await
                .unwrap();
        }
        environment.written("first").await;
    }
    assert!(
        environment
            .secret("second-datastore-certificate")
            .await
            .is_none()
    );
    let first = environment.tenancy("first", "shared", "one").await;
    let missing = environment.etcd_admin().await.ensure(&first).await.unwrap();
    assert!(missing.is_empty(), "{missing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_data_stores_for_one_etcd_do_not_get_round_the_owner() {
    let (environment, _operator) = namesakes().await;
    environment.data_store("other").await;
    let other = json!({"dataStore": "other", "dataStoreSchema": "shared"});
    environment.tenant("third", other).await;
    let why = environment
        .reason("third", "DataStoreReady", "DataStoreShared")
        .await;
    assert!(why.contains("tenants/first"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_management_cluster_has_is_refused_and_left_alone() {
    let environment = Environment::new().await;
    let admin = environment.etcd_admin().await;
    let owner = Owner {
        cluster: "elsewhere".to_owned(),
        tenant: "a-uid".to_owned(),
        namespace: NAMESPACE.to_owned(),
        name: "t".to_owned(),
    };
    let theirs = Tenancy::parse(kamaji_datastore::Driver::Etcd, "shared", "one", owner).unwrap();
    admin.ensure(&theirs).await.unwrap();
    put(&environment, "/shared/x").await;
    let _operator = environment.operator();
    environment.tenant("t", asks_for("shared", "one")).await;
    let why = environment
        .reason("t", "DataStoreReady", "DataStoreShared")
        .await;
    assert!(why.contains("elsewhere"), "{why}");
    delete(&environment, "t").await;
    environment.gone("t").await;
    assert!(admin.ensure(&theirs).await.unwrap().is_empty());
    assert_eq!(admin.usage(&theirs).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrators_name_is_refused_in_the_spec_and_in_the_status() {
    let environment = Environment::new().await;
    let mut client = environment.etcd_client().await;
    let user = etcd_client::UserAddOptions::new().with_no_pwd();
    client.user_add("backup", "", Some(user)).await.unwrap();
    client.user_grant_role("backup", "root").await.unwrap();
    environment.tenant("t", asks_for("t", "backup")).await;
    environment.tenant("forged", json!({})).await;
    let storage =
        json!({"dataStoreName": "default", "setup": {"schema": "forged", "user": "root"}});
    status(&environment, "forged", json!({"storage": storage})).await;
    let _operator = environment.operator();
    let why = environment
        .reason("t", "DataStoreReady", "DataStoreForeign")
        .await;
    assert!(why.contains("administrator"), "{why}");
    let why = environment
        .reason("forged", "DataStoreReady", "DataStoreNameRefused")
        .await;
    assert!(why.contains("status.storage.setup.user"), "{why}");
    for name in ["t", "forged"] {
        let secret = format!("{name}-datastore-certificate");
        assert!(environment.secret(&secret).await.is_none());
        delete(&environment, name).await;
        environment.gone(name).await;
    }
    let kept = client.user_get("backup").await.unwrap();
    assert_eq!(kept.roles(), ["root"]);
}

async fn status(environment: &Environment, tenant: &str, status: Value) {
    let params = PatchParams::default();
    let patch = Patch::Merge(json!({ "status": status }));
    let tenants = environment.tenants();
    tenants.patch_status(tenant, &params, &patch).await.unwrap();
}

/// A tenant that was set up, and then lost with its management cluster's objects: its last status.
async fn lost(environment: &Environment) -> Value {
    let operator = environment.operator();
    environment.tenant("t", asks_for("t", "t")).await;
    environment.written("t").await;
    put(environment, "/t/x").await;
    drop(operator);
    let object = environment.tenants().get("t").await.unwrap();
    let insist = json!({"metadata": {"finalizers": null}});
    let params = PatchParams::default();
    delete(environment, "t").await;
    let tenants = environment.tenants();
    tenants
        .patch("t", &params, &Patch::Merge(insist))
        .await
        .unwrap();
    environment.gone("t").await;
    // What its garbage collector would remove.
    let secrets = environment.secrets();
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
    let environment = Environment::new().await;
    let storage = Box::pin(lost(&environment)).await;
    environment.tenant("t", asks_for("t", "t")).await;
    status(&environment, "t", json!({"storage": storage})).await;
    let _operator = environment.operator();
    environment.written("t").await;
    let tenancy = environment.tenancy("t", "t", "t").await;
    assert_eq!(keys(&environment, &tenancy).await, 1);
    let admin = environment.etcd_admin().await;
    assert!(admin.ensure(&tenancy).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_gets_the_place_of_its_former_self_if_a_person_names_it() {
    let environment = Environment::new().await;
    let operator = environment.operator();
    environment.tenant("t", asks_for("t", "t")).await;
    environment.written("t").await;
    let uid = environment.tenants().get("t").await.unwrap().uid().unwrap();
    drop(operator);
    Box::pin(lost(&environment)).await;
    let _operator = environment.operator();
    environment.tenant("t", asks_for("t", "t")).await;
    let why = environment
        .reason("t", "DataStoreReady", "DataStoreShared")
        .await;
    assert!(
        why.contains(&uid) && why.contains("adopt-datastore-owner"),
        "{why}"
    );
    let word =
        json!({"metadata": {"annotations": {"kamaji.clastix.io/adopt-datastore-owner": uid}}});
    let tenants: Api<TenantControlPlane> = environment.tenants();
    tenants
        .patch("t", &PatchParams::default(), &Patch::Merge(word))
        .await
        .unwrap();
    environment.written("t").await;
    let tenancy = environment.tenancy("t", "t", "t").await;
    assert_eq!(keys(&environment, &tenancy).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_runs_without_a_record_gets_one_at_first_contact() {
    let environment = Environment::new().await;
    let operator = environment.operator();
    environment.tenant("t", asks_for("t", "t")).await;
    environment.written("t").await;
    drop(operator);
    let mut client = environment.etcd_client().await;
    for key in ["schema/t", "user/t"] {
        let key = format!("/kamaji.clastix.io/owners/{key}");
        assert_eq!(client.delete(key, None).await.unwrap().deleted(), 1);
    }
    environment.tenant("thief", asks_for("t", "t")).await;
    let _operator = environment.operator();
    environment
        .reason("thief", "Ready", "DataStoreShared")
        .await;
    let tenancy = environment.tenancy("t", "t", "t").await;
    until("the record", async || {
        let key = "/kamaji.clastix.io/owners/schema/t";
        let found = client.get(key, None).await.ok()?;
        (found.kvs().first()?.value() == tenancy.owner.record()).then_some(())
    })
    .await;
}

/// That an event of the tenant says so.
async fn told(environment: &Environment, tenant: &str, reason: &str) {
    let events: Api<Event> = Api::namespaced(environment.client.clone(), NAMESPACE);
    until(&format!("an event of {tenant}"), async || {
        let fields = format!("involvedObject.name={tenant},reason={reason}");
        let list = events.list(&ListParams::default().fields(&fields)).await;
        (!list.ok()?.items.is_empty()).then_some(())
    })
    .await;
}

async fn store_condition(environment: &Environment, type_: &str, reason: &str) {
    let stores: Api<DataStore> = Api::all(environment.client.clone());
    until(&format!("{type_} to be {reason}"), async || {
        let status = stores.get("default").await.ok()?.status?;
        let found = condition::find(&status.conditions, type_)?;
        (found.reason == reason).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_sees_that_access_control_was_switched_off_and_on_again() {
    let environment = Environment::new().await;
    let _operator = environment.operator();
    environment.tenant("t", json!({})).await;
    environment.written("t").await;
    store_condition(&environment, condition::ACCESS_CONTROL, "Enforced").await;
    let client = environment.etcd_client().await;
    client.auth_client().auth_disable().await.unwrap();
    store_condition(&environment, condition::ACCESS_CONTROL, "Off").await;
    let why = environment
        .reason("t", "DataStoreReady", "AccessControlOff")
        .await;
    assert!(why.contains("auth enable"), "{why}");
    client.auth_client().auth_enable().await.unwrap();
    store_condition(&environment, condition::ACCESS_CONTROL, "Enforced").await;
    environment.reason("t", "DataStoreReady", "AsPlanned").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_without_access_control_is_used_only_if_the_data_store_accepts_it() {
    let environment = Environment::new().await;
    let client = environment.etcd_client().await;
    client.auth_client().auth_disable().await.unwrap();
    let _operator = environment.operator();
    environment.tenant("t", asks_for("t", "t")).await;
    environment
        .reason("t", "DataStoreReady", "AccessControlOff")
        .await;
    assert!(
        environment
            .secret("t-datastore-certificate")
            .await
            .is_none()
    );
    let word = json!({"metadata": {"annotations": {"kamaji.clastix.io/allow-without-access-control": "true"}}});
    let stores: Api<DataStore> = Api::all(environment.client.clone());
    stores
        .patch("default", &PatchParams::default(), &Patch::Merge(word))
        .await
        .unwrap();
    environment.written("t").await;
    environment.reason("t", "DataStoreReady", "AsPlanned").await;
    store_condition(&environment, condition::ACCESS_CONTROL, "Accepted").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn overrides_of_a_running_tenant_stay_as_they_were_set_up_and_go_with_it() {
    let environment = Environment::new().await;
    environment.data_store("events").await;
    let _operator = environment.operator();
    let overrides = json!([{"resource": "/events", "dataStore": "events"}]);
    environment
        .tenant("t", json!({"dataStoreOverrides": overrides}))
        .await;
    environment.written("t").await;
    let recorded = async || {
        let storage = environment
            .tenants()
            .get("t")
            .await
            .unwrap()
            .status?
            .storage?;
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
    let tenants = environment.tenants();
    tenants
        .patch("t", &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
    let why = environment
        .reason("t", "DataStoreReady", "OverridesChanged")
        .await;
    assert!(why.contains("/events in events"), "{why}");
    assert_eq!(recorded().await, Some(events));
    let resource = kube::api::ApiResource::erase::<k8s_openapi::api::apps::v1::Deployment>(&());
    let pods = environment.owned(&resource, "t").await;
    let text = serde_json::to_string(&pods[0].data).unwrap();
    assert!(text.contains("--etcd-servers-overrides=/events#"), "{text}");
    let stores: Api<DataStore> = Api::all(environment.client.clone());
    let used = async || {
        let status = stores.get("events").await.ok()?.status?;
        Some(status.used_by)
    };
    until("the events' DataStore to be used", async || {
        (!used().await?.is_empty()).then_some(())
    })
    .await;
    delete(&environment, "t").await;
    environment.gone("t").await;
    until("the events' DataStore to be free", async || {
        used().await?.is_empty().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_store_goes_within_seconds_after_its_last_tenant_and_not_before() {
    let environment = Environment::new().await;
    let _operator = environment.operator();
    let stores: Api<DataStore> = Api::all(environment.client.clone());
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
    environment.tenant("t", json!({})).await;
    until("the tenant's finalizer", async || {
        let tenant = environment.tenants().get("t").await.ok()?;
        (!tenant.finalizers().is_empty()).then_some(())
    })
    .await;
    let params = DeleteParams::default();
    stores.delete("default", &params).await.unwrap();
    environment.written("t").await;
    assert!(gone().await.is_none(), "it holds the tenant's data");
    environment.tenant("late", json!({})).await;
    environment
        .reason("late", "DataStoreReady", "DataStoreLeaving")
        .await;
    delete(&environment, "t").await;
    delete(&environment, "late").await;
    environment.gone("t").await;
    environment.gone("late").await;
    let since = std::time::Instant::now();
    until("the DataStore to be gone", gone).await;
    assert!(since.elapsed() < std::time::Duration::from_secs(15));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_store_whose_name_no_label_takes_says_so_and_a_condition_tells_what_is_now() {
    let environment = Environment::new().await;
    let name = "s".repeat(64);
    environment.data_store(&name).await;
    let _operator = environment.operator();
    environment.tenant("t", json!({"dataStore": name})).await;
    let why = environment
        .reason("t", "DataStoreReady", "DataStoreNotReady")
        .await;
    assert!(why.contains("64 characters"), "{why}");
    delete(&environment, "t").await;
    environment.gone("t").await;
}
