//! [`AuthSession`]: everything about one client's authorization for one resource.

pub(crate) mod builder;
mod credential;
mod declined;
mod drive;
mod enterprise;
mod first_contact;
mod flight;
mod hold;
mod idle;
mod interaction;
mod own_token;
mod possession;
mod progress;
mod redirected;
mod rejection;
mod renewal;
mod request;
mod satisfied;
mod scheme;
mod sign_in;
mod state;
mod tokens;
mod users_turn;
mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::oneshot;

pub use builder::AuthSessionBuilder;
pub use credential::Authorization;
pub use drive::{HandleOptions, Outcome};
pub(crate) use idle::IdleStream;
pub use possession::RequestCredential;
pub use request::{Recovery, ResourceRequest};
pub use satisfied::{FailedCredential, StoredCredential, is_satisfied};
pub use state::{AuthState, ConnectionState};

use crate::callback::CallbackParams;
use crate::challenge::{AuthChallenge, Operation, Reason};
use crate::enterprise::{Idp, IdpEnd, IdpSession, Minted};
use crate::error::Error;
use crate::grant::Grant;
use crate::host::{AuthHost, Event, Listener, WorkloadIdentity};
use crate::http::Limited;
use crate::limits::{CALL_TIMEOUT, REVOCATION_LIMIT};
use crate::oauth::metadata::lies_within;
use crate::oauth::registration::ClientIdentity;
use crate::oauth::revocation::Revocation;
use crate::oauth::token;
use crate::recovery::{IssuerCheck, Means, Trigger};
use crate::runtime::{Runtime, timeout, unix_seconds};
use crate::scope::ScopeSet;
use crate::secret::Secret;
use crate::settings::Settings;
use crate::signal::Signal;
use crate::store::record::{self, Record, Versioned};
use crate::store::{Deleted, StoreKey, TokenStore};
use credential::Current;
use drive::Manner;
use flight::Flight;
use hold::Hold;
use interaction::Interactions;
use possession::Possession;
use progress::Progress;
use redirected::Redirected;
use rejection::RejectedSignIn;
use renewal::Renewal;
use watch::Watch;

/// One client's authorization for one MCP server. Clones share it; it is cheap, one per connection.
///
/// ```no_run
/// # use mcp_reauth::{AuthSession, AuthHost, Error};
/// # async fn run(host: impl AuthHost) -> Result<(), Error> {
/// let session = AuthSession::builder("https://mcp.example.com/mcp")
///     .client_name("Example client")
///     .host(host)
///     .open()
///     .await?;
/// if let Some(authorization) = session.authorization() {
///     // send authorization.header_value() with the request
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct AuthSession {
    handle: Arc<Handle>,
}

/// How a sign-in is run that the application asks for: its asking is the user's consent.
fn on_purpose(register_again: bool) -> Manner {
    Manner {
        confirmed: true,
        deliberate: true,
        register_again,
        ..Manner::of(&HandleOptions::default())
    }
}

/// What all clones share. When the last is gone, there is no user left to be shown anything.
struct Handle {
    inner: Arc<Inner>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.inner.close();
    }
}

/// The session as its tasks see it.
pub(crate) struct Inner {
    server: String,
    key: StoreKey,
    settings: Settings,
    grant_type: GrantType,
    identity: ClientIdentity,
    workload: Option<Arc<dyn WorkloadIdentity>>,
    idp: Option<Arc<Idp>>,
    possession: Possession,
    host: Option<Arc<dyn AuthHost>>,
    listener: Option<Listener>,
    store: Arc<dyn TokenStore>,
    http: Limited,
    runtime: Arc<dyn Runtime>,
    current: Current,
    watch: Watch,
    renewal: Flight<Renewal>,
    idp_renewal: Flight<Result<IdpEnd, Error>>,
    issuer_check: Flight<IssuerCheck>,
    interactions: Interactions,
    hold: Hold,
    rejected: RejectedSignIn,
    redirected: Redirected,
    /// The same of the session at the identity provider, by its ID token.
    idp_hold: Hold<String>,
    /// The application no longer holds the session, or wants nothing more of it.
    closed: AtomicBool,
    /// How many tokens are under way between a server and the store.
    unsettled: AtomicUsize,
    /// Tells of `closed`, and when nothing is under way any more.
    ended: Signal,
}

