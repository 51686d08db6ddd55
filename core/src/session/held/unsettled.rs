//! Counts the tokens on their way from a server to the store, so that a program can wait for them before it exits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::signal::Signal;

#[derive(Default)]
pub(super) struct Unsettled {
    count: AtomicUsize,
    none_left: Signal,
}

/// Held from before a token is requested until it is stored.
pub(crate) struct Guard(Arc<Unsettled>);

impl Unsettled {
    pub(super) fn begin(unsettled: &Arc<Self>) -> Guard {
        unsettled.count.fetch_add(1, Ordering::SeqCst);
        Guard(Arc::clone(unsettled))
    }

    /// Waits until no guard is held.
    pub(super) async fn settle(&self) {
        let none_left = || self.count.load(Ordering::SeqCst) == 0;
        self.none_left.until(none_left).await;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.none_left.notify();
        }
    }
}
