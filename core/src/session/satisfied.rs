//! Whether a challenge is answered already, from what is stored alone.

use serde::Deserialize;

use crate::challenge::{AuthChallenge, Reason};
use crate::scope::ScopeSet;
use crate::session::held::credential::Authorization;

/// What of a stored credential the question depends on.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredCredential {
    /// The scopes it was granted.
    pub granted_scopes: ScopeSet,
    /// When it expires, in seconds since 1970, if that is known.
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

/// How the credential that failed compares with the stored one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailedCredential {
    /// It is the stored one.
    Same,
    /// It is another one.
    Different,
    /// It is not known.
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
