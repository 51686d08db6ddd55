//! Challenges inside JSON-RPC messages, and errors as the answers to them (JSON-RPC 2.0, sections 4 and 5).

use memchr::memmem;
use serde::Deserialize;
use serde_json::Value;

use crate::challenge::AuthChallenge;
use crate::error::Error;
use crate::session::Authorization;
use crate::text;

/// Whether an answer may hold a challenge: most do not, and need not be taken apart. The slash of the name may be
/// escaped.
pub(super) fn mentions_challenge(answer: &[u8]) -> bool {
    memmem::find(answer, b"www_authenticate").is_some()
}

/// The challenge in the result of a tool, where a server let the call through and had the tool refuse it.
pub(super) fn challenge_in(answer: &[u8]) -> Option<AuthChallenge> {
    if !mentions_challenge(answer) {
        return None;
    }
    let answer: Value = serde_json::from_slice(answer).ok()?;
    // Older servers may answer by a list of messages (MCP 2025-03-26).
    let messages = match &answer {
        Value::Array(messages) => messages.as_slice(),
        message => std::slice::from_ref(message),
    };
    let mut results = messages.iter().filter_map(|message| message.get("result"));
    results.find_map(AuthChallenge::from_tool_result)
}

/// The JSON-RPC answer to `message` that says why it failed; `None` if it is no request.
#[must_use]
pub fn failure_of(message: &[u8], error: &Error) -> Option<String> {
    #[derive(Deserialize)]
    struct Head {
        id: Value,
        #[serde(rename = "method")]
        _method: String,
    }
    let Head { id, .. } = serde_json::from_slice(message).ok()?;
    (!id.is_null()).then(|| error.to_json_rpc(&id).to_string())
}

/// The beginning of a text of the server, fit to be shown, without the token that the request was sent with, should the
/// server quote it. `None` if nothing is left.
#[must_use]
pub fn quotable(text: &[u8], sent: Option<&Authorization>) -> Option<String> {
    let text = text::displayable(&String::from_utf8_lossy(text))?;
    let token = sent.map(|sent| sent.grant().access_token.expose());
    Some(text::without(&text, token))
}
