//! A tenant's schema and user in a datastore belong to that tenant alone: others that ask for them are refused, also
//! after restarts, restores and deletions.

use k8s_openapi::api::core::v1::Event;
use kamaji_api::tenant::{TenantControlPlane, VersionPhase};
use kamaji_datastore::{Owner, Tenancy};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::environment::{Environment, NAMESPACE, Operator, wait_until};

/// A spec that asks for a schema and a user in the datastore.
fn setup_spec(schema: &str, user: &str) -> Value {
    json!({"dataStoreSchema": schema, "dataStoreUsername": user})
}

/// Creates the tenants `first`, which gets the schema `shared`, and `second`, which is refused the same schema.
async fn two_tenants_with_one_schema() -> (Environment, Operator) {
    let environment = Environment::new().await;
    let operator = environment.operator();
    environment
        .tenant("first", setup_spec("shared", "one"))
        .await;
    environment.wait_for_objects("first").await;
    environment
        .tenant("second", setup_spec("shared", "two"))
        .await;
    let message = environment
        .wait_for_condition("second", "DataStoreReady", "DataStoreShared")
        .await;
    assert!(message.contains("tenants/first"), "{message}");
    (environment, operator)
}

async fn delete(environment: &Environment, tenant: &str) {
    let tenants = environment.tenants();
    tenants
        .delete(tenant, &DeleteParams::default())
        .await
        .unwrap();
}

/// Number of keys of `tenancy`, read with its tenant's own client certificate.
async fn count_keys(environment: &Environment, tenancy: &Tenancy) -> u64 {
    let name = format!("{}-datastore-certificate", tenancy.owner.name);
    let data = environment.secret(&name).await.unwrap().data.unwrap();
    let own = environment.connection(&data["server.crt"].0, &data["server.key"].0);
    let tenant = kamaji_datastore::connect(&own).await.unwrap();
    tenant.usage(tenancy).await.unwrap()
}

/// Asserts that the role, user and key of `first` still exist.
async fn assert_first_unchanged(environment: &Environment) {
    let first = environment.tenancy("first", "shared", "one").await;
    let admin = environment.etcd_admin().await;
    let missing = admin.ensure(&first).await.unwrap();
    assert!(missing.is_empty(), "{missing}");
    assert_eq!(count_keys(environment, &first).await, 1);
}

