use etcd_client::Permission;
use kamaji_datastore::{AccessControl, Driver, Error, Step};

use super::*;

#[tokio::test]
async fn a_new_tenant_gets_a_user_a_role_and_its_own_range() {
    let server = Server::start().await;
    let tenancy = tenancy("cp-a");
    let change = server.store().await.ensure(&tenancy).await.unwrap();
    assert_eq!(change.steps, created(&tenancy));
    assert!(!change.revoked_access());

    let admin = &mut server.client("root").await;
    assert_eq!(roles_of(admin, "user-of-cp-a").await, ["cp-a"]);
    assert_eq!(
        ranges_of(admin, "cp-a").await,
        [("/cp-a/".to_owned(), "/cp-a0".to_owned())]
    );
}

#[tokio::test]
async fn a_valid_store_passes_the_check_and_its_keys_are_counted() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    assert_eq!(store.check().await, Ok(AccessControl::On));
    assert_eq!(store.usage(&tenancy).await.unwrap(), 0);
    let mut tenant = client_of(&server, &tenancy).await;
    for key in ["/cp-a/one", "/cp-a/two"] {
        tenant.put(key, "x", None).await.unwrap();
    }
    server
        .client("root")
        .await
        .put("/cp-aa/three", "x", None)
        .await
        .unwrap();
    assert_eq!(store.usage(&tenancy).await.unwrap(), 2);
}

#[tokio::test]
async fn an_unbound_role_is_bound() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let admin = &mut server.client("root").await;
    admin
        .user_revoke_role("user-of-cp-a", "cp-a")
        .await
        .unwrap();
    let change = store.ensure(&tenancy).await.unwrap();
    assert_eq!(change.steps, [Step::AccessGranted("role cp-a".to_owned())]);
    assert_eq!(roles_of(admin, "user-of-cp-a").await, ["cp-a"]);
}

#[tokio::test]
async fn a_role_without_its_range_or_user_is_completed() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let admin = &mut server.client("root").await;
    admin.role_delete("cp-a").await.unwrap();
    admin.user_delete("user-of-cp-a").await.unwrap();
    admin.role_add("cp-a").await.unwrap();
    let change = store.ensure(&tenancy).await.unwrap();
    assert_eq!(change.steps, created(&tenancy)[2..]);
}

#[tokio::test]
async fn a_widened_range_is_narrowed_to_the_tenants_own() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let admin = &mut server.client("root").await;
    let widened = [
        Permission::read_write("/cp-a").with_prefix(),
        Permission::read("/cp-b/").with_prefix(),
        Permission::read("").with_all_keys(),
        Permission::write("/cp-c/only-this"),
    ];
    for permission in widened {
        admin
            .role_grant_permission("cp-a", permission)
            .await
            .unwrap();
    }
    let change = store.ensure(&tenancy).await.unwrap();
    assert_eq!(change.steps.len(), 4, "{change}");
    assert!(
        change
            .steps
            .iter()
            .all(|step| matches!(step, Step::AccessRevoked(_))),
        "{change}"
    );
    assert!(change.revoked_access());
    assert_eq!(
        ranges_of(admin, "cp-a").await,
        [("/cp-a/".to_owned(), "/cp-a0".to_owned())]
    );
    assert!(store.ensure(&tenancy).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_read_only_range_becomes_writable_again() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let admin = &mut server.client("root").await;
    let reading = Permission::read("/cp-a/").with_range_end("/cp-a0");
    admin.role_grant_permission("cp-a", reading).await.unwrap();
    let mut tenant = client_of(&server, &tenancy).await;
    tenant.put("/cp-a/x", "y", None).await.unwrap_err();

    let change = store.ensure(&tenancy).await.unwrap();
    assert_eq!(
        change.steps,
        [Step::AccessGranted("range [/cp-a/, /cp-a0)".to_owned())]
    );
    tenant.put("/cp-a/x", "y", None).await.unwrap();
}

#[tokio::test]
async fn a_foreign_role_is_taken_from_the_tenants_user() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    store.ensure(&super::tenancy("cp-b")).await.unwrap();
    let admin = &mut server.client("root").await;
    admin.user_grant_role("user-of-cp-a", "cp-b").await.unwrap();
    let change = store.ensure(&tenancy).await.unwrap();
    assert_eq!(change.steps, [Step::AccessRevoked("role cp-b".to_owned())]);
    assert!(change.revoked_access());
    assert_eq!(roles_of(admin, "user-of-cp-a").await, ["cp-a"]);
    assert_eq!(roles_of(admin, "user-of-cp-b").await, ["cp-b"]);
}

#[tokio::test]
async fn an_administrator_is_never_made_or_removed_as_a_tenants_user() {
    let server = Server::start().await;
    let (store, admin) = (server.store().await, &mut server.client("root").await);
    admin
        .user_add("backup", "long-password", None)
        .await
        .unwrap();
    admin.user_grant_role("backup", "root").await.unwrap();
    let tenancy = Tenancy::parse(Driver::Etcd, "cp-a", "backup", owner("cp-a")).unwrap();
    for error in [
        store.ensure(&tenancy).await.unwrap_err(),
        store.remove(&tenancy).await.unwrap_err(),
    ] {
        assert!(matches!(error, Error::Refused { .. }), "{error}");
        assert!(error.to_string().contains("administrator"), "{error}");
    }
    assert_eq!(roles_of(admin, "backup").await, ["root"]);
    assert_eq!(roles(admin).await, ["root"]);
}
