//! Verifies signatures with a key set (RFC 7515 section 5.2, RFC 7517 section 5).

use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{self, RsaParameters, UnparsedPublicKey, VerificationAlgorithm};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::{JwkSet, PublicJwk};

/// Why a signature is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unverified {
    /// `none`, a symmetric algorithm, or an unknown one.
    Algorithm,
    /// No key of the set is meant for it.
    UnknownKey,
    /// No key that is meant for it verifies it.
    Signature,
}

/// A token's signature, and what it was made with.
pub(crate) struct Signed<'a> {
    pub(crate) algorithm: &'a str,
    pub(crate) key_id: Option<&'a str>,
    /// Header and claims, as encoded in the token.
    pub(crate) message: &'a str,
    pub(crate) signature: &'a [u8],
}

/// What a key may be used for (RFC 7517 section 4).
#[derive(Deserialize)]
struct Usage {
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
    key_ops: Option<Vec<String>>,
}

enum Verifier {
    Rsa(&'static RsaParameters),
    Ecdsa(&'static dyn VerificationAlgorithm, &'static str),
    Ed25519,
}

impl Verifier {
    /// Selects an asymmetric algorithm (RFC 7518 section 3.1, RFC 8037); only those identify the signer.
    fn of(algorithm: &str) -> Option<Self> {
        Some(match algorithm {
            "RS256" => Self::Rsa(&signature::RSA_PKCS1_2048_8192_SHA256),
            "RS384" => Self::Rsa(&signature::RSA_PKCS1_2048_8192_SHA384),
            "RS512" => Self::Rsa(&signature::RSA_PKCS1_2048_8192_SHA512),
            "PS256" => Self::Rsa(&signature::RSA_PSS_2048_8192_SHA256),
            "PS384" => Self::Rsa(&signature::RSA_PSS_2048_8192_SHA384),
            "PS512" => Self::Rsa(&signature::RSA_PSS_2048_8192_SHA512),
            "ES256" => Self::Ecdsa(&signature::ECDSA_P256_SHA256_FIXED, "P-256"),
            "ES384" => Self::Ecdsa(&signature::ECDSA_P384_SHA384_FIXED, "P-384"),
            "EdDSA" | "Ed25519" => Self::Ed25519,
            _ => return None,
        })
    }

    /// Whether the algorithm works with this kind of key.
    fn takes(&self, key: &PublicJwk) -> bool {
        match (self, key) {
            (Self::Rsa(_), PublicJwk::Rsa { .. }) => true,
            (Self::Ecdsa(_, curve), PublicJwk::Ec { crv, .. }) => crv == curve,
            (Self::Ed25519, PublicJwk::Okp { crv, .. }) => crv == "Ed25519",
            _ => false,
        }
    }

    fn verifies(&self, key: &PublicJwk, signed: &Signed<'_>) -> Option<()> {
        let bytes = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).ok();
        let (message, signature) = (signed.message.as_bytes(), signed.signature);
        let verified = match (self, key) {
            (Self::Rsa(parameters), PublicJwk::Rsa { n, e }) => {
                let (n, e) = (bytes(n)?, bytes(e)?);
                PublicKeyComponents { n, e }.verify(parameters, message, signature)
            }
            (Self::Ecdsa(algorithm, _), PublicJwk::Ec { x, y, .. }) => {
                let point = [vec![4], bytes(x)?, bytes(y)?].concat();
                algorithm.verify_sig(&point, message, signature)
            }
            (Self::Ed25519, PublicJwk::Okp { x, .. }) => {
                UnparsedPublicKey::new(&signature::ED25519, bytes(x)?).verify(message, signature)
            }
            _ => return None,
        };
        verified.ok()
    }
}

impl JwkSet {
    /// Verifies a signature.
    pub(crate) fn verify(&self, signed: &Signed<'_>) -> Result<(), Unverified> {
        let verifier = Verifier::of(signed.algorithm).ok_or(Unverified::Algorithm)?;
        let mut fitting = self.meant_for(signed).filter(|key| verifier.takes(key));
        let first = fitting.next().ok_or(Unverified::UnknownKey)?;
        std::iter::once(first)
            .chain(fitting)
            .find_map(|key| verifier.verifies(&key, signed))
            .ok_or(Unverified::Signature)
    }

    fn meant_for<'a>(&'a self, signed: &'a Signed<'_>) -> impl Iterator<Item = PublicJwk> + 'a {
        let fits = |usage: &Usage| {
            let named = signed.key_id.is_none() || usage.kid.as_deref() == signed.key_id;
            let for_signing = usage.usage.as_deref().is_none_or(|usage| usage == "sig");
            let for_this = usage.alg.as_deref().is_none_or(|a| a == signed.algorithm);
            let verifies = |ops: &Vec<String>| ops.iter().any(|op| op == "verify");
            named && for_signing && for_this && usage.key_ops.as_ref().is_none_or(verifies)
        };
        self.keys
            .iter()
            .filter(move |key| Usage::deserialize(*key).is_ok_and(|usage| fits(&usage)))
            .filter_map(|key| PublicJwk::deserialize(key).ok())
    }
}
