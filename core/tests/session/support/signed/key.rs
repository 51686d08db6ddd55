//! A key that signs JWTs, and reading signed tokens.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde_json::Value;

/// A key of a server or a platform.
#[derive(Clone)]
pub(crate) struct Key {
    encoding: EncodingKey,
    public: Jwk,
}

impl Key {
    pub(crate) fn generate() -> Self {
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pair = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new());
        let encoding = EncodingKey::from_ec_der(pair.expect("a key").as_ref());
        let public = Jwk::from_encoding_key(&encoding, Algorithm::ES256);
        let mut public = public.expect("its public part");
        let name = public.thumbprint(ThumbprintHash::SHA256);
        public.common.key_id = Some(name.expect("a thumbprint"));
        Self { encoding, public }
    }

    pub(crate) fn public(&self) -> &Jwk {
        &self.public
    }

    pub(crate) fn sign(&self, typ: &str, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some(typ.to_owned());
        header.kid.clone_from(&self.public.common.key_id);
        jsonwebtoken::encode(&header, claims, &self.encoding).expect("a token")
    }
}

/// Returns the claims of a token of this type that `key` signed.
pub(crate) fn verified(token: &str, typ: &str, key: &Jwk) -> Option<Value> {
    let header = jsonwebtoken::decode_header(token).ok()?;
    if header.typ.as_deref() != Some(typ) {
        return None;
    }
    let key = DecodingKey::from_jwk(key).ok()?;
    let mut validation = Validation::new(header.alg);
    // The clock is virtual, so the caller checks the times, and the other claims with them.
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let token = jsonwebtoken::decode::<Value>(token, &key, &validation);
    Some(token.ok()?.claims)
}

/// Returns the claims of a token, without verifying its signature.
pub(crate) fn claims(token: &str) -> Value {
    let token = jsonwebtoken::dangerous::insecure_decode::<Value>(token);
    token.expect("a token").claims
}
