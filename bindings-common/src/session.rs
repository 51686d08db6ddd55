//! A session, and the session at an organization's identity provider behind it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mcp_reauth::enterprise::SignIn;
use mcp_reauth::runtime::{TokioRuntime, timeout};
use mcp_reauth::{
    AuthChallenge, AuthSession, AuthState, Authorization, CallbackParams, Error, HandleOptions,
    IdpSession, ScopeSet, Secret, Trigger,
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::answer::{self, DEFECT, PendingAnswer, answer, catch_panic, read, run_cancellable};
use crate::bridge::Bridge;
use crate::cancel::Cancel;
use crate::exchange::{Exchange, OutgoingRequest};
use crate::options::Options;
use crate::request::Request;
use crate::store::{Leases, Store};

/// How long closing waits for pending tokens: longer than a call to a server may take.
const SETTLE_LIMIT: Duration = Duration::from_secs(25);

/// A session, until it is closed.
pub struct Session {
    open: Mutex<Option<AuthSession>>,
    /// Cancels every pending operation of the session.
    end: Cancel,
}

/// Whether a credential can be sent unchanged.
pub enum Ready {
    /// No credential can.
    No,
    /// The known credential can.
    Same,
    /// This other credential can.
    Changed(Authorization),
}

/// The options of a call to `handle_auth_challenge`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Handling {
    confirmed_step_up: bool,
    trigger: Trigger,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Adopted {
    id_token: Secret,
    refresh_token: Option<Secret>,
}

impl Session {
    /// Opens a session with options in JSON. `id` identifies its parts in calls to the application. `store` replaces a
    /// store of the application's; `leases` are for an application's store without leases.
    ///
    /// # Errors
    /// An answer that says why it cannot be opened.
    pub fn open(
        options: String,
        bridge: &Bridge,
        id: u32,
        store: Option<Store>,
        leases: Option<Leases>,
    ) -> impl Future<Output = Result<Self, String>> + Send + use<> {
        let (options, caller) = (Zeroizing::new(options), bridge.caller(id));
        let store = store.map(|store| store.shared());
        let opening = catch_panic(async move {
            let options: Options = read("the options", &options)?;
            let builder = options.builder(caller, store, leases.as_ref())?;
            builder.open().await
        });
        async {
            match opening.await {
                Some(Ok(session)) => Ok(Self {
                    open: Mutex::new(Some(session)),
                    end: Cancel::new(),
                }),
                Some(Err(error)) => Err(answer(&Err::<(), _>(error))),
                None => Err(DEFECT.to_owned()),
            }
        }
    }

    /// The current credential.
    #[must_use]
    pub fn authorization(&self) -> Option<Authorization> {
        self.lock().as_ref()?.authorization()
    }

    /// Returns the current credential if it can be sent unchanged.
    #[must_use]
    pub fn current_if_fresh(&self, known: Option<&Authorization>) -> Ready {
        match self.lock().as_ref().and_then(AuthSession::current_if_fresh) {
            None => Ready::No,
            Some(current) if known == Some(&current) => Ready::Same,
            Some(current) => Ready::Changed(current),
        }
    }

    /// How long the credential of [`current_if_fresh`](Self::current_if_fresh) may be sent without asking again, in
    /// milliseconds. An operation or an event of this session ends it early.
    #[must_use]
    pub fn fresh_for(&self) -> u32 {
        let fresh = self.lock().as_ref().map(AuthSession::fresh_for);
        fresh.map_or(0, |fresh| fresh.as_millis().try_into().unwrap_or(0))
    }

    /// Whether a request to `url` may carry the credential.
    #[must_use]
    pub fn applies_to(&self, url: &str) -> bool {
        self.lock()
            .as_ref()
            .is_some_and(|session| session.applies_to(url))
    }

    /// Whether the session is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.lock().is_none()
    }

    /// Begins a request for the application's own transport; `operation` is JSON. Returns `None` if the session is
    /// closed.
    #[must_use]
    pub fn request(&self, trigger: Trigger, operation: Option<&str>) -> Option<Request> {
        let session = self.lock();
        let (session, end) = (session.as_ref()?, self.end.handle());
        Some(Request::new(session, trigger, operation, end))
    }

    /// Begins the exchange of an MCP request. Returns `None` if the session is closed.
    #[must_use]
    pub fn exchange(&self, sent: OutgoingRequest) -> Option<Exchange> {
        let session = self.lock();
        let exchange = Exchange::new(session.as_ref()?, sent, self.end.handle());
        Some(exchange)
    }

    /// Recovers from a challenge, and resolves to the outcome. `failed` is the rejected credential.
    pub fn handle_auth_challenge(
        &self,
        challenge: String,
        options: String,
        failed: Option<Authorization>,
        cancel: Option<&Cancel>,
    ) -> PendingAnswer {
        self.run(cancel, async move |session| {
            let challenge: AuthChallenge = read("the challenge", &challenge)?;
            let handling: Handling = read("the options", &options)?;
            let options = HandleOptions {
                confirmed_step_up: handling.confirmed_step_up,
                trigger: handling.trigger,
                failed,
            };
            let outcome = session.handle_auth_challenge(challenge, options).await;
            Ok(answer::outcome(&outcome))
        })
    }

    /// Resolves to whether the stored credential satisfies a challenge.
    pub fn check_auth_challenge_satisfied(
        &self,
        challenge: String,
        failed: Option<Authorization>,
        cancel: Option<&Cancel>,
    ) -> PendingAnswer {
        self.run(cancel, async move |session| {
            let challenge: AuthChallenge = read("the challenge", &challenge)?;
            session
                .check_auth_challenge_satisfied(&challenge, failed.as_ref())
                .await
        })
    }

    /// Completes an authorization with the query or the whole address of its callback.
    pub fn complete_authorization(
        &self,
        callback: String,
        cancel: Option<&Cancel>,
    ) -> PendingAnswer {
        let callback = CallbackParams::parse(&Zeroizing::new(callback));
        self.run(cancel, async move |session| {
            session.complete_authorization(callback).await
        })
    }

    /// Signs in, or renews or extends the current credential; with `again` the user signs in anyway. Resolves to the
    /// outcome.
    pub fn sign_in(
        &self,
        scopes: Vec<String>,
        again: bool,
        cancel: Option<&Cancel>,
    ) -> PendingAnswer {
        let scopes = ScopeSet::from(scopes);
        self.run(cancel, async move |session| {
            let outcome = match again {
                true => session.sign_in_again().await,
                false => session.sign_in(scopes).await,
            };
            Ok(answer::outcome(&outcome))
        })
    }

    /// Resolves to the state of the connection, without network requests.
    pub fn connection_state(&self) -> PendingAnswer {
        self.run(None, async |session| session.connection_state().await)
    }

    /// Resolves to the credential with everything that renews it, or `null`.
    pub fn auth_state(&self) -> PendingAnswer {
        self.run(None, async |session| session.auth_state().await)
    }

    /// Stores such a credential and uses it.
    pub fn set_auth_state(&self, state: String) -> PendingAnswer {
        let state = Zeroizing::new(state);
        self.run(None, async move |session| {
            session.set_auth_state(AuthState::from_json(&state)?).await
        })
    }

    /// Signs out, and resolves to the result of the token revocation.
    pub fn sign_out(&self) -> PendingAnswer {
        self.run(None, async |session| session.sign_out().await)
    }

    /// Resolves to the state of the session at the identity provider, or `null` if there is none.
    pub fn idp_state(&self) -> PendingAnswer {
        self.run(None, async |session| {
            Ok(match session.identity_provider() {
                Some(idp) => Some(idp.state().await?),
                None => None,
            })
        })
    }

    /// Adopts a sign-in at the identity provider.
    pub fn idp_adopt(&self, sign_in: String) -> PendingAnswer {
        let sign_in = Zeroizing::new(sign_in);
        self.run(None, async move |session| {
            let Adopted {
                id_token,
                refresh_token,
            } = read("the sign-in", &sign_in)?;
            let sign_in = SignIn {
                id_token,
                refresh_token,
            };
            idp(&session)?.adopt(sign_in).await
        })
    }

    /// Signs out at the identity provider, and resolves to the result of the token revocation.
    pub fn idp_sign_out(&self) -> PendingAnswer {
        self.run(None, async |session| idp(&session)?.sign_out().await)
    }

    /// Closes the session: pending operations end as `cancelled`. Resolves when pending tokens are stored, or after
    /// 25 s.
    pub fn close(&self) -> impl Future<Output = ()> + Send + 'static {
        let session = self.lock().take();
        self.end.cancel();
        async move {
            if let Some(session) = session {
                session.close();
                // A slow server must not delay the exit of a program.
                let settling = timeout(&TokioRuntime, SETTLE_LIMIT, session.settle());
                let _ = catch_panic(settling).await;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<AuthSession>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` on the session, if it is open.
    fn run<T, F, W>(&self, cancel: Option<&Cancel>, work: F) -> PendingAnswer
    where
        T: Serialize + Send + 'static,
        F: FnOnce(AuthSession) -> W + Send + 'static,
        W: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let session = self.lock().clone();
        run_cancellable(self.end.handle().or(cancel), async move {
            let closed = || Error::Cancelled {
                what: "A call on a closed session",
            };
            work(session.ok_or_else(closed)?).await
        })
    }
}

fn idp(session: &AuthSession) -> Result<IdpSession, Error> {
    session
        .identity_provider()
        .ok_or(Error::EnterpriseNotConfigured)
}
