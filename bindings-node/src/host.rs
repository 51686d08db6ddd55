//! The application around a session, in JavaScript.

use futures_util::future::BoxFuture;
use mcp_reauth::host::{AuthorizationRequest, Authorized, StepUpRequest};
use mcp_reauth::{AuthHost, CallbackParams, Error, Event, Secret, WorkloadIdentity};
use serde::Deserialize;
use serde_json::json;

use crate::bridge::{Caller, Refused};

/// Asks, shows and hears by JavaScript functions.
pub(crate) struct JsHost {
    pub(crate) caller: Caller,
    /// The redirect URI, where it is the same for every authorization.
    pub(crate) redirect_uri: Option<String>,
}

/// How a JavaScript host went on with an authorization.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum WentOn {
    Callback(Secret),
    Elsewhere,
}

impl JsHost {
    fn ask_redirect_uri(&self, registered: bool) -> BoxFuture<'_, Result<String, Error>> {
        Box::pin(async move {
            match &self.redirect_uri {
                Some(uri) => Ok(uri.clone()),
                None => {
                    let input = json!({ "registered": registered });
                    let asked = self.caller.ask("redirectUri", input).await;
                    asked.map_err(Refused::host)
                }
            }
        })
    }
}

impl AuthHost for JsHost {
    fn redirect_uri(&self) -> BoxFuture<'_, Result<String, Error>> {
        self.ask_redirect_uri(false)
    }

    fn registered_redirect_uri(&self) -> BoxFuture<'_, Result<String, Error>> {
        self.ask_redirect_uri(true)
    }

    fn confirm_step_up(&self, request: StepUpRequest) -> BoxFuture<'_, Result<bool, Error>> {
        Box::pin(async move {
            let asked = self.caller.ask("confirmStepUp", request).await;
            asked.map_err(Refused::host)
        })
    }

    fn authorize(&self, request: AuthorizationRequest) -> BoxFuture<'_, Result<Authorized, Error>> {
        Box::pin(async move {
            let asked = self.caller.ask("authorize", request).await;
            Ok(match asked.map_err(Refused::host)? {
                WentOn::Callback(query) => {
                    Authorized::Callback(CallbackParams::parse(query.expose()))
                }
                WentOn::Elsewhere => Authorized::Elsewhere,
            })
        })
    }

    fn sign_in_elsewhere(&self, server: &str) -> BoxFuture<'_, ()> {
        let input = json!({ "server": server });
        Box::pin(async move {
            // Whether it could be told changes nothing.
            let _: Result<bool, Refused> = self.caller.ask("signInElsewhere", input).await;
        })
    }

    fn event(&self, event: Event) {
        self.caller.tell("event", event);
    }
}

/// A workload's platform, in JavaScript.
pub(crate) struct JsWorkload(pub(crate) Caller);

impl WorkloadIdentity for JsWorkload {
    fn assertion(&self, audience: &str) -> BoxFuture<'_, Result<Secret, Error>> {
        let input = json!({ "audience": audience });
        Box::pin(async move {
            let asked = self.0.ask("assertion", input).await;
            asked.map_err(Refused::host)
        })
    }
}
