//! Challenges inside JSON-RPC messages, and errors as JSON-RPC responses (JSON-RPC 2.0, sections 4 and 5).

use memchr::memmem;
use serde::Deserialize;
use serde_json::Value;

use crate::challenge::AuthChallenge;
use crate::error::Error;
use crate::session::Authorization;
use crate::text;

/// Whether a response may contain a challenge: most do not, and need no parsing. The slash of `mcp/www_authenticate`
/// may be escaped.
pub(super) fn mentions_challenge(answer: &[u8]) -> bool {
    memmem::find(answer, b"www_authenticate").is_some()
}

/// Returns the challenge in a tool result, for a server that accepts the call and lets the tool reject it.
pub(super) fn challenge_in(answer: &[u8]) -> Option<AuthChallenge> {
    if !mentions_challenge(answer) {
        return None;
    }
    let answer: Value = serde_json::from_slice(answer).ok()?;
    // Older servers may respond with a batch (MCP 2025-03-26).
    let messages = match &answer {
        Value::Array(messages) => messages.as_slice(),
        message => std::slice::from_ref(message),
    };
    let mut results = messages.iter().filter_map(|message| message.get("result"));
    results.find_map(AuthChallenge::from_tool_result)
}

/// Returns the JSON-RPC error response to `message`; `None` if `message` is not a request.
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

/// Returns the beginning of a server's text, fit to be shown, without the token that the request was sent with, which
/// the server may quote. `None` if nothing is left.
#[must_use]
pub fn quotable(text: &[u8], sent: Option<&Authorization>) -> Option<String> {
    let text = text::displayable(&String::from_utf8_lossy(text))?;
    let token = sent.map(|sent| sent.grant().access_token.expose());
    Some(text::without(&text, token))
}
