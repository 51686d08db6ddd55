//! The application's host and workload identity.

use futures_util::future::BoxFuture;
use mcp_reauth::host::{AuthorizationRequest, Authorized, StepUpRequest};
use mcp_reauth::{AuthHost, CallbackParams, Error, Event, Secret, WorkloadIdentity};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::bridge::Caller;
use crate::call::Call;
use crate::refused::CallFailure;

/// A host that the application implements.
pub(crate) struct AppHost(pub(crate) Caller);

/// How the application continued an authorization.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum AuthorizeReply {
    Callback(Secret),
    Elsewhere,
}

impl AppHost {
    fn ask_redirect_uri(&self, registered: bool) -> BoxFuture<'_, Result<String, Error>> {
        Box::pin(async move {
            let asked = self.0.ask(Call::RedirectUri { registered }).await;
            asked.map_err(CallFailure::host)
        })
    }
}

impl AuthHost for AppHost {
    fn redirect_uri(&self) -> BoxFuture<'_, Result<String, Error>> {
        self.ask_redirect_uri(false)
    }

    fn registered_redirect_uri(&self) -> BoxFuture<'_, Result<String, Error>> {
        self.ask_redirect_uri(true)
    }

    fn confirm_step_up(&self, request: StepUpRequest) -> BoxFuture<'_, Result<bool, Error>> {
        Box::pin(async move {
            let asked = self.0.ask(Call::ConfirmStepUp(request)).await;
            asked.map_err(CallFailure::host)
        })
    }

    fn authorize(&self, request: AuthorizationRequest) -> BoxFuture<'_, Result<Authorized, Error>> {
        Box::pin(async move {
            let asked = self.0.ask(Call::Authorize(request)).await;
            Ok(match asked.map_err(CallFailure::host)? {
                AuthorizeReply::Callback(query) => {
                    Authorized::Callback(CallbackParams::parse(query.expose()))
                }
                AuthorizeReply::Elsewhere => Authorized::Elsewhere,
            })
        })
    }

    fn sign_in_elsewhere(&self, server: &str) -> BoxFuture<'_, ()> {
        let server = server.to_owned();
        Box::pin(async move {
            // The wait ends by being dropped; whether the application showed anything changes nothing.
            let told = self.0.ask::<IgnoredAny>(Call::SignInElsewhere { server });
            let _ = told.await;
        })
    }

    fn event(&self, event: Event) {
        self.0.tell(&Call::Event(event));
    }
}

/// A workload identity that the application implements.
pub(crate) struct AppWorkload(pub(crate) Caller);

impl WorkloadIdentity for AppWorkload {
    fn assertion(&self, audience: &str) -> BoxFuture<'_, Result<Secret, Error>> {
        let audience = audience.to_owned();
        Box::pin(async move {
            let asked = self.0.ask(Call::Assertion { audience }).await;
            asked.map_err(CallFailure::host)
        })
    }
}
