//! The terminal host for Python programs.

use mcp_reauth_bindings as bindings;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::bridge::Bridge;
use crate::operation::{Operation, Settled};
use crate::runtime;

/// Asks, shows pages and receives callbacks as core's `TerminalHost` does.
#[pyclass(frozen, module = "mcp_reauth._native")]
pub(crate) struct Loopback(bindings::Loopback);

#[pymethods]
impl Loopback {
    /// Creates a host with these JSON options; `id` identifies it in its questions. Throws a `ValueError` with an
    /// answer that names the invalid option.
    #[new]
    fn new(options: &str, bridge: &Bridge, id: u32) -> PyResult<Self> {
        let made = bindings::Loopback::new(options, &bridge.0, id);
        made.map(Self).map_err(PyValueError::new_err)
    }

    /// Resolves to the redirect URI of the next sign-in; `registered` says whether the client is already registered
    /// with fixed redirect URIs.
    fn redirect_uri(&self, registered: bool) -> Operation {
        self.0.redirect_uri(registered, None).into()
    }

    /// Asks the user to confirm a step-up, and resolves to whether the user agrees.
    fn confirm_step_up(&self, request: String) -> Operation {
        // Asking takes its place in the queue at once.
        let entered = runtime::handle();
        let _entered = entered.as_ref().map(tokio::runtime::Handle::enter);
        self.0.confirm_step_up(request, None).into()
    }

    /// Opens the page of an authorization request, and resolves to the callback's address.
    fn authorize(&self, request: String) -> Operation {
        self.0.authorize(request, None).into()
    }

    /// Tells the user that another session or program has the sign-in page open.
    fn sign_in_elsewhere(&self, server: String) -> Operation {
        let told = self.0.sign_in_elsewhere(server);
        Operation::of(async {
            told.await;
            Settled::Nothing
        })
    }
}
