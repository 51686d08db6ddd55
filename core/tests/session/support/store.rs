//! A store that is never ready at once, so that everything can interleave.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use futures_util::future::{BoxFuture, ready};
use mcp_reauth::store::{Deleted, LeaseId, Reservation, Saved, StoreKey, Stored};
use mcp_reauth::{Error, MemoryStore, RecordStore, Secret, TokenStore};

use super::schedule::yield_now;

/// A [`MemoryStore`] that yields before and after each step, and whose disk can be full.
#[derive(Clone)]
pub(crate) struct SlowStore {
    pub(crate) records: MemoryStore,
    pub(crate) disk_full: Arc<AtomicBool>,
    /// The keys that were loaded since the test looked last.
    pub(crate) loaded: Arc<Mutex<Vec<StoreKey>>>,
    /// How often space was reserved.
    pub(crate) reservations: Arc<AtomicUsize>,
    /// What was given back, in order: `space` and `lease`.
    pub(crate) given_back: Arc<Mutex<Vec<&'static str>>>,
}

impl RecordStore for SlowStore {
    fn load(&self, key: &StoreKey) -> BoxFuture<'static, Result<Option<Stored>, Error>> {
        let (store, key) = (self.records.clone(), key.clone());
        self.loaded.lock().expect("no panic").push(key.clone());
        Box::pin(async move {
            yield_now().await;
            let loaded = store.load(&key).await;
            yield_now().await;
            loaded
        })
    }

    fn save(
        &self,
        key: &StoreKey,
        data: Secret,
        expected: Option<u64>,
    ) -> BoxFuture<'static, Result<Saved, Error>> {
        let (store, key) = (self.records.clone(), key.clone());
        let full = Arc::clone(&self.disk_full);
        Box::pin(async move {
            yield_now().await;
            if full.load(Ordering::SeqCst) {
                return Err(Error::store("the disk is full"));
            }
            let saved = store.save(&key, data, expected).await;
            yield_now().await;
            saved
        })
    }

    fn delete(&self, key: &StoreKey, expected: u64) -> BoxFuture<'static, Result<Deleted, Error>> {
        let (store, key) = (self.records.clone(), key.clone());
        let full = Arc::clone(&self.disk_full);
        Box::pin(async move {
            yield_now().await;
            if full.load(Ordering::SeqCst) {
                return Err(Error::store("the disk is full"));
            }
            let deleted = store.delete(&key, expected).await;
            yield_now().await;
            deleted
        })
    }

    fn reserve(&self, _: &StoreKey, _: u64) -> BoxFuture<'static, Result<Reservation, Error>> {
        self.reservations.fetch_add(1, Ordering::SeqCst);
        let given_back = Arc::clone(&self.given_back);
        let release = move || given_back.lock().expect("no panic").push("space");
        Box::pin(ready(Ok(Reservation::new(release))))
    }
}

impl TokenStore for SlowStore {
    fn try_lease(
        &self,
        key: &StoreKey,
        now: SystemTime,
        ttl: Duration,
    ) -> BoxFuture<'static, Result<Option<LeaseId>, Error>> {
        let (store, key) = (self.records.clone(), key.clone());
        Box::pin(async move {
            yield_now().await;
            let lease = store.try_lease(&key, now, ttl).await;
            yield_now().await;
            lease
        })
    }

    fn renew_lease(
        &self,
        key: &StoreKey,
        lease: &LeaseId,
        now: SystemTime,
        ttl: Duration,
    ) -> BoxFuture<'static, Result<bool, Error>> {
        self.records.renew_lease(key, lease, now, ttl)
    }

    fn release_lease(&self, key: &StoreKey, lease: &LeaseId) -> BoxFuture<'static, ()> {
        self.given_back.lock().expect("no panic").push("lease");
        self.records.release_lease(key, lease)
    }
}
