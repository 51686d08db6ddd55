//! Everything a test needs around a session.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::http::{HeaderName, HeaderValue};
use mcp_reauth::http::{HeaderMap, StatusCode};
use mcp_reauth::recovery::Trigger;
use mcp_reauth::store::StoreKey;
use mcp_reauth::{
    AuthSession, AuthSessionBuilder, Error, MemoryStore, Operation, Recovery, ResourceRequest,
    Runtime, TokenStore,
};

use super::host::TestHost;
use super::runtime::TestRuntime;
use super::schedule::{self, JoinHandle};
use super::store::SlowStore;
use super::world::{SERVER, World};

/// A request must not be sent more often, whatever the servers respond.
const MOST_TRIES: usize = 20;

/// The servers, a user, a store and time.
#[derive(Clone)]
pub(crate) struct Bench {
    pub(crate) runtime: TestRuntime,
    pub(crate) world: World,
    pub(crate) host: TestHost,
    pub(crate) store: MemoryStore,
    disk_full: Arc<AtomicBool>,
    loaded: Arc<Mutex<Vec<StoreKey>>>,
    pub(crate) reservations: Arc<AtomicUsize>,
    pub(crate) given_back: Arc<Mutex<Vec<&'static str>>>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let runtime = TestRuntime::new();
        let world = World::new(runtime.clone());
        Self {
            host: TestHost::new(world.clone()),
            runtime,
            world,
            store: MemoryStore::new(),
            disk_full: Arc::default(),
            loaded: Arc::default(),
            reservations: Arc::default(),
            given_back: Arc::default(),
        }
    }

    /// Returns the builder of every session of the bench, without a host.
    pub(crate) fn builder(&self) -> AuthSessionBuilder {
        self.builder_for(SERVER)
    }

    /// Returns the same for any MCP server.
    pub(crate) fn builder_for(&self, server: &str) -> AuthSessionBuilder {
        AuthSession::builder(server)
            .client_name("Session tests")
            .http_client(self.world.clone())
            .runtime(self.runtime.clone())
            .store(SlowStore {
                records: self.store.clone(),
                disk_full: Arc::clone(&self.disk_full),
                loaded: Arc::clone(&self.loaded),
                reservations: Arc::clone(&self.reservations),
                given_back: Arc::clone(&self.given_back),
            })
    }

    /// Opens a session with a user in front of it.
    pub(crate) async fn open(&self) -> AuthSession {
        let session = self.builder().host(self.host.clone()).open().await;
        session.expect("the session opens")
    }

    /// Opens a session whose user has signed in, with this scope besides the base one; the log is empty.
    pub(crate) async fn signed_in(&self, scope: &str) -> AuthSession {
        let session = self.open().await;
        assert_eq!(self.send(&session, "").await, Ok(200));
        if !scope.is_empty() {
            assert_eq!(self.send(&session, scope).await, Ok(200));
        }
        self.world.take();
        session
    }

    /// Sends a request that a caller waits for, as a transport does.
    pub(crate) async fn send(&self, session: &AuthSession, scope: &str) -> Result<u16, Error> {
        self.send_as(session, scope, Trigger::Command).await
    }

    /// Sends a request, as a transport does.
    pub(crate) async fn send_as(
        &self,
        session: &AuthSession,
        scope: &str,
        trigger: Trigger,
    ) -> Result<u16, Error> {
        let operation = Operation {
            method: Some("tools/call".to_owned()),
            tool_name: Some("work".to_owned()),
            ..Operation::default()
        };
        let mut request = session.request(operation, trigger);
        for _ in 0..MOST_TRIES {
            let credential = request.authorize("POST", session.server()).await?;
            let headers = credential.iter().flat_map(|c| c.headers()).collect();
            let (status, headers) = self.world.call(session.server(), scope, headers).await;
            let headers = headers.iter().map(|(name, value)| (*name, value.as_str()));
            match recover(&mut request, status, headers).await {
                Recovery::Retry => {}
                Recovery::PassThrough => return Ok(status),
                Recovery::Failed(error) => return Err(error),
            }
        }
        panic!("the request was sent {MOST_TRIES} times");
    }

    /// Sends a request in a task of its own.
    pub(crate) fn spawn(
        &self,
        session: &AuthSession,
        scope: &str,
    ) -> JoinHandle<Result<u16, Error>> {
        let (bench, session, scope) = (self.clone(), session.clone(), scope.to_owned());
        schedule::spawn(async move { bench.send(&session, &scope).await })
    }

    /// Makes every write fail, or work again.
    pub(crate) fn disk_full(&self, full: bool) {
        self.disk_full.store(full, Ordering::SeqCst);
    }

    /// Returns how often sessions have read a record of the server or identity provider `of`, since the last call.
    pub(crate) fn take_loads(&self, of: &str) -> usize {
        let loaded = std::mem::take(&mut *self.loaded.lock().expect("no panic"));
        loaded.iter().filter(|key| key.server.contains(of)).count()
    }

    pub(crate) fn key(&self) -> StoreKey {
        key(SERVER)
    }

    /// Asserts that no session holds the lease.
    pub(crate) async fn assert_free(&self) {
        let now = self.runtime.now();
        let lease = self
            .store
            .try_lease(&self.key(), now, Duration::from_secs(1));
        let lease = lease.await.expect("a store").expect("the lease is held");
        self.store.release_lease(&self.key(), &lease).await;
    }

    /// Asserts that no refresh token was ever used twice.
    pub(crate) fn assert_no_reuse(&self) {
        assert_eq!(self.world.servers(|s| s.reused), 0, "a token was reused");
    }
}

/// The key of the default profile's record for an MCP server.
pub(crate) fn key(server: &str) -> StoreKey {
    StoreKey {
        profile: "default".to_owned(),
        server: server.to_owned(),
    }
}

/// Returns the results of the tasks.
pub(crate) async fn all(tasks: Vec<JoinHandle<Result<u16, Error>>>) -> Vec<Result<u16, Error>> {
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.expect("no panic"));
    }
    results
}

/// Returns how a request recovers from a response with these header fields.
pub(crate) async fn recover<'a>(
    request: &mut ResourceRequest,
    status: u16,
    headers: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Recovery {
    let mut all = HeaderMap::new();
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        all.append(name, HeaderValue::from_str(value).expect("a value"));
    }
    let status = StatusCode::from_u16(status).expect("a status");
    request.recover(status, &all).await
}
