//! Runs work that may take a while, a plan or a verdict, beside the runtime's own threads.

use tokio::{
    runtime::{Handle, RuntimeFlavor},
    sync::Semaphore,
};

/// Pieces of such work at once: the runtime's other tasks get at the processor meanwhile.
const AT_ONCE: usize = 8;

static TURNS: Semaphore = Semaphore::const_new(AT_ONCE);

/// What `work` returns. The thread that does it is no worker of the runtime meanwhile.
pub async fn run<T>(work: impl FnOnce() -> T) -> T {
    // It is never closed.
    let _turn = TURNS.acquire().await;
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::MultiThread => tokio::task::block_in_place(work),
        // Tests of single tasks.
        _ => work(),
    }
}
