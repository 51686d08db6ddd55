//! Stopping to wait: what an `AbortSignal` becomes.

use std::sync::Arc;

use futures_util::future::select_all;
use napi_derive::napi;
use tokio::sync::watch;

/// One per operation that somebody may stop waiting for.
#[napi]
pub struct Cancel(Arc<watch::Sender<bool>>);

#[napi]
impl Cancel {
    /// Nobody has stopped.
    #[napi(constructor)]
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Whoever waits is told `cancelled`. What others wait for too goes on.
    #[napi]
    pub fn cancel(&self) {
        self.0.send_replace(true);
    }

    /// For an operation to look at.
    pub(crate) fn handle(&self) -> Cancelled {
        Cancelled(vec![self.0.subscribe()])
    }
}

/// Any of those who can stop an operation.
#[derive(Clone)]
pub(crate) struct Cancelled(Vec<watch::Receiver<bool>>);

impl Cancelled {
    /// Nobody can.
    pub(crate) fn never() -> Self {
        Self(Vec::new())
    }

    /// Somebody else can as well.
    pub(crate) fn or(mut self, other: Option<&Cancel>) -> Self {
        self.0.extend(other.map(|other| other.0.subscribe()));
        self
    }

    /// Waits until somebody does.
    pub(crate) async fn wait(mut self) {
        let waits = self.0.iter_mut().map(|one| {
            Box::pin(async move {
                if one.wait_for(|stopped| *stopped).await.is_err() {
                    // It is gone, and nobody can stop anything by it.
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
