//! Whose turn it is: tokio's to say, or, where every interleaving is to be tried, the model checker's.

use std::time::Duration;

use futures_util::future::BoxFuture;

#[cfg(shuttle)]
pub(crate) use shuttle::future::{JoinHandle, spawn};
#[cfg(not(shuttle))]
pub(crate) use tokio::task::{JoinHandle, spawn, yield_now};

/// Waits until as much virtual time has passed.
#[cfg(not(shuttle))]
pub(crate) fn sleep(duration: Duration) -> BoxFuture<'static, ()> {
    Box::pin(tokio::time::sleep(duration))
}

/// A place where somebody else may go on, but need not: a task that always gave way could not overtake anybody.
#[cfg(shuttle)]
pub(crate) async fn yield_now() {
    shuttle::sync::atomic::AtomicBool::new(false).load(std::sync::atomic::Ordering::SeqCst);
}

/// There is no time: short pauses are a matter of turns, and long ones, which are limits, do not end.
#[cfg(shuttle)]
pub(crate) fn sleep(duration: Duration) -> BoxFuture<'static, ()> {
    if duration < Duration::from_secs(1) {
        return Box::pin(shuttle::future::yield_now());
    }
    Box::pin(std::future::pending())
}
