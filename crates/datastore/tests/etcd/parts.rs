//! Fences, transfers and removals of a part of a tenant's data, in a real etcd.

use etcd_client::{Client, Permission, Txn, TxnOp};
use kamaji_datastore::transfer::{Ends, Roots, copy_all};
use kamaji_datastore::{Error, Part};

use super::*;
use crate::attempt::attempt;

/// Keys beside those of the parts that the tests freeze.
const BESIDE: [&str; 9] = [
    "a/x",
    "event/x",
    "events.k8s.io/things/x",
    "events-x/y",
    "events0",
    "leasecandidates/x",
    "leases.example.com/x",
    "pods/default/p",
    "zz/x",
];
const FROZEN: [&str; 3] = ["events/default/e", "leases/kube-system/l", "events/~"];

fn part_of(tenancy: &Tenancy, prefixes: &[&str]) -> Tenancy {
    Tenancy {
        part: Some(Part::parse(prefixes.iter().copied()).unwrap()),
        ..tenancy.clone()
    }
}

async fn writes(client: &mut Client, key: &str) -> bool {
    let path = format!("/cp-a/{key}");
    let put = client.put(path.as_str(), "v", None).await.is_ok();
    let txn = Txn::new().and_then([TxnOp::put(path.as_str(), "w", None)]);
    let in_txn = client.txn(txn).await.is_ok();
    assert_eq!(put, in_txn, "{key}");
    put
}

async fn assert_frozen(client: &mut Client) {
    for key in FROZEN {
        assert!(!writes(client, key).await, "{key}");
        assert!(client.delete(format!("/cp-a/{key}"), None).await.is_err());
        assert!(client.get(format!("/cp-a/{key}"), None).await.is_ok());
    }
    for key in BESIDE {
        assert!(writes(client, key).await, "{key}");
    }
    let all = GetOptions::new().with_range("/cp-a0");
    assert!(client.get("/cp-a/", Some(all)).await.is_ok(), "lists go on");
    let wide = etcd_client::DeleteOptions::new().with_range("/cp-a0");
    assert!(client.delete("/cp-a/", Some(wide)).await.is_err());
}

#[tokio::test]
async fn a_frozen_part_takes_no_write_and_every_other_key_does_until_it_is_lifted() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let mut client = client_of(&server, &tenancy).await;
    for key in FROZEN {
        assert!(writes(&mut client, key).await);
    }
    let part = part_of(&tenancy, &["events/", "leases/"]);
    let fence = attempt();
    let revision = store.fence(&part, &fence).await.unwrap();
    assert!(revision > 0);
    assert_frozen(&mut client).await;
    // Neither a pass of the operator, nor one of another process, nor the same fence again changes anything.
    assert!(store.ensure(&tenancy).await.unwrap().is_empty());
    let other = server.store().await;
    assert!(other.ensure(&tenancy).await.unwrap().is_empty());
    store.fence(&part, &fence).await.unwrap();
    assert_frozen(&mut client).await;
    // Another attempt neither lifts it nor takes it over.
    let stranger = kamaji_datastore::FenceId::parse("uid-of-cp-a/2").unwrap();
    for refused in [
        store.lift(&part, &stranger).await.map(drop),
        store.fence(&part, &stranger).await.map(drop),
    ] {
        assert!(matches!(refused, Err(Error::Fenced { .. })), "{refused:?}");
    }
    assert_frozen(&mut client).await;
    store.lift(&part, &fence).await.unwrap();
    for key in FROZEN.iter().chain(&BESIDE) {
        assert!(writes(&mut client, key).await, "{key}");
    }
    assert!(store.ensure(&tenancy).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_role_that_somebody_widens_is_repaired_to_the_frozen_parts() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let part = part_of(&tenancy, &["events/", "leases/"]);
    store.fence(&part, &attempt()).await.unwrap();
    let mut admin = server.client("root").await;
    for (start, end) in [
        ("/cp-a/", "/cp-a0"),
        ("/cp-a/events/", "/cp-a/events0"),
        ("/cp-a/leases/kube-system/l", ""),
    ] {
        let wide = Permission::read_write(start).with_range_end(end);
        admin.role_grant_permission("cp-a", wide).await.unwrap();
        assert!(!store.ensure(&tenancy).await.unwrap().is_empty());
        assert!(store.ensure(&tenancy).await.unwrap().is_empty());
        assert_frozen(&mut client_of(&server, &tenancy).await).await;
    }
    admin.role_delete("cp-a").await.unwrap();
    store.ensure(&tenancy).await.unwrap();
    assert_frozen(&mut client_of(&server, &tenancy).await).await;
    // A part of it that comes back into force is thawed without its fence.
    store.thaw(&part_of(&tenancy, &["leases/"])).await.unwrap();
    let mut client = client_of(&server, &tenancy).await;
    assert!(writes(&mut client, "leases/kube-system/l").await);
    assert!(!writes(&mut client, "events/default/e").await);
    let fence = attempt();
    let read_only = tenancy.with_access(kamaji_datastore::Access::ReadOnly);
    store.fence(&read_only, &fence).await.unwrap();
    assert!(!writes(&mut client, "pods/default/p").await);
    store.lift(&tenancy, &fence).await.unwrap();
    assert!(writes(&mut client, "pods/default/p").await);
    assert!(
        !writes(&mut client, "events/default/e").await,
        "the part stays frozen"
    );
    store.remove(&tenancy).await.unwrap();
    let records = GetOptions::new().with_prefix();
    let left = admin
        .get("/kamaji.clastix.io/", Some(records))
        .await
        .unwrap();
    assert_eq!(left.kvs().len(), 0, "{:?}", left.kvs());
}

