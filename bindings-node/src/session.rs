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
    /// Opens a session; an answer is why it could not be. `id` is what its calls over the bridge name it by.
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

    /// The current credential, if it can be sent as it is; `true` if that is still `known`, `false` if there is none.
    #[napi]
    pub fn current_if_fresh(&self, known: Option<&Authorization>) -> Either<bool, Authorization> {
        match self.0.current_if_fresh(known.map(|known| &known.0)) {
            Ready::No => Either::A(false),
            Ready::Same => Either::A(true),
            Ready::Changed(current) => Either::B(Authorization(current)),
        }
    }

    /// Whether a request to `url` may carry the credential.
    #[napi]
    pub fn applies_to(&self, url: String) -> bool {
        self.0.applies_to(&url)
    }

    /// Whether it was closed.
    #[napi]
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// Begins a request for a transport of the application's own; `ambient`: no caller waits for it; `operation`: what it
    /// is about, in JSON. `null` when the session is closed.
    #[napi]
    pub fn request(&self, ambient: bool, operation: Option<String>) -> Option<Request> {
        let trigger = match ambient {
            true => Trigger::Ambient,
            false => Trigger::Command,
        };
        self.0.request(trigger, operation.as_deref()).map(Request)
    }

    /// Begins the exchange of a request for the server; `sent`: what it was sent with already. `null` when the session is
    /// closed.
    #[napi]
    pub fn exchange(&self, outgoing: Outgoing, sent: Option<&Authorization>) -> Option<Exchange> {
        self.0.exchange(outgoing.sent(sent)).map(Exchange)
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
    ) -> Promise<'env> {
        let failed = credential(failed);
        let handling = self
            .0
            .handle_auth_challenge(challenge, options, failed, stop(cancel));
        promise(env, handling)
    }

    /// Answers whether what is stored answers a challenge already.
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

    /// Finishes an authorization.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn complete_authorization<'env>(
        &self,
        env: &'env Env,
        callback: String,
        cancel: Option<&Cancel>,
    ) -> Promise<'env> {
        promise(env, self.0.complete_authorization(callback, stop(cancel)))
    }

    /// Signs in now, or again whatever there is, and answers the outcome.
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

    /// Answers what is known of the connection.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn connection_state<'env>(&self, env: &'env Env) -> Promise<'env> {
        promise(env, self.0.connection_state())
    }

    /// Answers the credential with all that renews it, or `null`.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn auth_state<'env>(&self, env: &'env Env) -> Promise<'env> {
        promise(env, self.0.auth_state())
    }

    /// Takes such a credential over.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn set_auth_state<'env>(&self, env: &'env Env, state: String) -> Promise<'env> {
        promise(env, self.0.set_auth_state(state))
    }

    /// Signs out, and answers what became of the tokens.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn sign_out<'env>(&self, env: &'env Env) -> Promise<'env> {
        promise(env, self.0.sign_out())
    }

    /// Answers what is known of the session at the identity provider; `null` when there is none behind it.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn idp_state<'env>(&self, env: &'env Env) -> Promise<'env> {
        promise(env, self.0.idp_state())
    }

    /// Takes over a sign-in at the identity provider.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn idp_adopt<'env>(&self, env: &'env Env, sign_in: String) -> Promise<'env> {
        promise(env, self.0.idp_adopt(sign_in))
    }

    /// Signs out at the identity provider, and answers what became of the tokens.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn idp_sign_out<'env>(&self, env: &'env Env) -> Promise<'env> {
        promise(env, self.0.idp_sign_out())
    }

    /// Closes it: what is waited for of it ends as `cancelled`, and tokens that are under way reach the store first.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn close<'env>(&self, env: &'env Env) -> napi::Result<PromiseRaw<'env, ()>> {
        let closing = self.0.close();
        env.spawn_future(async {
            closing.await;
            Ok(())
        })
    }
}
