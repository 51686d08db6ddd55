//! Requests to the token endpoint, and what its answers mean for a credential.

use std::time::SystemTime;

use http::{HeaderMap, StatusCode, header};
use oauth2::TokenResponse;
use oauth2::basic::{
    BasicErrorResponse, BasicErrorResponseType, BasicTokenResponse, BasicTokenType,
};
use serde_json::{Map, Value};

use super::client::Client;
use super::client_auth::spellings;
use super::dpop::{INVALID_PROOF, USE_NONCE};
use crate::error::{Error, Trouble};
use crate::http::{HttpError, Response};
use crate::scope::ScopeSet;
use crate::secret::Secret;
use crate::text;

/// The grant type of RFC 7523 section 2.1.
pub(crate) const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// What is presented for a token.
pub(crate) enum TokenGrant<'a> {
    /// RFC 6749 section 4.1.3 with RFC 7636.
    Code {
        code: &'a Secret,
        verifier: &'a Secret,
        redirect_uri: &'a str,
    },
    /// RFC 6749 section 6. Without scopes: the same as before.
    Refresh {
        token: &'a Secret,
        scopes: Option<&'a ScopeSet>,
    },
    /// RFC 6749 section 4.4.
    ClientCredentials { scopes: &'a ScopeSet },
    /// RFC 7523 section 2.1.
    JwtBearer {
        assertion: &'a Secret,
        scopes: &'a ScopeSet,
    },
}

impl TokenGrant<'_> {
    fn name(&self) -> &'static str {
        match self {
            Self::Code { .. } => "authorization_code",
            Self::Refresh { .. } => "refresh_token",
            Self::ClientCredentials { .. } => "client_credentials",
            Self::JwtBearer { .. } => JWT_BEARER,
        }
    }

    fn scopes(&self) -> Option<&ScopeSet> {
        match self {
            Self::ClientCredentials { scopes } | Self::JwtBearer { scopes, .. } => Some(scopes),
            Self::Refresh { scopes, .. } => *scopes,
            Self::Code { .. } => None,
        }
    }

    fn secrets(&self) -> impl Iterator<Item = &Secret> {
        let (first, second) = match self {
            Self::Code { code, verifier, .. } => (Some(*code), Some(*verifier)),
            Self::Refresh { token, .. } => (Some(*token), None),
            Self::JwtBearer { assertion, .. } => (Some(*assertion), None),
            Self::ClientCredentials { .. } => (None, None),
        };
        first.into_iter().chain(second)
    }
}

/// A successful answer (RFC 6749 section 5.1).
pub(crate) struct Tokens {
    pub(crate) access_token: Secret,
    pub(crate) expires_in: Option<u64>,
    pub(crate) refresh_token: Option<Secret>,
    /// Authoritative when present, even when narrower; absent means as requested.
    pub(crate) scope: Option<ScopeSet>,
    /// The access token is bound to the key of the proof that was sent (RFC 9449 section 5).
    pub(crate) bound: bool,
    /// OpenID Connect Core section 3.1.3.3.
    pub(crate) id_token: Option<Secret>,
}

/// Why there is no token, by what it means for the means that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TokenFailure {
    /// Nothing is known of the credential.
    Transient(Trouble),
    /// `invalid_grant`: this code or refresh token is dead.
    InvalidGrant { detail: String },
    /// `invalid_client`: this registration is.
    InvalidClient { detail: String },
    /// Any other error: of no use now, and nothing is to be discarded.
    Other { code: String, detail: String },
    /// The endpoint is neither https nor on this machine.
    Insecure,
    /// This program could not make the request: a key failed it.
    Local(Box<Error>),
}

impl TokenFailure {
    /// The same without these secrets, should the server have quoted them.
    pub(crate) fn without<'a>(
        mut self,
        secrets: impl IntoIterator<Item = &'a str> + Clone,
    ) -> Self {
        if let Self::Other { code, .. } = &mut self {
            *code = text::without(code, secrets.clone());
        }
        if let Self::Transient(Trouble { detail, .. })
        | Self::InvalidGrant { detail }
        | Self::InvalidClient { detail }
        | Self::Other { detail, .. } = &mut self
        {
            *detail = text::without(detail, secrets);
        }
        self
    }

    /// The error of a request that a person's sign-in depended on. `issuer` answered it, at `endpoint`.
    pub(crate) fn into_error(self, issuer: &str, endpoint: &str) -> Error {
        let detail = self.detail();
        let issuer = issuer.to_owned();
        let denied = |issuer, error: &str| Error::AuthorizationDenied {
            issuer,
            error: error.to_owned(),
            description: Some(detail.clone()),
        };
        match self {
            Self::Insecure => Error::insecure(endpoint),
            Self::Transient(trouble) => Error::http(endpoint, trouble),
            Self::InvalidClient { .. } => Error::RegistrationRejected { issuer, detail },
            Self::InvalidGrant { .. } => denied(issuer, "invalid_grant"),
            Self::Other { code, .. } => denied(issuer, &code),
            Self::Local(error) => *error,
        }
    }

    pub(crate) fn detail(&self) -> String {
        match self {
            Self::Transient(Trouble { detail, .. })
            | Self::InvalidGrant { detail }
            | Self::InvalidClient { detail }
            | Self::Other { detail, .. } => detail.clone(),
            Self::Insecure => "its token endpoint is not protected by https".to_owned(),
            Self::Local(error) => error.to_string(),
        }
    }
}

