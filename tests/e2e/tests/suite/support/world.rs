//! The environment of a test.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mcp_reauth::{AuthSession, AuthSessionBuilder, ScopeSet};
use mcp_reauth_fixture::{Config, Control, Counters, Faults};

use super::server::Servers;
use super::{Client, Clock, Failure, User, Wire, canary, connect_to, log};

/// Servers, a user, and one session. When it ends, it checks that no secret has leaked: see [`canary`].
pub(crate) struct World {
    servers: Servers,
    sessions: Mutex<Vec<AuthSession>>,
    judged: bool,
    pub(crate) user: Arc<User>,
    pub(crate) clock: Clock,
    pub(crate) session: AuthSession,
}

impl World {
    /// Well-behaved servers.
    pub(crate) async fn new() -> Self {
        Self::with(Config::default()).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        Self::with_session(config, |builder| builder).await
    }

    pub(crate) async fn with_session(
        config: Config,
        set_up: impl FnOnce(AuthSessionBuilder) -> AuthSessionBuilder,
    ) -> Self {
        Self::staged(config, |builder, _| set_up(builder)).await
    }

    /// As [`with_session`](Self::with_session); `set_up` also receives the servers' addresses.
    pub(crate) async fn staged(
        config: Config,
        set_up: impl FnOnce(AuthSessionBuilder, &Servers) -> AuthSessionBuilder,
    ) -> Self {
        log::capture();
        let servers = Servers::start(config).await;
        let user = Arc::new(User::default());
        let clock = Clock::default();
        let builder = set_up(builder(&servers.mcp_url, &clock, &user), &servers);
        let session = builder.open().await.expect("the session opens");
        Self {
            servers,
            sessions: Mutex::new(vec![session.clone()]),
            judged: false,
            user,
            clock,
            session,
        }
    }

    /// Opens another session of the same user, for the server at this address.
    pub(crate) async fn another_session(
        &self,
        url: &str,
        set_up: impl FnOnce(AuthSessionBuilder) -> AuthSessionBuilder,
    ) -> AuthSession {
        let builder = builder(url, &self.clock, &self.user);
        let session = set_up(builder).open().await.expect("the session opens");
        self.sessions().push(session.clone());
        session
    }

    /// Asserts that no session can be opened for the server at this address.
    pub(crate) async fn cannot_open(&self, url: &str) -> Failure {
        let opened = builder(url, &self.clock, &self.user).open().await;
        Failure::told(&opened.expect_err("it does not open"))
    }

    fn sessions(&self) -> MutexGuard<'_, Vec<AuthSession>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All leaked secrets, at the end of a test.
    fn leaks(&self) -> Vec<String> {
        for session in &*self.sessions() {
            let authorization = session.authorization();
            log::note(&format!("{session:?} {session:#?} {authorization:?}"));
        }
        canary::leaks(self.control())
    }

    /// Ends a test that leaks on purpose, and returns what leaked.
    pub(crate) fn into_leaks(mut self) -> Vec<String> {
        self.judged = true;
        self.leaks()
    }

    /// A client that is signed in and connected, with all counters reset.
    pub(crate) async fn connected(&self, wire: Wire) -> Client {
        let client = self.connect(wire).await;
        self.at_rest(wire).await;
        // The servers have one thread: once this call is answered, so is everything before it.
        self.works(&client).await;
        self.reset();
        client
    }

    /// Waits until the requests that a connection makes by itself are done.
    pub(crate) async fn at_rest(&self, wire: Wire) {
        if wire == Wire::Sessions {
            self.control().counters_when(|c| c.mcp_get >= 1).await;
        }
    }

    pub(crate) async fn connect(&self, wire: Wire) -> Client {
        self.try_connect(wire).await.expect("it connects")
    }

    pub(crate) async fn try_connect(&self, wire: Wire) -> Result<Client, Failure> {
        connect_to(&self.session, wire).await
    }

    /// Asserts that connecting fails with this code.
    pub(crate) async fn refuses(&self, wire: Wire, code: &str) -> Failure {
        let failure = self
            .try_connect(wire)
            .await
            .err()
            .expect("it does not connect");
        assert_eq!(failure.code, code, "{failure:?}");
        failure
    }

    pub(crate) fn control(&self) -> &Control {
        &self.servers.control
    }

    pub(crate) fn counters(&self) -> Counters {
        self.control().counters()
    }

    pub(crate) fn url(&self) -> &str {
        &self.servers.mcp_url
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.servers.issuer
    }

    /// The issuer of the identity provider.
    pub(crate) fn idp_issuer(&self) -> &str {
        let issuer = self.servers.idp_issuer.as_deref();
        issuer.expect("there is an identity provider")
    }

    pub(crate) fn second_issuer(&self) -> &str {
        &self.servers.second_issuer
    }

    pub(crate) fn fault(&self, faults: Faults) {
        self.control().set_faults(faults);
    }

    pub(crate) fn mend(&self) {
        self.fault(Faults::default());
    }

    /// Resets all counters.
    pub(crate) fn reset(&self) {
        self.control().reset_counters();
        self.user.reset();
    }

    pub(crate) fn prompts(&self) -> (u64, u64) {
        self.user.prompts()
    }

    /// The scopes of the current credential.
    pub(crate) fn granted(&self) -> ScopeSet {
        let authorization = self.session.authorization().expect("there is a credential");
        authorization.scopes().clone()
    }

    /// Asserts that a call succeeds.
    pub(crate) async fn works(&self, client: &Client) {
        client.succeeds("echo").await;
    }
}

fn builder(url: &str, clock: &Clock, user: &Arc<User>) -> AuthSessionBuilder {
    AuthSession::builder(url)
        .client_name("e2e")
        .runtime(clock.clone())
        .host(Arc::clone(user))
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() || self.judged {
            return;
        }
        let leaks = self.leaks();
        assert!(leaks.is_empty(), "secrets got astray: {leaks:#?}");
    }
}
