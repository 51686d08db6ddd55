//! Stopping to wait: what a language's own way of cancelling becomes.

use std::sync::Arc;

use futures_util::future::select_all;
use tokio::sync::watch;

/// Stops one operation. Dropped, it stops nothing.
pub struct Cancel(Arc<watch::Sender<bool>>);

impl Cancel {
    /// Nothing is stopped yet.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Has the operation end as `cancelled`. What others wait for too goes on.
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

/// Whatever can stop an operation.
#[derive(Clone)]
pub(crate) struct Cancelled(Vec<watch::Receiver<bool>>);

impl Cancelled {
    /// Nothing can.
    pub(crate) fn never() -> Self {
        Self(Vec::new())
    }

    /// Another can as well.
    pub(crate) fn or(mut self, other: Option<&Cancel>) -> Self {
        self.0.extend(other.map(|other| other.0.subscribe()));
        self
    }

    /// Waits until one of them does.
    pub(crate) async fn wait(mut self) {
        let waits = self.0.iter_mut().map(|one| {
            Box::pin(async move {
                if one.wait_for(|stopped| *stopped).await.is_err() {
                    // It is gone, and stops nothing any more.
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
