//! Token stores: core's own, or one that the application implements.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::{BoxFuture, ready};
use mcp_reauth::runtime::{TokioRuntime, timeout};
use mcp_reauth::store::{Deleted, LeaseId, Saved, StoreKey, Stored};
use mcp_reauth::testing;
use mcp_reauth::{Error, FileStore, LocalLeases, MemoryStore, RecordStore, Secret, TokenStore};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::answer::{PendingAnswer, run_cancellable};
use crate::bridge::{Bridge, Caller};
use crate::call::{Call, Millis};
use crate::cancel::Cancelled;
use crate::refused::CallFailure;

/// How long a store may take to answer. A later write may still take effect; the next load then finds it.
const LIMIT: Duration = Duration::from_secs(20);

/// A store that sessions share. Clones share the same records.
#[derive(Clone)]
pub struct Store(Arc<dyn TokenStore>);

impl Store {
    /// Creates a store that keeps records in memory.
    #[must_use]
    pub fn memory() -> Self {
        Self(Arc::new(MemoryStore::new()))
    }

    /// Creates a store that keeps records in the file at `path`.
    #[must_use]
    pub fn file(path: String) -> Self {
        Self(Arc::new(FileStore::new(path)))
    }

    /// Creates a store that the application implements under the number `id`; `leases` if it has none.
    #[must_use]
    pub fn of_application(bridge: &Bridge, id: u32, leases: Option<&Leases>) -> Self {
        Self(AppStore::shared(bridge.caller(id), None, leases))
    }

    pub(crate) fn shared(&self) -> Arc<dyn TokenStore> {
        Arc::clone(&self.0)
    }
}

/// In-process leases for a store without leases. Create one for each store, shared by all its sessions.
#[derive(Clone, Default)]
pub struct Leases(Arc<LocalLeases<()>>);

/// Runs the store contract's checks on two objects for the same records, and resolves to the results.
pub fn check_store(one: &Store, other: &Store) -> PendingAnswer {
    let (one, other) = (one.shared(), other.shared());
    run_cancellable(Cancelled::never(), async {
        Ok(testing::check_store(one, other, TokioRuntime).await)
    })
}

/// A store that the application implements.
#[derive(Clone)]
pub(crate) struct AppStore {
    caller: Caller,
    place: Option<String>,
    /// Set if the application's store has no leases. While one is held, the application keeps its store object alive,
    /// even after the session is closed.
    leases: Option<Leases>,
}

#[derive(Deserialize)]
struct Loaded {
    version: u64,
}

impl RecordStore for AppStore {
    fn place(&self) -> Option<String> {
        self.place.clone()
    }

    fn load(&self, key: &StoreKey) -> BoxFuture<'static, Result<Option<Stored>, Error>> {
        let (store, load) = (self.clone(), Call::Load { key: key.into() });
        Box::pin(async move {
            let (loaded, data) = store.ask_with(load, None).await?;
            let Some(Loaded { version }) = loaded else {
                return Ok(None);
            };
            let data = store.text(data)?;
            Ok(Some(Stored { version, data }))
        })
    }

    fn save(
        &self,
        key: &StoreKey,
        data: Secret,
        expected: Option<u64>,
    ) -> BoxFuture<'static, Result<Saved, Error>> {
        let store = self.clone();
        let save = Call::Save {
            key: key.into(),
            expected,
        };
        Box::pin(async move {
            let body = data.expose().as_bytes().to_vec();
            let asked = store.ask_with(save, Some(body));
            let (saved, _): (Option<u64>, _) = asked.await?;
            Ok(saved.map_or(Saved::Conflict, Saved::As))
        })
    }

    fn delete(&self, key: &StoreKey, expected: u64) -> BoxFuture<'static, Result<Deleted, Error>> {
        let store = self.clone();
        let delete = Call::Delete {
            key: key.into(),
            expected,
        };
        Box::pin(async move {
            Ok(match store.ask(delete).await? {
                true => Deleted::Done,
                false => Deleted::Conflict,
            })
        })
    }
}

