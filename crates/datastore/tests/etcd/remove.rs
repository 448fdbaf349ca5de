use kamaji_datastore::{Error, Item, Step};

use super::*;

async fn fill(admin: &mut Client, keys: &[&str]) {
    for key in keys {
        admin.put(*key, "x", None).await.unwrap();
    }
}

#[tokio::test]
async fn only_the_tenants_own_keys_role_and_user_are_removed() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let neighbour = super::tenancy("cp-aa");
    store.ensure(&neighbour).await.unwrap();
    let admin = &mut server.client("root").await;
    fill(admin, &["/cp-a/", "/cp-a/x", "/cp-a/\u{ff}", "/cp-a/~/y"]).await;
    let foreign = [
        "/cp", "/cp-a", "/cp-a.", "/cp-a0", "/cp-aa/x", "/cp-b/x", "cp-a/x",
    ];
    fill(admin, &foreign).await;

    let change = store.remove(&tenancy).await.unwrap();
    let steps = [
        Step::Removed(Item::new("role", "cp-a")),
        Step::DataRemoved(4),
        Step::Removed(Item::new("user", "user-of-cp-a")),
        Step::OwnerRemoved,
    ];
    assert_eq!(change.steps, steps);
    assert_eq!(all_keys(admin).await, foreign);
    assert_eq!(users(admin).await, ["root", "user-of-cp-aa"]);
    assert_eq!(roles(admin).await, ["cp-aa", "root"]);
    let read = client_of(&server, &neighbour)
        .await
        .get("/cp-aa/x", None)
        .await
        .unwrap();
    assert_eq!(read.count(), 1);
}

#[tokio::test]
async fn remove_completes_from_every_state_that_a_crash_leaves() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let admin = &mut server.client("root").await;
    for (role, keys, user) in [
        (false, true, true),
        (false, false, true),
        (false, true, false),
        (true, true, false),
        (true, false, false),
        (true, false, true),
    ] {
        store.ensure(&tenancy).await.unwrap();
        if keys {
            fill(admin, &["/cp-a/x", "/cp-a/y"]).await;
        }
        if !role {
            admin.role_delete("cp-a").await.unwrap();
        }
        if !user {
            admin.user_delete("user-of-cp-a").await.unwrap();
        }
        let change = store.remove(&tenancy).await.unwrap();
        // Each state has the owner record, which is deleted last.
        let expected = 1 + usize::from(role) + usize::from(keys) + usize::from(user);
        assert_eq!(change.steps.len(), expected, "{change}");
        assert!(all_keys(admin).await.is_empty());
        assert_eq!((users(admin).await, roles(admin).await), (root(), root()));
    }
}

fn root() -> Vec<String> {
    vec!["root".to_owned()]
}

#[tokio::test]
async fn a_tenant_with_many_keys_is_removed_in_batches() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let mut tenant = client_of(&server, &tenancy).await;
    for batch in 0..25 {
        let puts: Vec<_> = (0..100)
            .map(|n| etcd_client::TxnOp::put(format!("/cp-a/{batch:02}/{n:03}"), "x", None))
            .collect();
        tenant
            .txn(etcd_client::Txn::new().and_then(puts))
            .await
            .unwrap();
    }
    let change = store.remove(&tenancy).await.unwrap();
    assert!(change.steps.contains(&Step::DataRemoved(2500)), "{change}");
    assert_eq!(store.usage(&tenancy).await.unwrap(), 0);
}

/// Bytes of a name of which three are more than a client takes in one answer by default.
const LONG: usize = 1_400 << 10;
/// A name around that of `cp-a`, and a neighbour's.
const STRANGERS: [&str; 4] = ["/cp-a", "/cp-a.", "/cp-a0", "/cp-aa/x"];

fn long(schema: &str, fill: &str, length: usize) -> String {
    let root = format!("/{schema}/");
    [root.as_str(), &fill.repeat(length - root.len())].concat()
}

/// Writes keys with long names as the tenant, the last of them with the longest name that etcd takes.
async fn fill_with_long_names(server: &Server, tenancy: &Tenancy) {
    let mut client = client_of(server, tenancy).await;
    let schema = tenancy.schema.as_str();
    for fill in ["a", "b", "c", "d"] {
        let put = client.put(long(schema, fill, LONG), "x", None).await;
        put.unwrap();
    }
    for length in ((LONG..=1_536 << 10).rev()).step_by(8) {
        if client
            .put(long(schema, "z", length), "", None)
            .await
            .is_ok()
        {
            return;
        }
    }
    panic!("no longest name");
}

#[tokio::test]
async fn keys_whose_names_fill_whole_requests_are_removed_with_their_tenant() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let neighbour = super::tenancy("cp-aa");
    store.ensure(&neighbour).await.unwrap();
    let admin = &mut server.client("root").await;
    fill(admin, &STRANGERS).await;
    fill_with_long_names(&server, &tenancy).await;
    assert!(store.ensure(&tenancy).await.unwrap().is_empty());

    let change = store.remove(&tenancy).await.unwrap();
    assert!(change.steps.contains(&Step::DataRemoved(5)), "{change}");
    assert!(change.steps.contains(&Step::OwnerRemoved), "{change}");
    assert_eq!(all_keys(admin).await, STRANGERS);
    assert_eq!(roles(admin).await, ["cp-aa", "root"]);
}

#[tokio::test]
async fn a_writer_clears_keys_whose_names_fill_whole_requests() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let admin = &mut server.client("root").await;
    fill(admin, &STRANGERS).await;
    fill_with_long_names(&server, &tenancy).await;
    let mut writer = store.writer(&tenancy).await.unwrap();
    writer.clear().await.unwrap();
    assert_eq!(writer.count().await, Ok(0));
    assert_eq!(all_keys(admin).await, STRANGERS);
}

/// A server may take larger requests than it does by default.
#[tokio::test]
async fn a_single_key_that_no_answer_holds_is_named_and_the_store_counts_as_reachable() {
    let server = Server::start_with(&["--max-request-bytes=33554432"]).await;
    let (store, tenancy) = (server.store().await, super::tenancy("cp-a"));
    store.ensure(&tenancy).await.unwrap();
    let mut client = client_of(&server, &tenancy).await;
    let put = client.put(long("cp-a", "z", 17 << 20), "x", None).await;
    put.unwrap();
    assert!(store.ensure(&tenancy).await.unwrap().is_empty());
    for error in [
        store.remove(&tenancy).await.map(drop).unwrap_err(),
        store.bytes(&tenancy).await.map(drop).unwrap_err(),
    ] {
        let Error::Unsuitable { cause, remedy, .. } = &error else {
            panic!("{error}");
        };
        assert!(cause.contains("/cp-a/") && cause.len() < 300, "{cause}");
        assert!(remedy.contains("etcdctl"), "{remedy}");
    }
}
