//! Verifies ID tokens (OpenID Connect Core section 3.1.3.7).

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::answer::MAX_LIFETIME;
#[cfg(feature = "jwt")]
use crate::jose::JwkSet;
#[cfg(feature = "jwt")]
use crate::jose::verify::{Signed, Unverified};

/// How far the clocks of two machines may differ, in seconds.
const LEEWAY: f64 = 60.0;

/// What an ID token must say.
pub(crate) struct Expected<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) client_id: &'a str,
    /// The `nonce` of the authorization request; `None` for a token from a refresh, which has none (section 12.2).
    pub(crate) nonce: Option<&'a str>,
}

/// The user who signed in, and the expiry of the ID token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) subject: String,
    /// Seconds since 1970.
    pub(crate) expires_at: u64,
}

/// Why an ID token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Malformed,
    #[cfg(feature = "jwt")]
    Signature(Unverified),
    Issuer,
    Audience,
    Expired,
    NotYet,
    Nonce,
}

impl Refusal {
    /// Describes what is wrong.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Malformed => "it is malformed",
            #[cfg(feature = "jwt")]
            Self::Signature(Unverified::Algorithm) => "its signature algorithm is not accepted",
            #[cfg(feature = "jwt")]
            Self::Signature(Unverified::UnknownKey) => "it is signed by an unknown key",
            #[cfg(feature = "jwt")]
            Self::Signature(Unverified::Signature) => "its signature is wrong",
            Self::Issuer => "it is from another issuer",
            Self::Audience => "it is meant for another client",
            Self::Expired => {
                "it has expired; if it was issued just now, check this machine's clock"
            }
            Self::NotYet => "it is not valid yet; check this machine's clock",
            Self::Nonce => "its nonce belongs to another sign-in",
        }
    }
}

/// The claims that are checked.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    azp: Option<String>,
    exp: f64,
    nbf: Option<f64>,
    iat: Option<f64>,
    nonce: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    fn list(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

/// Verifies an ID token, including its signature, with `keys`.
#[cfg(feature = "jwt")]
pub(crate) fn verify(
    token: &str,
    keys: &JwkSet,
    expected: &Expected<'_>,
    now: u64,
) -> Result<Identity, Refusal> {
    #[derive(Deserialize)]
    struct Header {
        alg: String,
        kid: Option<String>,
        // Critical extensions (RFC 7515 section 4.1.11): none is supported.
        crit: Option<serde_json::Value>,
    }
    let (message, signature) = token.rsplit_once('.').ok_or(Refusal::Malformed)?;
    let (header, claims) = message.split_once('.').ok_or(Refusal::Malformed)?;
    let header: Header = part(header)?;
    let claims: Claims = part(claims)?;
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature);
    let signature = signature.map_err(|_| Refusal::Malformed)?;
    if header.crit.is_some() || claims.sub.is_empty() {
        return Err(Refusal::Malformed);
    }
    let signed = Signed {
        algorithm: &header.alg,
        key_id: header.kid.as_deref(),
        message,
        signature: &signature,
    };
    keys.verify(&signed).map_err(Refusal::Signature)?;
    check(claims, expected, now)
}

/// Checks the claims of an ID token and not its signature, if the application is trusted to have verified that.
pub(crate) fn check_claims(
    token: &str,
    expected: &Expected<'_>,
    now: u64,
) -> Result<Identity, Refusal> {
    let claims = token.split('.').nth(1).ok_or(Refusal::Malformed)?;
    let claims: Claims = part(claims)?;
    if claims.sub.is_empty() {
        return Err(Refusal::Malformed);
    }
    check(claims, expected, now)
}

fn part<T: DeserializeOwned>(part: &str) -> Result<T, Refusal> {
    let json = BASE64_URL_SAFE_NO_PAD.decode(part);
    let json = json.map_err(|_| Refusal::Malformed)?;
    serde_json::from_slice(&json).map_err(|_| Refusal::Malformed)
}

fn check(claims: Claims, expected: &Expected<'_>, now: u64) -> Result<Identity, Refusal> {
    if claims.iss != expected.issuer {
        return Err(Refusal::Issuer);
    }
    let audience = claims.aud.list();
    let party = claims.azp.as_deref();
    let ours = audience.iter().any(|one| one == expected.client_id);
    let for_us = match party {
        Some(party) => party == expected.client_id,
        None => audience.len() == 1,
    };
    if !ours || !for_us {
        return Err(Refusal::Audience);
    }
    // Times may have fractions (RFC 7519 section 2).
    #[allow(clippy::cast_precision_loss)]
    let now = now as f64;
    if claims.exp + LEEWAY <= now {
        return Err(Refusal::Expired);
    }
    let mut begins = [claims.nbf, claims.iat].into_iter().flatten();
    if begins.any(|at| at > now + LEEWAY) {
        return Err(Refusal::NotYet);
    }
    if expected.nonce.is_some() && claims.nonce.as_deref() != expected.nonce {
        return Err(Refusal::Nonce);
    }
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss
    )]
    let expires_at = claims.exp.min(now + MAX_LIFETIME as f64) as u64;
    Ok(Identity {
        subject: claims.sub,
        expires_at,
    })
}
