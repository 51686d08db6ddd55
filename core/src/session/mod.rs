//! [`AuthSession`]: everything about one client's authorization for one resource.

pub(crate) mod builder;
mod client;
mod complete;
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
mod state;
mod user;
mod ways;

use crate::threads::MaybeSend;
use std::sync::Arc;

use tokio::sync::oneshot;

pub use builder::AuthSessionBuilder;
pub use client::possession::RequestCredential;
pub use held::credential::Authorization;
pub(crate) use idle::IdleStream;
pub use outcome::{HandleOptions, Outcome};
pub use request::{Recovery, ResourceRequest};
pub use satisfied::{FailedCredential, StoredCredential, is_satisfied};
pub use state::{AuthState, ConnectionState};

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

/// What all clones share. When the last one is dropped, the user is not shown anything any more.
struct Handle {
    inner: Arc<Inner>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.inner.user.close();
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
        self.inner().held.server()
    }

    /// The current credential. Never waits, locks or does I/O; `None` when there is none.
    #[must_use]
    pub fn authorization(&self) -> Option<Authorization> {
        self.inner().held.current()
    }

    /// The current credential, if it can be sent as it is: it is not about to expire, or cannot be renewed anyway, and
    /// needs no proof. Never waits, locks or does I/O. For transports that count every microsecond; whatever it says,
    /// [`request`](Self::request) has an answer.
    #[must_use]
    pub fn current_if_fresh(&self) -> Option<Authorization> {
        let current = self.authorization()?;
        let inner = self.inner();
        let ready = !current.needs_proof() && inner.ways.due_means(&current).is_none();
        // A request looks at the store first.
        (ready && !inner.held.is_look_due()).then_some(current)
    }

    /// Waits until the current credential is another than `from`: what an idle stream does that needs a person
    /// and must not bother one.
    pub async fn wait_for_change(&self, from: Option<&Authorization>) {
        self.inner().held.changed(from).await;
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

    /// Finishes an authorization with the whole callback, in this process or after a restart.
    ///
    /// # Errors
    /// [`Error::StateMismatch`] when no authorization with this `state` is under way,
    /// [`Error::IssuerMismatch`] when the answer is not from the issuer the person was sent to,
    /// [`Error::AuthorizationDenied`] when it is a no, [`Error::ScopeNotGranted`] when it grants less than was
    /// required (it is kept all the same), and those of the token request.
    pub async fn complete_authorization(&self, callback: CallbackParams) -> Result<(), Error> {
        let inner = Arc::clone(self.inner());
        self.to_its_end(async move { complete(&inner, &callback).await?.map_or(Ok(()), Err) })
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
        self.inner().start_afresh();
        self.handle(challenge, None, Mode::deliberate(false)).await
    }

    /// Has the person sign in again, whatever there is (as RFC 9470 would with `max_age` 0). Until they have,
    /// the credential there is stays.
    pub async fn sign_in_again(&self) -> Outcome {
        let mut challenge = AuthChallenge::unauthenticated();
        // A client that acts for itself has no user to sign in: it gets a new token.
        if !self.inner().ways.way.is_machine() {
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
        self.inner().start_afresh();
        self.handle(challenge, None, Mode::deliberate(true)).await
    }

    /// What the server asks for, if nothing is known of it yet; else nothing.
    async fn first_challenge(&self) -> Result<AuthChallenge, Error> {
        let inner = self.inner();
        let record = inner.held.reload().await?.record;
        if record.grant.is_some() || record.known.is_some() {
            return Ok(AuthChallenge::unauthenticated());
        }
        Ok(first_challenge(&inner.client).await)
    }

    /// What is known of the connection's authorization. From the store alone, no network.
    ///
    /// # Errors
    /// [`Error::Store`].
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

    /// The session at the organization's identity provider, if this one is enterprise-managed.
    #[must_use]
    pub fn identity_provider(&self) -> Option<IdpSession> {
        let inner = self.inner();
        let idp = inner.idp.as_ref()?.idp();
        let minted: Arc<dyn Minted> = Arc::clone(&inner.client) as _;
        Some(IdpSession::new(Arc::clone(idp), minted))
    }

    /// The credential with all that is needed to renew it, for handing it to another process. It holds
    /// secrets. `None` when there is none.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn auth_state(&self) -> Result<Option<AuthState>, Error> {
        let read = self.inner().held.reload().await?;
        Ok(AuthState::of(&read.record))
    }

    /// Takes over a credential from another process. Requests use it at once; the connection stays.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn set_auth_state(&self, state: AuthState) -> Result<(), Error> {
        let inner = self.inner();
        inner.held.update(|record| state.apply(record)).await?;
        self.inner().start_afresh();
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
        self.to_its_end(async move { sign_out(&inner).await }).await
    }

    /// Waits until no token is under way from a server to the store. A program that is told to end waits for
    /// this, for as long as a call to a server may take (25 s): a rotated refresh token that never reaches the store is lost.
    pub async fn settle(&self) {
        self.inner().held.settle().await;
    }

    /// Ends what people are asked and shown for this session, for all its clones; what is asked for afterwards that needs
    /// a person ends with [`Error::Cancelled`]. It does so by itself when the last clone is dropped.
    pub fn close(&self) {
        self.inner().user.close();
    }

    /// Runs `work` on its own: a caller that stops waiting for it does not leave it half-done.
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
