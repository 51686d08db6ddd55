//! Cancellation: what a language's own way of cancelling calls.

use std::sync::Arc;

use futures_util::future::select_all;
use tokio::sync::watch;

/// Cancels one operation. Dropping it cancels nothing.
pub struct Cancel(Arc<watch::Sender<bool>>);

impl Cancel {
    /// Creates a handle that has cancelled nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Ends the operation as `cancelled`. Work that other callers wait for goes on.
    pub fn cancel(&self) {
        self.0.send_replace(true);
    }

    pub(crate) fn handle(&self) -> Cancelled {
        Cancelled(vec![self.0.subscribe()])
    }
}

impl Default for Cancel {
    fn default() -> Self {
        Self::new()
    }
}

/// Everything that can cancel an operation.
#[derive(Clone)]
pub(crate) struct Cancelled(Vec<watch::Receiver<bool>>);

impl Cancelled {
    /// Never fires.
    pub(crate) fn never() -> Self {
        Self(Vec::new())
    }

    /// Adds another source.
    pub(crate) fn or(mut self, other: Option<&Cancel>) -> Self {
        self.0.extend(other.map(|other| other.0.subscribe()));
        self
    }

    /// PendingCall until one of the sources fires.
    pub(crate) async fn wait(mut self) {
        let waits = self.0.iter_mut().map(|one| {
            Box::pin(async move {
                if one.wait_for(|stopped| *stopped).await.is_err() {
                    // A dropped source never fires.
                    std::future::pending::<()>().await;
                }
            })
        });
        let waits: Vec<_> = waits.collect();
        match waits.is_empty() {
            true => std::future::pending().await,
            false => drop(select_all(waits).await),
        }
    }
}
