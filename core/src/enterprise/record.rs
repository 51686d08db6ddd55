//! The record of the session at an identity provider. The servers of one profile share it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::grant::{Grantor, Registration, date};
use crate::jose::JwkSet;
use crate::secret::Secret;
use crate::store::record::{Document, FORMAT};

/// The record of one profile at one identity provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IdpRecord {
    format: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) session: Option<SignedIn>,
    /// The servers that grants were minted for: sign-out clears those grants.
    #[serde(default)]
    pub(crate) servers: BTreeSet<String>,
}

impl Default for IdpRecord {
    fn default() -> Self {
        Self {
            format: FORMAT,
            session: None,
            servers: BTreeSet::new(),
        }
    }
}

impl Document for IdpRecord {
    fn format(&self) -> u32 {
        self.format
    }
}

/// The session of a user who is signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SignedIn {
    /// Identifies this ID token.
    pub(crate) id: String,
    /// Identifies the sign-in; renewals keep it.
    pub(crate) sign_in: String,
    #[serde(alias = "by")]
    pub(crate) grantor: Grantor,
    pub(crate) client: Registration,
    pub(crate) subject: String,
    pub(crate) id_token: Secret,
    /// When the ID token expires, in seconds since 1970.
    #[serde(deserialize_with = "date")]
    pub(crate) expires_at: u64,
    pub(crate) obtained_at: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refresh_token: Option<Secret>,
    /// The URL of the identity provider's keys. `None`: its metadata named none when the application passed in the
    /// sign-in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) jwks_uri: Option<String>,
    #[serde(default)]
    pub(crate) keys: JwkSet,
}

impl SignedIn {
    /// Whether the ID token can still be exchanged at `now` (seconds since 1970).
    pub(crate) fn is_valid(&self, now: u64) -> bool {
        self.expires_at > now
    }
}
