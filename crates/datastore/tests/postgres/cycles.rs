//! Tenants that come and go leave a server as it was.

use std::sync::Arc;

use super::*;
use crate::files::size;
use crate::soak::cycles;

/// Bytes by which the files may differ: rows of the shared catalogues that autovacuum has not removed yet.
const ROWS: u64 = 4 << 20;
const AT_ONCE: usize = 4;

/// Databases, roles, entries that depend on roles, and sessions by kind.
async fn counts(server: &Server) -> Vec<String> {
    let query = "SELECT 'databases ' || count(*) FROM pg_database
        UNION ALL SELECT 'roles ' || count(*) FROM pg_authid
        UNION ALL SELECT 'memberships ' || count(*) FROM pg_auth_members
        UNION ALL SELECT 'dependencies ' || count(*) FROM pg_shdepend
        UNION ALL SELECT 'settings ' || count(*) FROM pg_db_role_setting";
    server.texts("postgres", query).await
}

async fn sessions(server: &Server) -> usize {
    let query = "SELECT pid::text FROM pg_stat_activity WHERE application_name = 'kamaji'";
    server.texts("postgres", query).await.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tenants_that_come_and_go_leave_size_and_connections_as_they_were() {
    let (server, store, _) = with_tenant("stays").await;
    let store = Arc::<dyn DataStore>::from(store);
    let before = counts(&server).await;
    let before_size = size(&server.data(), "pg_wal");
    let tasks: Vec<_> = (0..AT_ONCE)
        .map(|task| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for cycle in 0..cycles() / AT_ONCE {
                    let tenancy = tenancy(&format!("cp-{task}-{cycle}"));
                    assert!(!store.ensure(&tenancy).await.unwrap().is_empty());
                    assert!(!store.remove(&tenancy).await.unwrap().is_empty());
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(counts(&server).await, before);
    assert!(sessions(&server).await <= 4, "{}", sessions(&server).await);
    server.sql("postgres", "CHECKPOINT").await;
    let grown = size(&server.data(), "pg_wal").saturating_sub(before_size);
    println!(
        "{} cycles: {before_size} bytes, grown by {grown}; {} sessions",
        cycles(),
        sessions(&server).await
    );
    assert!(grown < ROWS, "grown by {grown} bytes");
    let records = "SELECT name FROM public.owners";
    let records = server.texts("kamaji_clastix_io", records).await;
    assert_eq!(records, ["stays", "user-of-stays"]);
}