/// Asks for a token. `resource` is the resource indicator (RFC 8707), where one is to be sent.
pub(crate) async fn request(
    client: &Client<'_>,
    endpoint: &str,
    grant: &TokenGrant<'_>,
    resource: Option<&str>,
) -> Result<Tokens, TokenFailure> {
    let scopes;
    let mut params = vec![("grant_type", grant.name())];
    match grant {
        TokenGrant::Code {
            code,
            verifier,
            redirect_uri,
        } => params.extend([
            ("code", code.expose()),
            ("code_verifier", verifier.expose()),
            ("redirect_uri", redirect_uri),
        ]),
        TokenGrant::Refresh { token, .. } => params.push(("refresh_token", token.expose())),
        TokenGrant::JwtBearer { assertion, .. } => params.push(("assertion", assertion.expose())),
        TokenGrant::ClientCredentials { .. } => {}
    }
    if let Some(wanted) = grant.scopes().filter(|wanted| !wanted.is_empty()) {
        scopes = wanted.to_string();
        params.push(("scope", &scopes));
    }
    if let Some(resource) = resource {
        params.push(("resource", resource));
    }
    let body = post(client, endpoint, &params, grant.secrets()).await?;
    tokens(body, client.proof.is_some())
}

/// Posts to a token endpoint and reads the answer as far as it is the same for every grant. Of a failure, nothing of
/// what was sent is told.
pub(crate) async fn post<'a>(
    client: &Client<'_>,
    endpoint: &str,
    params: &[(&str, &str)],
    presented: impl Iterator<Item = &'a Secret>,
) -> Result<Map<String, Value>, TokenFailure> {
    let posted = client.post(endpoint, params).await;
    let posted = posted.map_err(|error| TokenFailure::Local(Box::new(error)))?;
    read(posted.answer, client.now()).map_err(|failure| {
        let mut sent: Vec<String> = presented.flat_map(spellings).collect();
        sent.extend(posted.secrets);
        failure.without(sent.iter().map(String::as_str))
    })
}

/// Tells a server to forget a token (RFC 7009).
pub(crate) async fn revoke(
    client: &Client<'_>,
    endpoint: &str,
    token: &Secret,
    hint: &str,
) -> Result<(), Error> {
    let params = [("token", token.expose()), ("token_type_hint", hint)];
    let posted = client.without_proof().post(endpoint, &params).await?;
    let response = posted.answer.map_err(|error| error.at(endpoint))?;
    if response.status().is_success() {
        return Ok(());
    }
    let detail = format!("the server answered {}", response.status());
    Err(Error::http(endpoint, detail))
}

/// Reads an answer of a token endpoint: its members, or what its failure means. `now` is only for servers that do not say when they answered.
pub(crate) fn read(
    answer: Result<Response, HttpError>,
    now: SystemTime,
) -> Result<Map<String, Value>, TokenFailure> {
    let transient = |detail, retry_after| {
        TokenFailure::Transient(Trouble {
            retry_after,
            ..Trouble::from(detail)
        })
    };
    let response = match answer {
        Ok(response) => response,
        Err(HttpError::Insecure) => return Err(TokenFailure::Insecure),
        Err(error) => return Err(TokenFailure::Transient(error.into())),
    };
    let status = response.status();
    let retry_after = retry_after(response.headers(), now);
    if is_transient(status) {
        let detail = format!("the server answered {status}");
        return Err(transient(detail, retry_after));
    }
    if status.is_redirection() {
        return Err(TokenFailure::Other {
            code: "redirect".to_owned(),
            detail: "its token endpoint redirects, which is not followed".to_owned(),
        });
    }
    let Ok(Value::Object(body)) = serde_json::from_slice(response.body()) else {
        return Err(transient("the answer is not JSON".to_owned(), retry_after));
    };
    // Some servers report errors with status 200.
    let token = body.get("access_token").and_then(Value::as_str);
    if !status.is_success() || (token.is_none() && body.contains_key("error")) {
        return Err(failure(Value::Object(body), retry_after));
    }
    Ok(body)
}

