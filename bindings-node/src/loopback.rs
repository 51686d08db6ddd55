//! The terminal host for JavaScript programs.

use mcp_reauth_bindings as bindings;
use napi::Env;
use napi::bindgen_prelude::{Either, PromiseRaw, within_runtime_if_available};
use napi_derive::napi;

use crate::bridge::Bridge;
use crate::cancel::{Cancel, stop};
use crate::promise::{Promise, promise};

/// Asks, shows pages and receives callbacks as core's `TerminalHost` does.
#[napi]
pub struct Loopback(bindings::Loopback);

#[napi]
impl Loopback {
    /// Creates a host with these JSON options, or returns an answer with the error. `id` identifies it in its
    /// questions.
    #[napi]
    pub fn open(options: String, bridge: &Bridge, id: u32) -> Either<Loopback, String> {
        match bindings::Loopback::new(&options, &bridge.0, id) {
            Ok(loopback) => Either::A(Self(loopback)),
            Err(answer) => Either::B(answer),
        }
    }

    /// Resolves to the redirect URI of the next sign-in; `registered` says whether the client is already registered
    /// with fixed redirect URIs.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn redirect_uri<'env>(
        &self,
        env: &'env Env,
        registered: bool,
        cancel: Option<&Cancel>,
    ) -> Promise<'env> {
        promise(env, self.0.redirect_uri(registered, stop(cancel)))
    }

    /// Asks the user to confirm a step-up, and resolves to whether the user agrees.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn confirm_step_up<'env>(
        &self,
        env: &'env Env,
        request: String,
        cancel: Option<&Cancel>,
    ) -> Promise<'env> {
        let asking = within_runtime_if_available(|| self.0.confirm_step_up(request, stop(cancel)));
        promise(env, asking)
    }

    /// Opens the page of an authorization request, and resolves to the callback's address.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn authorize<'env>(
        &self,
        env: &'env Env,
        request: String,
        cancel: Option<&Cancel>,
    ) -> Promise<'env> {
        promise(env, self.0.authorize(request, stop(cancel)))
    }

    /// Tells the user that another session or program has the sign-in page open.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn sign_in_elsewhere<'env>(
        &self,
        env: &'env Env,
        server: String,
    ) -> napi::Result<PromiseRaw<'env, ()>> {
        let said = self.0.sign_in_elsewhere(server);
        env.spawn_future(async {
            said.await;
            Ok(())
        })
    }
}
