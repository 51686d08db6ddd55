//! A store that ends with the process.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::threads::BoxFuture;
use futures_util::future::ready;

use super::local::Leases;
use super::{Deleted, LeaseId, RecordStore, Saved, StoreKey, Stored, TokenStore};
use crate::error::Error;
use crate::secret::Secret;
use crate::sync::{Mutex, MutexGuard, lock};

/// Keeps records in memory. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Counts writes; never goes back.
    sequence: u64,
    records: HashMap<StoreKey, Stored>,
    leases: Leases,
}

impl State {
    fn version(&self, key: &StoreKey) -> Option<u64> {
        self.records.get(key).map(|stored| stored.version)
    }

    fn save(&mut self, key: &StoreKey, data: Secret, expected: Option<u64>) -> Saved {
        if self.version(key) != expected {
            return Saved::Conflict;
        }
        self.sequence += 1;
        let version = self.sequence;
        self.records.insert(key.clone(), Stored { version, data });
        Saved::As(version)
    }

    fn delete(&mut self, key: &StoreKey, expected: u64) -> Deleted {
        if self.version(key) != Some(expected) {
            return Deleted::Conflict;
        }
        self.records.remove(key);
        Deleted::Done
    }
}

impl MemoryStore {
    /// Creates an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl RecordStore for MemoryStore {
    fn load(&self, key: &StoreKey) -> BoxFuture<'static, Result<Option<Stored>, Error>> {
        Box::pin(ready(Ok(self.state().records.get(key).cloned())))
    }

    fn save(
        &self,
        key: &StoreKey,
        data: Secret,
        expected: Option<u64>,
    ) -> BoxFuture<'static, Result<Saved, Error>> {
        Box::pin(ready(Ok(self.state().save(key, data, expected))))
    }

    fn delete(&self, key: &StoreKey, expected: u64) -> BoxFuture<'static, Result<Deleted, Error>> {
        Box::pin(ready(Ok(self.state().delete(key, expected))))
    }
}

impl TokenStore for MemoryStore {
    fn try_lease(
        &self,
        key: &StoreKey,
        now: SystemTime,
        ttl: Duration,
    ) -> BoxFuture<'static, Result<Option<LeaseId>, Error>> {
        Box::pin(ready(Ok(self.state().leases.take(key, now, ttl))))
    }

    fn renew_lease(
        &self,
        key: &StoreKey,
        lease: &LeaseId,
        now: SystemTime,
        ttl: Duration,
    ) -> BoxFuture<'static, Result<bool, Error>> {
        Box::pin(ready(Ok(self.state().leases.renew(key, lease, now, ttl))))
    }

    fn release_lease(&self, key: &StoreKey, lease: &LeaseId) -> BoxFuture<'static, ()> {
        self.state().leases.release(key, lease);
        Box::pin(ready(()))
    }
}