/// The tokens in an answer. `proven`: a proof came with the request, so that they may be bound to its key.
pub(crate) fn tokens(mut body: Map<String, Value>, proven: bool) -> Result<Tokens, TokenFailure> {
    mend(&mut body);
    let id_token = body.get("id_token").and_then(Value::as_str);
    let id_token = id_token.map(Secret::new);
    let unusable = |detail: &str| TokenFailure::Other {
        code: "invalid_response".to_owned(),
        detail: detail.to_owned(),
    };
    // The message of a JSON error may quote a token, so it is not passed on.
    let tokens: BasicTokenResponse = serde_json::from_value(Value::Object(body))
        .map_err(|_| unusable("its answer is not a token response"))?;
    // RFC 6749 section 7.1: a client must not use a token of a type it does not know.
    let bound = match tokens.token_type() {
        BasicTokenType::Bearer => Some(false),
        BasicTokenType::Extension(name) if name.eq_ignore_ascii_case("dpop") => Some(true),
        _ => None,
    };
    let Some(bound) = bound.filter(|bound| proven || !bound) else {
        return Err(TokenFailure::Other {
            code: "unsupported_token_type".to_owned(),
            detail: "it issues tokens of a type that this program does not know".to_owned(),
        });
    };
    let access_token = tokens.access_token().secret();
    if access_token.is_empty() || !access_token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(unusable("its answer has a token that no header can carry"));
    }
    Ok(Tokens {
        access_token: Secret::new(access_token.as_str()),
        // No server issues tokens that are dead already.
        expires_in: tokens
            .expires_in()
            .map(|life| life.as_secs())
            .filter(|life| *life > 0),
        refresh_token: tokens
            .refresh_token()
            .map(|token| Secret::new(token.secret().as_str())),
        scope: tokens
            .scopes()
            .map(|scopes| scopes.iter().map(|scope| scope.as_str()).collect()),
        bound,
        id_token,
    })
}

/// Passing trouble by its status alone, whatever the body says.
pub(crate) fn is_transient(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429)
}

/// Passing trouble by its code. A proof that is refused is the clock's fault, or that of a server which wants another
/// nonce each time: no token is to blame, and no person would help.
fn is_passing(code: &str) -> bool {
    let passing = ["temporarily_unavailable", "server_error"];
    passing.contains(&code) || [USE_NONCE, INVALID_PROOF].contains(&code)
}

fn failure(body: Value, retry_after: Option<u64>) -> TokenFailure {
    let Ok(error) = serde_json::from_value::<BasicErrorResponse>(body) else {
        return TokenFailure::Other {
            code: "invalid_response".to_owned(),
            detail: "its answer is neither a token nor an OAuth error".to_owned(),
        };
    };
    let code = text::displayable(error.error().as_ref()).unwrap_or_default();
    let said = error
        .error_description()
        .and_then(|said| text::displayable(said));
    let detail = said.map_or_else(|| code.clone(), |said| format!("{code}: {said}"));
    match error.error() {
        BasicErrorResponseType::InvalidGrant => TokenFailure::InvalidGrant { detail },
        BasicErrorResponseType::InvalidClient => TokenFailure::InvalidClient { detail },
        _ if is_passing(&code) => TokenFailure::Transient(Trouble {
            retry_after,
            ..detail.into()
        }),
        _ => TokenFailure::Other { code, detail },
    }
}

/// Mends what servers in the field get wrong and has one sensible reading: a lifetime that is a string or a
/// fraction, a missing type, members that are null.
fn mend(body: &mut Map<String, Value>) {
    body.retain(|_, value| !value.is_null());
    body.entry("token_type").or_insert_with(|| "Bearer".into());
    if let Some(lifetime) = body.get("expires_in") {
        let seconds = match lifetime {
            Value::String(text) => text.trim().parse().ok(),
            other => other.as_u64().or_else(|| whole_seconds(other.as_f64()?)),
        };
        match seconds {
            Some(seconds) => drop(body.insert("expires_in".to_owned(), seconds.into())),
            None => drop(body.remove("expires_in")),
        }
    }
}

/// The scopes in the `scope` of an answer. Some servers send a list in place of a text; an empty one counts as absent.
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

fn whole_seconds(lifetime: f64) -> Option<u64> {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    (lifetime >= 0.0).then_some(lifetime as u64)
}

