//! The authorization request (RFC 6749 section 4.1.1 with RFC 7636, RFC 8707, RFC 9470) and what may be
//! taken from its response (RFC 9207).

use oauth2::{CsrfToken, PkceCodeChallenge};
use url::Url;

use super::metadata::ServerMetadata;
use crate::callback::CallbackParams;
use crate::challenge::AuthChallenge;
use crate::error::Error;
use crate::scope::ScopeSet;
use crate::secret::Secret;
use crate::text;

/// A prepared authorization request.
pub(crate) struct Prepared {
    pub(crate) url: String,
    pub(crate) state: String,
    pub(crate) verifier: Secret,
}

/// What goes into an authorization request.
pub(crate) struct Parameters<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) redirect_uri: &'a str,
    pub(crate) scopes: &'a ScopeSet,
    pub(crate) resource: Option<&'a str>,
    /// Its `acr_values` and `max_age` are passed on (RFC 9470 section 4).
    pub(crate) challenge: &'a AuthChallenge,
}

/// Makes the address a person is sent to, with a fresh `state` and PKCE verifier.
pub(crate) fn prepare(server: &ServerMetadata, with: &Parameters<'_>) -> Result<Prepared, Error> {
    server.require_pkce()?;
    let endpoint = server.authorization_endpoint()?;
    let mut url = Url::parse(endpoint).map_err(|error| {
        Error::metadata(
            &server.issuer,
            format!("its authorization_endpoint is no URL: {error}"),
        )
    })?;
    url.set_fragment(None);
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let state = CsrfToken::new_random_len(32);
    let mut query = url.query_pairs_mut();
    query
        .append_pair("response_type", "code")
        .append_pair("client_id", with.client_id)
        .append_pair("redirect_uri", with.redirect_uri)
        .append_pair("state", state.secret())
        .append_pair("code_challenge", challenge.as_str())
        .append_pair("code_challenge_method", "S256");
    if !with.scopes.is_empty() {
        query.append_pair("scope", &with.scopes.to_string());
    }
    if let Some(resource) = with.resource {
        query.append_pair("resource", resource);
    }
    if !with.challenge.acr_values.is_empty() {
        query.append_pair("acr_values", &with.challenge.acr_values.join(" "));
    }
    if let Some(max_age) = with.challenge.max_age {
        query.append_pair("max_age", &max_age.to_string());
    }
    // A refresh token is given only with consent, which some servers ask for only when told to
    // (OpenID Connect Core section 11).
    if with.scopes.contains("offline_access") {
        query.append_pair("prompt", "consent");
    }
    drop(query);
    Ok(Prepared {
        url: url.into(),
        state: state.into_secret(),
        verifier: Secret::new(verifier.into_secret()),
    })
}

/// Whether a response comes from `issuer`, by its `iss` alone (RFC 9207 section 2.4, MCP 2026-07-28
/// authorization response validation). `expected`: the issuer's metadata promises `iss`.
#[must_use]
pub fn is_from_issuer(params: &CallbackParams, issuer: &str, expected: bool) -> bool {
    match params.get("iss") {
        Ok(Some(iss)) => iss == issuer,
        Ok(None) => !expected,
        Err(_) => false,
    }
}

/// The code of an authorization response. The issuer is checked before anything else is read: of a response
/// that is not from `issuer` nothing is used, stored, logged or shown.
pub(crate) fn code(params: &CallbackParams, issuer: &str, expected: bool) -> Result<Secret, Error> {
    if !is_from_issuer(params, issuer, expected) {
        return Err(Error::IssuerMismatch {
            expected: issuer.to_owned(),
        });
    }
    let denied = |error: &str, description: Option<String>| Error::AuthorizationDenied {
        issuer: issuer.to_owned(),
        error: error.to_owned(),
        description,
    };
    let invalid = |_| {
        denied(
            "invalid_response",
            Some("a parameter stands twice".to_owned()),
        )
    };
    if let Some(error) = params.get("error").map_err(invalid)? {
        let error = text::displayable(&error).unwrap_or_else(|| "unspecified".to_owned());
        let said = params.get("error_description").ok().flatten();
        return Err(denied(
            &error,
            said.and_then(|said| text::displayable(&said)),
        ));
    }
    match params.get("code").map_err(invalid)? {
        Some(code) if !code.is_empty() => Ok(Secret::new(code)),
        _ => Err(denied(
            "invalid_response",
            Some("it has no code".to_owned()),
        )),
    }
}
