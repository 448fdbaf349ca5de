//! Connections that nobody uses, kept for a while.

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use mysql_async::Conn;
use tokio::time::Instant;

use crate::lock::lock;

/// Time after which an idle connection is closed.
const IDLE: Duration = Duration::from_mins(1);

/// A connection that nobody uses.
struct Idle {
    conn: Conn,
    server: usize,
    since: Instant,
}

/// Idle connections, each with the index of its endpoint.
#[derive(Default)]
pub(super) struct IdleConnections(Arc<Mutex<Vec<Idle>>>);

impl IdleConnections {
    /// Keeps a connection for the next use.
    pub(super) fn keep(&self, conn: Conn, server: usize) {
        let mut idle = lock(&self.0);
        let first = idle.is_empty();
        idle.push(Idle {
            conn,
            server,
            since: Instant::now(),
        });
        drop(idle);
        if first {
            tokio::spawn(close(Arc::downgrade(&self.0)));
        }
    }

    /// Takes the connection that was used last.
    pub(super) fn take(&self) -> Option<(Conn, usize)> {
        let idle = lock(&self.0).pop()?;
        Some((idle.conn, idle.server))
    }
}

/// Closes connections that have been idle for [`IDLE`], until there is none.
async fn close(list: Weak<Mutex<Vec<Idle>>>) {
    loop {
        tokio::time::sleep(IDLE).await;
        let Some(list) = list.upgrade() else { return };
        let mut idle = lock(&list);
        idle.retain(|idle| idle.since.elapsed() < IDLE);
        if idle.is_empty() {
            return;
        }
    }
}
