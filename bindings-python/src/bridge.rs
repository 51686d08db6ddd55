//! Calls the application's Python code, from any thread.

use mcp_reauth_bindings as bindings;
use mcp_reauth_bindings::{Application, Message};
use pyo3::prelude::*;
use pyo3::types::PyByteArray;
use zeroize::Zeroizing;

use crate::delivery::deliver;

/// The Python function behind the bridge.
struct Called(std::sync::Arc<Py<PyAny>>);

impl Application for Called {
    fn call(&self, message: Message) -> bool {
        let called = std::sync::Arc::clone(&self.0);
        deliver(Box::new(move |py| {
            let Message {
                session,
                call,
                method,
                input,
                body,
            } = message;
            // Python wipes it.
            let body = body.map(|body| PyByteArray::new(py, &body));
            called.call1(py, (session, call, method, input, body))?;
            Ok(())
        }))
    }
}

/// The bridge to Python.
#[pyclass(frozen, module = "mcp_reauth._native")]
pub(crate) struct Bridge(pub(crate) bindings::Bridge);

#[pymethods]
impl Bridge {
    /// `called(session, call, method, input, body)` receives every call, in order, and must not throw.
    #[new]
    fn new(called: Py<PyAny>) -> Self {
        let called = Called(std::sync::Arc::new(called));
        Self(bindings::Bridge::new(called))
    }

    /// Answers a call: `{"ok": value}` or `{"error": {"message", "cancelled", "unsent", "thrown"}}`. Returns whether
    /// the call was still pending. `body` is copied: the caller wipes its own.
    #[pyo3(signature = (call, reply, body=None))]
    fn settle(&self, call: u32, reply: String, body: Option<Vec<u8>>) -> bool {
        let mut body = body.map(Zeroizing::new);
        let body = body.as_mut().map(|body| std::mem::take(&mut **body));
        self.0.settle(call, reply, body)
    }
}