/// Held from before a token is asked for until it is stored.
pub(crate) struct Unsettled(Arc<Inner>);

impl Drop for Unsettled {
    fn drop(&mut self) {
        if self.0.unsettled.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.ended.tell();
        }
    }
}

/// How credentials are obtained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GrantType {
    /// A person authorizes.
    AuthorizationCode,
    /// The client's own credential (RFC 6749 section 4.4).
    ClientCredentials,
    /// An assertion of the workload's platform (RFC 7523).
    WorkloadIdentity,
    /// A person signs in at their organization's identity provider.
    Enterprise,
}

impl GrantType {
    /// No person is involved, ever.
    pub(crate) fn is_machine(self) -> bool {
        matches!(self, Self::ClientCredentials | Self::WorkloadIdentity)
    }
}

impl AuthSession {
    /// Starts a session for the MCP server at `server`. The address is kept exactly as given.
    pub fn builder(server: impl Into<String>) -> AuthSessionBuilder {
        AuthSessionBuilder::new(server.into())
    }

    /// The MCP server's address.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.inner().server
    }

    /// The current credential. Never waits, locks or does I/O; `None` when there is none.
    #[must_use]
    pub fn authorization(&self) -> Option<Authorization> {
        self.inner().current.get()
    }

    /// The current credential, if it can be sent as it is: it is not about to expire, or cannot be renewed anyway, and
    /// needs no proof. Never waits, locks or does I/O. For transports that count every microsecond; whatever it says,
    /// [`request`](Self::request) has an answer.
    #[must_use]
    pub fn current_if_fresh(&self) -> Option<Authorization> {
        let current = self.authorization()?;
        let inner = self.inner();
        let ready = !current.needs_proof() && inner.due_means(&current).is_none();
        // A request looks at the store first.
        (ready && !inner.is_look_due()).then_some(current)
    }

    /// Waits until the current credential is another than `from`: what an idle stream does that needs a person
    /// and must not bother one.
    pub async fn wait_for_change(&self, from: Option<&Authorization>) {
        self.inner().changed(from).await;
    }

    /// Whether a request to `url` may carry the credential: it goes to the server's address or below it, or to where the
    /// server has redirected a caller that follows redirects itself, within its origin; nowhere else.
    #[must_use]
    pub fn applies_to(&self, url: &str) -> bool {
        lies_within(url, self.server()) || self.inner().redirected.contains(url)
    }

    /// The server sends a caller there that follows redirects itself.
    pub(crate) fn note_redirect(&self, target: String) {
        self.inner().redirected.note(target);
    }

    /// Begins one request to the MCP server: what a transport holds from before the request is sent until it
    /// is answered for good, so that recovery is bounded per request.
    #[must_use]
    pub fn request(&self, operation: Operation, trigger: Trigger) -> ResourceRequest {
        ResourceRequest::new(self.clone(), operation, trigger)
    }

    /// Recovers from a challenge, whatever way it arrived. The one entry point for hosts; transports use
    /// [`request`](AuthSession::request), which comes down to the same and remembers over all tries of a request:
    /// a caller that sends a request again after this, and hands in what it is answered, has to set a limit itself.
    pub async fn handle_auth_challenge(
        &self,
        challenge: AuthChallenge,
        options: HandleOptions,
    ) -> Outcome {
        let how = Manner::of(&options);
        self.handle(challenge, options.failed, how).await
    }

    async fn handle(
        &self,
        mut challenge: AuthChallenge,
        failed: Option<Authorization>,
        how: Manner,
    ) -> Outcome {
        let inner = self.inner();
        let mut progress = Progress::new(failed.or_else(|| inner.current.get()));
        progress.redact(&mut challenge);
        let conclusion = drive::drive(inner, &mut progress, &challenge, how).await;
        conclusion.into_outcome(inner, challenge)
    }

    /// Whether what the store holds answers the challenge already: no network, no prompt. A window that comes
    /// back to the front asks this first. `failed` is the credential that was rejected, if that is known; a
    /// rejected token is only answered by another.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn check_auth_challenge_satisfied(
        &self,
        challenge: &AuthChallenge,
        failed: Option<&Authorization>,
    ) -> Result<bool, Error> {
        let inner = self.inner();
        let before = inner.current.get();
        inner.reload().await?;
        let now = inner.current.get();
        let failed = match failed {
            Some(failed) if now.as_ref() == Some(failed) => FailedCredential::Same,
            Some(_) => FailedCredential::Different,
            None if now == before => FailedCredential::Unknown,
            None => FailedCredential::Different,
        };
        let stored = now.as_ref().map(StoredCredential::of);
        Ok(is_satisfied(
            inner.now(),
            stored.as_ref(),
            challenge,
            failed,
        ))
    }

    /// Finishes an authorization with the whole callback, in this process or after a restart.
    ///
    /// # Errors
    /// [`Error::StateMismatch`] when no authorization with this `state` is under way,
    /// [`Error::IssuerMismatch`] when the answer is not from the issuer the person was sent to,
    /// [`Error::AuthorizationDenied`] when it is a no, [`Error::ScopeNotGranted`] when it grants less than was
    /// required (it is kept all the same), and those of the token request.
    pub async fn complete_authorization(&self, callback: CallbackParams) -> Result<(), Error> {
        let inner = Arc::clone(self.inner());
        self.to_its_end(async move { inner.complete(&callback).await?.map_or(Ok(()), Err) })
            .await
    }

    /// Signs in now, without waiting for a request to fail; where there is a credential already, renews it, or has it
    /// extended by the scopes it lacks. The caller's asking is the user's consent. A first sign-in asks the server for
    /// its challenge first, by a request without a credential. Where a renewal is refused or cannot be made now, the
    /// user signs in.
    pub async fn sign_in(&self, scopes: ScopeSet) -> Outcome {
        let mut challenge = match self.first_challenge().await {
            Ok(challenge) => challenge,
            Err(error) => return Outcome::Failed { error },
        };
        if self
            .authorization()
            .is_some_and(|a| !a.scopes().covers(&scopes))
        {
            challenge.reason = Reason::InsufficientScope;
        }
        challenge.required_scopes = challenge.required_scopes.union(&scopes);
        self.start_afresh();
        self.handle(challenge, None, on_purpose(false)).await
    }

    /// Has the person sign in again, whatever there is (as RFC 9470 would with `max_age` 0). Until they have,
    /// the credential there is stays.
    pub async fn sign_in_again(&self) -> Outcome {
        let mut challenge = AuthChallenge::unauthenticated();
        // A client that acts for itself has no user to sign in: it gets a new token.
        if !self.inner().grant_type.is_machine() {
            challenge.reason = Reason::InsufficientUserAuthentication;
            challenge.max_age = Some(0);
        }
        // What another process has renewed meanwhile is no sign-in.
        let first = match self.first_challenge().await {
            Ok(first) => first,
            Err(error) => return Outcome::Failed { error },
        };
        challenge.required_scopes = first.required_scopes;
        challenge.resource_metadata = first.resource_metadata;
        challenge.raw = first.raw;
        self.start_afresh();
        self.handle(challenge, None, on_purpose(true)).await
    }

    /// What the server asks for, if nothing is known of it yet; else nothing.
    async fn first_challenge(&self) -> Result<AuthChallenge, Error> {
        let inner = self.inner();
        let record = inner.reload().await?.record;
        if record.grant.is_some() || record.known.is_some() {
            return Ok(AuthChallenge::unauthenticated());
        }
        Ok(inner.first_challenge().await)
    }

    /// The application asks for a sign-in: what failed before is no reason to refuse it.
    fn start_afresh(&self) {
        self.inner().hold.release();
        self.inner().rejected.forget();
    }

    /// What is known of the connection's authorization. From the store alone, no network.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn connection_state(&self) -> Result<ConnectionState, Error> {
        let inner = self.inner();
        let read = inner.reload().await?;
        let mut state = ConnectionState::of(self.server(), &read.record, inner.now());
        if let Some(idp) = &inner.idp {
            let issuer = idp.issuer().to_owned();
            state.identity_provider = Some(issuer);
            let idp = idp.view().await?;
            state.renewable = idp.id_token || idp.renewable;
        }
        Ok(state)
    }

    /// The session at the organization's identity provider, if this one is enterprise-managed.
    #[must_use]
    pub fn identity_provider(&self) -> Option<IdpSession> {
        let inner = self.inner();
        let idp = inner.idp.as_ref()?;
        let of: Arc<dyn Minted> = Arc::clone(inner) as _;
        Some(IdpSession::new(Arc::clone(idp), of))
    }

    /// The credential with all that is needed to renew it, for handing it to another process. It holds
    /// secrets. `None` when there is none.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn auth_state(&self) -> Result<Option<AuthState>, Error> {
        let read = self.inner().reload().await?;
        Ok(AuthState::of(&read.record))
    }

    /// Takes over a credential from another process. Requests use it at once; the connection stays.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn set_auth_state(&self, state: AuthState) -> Result<(), Error> {
        let inner = self.inner();
        inner.update(|record| state.apply(record)).await?;
        self.start_afresh();
        Ok(())
    }

    /// Signs out: revokes the tokens where the server has a revocation endpoint (RFC 7009), and clears the
    /// store, also when revoking failed; what became of it is told. A record that cannot be read is cleared too,
    /// its tokens as they are.
    ///
    /// # Errors
    /// [`Error::Store`] when the store could not be read or cleared: it was left as it is, and so may the tokens
    /// be. This session has forgotten the credential all the same.
    pub async fn sign_out(&self) -> Result<Revocation, Error> {
        let inner = Arc::clone(self.inner());
        self.to_its_end(async move { inner.sign_out().await }).await
    }

    /// Waits until no token is under way from a server to the store. A program that is told to end waits for
    /// this, for as long as a call to a server may take (25 s): a rotated refresh token that never reaches the store is lost.
    pub async fn settle(&self) {
        let inner = self.inner();
        let settled = || inner.unsettled.load(Ordering::SeqCst) == 0;
        inner.ended.until(settled).await;
    }

    /// Ends what people are asked and shown for this session, for all its clones; what is asked for afterwards that needs
    /// a person ends with [`Error::Cancelled`]. It does so by itself when the last clone is dropped.
    pub fn close(&self) {
        self.inner().close();
    }

    /// Runs `work` on its own: a caller that stops waiting for it does not leave it half-done.
    async fn to_its_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let (sender, ended) = oneshot::channel();
        self.inner().runtime.spawn(Box::pin(async move {
            // The caller may have stopped waiting.
            let _ = sender.send(work.await);
        }));
        let cancelled = Error::Cancelled {
            what: "The operation",
        };
        ended.await.unwrap_or(Err(cancelled))
    }

    fn inner(&self) -> &Arc<Inner> {
        &self.handle.inner
    }
}

