use super::*;
use crate::files::size;
use crate::soak::cycles;

/// Databases, users, grants, owner records and connections of a server.
async fn counts(server: &Server) -> Vec<String> {
    server
        .column(
            "SELECT CONCAT_WS(' ', \
             (SELECT COUNT(*) FROM information_schema.SCHEMATA), \
             (SELECT COUNT(*) FROM mysql.global_priv), \
             (SELECT COUNT(*) FROM mysql.db), \
             (SELECT COUNT(*) FROM kamaji_clastix_io.owners))",
        )
        .await
}

async fn connections(server: &Server) -> usize {
    let query = "SELECT ID FROM information_schema.PROCESSLIST WHERE USER <> 'root' AND COMMAND <> 'Daemon'";
    server.column(query).await.len()
}

#[tokio::test]
async fn tenants_that_come_and_go_leave_size_and_connections_as_they_were() {
    let (server, store, first) = with_tenant("first").await;
    let cycle = async |n: usize| {
        let tenancy = tenancy(&format!("cp-{n}"));
        assert_eq!(store.ensure(&tenancy).await.unwrap().steps.len(), 4);
        assert_eq!(store.remove(&tenancy).await.unwrap().steps.len(), 3);
    };
    for n in 0..20 {
        cycle(n).await;
    }
    let before = (counts(&server).await, connections(&server).await);
    let before_size = size(&server.data(), "");
    for n in 20..20 + cycles() {
        cycle(n).await;
    }
    assert_eq!((counts(&server).await, connections(&server).await), before);
    assert_eq!(before.1, 1, "the connections of one caller");
    let grown = size(&server.data(), "").saturating_sub(before_size);
    println!(
        "{} cycles: {before_size} bytes, grown by {grown}; {} connections",
        cycles(),
        before.1
    );
    assert!(grown < 4 << 20, "grown by {grown} bytes");
    assert!(store.ensure(&first).await.unwrap().is_empty());
}

#[tokio::test]
async fn sixteen_callers_share_at_most_four_connections() {
    let server = Server::start().await;
    let store = std::sync::Arc::<dyn DataStore>::from(server.store().await);
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..16 {
        let (store, tenancy) = (store.clone(), tenancy(&format!("cp-{n}")));
        tasks.spawn(async move { store.ensure(&tenancy).await.map(drop) });
    }
    let done = async {
        while let Some(done) = tasks.join_next().await {
            done.unwrap().unwrap();
        }
    };
    tokio::pin!(done);
    let mut most = 0;
    loop {
        tokio::select! {
            () = &mut done => break,
            count = connections(&server) => most = most.max(count),
        }
    }
    assert!((1..=4).contains(&most), "{most}");
}
