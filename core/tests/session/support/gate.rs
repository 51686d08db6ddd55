//! A gate that holds whatever comes to it until the test lets it go.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// Holds what arrives. Clones share it.
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

    /// Arrives, and goes on when the gate is open.
    pub(crate) async fn pass(&self) {
        self.0.arrived.add_permits(1);
        drop(self.0.opened.acquire().await);
    }

    /// Waits until one more has arrived.
    pub(crate) async fn reached(&self) {
        let permit = self.0.arrived.acquire().await.expect("never closed");
        permit.forget();
    }

    /// Lets all through, now and later.
    pub(crate) fn open(&self) {
        self.0.opened.add_permits(1_000_000);
    }
}
