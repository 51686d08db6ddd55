//! Reads the responses of token endpoints (RFC 6749 section 5), as real servers write them.

use std::time::SystemTime;

use http::{HeaderMap, StatusCode, header};
use serde_json::{Map, Value};

use super::lenient;
use super::tokens::{TokenFailure, Tokens};
use crate::challenge::{INVALID_DPOP_PROOF, USE_DPOP_NONCE};
use crate::error::TransientError;
use crate::http::{HttpError, Response};
use crate::secret::Secret;
use crate::text;

/// The maximum lifetime of a token, in seconds (ten years). Other programs could not read the date of a longer one.
pub(crate) const MAX_LIFETIME: u64 = 10 * 365 * 86400;
/// The longest `Retry-After` that is honoured, in seconds.
const MAX_RETRY_AFTER: u64 = 86400;

/// Reads a response of a token endpoint: returns its members, or what its failure means. `now` matters only for servers
/// that send no `Date`.
pub(crate) fn read(
    answer: Result<Response, HttpError>,
    now: SystemTime,
) -> Result<Map<String, Value>, TokenFailure> {
    let response = match answer {
        Ok(response) => response,
        Err(HttpError::Insecure) => return Err(TokenFailure::Insecure),
        Err(error) => return Err(TokenFailure::Transient(error.into())),
    };
    let status = response.status();
    let retry_after = retry_after(response.headers(), now);
    let transient = |detail| {
        TokenFailure::Transient(TransientError {
            retry_after,
            ..TransientError::from(detail)
        })
    };
    if is_transient(status) {
        return Err(transient(format!("the server answered {status}")));
    }
    if status.is_redirection() {
        let detail = "its token endpoint redirects, which is not followed";
        return Err(transient(detail.to_owned()));
    }
    let body = lenient::json(response.body());
    if !status.is_success() {
        return Err(rejection(status, response.body(), body, retry_after));
    }
    match body {
        // Some servers report errors with status 200.
        Some(Value::Object(body)) if is_error(&body) => Err(rejection(
            status,
            response.body(),
            Some(Value::Object(body)),
            retry_after,
        )),
        Some(Value::Object(body)) => Ok(body),
        Some(_) => Err(transient("the response is not a JSON object".to_owned())),
        None => Err(transient("the response is not JSON".to_owned())),
    }
}

fn is_error(body: &Map<String, Value>) -> bool {
    member(body, "access_token").is_none() && body.contains_key("error")
}

/// Returns the tokens in a response. `proven`: the request had a proof, so that they may be bound to its key.
pub(crate) fn tokens(body: &Map<String, Value>, proven: bool) -> Result<Tokens, TokenFailure> {
    let Some(access_token) = member(body, "access_token") else {
        let detail = "its response has no access_token".to_owned();
        return Err(TokenFailure::Transient(detail.into()));
    };
    let bound = match member(body, "token_type").map(str::trim) {
        None => Some(false),
        Some(name) if name.eq_ignore_ascii_case("bearer") => Some(false),
        Some(name) if name.eq_ignore_ascii_case("dpop") => Some(true),
        // RFC 6749 section 7.1: a client must not use a token of a type it does not know.
        Some(_) => None,
    };
    let Some(bound) = bound.filter(|bound| proven || !bound) else {
        return Err(TokenFailure::Other {
            code: "unsupported_token_type".to_owned(),
            detail: "it issues tokens of an unknown type".to_owned(),
        });
    };
    if !access_token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(TokenFailure::Other {
            code: "invalid_response".to_owned(),
            detail: "its response has a token that cannot be sent in a header".to_owned(),
        });
    }
    Ok(Tokens {
        access_token: Secret::new(access_token),
        expires_in: body.get("expires_in").and_then(lifetime),
        refresh_token: member(body, "refresh_token").map(Secret::new),
        scope: scope_member(body),
        bound,
        id_token: member(body, "id_token").map(Secret::new),
    })
}

/// Returns a text member of a response. An empty text counts as absent, and so does any other type.
pub(crate) fn member<'a>(body: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    let text = body.get(name)?.as_str()?;
    (!text.trim().is_empty()).then_some(text)
}

/// Returns the scopes in the `scope` of a response. Some servers send a list in place of a text; an empty one counts as
/// absent.
pub(crate) fn scope_member(body: &Map<String, Value>) -> Option<Vec<String>> {
    let texts: Vec<&str> = match body.get("scope")? {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        _ => return None,
    };
    let scopes = texts.iter().flat_map(|text| text.split(' '));
    let scopes: Vec<String> = scopes
        .filter(|scope| !scope.is_empty())
        .map(str::to_owned)
        .collect();
    (!scopes.is_empty()).then_some(scopes)
}