#[tokio::test]
async fn a_part_is_copied_and_removed_without_any_key_beside_it() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let target = Server::start().await;
    let other = target.store().await;
    other.ensure(&tenancy).await.unwrap();
    let (mut from, mut to) = (server.client("root").await, target.client("root").await);
    let mut expected: Vec<String> = (0..1200)
        .map(|n| format!("events/default/{n:05}"))
        .collect();
    expected.extend((0..150).map(|n| format!("leases/kube-system/{n:05}")));
    for key in expected.iter().map(String::as_str).chain(BESIDE) {
        from.put(format!("/cp-a/{key}"), "new", None).await.unwrap();
    }
    for key in BESIDE {
        to.put(format!("/cp-a/{key}"), "old", None).await.unwrap();
    }
    to.put("/cp-a/events/stale", "old", None).await.unwrap();
    // The part has a range without keys in the middle and at the end.
    let part = part_of(&tenancy, &["events/", "jobs/", "leases/", "zzz/"]);
    let ends = Ends {
        source: store.reader(&part).await.unwrap(),
        target: other.writer(&part).await.unwrap(),
        copied: other.reader(&part).await.unwrap(),
    };
    let report = copy_all(ends, Roots::Equal).await.unwrap();
    assert_eq!(report.progress.keys, 1350);
    let copied = |keys: Vec<String>| {
        let copied = keys.into_iter().filter(|key| key.starts_with("/cp-a/"));
        copied.collect::<Vec<_>>()
    };
    let mut there: Vec<String> = expected.iter().map(|key| format!("/cp-a/{key}")).collect();
    there.extend(BESIDE.map(|key| format!("/cp-a/{key}")));
    there.sort();
    assert_eq!(copied(all_keys(&mut to).await), there);
    let beside = to.get("/cp-a/pods/default/p", None).await.unwrap();
    assert_eq!(beside.kvs()[0].value(), b"old");
    assert_eq!(other.usage(&part).await.unwrap(), 1350);
    other.remove(&part).await.unwrap();
    let mut left: Vec<String> = BESIDE.map(|key| format!("/cp-a/{key}")).to_vec();
    left.sort();
    assert_eq!(copied(all_keys(&mut to).await), left);
    assert!(
        other.ensure(&tenancy).await.unwrap().is_empty(),
        "role and user stay"
    );
    assert_eq!(
        copied(all_keys(&mut from).await),
        there,
        "the source is as it was"
    );
}
