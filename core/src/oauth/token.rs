//! Requests to the token endpoint, and what their failures mean for a credential.

use serde_json::{Map, Value};

use super::answer::{read, tokens};
use super::client::Client;
use super::client_auth::spellings;
pub(crate) use super::tokens::{TokenFailure, Tokens};
use crate::error::Error;
use crate::limits::ANSWER_LIMIT;
use crate::scope::ScopeSet;
use crate::secret::Secret;

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

    /// Whether it may be valid for one request only.
    fn is_used_up(&self) -> bool {
        matches!(self, Self::Code { .. } | Self::Refresh { .. })
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

/// Requests a token. `resource` is the resource indicator to send (RFC 8707), if any.
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
    let client = &Client {
        limit: match grant.is_used_up() {
            true => ANSWER_LIMIT,
            false => client.limit,
        },
        ..*client
    };
    let body = post(client, endpoint, &params, grant.secrets()).await?;
    tokens(&body, client.proof.is_some())
}

/// Posts to a token endpoint, and reads the part of the response that is the same for every grant. A failure quotes
/// nothing of what was sent.
pub(crate) async fn post<'a>(
    client: &Client<'_>,
    endpoint: &str,
    params: &[(&str, &str)],
    presented: impl Iterator<Item = &'a Secret>,
) -> Result<Map<String, Value>, TokenFailure> {
    let posted = client.post(endpoint, params).await;
    let posted = posted.map_err(|error| TokenFailure::Local(Box::new(error)))?;
    read(posted.answer, client.now()).map_err(|failure| {
        let failure = failure.for_client(client.registration.dynamic);
        let failure = failure.noting(posted.skew);
        let mut sent: Vec<String> = presented.flat_map(spellings).collect();
        sent.extend(posted.secrets);
        failure.without(sent.iter().map(String::as_str))
    })
}

/// Revokes a token (RFC 7009).
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
