//! Single flight: one task at a time, on its own, whose result all who ask share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use crate::runtime::Runtime;

type Landing<T> = watch::Receiver<Option<Arc<T>>>;

/// At most one task at a time. Whoever asks while it runs shares its result; whoever stops waiting changes
/// nothing for the task or for the others.
pub(crate) struct Flight<T> {
    slot: Arc<Mutex<Option<Landing<T>>>>,
}

impl<T> Default for Flight<T> {
    fn default() -> Self {
        Self {
            slot: Arc::default(),
        }
    }
}

impl<T: Send + Sync + 'static> Flight<T> {
    /// The result of the task under way, or, if there is none, of the one that `start` makes. `None` when
    /// the task did not get to its end because the runtime did not let it.
    pub(crate) async fn join(
        &self,
        runtime: &dyn Runtime,
        start: impl FnOnce() -> BoxFuture<'static, T>,
    ) -> Option<Arc<T>> {
        let mut landing = self.board(runtime, start);
        let result = landing.wait_for(Option::is_some).await.ok()?;
        result.clone()
    }

    fn board(
        &self,
        runtime: &dyn Runtime,
        start: impl FnOnce() -> BoxFuture<'static, T>,
    ) -> Landing<T> {
        let mut slot = lock(&self.slot);
        if let Some(landing) = &*slot {
            return landing.clone();
        }
        let (result, landing) = watch::channel(None);
        *slot = Some(landing.clone());
        drop(slot);
        let task = start();
        let cleared = ClearOnDrop(Arc::clone(&self.slot));
        runtime.spawn(Box::pin(async move {
            let value = task.await;
            // First make room, then tell: who asks in between starts afresh and finds the work done.
            drop(cleared);
            result.send_replace(Some(Arc::new(value)));
        }));
        landing
    }
}

/// Makes room for the next task also when this one panics or is never run.
struct ClearOnDrop<T>(Arc<Mutex<Option<Landing<T>>>>);

impl<T> Drop for ClearOnDrop<T> {
    fn drop(&mut self) {
        *lock(&self.0) = None;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
