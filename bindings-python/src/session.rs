//! A session, and the session at an organization's identity provider behind it.

use mcp_reauth::Trigger;
use mcp_reauth::mcp::Redirects;
use mcp_reauth_bindings as bindings;
use mcp_reauth_bindings::Ready;
use pyo3::prelude::*;

use crate::authorization::{Authorization, credential};
use crate::bridge::Bridge;
use crate::exchange::Exchange;
use crate::operation::{Operation, Settled};
use crate::request::Request;
use crate::store::{Leases, Store};

/// A session, until it is closed.
#[pyclass(frozen, module = "mcp_reauth._native")]
pub(crate) struct Session(bindings::Session);

/// Whether a credential can be sent unchanged: `False` if none can, `True` if it is the known one, or another.
#[derive(IntoPyObject)]
pub(crate) enum Fresh {
    Whether(bool),
    Changed(Authorization),
}

#[pymethods]
impl Session {
    /// Opens a session, or resolves to an answer with the error. `id` identifies the session in its calls over the
    /// bridge.
    #[staticmethod]
    #[pyo3(signature = (options, bridge, id, store=None, leases=None))]
    fn open(
        options: String,
        bridge: &Bridge,
        id: u32,
        store: Option<&Store>,
        leases: Option<&Leases>,
    ) -> Operation {
        let store = store.map(|store| store.0.clone());
        let leases = leases.map(|leases| leases.0.clone());
        let opening = bindings::Session::open(options, &bridge.0, id, store, leases);
        Operation::of(async {
            match opening.await {
                Ok(session) => Settled::Session(Self(session)),
                Err(answer) => Settled::Answer(answer),
            }
        })
    }

    /// The current credential.
    fn authorization(&self) -> Option<Authorization> {
        self.0.authorization().map(Authorization)
    }

    /// Returns the current credential if it can be sent unchanged; `True` if it is still `known`, `False` if there is
    /// none.
    #[pyo3(signature = (known=None))]
    fn current_if_fresh(&self, known: Option<&Authorization>) -> Fresh {
        match self.0.current_if_fresh(known.map(|known| &known.0)) {
            Ready::No => Fresh::Whether(false),
            Ready::Same => Fresh::Whether(true),
            Ready::Changed(current) => Fresh::Changed(Authorization(current)),
        }
    }

    /// Whether a request to `url` may carry the credential.
    fn applies_to(&self, url: &str) -> bool {
        self.0.applies_to(url)
    }

    /// Begins a request of the application's own transport; `ambient`: no caller waits for it; `operation` is JSON.
    /// Returns `None` if the session is closed.
    #[pyo3(signature = (ambient, operation=None))]
    fn request(&self, ambient: bool, operation: Option<&str>) -> Option<Request> {
        let trigger = match ambient {
            true => Trigger::Ambient,
            false => Trigger::Command,
        };
        self.0.request(trigger, operation).map(Request)
    }

    /// Begins the exchange of an MCP request, whose redirects it decides about. `headers` are alternating names and
    /// values; `with_` is the credential it was already sent with. Returns `None` if the session is closed.
    #[pyo3(signature = (method, url, headers, message, repeatable, with_=None))]
    fn exchange(
        &self,
        method: String,
        url: String,
        headers: Vec<String>,
        message: Option<String>,
        repeatable: bool,
        with_: Option<&Authorization>,
    ) -> Option<Exchange> {
        let sent = bindings::OutgoingRequest {
            method,
            url,
            headers,
            message,
            redirects: Redirects::Follow,
            repeatable,
            with: credential(with_),
        };
        self.0.exchange(sent).map(Exchange)
    }

    /// Recovers from a challenge, and resolves to the outcome. `failed` is the rejected credential.
    #[pyo3(signature = (challenge, options, failed=None))]
    fn handle_auth_challenge(
        &self,
        challenge: String,
        options: String,
        failed: Option<&Authorization>,
    ) -> Operation {
        let failed = credential(failed);
        let handling = self
            .0
            .handle_auth_challenge(challenge, options, failed, None);
        handling.into()
    }

    /// Resolves to whether the stored credential satisfies a challenge.
    #[pyo3(signature = (challenge, failed=None))]
    fn check_auth_challenge_satisfied(
        &self,
        challenge: String,
        failed: Option<&Authorization>,
    ) -> Operation {
        let failed = credential(failed);
        let check = self
            .0
            .check_auth_challenge_satisfied(challenge, failed, None);
        check.into()
    }

    /// Completes an authorization.
    fn complete_authorization(&self, callback: String) -> Operation {
        self.0.complete_authorization(callback, None).into()
    }

    /// Signs in, or renews or extends the current credential; with `again` the user signs in anyway.
    fn sign_in(&self, scopes: Vec<String>, again: bool) -> Operation {
        self.0.sign_in(scopes, again, None).into()
    }

    /// Resolves to the state of the connection, without network requests.
    fn connection_state(&self) -> Operation {
        self.0.connection_state().into()
    }

    /// Resolves to the credential with everything that renews it, or `null`.
    fn auth_state(&self) -> Operation {
        self.0.auth_state().into()
    }

    /// Stores such a credential and uses it.
    fn set_auth_state(&self, state: String) -> Operation {
        self.0.set_auth_state(state).into()
    }

    /// Signs out, and resolves to the result of the token revocation.
    fn sign_out(&self) -> Operation {
        self.0.sign_out().into()
    }

    /// Resolves to the state of the session at the identity provider, or `null` if there is none.
    fn idp_state(&self) -> Operation {
        self.0.idp_state().into()
    }

    /// Adopts a sign-in at the identity provider.
    fn idp_adopt(&self, sign_in: String) -> Operation {
        self.0.idp_adopt(sign_in).into()
    }

    /// Signs out at the identity provider, and resolves to the result of the token revocation.
    fn idp_sign_out(&self) -> Operation {
        self.0.idp_sign_out().into()
    }

    /// Closes the session at once, and resolves when pending tokens are stored, or after 25 s.
    fn close(&self) -> Operation {
        let settled = self.0.close();
        Operation::of(async {
            settled.await;
            Settled::Nothing
        })
    }
}
