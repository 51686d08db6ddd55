//! What was granted, by which authorization server, to which client, bound to which key: as it is on record.

use serde::{Deserialize, Deserializer, Serialize};

use crate::scope::ScopeSet;
use crate::secret::Secret;

/// The server that grants, and what for: all that is needed to ask again without asking another server where.
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
    /// Stands for this one act of granting. Tokens do not: a server may issue one twice.
    pub(crate) id: String,
    pub(crate) by: Grantor,
    pub(crate) access_token: Secret,
    pub(crate) granted: ScopeSet,
    /// Seconds since 1970, by this machine's clock; `None`: use until rejected.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "some_date"
    )]
    pub(crate) expires_at: Option<u64>,
    pub(crate) obtained_at: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refresh_token: Option<Secret>,
    /// The client it was granted to, the only one that can renew it. `None`: its server no longer knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client: Option<Registration>,
    /// The key that its tokens are bound to (RFC 9449); `None`: any holder may use them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) binding: Option<KeyBinding>,
    /// Stands for the sign-in that it goes back to, over all renewals.
    #[serde(default)]
    pub(crate) sign_in: String,
    /// The scopes there were before a refresh brought others (RFC 6749 section 6 lets a client name them).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lost: Option<ScopeSet>,
    /// The issuer of the identity provider's session it was minted through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) via: Option<String>,
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

/// The latest time on record, in seconds since 1970: later ones are no numbers for JavaScript.
const LATEST: u64 = (1 << 53) - 1;

/// Reads a time; older versions of this program wrote any that a server named.
pub(crate) fn date<'de, D: Deserializer<'de>>(reader: D) -> Result<u64, D::Error> {
    u64::deserialize(reader).map(|at| at.min(LATEST))
}

fn some_date<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<u64>, D::Error> {
    let at = Option::<u64>::deserialize(reader)?;
    Ok(at.map(|at| at.min(LATEST)))
}

impl Grant {
    /// A name for a new grant.
    pub(crate) fn new_id() -> String {
        // Without randomness all grants look alike, and a renewal is noticed by its time alone.
        format!("{:016x}", getrandom::u64().unwrap_or_default())
    }

    /// Whether both stand for one act of granting, whatever has been discarded since.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.id == other.id && self.obtained_at == other.obtained_at
    }
}

/// A client as one authorization server knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Registration {
    pub(crate) client_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client_secret: Option<Secret>,
    pub(crate) auth_method: AuthMethod,
    /// How its server would take a secret that is given later; `None`: the server was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) secret_method: Option<AuthMethod>,
    /// The redirect URIs it was registered with; empty when that was not for us to say.
    #[serde(default)]
    pub(crate) redirect_uris: Vec<String>,
    /// Registered by us (RFC 7591), so that it can be registered again.
    #[serde(default)]
    pub(crate) dynamic: bool,
    /// The scopes its server registered it with; `None`: the server did not say, and may not care.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) scopes: Option<ScopeSet>,
    /// The scopes that the registration asked for.
    #[serde(default, skip_serializing_if = "ScopeSet::is_empty")]
    pub(crate) scopes_sent: ScopeSet,
}

impl Registration {
    /// Whether these scopes may be asked for, as far as is known. What the server left out of the registration it
    /// would leave out of another: that is no reason to register again.
    pub(crate) fn allows(&self, scopes: &ScopeSet) -> bool {
        let known = self.scopes.as_ref();
        known.is_none_or(|known| known.union(&self.scopes_sent).covers(scopes))
    }

    /// Notes that the server refused these scopes as unknown to it, where it was not said which it knows: it knows those of
    /// the registration. Returns whether that is new.
    pub(crate) fn note_refused(&mut self, scopes: &ScopeSet) -> bool {
        let unknown = self.dynamic && self.scopes.is_none() && !self.scopes_sent.covers(scopes);
        if unknown {
            self.scopes = Some(self.scopes_sent.clone());
        }
        unknown
    }

    /// Whether it proves itself by a secret or a key.
    pub(crate) fn proves(&self) -> bool {
        self.client_secret.is_some() || self.auth_method == AuthMethod::PrivateKeyJwt
    }

    /// The same client with the secret, or the key, that the application has for it now, and shown as it says.
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
    fn a_time_that_is_no_number_elsewhere_is_read_as_the_latest() {
        let grant = |at: &str| {
            let text = format!(
                r#"{{"id":"1","by":{{"issuer":"i","token_endpoint":"t"}},"access_token":"a","granted":[],"obtained_at":0,"expires_at":{at}}}"#
            );
            let grant: Grant = serde_json::from_str(&text).expect("a grant");
            grant.expires_at
        };
        assert_eq!(grant("18446744073709551615"), Some(LATEST));
        assert_eq!(grant("1800000000"), Some(1_800_000_000));
        assert_eq!(grant("null"), None);
    }
}
