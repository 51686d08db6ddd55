//! [`AuthSession`]: one client's authorization for one resource.

pub(crate) mod builder;
mod client;
mod complete;
mod connection_state;
mod coordination;
mod drive;
mod events;
mod first_contact;
mod held;
mod idle;
mod idp_renewals;
mod inner;
mod interact;
mod need;
mod outcome;
mod progress;
mod redirected;
mod renewals;
mod request;
mod satisfied;
mod sign_out;
mod user;
mod ways;

use crate::threads::MaybeSend;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

pub use builder::AuthSessionBuilder;
pub use client::possession::RequestCredential;
pub use connection_state::{AuthState, ConnectionState};
pub use held::credential::Authorization;
pub(crate) use idle::IdleStream;
pub use outcome::{HandleOptions, Outcome};
pub use request::{Recovery, ResourceRequest};
pub use satisfied::{FailedCredential, StoredCredential, is_satisfied};

use crate::callback::CallbackParams;
use crate::challenge::{AuthChallenge, Operation, Reason};
use crate::enterprise::{IdpSession, Minted};
use crate::error::Error;
use crate::oauth::metadata::lies_within;
use crate::oauth::revocation::Revocation;
use crate::recovery::Trigger;
use crate::scope::ScopeSet;
use complete::complete;
use drive::Mode;
use first_contact::first_challenge;
use inner::Inner;
use progress::Progress;
use sign_out::sign_out;

/// The longest time for which a transport may send a credential without asking again.
const MAX_FRESH: Duration = Duration::from_secs(1);

/// One client's authorization for one MCP server. Use one per connection; it is cheap, and its clones share everything.
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

/// What all clones share. Dropping the last one closes the session.
struct Handle {
    inner: Arc<Inner>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.inner.user.close();
    }
}

impl AuthSession {
    /// Creates a builder of a session for the MCP server at `server`. The URL is kept exactly as given.
    pub fn builder(server: impl Into<String>) -> AuthSessionBuilder {
        AuthSessionBuilder::new(server.into())
    }

    /// Returns the MCP server's URL.
    #[must_use]
    pub fn server(&self) -> &str {
        self.inner().held.server()
    }

    /// Returns the current credential, or `None` if there is none. Never waits, locks or does I/O.
    #[must_use]
    pub fn authorization(&self) -> Option<Authorization> {
        self.inner().held.current()
    }

    /// Returns the current credential if it can be sent as it is: it needs no proof, and either does not expire soon or
    /// cannot be renewed. Never waits, locks or does I/O. It is a fast path for transports; [`request`](Self::request)
    /// handles every case.
    #[must_use]
    pub fn current_if_fresh(&self) -> Option<Authorization> {
        let current = self.authorization()?;
        let inner = self.inner();
        let ready = !current.needs_proof() && inner.ways.due_means(&current).is_none();
        // A request looks at the store first.
        (ready && !inner.held.is_look_due()).then_some(current)
    }

    /// How long a transport may go on sending the credential that [`current_if_fresh`](Self::current_if_fresh) returned
    /// without asking again: until it is due for renewal or the store must be checked, and at most one second. What
    /// this session does meanwhile (a renewal, a sign-out) ends it early: ask again after every operation and event.
    #[must_use]
    pub fn fresh_for(&self) -> Duration {
        let inner = self.inner();
        let due = self.authorization().and_then(|c| inner.ways.due_in(&c));
        let limits = [due, inner.held.look_due_in()].into_iter().flatten();
        limits.fold(MAX_FRESH, Duration::min)
    }

    /// Waits until the current credential is not `from`. An idle stream that needs the user, and must not prompt, waits
    /// here.
    pub async fn wait_for_change(&self, from: Option<&Authorization>) {
        self.inner().held.changed(from).await;
    }

    /// Whether a request to `url` may carry the credential: it is the server's URL or below it, or a URL of its origin
    /// that the server has redirected a caller to that follows redirects itself.
    #[must_use]
    pub fn applies_to(&self, url: &str) -> bool {
        lies_within(url, self.server()) || self.inner().redirected.contains(url)
    }

