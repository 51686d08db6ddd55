//! One request to the MCP server, for the application's own transports.

use mcp_reauth_bindings as bindings;
use mcp_reauth_bindings::Fields;
use napi::Env;
use napi::bindgen_prelude::{Either4, Null, PromiseRaw, within_runtime_if_available};
use napi_derive::napi;

use crate::cancel::{Cancel, stop};
use crate::promise::{Promise, promise};

/// Header fields as JavaScript receives them.
pub(crate) type HeaderFields<'env> =
    napi::Result<Either4<Null, Vec<String>, String, PromiseRaw<'env, String>>>;

/// Converts header fields: `null` without a credential, a list if they are available immediately, otherwise a promise
/// of an answer. A string is an answer with an error.
pub(crate) fn given(env: &Env, fields: Fields) -> HeaderFields<'_> {
    Ok(match fields {
        Fields::None => Either4::A(Null),
        Fields::Known(headers) => Either4::B(headers),
        Fields::Failed(answer) => Either4::C(answer),
        Fields::Awaited(answer) => Either4::D(promise(env, answer)?),
    })
}

/// One request with all its tries. Calls to it run one at a time.
#[napi]
pub struct Request(pub(crate) bindings::Request);

#[napi]
impl Request {
    /// Returns the header fields for the next try: `null` without a credential, alternating names and values if they
    /// are available immediately, otherwise a promise of an answer. A string is an answer with an error.
    #[napi(ts_return_type = "null | string[] | string | Promise<string>")]
    pub fn authorize<'env>(
        &self,
        env: &'env Env,
        method: String,
        url: String,
        cancel: Option<&Cancel>,
    ) -> HeaderFields<'env> {
        let fields = within_runtime_if_available(|| self.0.authorize(method, url, stop(cancel)));
        given(env, fields)
    }

    /// Resolves to what to do about a response: `retry` or `pass_through`. `message` is the request's body, which names
    /// the operation.
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
}
