//! What needs no session: challenges, scopes, sentences.

use mcp_reauth::{AuthChallenge, Error, Operation, ScopeSet, mcp, wording};
use serde_json::Value;

use crate::answer::{answer, read};

/// The challenge of a response with these `WWW-Authenticate` lines, in JSON.
#[must_use]
pub fn parse_challenge(status: u16, www_authenticate: &[String]) -> Option<String> {
    let lines = www_authenticate.iter().map(String::as_str);
    json(AuthChallenge::from_response(status, lines))
}

/// The challenge of a tool result, in JSON; both of it and of the result.
#[must_use]
pub fn challenge_of_tool_result(result: &str) -> Option<String> {
    let result: Value = serde_json::from_str(result).ok()?;
    json(AuthChallenge::from_tool_result(&result))
}

/// What a JSON-RPC message does, in JSON.
#[must_use]
pub fn operation_of_message(message: &str) -> String {
    let operation = Operation::of_json(message.as_bytes());
    serde_json::to_string(&operation).unwrap_or_else(|_| "{}".to_owned())
}

fn json(challenge: Option<AuthChallenge>) -> Option<String> {
    serde_json::to_string(&challenge?).ok()
}

/// An error of set-up (`config`), as an answer: an option is wrong that the binding checks itself.
#[must_use]
pub fn misconfigured(detail: &str) -> String {
    answer(&Err::<(), _>(Error::config(detail)))
}

/// The answer to the JSON-RPC request `message` that says why it failed, by the form of an error. `None` where `message` is
/// no request.
///
/// # Errors
/// The answer that the form cannot be read.
pub fn json_rpc_error(message: &str, error: &str) -> Result<Option<String>, String> {
    let error: Error = read("the error", error).map_err(|error| answer(&Err::<(), _>(error)))?;
    Ok(mcp::failure_of(message.as_bytes(), &error))
}

/// The scopes of a `scope` parameter.
#[must_use]
pub fn parse_scopes(value: &str) -> Vec<String> {
    ScopeSet::parse(value).into()
}

/// All sets together.
#[must_use]
pub fn scope_union(sets: Vec<Vec<String>>) -> Vec<String> {
    let sets = sets.into_iter().map(ScopeSet::from);
    sets.fold(ScopeSet::new(), |all, set| all.union(&set))
        .into()
}

/// Whether `granted` has all of `required`.
#[must_use]
pub fn scopes_cover(granted: Vec<String>, required: Vec<String>) -> bool {
    ScopeSet::from(granted).covers(&required.into())
}

/// Whether `a` has all of `b`, and more.
#[must_use]
pub fn is_strict_scope_superset(a: Vec<String>, b: Vec<String>) -> bool {
    ScopeSet::from(a).is_strict_superset(&b.into())
}

/// What `a` has and `b` lacks.
#[must_use]
pub fn scope_difference(a: Vec<String>, b: Vec<String>) -> Vec<String> {
    ScopeSet::from(a).difference(&b.into()).into()
}

/// A sentence of the wording, as an answer.
#[must_use]
pub fn sentence(input: &str) -> String {
    let sentence: Result<wording::Sentence, Error> = read("the sentence", input);
    answer(&sentence.map(|sentence| sentence.say()))
}
