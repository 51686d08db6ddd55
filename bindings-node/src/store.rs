//! Where records live: one of core's stores, or one in JavaScript.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::{BoxFuture, ready};
use mcp_reauth::store::{Deleted, LeaseId, Saved, StoreKey, Stored};
use mcp_reauth::{Error, FileStore, MemoryStore, RecordStore, Secret, TokenStore};
use napi_derive::napi;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::bridge::{Caller, Refused};

/// How long a store may take to answer. A write that takes longer may still happen, and is then found as one.
const LIMIT: Duration = Duration::from_secs(20);

/// One of core's stores, which sessions share.
#[napi]
pub struct Store(Kind);

enum Kind {
    Memory(MemoryStore),
    File(Arc<FileStore>),
}

#[napi]
impl Store {
    /// Records that end with the process.
    #[napi(factory)]
    pub fn memory() -> Self {
        Self(Kind::Memory(MemoryStore::new()))
    }

    /// Records in the file at `path`.
    #[napi(factory)]
    pub fn file(path: String) -> Self {
        Self(Kind::File(Arc::new(FileStore::new(path))))
    }

    /// The same store, for a session.
    pub(crate) fn shared(&self) -> Arc<dyn TokenStore> {
        match &self.0 {
            Kind::Memory(store) => Arc::new(store.clone()),
            Kind::File(store) => Arc::clone(store) as _,
        }
    }
}

/// A store in JavaScript.
#[derive(Clone)]
pub(crate) struct JsStore {
    pub(crate) caller: Caller,
    pub(crate) place: Option<String>,
}

#[derive(Serialize)]
struct Key {
    profile: String,
    server: String,
}

impl From<&StoreKey> for Key {
    fn from(key: &StoreKey) -> Self {
        Self {
            profile: key.profile.clone(),
            server: key.server.clone(),
        }
    }
}

#[derive(Deserialize)]
struct Loaded {
    version: u64,
}

impl RecordStore for JsStore {
    fn place(&self) -> Option<String> {
        self.place.clone()
    }

    fn load(&self, key: &StoreKey) -> BoxFuture<'static, Result<Option<Stored>, Error>> {
        let (store, input) = (self.clone(), json!({ "key": Key::from(key) }));
        Box::pin(async move {
            let (loaded, data) = store.ask_with("store.load", input, None).await?;
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
        let input = json!({ "key": Key::from(key), "expected": expected });
        Box::pin(async move {
            let body = data.expose().as_bytes().to_vec();
            let asked = store.ask_with("store.save", input, Some(body));
            let (saved, _): (Option<u64>, _) = asked.await?;
            Ok(saved.map_or(Saved::Conflict, Saved::As))
        })
    }

    fn delete(&self, key: &StoreKey, expected: u64) -> BoxFuture<'static, Result<Deleted, Error>> {
        let store = self.clone();
        let input = json!({ "key": Key::from(key), "expected": expected });
        Box::pin(async move {
            Ok(match store.ask("store.delete", input).await? {
                true => Deleted::Done,
                false => Deleted::Conflict,
            })
        })
    }
}

impl TokenStore for JsStore {
    fn try_lease(
        &self,
        key: &StoreKey,
        _now: SystemTime,
        ttl: Duration,
    ) -> BoxFuture<'static, Result<Option<LeaseId>, Error>> {
        let store = self.clone();
        let input = json!({ "key": Key::from(key), "ttl": millis(ttl) });
        Box::pin(async move { store.ask("store.tryLease", input).await })
    }

    fn renew_lease(
        &self,
        key: &StoreKey,
        lease: &LeaseId,
        _now: SystemTime,
        ttl: Duration,
    ) -> BoxFuture<'static, Result<bool, Error>> {
        let store = self.clone();
        let input = json!({ "key": Key::from(key), "lease": lease, "ttl": millis(ttl) });
        Box::pin(async move { store.ask("store.renewLease", input).await })
    }

    fn release_lease(&self, key: &StoreKey, lease: &LeaseId) -> BoxFuture<'static, ()> {
        let input = json!({ "key": Key::from(key), "lease": lease });
        self.caller.tell("store.releaseLease", input);
        Box::pin(ready(()))
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl JsStore {
    async fn ask<T: DeserializeOwned>(
        &self,
        method: &'static str,
        input: Value,
    ) -> Result<T, Error> {
        let (value, _) = self.ask_with(method, input, None).await?;
        Ok(value)
    }

    /// The same, with a record each way: as bytes, which can be wiped.
    async fn ask_with<T: DeserializeOwned>(
        &self,
        method: &'static str,
        input: Value,
        record: Option<Vec<u8>>,
    ) -> Result<(T, Zeroizing<Vec<u8>>), Error> {
        let answered = timeout(LIMIT, self.caller.ask_with(method, input, record)).await;
        let late = |_| Refused::new(format!("{method} did not answer in {} s", LIMIT.as_secs()));
        let answered = answered.map_err(late).and_then(|answered| answered);
        answered.map_err(|refused| self.failed(refused))
    }

    /// A record that was loaded, without another copy of it.
    fn text(&self, mut record: Zeroizing<Vec<u8>>) -> Result<Secret, Error> {
        match String::from_utf8(std::mem::take(&mut *record)) {
            Ok(text) => Ok(Secret::new(text)),
            Err(error) => {
                drop(Zeroizing::new(error.into_bytes()));
                Err(self.failed(Refused::new("store.load returned bytes that are no text")))
            }
        }
    }

    fn failed(&self, mut refused: Refused) -> Error {
        if let Some(place) = &self.place {
            refused.message = format!("{place}: {}", refused.message);
        }
        refused.store()
    }
}
