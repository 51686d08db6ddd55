//! A grant as recorded: by which authorization server, to which client, bound to which key.

use serde::{Deserialize, Deserializer, Serialize};

use crate::scope::ScopeSet;
use crate::secret::Secret;

/// The authorization server and the resource of a grant: enough to request another token without discovery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Grantor {
    pub(crate) issuer: String,
    pub(crate) token_endpoint: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) revocation_endpoint: Option<String>,
    /// The resource identifier that goes into token requests (RFC 8707).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) resource: Option<String>,
}

/// What an authorization server granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Grant {
    /// Identifies this grant. A token does not: a server may issue the same one twice.
    pub(crate) id: String,
    #[serde(alias = "by")]
    pub(crate) grantor: Grantor,
    pub(crate) access_token: Secret,
    pub(crate) granted: ScopeSet,
    /// Seconds since 1970, by this machine's clock; `None`: the token is used until it is rejected.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "some_date"
    )]
    pub(crate) expires_at: Option<u64>,
    pub(crate) obtained_at: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refresh_token: Option<Secret>,
    /// The client it was granted to, the only one that can renew it. `None`: the server no longer knows that client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client: Option<Registration>,
    /// The key that its tokens are bound to (RFC 9449); `None` for bearer tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) binding: Option<KeyBinding>,
    /// Identifies the sign-in that the grant descends from; renewals keep it.
    #[serde(default)]
    pub(crate) sign_in: String,
    /// The scopes granted before a refresh returned others; the next refresh can name them (RFC 6749 section 6).
    #[serde(default, alias = "lost", skip_serializing_if = "Option::is_none")]
    pub(crate) scopes_before_refresh: Option<ScopeSet>,
    /// The issuer of the IdP session that the grant was obtained through.
    #[serde(default, alias = "via", skip_serializing_if = "Option::is_none")]
    pub(crate) idp_issuer: Option<String>,
}

/// A key that tokens are bound to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyBinding {
    /// Its thumbprint (RFC 7638).
    pub(crate) thumbprint: String,
    /// The private key, in PKCS #8; `None`: the application keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<Secret>,
}

/// The latest time in a record, in seconds since 1970: JavaScript cannot represent later ones exactly.
const LATEST: u64 = (1 << 53) - 1;

/// Reads a time and bounds it: older versions of this program recorded any time that a server named.
pub(crate) fn date<'de, D: Deserializer<'de>>(reader: D) -> Result<u64, D::Error> {
    u64::deserialize(reader).map(|at| at.min(LATEST))
}

fn some_date<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<u64>, D::Error> {
    let at = Option::<u64>::deserialize(reader)?;
    Ok(at.map(|at| at.min(LATEST)))
}

impl Grant {
    /// Creates the id of a new grant.
    pub(crate) fn new_id() -> String {
        // Without randomness all grants have the same id, and only their times tell them apart.
        format!("{:016x}", getrandom::u64().unwrap_or_default())
    }

    /// Whether both are the same grant, even if tokens of one have been discarded since.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        self.id == other.id && self.obtained_at == other.obtained_at
    }
}

/// A client as registered at one authorization server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Registration {
    pub(crate) client_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client_secret: Option<Secret>,
    pub(crate) auth_method: AuthMethod,
    /// How its server accepts a secret that the application supplies later; `None`: the server was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) secret_method: Option<AuthMethod>,
    /// The redirect URIs it was registered with; empty if this program did not choose them.
    #[serde(default)]
    pub(crate) redirect_uris: Vec<String>,
    /// Registered by this program (RFC 7591), so that it can be registered again.
    #[serde(default)]
    pub(crate) dynamic: bool,
    /// The scopes that its server registered; `None`: the server did not say, and may not restrict them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) scopes: Option<ScopeSet>,
    /// The scopes that the registration request named.
    #[serde(default, skip_serializing_if = "ScopeSet::is_empty")]
    pub(crate) scopes_sent: ScopeSet,
}

