//! The result of a token request.

use super::clock::Skew;
use crate::error::{Error, TransientError};
use crate::scope::ScopeSet;
use crate::secret::Secret;
use crate::text;

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
    pub(super) fn noting(mut self, skew: Option<Skew>) -> Self {
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
    pub(super) fn for_client(self, own: bool) -> Self {
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
