//! Reads a rejected response into one typed [`AuthChallenge`].

pub(crate) mod parser;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::scope::ScopeSet;
use crate::text;
use parser::RawChallenge;

/// The `_meta` key for challenges inside a tool result: a string, or a list of strings.
pub const TOOL_RESULT_CHALLENGE: &str = "mcp/www_authenticate";

/// The error that demands a proof with the nonce in the same response (RFC 9449 sections 8 and 9).
pub(crate) const USE_DPOP_NONCE: &str = "use_dpop_nonce";
/// The error that refuses a proof, whatever the token (RFC 9449 section 5).
pub(crate) const INVALID_DPOP_PROOF: &str = "invalid_dpop_proof";

/// How much of a response its challenge keeps, in bytes. Events, errors and questions carry it.
const MAX_RAW: usize = 16 * 1024;

/// Why a server rejected a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// 403 without `insufficient_scope`: the user may not do this, whatever the token.
    Unauthorized,
    /// 401 without a more specific error: no token, or one that is no longer valid.
    TokenExpired,
    /// 401 with `error="invalid_token"` (RFC 6750 section 3.1).
    InvalidToken,
    /// `error="insufficient_scope"` (RFC 6750 section 3.1): the token lacks scope.
    InsufficientScope,
    /// 401 with `error="insufficient_user_authentication"` (RFC 9470): the user must authenticate again, with a
    /// stronger method or more recently.
    InsufficientUserAuthentication,
}

/// What a rejected request was doing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Operation {
    /// The JSON-RPC method, such as `tools/call`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The tool of a `tools/call`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_name: Option<String>,
    /// The URI of a `resources/read` or a subscription.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_uri: Option<String>,
    /// The prompt of a `prompts/get`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_name: Option<String>,
}

impl Operation {
    /// Reads the operation from a JSON-RPC message. It is empty if the message has no method.
    #[must_use]
    pub fn of_message(message: &Value) -> Self {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let param = |name| message.get("params")?.get(name).and_then(text);
        let method = message.get("method").and_then(text);
        Self::of(method, param("name"), param("uri"))
    }

    /// As [`of_message`](Self::of_message), for serialized JSON: parses no more of it than needed.
    #[must_use]
    pub fn of_json(message: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Head {
            method: Option<String>,
            params: Option<Params>,
        }
        #[derive(Default, Deserialize)]
        struct Params {
            name: Option<String>,
            uri: Option<String>,
        }
        match serde_json::from_slice::<Head>(message) {
            Ok(Head { method, params }) => {
                let params = params.unwrap_or_default();
                Self::of(method, params.name, params.uri)
            }
            // Other methods may use these names for other types.
            Err(_) => {
                let message = serde_json::from_slice(message);
                Self::of_message(&message.unwrap_or_default())
            }
        }
    }

    fn of(method: Option<String>, name: Option<String>, uri: Option<String>) -> Self {
        let (mut tool_name, mut resource_uri, mut prompt_name) = (None, None, None);
        match method.as_deref() {
            Some("tools/call") => tool_name = name,
            Some("prompts/get") => prompt_name = name,
            Some(method) if method.starts_with("resources/") => resource_uri = uri,
            _ => {}
        }
        Self {
            method,
            tool_name,
            resource_uri,
            prompt_name,
        }
    }

    /// Whether nothing is known of the operation.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The response that a challenge was read from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct RawResponse {
    /// The HTTP status; for a challenge inside a tool result, the status it is read as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    /// The field lines, joined by commas (RFC 9110 section 5.3) and truncated to 16 KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub www_authenticate: Option<String>,
}

impl RawResponse {
    /// Whether nothing is known of the response.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// One rejected request, normalized. Its JSON form is the same on every wire and in every language; unknown members are
/// absent.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AuthChallenge {
    /// Why the request was rejected.
    pub reason: Reason,
    /// The scopes that the server says this operation needs; empty if it names none.
    #[serde(default, skip_serializing_if = "ScopeSet::is_empty")]
    pub required_scopes: ScopeSet,
    /// The scopes that a re-authorization requests: requested, granted and required ones together. Set by the recovery,
    /// not by the server.
    #[serde(default, skip_serializing_if = "ScopeSet::is_empty")]
    pub authorization_scopes: ScopeSet,
    /// The resource identifier, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// The URL of the protected resource metadata (RFC 9728 section 5.1), exactly as the server wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_metadata: Option<String>,
    /// The issuer identifier of the authorization server, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// The requested authentication context classes, in order of preference (RFC 9470 section 3).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acr_values: Vec<String>,
    /// The maximum age of the user's sign-in, in seconds (RFC 9470 section 3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<u64>,
    /// The server's `error_description`, without control characters and bounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What the request was doing.
    #[serde(default, skip_serializing_if = "Operation::is_empty")]
    pub context: Operation,
    /// The response that it was read from.
    #[serde(default, skip_serializing_if = "RawResponse::is_empty")]
    pub raw: RawResponse,
}

