//! What needs no session: challenges, scopes, sentences.

use mcp_reauth::{AuthChallenge, Error, Operation, ScopeSet, wording};
use napi_derive::napi;
use serde_json::Value;

use crate::answer::answer;
use crate::options::read;

/// The challenge of a response with these `WWW-Authenticate` lines, in JSON.
#[napi]
pub fn parse_challenge(status: u16, www_authenticate: Vec<String>) -> Option<String> {
    let lines = www_authenticate.iter().map(String::as_str);
    json(AuthChallenge::from_response(status, lines))
}

/// The challenge of a tool result, in JSON; both of it and of the result.
#[napi]
pub fn challenge_of_tool_result(result: String) -> Option<String> {
    let result: Value = serde_json::from_str(&result).ok()?;
    json(AuthChallenge::from_tool_result(&result))
}

/// What a JSON-RPC message does, in JSON.
#[napi]
pub fn operation_of_message(message: String) -> String {
    let operation = Operation::of_json(message.as_bytes());
    serde_json::to_string(&operation).unwrap_or_else(|_| "{}".to_owned())
}

fn json(challenge: Option<AuthChallenge>) -> Option<String> {
    serde_json::to_string(&challenge?).ok()
}

/// The form of an error of set-up (`config`) or of the application's own part (`host`), in JSON.
#[napi(ts_args_type = "code: 'config' | 'host', detail: string")]
pub fn error_form(code: String, detail: String) -> Option<String> {
    let error = match code.as_str() {
        "config" => Error::config(detail),
        "host" => Error::host(detail),
        _ => return None,
    };
    serde_json::to_string(&error).ok()
}

/// The scopes of a `scope` parameter.
#[napi]
pub fn parse_scopes(value: String) -> Vec<String> {
    ScopeSet::parse(&value).into()
}

/// All sets together.
#[napi]
pub fn scope_union(sets: Vec<Vec<String>>) -> Vec<String> {
    let sets = sets.into_iter().map(ScopeSet::from);
    sets.fold(ScopeSet::new(), |all, set| all.union(&set))
        .into()
}

/// Whether `granted` has all of `required`.
#[napi]
pub fn scopes_cover(granted: Vec<String>, required: Vec<String>) -> bool {
    ScopeSet::from(granted).covers(&required.into())
}

/// Whether `a` has all of `b`, and more.
#[napi]
pub fn is_strict_scope_superset(a: Vec<String>, b: Vec<String>) -> bool {
    ScopeSet::from(a).is_strict_superset(&b.into())
}

/// What `a` has and `b` lacks.
#[napi]
pub fn scope_difference(a: Vec<String>, b: Vec<String>) -> Vec<String> {
    ScopeSet::from(a).difference(&b.into()).into()
}

/// A sentence of the wording, as an answer.
#[napi]
pub fn sentence(input: String) -> String {
    let sentence: Result<wording::Sentence, Error> = read("the sentence", &input);
    answer(&sentence.map(|sentence| sentence.say()))
}