impl std::fmt::Debug for AuthSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthSession")
            .field("server", &self.inner().server)
            .field("profile", &self.inner().key.profile)
            .field("authorization", &self.authorization())
            .finish_non_exhaustive()
    }
}

impl Inner {
    /// Seconds since 1970.
    fn now(&self) -> u64 {
        unix_seconds(self.runtime.now())
    }

    /// What a credential can be renewed by, if it is about to expire.
    fn due_means(&self, current: &Authorization) -> Option<Means> {
        let ahead = self.settings.policy.refresh_ahead.as_secs();
        let due = current.is_due(self.now(), ahead);
        due.then(|| self.renewal_means(current)).flatten()
    }

    fn unsettled(self: &Arc<Self>) -> Unsettled {
        self.unsettled.fetch_add(1, Ordering::SeqCst);
        Unsettled(Arc::clone(self))
    }

    /// The user is not to be shown anything any more.
    fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.ended.tell();
    }

    fn event(&self, event: Event) {
        tracing::debug!(server = %self.server, event = %event, "authorization");
        if let Some(listener) = &self.listener {
            listener(&event);
        }
        if let Some(host) = &self.host {
            host.event(event);
        }
    }

    /// Reads the record and takes over what it says.
    pub(crate) async fn reload(&self) -> Result<Versioned, Error> {
        let since = self.current.version();
        let read = record::read(&*self.store, &self.key).await?;
        self.current.publish(&read, since);
        Ok(read)
    }

    /// Changes the record and takes over the result.
    async fn update(&self, change: impl FnMut(&mut Record) -> bool) -> Result<Versioned, Error> {
        self.update_known(None, change).await
    }

    /// As [`update`](Self::update), of a record that was read just before and is going to be written.
    async fn update_known(
        &self,
        known: Option<Versioned>,
        mut change: impl FnMut(&mut Record) -> bool,
    ) -> Result<Versioned, Error> {
        let since = self.current.version();
        let unstored = self.current.unstored();
        let with_unstored = |record: &mut Record| {
            let restored = unstored
                .as_ref()
                .is_some_and(|unstored| unstored.put_into(record));
            change(record) || restored
        };
        let read = record::update(&*self.store, &self.key, known, with_unstored).await?;
        self.current.publish(&read, since);
        Ok(read)
    }

    async fn workload_assertion(&self, audience: &str) -> Result<Secret, Error> {
        let workload = self.workload.as_ref();
        let workload = workload.ok_or_else(|| Error::config("there is no workload identity"))?;
        let assertion = workload.assertion(audience);
        let assertion = timeout(&*self.runtime, CALL_TIMEOUT, assertion).await;
        assertion.unwrap_or_else(|| {
            Err(Error::Timeout {
                what: "The workload's platform".to_owned(),
                seconds: CALL_TIMEOUT.as_secs(),
            })
        })
    }

    async fn sign_out(&self) -> Result<Revocation, Error> {
        self.current.clear();
        let stored = self.store.load(&self.key).await?;
        // What cannot be read cannot be revoked, but it can be cleared.
        let record = stored.as_ref().map(record::decode::<Record>).transpose();
        let record = record.map(Option::unwrap_or_default);
        let revocation = match record.as_ref().map(|record| record.grant.as_ref()) {
            Err(error) => {
                tracing::warn!(%error, "the tokens could not be revoked");
                Revocation::Failed
            }
            Ok(None) => Revocation::Nothing,
            Ok(Some(grant)) => {
                let revoked = timeout(&*self.runtime, REVOCATION_LIMIT, self.revoke(grant));
                revoked.await.unwrap_or(Revocation::Failed)
            }
        };
        self.clear(stored.map(|stored| stored.version)).await?;
        self.current.clear();
        self.hold.release();
        self.rejected.forget();
        self.event(Event::SignedOut);
        Ok(revocation)
    }

    async fn clear(&self, mut version: Option<u64>) -> Result<(), Error> {
        while let Some(read) = version {
            match self.store.delete(&self.key, read).await? {
                Deleted::Done => return Ok(()),
                // Another session renewed meanwhile: what it wrote goes too.
                Deleted::Conflict => version = self.store.load(&self.key).await?.map(|s| s.version),
            }
        }
        Ok(())
    }

    async fn revoke(&self, grant: &Grant) -> Revocation {
        let (Some(endpoint), Some(client)) = (&grant.by.revocation_endpoint, self.client_of(grant))
        else {
            return Revocation::NotOffered;
        };
        let refresh = grant.refresh_token.as_ref().map(|t| (t, "refresh_token"));
        let access = (&grant.access_token, "access_token");
        let mut revocation = Revocation::Done;
        let client = self.client_at(&grant.by.issuer, &client, None);
        for (secret, hint) in refresh.into_iter().chain([access]) {
            if let Err(error) = token::revoke(&client, endpoint, secret, hint).await {
                tracing::warn!(issuer = %grant.by.issuer, %error, "a token could not be revoked");
                revocation = Revocation::Failed;
            }
        }
        revocation
    }
}
