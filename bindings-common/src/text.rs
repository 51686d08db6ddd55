//! Functions without a session: challenges, scopes, sentences.

use mcp_reauth::{AuthChallenge, Error, Operation, ScopeSet, mcp, wording};
use serde_json::Value;

use crate::answer::{answer, read};

/// Parses the challenge of a response with these `WWW-Authenticate` lines, and returns it as JSON.
#[must_use]
pub fn parse_challenge(status: u16, www_authenticate: &[String]) -> Option<String> {
    let lines = www_authenticate.iter().map(String::as_str);
    json(AuthChallenge::from_response(status, lines))
}

/// Parses the challenge of a tool result. Result and challenge are JSON.
#[must_use]
pub fn challenge_of_tool_result(result: &str) -> Option<String> {
    let result: Value = serde_json::from_str(result).ok()?;
    json(AuthChallenge::from_tool_result(&result))
}

/// Reads the operation of a JSON-RPC message, and returns it as JSON.
#[must_use]
pub fn operation_of_message(message: &str) -> String {
    let operation = Operation::of_json(message.as_bytes());
    serde_json::to_string(&operation).unwrap_or_else(|_| "{}".to_owned())
}

fn json(challenge: Option<AuthChallenge>) -> Option<String> {
    serde_json::to_string(&challenge?).ok()
}

/// An answer with a `config` error, for an option that the binding checks itself.
#[must_use]
pub fn misconfigured(detail: &str) -> String {
    answer(&Err::<(), _>(Error::config(detail)))
}

/// Builds the JSON-RPC error response to the request `message` from the JSON form of an error. Returns `None` if
/// `message` is not a request.
///
/// # Errors
/// An answer, if the form cannot be parsed.
pub fn json_rpc_error(message: &str, error: &str) -> Result<Option<String>, String> {
    let error: Error = read("the error", error).map_err(|error| answer(&Err::<(), _>(error)))?;
    Ok(mcp::failure_of(message.as_bytes(), &error))
}

/// Parses a `scope` parameter.
#[must_use]
pub fn parse_scopes(value: &str) -> Vec<String> {
    ScopeSet::parse(value).into()
}

/// The union of all sets.
#[must_use]
pub fn scope_union(sets: Vec<Vec<String>>) -> Vec<String> {
    let sets = sets.into_iter().map(ScopeSet::from);
    sets.fold(ScopeSet::new(), |all, set| all.union(&set))
        .into()
}

/// Whether `granted` contains all of `required`.
#[must_use]
pub fn scopes_cover(granted: Vec<String>, required: Vec<String>) -> bool {
    ScopeSet::from(granted).covers(&required.into())
}

/// Whether `a` contains all of `b`, and more.
#[must_use]
pub fn is_strict_scope_superset(a: Vec<String>, b: Vec<String>) -> bool {
    ScopeSet::from(a).is_strict_superset(&b.into())
}

/// The scopes of `a` that `b` lacks.
#[must_use]
pub fn scope_difference(a: Vec<String>, b: Vec<String>) -> Vec<String> {
    ScopeSet::from(a).difference(&b.into()).into()
}

/// Renders a user-facing sentence, as an answer.
#[must_use]
pub fn sentence(input: &str) -> String {
    let sentence: Result<wording::Sentence, Error> = read("the sentence", input);
    answer(&sentence.map(|sentence| sentence.say()))
}
