//! What needs no session: challenges, scopes, sentences.

use mcp_reauth_bindings::text;
use napi_derive::napi;

/// The challenge of a response with these `WWW-Authenticate` lines, in JSON.
#[napi]
pub fn parse_challenge(status: u16, www_authenticate: Vec<String>) -> Option<String> {
    text::parse_challenge(status, &www_authenticate)
}

/// The challenge of a tool result, in JSON; both of it and of the result.
#[napi]
pub fn challenge_of_tool_result(result: String) -> Option<String> {
    text::challenge_of_tool_result(&result)
}

/// What a JSON-RPC message does, in JSON.
#[napi]
pub fn operation_of_message(message: String) -> String {
    text::operation_of_message(&message)
}

/// An error of set-up, as an answer.
#[napi]
pub fn misconfigured(detail: String) -> String {
    text::misconfigured(&detail)
}

/// The answer to a JSON-RPC request that says why it failed, by the form of an error (JSON); `null` where `message` is no
/// request, or the form none.
#[napi]
pub fn json_rpc_error(message: String, error: String) -> Option<String> {
    text::json_rpc_error(&message, &error).ok().flatten()
}

/// The scopes of a `scope` parameter.
#[napi]
pub fn parse_scopes(value: String) -> Vec<String> {
    text::parse_scopes(&value)
}

/// All sets together.
#[napi]
pub fn scope_union(sets: Vec<Vec<String>>) -> Vec<String> {
    text::scope_union(sets)
}

/// Whether `granted` has all of `required`.
#[napi]
pub fn scopes_cover(granted: Vec<String>, required: Vec<String>) -> bool {
    text::scopes_cover(granted, required)
}

/// Whether `a` has all of `b`, and more.
#[napi]
pub fn is_strict_scope_superset(a: Vec<String>, b: Vec<String>) -> bool {
    text::is_strict_scope_superset(a, b)
}

/// What `a` has and `b` lacks.
#[napi]
pub fn scope_difference(a: Vec<String>, b: Vec<String>) -> Vec<String> {
    text::scope_difference(a, b)
}

/// A sentence of the wording, as an answer.
#[napi]
pub fn sentence(input: String) -> String {
    text::sentence(&input)
}
