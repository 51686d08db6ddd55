//! The host of JavaScript programs at a terminal.

use mcp_reauth_bindings as bindings;
use napi::Env;
use napi::bindgen_prelude::{Either, PromiseRaw, within_runtime_if_available};
use napi_derive::napi;

use crate::bridge::Bridge;
use crate::cancel::{Cancel, stop};
use crate::promise::{Promise, promise};

/// Asks, shows pages and receives callbacks, as core's `TerminalHost`.
#[napi]
pub struct Loopback(bindings::Loopback);

#[napi]
impl Loopback {
    /// With these options, in JSON; an answer is why not. `id` is what its questions over the bridge name it by.
    #[napi]
    pub fn open(options: String, bridge: &Bridge, id: u32) -> Either<Loopback, String> {
        match bindings::Loopback::new(&options, &bridge.0, id) {
            Ok(loopback) => Either::A(Self(loopback)),
            Err(answer) => Either::B(answer),
        }
    }

    /// Answers where the callback of the next sign-in comes; `registered` says whether its client is registered for
    /// certain addresses already.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn redirect_uri<'env>(
        &self,
        env: &'env Env,
        registered: bool,
        cancel: Option<&Cancel>,
    ) -> Promise<'env> {
        promise(env, self.0.redirect_uri(registered, stop(cancel)))
    }

    /// Asks whether to agree to a step-up request, and answers whether the person does.
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

    /// Sends the person to the page of an authorization request, and answers the address they came back by.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn authorize<'env>(
        &self,
        env: &'env Env,
        request: String,
        cancel: Option<&Cancel>,
    ) -> Promise<'env> {
        promise(env, self.0.authorize(request, stop(cancel)))
    }

    /// Says that a sign-in goes on elsewhere.
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
