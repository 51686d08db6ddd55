//! Decides from stored data alone whether a challenge is already answered.

use serde::Deserialize;

use crate::challenge::{AuthChallenge, Reason};
use crate::scope::ScopeSet;
use crate::session::held::credential::Authorization;

/// The facts of a stored credential that the answer depends on.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredCredential {
    /// The granted scopes.
    pub granted_scopes: ScopeSet,
    /// When it expires, in seconds since 1970, if known.
    pub expires_at: Option<u64>,
}

impl StoredCredential {
    pub(crate) fn of(authorization: &Authorization) -> Self {
        Self {
            granted_scopes: authorization.scopes().clone(),
            expires_at: authorization.grant().expires_at,
        }
    }
}

/// How the rejected credential compares with the stored one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailedCredential {
    /// It is the stored one.
    Same,
    /// It is another credential.
    Different,
    /// It is unknown.
    Unknown,
}

/// Whether `stored` answers `challenge` at `now` (seconds since 1970).
#[must_use]
pub fn is_satisfied(
    now: u64,
    stored: Option<&StoredCredential>,
    challenge: &AuthChallenge,
    failed: FailedCredential,
) -> bool {
    let Some(stored) = stored else { return false };
    if stored.expires_at.is_some_and(|at| at <= now) || failed == FailedCredential::Same {
        return false;
    }
    let different = failed == FailedCredential::Different;
    match challenge.reason {
        Reason::InsufficientScope => {
            let required = &challenge.required_scopes;
            stored.granted_scopes.covers(required) && (different || !required.is_empty())
        }
        Reason::Unauthorized
        | Reason::TokenExpired
        | Reason::InvalidToken
        | Reason::InsufficientUserAuthentication => different,
    }
}