impl TokenStore for AppStore {
    fn try_lease(
        &self,
        key: &StoreKey,
        now: SystemTime,
        ttl: Duration,
    ) -> BoxFuture<'static, Result<Option<LeaseId>, Error>> {
        let store = self.clone();
        if let Some(within) = self.within_process() {
            let taken = within.try_lease(key, now, ttl);
            return Box::pin(async move {
                let taken = taken.await?;
                if taken.is_some() {
                    store.caller.tell(&Call::LeaseOut);
                }
                Ok(taken)
            });
        }
        let take = Call::TryLease {
            key: key.into(),
            ttl: Millis(ttl),
        };
        Box::pin(async move { store.ask(take).await })
    }

    fn renew_lease(
        &self,
        key: &StoreKey,
        lease: &LeaseId,
        now: SystemTime,
        ttl: Duration,
    ) -> BoxFuture<'static, Result<bool, Error>> {
        if let Some(within) = self.within_process() {
            return within.renew_lease(key, lease, now, ttl);
        }
        let store = self.clone();
        let renew = Call::RenewLease {
            key: key.into(),
            lease: lease.clone(),
            ttl: Millis(ttl),
        };
        Box::pin(async move { store.ask(renew).await })
    }

    fn release_lease(&self, key: &StoreKey, lease: &LeaseId) -> BoxFuture<'static, ()> {
        if let Some(within) = self.within_process() {
            self.caller.tell(&Call::LeaseBack);
            return within.release_lease(key, lease);
        }
        self.caller.tell(&Call::ReleaseLease {
            key: key.into(),
            lease: lease.clone(),
        });
        Box::pin(ready(()))
    }
}

impl AppStore {
    /// Creates the store that `caller` reaches, with `leases` if it has none.
    pub(crate) fn shared(
        caller: Caller,
        place: Option<String>,
        leases: Option<&Leases>,
    ) -> Arc<dyn TokenStore> {
        Arc::new(Self {
            caller,
            place,
            leases: leases.cloned(),
        })
    }

    /// The same store with in-process leases, if it has none of its own.
    fn within_process(&self) -> Option<LocalLeases<Self>> {
        let Leases(leases) = self.leases.as_ref()?;
        Some(leases.another_way(self.clone()))
    }

    async fn ask<T: DeserializeOwned>(&self, call: Call) -> Result<T, Error> {
        let (value, _) = self.ask_with(call, None).await?;
        Ok(value)
    }

    /// The same, with a record in each direction: as bytes, which can be wiped.
    async fn ask_with<T: DeserializeOwned>(
        &self,
        call: Call,
        record: Option<Vec<u8>>,
    ) -> Result<(T, Zeroizing<Vec<u8>>), Error> {
        let method = call.method();
        let answered = timeout(&TokioRuntime, LIMIT, self.caller.ask_with(call, record)).await;
        let late = || format!("{method} did not answer in {} s", LIMIT.as_secs());
        let answered = answered.unwrap_or_else(|| Err(CallFailure::new(late())));
        answered.map_err(|refused| self.failed(refused))
    }

    /// Converts a loaded record without copying it.
    fn text(&self, mut record: Zeroizing<Vec<u8>>) -> Result<Secret, Error> {
        match String::from_utf8(std::mem::take(&mut *record)) {
            Ok(text) => Ok(Secret::new(text)),
            Err(error) => {
                drop(Zeroizing::new(error.into_bytes()));
                Err(self.failed(CallFailure::new(
                    "store.load returned bytes that are not UTF-8",
                )))
            }
        }
    }

    fn failed(&self, mut refused: CallFailure) -> Error {
        if let Some(place) = &self.place {
            refused.message = format!("{place}: {}", refused.message);
        }
        refused.store()
    }
}
