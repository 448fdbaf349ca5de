//! Tenants that come and go leave a NATS as it was.

use super::*;
use crate::connections::connections;
use crate::files::size;
use crate::server::Server;
use crate::soak::cycles;

/// Bytes by which the files may differ: an owner record's bucket keeps its blocks for a while.
const BLOCKS: u64 = 256 << 10;

#[tokio::test]
async fn tenants_that_come_and_go_leave_size_and_connections_as_they_were() {
    let server = Server::start().await;
    let store = server.store().await;
    let admin = server.admin().await;
    let cycle = async |n: usize| {
        // An account serves one tenant at a time.
        let name = format!("cp-{n}");
        let tenancy = tenancy(&name);
        assert!(!store.ensure(&tenancy).await.unwrap().is_empty());
        let bucket = admin.get_key_value(&name).await.unwrap();
        for key in 0..20 {
            let value = vec![b'x'; 2000];
            bucket
                .put(format!("key-{key}"), value.into())
                .await
                .unwrap();
        }
        assert!(!store.remove(&tenancy).await.unwrap().is_empty());
    };
    for n in 0..10 {
        cycle(n).await;
    }
    let before = (server.listing().await, connections(server.port));
    let before_size = size(&server.folder(), "");
    for n in 10..10 + cycles() {
        cycle(n).await;
    }
    assert_eq!(server.listing().await.len(), before.0.len());
    assert_eq!(connections(server.port), before.1);
    let grown = size(&server.folder(), "").saturating_sub(before_size);
    println!(
        "{} cycles: {before_size} bytes, grown by {grown}; {} connections",
        cycles(),
        before.1
    );
    assert!(grown < BLOCKS, "grown by {grown} bytes");
}
