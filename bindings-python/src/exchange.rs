//! One MCP request over HTTP, and the event streams that answer it.

use mcp_reauth_bindings as bindings;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::operation::Operation;
use crate::request::{HeaderFields, fields};

/// One request with all its tries. Calls to it run one at a time.
#[pyclass(frozen, module = "mcp_reauth._native")]
pub(crate) struct Exchange(pub(crate) bindings::Exchange);

#[pymethods]
impl Exchange {
    /// Returns the header fields for the next try.
    fn authorize(&self) -> PyResult<HeaderFields> {
        fields(|| self.0.authorize(None))
    }

    /// Resolves to the next step after a response.
    fn receive(&self, status: u16, headers: Vec<String>) -> Operation {
        self.0.receive(status, headers, None).into()
    }

    /// Resolves to the next step after a message that answers the request.
    fn inspect(&self, message: String) -> Operation {
        self.0.inspect(message, None).into()
    }
}

/// Parts of a stream: bytes, and the data of an event that may hold a challenge.
type Parts<'py> = Vec<(Bound<'py, PyBytes>, Option<String>)>;

/// Splits the bytes of an event stream into events and finds those that may hold a challenge.
#[pyclass(frozen, module = "mcp_reauth._native")]
pub(crate) struct EventWatch(bindings::EventWatch);

#[pymethods]
impl EventWatch {
    /// `looks`: whether the request calls a tool, whose result may hold a challenge.
    #[new]
    fn new(looks: bool) -> Self {
        Self(bindings::EventWatch::new(looks))
    }

    /// Processes a chunk. Returns `None` if the chunk passes unchanged. Throws a `ValueError` with the message for the
    /// reader if an event is too long; the stream ends there.
    fn push<'py>(&self, py: Python<'py>, chunk: &[u8]) -> PyResult<Option<Parts<'py>>> {
        let pushed = self.0.push(chunk).map_err(PyValueError::new_err)?;
        Ok(pushed.map(|read| parts(py, read)))
    }

    /// Returns the rest at the end of the stream.
    fn finish<'py>(&self, py: Python<'py>) -> Parts<'py> {
        parts(py, self.0.finish())
    }
}

fn parts(py: Python<'_>, parts: Vec<bindings::Part>) -> Parts<'_> {
    let parts = parts
        .into_iter()
        .map(|part| (PyBytes::new(py, &part.bytes), part.suspect));
    parts.collect()
}
