//! A held lease: renewed while its holder runs, released at the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use crate::threads::BoxFuture;
use tokio::sync::oneshot;

use super::{LeaseId, StoreKey, TokenStore};
use crate::error::Error;
use crate::limits::{LEASE_ANSWER, LEASE_RENEWAL, LEASE_TTL};
use crate::runtime::{Runtime, timeout};
use crate::sync::{Mutex, lock};

/// The right to renew one record's credential. Dropping it releases it.
pub(crate) struct Lease {
    held: Arc<Held>,
    /// Ends the renewing, with the call that releases the lease, or with `None` while a renewal is in progress.
    end: Option<oneshot::Sender<Option<Release>>>,
}

type Release = BoxFuture<'static, ()>;

struct Held {
    store: Arc<dyn TokenStore>,
    runtime: Arc<dyn Runtime>,
    key: StoreKey,
    id: LeaseId,
    /// When it lapses; `None`: another holder has it.
    until: Mutex<Option<SystemTime>>,
    was_suspended: AtomicBool,
    renewing: AtomicBool,
}

impl Lease {
    /// Takes the lease of `key`, unless another holder has it. It is renewed for at most `longest`: a stuck holder must
    /// not keep others waiting for ever.
    ///
    /// # Errors
    /// [`Error::Store`] if the store cannot be used.
    pub(crate) async fn take(
        store: &Arc<dyn TokenStore>,
        runtime: &Arc<dyn Runtime>,
        key: &StoreKey,
        longest: Duration,
    ) -> Result<Option<Self>, Error> {
        let (store, key) = (Arc::clone(store), key.clone());
        let (sender, taken) = oneshot::channel();
        let own = Arc::clone(runtime);
        // In a task of its own: if the caller no longer waits for the lease, it is released.
        runtime.spawn(Box::pin(async move {
            let _ = sender.send(Self::take_now(store, own, key, longest).await);
        }));
        let ended = |_| Err(Error::store("the store operation did not end"));
        taken.await.unwrap_or_else(ended)
    }

    async fn take_now(
        store: Arc<dyn TokenStore>,
        runtime: Arc<dyn Runtime>,
        key: StoreKey,
        longest: Duration,
    ) -> Result<Option<Self>, Error> {
        let now = runtime.now();
        let Some(id) = store.try_lease(&key, now, LEASE_TTL).await? else {
            return Ok(None);
        };
        let held = Arc::new(Held {
            store,
            runtime,
            key,
            id,
            until: Mutex::new(Some(now + LEASE_TTL)),
            was_suspended: AtomicBool::new(false),
            renewing: AtomicBool::new(false),
        });
        let (end, ended) = oneshot::channel();
        let renewing = Arc::clone(&held);
        let runtime = &held.runtime;
        runtime.spawn(Box::pin(async move { renewing.keep(ended, longest).await }));
        let end = Some(end);
        Ok(Some(Self { held, end }))
    }

    /// Whether this holder still has it. If it may have lapsed during a suspension, the store is asked.
    pub(crate) async fn is_held(&self) -> bool {
        let held = &*self.held;
        !held.has_lapsed() || held.renew().await.unwrap_or(false)
    }

    /// Whether it ever lapsed during a suspension, even if it was renewed then.
    pub(crate) fn was_suspended(&self) -> bool {
        self.held.has_lapsed() || self.held.was_suspended.load(Ordering::Relaxed)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let held = &self.held;
        // The release must not overtake a renewal, which would bring the lease back.
        let renewing = held.renewing.load(Ordering::SeqCst);
        let release = (!renewing).then(|| held.release());
        let sent = self.end.take().map(|end| end.send(release));
        // It is no longer renewed: it was lost or held for too long, or the runtime has ended.
        if let Some(Err(None)) = sent {
            drop(held.release());
        }
    }
}

impl Held {
    fn has_lapsed(&self) -> bool {
        lock(&self.until).is_none_or(|until| self.runtime.now() >= until)
    }

    fn release(&self) -> Release {
        self.store.release_lease(&self.key, &self.id)
    }

    /// Renews it until it is released or lost, or has been held for `longest`.
    async fn keep(&self, mut ended: oneshot::Receiver<Option<Release>>, longest: Duration) {
        let mut left = longest;
        while let Some(less) = left.checked_sub(LEASE_RENEWAL) {
            left = less;
            tokio::select! {
                biased;
                end = &mut ended => {
                    if let Ok(release) = end {
                        release.unwrap_or_else(|| self.release()).await;
                    }
                    return;
                }
                () = self.runtime.sleep(LEASE_RENEWAL) => {}
            }
            self.renewing.store(true, Ordering::SeqCst);
            let renewed = self.renew().await;
            self.renewing.store(false, Ordering::SeqCst);
            match renewed {
                Ok(true) => {}
                // It was released meanwhile, or else lost: `ended` tells which.
                Ok(false) => break,
                // The next renewal may succeed; until then, it lapses by itself.
                Err(error) => tracing::warn!(%error, "a lease could not be renewed"),
            }
        }
        match ended.try_recv() {
            Ok(release) => release.unwrap_or_else(|| self.release()).await,
            Err(_) => tracing::warn!(
                server = %self.key.server,
                "a lease was lost while it was used, or was held for too long"
            ),
        }
    }

