//! A private key in memory.

use std::fmt;

use crate::threads::BoxFuture;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPairComponents, PublicKeyComponents};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding,
    RsaKeyPair,
};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use futures_util::future::ready;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{PublicJwk, SigningAlgorithm, SigningKey, base64url};
use crate::error::Error;
use crate::secret::Secret;

/// A private key in memory: elliptic curve (P-256, P-384), RSA (2048 bits or more) or Ed25519. `Debug` shows only its
/// public part.
pub struct PrivateKey {
    pair: Pair,
    algorithm: SigningAlgorithm,
    public: PublicJwk,
    id: Option<String>,
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Rsa(RsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl PrivateKey {
    /// Generates a new key for ES256.
    ///
    /// # Errors
    /// [`Error::Config`] if there is no source of randomness.
    pub fn generate() -> Result<Self, Error> {
        EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .map_err(|_| {
                Error::config("a key could not be generated: there is no source of randomness")
            })
            .and_then(|pair| Self::ecdsa(pair, SigningAlgorithm::Es256))
    }

    /// Reads a key file: PEM (PKCS #8, SEC 1 or PKCS #1, not encrypted) or a private JWK (RFC 7517).
    ///
    /// # Errors
    /// [`Error::Config`] that says what the text is instead, without quoting it.
    pub fn read(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Error::config("the key file is empty"));
        }
        if text.starts_with('{') {
            return Jwk::read(text);
        }
        if text.contains("-----BEGIN ") {
            return read_pem(text);
        }
        Err(Error::config(
            "this is not a key file: neither PEM (-----BEGIN PRIVATE KEY-----) nor a JWK ({\"kty\": ...})",
        ))
    }

    /// Reads a key that [`to_pkcs8`](Self::to_pkcs8) wrote.
    pub(crate) fn from_pkcs8(stored: &Secret) -> Result<Self, Error> {
        let damaged = || Error::store("a stored key is damaged");
        let der = BASE64_URL_SAFE_NO_PAD.decode(stored.expose());
        let der = Zeroizing::new(der.map_err(|_| damaged())?);
        Self::from_der(&der).ok_or_else(damaged)
    }

    /// Returns the whole key in PKCS #8, for a store.
    pub(crate) fn to_pkcs8(&self) -> Result<Secret, Error> {
        let document = match &self.pair {
            Pair::Ecdsa(pair) => pair.to_pkcs8v1(),
            Pair::Ed25519(pair) => pair.to_pkcs8v1(),
            Pair::Rsa(_) => return Err(Error::config("RSA keys are not stored")),
        };
        document
            .map(|document| Secret::new(base64url(document.as_ref())))
            .map_err(|_| Error::config("the key cannot be written"))
    }

    /// Reads a key in PKCS #8, SEC 1 or PKCS #1.
    fn from_der(der: &[u8]) -> Option<Self> {
        for (curve, algorithm) in CURVES {
            if let Ok(pair) = EcdsaKeyPair::from_private_key_der(curve, der) {
                return Self::ecdsa(pair, algorithm).ok();
            }
        }
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
            return Some(Self::ed25519(pair));
        }
        let pair = RsaKeyPair::from_pkcs8(der).or_else(|_| RsaKeyPair::from_der(der));
        pair.ok().map(Self::rsa)
    }

    fn ecdsa(pair: EcdsaKeyPair, algorithm: SigningAlgorithm) -> Result<Self, Error> {
        // An uncompressed point: 4, then both coordinates (SEC 1 section 2.3.3).
        let point = pair.public_key().as_ref();
        let (x, y) = match point {
            [4, rest @ ..] => rest.split_at(rest.len() / 2),
            _ => return Err(Error::config("the key's public point is malformed")),
        };
        let crv = match algorithm {
            SigningAlgorithm::Es384 => "P-384",
            _ => "P-256",
        };
        let public = PublicJwk::Ec {
            crv: crv.to_owned(),
            x: base64url(x),
            y: base64url(y),
        };
        Ok(Self {
            pair: Pair::Ecdsa(pair),
            algorithm,
            public,
            id: None,
        })
    }

    fn ed25519(pair: Ed25519KeyPair) -> Self {
        let public = PublicJwk::Okp {
            crv: "Ed25519".to_owned(),
            x: base64url(pair.public_key()),
        };
        Self {
            pair: Pair::Ed25519(pair),
            algorithm: SigningAlgorithm::EdDsa,
            public,
            id: None,
        }
    }

    fn rsa(pair: RsaKeyPair) -> Self {
        let key = pair.public_key();
        let public = PublicJwk::Rsa {
            n: base64url(key.modulus().big_endian_without_leading_zero()),
            e: base64url(key.exponent().big_endian_without_leading_zero()),
        };
        Self {
            pair: Pair::Rsa(pair),
            algorithm: SigningAlgorithm::Rs256,
            public,
            id: None,
        }
    }

    fn sign_now(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let random = SystemRandom::new();
        let signed = match &self.pair {
            Pair::Ecdsa(pair) => pair.sign(&random, message).map(|s| s.as_ref().to_vec()),
            Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let padding: &dyn RsaEncoding = match self.algorithm {
                    SigningAlgorithm::Ps256 => &RSA_PSS_SHA256,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &random, message, &mut signature)
                    .map(|()| signature)
            }
        };
        signed.map_err(|_| Error::config("the key could not sign"))
    }
}

const CURVES: [(&EcdsaSigningAlgorithm, SigningAlgorithm); 2] = [
    (&ECDSA_P256_SHA256_FIXED_SIGNING, SigningAlgorithm::Es256),
    (&ECDSA_P384_SHA384_FIXED_SIGNING, SigningAlgorithm::Es384),
];