/// `Retry-After` in seconds (RFC 9110 section 10.2.3). A date is read by the server's own clock, which its `Date`
/// tells, and only without one by ours.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<u64> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let date = |text: &str| httpdate::parse_http_date(text).ok();
    let value = text(header::RETRY_AFTER)?;
    if value.bytes().all(|b| b.is_ascii_digit()) {
        return value.parse().ok();
    }
    let now = text(header::DATE).and_then(date).unwrap_or(now);
    let wait = date(value)?.duration_since(now).unwrap_or_default();
    Some(wait.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Result<Tokens, TokenFailure> {
        let mut response = Response::new(body.as_bytes().to_vec());
        *response.status_mut() = StatusCode::from_u16(status).expect("a status");
        response.headers_mut().insert(header::RETRY_AFTER, 7.into());
        tokens(read(Ok(response), SystemTime::UNIX_EPOCH)?, false)
    }

    #[test]
    fn what_answers_mean() {
        let error = |code: &str| format!(r#"{{"error":"{code}","error_description":"why\n"}}"#);
        type Check = fn(&TokenFailure) -> bool;
        let transient: Check =
            |f| matches!(f, TokenFailure::Transient(trouble) if trouble.retry_after == Some(7));
        let dead: Check = |f| {
            *f == TokenFailure::InvalidGrant {
                detail: "invalid_grant: why".into(),
            }
        };
        let client: Check = |f| matches!(f, TokenFailure::InvalidClient { .. });
        let other: Check = |f| matches!(f, TokenFailure::Other { .. });
        let cases = [
            (400, error("invalid_grant"), dead),
            (200, error("invalid_grant"), dead),
            (401, error("invalid_client"), client),
            (400, error("invalid_scope"), other),
            (400, error("unauthorized_client"), other),
            (400, error("server_error"), transient),
            (400, error("temporarily_unavailable"), transient),
            (503, error("invalid_grant"), transient),
            (500, String::new(), transient),
            (429, "{}".into(), transient),
            (408, String::new(), transient),
            (425, String::new(), transient),
            (200, "<html>".into(), transient),
            (400, "<html>".into(), transient),
            (200, "[]".into(), transient),
            (302, String::new(), other),
            (307, String::new(), other),
            (200, "{}".into(), other),
            (400, "{}".into(), other),
            (200, r#"{"access_token":""}"#.into(), other),
            (200, r#"{"access_token":"a\r\nX: b"}"#.into(), other),
            (200, r#"{"access_token":"a b"}"#.into(), other),
            (200, r#"{"access_token":5}"#.into(), other),
            (
                200,
                r#"{"access_token":"t","token_type":"mac"}"#.into(),
                other,
            ),
            (
                200,
                r#"{"access_token":"t","token_type":"Bearer\r\nX: y"}"#.into(),
                other,
            ),
        ];
        for (status, body, check) in cases {
            let failure = answer(status, &body).err();
            assert!(
                failure.as_ref().is_some_and(check),
                "{status} {body}: {failure:?}"
            );
        }
    }

    #[test]
    fn lifetimes_in_every_form() {
        for (written, expected) in [
            ("3600", Some(3600)),
            ("\"3600\"", Some(3600)),
            ("3599.9", Some(3599)),
            ("null", None),
            ("0", None),
            ("-5", None),
            ("\"soon\"", None),
            ("{}", None),
        ] {
            let body =
                format!(r#"{{"access_token":"t","token_type":"BEARER","expires_in":{written}}}"#);
            let tokens = answer(200, &body).unwrap_or_else(|f| panic!("{written}: {f:?}"));
            assert_eq!(tokens.expires_in, expected, "{written}");
        }
        let bare = answer(
            200,
            r#"{"access_token":"t","refresh_token":null,"scope":"a  b a"}"#,
        );
        let bare = bare.unwrap_or_else(|f| panic!("{f:?}"));
        assert_eq!(bare.scope, Some(ScopeSet::parse("a b")));
        assert!(bare.refresh_token.is_none());
    }

    #[test]
    fn retry_after_in_both_forms() {
        let now = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(784_111_777);
        let date = "Sun, 06 Nov 1994 08:49:30 GMT";
        for (value, by, expected) in [
            ("7", None, Some(7)),
            (" 7 ", None, Some(7)),
            ("0", None, Some(0)),
            // The client's clock says 08:49:37.
            ("Sun, 06 Nov 1994 08:51:37 GMT", None, Some(120)),
            ("Sunday, 06-Nov-94 08:51:37 GMT", None, Some(120)),
            ("Sun Nov  6 08:51:37 1994", None, Some(120)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", None, Some(0)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", None, Some(0)),
            // The server's says 08:49:30.
            ("Sun, 06 Nov 1994 08:51:37 GMT", Some(date), Some(127)),
            ("Sun, 06 Nov 1994 08:51:37 GMT", Some("soon"), Some(120)),
            ("soon", Some(date), None),
            ("-7", None, None),
            ("7.5", None, None),
            ("99999999999999999999999", None, None),
            ("", None, None),
        ] {
            let mut headers = HeaderMap::new();
            let value: http::HeaderValue = value.parse().expect("a value");
            headers.insert(header::RETRY_AFTER, value.clone());
            if let Some(by) = by {
                headers.insert(header::DATE, by.parse().expect("a value"));
            }
            assert_eq!(retry_after(&headers, now), expected, "{value:?} {by:?}");
        }
    }
}
