//! One request to the MCP server.

use mcp_reauth_bindings as bindings;
use mcp_reauth_bindings::Fields;
use napi::Env;
use napi::bindgen_prelude::{Either4, Null, PromiseRaw, within_runtime_if_available};
use napi_derive::napi;

use crate::cancel::{Cancel, stop};
use crate::promise::{Promise, promise};

/// One request, over all its tries. It is sent, and recovers, once at a time.
#[napi]
pub struct Request(pub(crate) bindings::Request);

#[napi]
impl Request {
    /// The header fields to send it with, in turn: `null` when there is no credential, a list at once where that is
    /// possible, else a promise of an answer; an answer at once is an error.
    #[napi(ts_return_type = "null | string[] | string | Promise<string>")]
    pub fn authorize<'env>(
        &self,
        env: &'env Env,
        method: String,
        url: String,
        cancel: Option<&Cancel>,
    ) -> napi::Result<Either4<Null, Vec<String>, String, PromiseRaw<'env, String>>> {
        let fields = within_runtime_if_available(|| self.0.authorize(method, url, stop(cancel)));
        Ok(match fields {
            Fields::None => Either4::A(Null),
            Fields::Known(headers) => Either4::B(headers),
            Fields::Failed(answer) => Either4::C(answer),
            Fields::Awaited(answer) => Either4::D(promise(env, answer)?),
        })
    }

    /// What to do about a response: `retry` or `pass_through`. `message` is what was sent, which tells what it was
    /// about.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn recover<'env>(
        &self,
        env: &'env Env,
        status: u16,
        headers: Vec<String>,
        message: Option<String>,
        cancel: Option<&Cancel>,
    ) -> Promise<'env> {
        promise(env, self.0.recover(status, headers, message, stop(cancel)))
    }

    /// What to do about the JSON-RPC message `answered`, if its result holds a challenge: `retry` or `pass_through`.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn recover_from_result<'env>(
        &self,
        env: &'env Env,
        answered: String,
        message: Option<String>,
        cancel: Option<&Cancel>,
    ) -> Promise<'env> {
        promise(
            env,
            self.0.recover_from_result(answered, message, stop(cancel)),
        )
    }
}

/// An event stream that no caller waits for, over all tries to open it.
#[napi]
pub struct IdleStream(pub(crate) bindings::IdleStream);

#[napi]
impl IdleStream {
    /// Waits until it is worth trying again after `request` failed by an error with that code, and answers whether it
    /// is.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn outlast<'env>(
        &self,
        env: &'env Env,
        code: String,
        request: &Request,
        cancel: Option<&Cancel>,
    ) -> Promise<'env> {
        promise(env, self.0.outlast(code, &request.0, stop(cancel)))
    }
}
