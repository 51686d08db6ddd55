//! A session, and the session at an organization's identity provider behind it.

use mcp_reauth::Trigger;
use mcp_reauth_bindings as bindings;
use mcp_reauth_bindings::Ready;
use napi::Env;
use napi::bindgen_prelude::{Either, PromiseRaw};
use napi_derive::napi;

use crate::authorization::{Authorization, credential};
use crate::bridge::Bridge;
use crate::cancel::{Cancel, stop};
use crate::exchange::{Exchange, Outgoing};
use crate::promise::{Promise, promise};
use crate::request::Request;
use crate::store::{Leases, Store};

/// A session, until it is closed.
#[napi]
pub struct Session(bindings::Session);

#[napi]
impl Session {
    /// Opens a session, or resolves to an answer with the error. `id` identifies the session in its calls over the
    /// bridge.
    #[napi(ts_return_type = "Promise<Session | string>")]
    pub fn open<'env>(
        env: &'env Env,
        options: String,
        bridge: &Bridge,
        id: u32,
        store: Option<&Store>,
        leases: Option<&Leases>,
    ) -> Promise<'env, Either<Session, String>> {
        let store = store.map(|store| store.0.clone());
        let leases = leases.map(|leases| leases.0.clone());
        let opening = bindings::Session::open(options, &bridge.0, id, store, leases);
        env.spawn_future(async move {
            Ok(match opening.await {
                Ok(session) => Either::A(Self(session)),
                Err(answer) => Either::B(answer),
            })
        })
    }

    /// The current credential.
    #[napi]
    pub fn authorization(&self) -> Option<Authorization> {
        self.0.authorization().map(Authorization)
    }

    /// Returns the current credential if it can be sent unchanged; `true` if it is still `known`, `false` if there is
    /// none.
    #[napi]
    pub fn current_if_fresh(&self, known: Option<&Authorization>) -> Either<bool, Authorization> {
        match self.0.current_if_fresh(known.map(|known| &known.0)) {
            Ready::No => Either::A(false),
            Ready::Same => Either::A(true),
            Ready::Changed(current) => Either::B(Authorization(current)),
        }
    }

    /// How long the credential of `currentIfFresh` may be sent without asking again, in milliseconds.
    #[napi]
    pub fn fresh_for(&self) -> u32 {
        self.0.fresh_for()
    }

    /// Whether a request to `url` may carry the credential.
    #[napi]
    pub fn applies_to(&self, url: String) -> bool {
        self.0.applies_to(&url)
    }

    /// Begins a request for the application's own transport; `ambient`: no caller waits for it; `operation` is JSON.
    /// Returns `null` if the session is closed.
    #[napi]
    pub fn request(&self, ambient: bool, operation: Option<String>) -> Option<Request> {
        let trigger = match ambient {
            true => Trigger::Ambient,
            false => Trigger::Command,
        };
        self.0.request(trigger, operation.as_deref()).map(Request)
    }

    /// Begins the exchange of an MCP request; `sent` is the credential it was already sent with. Returns `null` if the
    /// session is closed.
    #[napi]
    pub fn exchange(&self, outgoing: Outgoing, sent: Option<&Authorization>) -> Option<Exchange> {
        self.0.exchange(outgoing.sent(sent)).map(Exchange)
    }

    /// Recovers from a challenge, and resolves to the outcome.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn handle_auth_challenge<'env>(
        &self,
        env: &'env Env,
        challenge: String,
        options: String,
        failed: Option<&Authorization>,
        cancel: Option<&Cancel>,
    ) -> Promise<'env> {
        let failed = credential(failed);
        let handling = self
            .0
            .handle_auth_challenge(challenge, options, failed, stop(cancel));
        promise(env, handling)
    }

    /// Resolves to whether the stored credential satisfies a challenge.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn check_auth_challenge_satisfied<'env>(
        &self,
        env: &'env Env,
        challenge: String,
        failed: Option<&Authorization>,
        cancel: Option<&Cancel>,
    ) -> Promise<'env> {
        let failed = credential(failed);
        let check = self
            .0
            .check_auth_challenge_satisfied(challenge, failed, stop(cancel));
        promise(env, check)
    }

    /// Completes an authorization.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn complete_authorization<'env>(
        &self,
        env: &'env Env,
        callback: String,
        cancel: Option<&Cancel>,
    ) -> Promise<'env> {
        promise(env, self.0.complete_authorization(callback, stop(cancel)))
    }

    /// Signs in, or renews or extends the current credential; with `again` the user signs in anyway.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn sign_in<'env>(
        &self,
        env: &'env Env,
        scopes: Vec<String>,
        again: bool,
        cancel: Option<&Cancel>,
    ) -> Promise<'env> {
        promise(env, self.0.sign_in(scopes, again, stop(cancel)))
    }

    /// Resolves to the state of the connection.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn connection_state<'env>(&self, env: &'env Env) -> Promise<'env> {
        promise(env, self.0.connection_state())
    }

    /// Resolves to the credential with everything that renews it, or `null`.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn auth_state<'env>(&self, env: &'env Env) -> Promise<'env> {
        promise(env, self.0.auth_state())
    }

    /// Stores such a credential and uses it.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn set_auth_state<'env>(&self, env: &'env Env, state: String) -> Promise<'env> {
        promise(env, self.0.set_auth_state(state))
    }

    /// Signs out, and resolves to the result of the token revocation.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn sign_out<'env>(&self, env: &'env Env) -> Promise<'env> {
        promise(env, self.0.sign_out())
    }

    /// Resolves to the state of the session at the identity provider, or `null` if there is none.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn idp_state<'env>(&self, env: &'env Env) -> Promise<'env> {
        promise(env, self.0.idp_state())
    }

    /// Adopts a sign-in at the identity provider.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn idp_adopt<'env>(&self, env: &'env Env, sign_in: String) -> Promise<'env> {
        promise(env, self.0.idp_adopt(sign_in))
    }

    /// Signs out at the identity provider, and resolves to the result of the token revocation.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn idp_sign_out<'env>(&self, env: &'env Env) -> Promise<'env> {
        promise(env, self.0.idp_sign_out())
    }

    /// Closes the session: pending operations end as `cancelled`. Resolves when pending tokens are stored, or after 25
    /// s.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn close<'env>(&self, env: &'env Env) -> napi::Result<PromiseRaw<'env, ()>> {
        let closing = self.0.close();
        env.spawn_future(async {
            closing.await;
            Ok(())
        })
    }
}
