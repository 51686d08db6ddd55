//! Requests to the token endpoint, and what their failures mean for a credential.

use serde_json::{Map, Value};

use super::answer::{read, tokens};
use super::client::Client;
use super::client_auth::spellings;
use super::clock::Skew;
use crate::error::{Error, TransientError};
use crate::limits::ANSWER_LIMIT;
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

/// A successful response (RFC 6749 section 5.1).
pub(crate) struct Tokens {
    pub(crate) access_token: Secret,
    pub(crate) expires_in: Option<u64>,
    pub(crate) refresh_token: Option<Secret>,
    /// As the server wrote it, split at spaces: see [`granted`](Self::granted).
    pub(crate) scope: Option<Vec<String>>,
    /// The access token is bound to the key of the proof that was sent (RFC 9449 section 5).
    pub(crate) bound: bool,
    /// OpenID Connect Core section 3.1.3.3.
    pub(crate) id_token: Option<Secret>,
}

impl Tokens {
    /// Returns the granted scopes. Those of the response are authoritative, even if narrower; if it has none, the
    /// requested ones were granted (RFC 6749 section 5.1). Some servers separate scopes by commas.
    pub(crate) fn granted(&self, requested: &ScopeSet) -> ScopeSet {
        let Some(said) = &self.scope else {
            return requested.clone();
        };
        let joined = |scope: &str| scope.contains(',') && !requested.contains(scope);
        let parts = |scope: &str| -> Vec<String> {
            let parts = scope.split(',').filter(|part| !part.is_empty());
            parts.map(str::to_owned).collect()
        };
        // A comma is a character like any other, unless one of the parts was requested.
        let separates = said
            .iter()
            .filter(|scope| joined(scope))
            .any(|scope| parts(scope).iter().any(|part| requested.contains(part)));
        let mut granted = ScopeSet::new();
        for scope in said {
            if separates && joined(scope) {
                granted.extend(parts(scope).iter().map(String::as_str));
            } else {
                granted.insert(scope);
            }
        }
        granted
    }
}

/// Why there is no token, and what that says about the means that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TokenFailure {
    /// A transient error: nothing is known about the credential.
    Transient(TransientError),
    /// `invalid_grant`: this code or refresh token is no longer valid.
    InvalidGrant { detail: String },
    /// `invalid_client`: this registration is no longer valid. For one that this program made, also
    /// `unauthorized_client`.
    InvalidClient { detail: String },
    /// 404, 405 or 410: there is no token endpoint at this URL (any more).
    Gone { detail: String },
    /// Any other error: this means is of no use now, and nothing is discarded.
    Other { code: String, detail: String },
    /// The endpoint is neither https nor loopback.
    Insecure,
    /// The request was not sent: a key failed, or the endpoint must not be reached.
    Local(Box<Error>),
}

impl TokenFailure {
    /// Removes these secrets, which the server may have quoted.
    pub(crate) fn without<'a>(
        mut self,
        secrets: impl IntoIterator<Item = &'a str> + Clone,
    ) -> Self {
        if let Self::Other { code, .. } = &mut self {
            *code = text::without(code, secrets.clone());
        }
        if let Some(detail) = self.detail_mut() {
            *detail = text::without(detail, secrets);
        }
        self
    }

    /// Adds that the clock skew may be the reason.
    fn noting(mut self, skew: Option<Skew>) -> Self {
        if let (Some(detail), Some(skew)) = (self.detail_mut(), skew) {
            *detail = format!("{detail}; {skew}");
        }
        self
    }

    fn detail_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::Transient(TransientError { detail, .. })
            | Self::InvalidGrant { detail }
            | Self::InvalidClient { detail }
            | Self::Gone { detail }
            | Self::Other { detail, .. } => Some(detail),
            Self::Insecure | Self::Local(_) => None,
        }
    }

    /// Treats `unauthorized_client` as `invalid_client` for a registration that this program made (`own`), so that it
    /// makes another: a server that forgot the client may say so.
    fn for_client(self, own: bool) -> Self {
        match self {
            Self::Other { code, detail } if own && code == "unauthorized_client" => {
                Self::InvalidClient { detail }
            }
            other => other,
        }
    }

    /// Returns the error of a request that a user's sign-in depended on: the response of `issuer`, at `endpoint`.
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
            Self::Transient(trouble) => Error::http(endpoint, trouble.during_sign_in()),
            Self::Gone { detail } => Error::http(endpoint, detail),
            Self::InvalidClient { .. } => Error::RegistrationRejected { issuer, detail },
            Self::InvalidGrant { .. } => denied(issuer, "invalid_grant"),
            Self::Other { code, .. } => denied(issuer, &code),
            Self::Local(error) => *error,
        }
    }

    pub(crate) fn detail(&self) -> String {
        match self {
            Self::Transient(TransientError { detail, .. })
            | Self::InvalidGrant { detail }
            | Self::InvalidClient { detail }
            | Self::Gone { detail }
            | Self::Other { detail, .. } => detail.clone(),
            Self::Insecure => "its token endpoint is not protected by https".to_owned(),
            Self::Local(error) => error.to_string(),
        }
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
