//! What is kept of the session at an identity provider. The servers of one profile share it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::grant::{Grantor, Registration, date};
use crate::jose::JwkSet;
use crate::secret::Secret;
use crate::store::record::{Document, FORMAT};

/// All that is known of one profile at one identity provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IdpRecord {
    format: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) session: Option<SignedIn>,
    /// The servers that something was minted for: what signing out has to clear.
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

/// The user is signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SignedIn {
    /// Stands for this one ID token.
    pub(crate) id: String,
    /// Stands for the sign-in, over all renewals.
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
    /// Where the identity provider's keys are, and what they were; `None`: it was handed in by the application.
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
