//! Functions without a session: challenges, scopes, sentences. Data crosses as JSON.

use mcp_reauth_bindings::text;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Parses the challenge of a response with these `WWW-Authenticate` lines.
#[pyfunction]
pub(crate) fn parse_challenge(status: u16, www_authenticate: Vec<String>) -> Option<String> {
    text::parse_challenge(status, &www_authenticate)
}

/// Parses the challenge of a tool result.
#[pyfunction]
pub(crate) fn challenge_of_tool_result(result: &str) -> Option<String> {
    text::challenge_of_tool_result(result)
}

/// Reads the operation of a JSON-RPC message.
#[pyfunction]
pub(crate) fn operation_of_message(message: &str) -> String {
    text::operation_of_message(message)
}

/// An answer with a `config` error, for an option that the Python part checks itself.
#[pyfunction]
pub(crate) fn misconfigured(detail: &str) -> String {
    text::misconfigured(detail)
}

/// Builds the JSON-RPC error response to the request `message` from the JSON form of an error; `None` if `message` is
/// not a request.
#[pyfunction]
pub(crate) fn json_rpc_error(message: &str, error: &str) -> PyResult<Option<String>> {
    text::json_rpc_error(message, error).map_err(PyValueError::new_err)
}

/// Parses a `scope` parameter.
#[pyfunction]
pub(crate) fn parse_scopes(value: &str) -> Vec<String> {
    text::parse_scopes(value)
}

/// The union of all sets.
#[pyfunction]
pub(crate) fn scope_union(sets: Vec<Vec<String>>) -> Vec<String> {
    text::scope_union(sets)
}

/// Whether `granted` contains all of `required`.
#[pyfunction]
pub(crate) fn scopes_cover(granted: Vec<String>, required: Vec<String>) -> bool {
    text::scopes_cover(granted, required)
}

/// Whether `a` contains all of `b`, and more.
#[pyfunction]
pub(crate) fn is_strict_scope_superset(a: Vec<String>, b: Vec<String>) -> bool {
    text::is_strict_scope_superset(a, b)
}

/// The scopes of `a` that `b` lacks.
#[pyfunction]
pub(crate) fn scope_difference(a: Vec<String>, b: Vec<String>) -> Vec<String> {
    text::scope_difference(a, b)
}

/// Renders a user-facing sentence, as an answer.
#[pyfunction]
pub(crate) fn sentence(input: &str) -> String {
    text::sentence(input)
}
