//! Functions for the package's own tests.

use mcp_reauth_bindings::testing;
use pyo3::prelude::*;

/// The result of a shared vector, as JSON; `None` if the input is not JSON.
#[pyfunction]
pub(crate) fn vector(file: &str, input: &str) -> Option<String> {
    testing::vector(file, input)
}

/// Advances the clock of all sessions.
#[pyfunction]
pub(crate) fn advance_clock(seconds: u32) {
    testing::advance_clock(seconds);
}
