//! Endpoints that come and go, and the connections that are kept.

use std::time::{Duration, Instant};

use kamaji_datastore::{Connection, connect};

use super::*;
use crate::ports::free_ports;
use crate::server::{Release, Setup, USUAL};

const SESSIONS: &str = "SELECT pid::text FROM pg_stat_activity WHERE application_name = 'kamaji'";

#[tokio::test]
async fn a_call_succeeds_if_one_endpoint_of_three_can_serve_it() {
    let server = Server::start().await;
    let ([one, other], port) = (free_ports(), server.port);
    for ports in [[one, port, other], [port, one, other], [one, other, port]] {
        let store = connect(&server.connection_through(&ports)).await.unwrap();
        let tenancy = tenancy("cp-a");
        store.check().await.unwrap();
        let change = store.ensure(&tenancy).await.unwrap();
        assert_eq!(change.steps, created(&tenancy));
        assert_eq!(store.remove(&tenancy).await.unwrap().steps.len(), 3);
    }
}

#[tokio::test]
async fn an_ipv6_endpoint_is_served() {
    let server = Server::start().await;
    let connection = Connection {
        endpoints: vec![format!("[::1]:{}", server.port).parse().unwrap()],
        tls: None,
        ..server.connection()
    };
    let store = connect(&connection).await.unwrap();
    store.check().await.unwrap();
    assert!(!store.ensure(&tenancy("cp-a")).await.unwrap().is_empty());
}

#[tokio::test]
async fn connections_that_the_server_ended_are_replaced_at_the_next_call() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let ended =
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'kamaji'";
    for _ in 0..3 {
        assert!(!server.texts("postgres", SESSIONS).await.is_empty());
        server.sql("postgres", ended).await;
        let since = Instant::now();
        assert!(store.ensure(&tenancy).await.unwrap().is_empty());
        // The time limit of a call, which nothing waits for.
        assert!(since.elapsed() < Duration::from_secs(5));
    }
}

#[tokio::test]
async fn at_most_a_few_connections_are_open_and_none_after_the_store_is_dropped() {
    let server = Server::start().await;
    let store = std::sync::Arc::<dyn DataStore>::from(server.store().await);
    let tasks: Vec<_> = (0..12)
        .map(|n| {
            let (store, tenancy) = (store.clone(), tenancy(&format!("cp-{n}")));
            tokio::spawn(async move { store.ensure(&tenancy).await.map(drop) })
        })
        .collect();
    let mut most = 0;
    while !tasks.iter().all(tokio::task::JoinHandle::is_finished) {
        most = most.max(server.texts("postgres", SESSIONS).await.len());
    }
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert!((1..=8).contains(&most), "{most} connections");
    assert!(server.texts("postgres", SESSIONS).await.len() <= 4);
    drop(store);
    for _ in 0..100 {
        if server.texts("postgres", SESSIONS).await.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("connections are left");
}

#[tokio::test]
async fn the_installed_release_serves_whatever_the_environment_chooses() {
    let installed = Setup {
        release: Release::Installed,
        ..USUAL
    };
    let (server, tenancy) = (Server::start_with(installed).await, tenancy("cp-a"));
    let store = server.store().await;
    store.ensure(&tenancy).await.unwrap();
    assert!(store.ensure(&tenancy).await.unwrap().is_empty());
    own_session(&server, &tenancy).await;
}
