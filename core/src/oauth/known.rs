//! The result of discovery, as stored with a credential, from which a step-up starts.

use serde::{Deserialize, Serialize};

use super::discovery::Discovered;
use super::metadata::ServerMetadata;
use crate::scope::ScopeSet;

/// How long an authorization server's metadata counts as current, in seconds, if a sign-in follows a 401.
const SERVER_LIFE: u64 = 24 * 60 * 60;

/// A resource and its authorization server, as discovery found them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Known {
    /// When the authorization server's metadata was read, in seconds since 1970.
    read_at: u64,
    /// Until when the resource's metadata is fresh (RFC 9111 section 5.2.2.1), in seconds since 1970.
    fresh_until: u64,
    /// The URL of the resource's metadata that the challenge named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    named: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
    #[serde(default, skip_serializing_if = "ScopeSet::is_empty")]
    scopes_supported: ScopeSet,
    #[serde(default)]
    wants_proofs: bool,
    server: ServerMetadata,
    /// The server has no metadata; this is what older servers are assumed to offer.
    #[serde(default)]
    assumed: bool,
}

impl Known {
    /// Converts `found`, which was read at `now` by way of `named`. If the authorization server's metadata was not read
    /// again, `before` has the time when it was.
    pub(crate) fn new(
        found: &Discovered,
        named: Option<&str>,
        before: Option<&Self>,
        now: u64,
    ) -> Self {
        let again = before.filter(|b| b.server_at(now) == Some(&found.server));
        Self {
            read_at: again.map_or(now, |before| before.read_at),
            fresh_until: now.saturating_add(found.fresh_for),
            named: named.map(str::to_owned),
            resource: found.resource.clone(),
            scopes_supported: found.scopes_supported.clone(),
            wants_proofs: found.wants_proofs,
            assumed: found.server.assumed,
            server: found.server.clone(),
        }
    }

    /// Replaces the metadata, read at `now`, if it is of the same authorization server. Returns whether it is.
    pub(crate) fn replace_server(&mut self, server: &ServerMetadata, now: u64) -> bool {
        let same = self.server.issuer == server.issuer;
        if same {
            self.server = server.clone();
            self.read_at = now;
            self.assumed = server.assumed;
        }
        same
    }

    /// The authorization server's issuer.
    pub(crate) fn issuer(&self) -> &str {
        &self.server.issuer
    }

    /// Returns all of it, whatever its age.
    pub(crate) fn found(&self) -> Discovered {
        Discovered {
            resource: self.resource.clone(),
            scopes_supported: self.scopes_supported.clone(),
            wants_proofs: self.wants_proofs,
            fresh_for: 0,
            server: ServerMetadata {
                assumed: self.assumed,
                ..self.server.clone()
            },
        }
    }

    /// Whether nothing has to be read again at `now`, for a challenge that names `named`.
    pub(crate) fn is_fresh(&self, named: Option<&str>, now: u64) -> bool {
        let same = self.named.as_deref() == named;
        same && (self.read_at..self.fresh_until).contains(&now) && self.server_at(now).is_some()
    }

    /// Returns the authorization server's metadata, if it was read within a day before `now`.
    pub(crate) fn server_at(&self, now: u64) -> Option<&ServerMetadata> {
        let recent = (self.read_at..self.read_at.saturating_add(SERVER_LIFE)).contains(&now);
        // A server whose metadata was assumed may have published it since.
        (recent && !self.assumed).then_some(&self.server)
    }
}