/// What a challenge demands of DPoP (RFC 9449 sections 7.1 and 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DpopDemand {
    /// Nothing: a bearer token is accepted.
    None,
    /// A token that is bound to a key, or another proof for it.
    Token,
    /// A nonce in the proof.
    Nonce,
    /// The proof is refused, whatever the token.
    Refused,
}

impl AuthChallenge {
    /// Returns what the challenge demands of DPoP. A server that also accepts bearer tokens does not demand a bound
    /// token.
    pub(crate) fn dpop_demand(&self) -> DpopDemand {
        let Some(lines) = self.raw.www_authenticate.as_deref() else {
            return DpopDemand::None;
        };
        // Servers without DPoP cost no parsing.
        if !contains_dpop(lines) {
            return DpopDemand::None;
        }
        let challenges = parser::parse([lines]);
        let is = |c: &&RawChallenge<'_>, scheme: &str| c.scheme.eq_ignore_ascii_case(scheme);
        let errors = challenges.iter().filter(|c| is(c, "dpop"));
        let errors: Vec<_> = errors.map(|c| c.param("error")).collect();
        if errors.contains(&Some(USE_DPOP_NONCE)) {
            DpopDemand::Nonce
        } else if errors.contains(&Some(INVALID_DPOP_PROOF)) {
            DpopDemand::Refused
        } else if errors.is_empty() || challenges.iter().any(|c| is(&c, "bearer")) {
            DpopDemand::None
        } else {
            DpopDemand::Token
        }
    }

    /// Whether the error is `invalid_token` (RFC 6750 section 3.1), whatever the status.
    pub(crate) fn blames_token(&self) -> bool {
        let lines = self.raw.www_authenticate.as_deref();
        lines.is_some_and(|lines| {
            let challenges = parser::parse([lines]);
            let error = select(&challenges).and_then(|chosen| chosen.param("error"));
            error == Some("invalid_token")
        })
    }

    /// Reads a response: its status and its `WWW-Authenticate` field lines, in order. `None` if the status is neither
    /// 401 nor 403.
    ///
    /// ```
    /// # use mcp_reauth::{AuthChallenge, Reason};
    /// let header = r#"Bearer error="insufficient_scope", scope="files:write""#;
    /// let challenge = AuthChallenge::from_response(403, [header]).expect("a challenge");
    /// assert_eq!(challenge.reason, Reason::InsufficientScope);
    /// assert_eq!(challenge.required_scopes.to_string(), "files:write");
    /// assert!(AuthChallenge::from_response(500, [header]).is_none());
    /// ```
    #[must_use]
    pub fn from_response<'a>(
        status: u16,
        www_authenticate: impl IntoIterator<Item = &'a str>,
    ) -> Option<Self> {
        if status != 401 && status != 403 {
            return None;
        }
        let lines: Vec<&str> = www_authenticate.into_iter().collect();
        let challenges = parser::parse(lines.iter().copied());
        Some(Self::normalize(status, select(&challenges), &lines))
    }

    /// Reads the challenges in the `_meta` of a tool result with `isError` ([`TOOL_RESULT_CHALLENGE`]). The result is
    /// read as 403 if the error is `insufficient_scope`, otherwise as 401.
    #[must_use]
    pub fn from_tool_result(result: &Value) -> Option<Self> {
        if result.get("isError")? != &Value::Bool(true) {
            return None;
        }
        let lines: Vec<&str> = match result.get("_meta")?.get(TOOL_RESULT_CHALLENGE)? {
            Value::String(line) => vec![line],
            Value::Array(lines) => lines.iter().map(Value::as_str).collect::<Option<_>>()?,
            _ => return None,
        };
        let challenges = parser::parse(lines.iter().copied());
        let chosen = select(&challenges)?;
        let status = match chosen.param("error") {
            Some("insufficient_scope") => 403,
            _ => 401,
        };
        Some(Self::normalize(status, Some(chosen), &lines))
    }

    /// Creates a 401 without details, from which a client without a credential starts.
    #[must_use]
    pub fn unauthenticated() -> Self {
        Self::normalize(401, None, &[])
    }

    /// Adds what the request was doing.
    #[must_use]
    pub fn with_operation(mut self, operation: Operation) -> Self {
        self.context = operation;
        self
    }

    /// Removes the token that was sent, in case the server quoted it. A scope, ACR value or URL that contains it is
    /// dropped whole: URLs and questions would show it, and it is useless with a part missing.
    pub(crate) fn redact(&mut self, token: &str) {
        let quotes = |text: &str| text::quotes(text, token);
        if self.required_scopes.iter().any(quotes) {
            let scopes = self.required_scopes.iter();
            self.required_scopes = scopes.filter(|scope| !quotes(scope)).collect();
        }
        self.acr_values.retain(|value| !quotes(value));
        self.resource_metadata.take_if(|url| quotes(url));
        let raw = &mut self.raw.www_authenticate;
        for text in [&mut self.message, raw].into_iter().flatten() {
            *text = text::without(text, [token]);
        }
    }

    fn normalize(status: u16, chosen: Option<&RawChallenge<'_>>, lines: &[&str]) -> Self {
        let param = |name| chosen.and_then(|challenge| challenge.param(name));
        let reason = match (status, param("error")) {
            (_, Some("insufficient_scope")) => Reason::InsufficientScope,
            (401, Some("insufficient_user_authentication")) => {
                Reason::InsufficientUserAuthentication
            }
            (401, Some("invalid_token")) => Reason::InvalidToken,
            (401, _) => Reason::TokenExpired,
            _ => Reason::Unauthorized,
        };
        Self {
            reason,
            required_scopes: param("scope").map(ScopeSet::parse).unwrap_or_default(),
            authorization_scopes: ScopeSet::new(),
            resource: None,
            resource_metadata: param("resource_metadata")
                .filter(|url| !url.is_empty() && !url.contains(' ') && !text::has_controls(url))
                .map(str::to_owned),
            audience: None,
            acr_values: param("acr_values").map_or_else(Vec::new, |v| ScopeSet::parse(v).into()),
            max_age: param("max_age")
                .filter(|v| v.bytes().all(|b| b.is_ascii_digit()))
                .and_then(|v| v.parse().ok()),
            message: param("error_description").and_then(text::displayable),
            context: Operation::default(),
            raw: RawResponse {
                http_status: Some(status),
                www_authenticate: (!lines.is_empty()).then(|| raw(lines)),
            },
        }
    }
}

