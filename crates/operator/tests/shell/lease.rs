//! Does exactly one replica lead, and another one soon after it is gone?

use std::time::{Duration, Instant};

use kamaji_operator::shell::lease::{self, Leadership};
use kube::Client;
use tokio::task::JoinHandle;

use crate::support::{eventually, server};

fn replica(client: &Client, identity: &'static str) -> (Leadership, JoinHandle<()>) {
    let leadership = Leadership::none();
    let (client, kept) = (client.clone(), leadership.clone());
    let task = tokio::spawn(async move {
        lease::keep(client, "default", identity, &kept).await;
    });
    (leadership, task)
}

#[tokio::test]
async fn one_leads_and_the_next_follows_within_twenty_seconds_or_at_once() {
    let server = server().await;
    let client = server.client().await.unwrap();
    let (first, killed) = replica(&client, "first");
    eventually("the first replica leads", || first.is_leading()).await;
    let (second, released) = replica(&client, "second");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(first.is_leading() && !second.is_leading());

    killed.abort();
    let begin = Instant::now();
    while !second.is_leading() {
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "fail-over took too long"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(!first.is_leading(), "it stopped by itself before that");
    println!("fail-over after {:.1} s", begin.elapsed().as_secs_f32());

    let (third, _) = replica(&client, "third");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!third.is_leading());
    released.abort();
    let begin = Instant::now();
    lease::release(client, "default", "second", &second).await;
    eventually("the third replica leads", || third.is_leading()).await;
    assert!(!second.is_leading());
    assert!(
        begin.elapsed() < Duration::from_secs(4),
        "{:?}",
        begin.elapsed()
    );
}

#[tokio::test]
async fn an_operator_waits_for_one_that_leads_in_another_namespace() {
    let server = server().await;
    let client = server.client().await.unwrap();
    let operator = |namespace: &'static str| {
        let leadership = Leadership::none().alone_in_the_cluster();
        let (client, kept) = (client.clone(), leadership.clone());
        let task = tokio::spawn(async move {
            lease::keep(client, namespace, namespace, &kept).await;
        });
        (leadership, task)
    };
    let (first, task) = operator("default");
    eventually("the first operator leads", || first.is_leading()).await;
    let (second, _) = operator("kube-public");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(first.is_leading() && !second.is_leading());
    task.abort();
    lease::release(client.clone(), "default", "default", &first).await;
    eventually("the second operator leads", || second.is_leading()).await;
}

#[tokio::test]
async fn of_many_that_reach_for_the_lease_at_once_one_gets_it() {
    let server = server().await;
    let client = server.client().await.unwrap();
    let names = ["a", "b", "c", "d", "e", "f"];
    let replicas: Vec<_> = names.iter().map(|name| replica(&client, name)).collect();
    let leaders = || replicas.iter().filter(|(l, _)| l.is_leading()).count();
    eventually("one leads", || leaders() > 0).await;
    for _ in 0..100 {
        assert_eq!(leaders(), 1);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
