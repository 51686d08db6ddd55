//! A lease while it is held: renewed for as long as its holder runs, given back at the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use super::{LeaseId, StoreKey, TokenStore};
use crate::error::Error;
use crate::runtime::{Runtime, timeout};
use crate::sync::{Mutex, lock};

/// How long a lease lasts unless it is renewed: so long others wait for a holder that crashed, at a store that does not
/// see that.
const TTL: Duration = Duration::from_secs(10);

/// How often it is renewed: two renewals may fail.
pub(crate) const RENEWAL: Duration = Duration::from_secs(3);

/// The right to renew one record's credential. Dropping it gives it back.
pub(crate) struct Lease {
    held: Arc<Held>,
    /// Ends the renewing, with what gives the lease back.
    end: Option<oneshot::Sender<Release>>,
}

type Release = BoxFuture<'static, ()>;

struct Held {
    store: Arc<dyn TokenStore>,
    runtime: Arc<dyn Runtime>,
    key: StoreKey,
    id: LeaseId,
    until: Mutex<SystemTime>,
    stood_still: AtomicBool,
}

impl Lease {
    /// Takes the lease of `key`, unless another has it.
    ///
    /// # Errors
    /// [`Error::Store`] when the store cannot be used.
    pub(crate) async fn take(
        store: &Arc<dyn TokenStore>,
        runtime: &Arc<dyn Runtime>,
        key: &StoreKey,
    ) -> Result<Option<Self>, Error> {
        let (store, key) = (Arc::clone(store), key.clone());
        let (sender, taken) = oneshot::channel();
        let own = Arc::clone(runtime);
        // On its own: a lease that comes when it is not waited for any more is given back.
        runtime.spawn(Box::pin(async move {
            let _ = sender.send(Self::take_now(store, own, key).await);
        }));
        let ended = |_| Err(Error::store("the store did not come to an end"));
        taken.await.unwrap_or_else(ended)
    }

    async fn take_now(
        store: Arc<dyn TokenStore>,
        runtime: Arc<dyn Runtime>,
        key: StoreKey,
    ) -> Result<Option<Self>, Error> {
        let now = runtime.now();
        let Some(id) = store.try_lease(&key, now, TTL).await? else {
            return Ok(None);
        };
        let held = Arc::new(Held {
            store,
            runtime,
            key,
            id,
            until: Mutex::new(now + TTL),
            stood_still: AtomicBool::new(false),
        });
        let (end, ended) = oneshot::channel();
        let renewing = Arc::clone(&held);
        let runtime = &held.runtime;
        runtime.spawn(Box::pin(async move { renewing.keep(ended).await }));
        let end = Some(end);
        Ok(Some(Self { held, end }))
    }

    /// Whether it is this holder's still. Where it may have lapsed, since the process or the machine stood still, the
    /// store is asked.
    pub(crate) async fn is_held(&self) -> bool {
        let held = &*self.held;
        !held.has_lapsed() || held.renew().await.unwrap_or(false)
    }

    /// Whether it ever lapsed, since the process or the machine stood still, though it may have been renewed then.
    pub(crate) fn stood_still(&self) -> bool {
        self.held.has_lapsed() || self.held.stood_still.load(Ordering::Relaxed)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let held = &self.held;
        let release = held.store.release_lease(&held.key, &held.id);
        // Where it is not renewed any more, as it was lost or the runtime is gone, this is all that can be done.
        let _ = self.end.take().map(|end| end.send(release));
    }
}

impl Held {
    fn has_lapsed(&self) -> bool {
        self.runtime.now() >= *lock(&self.until)
    }

    /// Renews it until it is given back or lost.
    async fn keep(&self, mut ended: oneshot::Receiver<Release>) {
        loop {
            tokio::select! {
                biased;
                release = &mut ended => {
                    if let Ok(release) = release {
                        release.await;
                    }
                    return;
                }
                () = self.runtime.sleep(RENEWAL) => {}
            }
            match self.renew().await {
                Ok(true) => {}
                Ok(false) => {
                    match ended.try_recv() {
                        // It was given back meanwhile.
                        Ok(release) => release.await,
                        Err(_) => {
                            let server = &self.key.server;
                            tracing::warn!(%server, "a lease was lost while it was used");
                        }
                    }
                    return;
                }
                // It may work the next time; until then it lapses by itself.
                Err(error) => tracing::warn!(%error, "a lease could not be renewed"),
            }
        }
    }

    async fn renew(&self) -> Result<bool, Error> {
        let now = self.runtime.now();
        if self.has_lapsed() {
            self.stood_still.store(true, Ordering::Relaxed);
        }
        let renewing = self.store.renew_lease(&self.key, &self.id, now, TTL);
        let late = || Err(Error::store("the store did not answer in time"));
        let renewed = timeout(&*self.runtime, RENEWAL, renewing).await;
        let renewed = renewed.unwrap_or_else(late)?;
        if renewed {
            *lock(&self.until) = now + TTL;
        }
        Ok(renewed)
    }
}