/// Joins the field lines and truncates them.
fn raw(lines: &[&str]) -> String {
    let mut raw = lines.join(", ");
    if raw.len() > MAX_RAW {
        raw.truncate(raw.floor_char_boundary(MAX_RAW));
        raw.shrink_to_fit();
    }
    raw
}

/// Selects the challenge that counts: of the Bearer and DPoP ones the first with an `error`, otherwise the first.
fn select<'a, 'b>(challenges: &'b [RawChallenge<'a>]) -> Option<&'b RawChallenge<'a>> {
    let mut ours = challenges.iter().filter(|challenge| {
        ["Bearer", "DPoP"]
            .iter()
            .any(|scheme| challenge.scheme.eq_ignore_ascii_case(scheme))
    });
    let first = ours.next()?;
    if first.param("error").is_some() {
        return Some(first);
    }
    ours.find(|challenge| challenge.param("error").is_some())
        .or(Some(first))
}

fn contains_dpop(lines: &str) -> bool {
    let mut windows = lines.as_bytes().windows(4);
    windows.any(|four| four.eq_ignore_ascii_case(b"dpop"))
}

#[cfg(test)]
mod tests {
    use super::{AuthChallenge, Operation};
    use serde_json::json;

    /// Unknown members are not written, and a challenge reads back the same without them.
    #[test]
    fn nothing_empty_is_written() {
        let challenge = AuthChallenge::from_response(401, []).expect("a challenge");
        let written = json!({ "reason": "token_expired", "raw": { "httpStatus": 401 } });
        assert_eq!(json!(challenge), written);
        let bare: AuthChallenge =
            serde_json::from_value(json!({ "reason": "unauthorized" })).expect("a challenge");
        assert_eq!(json!(bare), json!({ "reason": "unauthorized" }));
        let empty =
            [r#"Bearer scope="", acr_values="", resource_metadata="", error_description="""#];
        let challenge = AuthChallenge::from_response(403, empty).expect("a challenge");
        let raw = json!({ "httpStatus": 403, "wwwAuthenticate": empty[0] });
        assert_eq!(
            json!(challenge),
            json!({ "reason": "unauthorized", "raw": raw })
        );
    }

    /// Both ways to read a message give the same operation.
    #[test]
    fn an_operation_is_read_from_either_form() {
        let messages = [
            json!({ "method": "tools/call", "params": { "name": "echo", "arguments": { "name": 1 } } }),
            json!({ "method": "prompts/get", "params": { "name": "greet" } }),
            json!({ "method": "resources/read", "params": { "uri": "note://a", "name": "no" } }),
            json!({ "method": "tools/list" }),
            json!({ "method": "tools/call", "params": null }),
            json!({ "method": "tools/call", "params": { "name": 5 } }),
            json!({ "method": "resources/read", "params": { "name": 5, "uri": "note://a" } }),
            json!({ "method": "initialize", "params": ["a", "b"] }),
            json!({ "method": 7 }),
            json!({ "result": { "name": "echo" } }),
            json!([]),
        ];
        for message in messages {
            let read = Operation::of_json(message.to_string().as_bytes());
            assert_eq!(read, Operation::of_message(&message), "{message}");
        }
        assert_eq!(Operation::of_json(b"{").method, None);
    }
}
