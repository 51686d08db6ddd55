//! The callback listener for JavaScript programs at a terminal.

use std::sync::Arc;

use mcp_reauth::host::{AuthorizationRequest, Authorized};
use mcp_reauth::loopback::{TerminalHost, TerminalOptions};
use mcp_reauth::{AuthHost, Error};
use napi::Env;
use napi::bindgen_prelude::PromiseRaw;
use napi_derive::napi;

use crate::answer::promise;
use crate::cancel::{Cancel, Cancelled};
use crate::options::read;

/// Shows pages and receives callbacks on loopback, as core's `TerminalHost`.
#[napi]
pub struct Loopback(Arc<TerminalHost>);

#[napi]
impl Loopback {
    /// `redirect_uri` is where callbacks come; port 0 means any free port. Without one, it is the default of core.
    #[napi(constructor)]
    pub fn new(redirect_uri: Option<String>, open_browser: bool) -> Self {
        Self(Arc::new(TerminalHost::new(TerminalOptions {
            redirect_uri,
            open_browser,
            ..TerminalOptions::default()
        })))
    }

    /// Answers where the callback of the next sign-in comes; `registered` says whether its client is registered for
    /// certain addresses already.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn redirect_uri<'env>(
        &self,
        env: &'env Env,
        registered: bool,
        cancel: Option<&Cancel>,
    ) -> napi::Result<PromiseRaw<'env, String>> {
        let host = Arc::clone(&self.0);
        let stopped = Cancelled::never().or(cancel);
        promise(env, stopped, async move {
            match registered {
                true => host.registered_redirect_uri().await,
                false => host.redirect_uri().await,
            }
        })
    }

    /// Sends the person to the page of an authorization request, and answers the address they came back by.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn authorize<'env>(
        &self,
        env: &'env Env,
        request: String,
        cancel: Option<&Cancel>,
    ) -> napi::Result<PromiseRaw<'env, String>> {
        let host = Arc::clone(&self.0);
        let stopped = Cancelled::never().or(cancel);
        promise(env, stopped, async move {
            let request: AuthorizationRequest = read("the authorization request", &request)?;
            match host.authorize(request).await? {
                Authorized::Callback(callback) => Ok(callback.expose().to_owned()),
                Authorized::Elsewhere => Err(Error::host("the callback comes elsewhere")),
            }
        })
    }
}
