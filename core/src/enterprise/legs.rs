//! The silent legs: token exchange at the identity provider (RFC 8693), and the JWT bearer grant at the authorization
//! server (RFC 7523).

use serde_json::Value;

use crate::oauth::answer::scope_member;
use crate::oauth::client::Client;
use crate::oauth::token::{self, TokenFailure};
use crate::scope::ScopeSet;
use crate::secret::Secret;

const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
/// An identity assertion for an authorization server (draft-ietf-oauth-identity-assertion-authz-grant).
const ID_JAG: &str = "urn:ietf:params:oauth:token-type:id-jag";

/// What an ID token is exchanged for.
pub(crate) struct Exchange<'a> {
    pub(crate) id_token: &'a Secret,
    /// The issuer of the authorization server that takes the assertion.
    pub(crate) audience: &'a str,
    /// The MCP server.
    pub(crate) resource: &'a str,
    pub(crate) scopes: &'a ScopeSet,
}

/// An assertion. It is used for one grant and never stored.
pub(crate) struct Assertion {
    pub(crate) token: Secret,
    /// The scopes that the identity provider allows, if it says so: possibly fewer than requested.
    pub(crate) scopes: Option<ScopeSet>,
}

/// Leg 2: exchanges the user's ID token for an assertion to one authorization server.
pub(crate) async fn exchange(
    idp: &Client<'_>,
    endpoint: &str,
    wanted: &Exchange<'_>,
) -> Result<Assertion, TokenFailure> {
    let scopes = wanted.scopes.to_string();
    let mut params = vec![
        ("grant_type", TOKEN_EXCHANGE),
        ("requested_token_type", ID_JAG),
        ("audience", wanted.audience),
        ("resource", wanted.resource),
        ("subject_token", wanted.id_token.expose()),
        ("subject_token_type", ID_TOKEN),
    ];
    if !scopes.is_empty() {
        params.push(("scope", &scopes));
    }
    let presented = std::iter::once(wanted.id_token);
    let answer = token::post(idp, endpoint, &params, presented).await?;
    let text = |name: &str| answer.get(name).and_then(Value::as_str);
    let unusable = |detail: &str| TokenFailure::Other {
        code: "invalid_response".to_owned(),
        detail: detail.to_owned(),
    };
    if text("issued_token_type") != Some(ID_JAG) {
        return Err(unusable(
            "its response to the exchange is not an identity assertion (issued_token_type)",
        ));
    }
    // The member is named so for historical reasons: this is not an access token (RFC 8693 section 2.2.1).
    let token = text("access_token").filter(|token| !token.is_empty());
    let token = token.ok_or_else(|| unusable("its response to the exchange has no assertion"))?;
    Ok(Assertion {
        token: Secret::new(token),
        scopes: scope_member(&answer).map(ScopeSet::from),
    })
}
