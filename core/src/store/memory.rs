//! A store that ends with the process.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::{BoxFuture, ready};

use super::grace::Grace;
use super::{Lease, Saved, StoreKey, Stored, TokenStore};
use crate::error::Error;
use crate::runtime::unix_seconds;
use crate::secret::Secret;
use crate::sync::{Mutex, MutexGuard, lock};

/// Keeps records in memory. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Counts writes and leases; never goes back.
    sequence: u64,
    records: HashMap<StoreKey, Stored>,
    leases: HashMap<StoreKey, (u64, SystemTime)>,
    grace: Grace,
}

impl State {
    fn next(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl TokenStore for MemoryStore {
    fn load(&self, key: &StoreKey) -> BoxFuture<'static, Result<Option<Stored>, Error>> {
        Box::pin(ready(Ok(self.state().records.get(key).cloned())))
    }

    fn save(
        &self,
        key: &StoreKey,
        data: Option<Secret>,
        expected: Option<u64>,
    ) -> BoxFuture<'static, Result<Saved, Error>> {
        let mut state = self.state();
        let current = state.records.get(key).map(|stored| stored.version);
        if current != expected {
            return Box::pin(ready(Ok(Saved::Conflict)));
        }
        let version = state.next();
        match data {
            Some(data) => drop(state.records.insert(key.clone(), Stored { version, data })),
            None => drop(state.records.remove(key)),
        }
        Box::pin(ready(Ok(Saved::As(version))))
    }

    fn try_lease(
        &self,
        key: &StoreKey,
        now: SystemTime,
        ttl: Duration,
    ) -> BoxFuture<'static, Result<Option<Lease>, Error>> {
        let mut state = self.state();
        let held = state.leases.get(key);
        if held.is_some_and(|(_, until)| {
            now < *until || !state.grace.is_over(key, unix_seconds(*until), now)
        }) {
            return Box::pin(ready(Ok(None)));
        }
        state.grace.forget(key);
        let id = state.next();
        state.leases.insert(key.clone(), (id, now + ttl));
        let (store, key) = (self.clone(), key.clone());
        let lease = Lease::new(move || {
            let mut state = store.state();
            // A lease that ran out may have been taken by somebody else.
            if state.leases.get(&key).is_some_and(|(held, _)| *held == id) {
                state.leases.remove(&key);
            }
        });
        Box::pin(ready(Ok(Some(lease))))
    }
}
