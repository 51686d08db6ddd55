//! A session, and the session at an organization's identity provider behind it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mcp_reauth::enterprise::SignIn;
use mcp_reauth::recovery::Trigger;
use mcp_reauth::{
    AuthChallenge, AuthSession, AuthState, CallbackParams, Error, HandleOptions, IdpSession,
    ScopeSet, Secret,
};
use napi::Env;
use napi::bindgen_prelude::{Either, PromiseRaw};
use napi_derive::napi;
use serde::Deserialize;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::answer::{self, DEFECT, answer, guarded, promise};
use crate::authorization::Authorization;
use crate::bridge::Bridge;
use crate::cancel::Cancel;
use crate::options::{Options, read};
use crate::request::{IdleStream, Request};
use crate::store::Store;

/// How long closing waits for tokens that are under way: longer than a call to a server may take.
const SETTLE_LIMIT: Duration = Duration::from_secs(25);

/// A session, until it is closed.
#[napi]
pub struct Session {
    open: Mutex<Option<AuthSession>>,
    /// Everybody who waits for anything of it.
    end: Cancel,
}

/// What a host says along with a challenge.
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

#[napi]
impl Session {
    /// Opens a session; an answer is why it could not be. `id` is what its calls over the bridge name it by.
    #[napi(ts_return_type = "Promise<Session | string>")]
    pub fn open<'env>(
        env: &'env Env,
        options: String,
        bridge: &Bridge,
        id: u32,
        store: Option<&Store>,
    ) -> napi::Result<PromiseRaw<'env, Either<Session, String>>> {
        let caller = bridge.caller(id);
        let store = store.map(Store::shared);
        let options = Zeroizing::new(options);
        env.spawn_future(async move {
            let opened = guarded(async {
                let options: Options = read("the options", &options)?;
                options.builder(caller, store)?.open().await
            });
            Ok(match opened.await {
                Some(Ok(session)) => Either::A(Self {
                    open: Mutex::new(Some(session)),
                    end: Cancel::new(),
                }),
                Some(Err(error)) => Either::B(answer(&Err::<(), _>(error))),
                None => Either::B(DEFECT.to_owned()),
            })
        })
    }

    /// The current credential.
    #[napi]
    pub fn authorization(&self) -> Option<Authorization> {
        self.lock().as_ref()?.authorization().map(Authorization)
    }

    /// The current credential, if it can be sent as it is; `true` if that is still `known`, `false` if there is none.
    #[napi]
    pub fn ready(&self, known: Option<&Authorization>) -> Either<bool, Authorization> {
        let session = self.lock();
        match session.as_ref().and_then(AuthSession::ready) {
            None => Either::A(false),
            Some(current) if known.is_some_and(|known| known.0 == current) => Either::A(true),
            Some(current) => Either::B(Authorization(current)),
        }
    }

    /// Whether a request to `url` may carry the credential.
    #[napi]
    pub fn covers(&self, url: String) -> bool {
        let session = self.lock();
        session.as_ref().is_some_and(|session| session.covers(&url))
    }

    /// Whether it was closed.
    #[napi]
    pub fn is_closed(&self) -> bool {
        self.lock().is_none()
    }

    /// Begins a request; `ambient`: nobody waits for it; `sent`: what it was sent with already; `operation`: what it is
    /// about, in JSON. `null` when the session is closed.
    #[napi]
    pub fn request(
        &self,
        ambient: bool,
        sent: Option<&Authorization>,
        operation: Option<String>,
    ) -> Option<Request> {
        let session = self.lock();
        let (session, end) = (session.as_ref()?, self.end.handle());
        let operation = operation.as_deref();
        Some(Request::new(session, ambient, sent, operation, end))
    }

    /// Begins an event stream that nobody waits for. `null` when the session is closed.
    #[napi]
    pub fn idle_stream(&self) -> Option<IdleStream> {
        let session = self.lock();
        Some(IdleStream::new(session.as_ref()?, self.end.handle()))
    }

    /// Recovers from a challenge, and answers the outcome.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn handle_auth_challenge<'env>(
        &self,
        env: &'env Env,
        challenge: String,
        options: String,
        failed: Option<&Authorization>,
        cancel: Option<&Cancel>,
    ) -> napi::Result<PromiseRaw<'env, String>> {
        let failed = failed.map(|failed| failed.0.clone());
        self.run(env, cancel, async move |session| {
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

    /// Answers whether what is stored answers a challenge already.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn check_auth_challenge_satisfied<'env>(
        &self,
        env: &'env Env,
        challenge: String,
        failed: Option<&Authorization>,
        cancel: Option<&Cancel>,
    ) -> napi::Result<PromiseRaw<'env, String>> {
        let failed = failed.map(|failed| failed.0.clone());
        self.run(env, cancel, async move |session| {
            let challenge: AuthChallenge = read("the challenge", &challenge)?;
            session
                .check_auth_challenge_satisfied(&challenge, failed.as_ref())
                .await
        })
    }

    /// Finishes an authorization.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn complete_authorization<'env>(
        &self,
        env: &'env Env,
        callback: String,
        cancel: Option<&Cancel>,
    ) -> napi::Result<PromiseRaw<'env, String>> {
        let callback = CallbackParams::parse(&Zeroizing::new(callback));
        self.run(env, cancel, async move |session| {
            session.complete_authorization(callback).await
        })
    }

    /// Signs in now, or again whatever there is, and answers the outcome.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn sign_in<'env>(
        &self,
        env: &'env Env,
        scopes: Vec<String>,
        again: bool,
        cancel: Option<&Cancel>,
    ) -> napi::Result<PromiseRaw<'env, String>> {
        let scopes = ScopeSet::from(scopes);
        self.run(env, cancel, async move |session| {
            let outcome = match again {
                true => session.sign_in_again().await,
                false => session.sign_in(scopes).await,
            };
            Ok(answer::outcome(&outcome))
        })
    }

    /// Answers what is known of the connection.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn connection_state<'env>(&self, env: &'env Env) -> napi::Result<PromiseRaw<'env, String>> {
        self.run(env, None, async |session| session.connection_state().await)
    }

    /// Answers the credential with all that renews it, or `null`.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn auth_state<'env>(&self, env: &'env Env) -> napi::Result<PromiseRaw<'env, String>> {
        self.run(env, None, async |session| session.auth_state().await)
    }

    /// Takes such a credential over.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn set_auth_state<'env>(
        &self,
        env: &'env Env,
        state: String,
    ) -> napi::Result<PromiseRaw<'env, String>> {
        let state = Zeroizing::new(state);
        self.run(env, None, async move |session| {
            session.set_auth_state(AuthState::from_json(&state)?).await
        })
    }

    /// Signs out, and answers what became of the tokens.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn sign_out<'env>(&self, env: &'env Env) -> napi::Result<PromiseRaw<'env, String>> {
        self.run(env, None, async |session| session.sign_out().await)
    }

    /// Answers what is known of the session at the identity provider; `null` when there is none behind it.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn idp_state<'env>(&self, env: &'env Env) -> napi::Result<PromiseRaw<'env, String>> {
        self.run(env, None, async |session| {
            Ok(match session.identity_provider() {
                Some(idp) => Some(idp.state().await?),
                None => None,
            })
        })
    }

    /// Takes over a sign-in at the identity provider.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn idp_adopt<'env>(
        &self,
        env: &'env Env,
        sign_in: String,
    ) -> napi::Result<PromiseRaw<'env, String>> {
        let sign_in = Zeroizing::new(sign_in);
        self.run(env, None, async move |session| {
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

    /// Signs out at the identity provider, and answers what became of the tokens.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn idp_sign_out<'env>(&self, env: &'env Env) -> napi::Result<PromiseRaw<'env, String>> {
        self.run(env, None, async |session| idp(&session)?.sign_out().await)
    }

    /// Lets go of it: whoever waits for something of it is told `cancelled`, and tokens that are under way reach the
    /// store first.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn close<'env>(&self, env: &'env Env) -> napi::Result<PromiseRaw<'env, ()>> {
        let session = self.lock().take();
        self.end.cancel();
        env.spawn_future(async move {
            if let Some(session) = session {
                session.close();
                // Whoever holds them up for longer holds up the end of a program.
                let _ = guarded(timeout(SETTLE_LIMIT, session.settle())).await;
            }
            Ok(())
        })
    }

    fn lock(&self) -> MutexGuard<'_, Option<AuthSession>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the session, if it is open, and answers what came of it.
    fn run<'env, T, F, W>(
        &self,
        env: &'env Env,
        cancel: Option<&Cancel>,
        work: F,
    ) -> napi::Result<PromiseRaw<'env, String>>
    where
        T: serde::Serialize + 'static,
        F: FnOnce(AuthSession) -> W + Send + 'static,
        W: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let session = self.lock().clone();
        promise(env, self.end.handle().or(cancel), async move {
            let closed = || Error::Cancelled {
                what: "What the session was asked for after it was closed",
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
