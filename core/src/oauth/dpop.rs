//! Proof of possession (DPoP, RFC 9449): each request shows that its sender holds the key that the token is bound to.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use http::{HeaderMap, HeaderName};
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use url::Url;

use crate::error::Error;
use crate::jose::{SigningKey, base64url, encoded, fresh_id, sign};
use crate::runtime::unix_seconds;
use crate::secret::Secret;
use crate::sync::{Mutex, lock};

/// The header that carries a proof.
pub(crate) const PROOF: HeaderName = HeaderName::from_static("dpop");
/// The header that carries a nonce for later proofs (section 8.1).
pub(crate) const NONCE: &str = "dpop-nonce";

/// The maximum length of a nonce that is sent back, in bytes.
const MAX_NONCE: usize = 1024;
/// The maximum number of servers whose nonces are kept. A session speaks with two or three.
const MAX_ORIGINS: usize = 16;

/// The last nonces of servers, by origin.
#[derive(Default)]
pub(crate) struct Nonces(Mutex<HashMap<String, String>>);

impl Nonces {
    pub(crate) fn get(&self, url: &str) -> Option<String> {
        lock(&self.0).get(&origin(url)?).cloned()
    }

    /// Stores the nonce of the server at `url`, if it is valid.
    pub(crate) fn note(&self, url: &str, nonce: Option<&str>) {
        let fit = |nonce: &&str| {
            (1..=MAX_NONCE).contains(&nonce.len()) && nonce.bytes().all(|b| b.is_ascii_graphic())
        };
        let (Some(nonce), Some(origin)) = (nonce.filter(fit), origin(url)) else {
            return;
        };
        let mut nonces = lock(&self.0);
        if nonces.len() >= MAX_ORIGINS && !nonces.contains_key(&origin) {
            nonces.clear();
        }
        nonces.insert(origin, nonce.to_owned());
    }

    /// As [`note`](Self::note), from the header fields of a response.
    pub(crate) fn note_all(&self, url: &str, headers: &HeaderMap) {
        let nonce = headers.get(NONCE).and_then(|nonce| nonce.to_str().ok());
        self.note(url, nonce);
    }
}

fn origin(url: &str) -> Option<String> {
    Some(Url::parse(url).ok()?.origin().ascii_serialization())
}

/// Makes proofs with a key.
pub(crate) struct Prover {
    key: Arc<dyn SigningKey>,
    /// The encoded header, the same for every proof.
    header: String,
    thumbprint: String,
}

/// The request that a proof is for.
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) url: &'a str,
    /// The access token that the request carries, if any.
    pub(crate) token: Option<&'a str>,
    pub(crate) nonce: Option<&'a str>,
}

/// The claims of a proof (section 4.2).
#[derive(Serialize)]
pub(crate) struct Claims<'a> {
    jti: String,
    htm: &'a str,
    htu: String,
    iat: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ath: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
}

impl<'a> Claims<'a> {
    pub(crate) fn new(request: &Request<'a>, jti: String, now: SystemTime) -> Self {
        Self {
            jti,
            htm: request.method,
            htu: without_query(request.url),
            iat: unix_seconds(now),
            ath: request.token.map(|token| base64url(Sha256::digest(token))),
            nonce: request.nonce,
        }
    }
}

impl Prover {
    pub(crate) fn new(key: Arc<dyn SigningKey>) -> Result<Self, Error> {
        let public = key.public_jwk();
        let header = json!({ "typ": "dpop+jwt", "alg": key.algorithm(), "jwk": public });
        Ok(Self {
            header: encoded(&header)?,
            thumbprint: public.thumbprint(),
            key,
        })
    }

    #[cfg(any(all(test, feature = "jwt"), feature = "vectors"))]
    pub(crate) fn header(&self) -> &str {
        &self.header
    }

    /// The thumbprint by which bound tokens name its key (`jkt`).
    pub(crate) fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    pub(crate) fn algorithm(&self) -> &'static str {
        self.key.algorithm().name()
    }

    /// Creates a proof for one request. It is valid for no other, and once.
    pub(crate) async fn prove(
        &self,
        request: &Request<'_>,
        now: SystemTime,
    ) -> Result<Secret, Error> {
        let claims = encoded(&Claims::new(request, fresh_id()?, now))?;
        sign(&*self.key, &self.header, &claims).await
    }
}

/// Returns the URL that a proof names: without query and fragment (section 4.2).
fn without_query(url: &str) -> String {
    match Url::parse(url) {
        Ok(mut url) => {
            url.set_query(None);
            url.set_fragment(None);
            url.into()
        }
        Err(_) => url.to_owned(),
    }
}
