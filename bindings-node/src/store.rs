//! Where records live: one of core's stores, or one in JavaScript.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use mcp_reauth::store::{Lease, Saved, StoreKey, Stored};
use mcp_reauth::{Error, FileStore, MemoryStore, Secret, TokenStore};
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

impl TokenStore for JsStore {
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
        data: Option<Secret>,
        expected: Option<u64>,
    ) -> BoxFuture<'static, Result<Saved, Error>> {
        let store = self.clone();
        let input = json!({ "key": Key::from(key), "expected": expected });
        Box::pin(async move {
            let body = data.map(|data| data.expose().as_bytes().to_vec());
            let (saved, _): (Option<u64>, _) = store.ask_with("store.save", input, body).await?;
            Ok(saved.map_or(Saved::Conflict, Saved::As))
        })
    }

    fn try_lease(
        &self,
        key: &StoreKey,
        now: SystemTime,
        ttl: Duration,
    ) -> BoxFuture<'static, Result<Option<Lease>, Error>> {
        let store = self.clone();
        let now = now.duration_since(SystemTime::UNIX_EPOCH);
        let now = u64::try_from(now.unwrap_or_default().as_millis()).unwrap_or(u64::MAX);
        let ttl = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        let input = json!({ "key": Key::from(key), "now": now, "ttl": ttl });
        // On its own: a lease that was granted when nobody waited any more is given back.
        let asked = tokio::spawn(async move {
            let lease: Option<u32> = store.ask("store.tryLease", input).await?;
            Ok(lease.map(|id| Lease::new(move || store.caller.tell("store.release", id))))
        });
        Box::pin(async move {
            let ended = |_| Error::store("the store did not come to an end");
            asked.await.map_err(ended)?
        })
    }
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