    /// Records the target of a redirect, for a caller that follows redirects itself.
    pub(crate) fn note_redirect(&self, target: String) {
        self.inner().redirected.note(target);
    }

    /// Begins one request to the MCP server. The transport keeps it from before the request is sent until its final
    /// response, so that recovery is bounded per request.
    #[must_use]
    pub fn request(&self, operation: Operation, trigger: Trigger) -> ResourceRequest {
        ResourceRequest::new(self.clone(), operation, trigger)
    }

    /// Recovers from a challenge, however it arrived. This is the entry point for hosts. Transports use
    /// [`request`](AuthSession::request), which does the same and keeps state over all tries of a request. A caller
    /// that sends a request again after this, and passes in the next challenge, must set its own limit.
    pub async fn handle_auth_challenge(
        &self,
        challenge: AuthChallenge,
        options: HandleOptions,
    ) -> Outcome {
        let mode = Mode::of(&options);
        self.handle(challenge, options.failed, mode).await
    }

    async fn handle(
        &self,
        mut challenge: AuthChallenge,
        failed: Option<Authorization>,
        mode: Mode,
    ) -> Outcome {
        let inner = self.inner();
        let mut progress = Progress::new(failed.or_else(|| inner.held.current()));
        progress.redact(&mut challenge);
        let conclusion = drive::drive(inner, &mut progress, &challenge, mode).await;
        conclusion.into_outcome(inner.held.server(), challenge)
    }

    /// Whether the stored credential already answers the challenge, without network access or a prompt. An application
    /// calls this first when its window regains focus. `failed` is the rejected credential, if known; only another
    /// credential answers the rejection of a token.
    ///
    /// # Errors
    /// [`Error::Store`] if the store cannot be used.
    pub async fn check_auth_challenge_satisfied(
        &self,
        challenge: &AuthChallenge,
        failed: Option<&Authorization>,
    ) -> Result<bool, Error> {
        let inner = self.inner();
        let before = inner.held.current();
        inner.held.reload().await?;
        let now = inner.held.current();
        let failed = match failed {
            Some(failed) if now.as_ref() == Some(failed) => FailedCredential::Same,
            Some(_) => FailedCredential::Different,
            None if now == before => FailedCredential::Unknown,
            None => FailedCredential::Different,
        };
        let stored = now.as_ref().map(StoredCredential::of);
        Ok(is_satisfied(
            inner.held.now(),
            stored.as_ref(),
            challenge,
            failed,
        ))
    }

    /// Completes an authorization with all callback parameters, in this process or after a restart.
    ///
    /// # Errors
    /// [`Error::StateMismatch`] if no authorization with this `state` is pending, [`Error::IssuerMismatch`] if the
    /// callback is from another issuer than the user was sent to, [`Error::AuthorizationDenied`] if the authorization
    /// was denied, [`Error::ScopeNotGranted`] if fewer scopes were granted than required (the credential is kept), and
    /// those of the token request.
    pub async fn complete_authorization(&self, callback: CallbackParams) -> Result<(), Error> {
        let inner = Arc::clone(self.inner());
        self.to_its_end(async move { complete(&inner, &callback).await?.map_or(Ok(()), Err) })
            .await
    }

