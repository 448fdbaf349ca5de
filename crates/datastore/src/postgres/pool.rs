//! A few connections of the administrator to the operator's database, kept for a while between operations.

use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use kamaji_api::owner::DATABASE;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::answer::Failure;
use super::servers::Servers;
use super::session::Session;
use crate::lock::lock;

/// Most connections of the pool, idle ones included.
const MOST: usize = 4;
/// Time after which an idle connection is closed.
const IDLE: Duration = Duration::from_secs(30);

/// Sessions of the administrator in the operator's database.
pub(super) struct Pool {
    pub(super) servers: Servers,
    state: Mutex<State>,
    turns: Arc<Semaphore>,
}

#[derive(Default)]
struct State {
    idle: Vec<(Arc<Session>, Instant)>,
    /// True while a task closes what has been idle for long.
    closing: bool,
}

/// A session of the pool for one operation; it goes back if nothing is left half-done in it.
pub(super) struct Lease {
    session: Arc<Session>,
    pool: Arc<Pool>,
    _turn: Option<OwnedSemaphorePermit>,
}

impl std::ops::Deref for Lease {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.session.is_reusable() {
            self.pool.keep(Arc::clone(&self.session));
        }
    }
}

impl Pool {
    /// Prepares a pool in which no connection is open yet.
    pub(super) fn new(servers: Servers) -> Arc<Self> {
        Arc::new(Self {
            servers,
            state: Mutex::default(),
            turns: Arc::new(Semaphore::new(MOST)),
        })
    }

    /// A session that works, an idle one if there is any; waits for its turn.
    pub(super) async fn lease(self: &Arc<Self>) -> Result<Lease, Failure> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.ok();
        let lease = |session| Lease {
            session,
            pool: Arc::clone(self),
            _turn: turn,
        };
        while let Some((session, _)) = self.pop() {
            if session.is_alive().await {
                return Ok(lease(session));
            }
        }
        let login = self.servers.administrator_in(DATABASE);
        self.servers.session(&login).await.map(Arc::new).map(lease)
    }

    fn pop(&self) -> Option<(Arc<Session>, Instant)> {
        self.locked().idle.pop()
    }

    fn keep(self: &Arc<Self>, session: Arc<Session>) {
        // Outside a runtime nothing would ever close it.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let mut state = self.locked();
        state.idle.push((session, Instant::now()));
        if !state.closing {
            state.closing = true;
            runtime.spawn(close_idle(Arc::downgrade(self)));
        }
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// Closes sessions that were idle for [`IDLE`], until none is left.
async fn close_idle(pool: Weak<Pool>) {
    loop {
        tokio::time::sleep(IDLE / 2).await;
        let Some(pool) = pool.upgrade() else {
            return;
        };
        let mut state = pool.locked();
        state.idle.retain(|(_, since)| since.elapsed() < IDLE);
        if state.idle.is_empty() {
            state.closing = false;
            return;
        }
    }
}