impl Registration {
    /// Whether these scopes may be requested, as far as is known. Scopes that the server dropped from this registration
    /// count as allowed: it would drop them from another one too.
    pub(crate) fn allows(&self, scopes: &ScopeSet) -> bool {
        let known = self.scopes.as_ref();
        known.is_none_or(|known| known.union(&self.scopes_sent).covers(scopes))
    }

    /// Records that the server rejected these scopes as unknown, if it did not say which it knows: only those of the
    /// registration request then count as known. Returns whether the registration changed.
    pub(crate) fn note_refused(&mut self, scopes: &ScopeSet) -> bool {
        let unknown = self.dynamic && self.scopes.is_none() && !self.scopes_sent.covers(scopes);
        if unknown {
            self.scopes = Some(self.scopes_sent.clone());
        }
        unknown
    }

    /// Whether the client authenticates with a secret or a key.
    pub(crate) fn authenticates(&self) -> bool {
        self.client_secret.is_some() || self.auth_method == AuthMethod::PrivateKeyJwt
    }

    /// Returns the client with the secret or key that the application has for it now, and the method that it set.
    pub(crate) fn with(
        &self,
        secret: Option<&Secret>,
        key: bool,
        said: Option<AuthMethod>,
    ) -> Self {
        let mut client = self.clone();
        if let Some(secret) = secret {
            client.client_secret = Some(secret.clone());
        }
        if let Some(said) = said {
            client.auth_method = said;
            return client;
        }
        client.auth_method = match (self.auth_method, secret, key) {
            (AuthMethod::None | AuthMethod::PrivateKeyJwt, Some(_), false) => self
                .secret_method
                // Every server has to support it (RFC 6749 section 2.3.1).
                .unwrap_or(AuthMethod::ClientSecretBasic),
            (_, None, true) => AuthMethod::PrivateKeyJwt,
            (method, ..) => method,
        };
        client
    }
}

/// How a client authenticates at the token endpoint (RFC 7591 section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AuthMethod {
    None,
    ClientSecretBasic,
    ClientSecretPost,
    PrivateKeyJwt,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registration_without_scopes_on_record_is_read_and_allows_any() {
        let old =
            r#"{"client_id":"c","auth_method":"none","redirect_uris":["x:/"],"dynamic":true}"#;
        let mut old: Registration = serde_json::from_str(old).expect("as it was written before");
        let scopes = ScopeSet::parse("a b");
        assert!(old.allows(&scopes));
        assert!(old.note_refused(&scopes) && !old.allows(&scopes));
        assert!(!old.note_refused(&scopes), "it is noted once");
    }

    #[test]
    fn a_grant_with_the_member_names_of_earlier_builds_is_read() {
        let old = r#"{"id":"1","by":{"issuer":"i","token_endpoint":"t"},"access_token":"a","granted":["x"],
            "obtained_at":0,"lost":["y"],"via":"https://idp.example"}"#;
        let grant: Grant = serde_json::from_str(old).expect("a grant");
        assert_eq!(grant.grantor.issuer, "i");
        assert_eq!(grant.scopes_before_refresh, Some(ScopeSet::parse("y")));
        assert_eq!(grant.idp_issuer.as_deref(), Some("https://idp.example"));
    }

    #[test]
    fn a_time_that_is_no_number_elsewhere_is_read_as_the_latest() {
        let grant = |at: &str| {
            let text = format!(
                r#"{{"id":"1","grantor":{{"issuer":"i","token_endpoint":"t"}},"access_token":"a","granted":[],"obtained_at":0,"expires_at":{at}}}"#
            );
            let grant: Grant = serde_json::from_str(&text).expect("a grant");
            grant.expires_at
        };
        assert_eq!(grant("18446744073709551615"), Some(LATEST));
        assert_eq!(grant("1800000000"), Some(1_800_000_000));
        assert_eq!(grant("null"), None);
    }
}
