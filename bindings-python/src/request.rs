//! One request to the MCP server, for the application's own transports.

use mcp_reauth_bindings as bindings;
use mcp_reauth_bindings::Fields;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::operation::Operation;
use crate::runtime;

/// Header fields as Python receives them: `None` without a credential, a list of alternating names and values if they
/// are available immediately, an operation otherwise, or a string, which is an answer with an error.
#[derive(IntoPyObject)]
pub(crate) enum HeaderFields {
    None(Option<u8>),
    Known(Vec<String>),
    Failed(String),
    Awaited(Operation),
}

/// Asks for header fields within the runtime, which timers need.
pub(crate) fn fields(ask: impl FnOnce() -> Fields) -> PyResult<HeaderFields> {
    let runtime = runtime::handle()
        .ok_or_else(|| PyRuntimeError::new_err("the threads for requests cannot be started"))?;
    let _entered = runtime.enter();
    Ok(match ask() {
        Fields::None => HeaderFields::None(None),
        Fields::Known(headers) => HeaderFields::Known(headers),
        Fields::Failed(answer) => HeaderFields::Failed(answer),
        Fields::Awaited(answer) => HeaderFields::Awaited(answer.into()),
    })
}

/// One request with all its tries. Calls to it run one at a time.
#[pyclass(frozen, module = "mcp_reauth._native")]
pub(crate) struct Request(pub(crate) bindings::Request);

#[pymethods]
impl Request {
    /// Returns the header fields for the next try.
    fn authorize(&self, method: String, url: String) -> PyResult<HeaderFields> {
        fields(|| self.0.authorize(method, url, None))
    }

    /// Resolves to what to do about a response: `retry` or `pass_through`. `message` is the request's body, which names
    /// the operation.
    #[pyo3(signature = (status, headers, message=None))]
    fn recover(&self, status: u16, headers: Vec<String>, message: Option<String>) -> Operation {
        self.0.recover(status, headers, message, None).into()
    }
}
