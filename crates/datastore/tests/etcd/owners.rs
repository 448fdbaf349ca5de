//! Owner records in etcd: what carries none belongs to another application or to an older build.

use etcd_client::{Permission, Txn, TxnOp, UserAddOptions};
use kamaji_datastore::{Driver, Error, Step};

use super::*;

fn of(tenant: &str, schema: &str, user: &str) -> Tenancy {
    Tenancy::parse(Driver::Etcd, schema, user, owner(tenant)).unwrap()
}

/// Keys without owner records, users and roles.
async fn state(admin: &mut Client) -> [Vec<String>; 3] {
    [
        all_keys(admin).await,
        users(admin).await,
        roles(admin).await,
    ]
}

/// Asserts that neither `ensure` nor `remove` of `tenancy` is done and that nothing changes.
async fn assert_refused(server: &Server, tenancy: &Tenancy) -> Vec<Error> {
    let (store, admin) = (server.store().await, &mut server.client("root").await);
    let before = state(admin).await;
    let mut errors = Vec::new();
    for result in [store.ensure(tenancy).await, store.remove(tenancy).await] {
        let error = result.unwrap_err();
        assert!(error.is_refusal(), "{error}");
        errors.push(error);
    }
    assert_eq!(state(admin).await, before);
    errors
}

#[tokio::test]
async fn roles_users_and_keys_of_another_application_are_left_alone() {
    let server = Server::start().await;
    let admin = &mut server.client("root").await;
    let password = UserAddOptions::new();
    admin
        .user_add("backup", "long", Some(password))
        .await
        .unwrap();
    admin.role_add("reader").await.unwrap();
    let all = Permission::read("").with_all_keys();
    admin.role_grant_permission("reader", all).await.unwrap();
    admin.user_grant_role("backup", "reader").await.unwrap();
    admin.put("/registry/pods/x", "y", None).await.unwrap();
    for (schema, user, recorded) in [
        ("cp-a", "backup", true),
        ("reader", "user", true),
        ("registry", "user", false),
        ("registry", "user", true),
    ] {
        let tenancy = Tenancy {
            recorded,
            ..of("one", schema, user)
        };
        for error in assert_refused(&server, &tenancy).await {
            assert!(matches!(error, Error::Foreign { .. }), "{error}");
        }
    }
    assert_eq!(roles_of(admin, "backup").await, ["reader"]);
}

/// Sets up role, user and keys without owner records.
async fn set_up_by_an_older_build(server: &Server) -> Tenancy {
    let (store, tenancy) = (server.store().await, tenancy("cp-a"));
    store.ensure(&tenancy).await.unwrap();
    let admin = &mut server.client("root").await;
    for key in ["schema/cp-a", "user/user-of-cp-a"] {
        let key = format!("/kamaji.clastix.io/owners/{key}");
        assert_eq!(admin.delete(key, None).await.unwrap().deleted(), 1);
    }
    admin.put("/cp-a/x", "y", None).await.unwrap();
    tenancy
}

#[tokio::test]
async fn a_running_tenant_without_a_record_gets_one_if_its_status_says_so() {
    let server = Server::start().await;
    let tenancy = set_up_by_an_older_build(&server).await;
    assert_refused(&server, &tenancy).await;
    let recorded = Tenancy {
        recorded: true,
        ..tenancy.clone()
    };
    let store = server.store().await;
    let change = store.ensure(&recorded).await.unwrap();
    assert_eq!(change.steps, [Step::OwnerRecorded]);
    assert!(store.ensure(&tenancy).await.unwrap().is_empty());
    // Another tenant whose status says the same comes too late.
    let late = Tenancy {
        owner: owner("late"),
        ..recorded
    };
    assert_refused(&server, &late).await;
}

#[tokio::test]
async fn a_running_tenant_without_a_record_is_removed_completely() {
    let server = Server::start().await;
    let recorded = Tenancy {
        recorded: true,
        ..set_up_by_an_older_build(&server).await
    };
    server.store().await.remove(&recorded).await.unwrap();
    let admin = &mut server.client("root").await;
    let root = || vec!["root".to_owned()];
    assert_eq!(state(admin).await, [Vec::new(), root(), root()]);
}

#[tokio::test]
async fn a_tenant_reaches_no_owner_record() {
    let (server, _, tenancy) = with_tenant("cp-a").await;
    let mut tenant = client_of(&server, &tenancy).await;
    let key = "/kamaji.clastix.io/owners/schema/cp-a";
    for denied in [
        tenant.get(key, None).await.map(drop),
        tenant.put(key, "mine", None).await.map(drop),
        tenant.delete(key, None).await.map(drop),
    ] {
        let words = denied.unwrap_err().to_string().to_lowercase();
        assert!(words.contains("permission denied"), "{words}");
    }
    for name in ["kamaji.clastix.io", "kamaji_clastix_io"] {
        Tenancy::parse(Driver::Etcd, name, "user", owner("x")).unwrap_err();
    }
}

#[tokio::test]
async fn keys_stay_once_their_record_names_another_owner() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let admin = &mut server.client("root").await;
    admin.put("/cp-a/x", "y", None).await.unwrap();
    let key = "/kamaji.clastix.io/owners/schema/cp-a";
    admin.put(key, owner("thief").record(), None).await.unwrap();
    assert!(store.remove(&tenancy).await.unwrap_err().is_refusal());
    assert_eq!(admin.get("/cp-a/x", None).await.unwrap().count(), 1);
}

#[tokio::test]
async fn keys_stay_if_their_record_changes_during_the_removal() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let admin = &mut server.client("root").await;
    for batch in 0..200 {
        let puts: Vec<_> = (0..100)
            .map(|n| TxnOp::put(format!("/cp-a/{batch:03}/{n:03}"), "x", None))
            .collect();
        admin.txn(Txn::new().and_then(puts)).await.unwrap();
    }
    let takeover = async {
        while store.usage(&tenancy).await.unwrap() == 20_000 {}
        let key = "/kamaji.clastix.io/owners/schema/cp-a";
        admin.put(key, owner("thief").record(), None).await.unwrap();
    };
    let (removed, ()) = tokio::join!(store.remove(&tenancy), takeover);
    let error = removed.unwrap_err().to_string();
    assert!(error.contains("was changed meanwhile"), "{error}");
    assert!(store.usage(&tenancy).await.unwrap() > 0);
}
