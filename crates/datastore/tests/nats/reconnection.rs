//! One connection per driver: replaced when it is lost, and gone with the driver.

use std::time::{Duration, Instant};

use kamaji_datastore::{Connection, Error, connect};
use tokio::runtime::Handle;

use crate::relay::relay;
use crate::server::Server;
use crate::tenancy;

/// Waits until no more than `expected` tasks are alive.
async fn assert_tasks_end(expected: usize) {
    let alive = || Handle::current().metrics().num_alive_tasks();
    for _ in 0..200 {
        if alive() <= expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{} tasks are alive, {expected} were before", alive());
}

#[tokio::test]
async fn a_call_succeeds_if_one_endpoint_of_three_can_serve_it() {
    let server = Server::start().await;
    let mut dead = Server::start().await;
    dead.stop();
    let (gone, up) = (dead.port, server.port);
    for ports in [[gone, up, gone], [up, gone, gone], [gone, gone, up]] {
        let store = connect(&server.connection_through(&ports)).await.unwrap();
        store.check().await.unwrap();
        store.ensure(&tenancy("cp-a")).await.unwrap();
        store.remove(&tenancy("cp-a")).await.unwrap();
    }
}

#[tokio::test]
async fn an_ipv6_endpoint_is_served() {
    let server = Server::start().await;
    let endpoints = vec![format!("[::1]:{}", server.port).parse().unwrap()];
    let connection = Connection {
        endpoints,
        ..server.connection()
    };
    let store = connect(&connection).await.unwrap();
    store.check().await.unwrap();
}

#[tokio::test]
async fn an_endpoint_that_dies_between_two_calls_is_replaced_by_another() {
    let server = Server::start().await;
    let (port, tasks) = relay(server.port).await;
    let store = connect(&server.connection_through(&[port, server.port]))
        .await
        .unwrap();
    store.ensure(&tenancy("cp-a")).await.unwrap();
    drop(tasks);
    let since = Instant::now();
    assert!(store.ensure(&tenancy("cp-a")).await.unwrap().is_empty());
    assert!(
        since.elapsed() < Duration::from_secs(5),
        "{:?}",
        since.elapsed()
    );
}

#[tokio::test]
async fn a_server_that_comes_back_is_served_again_with_its_tenant() {
    let mut server = Server::start().await;
    let store = server.store().await;
    store.ensure(&tenancy("cp-a")).await.unwrap();
    server.stop();
    let error = store.check().await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    server.restart().await;
    store.check().await.unwrap();
    assert!(store.ensure(&tenancy("cp-a")).await.unwrap().is_empty());
}

#[tokio::test]
async fn calls_of_one_driver_share_one_connection() {
    let server = Server::start().await;
    let store = server.store().await;
    store.check().await.unwrap();
    let before = Handle::current().metrics().num_alive_tasks();
    let tenancy = tenancy("cp-a");
    let calls = (0..8).map(|_| store.ensure(&tenancy));
    for outcome in futures::future::join_all(calls).await {
        outcome.unwrap();
    }
    assert_eq!(Handle::current().metrics().num_alive_tasks(), before);
}

#[tokio::test]
async fn no_task_outlives_the_driver_or_its_server() {
    let mut server = Server::start().await;
    let before = Handle::current().metrics().num_alive_tasks();
    for _ in 0..3 {
        let store = server.store().await;
        store.ensure(&tenancy("cp-a")).await.unwrap();
        assert!(Handle::current().metrics().num_alive_tasks() > before);
        drop(store);
    }
    assert_tasks_end(before).await;

    let store = server.store().await;
    store.check().await.unwrap();
    server.stop();
    assert_tasks_end(before).await;
    let error = store.check().await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert_tasks_end(before).await;
}