impl SigningKey for PrivateKey {
    fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    fn public_jwk(&self) -> PublicJwk {
        self.public.clone()
    }

    fn key_id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    fn sign<'a>(&'a self, message: &'a [u8]) -> BoxFuture<'a, Result<Vec<u8>, Error>> {
        Box::pin(ready(self.sign_now(message)))
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey")
            .field("algorithm", &self.algorithm)
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}

fn read_pem(text: &str) -> Result<PrivateKey, Error> {
    let blocks = pem::parse_many(text)
        .map_err(|_| Error::config("the PEM file is damaged: it cannot be decoded"))?;
    if blocks.iter().any(|block| block.tag().contains("ENCRYPTED"))
        || text.contains("Proc-Type: 4,ENCRYPTED")
    {
        return Err(Error::config(
            "the key is encrypted; decrypt it first, such as by: openssl pkey -in FILE -out DECRYPTED",
        ));
    }
    let private = blocks
        .into_iter()
        .find(|block| block.tag().ends_with("PRIVATE KEY"));
    let block = private.ok_or_else(|| {
        Error::config("the PEM file contains a certificate or a public key, not a private key")
    })?;
    let der = Zeroizing::new(block.into_contents());
    PrivateKey::from_der(&der).ok_or_else(|| unsupported("the key"))
}

fn unsupported(what: &str) -> Error {
    Error::config(format!(
        "{what} cannot be used: it is damaged, or not a key of P-256, P-384, Ed25519 or RSA (2048 bits or more)"
    ))
}

/// A private JWK (RFC 7518 section 6, RFC 8037 section 2).
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(default)]
    crv: String,
    kid: Option<String>,
    alg: Option<SigningAlgorithm>,
    #[serde(rename = "use")]
    usage: Option<String>,
    d: Option<Part>,
    x: Option<Part>,
    y: Option<Part>,
    n: Option<Part>,
    e: Option<Part>,
    p: Option<Part>,
    q: Option<Part>,
    dp: Option<Part>,
    dq: Option<Part>,
    qi: Option<Part>,
}

/// A number or a string of bytes, in base64url.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Part(Zeroizing<Vec<u8>>);

impl TryFrom<String> for Part {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let text = Zeroizing::new(text);
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text.as_bytes());
        bytes
            .map(|bytes| Self(Zeroizing::new(bytes)))
            .map_err(|_| "not base64url")
    }
}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Jwk {
    fn read(text: &str) -> Result<PrivateKey, Error> {
        // The message of a JSON error may quote the key, so it is not passed on.
        let jwk: Self = serde_json::from_str(text).map_err(|error| {
            Error::config(format!(
                "the key file is not a JWK (line {}, column {})",
                error.line(),
                error.column()
            ))
        })?;
        let Some(d) = &jwk.d else {
            return Err(Error::config(
                "the JWK is not an asymmetric private key (it has no \"d\")",
            ));
        };
        if jwk.usage.as_deref().is_some_and(|usage| usage != "sig") {
            return Err(Error::config("the JWK is not meant for signing (\"use\")"));
        }
        let key = match (jwk.kty.as_str(), jwk.crv.as_str()) {
            ("EC", "P-256") => jwk.ecdsa(d, CURVES[0]),
            ("EC", "P-384") => jwk.ecdsa(d, CURVES[1]),
            ("OKP", "Ed25519") => jwk.ed25519(d),
            ("RSA", _) => jwk.rsa(d),
            _ => None,
        };
        let mut key = key.ok_or_else(|| unsupported("the JWK"))?;
        key.id = jwk.kid;
        match (key.algorithm, jwk.alg) {
            (own, Some(alg)) if own == alg => {}
            (_, None) => {}
            (SigningAlgorithm::Rs256, Some(SigningAlgorithm::Ps256)) => {
                key.algorithm = SigningAlgorithm::Ps256;
            }
            _ => return Err(Error::config("the JWK's type does not match its \"alg\"")),
        }
        Ok(key)
    }

    fn ecdsa(
        &self,
        d: &Part,
        (curve, algorithm): (&'static EcdsaSigningAlgorithm, SigningAlgorithm),
    ) -> Option<PrivateKey> {
        let point = [&[4], self.x.as_ref()?.as_ref(), self.y.as_ref()?.as_ref()].concat();
        let pair = EcdsaKeyPair::from_private_key_and_public_key(curve, d.as_ref(), &point);
        PrivateKey::ecdsa(pair.ok()?, algorithm).ok()
    }

    fn ed25519(&self, d: &Part) -> Option<PrivateKey> {
        let pair = match &self.x {
            Some(x) => Ed25519KeyPair::from_seed_and_public_key(d.as_ref(), x.as_ref()),
            None => Ed25519KeyPair::from_seed_unchecked(d.as_ref()),
        };
        pair.ok().map(PrivateKey::ed25519)
    }

    fn rsa(&self, d: &Part) -> Option<PrivateKey> {
        let components = KeyPairComponents {
            public_key: PublicKeyComponents {
                n: self.n.as_ref()?.as_ref(),
                e: self.e.as_ref()?.as_ref(),
            },
            d: d.as_ref(),
            p: self.p.as_ref()?.as_ref(),
            q: self.q.as_ref()?.as_ref(),
            dP: self.dp.as_ref()?.as_ref(),
            dQ: self.dq.as_ref()?.as_ref(),
            qInv: self.qi.as_ref()?.as_ref(),
        };
        let pair = RsaKeyPair::from_components(&components);
        pair.ok().map(PrivateKey::rsa)
    }
}
