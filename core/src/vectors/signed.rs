//! Vectors of signed data: ID tokens, proofs of possession, assertions. The code that they test is not public.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::threads::BoxFuture;
use futures_util::FutureExt;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::jose::verify::{Signed, Unverified};
use crate::jose::{JwkSet, PrivateKey, PublicJwk, SigningAlgorithm, SigningKey, base64url};
use crate::oauth::id_token::{Expected, Refusal, verify};
use crate::oauth::{client_auth, dpop};

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct IdToken {
    now: u64,
    issuer: String,
    client_id: String,
    nonce: Option<String>,
    jwks: JwkSet,
    token: String,
}

pub(super) fn id_token(input: IdToken) -> Value {
    let expected = Expected {
        issuer: &input.issuer,
        client_id: &input.client_id,
        nonce: input.nonce.as_deref(),
    };
    let error = match verify(&input.token, &input.jwks, &expected, input.now) {
        Ok(identity) => return json!({ "subject": identity.subject }),
        Err(refusal) => refusal,
    };
    json!({ "error": match error {
        Refusal::Malformed => "malformed",
        Refusal::Signature(Unverified::Algorithm) => "algorithm",
        Refusal::Signature(Unverified::UnknownKey) => "unknown_key",
        Refusal::Signature(Unverified::Signature) => "signature",
        Refusal::Issuer => "issuer",
        Refusal::Audience => "audience",
        Refusal::Expired => "expired",
        Refusal::NotYet => "not_yet",
        Refusal::Nonce => "nonce",
    } })
}

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", rename_all_fields = "camelCase")]
#[serde(deny_unknown_fields)]
pub(super) enum Dpop {
    Thumbprint {
        jwk: PublicJwk,
    },
    Hash {
        access_token: String,
    },
    Proof {
        jwk: PublicJwk,
        method: String,
        url: String,
        issued_at: u64,
        id: String,
        nonce: Option<String>,
        access_token: Option<String>,
        /// A proof made by another implementation.
        example: Option<String>,
    },
}

/// A key of which only the public part is known.
struct Elsewhere(PublicJwk);

impl SigningKey for Elsewhere {
    fn algorithm(&self) -> SigningAlgorithm {
        match &self.0 {
            PublicJwk::Ec { crv, .. } if crv == "P-384" => SigningAlgorithm::Es384,
            PublicJwk::Ec { .. } => SigningAlgorithm::Es256,
            PublicJwk::Rsa { .. } => SigningAlgorithm::Rs256,
            PublicJwk::Okp { .. } => SigningAlgorithm::EdDsa,
        }
    }

    fn public_jwk(&self) -> PublicJwk {
        self.0.clone()
    }

    fn sign<'a>(&'a self, message: &'a [u8]) -> BoxFuture<'a, Result<Vec<u8>, Error>> {
        Box::pin(async move { Ok(message.to_vec()) })
    }
}

pub(super) fn proof(input: Dpop) -> Value {
    match input {
        Dpop::Thumbprint { jwk } => jwk.thumbprint().into(),
        Dpop::Hash { access_token } => base64url(Sha256::digest(access_token)).into(),
        Dpop::Proof {
            jwk,
            method,
            url,
            issued_at,
            id,
            nonce,
            access_token,
            example,
        } => {
            if let Some(example) = example {
                assert_signed(&example, &jwk);
            }
            let request = dpop::Request {
                method: &method,
                url: &url,
                token: access_token.as_deref(),
                nonce: nonce.as_deref(),
            };
            let prover = dpop::Prover::new(Arc::new(Elsewhere(jwk))).expect("a key");
            json!({
                "header": decoded(prover.header()),
                "claims": dpop::Claims::new(&request, id, at(issued_at)),
            })
        }
    }
}

/// Asserts that `token` is signed with `key`.
fn assert_signed(token: &str, key: &PublicJwk) {
    let (message, signature) = token.rsplit_once('.').expect("a token");
    let header = decoded(message.split('.').next().expect("a header"));
    let keys = JwkSet {
        keys: vec![json!(key)],
    };
    let signature = bytes(signature);
    let signed = Signed {
        algorithm: header["alg"].as_str().expect("an algorithm"),
        key_id: None,
        message,
        signature: &signature,
    };
    assert_eq!(keys.verify(&signed), Ok(()));
}

fn bytes(part: &str) -> Vec<u8> {
    use base64::Engine;
    let decoded = base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(part);
    decoded.expect("base64url")
}

fn decoded(part: &str) -> Value {
    serde_json::from_slice(&bytes(part)).expect("JSON")
}

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", rename_all_fields = "camelCase")]
#[serde(deny_unknown_fields)]
pub(super) enum Assertion {
    Key {
        text: String,
    },
    Assertion {
        client_id: String,
        issuer: String,
        issued_at: u64,
        id: String,
        kid: Option<String>,
        algorithm: SigningAlgorithm,
    },
}

/// A key of which only the algorithm and the id matter.
struct Named(SigningAlgorithm, Option<String>);

impl SigningKey for Named {
    fn algorithm(&self) -> SigningAlgorithm {
        self.0
    }

    fn public_jwk(&self) -> PublicJwk {
        unreachable!("an assertion does not show it")
    }

    fn key_id(&self) -> Option<&str> {
        self.1.as_deref()
    }

    fn sign<'a>(&'a self, _: &'a [u8]) -> BoxFuture<'a, Result<Vec<u8>, Error>> {
        unreachable!("nothing is signed")
    }
}

pub(super) fn assertion(input: Assertion) -> Value {
    match input {
        Assertion::Key { text } => match PrivateKey::read(&text) {
            Ok(key) => {
                assert_signs(&key);
                json!({ "algorithm": key.algorithm(), "publicJwk": key.public_jwk() })
            }
            Err(error) => {
                let (said, longest) = (error.to_string(), 24);
                let lines = text.lines().filter(|line| line.len() > longest);
                for line in lines.filter(|line| !line.starts_with("-----")) {
                    assert!(!said.contains(line), "it quotes the key: {said}");
                }
                json!({ "error": error.code() })
            }
        },
        Assertion::Assertion {
            client_id,
            issuer,
            issued_at,
            id,
            kid,
            algorithm,
        } => json!({
            "header": client_auth::Header::of(&Named(algorithm, kid)),
            "claims": client_auth::Claims::new(&client_id, &issuer, id, at(issued_at)),
        }),
    }
}

/// Asserts that the public part of a key verifies what the key signs.
fn assert_signs(key: &PrivateKey) {
    let message = "header.claims";
    let signature = key.sign(message.as_bytes()).now_or_never();
    let signature = signature.expect("at once").expect("a signature");
    let keys = JwkSet {
        keys: vec![json!(key.public_jwk())],
    };
    let signed = Signed {
        algorithm: key.algorithm().name(),
        key_id: None,
        message,
        signature: &signature,
    };
    assert_eq!(keys.verify(&signed), Ok(()));
}