async fn put_key(environment: &Environment, key: &str) {
    environment
        .etcd_client()
        .await
        .put(key, "x", None)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_tenant_gets_no_certificate_and_its_deletion_leaves_the_owners_data() {
    let (environment, operator) = two_tenants_with_one_schema().await;
    put_key(&environment, "/shared/x").await;
    let mut client = environment.etcd_client().await;
    let assert_refused = async |client: &mut etcd_client::Client| {
        assert!(
            environment
                .secret("second-datastore-certificate")
                .await
                .is_none()
        );
        let users = client.user_list().await.unwrap().users().to_vec();
        assert!(!users.contains(&"two".to_owned()), "{users:?}");
    };
    assert_refused(&mut client).await;
    drop(operator);
    let _operator = environment.operator();
    environment
        .wait_for_condition("second", "DataStoreReady", "DataStoreShared")
        .await;
    assert_refused(&mut client).await;
    delete(&environment, "second").await;
    environment.wait_deleted("second").await;
    assert_first_unchanged(&environment).await;
    environment.wait_for_objects("first").await;
    wait_for_event(&environment, "second", "DataStoreLeft").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_without_address_that_asks_for_anothers_user_is_refused_and_gets_no_certificate() {
    let (environment, _operator) = two_tenants_with_one_schema().await;
    let spec = json!({
        "dataStoreUsername": "one",
        "controlPlane": {"service": {"serviceType": "LoadBalancer"}},
    });
    environment.tenant("third", spec).await;
    environment
        .wait_for_condition("third", "DataStoreReady", "DataStoreShared")
        .await;
    assert!(
        environment
            .secret("third-datastore-certificate")
            .await
            .is_none()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recorded_tenant_keeps_its_schema_after_restarts_and_the_other_stays_refused() {
    let (environment, mut operator) = two_tenants_with_one_schema().await;
    for _ in 0..3 {
        drop(operator);
        operator = environment.operator();
        environment
            .wait_for_condition("second", "DataStoreReady", "DataStoreShared")
            .await;
        // A change that takes a whole reconcile to arrive.
        let patch = json!({"spec": {"controlPlane": {"deployment": {"replicas": 2}}}});
        for (name, patch) in [("first", &patch), ("second", &patch)] {
            let params = PatchParams::default();
            let tenants = environment.tenants();
            tenants
                .patch(name, &params, &Patch::Merge(patch))
                .await
                .unwrap();
        }
        environment.wait_for_objects("first").await;
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
async fn a_refused_tenant_does_not_keep_the_phase_that_a_backup_brought_back() {
    let (environment, operator) = two_tenants_with_one_schema().await;
    drop(operator);
    let tenants = environment.tenants();
    let restored = json!({"status": {"kubernetesResources": {"version": {"status": "Ready"}}}});
    let params = PatchParams::default();
    tenants
        .patch_status("second", &params, &Patch::Merge(restored))
        .await
        .unwrap();
    let _operator = environment.operator();
    wait_until("the phase NotReady", async || {
        let status = tenants.get_status("second").await.ok()?.status?;
        let phase = status.kubernetes_resources?.version?.status?;
        (phase == VersionPhase::NotReady).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_data_store_for_one_etcd_does_not_bypass_the_recorded_owner() {
    let (environment, _operator) = two_tenants_with_one_schema().await;
    environment.data_store("other").await;
    let other = json!({"dataStore": "other", "dataStoreSchema": "shared"});
    environment.tenant("third", other).await;
    let message = environment
        .wait_for_condition("third", "DataStoreReady", "DataStoreShared")
        .await;
    assert!(message.contains("tenants/first"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_of_another_management_cluster_is_refused_and_left_alone() {
    let environment = Environment::new().await;
    let admin = environment.etcd_admin().await;
    let owner = Owner {
        cluster: "elsewhere".to_owned(),
        tenant: "a-uid".to_owned(),
        namespace: NAMESPACE.to_owned(),
        name: "t".to_owned(),
    };
    let other = Tenancy::parse(kamaji_datastore::Driver::Etcd, "shared", "one", owner).unwrap();
    admin.ensure(&other).await.unwrap();
    put_key(&environment, "/shared/x").await;
    let _operator = environment.operator();
    environment.tenant("t", setup_spec("shared", "one")).await;
    let message = environment
        .wait_for_condition("t", "DataStoreReady", "DataStoreShared")
        .await;
    assert!(message.contains("elsewhere"), "{message}");
    delete(&environment, "t").await;
    environment.wait_deleted("t").await;
    assert!(admin.ensure(&other).await.unwrap().is_empty());
    assert_eq!(admin.usage(&other).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrators_name_is_refused_in_the_spec_and_in_the_status() {
    let environment = Environment::new().await;
    let mut client = environment.etcd_client().await;
    let user = etcd_client::UserAddOptions::new().with_no_pwd();
    client.user_add("backup", "", Some(user)).await.unwrap();
    client.user_grant_role("backup", "root").await.unwrap();
    environment.tenant("t", setup_spec("t", "backup")).await;
    environment.tenant("forged", json!({})).await;
    let storage =
        json!({"dataStoreName": "default", "setup": {"schema": "forged", "user": "root"}});
    patch_status(&environment, "forged", json!({"storage": storage})).await;
    let _operator = environment.operator();
    let message = environment
        .wait_for_condition("t", "DataStoreReady", "DataStoreForeign")
        .await;
    assert!(message.contains("administrator"), "{message}");
    let message = environment
        .wait_for_condition("forged", "DataStoreReady", "DataStoreNameRefused")
        .await;
    assert!(message.contains("status.storage.setup.user"), "{message}");
    for name in ["t", "forged"] {
        let secret = format!("{name}-datastore-certificate");
        assert!(environment.secret(&secret).await.is_none());
        delete(&environment, name).await;
        environment.wait_deleted(name).await;
    }
    let user = client.user_get("backup").await.unwrap();
    assert_eq!(user.roles(), ["root"]);
}

async fn patch_status(environment: &Environment, tenant: &str, status: Value) {
    let params = PatchParams::default();
    let patch = Patch::Merge(json!({ "status": status }));
    let tenants = environment.tenants();
    tenants.patch_status(tenant, &params, &patch).await.unwrap();
}

/// Creates the tenant `t` with one key, removes it and its Secrets as the loss of a management cluster would, and
/// returns its last `status.storage`. Its data stays in the datastore.
async fn lose_tenant(environment: &Environment) -> Value {
    let operator = environment.operator();
    environment.tenant("t", setup_spec("t", "t")).await;
    environment.wait_for_objects("t").await;
    put_key(environment, "/t/x").await;
    drop(operator);
    let object = environment.tenants().get("t").await.unwrap();
    let no_finalizers = json!({"metadata": {"finalizers": null}});
    let params = PatchParams::default();
    delete(environment, "t").await;
    let tenants = environment.tenants();
    tenants
        .patch("t", &params, &Patch::Merge(no_finalizers))
        .await
        .unwrap();
    environment.wait_deleted("t").await;
    // No garbage collector runs here: its Secrets are deleted by hand.
    let secrets = environment.secrets();
    for secret in secrets.list(&ListParams::default()).await.unwrap() {
        let name = secret.name_any();
        let no_finalizers = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        secrets.patch(&name, &params, &no_finalizers).await.unwrap();
        let _ = secrets.delete(&name, &DeleteParams::default()).await;
    }
    serde_json::to_value(object.status.unwrap().storage.unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_tenant_with_the_same_setup_gets_its_schema_back() {
    let environment = Environment::new().await;
    let storage = Box::pin(lose_tenant(&environment)).await;
    environment.tenant("t", setup_spec("t", "t")).await;
    patch_status(&environment, "t", json!({"storage": storage})).await;
    let _operator = environment.operator();
    environment.wait_for_objects("t").await;
    let tenancy = environment.tenancy("t", "t", "t").await;
    assert_eq!(count_keys(&environment, &tenancy).await, 1);
    let admin = environment.etcd_admin().await;
    assert!(admin.ensure(&tenancy).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recreated_tenant_gets_its_former_schema_if_the_annotation_names_the_former_uid() {
    let environment = Environment::new().await;
    let operator = environment.operator();
    environment.tenant("t", setup_spec("t", "t")).await;
    environment.wait_for_objects("t").await;
    let uid = environment.tenants().get("t").await.unwrap().uid().unwrap();
    drop(operator);
    Box::pin(lose_tenant(&environment)).await;
    let _operator = environment.operator();
    environment.tenant("t", setup_spec("t", "t")).await;
    let message = environment
        .wait_for_condition("t", "DataStoreReady", "DataStoreShared")
        .await;
    assert!(
        message.contains(&uid) && message.contains("adopt-datastore-owner"),
        "{message}"
    );
    let annotation =
        json!({"metadata": {"annotations": {"kamaji.clastix.io/adopt-datastore-owner": uid}}});
    let tenants: Api<TenantControlPlane> = environment.tenants();
    tenants
        .patch("t", &PatchParams::default(), &Patch::Merge(annotation))
        .await
        .unwrap();
    environment.wait_for_objects("t").await;
    let tenancy = environment.tenancy("t", "t", "t").await;
    assert_eq!(count_keys(&environment, &tenancy).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_tenant_without_an_owner_record_gets_one_at_the_first_reconcile() {
    let environment = Environment::new().await;
    let operator = environment.operator();
    environment.tenant("t", setup_spec("t", "t")).await;
    environment.wait_for_objects("t").await;
    drop(operator);
    let mut client = environment.etcd_client().await;
    for key in ["schema/t", "user/t"] {
        let key = format!("/kamaji.clastix.io/owners/{key}");
        assert_eq!(client.delete(key, None).await.unwrap().deleted(), 1);
    }
    environment.tenant("thief", setup_spec("t", "t")).await;
    let _operator = environment.operator();
    environment
        .wait_for_condition("thief", "Ready", "DataStoreShared")
        .await;
    let tenancy = environment.tenancy("t", "t", "t").await;
    wait_until("the record", async || {
        let key = "/kamaji.clastix.io/owners/schema/t";
        let found = client.get(key, None).await.ok()?;
        (found.kvs().first()?.value() == tenancy.owner.record()).then_some(())
    })
    .await;
}

/// Waits until a tenant has an event with `reason`.
async fn wait_for_event(environment: &Environment, tenant: &str, reason: &str) {
    let events: Api<Event> = Api::namespaced(environment.client.clone(), NAMESPACE);
    wait_until(&format!("an event of {tenant}"), async || {
        let fields = format!("involvedObject.name={tenant},reason={reason}");
        let list = events.list(&ListParams::default().fields(&fields)).await;
        (!list.ok()?.items.is_empty()).then_some(())
    })
    .await;
}
