use etcd_client::{DeleteOptions, Error as ClientError, Txn, TxnOp};

use super::*;

#[track_caller]
fn assert_denied<T>(what: &str, result: Result<T, ClientError>) {
    match result {
        Ok(_) => panic!("{what} was allowed"),
        Err(error) => {
            let words = error.to_string().to_lowercase();
            assert!(words.contains("permission denied"), "{what}: {words}");
        }
    }
}

/// Asserts that `tenant` can do nothing with the data, user and role of `neighbour`.
async fn cannot_reach(tenant: &mut Client, neighbour: &Tenancy) {
    let schema = neighbour.schema.as_str();
    let prefix = format!("/{schema}/");
    let key = format!("/{schema}/secret");
    assert_denied("reading", tenant.get(key.as_str(), None).await);
    assert_denied("writing", tenant.put(key.as_str(), "mine", None).await);
    assert_denied("deleting", tenant.delete(key.as_str(), None).await);
    let all = || GetOptions::new().with_prefix();
    assert_denied("listing", tenant.get(prefix.as_str(), Some(all())).await);
    let counting = all().with_count_only();
    assert_denied(
        "counting",
        tenant.get(prefix.as_str(), Some(counting)).await,
    );
    let all_gone = DeleteOptions::new().with_prefix();
    assert_denied(
        "deleting all",
        tenant.delete(prefix.as_str(), Some(all_gone)).await,
    );
    let transaction = Txn::new().and_then([TxnOp::get(key.as_str(), None)]);
    assert_denied("a transaction", tenant.txn(transaction).await);
    assert!(watch_is_refused(tenant, &key).await, "watching was allowed");

    assert_denied("its user", tenant.user_get(neighbour.user.as_str()).await);
    assert_denied("its role", tenant.role_get(schema).await);
}

async fn watch_is_refused(tenant: &mut Client, key: &str) -> bool {
    match tenant.watch(key, None).await {
        Err(_) => true,
        Ok(mut stream) => matches!(stream.message().await, Ok(Some(m)) if m.canceled()),
    }
}

#[tokio::test]
async fn neighbours_cannot_reach_each_other_even_if_one_name_begins_with_the_other() {
    let (server, store, short) = with_tenant("cp-a").await;
    let long = tenancy("cp-aa");
    store.ensure(&long).await.unwrap();
    let mut of_short = client_of(&server, &short).await;
    let mut of_long = client_of(&server, &long).await;
    of_short.put("/cp-a/secret", "short", None).await.unwrap();
    of_long.put("/cp-aa/secret", "long", None).await.unwrap();

    cannot_reach(&mut of_short, &long).await;
    cannot_reach(&mut of_long, &short).await;

    let of_short = of_short.get("/cp-a/secret", None).await.unwrap();
    assert_eq!(of_short.kvs()[0].value(), b"short");
    let of_long = of_long.get("/cp-aa/secret", None).await.unwrap();
    assert_eq!(of_long.kvs()[0].value(), b"long");
}

#[tokio::test]
async fn a_tenant_cannot_list_more_than_its_own_keys() {
    let (server, _, tenancy) = with_tenant("cp-a").await;
    let mut tenant = client_of(&server, &tenancy).await;
    let own = || GetOptions::new().with_prefix();
    tenant.get("/cp-a/", Some(own())).await.unwrap();

    assert_denied(
        "all keys",
        tenant
            .get("", Some(GetOptions::new().with_all_keys()))
            .await,
    );
    assert_denied(
        "from its own on",
        tenant.get("/cp-a/", Some(own().with_from_key())).await,
    );
    assert_denied(
        "its name without the slash",
        tenant.get("/cp-a", Some(own())).await,
    );
    let beyond = own().with_range("/cp-a1");
    assert_denied("a little more", tenant.get("/cp-a/", Some(beyond)).await);
    assert_denied("the end of its range", tenant.get("/cp-a0", None).await);
    assert_denied(
        "the key before its range",
        tenant.put("/cp-a", "x", None).await,
    );
}

#[tokio::test]
async fn a_tenant_cannot_see_or_change_users_and_roles_nor_take_a_snapshot() {
    let (server, _, tenancy) = with_tenant("cp-a").await;
    let mut tenant = client_of(&server, &tenancy).await;
    assert_denied("listing users", tenant.user_list().await);
    assert_denied("listing roles", tenant.role_list().await);
    assert_denied("reading the administrator", tenant.user_get("root").await);
    assert_denied(
        "binding itself",
        tenant.user_grant_role("user-of-cp-a", "root").await,
    );
    let more = etcd_client::Permission::read("").with_all_keys();
    assert_denied(
        "widening its range",
        tenant.role_grant_permission("cp-a", more).await,
    );
    assert_denied(
        "adding a user",
        tenant.user_add("friend", "password", None).await,
    );
    assert_denied(
        "opening the store",
        tenant.auth_client().auth_disable().await,
    );
    let snapshot = match tenant.snapshot().await {
        Ok(mut stream) => stream.message().await.map(drop),
        Err(error) => Err(error),
    };
    assert_denied("a snapshot", snapshot);
}
