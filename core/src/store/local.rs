//! Leases within one process, for stores that have none.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::threads::BoxFuture;
use futures_util::future::ready;

use super::grace::Grace;
use super::{
    Deleted, LeaseId, RecordStore, Reservation, Saved, Stamp, StoreKey, Stored, TokenStore,
};
use crate::error::Error;
use crate::runtime::unix_seconds;
use crate::secret::Secret;
use crate::sync::{Mutex, lock};

/// Adds leases to a store that has none. They apply within this process only: sessions of several processes at one such
/// store use a refresh token twice, for which many servers revoke the grant (RFC 9700 section 4.14.2).
///
/// All sessions at one store must share one of these, or [several ways](Self::another_way) to the same leases.
#[derive(Debug, Default)]
pub struct LocalLeases<S> {
    store: S,
    leases: Arc<Mutex<Leases>>,
}

impl<S> LocalLeases<S> {
    /// Returns the same leases for another way to the same records.
    pub fn another_way<T: RecordStore>(&self, store: T) -> LocalLeases<T> {
        LocalLeases {
            store,
            leases: Arc::clone(&self.leases),
        }
    }
}

impl<S: RecordStore> LocalLeases<S> {
    /// Adds leases to `store`.
    pub fn new(store: S) -> Self {
        Self {
            store,
            leases: Arc::default(),
        }
    }
}

impl<S: RecordStore> RecordStore for LocalLeases<S> {
    fn place(&self) -> Option<String> {
        self.store.place()
    }

    fn load(&self, key: &StoreKey) -> BoxFuture<'static, Result<Option<Stored>, Error>> {
        self.store.load(key)
    }

    fn save(
        &self,
        key: &StoreKey,
        data: Secret,
        expected: Option<u64>,
    ) -> BoxFuture<'static, Result<Saved, Error>> {
        self.store.save(key, data, expected)
    }

    fn delete(&self, key: &StoreKey, expected: u64) -> BoxFuture<'static, Result<Deleted, Error>> {
        self.store.delete(key, expected)
    }

    fn reserve(
        &self,
        key: &StoreKey,
        bytes: u64,
    ) -> BoxFuture<'static, Result<Reservation, Error>> {
        self.store.reserve(key, bytes)
    }

    fn stamp(&self, key: &StoreKey) -> BoxFuture<'static, Option<Stamp>> {
        self.store.stamp(key)
    }
}

impl<S: RecordStore> TokenStore for LocalLeases<S> {
    fn try_lease(
        &self,
        key: &StoreKey,
        now: SystemTime,
        ttl: Duration,
    ) -> BoxFuture<'static, Result<Option<LeaseId>, Error>> {
        Box::pin(ready(Ok(lock(&self.leases).take(key, now, ttl))))
    }

    fn renew_lease(
        &self,
        key: &StoreKey,
        lease: &LeaseId,
        now: SystemTime,
        ttl: Duration,
    ) -> BoxFuture<'static, Result<bool, Error>> {
        Box::pin(ready(Ok(lock(&self.leases).renew(key, lease, now, ttl))))
    }

    fn release_lease(&self, key: &StoreKey, lease: &LeaseId) -> BoxFuture<'static, ()> {
        lock(&self.leases).release(key, lease);
        Box::pin(ready(()))
    }
}

/// The leases that are held.
#[derive(Debug, Default)]
pub(super) struct Leases {
    /// How many leases were granted so far.
    count: u64,
    held: HashMap<StoreKey, (LeaseId, SystemTime)>,
    grace: Grace,
}

impl Leases {
    pub(super) fn take(
        &mut self,
        key: &StoreKey,
        now: SystemTime,
        ttl: Duration,
    ) -> Option<LeaseId> {
        let held = self.held.get(key);
        if held.is_some_and(|(_, until)| {
            now < *until || !self.grace.is_over(key, unix_seconds(*until), now)
        }) {
            return None;
        }
        self.grace.forget(key);
        self.count += 1;
        let id = LeaseId::new(self.count.to_string());
        self.held.insert(key.clone(), (id.clone(), end(now, ttl)));
        Some(id)
    }

    pub(super) fn renew(
        &mut self,
        key: &StoreKey,
        lease: &LeaseId,
        now: SystemTime,
        ttl: Duration,
    ) -> bool {
        match self.held.get_mut(key) {
            Some((held, until)) if held == lease => {
                *until = end(now, ttl);
                self.grace.forget(key);
                true
            }
            _ => false,
        }
    }

    pub(super) fn release(&mut self, key: &StoreKey, lease: &LeaseId) {
        // A lapsed lease may be another holder's by now.
        if self.held.get(key).is_some_and(|(held, _)| held == lease) {
            self.held.remove(key);
            self.grace.forget(key);
        }
    }
}

/// Returns when a lease lapses. One beyond the range of the clock lapses at once.
fn end(now: SystemTime, ttl: Duration) -> SystemTime {
    now.checked_add(ttl).unwrap_or(now)
}