    /// Signs in now, without waiting for a request to fail. If there is a credential, renews it, or extends it by the
    /// scopes it lacks. The call counts as the user's consent. A first sign-in sends the server a request without a
    /// credential, to obtain its challenge. If a silent renewal is refused or impossible, the user signs in.
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
        self.inner().start_afresh();
        self.handle(challenge, None, Mode::deliberate(false)).await
    }

    /// Makes the user sign in again, whatever credential is stored (like RFC 9470 with `max_age` 0). The current
    /// credential is kept until they have.
    pub async fn sign_in_again(&self) -> Outcome {
        let mut challenge = AuthChallenge::unauthenticated();
        // A client that acts for itself has no user; it obtains a new token.
        if !self.inner().ways.way.is_machine() {
            challenge.reason = Reason::InsufficientUserAuthentication;
            challenge.max_age = Some(0);
        }
        // A renewal by another process does not count as a sign-in.
        let first = match self.first_challenge().await {
            Ok(first) => first,
            Err(error) => return Outcome::Failed { error },
        };
        challenge.required_scopes = first.required_scopes;
        challenge.resource_metadata = first.resource_metadata;
        challenge.raw = first.raw;
        self.inner().start_afresh();
        self.handle(challenge, None, Mode::deliberate(true)).await
    }

    /// Returns the server's challenge if nothing is recorded about the server yet, else an empty challenge.
    async fn first_challenge(&self) -> Result<AuthChallenge, Error> {
        let inner = self.inner();
        let record = inner.held.reload().await?.record;
        if record.grant.is_some() || record.known.is_some() {
            return Ok(AuthChallenge::unauthenticated());
        }
        Ok(first_challenge(&inner.client).await)
    }

    /// Returns the state of the connection's authorization, from the store alone, without network access.
    ///
    /// # Errors
    /// [`Error::Store`] if the store cannot be used.
    pub async fn connection_state(&self) -> Result<ConnectionState, Error> {
        let inner = self.inner();
        let read = inner.held.reload().await?;
        let now = inner.held.now();
        let mut state = ConnectionState::of(self.server(), &read.record, now);
        if let Some(idp) = &inner.idp {
            let idp = idp.idp();
            state.identity_provider = Some(idp.issuer().to_owned());
            let view = idp.view().await?;
            state.renewable = view.id_token || view.renewable;
        }
        Ok(state)
    }

    /// Returns the session at the organization's identity provider, if this session is enterprise-managed.
    #[must_use]
    pub fn identity_provider(&self) -> Option<IdpSession> {
        let inner = self.inner();
        let idp = inner.idp.as_ref()?.idp();
        let minted: Arc<dyn Minted> = Arc::clone(&inner.client) as _;
        Some(IdpSession::new(Arc::clone(idp), minted))
    }

    /// Returns the credential with everything needed to renew it, to pass it to another process; `None` if there is
    /// none. It contains secrets.
    ///
    /// # Errors
    /// [`Error::Store`] if the store cannot be used.
    pub async fn auth_state(&self) -> Result<Option<AuthState>, Error> {
        let read = self.inner().held.reload().await?;
        Ok(AuthState::of(&read.record))
    }

    /// Adopts a credential from another process. Requests use it at once; the connection stays open.
    ///
    /// # Errors
    /// [`Error::Store`] if the store cannot be used.
    pub async fn set_auth_state(&self, state: AuthState) -> Result<(), Error> {
        let inner = self.inner();
        inner.held.update(|record| state.apply(record)).await?;
        self.inner().start_afresh();
        Ok(())
    }

    /// Signs out: revokes the tokens if the server has a revocation endpoint (RFC 7009), and deletes the record even if
    /// revocation fails. Returns what happened to the tokens. Deletes a record that cannot be read too, without
    /// revoking its tokens.
    ///
    /// # Errors
    /// [`Error::Store`] if the store could not be read or the record not deleted. The record and its tokens may then
    /// still be there, but this session no longer uses the credential.
    pub async fn sign_out(&self) -> Result<Revocation, Error> {
        let inner = Arc::clone(self.inner());
        self.to_its_end(async move { sign_out(&inner).await }).await
    }

    /// Waits until no token is on its way from a server to the store: a new refresh token that never reaches the store
    /// is lost. Call it before the program exits, with a limit of about 25 s, longer than a call to a server usually
    /// takes.
    pub async fn settle(&self) {
        self.inner().held.settle().await;
    }

    /// Closes all pages and questions of this session and its clones. Anything that needs the user afterwards fails
    /// with [`Error::Cancelled`]. Dropping the last clone does the same.
    pub fn close(&self) {
        self.inner().user.close();
    }

    /// Runs `work` as a task, so that a caller that stops waiting does not leave it half-done.
    async fn to_its_end<T: MaybeSend + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + MaybeSend + 'static,
    ) -> Result<T, Error> {
        let (sender, ended) = oneshot::channel();
        self.inner().held.runtime.spawn(Box::pin(async move {
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
            .field("server", &self.server())
            .field("profile", &self.inner().held.key.profile)
            .field("authorization", &self.authorization())
            .finish_non_exhaustive()
    }
}
