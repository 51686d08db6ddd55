//! A store that is never ready at once, so that everything interleaves that can.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use mcp_reauth::store::{Lease, Saved, StoreKey, Stored};
use mcp_reauth::{Error, MemoryStore, Secret, TokenStore};

use super::schedule::yield_now;

/// A [`MemoryStore`] that takes its time before and after each step, and whose disk can be full.
#[derive(Clone)]
pub(crate) struct SlowStore(pub(crate) MemoryStore, pub(crate) Arc<AtomicBool>);

impl TokenStore for SlowStore {
    fn load(&self, key: &StoreKey) -> BoxFuture<'static, Result<Option<Stored>, Error>> {
        let (store, key) = (self.0.clone(), key.clone());
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
        data: Option<Secret>,
        expected: Option<u64>,
    ) -> BoxFuture<'static, Result<Saved, Error>> {
        let (store, key) = (self.0.clone(), key.clone());
        let full = Arc::clone(&self.1);
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

    fn try_lease(
        &self,
        key: &StoreKey,
        now: SystemTime,
        ttl: Duration,
    ) -> BoxFuture<'static, Result<Option<Lease>, Error>> {
        let (store, key) = (self.0.clone(), key.clone());
        Box::pin(async move {
            yield_now().await;
            let lease = store.try_lease(&key, now, ttl).await;
            yield_now().await;
            lease
        })
    }
}