    async fn renew(&self) -> Result<bool, Error> {
        let now = self.runtime.now();
        if self.has_lapsed() {
            self.was_suspended.store(true, Ordering::Relaxed);
        }
        let renewing = self.store.renew_lease(&self.key, &self.id, now, LEASE_TTL);
        let late = || Err(Error::store("the store did not answer in time"));
        let renewed = timeout(&*self.runtime, LEASE_ANSWER, renewing).await;
        let renewed = renewed.unwrap_or_else(late)?;
        *lock(&self.until) = renewed.then_some(now + LEASE_TTL);
        Ok(renewed)
    }
}

#[cfg(all(test, feature = "tokio", not(shuttle)))]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use futures_util::future::ready;

    use super::*;
    use crate::runtime::TokioRuntime;
    use crate::secret::Secret;
    use crate::store::{Deleted, RecordStore, Saved, Stored};

    /// Grants one lease, and renews it `lost_after` times.
    #[derive(Default)]
    struct Counting {
        renewals: AtomicUsize,
        released: AtomicUsize,
        lost_after: usize,
    }

    impl RecordStore for Counting {
        fn load(&self, _: &StoreKey) -> BoxFuture<'static, Result<Option<Stored>, Error>> {
            Box::pin(ready(Ok(None)))
        }

        fn save(
            &self,
            _: &StoreKey,
            _: Secret,
            _: Option<u64>,
        ) -> BoxFuture<'static, Result<Saved, Error>> {
            Box::pin(ready(Ok(Saved::Conflict)))
        }

        fn delete(&self, _: &StoreKey, _: u64) -> BoxFuture<'static, Result<Deleted, Error>> {
            Box::pin(ready(Ok(Deleted::Conflict)))
        }
    }

    impl TokenStore for Counting {
        fn try_lease(
            &self,
            _: &StoreKey,
            _: SystemTime,
            _: Duration,
        ) -> BoxFuture<'static, Result<Option<LeaseId>, Error>> {
            Box::pin(ready(Ok(Some(LeaseId::new("1")))))
        }

        fn renew_lease(
            &self,
            _: &StoreKey,
            _: &LeaseId,
            _: SystemTime,
            _: Duration,
        ) -> BoxFuture<'static, Result<bool, Error>> {
            let renewals = self.renewals.fetch_add(1, Ordering::SeqCst);
            Box::pin(ready(Ok(renewals < self.lost_after)))
        }

        fn release_lease(&self, _: &StoreKey, _: &LeaseId) -> BoxFuture<'static, ()> {
            self.released.fetch_add(1, Ordering::SeqCst);
            Box::pin(ready(()))
        }
    }

    async fn taken(lost_after: usize, longest: Duration) -> (Arc<Counting>, Lease) {
        let store = Arc::new(Counting {
            lost_after,
            ..Counting::default()
        });
        let shared: Arc<dyn TokenStore> = Arc::clone(&store) as _;
        let runtime: Arc<dyn Runtime> = Arc::new(TokioRuntime);
        let key = StoreKey {
            profile: "default".to_owned(),
            server: "https://mcp.example/mcp".to_owned(),
        };
        let lease = Lease::take(&shared, &runtime, &key, longest).await;
        (store, lease.expect("a store").expect("a lease"))
    }

    #[tokio::test(start_paused = true)]
    async fn lease_that_another_has_is_not_held_though_its_time_is_not_over() {
        let (_store, lease) = taken(1, Duration::from_secs(60)).await;
        assert!(lease.is_held().await);
        tokio::time::sleep(LEASE_RENEWAL * 3).await;
        assert!(!lease.is_held().await);
    }

    #[tokio::test(start_paused = true)]
    async fn lease_of_a_holder_that_is_stuck_is_not_renewed_for_ever() {
        let (store, lease) = taken(usize::MAX, LEASE_RENEWAL * 4).await;
        tokio::time::sleep(LEASE_RENEWAL * 100).await;
        assert_eq!(store.renewals.load(Ordering::SeqCst), 4);
        drop(lease);
        assert_eq!(store.released.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn lease_is_given_back_once_and_not_renewed_afterwards() {
        let (store, lease) = taken(usize::MAX, Duration::from_secs(60)).await;
        tokio::time::sleep(LEASE_RENEWAL * 2).await;
        drop(lease);
        let renewals = store.renewals.load(Ordering::SeqCst);
        tokio::time::sleep(LEASE_RENEWAL * 10).await;
        assert_eq!(store.renewals.load(Ordering::SeqCst), renewals);
        assert_eq!(store.released.load(Ordering::SeqCst), 1);
    }
}
