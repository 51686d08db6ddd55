//! What discovery found, as it is kept with a credential, so that a step-up starts from it.

use serde::{Deserialize, Serialize};

use super::discovery::Discovered;
use super::metadata::ServerMetadata;
use crate::scope::ScopeSet;

/// How long an authorization server's metadata is taken for current, in seconds, where a sign-in follows a 401.
const SERVER_LIFE: u64 = 24 * 60 * 60;

/// A resource and its authorization server, as discovery found them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Known {
    /// When the authorization server's metadata was read, in seconds since 1970.
    read_at: u64,
    /// Until when the resource's metadata need not be read again (RFC 9111 section 5.2.2.1), in seconds since 1970.
    fresh_until: u64,
    /// Where the challenge said that the resource's metadata is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    named: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
    #[serde(default, skip_serializing_if = "ScopeSet::is_empty")]
    scopes_supported: ScopeSet,
    #[serde(default)]
    wants_proofs: bool,
    server: ServerMetadata,
    /// The server has no metadata; this is what older servers are taken to offer.
    #[serde(default)]
    assumed: bool,
}

impl Known {
    /// What `found` comes to, read at `now` by way of `named`. `before` is what was known: of it stays when the
    /// authorization server's metadata was read, if that was not read again.
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

    /// Takes metadata of the same authorization server that was read at `now`. Whether it is the same.
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

    /// All of it, whatever its age.
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

    /// Whether nothing of it has to be read again at `now`, for a challenge that names `named`.
    pub(crate) fn is_fresh(&self, named: Option<&str>, now: u64) -> bool {
        let same = self.named.as_deref() == named;
        same && (self.read_at..self.fresh_until).contains(&now) && self.server_at(now).is_some()
    }

    /// The authorization server's metadata, if it was read within a day before `now`.
    pub(crate) fn server_at(&self, now: u64) -> Option<&ServerMetadata> {
        let recent = (self.read_at..self.read_at.saturating_add(SERVER_LIFE)).contains(&now);
        // What was assumed may be published by now.
        (recent && !self.assumed).then_some(&self.server)
    }
}
