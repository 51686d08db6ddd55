//! The scheduler: tokio's, or the model checker's, which tries every interleaving.

use std::time::Duration;

use futures_util::future::BoxFuture;

#[cfg(shuttle)]
pub(crate) use shuttle::future::{JoinHandle, spawn};
#[cfg(not(shuttle))]
pub(crate) use tokio::task::{JoinHandle, spawn, yield_now};

/// Waits until this much virtual time has passed.
#[cfg(not(shuttle))]
pub(crate) fn sleep(duration: Duration) -> BoxFuture<'static, ()> {
    Box::pin(tokio::time::sleep(duration))
}

/// Lets another task run, but need not: a task that always yielded could never overtake another.
#[cfg(shuttle)]
pub(crate) async fn yield_now() {
    shuttle::sync::atomic::AtomicBool::new(false).load(std::sync::atomic::Ordering::SeqCst);
}

/// There is no time: a short pause yields once, and a long one, which is a limit, never ends.
#[cfg(shuttle)]
pub(crate) fn sleep(duration: Duration) -> BoxFuture<'static, ()> {
    if duration < Duration::from_secs(1) {
        return Box::pin(shuttle::future::yield_now());
    }
    Box::pin(std::future::pending())
}
