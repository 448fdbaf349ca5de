//! Writers of a tenant in a migration.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use etcd_client::GetOptions;
use tokio::task::JoinSet;

pub use crate::kit_writers::{Acknowledged, WRITERS};
use crate::{kit_kine::write, kit_writers::keep_writing, world::Service};

/// Clients that write until a write fails, or until they are stopped.
pub struct Writers {
    stop: Arc<AtomicBool>,
    running: JoinSet<Acknowledged>,
}

impl Writers {
    /// Starts [`WRITERS`] clients.
    pub fn start(service: &Service) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut running = JoinSet::new();
        for number in 0..WRITERS {
            let (client, root) = (service.client.clone(), service.root.clone());
            running.spawn(keep_writing((client, root), number, Arc::clone(&stop)));
        }
        Self { stop, running }
    }

    /// Stops the clients; what all of them were acknowledged.
    pub async fn stop(mut self) -> Acknowledged {
        self.stop.store(true, Ordering::Relaxed);
        let mut acknowledged = Acknowledged::new();
        while let Some(ended) = self.running.join_next().await {
            acknowledged.extend(ended.unwrap());
        }
        acknowledged
    }

    /// Number of clients that still write.
    pub fn running(&mut self, gathered: &mut Acknowledged) -> usize {
        while let Some(ended) = self.running.try_join_next() {
            gathered.extend(ended.unwrap());
        }
        self.running.len()
    }
}

/// Writes `number` keys.
pub async fn fill(service: &Service, number: usize) -> Acknowledged {
    let mut acknowledged = Acknowledged::new();
    for n in 0..number {
        let key = format!("events/default/{n:05}");
        let path = format!("{}{key}", service.root);
        let written = write(&service.client, &path, 0, b"\0k8s\xff");
        written.await.unwrap();
        acknowledged.insert(key, Some(b"\0k8s\xff".to_vec()));
    }
    acknowledged
}

/// Asserts that everything acknowledged is served, and that what was deleted is not.
pub async fn assert_served(service: &Service, acknowledged: &Acknowledged) -> i64 {
    let mut found = BTreeMap::new();
    let mut after = format!("{}!", service.root);
    let end = format!("{}~", service.root);
    let revision = loop {
        let page = GetOptions::new().with_range(end.clone()).with_limit(300);
        let answer = service
            .client
            .clone()
            .get(after.clone(), Some(page))
            .await
            .unwrap();
        for kv in answer.kvs() {
            let key = kv.key_str().unwrap();
            after = format!("{key}\0");
            found.insert(key[service.root.len()..].to_owned(), kv.value().to_vec());
        }
        if !answer.more() {
            break answer.header().unwrap().revision();
        }
    };
    for (key, value) in acknowledged {
        assert!(
            found.get(key) == value.as_ref(),
            "{key} is not as acknowledged"
        );
    }
    revision
}

/// Writes by many clients, each of which has to succeed at a revision above `floor`.
pub async fn assert_goes_on(service: &Service, number: usize, floor: i64) {
    let writers = (0..WRITERS).map(|writer| async move {
        for n in 0..number / WRITERS {
            let key = format!("{}after/{writer}-{n}", service.root);
            let revision = write(&service.client, &key, 0, b"value").await;
            assert!(revision.is_ok_and(|revision| revision > floor), "{key}");
        }
    });
    futures::future::join_all(writers).await;
}
