//! A gate that holds tasks until the test opens it.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// Holds the tasks that arrive. Clones share it.
#[derive(Clone)]
pub(crate) struct Gate(Arc<Ends>);

struct Ends {
    arrived: Semaphore,
    opened: Semaphore,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Ends {
            arrived: Semaphore::new(0),
            opened: Semaphore::new(0),
        }))
    }

    /// Arrives, and continues when the gate is open.
    pub(crate) async fn pass(&self) {
        self.0.arrived.add_permits(1);
        drop(self.0.opened.acquire().await);
    }

    /// Waits until one more task has arrived.
    pub(crate) async fn reached(&self) {
        let permit = self.0.arrived.acquire().await.expect("never closed");
        permit.forget();
    }

    /// Lets all tasks through, now and later.
    pub(crate) fn open(&self) {
        self.0.opened.add_permits(1_000_000);
    }
}
