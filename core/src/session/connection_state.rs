//! What a session reports about itself, and what it passes to another process.

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::grant::Grant;
use crate::scope::ScopeSet;
use crate::secret::Secret;
use crate::store::record::Record;

/// The state of a connection's authorization. Contains no secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ConnectionState {
    /// The MCP server's URL.
    pub server: String,
    /// Whether there is a credential that is not known to be expired.
    pub authorized: bool,
    /// Whether there is a credential, even an expired one.
    pub signed_in: bool,
    /// The authorization server that granted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The client ID in use there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The granted scopes.
    pub granted_scopes: ScopeSet,
    /// The requested scopes.
    pub requested_scopes: ScopeSet,
    /// When the credential expires, in seconds since 1970, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
    /// Whether the credential is bound to a key, so that no other party can use it (RFC 9449).
    pub bound_to_key: bool,
    /// The issuer of the identity provider that access is obtained through, if it is enterprise-managed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity_provider: Option<String>,
    /// Whether access can be renewed without the user noticing.
    pub renewable: bool,
    /// How many authorizations were started and not completed.
    pub pending: usize,
}

impl ConnectionState {
    pub(crate) fn of(server: &str, record: &Record, now: u64) -> Self {
        let grant = record.grant.as_ref();
        let expires_at = grant.and_then(|grant| grant.expires_at);
        let client = grant.and_then(|grant| grant.client.as_ref());
        Self {
            server: server.to_owned(),
            authorized: grant.is_some() && expires_at.is_none_or(|at| at > now),
            signed_in: grant.is_some(),
            issuer: grant.map(|grant| grant.grantor.issuer.clone()),
            client_id: client.map(|client| client.client_id.clone()),
            granted_scopes: grant.map(|g| g.granted.clone()).unwrap_or_default(),
            requested_scopes: record.requested.clone(),
            expires_at,
            bound_to_key: grant.is_some_and(|g| g.binding.is_some()),
            identity_provider: grant.and_then(|g| g.idp_issuer.clone()),
            renewable: client.is_some() && grant.is_some_and(|g| g.refresh_token.is_some()),
            pending: record.pending.len(),
        }
    }
}

/// A credential with everything needed to renew it. It contains secrets: pass it only to a process that you trust, and
/// do not store it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthState {
    grant: Grant,
    requested: ScopeSet,
}

impl AuthState {
    /// Parses the JSON form.
    ///
    /// # Errors
    /// [`Error::Config`] if it is invalid; the message quotes nothing of it.
    pub fn from_json(json: &str) -> Result<Self, Error> {
        serde_json::from_str(json).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            Error::config(format!(
                "this is not an authorization state (line {line}, column {column})"
            ))
        })
    }

    /// Returns the JSON form, including its secrets.
    ///
    /// # Errors
    /// [`Error::Config`], which does not happen for a state that was parsed or made by a session.
    pub fn to_json(&self) -> Result<Secret, Error> {
        serde_json::to_string(self)
            .map(Secret::new)
            .map_err(|error| Error::config(error.to_string()))
    }

    pub(crate) fn of(record: &Record) -> Option<Self> {
        let grant = record.grant.clone()?;
        Some(Self {
            requested: record.requested.clone(),
            grant,
        })
    }

    pub(crate) fn apply(&self, record: &mut Record) -> bool {
        record.set_grant(&self.grant);
        record.requested = self.requested.clone();
        true
    }
}
