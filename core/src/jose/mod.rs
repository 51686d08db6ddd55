//! Signed tokens: their keys and their form (RFC 7515, RFC 7517).

#[cfg(feature = "jwt")]
mod private_key;
#[cfg(feature = "jwt")]
pub(crate) mod verify;

use std::fmt;

use crate::threads::{BoxFuture, MaybeSend, MaybeSync};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::secret::Secret;
#[cfg(feature = "jwt")]
pub use private_key::PrivateKey;

/// How a token is signed (RFC 7518 section 3.1, RFC 8037 section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum SigningAlgorithm {
    /// ECDSA with P-256 and SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// ECDSA with P-384 and SHA-384.
    #[serde(rename = "ES384")]
    Es384,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
    /// RSASSA-PSS with SHA-256.
    #[serde(rename = "PS256")]
    Ps256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl SigningAlgorithm {
    /// Its registered name, such as `ES256`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::EdDsa => "EdDSA",
        }
    }
}

impl fmt::Display for SigningAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The public part of a key (RFC 7517), with its values in base64url as in the JSON form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kty")]
pub enum PublicJwk {
    /// An elliptic curve key.
    #[serde(rename = "EC")]
    Ec {
        /// The curve, such as `P-256`.
        crv: String,
        /// The x coordinate.
        x: String,
        /// The y coordinate.
        y: String,
    },
    /// An RSA key.
    #[serde(rename = "RSA")]
    Rsa {
        /// The modulus.
        n: String,
        /// The exponent.
        e: String,
    },
    /// An Edwards curve key.
    #[serde(rename = "OKP")]
    Okp {
        /// The curve, such as `Ed25519`.
        crv: String,
        /// The public key.
        x: String,
    },
}

impl PublicJwk {
    /// The SHA-256 thumbprint (RFC 7638), in base64url: what a DPoP-bound token names as `jkt`.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        // Only the required members, in lexicographic order; `Value` keeps its members sorted.
        let members = match self {
            Self::Ec { crv, x, y } => json!({ "crv": crv, "kty": "EC", "x": x, "y": y }),
            Self::Rsa { n, e } => json!({ "e": e, "kty": "RSA", "n": n }),
            Self::Okp { crv, x } => json!({ "crv": crv, "kty": "OKP", "x": x }),
        };
        base64url(Sha256::digest(members.to_string()))
    }
}

/// A key set as its owner publishes it (RFC 7517 section 5). Unusable keys are kept and skipped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JwkSet {
    pub(crate) keys: Vec<serde_json::Value>,
}

/// The maximum number of keys that are kept of a set. A server has a few at a time.
const MAX_KEYS: usize = 32;

impl JwkSet {
    /// Returns the keys that can verify a signature, up to [`MAX_KEYS`].
    pub(crate) fn usable(mut self) -> Self {
        self.keys.retain(|key| PublicJwk::deserialize(key).is_ok());
        self.keys.truncate(MAX_KEYS);
        self
    }
}

/// Signs with a private key that is in memory ([`PrivateKey`]), in the key store of an operating system, or in
/// hardware.
#[auto_impl::auto_impl(Arc)]
pub trait SigningKey: MaybeSend + MaybeSync + 'static {
    /// The algorithm that it signs with.
    fn algorithm(&self) -> SigningAlgorithm;

    /// Its public part, which must not change while the key is in use.
    fn public_jwk(&self) -> PublicJwk;

    /// The name by which servers know the key (`kid`), if it has one.
    fn key_id(&self) -> Option<&str> {
        None
    }

    /// Signs `message`. The signature has the form of JWS: for ECDSA both numbers concatenated in full length (RFC 7518
    /// section 3.4), not DER.
    ///
    /// # Errors
    /// [`Error::Host`] if the key could not be used.
    fn sign<'a>(&'a self, message: &'a [u8]) -> BoxFuture<'a, Result<Vec<u8>, Error>>;
}

/// Encodes a part of a token.
pub(crate) fn encoded(part: &impl Serialize) -> Result<String, Error> {
    let json = serde_json::to_vec(part).map_err(|error| Error::config(error.to_string()))?;
    Ok(base64url(json))
}

/// Signs `header` and `claims`, which are already encoded.
pub(crate) async fn sign(
    key: &dyn SigningKey,
    header: &str,
    claims: &str,
) -> Result<Secret, Error> {
    let mut token = String::with_capacity(header.len() + claims.len() + 100);
    token.push_str(header);
    token.push('.');
    token.push_str(claims);
    let signature = key.sign(token.as_bytes()).await?;
    token.push('.');
    BASE64_URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(Secret::new(token))
}

pub(crate) fn base64url(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// Creates a unique token id (`jti`): 128 random bits.
pub(crate) fn fresh_id() -> Result<String, Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::config(format!("there is no source of randomness: {error}")))?;
    Ok(base64url(bytes))
}
