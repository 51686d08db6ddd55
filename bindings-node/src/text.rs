//! Functions without a session: challenges, scopes, sentences.

use mcp_reauth_bindings::text;
use napi_derive::napi;

/// Parses the challenge of a response with these `WWW-Authenticate` lines, and returns it as JSON.
#[napi]
pub fn parse_challenge(status: u16, www_authenticate: Vec<String>) -> Option<String> {
    text::parse_challenge(status, &www_authenticate)
}

/// Parses the challenge of a tool result. Result and challenge are JSON.
#[napi]
pub fn challenge_of_tool_result(result: String) -> Option<String> {
    text::challenge_of_tool_result(&result)
}

/// Reads the operation of a JSON-RPC message, and returns it as JSON.
#[napi]
pub fn operation_of_message(message: String) -> String {
    text::operation_of_message(&message)
}

/// An answer with a `config` error.
#[napi]
pub fn misconfigured(detail: String) -> String {
    text::misconfigured(&detail)
}

/// Builds the JSON-RPC error response to a request from the JSON form of an error; `null` if `message` is not a request
/// or the form is invalid.
#[napi]
pub fn json_rpc_error(message: String, error: String) -> Option<String> {
    text::json_rpc_error(&message, &error).ok().flatten()
}

/// Parses a `scope` parameter.
#[napi]
pub fn parse_scopes(value: String) -> Vec<String> {
    text::parse_scopes(&value)
}

/// The union of all sets.
#[napi]
pub fn scope_union(sets: Vec<Vec<String>>) -> Vec<String> {
    text::scope_union(sets)
}

/// Whether `granted` contains all of `required`.
#[napi]
pub fn scopes_cover(granted: Vec<String>, required: Vec<String>) -> bool {
    text::scopes_cover(granted, required)
}

/// Whether `a` contains all of `b`, and more.
#[napi]
pub fn is_strict_scope_superset(a: Vec<String>, b: Vec<String>) -> bool {
    text::is_strict_scope_superset(a, b)
}

/// The scopes of `a` that `b` lacks.
#[napi]
pub fn scope_difference(a: Vec<String>, b: Vec<String>) -> Vec<String> {
    text::scope_difference(a, b)
}

/// Renders a user-facing sentence, as an answer.
#[napi]
pub fn sentence(input: String) -> String {
    text::sentence(&input)
}
