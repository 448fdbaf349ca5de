//! [`run`]: runs long computations, such as plans and admission reviews, without blocking the runtime.

use tokio::{
    runtime::{Handle, RuntimeFlavor},
    sync::Semaphore,
};

/// Computations at the same time, so that the runtime's other tasks get processor time.
const AT_ONCE: usize = 8;

static TURNS: Semaphore = Semaphore::const_new(AT_ONCE);

/// Runs `work` and returns its result. Its thread is no worker of the runtime meanwhile.
pub async fn run<T>(work: impl FnOnce() -> T) -> T {
    // It is never closed.
    let _turn = TURNS.acquire().await;
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::MultiThread => tokio::task::block_in_place(work),
        // Tests of single tasks.
        _ => work(),
    }
}
