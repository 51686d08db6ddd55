//! The authorization request (RFC 6749 section 4.1.1 with RFC 7636, RFC 8707, RFC 9470), and what may be used of its
//! response (RFC 9207).

use oauth2::{CsrfToken, PkceCodeChallenge};
use serde_json::Value;
use url::Url;

use super::client::Client;
use super::metadata::ServerMetadata;
use super::token;
use crate::callback::CallbackParams;
use crate::challenge::AuthChallenge;
use crate::error::Error;
use crate::scope::ScopeSet;
use crate::secret::Secret;
use crate::text;

/// A prepared authorization request.
pub(crate) struct Prepared {
    endpoint: Url,
    params: Vec<(&'static str, String)>,
    pub(crate) state: String,
    pub(crate) verifier: Secret,
}

/// The parameters of an authorization request.
pub(crate) struct Parameters<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) redirect_uri: &'a str,
    pub(crate) scopes: &'a ScopeSet,
    pub(crate) resource: Option<&'a str>,
    /// Its `acr_values` and `max_age` are passed on (RFC 9470 section 4).
    pub(crate) challenge: &'a AuthChallenge,
    /// The thumbprint of the key that the code is bound to as well (RFC 9449 section 10).
    pub(crate) dpop_jkt: Option<&'a str>,
    /// The server must ask the user for consent (OpenID Connect Core section 3.1.2.1).
    pub(crate) consent_prompt: bool,
    /// The value that the ID token must repeat (OpenID Connect Core section 3.1.2.1).
    pub(crate) nonce: Option<&'a str>,
}

/// Prepares an authorization request, with a fresh `state` and PKCE verifier.
pub(crate) fn prepare(server: &ServerMetadata, with: &Parameters<'_>) -> Result<Prepared, Error> {
    let endpoint = server.authorization_endpoint()?;
    let mut endpoint = Url::parse(endpoint).map_err(|error| {
        Error::metadata(
            &server.issuer,
            format!("its authorization_endpoint is not a URL: {error}"),
        )
    })?;
    endpoint.set_fragment(None);
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let state = CsrfToken::new_random_len(32);
    let mut params = vec![
        ("response_type", "code".to_owned()),
        ("client_id", with.client_id.to_owned()),
        ("redirect_uri", with.redirect_uri.to_owned()),
        ("state", state.secret().clone()),
        ("code_challenge", challenge.as_str().to_owned()),
        ("code_challenge_method", "S256".to_owned()),
    ];
    let asked = with.challenge;
    let acr_values = (!asked.acr_values.is_empty()).then(|| asked.acr_values.join(" "));
    let consent = with.consent_prompt.then_some("consent");
    let optional = [
        (
            "scope",
            (!with.scopes.is_empty()).then(|| with.scopes.to_string()),
        ),
        ("resource", with.resource.map(str::to_owned)),
        ("acr_values", acr_values),
        ("max_age", asked.max_age.map(|age| age.to_string())),
        ("prompt", consent.map(str::to_owned)),
        ("nonce", with.nonce.map(str::to_owned)),
        ("dpop_jkt", with.dpop_jkt.map(str::to_owned)),
    ];
    params.extend(
        optional
            .into_iter()
            .filter_map(|(name, v)| Some((name, v?))),
    );
    Ok(Prepared {
        endpoint,
        params,
        state: state.into_secret(),
        verifier: Secret::new(verifier.into_secret()),
    })
}

impl Prepared {
    /// Returns the URL that the user is sent to.
    pub(crate) fn url(&self) -> String {
        self.with(self.params.iter().map(|(name, value)| (*name, &**value)))
    }

    /// Pushes the request to the server, so that no intermediary can read or change it, and returns the URL that the
    /// user is sent to (RFC 9126).
    pub(crate) async fn push(&self, client: &Client<'_>, to: &str) -> Result<String, Error> {
        let id = &client.registration.client_id;
        let params = self.params.iter().map(|(name, value)| (*name, &**value));
        // Some ways to authenticate already put the client id into the form.
        let named = client.is_named_in_forms();
        let params: Vec<_> = params
            .filter(|(n, _)| *n != "client_id" || !named)
            .collect();
        let once = ["state", "nonce"];
        let secrets = params.iter().filter(|(name, _)| once.contains(name));
        let secrets: Vec<_> = secrets.map(|(_, value)| Secret::new(*value)).collect();
        let pushed = token::post(client, to, &params, secrets.iter()).await;
        let pushed = pushed.map_err(|failure| failure.into_error(client.issuer, to))?;
        match pushed.get("request_uri").and_then(Value::as_str) {
            Some(uri) => Ok(self.with([("client_id", &**id), ("request_uri", uri)])),
            None => Err(Error::metadata(to, "its response has no request_uri")),
        }
    }

    fn with<'a>(&self, params: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
        let mut url = self.endpoint.clone();
        url.query_pairs_mut().extend_pairs(params);
        url.into()
    }
}

/// Whether a response comes from `issuer`, by its `iss` alone (RFC 9207 section 2.4, MCP 2026-07-28 authorization
/// response validation). `expected`: the issuer's metadata promises `iss`.
#[must_use]
pub fn is_from_issuer(params: &CallbackParams, issuer: &str, expected: bool) -> bool {
    match params.get("iss") {
        Ok(Some(iss)) => iss == issuer,
        Ok(None) => !expected,
        Err(_) => false,
    }
}

/// Returns the code of an authorization response. The issuer is checked before anything else is read: no part of a
/// response from another issuer is used, stored, logged or shown.
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
            Some("a parameter occurs twice".to_owned()),
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