/// Reads a lifetime in seconds, which some servers write as a text or with a fraction. Zero or less counts as unknown:
/// no server issues tokens that have already expired.
fn lifetime(written: &Value) -> Option<u64> {
    let seconds = match written {
        Value::String(text) => text.trim().parse().ok()?,
        other => other.as_f64()?,
    };
    whole_seconds(seconds).filter(|seconds| *seconds > 0)
}

/// Drops the fraction of the seconds, and limits them to [`MAX_LIFETIME`].
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss
)]
fn whole_seconds(seconds: f64) -> Option<u64> {
    let usable = seconds.is_finite() && seconds >= 0.0;
    usable.then(|| seconds.min(MAX_LIFETIME as f64) as u64)
}

/// Whether the status alone makes an error transient, whatever the body says.
pub(crate) fn is_transient(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429)
}

/// Whether the code makes an error transient. If a proof is refused, the clock is wrong, or the server wants another
/// nonce each time: no token is to blame, and the user could not help.
fn is_transient_code(code: &str) -> bool {
    let transient = ["temporarily_unavailable", "server_error"];
    transient.contains(&code) || [USE_DPOP_NONCE, INVALID_DPOP_PROOF].contains(&code)
}

/// Whether a status means that there is no token endpoint at this URL.
fn is_gone(status: StatusCode) -> bool {
    matches!(status.as_u16(), 404 | 405 | 410)
}

/// Returns what a rejection means. `body`: the response as JSON, if it is any. Only `invalid_grant` and
/// `invalid_client` say that the grant or the client is no longer valid; any other rejection discards nothing.
fn rejection(
    status: StatusCode,
    raw: &[u8],
    body: Option<Value>,
    retry_after: Option<u64>,
) -> TokenFailure {
    let answered = || format!("it answered {status}");
    let body = match body {
        Some(Value::Object(body)) => body,
        other => {
            let detail = plain(raw, other.as_ref()).unwrap_or_else(answered);
            return match is_gone(status) {
                true => TokenFailure::Gone { detail: answered() },
                false => in_other_words(detail),
            };
        }
    };
    let error = member(&body, "error").unwrap_or_default();
    let Some(code) = text::displayable(error) else {
        return match is_gone(status) {
            true => TokenFailure::Gone { detail: answered() },
            false => in_other_words(answered()),
        };
    };
    let said = member(&body, "error_description").and_then(text::displayable);
    let detail = said.map_or_else(|| code.clone(), |said| format!("{code}: {said}"));
    match error {
        "invalid_grant" => TokenFailure::InvalidGrant { detail },
        "invalid_client" => TokenFailure::InvalidClient { detail },
        _ if is_transient_code(error) => TokenFailure::Transient(TransientError {
            retry_after,
            ..detail.into()
        }),
        // Frameworks respond with `{"error": "Not Found"}`.
        _ if is_gone(status) => TokenFailure::Gone { detail: answered() },
        _ => TokenFailure::Other { code, detail },
    }
}

/// A rejection that is not an OAuth error.
fn in_other_words(detail: String) -> TokenFailure {
    TokenFailure::Other {
        code: "invalid_response".to_owned(),
        detail,
    }
}

/// Returns the sentence with which a server responded in place of a JSON object, if it is one; a page is not.
fn plain(raw: &[u8], body: Option<&Value>) -> Option<String> {
    let text = match body {
        Some(Value::String(text)) => text,
        Some(_) => return None,
        None => str::from_utf8(raw).ok()?,
    };
    let text = text.trim();
    let sentence = text.len() <= MAX_SENTENCE && !text.starts_with(['<', '{', '[']);
    text::displayable(text).filter(|_| sentence)
}

/// The maximum length of such a sentence, in bytes.
const MAX_SENTENCE: usize = 200;

/// Returns `Retry-After` in seconds (RFC 9110 section 10.2.3), bounded. A date is compared with the `Date` of the
/// response, or with this machine's clock if there is none.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<u64> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let date = |text: &str| httpdate::parse_http_date(text).ok();
    let value = text(header::RETRY_AFTER).filter(|value| !value.is_empty())?;
    let seconds = if value.bytes().all(|b| b.is_ascii_digit()) {
        // A number that does not fit exceeds the bound.
        value.parse().unwrap_or(u64::MAX)
    } else {
        let now = text(header::DATE).and_then(date).unwrap_or(now);
        let wait = date(value)?.duration_since(now).unwrap_or_default();
        wait.as_secs()
    };
    Some(seconds.min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests;
