//! Assertions of clients (RFC 7523 section 2.2) and of workloads (section 2.1). Each can be used once.

use std::collections::{HashMap, HashSet};

use jsonwebtoken::jwk::Jwk;
use mcp_reauth::jose::PublicJwk;
use serde_json::Value;

use super::key::{Key, verified};
use crate::support::log::Seen;

/// The parties whose assertions are accepted.
#[derive(Default)]
pub(crate) struct Assertions {
    /// By issuer and client id.
    clients: HashMap<(String, String), Jwk>,
    platform: Option<Jwk>,
    used: HashSet<String>,
    /// How often an assertion was used again.
    pub(crate) reused: usize,
}

impl Assertions {
    /// Registers a client that authenticates with this key.
    pub(crate) fn add_client(&mut self, issuer: &str, id: &str, key: &PublicJwk) {
        let key = serde_json::to_value(key).and_then(serde_json::from_value);
        let name = (issuer.to_owned(), id.to_owned());
        self.clients.insert(name, key.expect("a key"));
    }

    /// Accepts this platform's assertions for its workloads.
    pub(crate) fn trust(&mut self, platform: &Key) {
        self.platform = Some(platform.public().clone());
    }

    /// Returns the client as which a request is authenticated at `issuer`.
    pub(crate) fn client(&mut self, seen: &Seen, issuer: &str, now: u64) -> Option<String> {
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        if seen.param("client_assertion_type") != kind {
            return None;
        }
        let assertion = seen.param("client_assertion");
        let id = super::claims(assertion)["sub"].as_str()?.to_owned();
        let key = self.clients.get(&(issuer.to_owned(), id.clone()))?;
        let claims = verified(assertion, "client-authentication+jwt", key)?;
        (claims["iss"] == *id && self.holds(&claims, issuer, now)).then_some(id)
    }

    /// Whether this is an assertion of the platform for a workload, valid at `issuer`.
    pub(crate) fn workload(&mut self, assertion: &str, issuer: &str, now: u64) -> bool {
        let platform = self.platform.as_ref();
        let claims = platform.and_then(|key| verified(assertion, "JWT", key));
        claims.is_some_and(|claims| self.holds(&claims, issuer, now))
    }

    fn holds(&mut self, claims: &Value, issuer: &str, now: u64) -> bool {
        let id = claims["jti"].as_str().unwrap_or_default().to_owned();
        let fresh = !id.is_empty() && self.used.insert(id);
        self.reused += usize::from(!fresh);
        let good_until = claims["exp"].as_u64().unwrap_or_default();
        fresh && claims["aud"] == *issuer && (now..=now + 120).contains(&good_until)
    }
}
