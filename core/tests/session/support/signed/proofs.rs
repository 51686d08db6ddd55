//! Proofs of possession (RFC 9449), as all servers verify them.

use std::collections::{HashMap, HashSet};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
use serde_json::Value;
use sha2::{Digest, Sha256};
use url::Url;

use super::Refused;
use super::key::verified;
use crate::support::log::Seen;

/// What the servers require of proofs, and how they were received.
pub(crate) struct Proofs {
    /// The MCP server accepts only bound tokens, and says so in its challenges.
    pub(crate) required: bool,
    /// Its metadata says so.
    pub(crate) announced: bool,
    /// The authorization servers bind tokens, and say so in their metadata.
    pub(crate) offered: bool,
    pub(crate) algorithms: Vec<&'static str>,
    /// Why proofs were refused, except for nonces.
    pub(crate) faults: Vec<&'static str>,
    /// By origin; without an entry, the server asks for no nonce.
    nonces: HashMap<String, String>,
    /// The servers that never accept a nonce.
    fickle: HashSet<String>,
    used: HashSet<String>,
    made: u64,
}

impl Default for Proofs {
    fn default() -> Self {
        Self {
            required: false,
            announced: false,
            offered: false,
            algorithms: vec!["ES256"],
            faults: Vec::new(),
            nonces: HashMap::new(),
            fickle: HashSet::new(),
            used: HashSet::new(),
            made: 0,
        }
    }
}

impl Proofs {
    /// Makes the servers offer bound tokens, and accept no others.
    pub(crate) fn demand(&mut self) {
        (self.required, self.offered) = (true, true);
    }

    /// Makes proofs for the server at `url` need a new nonce from now on.
    pub(crate) fn new_nonce(&mut self, url: &str) {
        self.made += 1;
        let nonce = format!("nonce-{}", self.made);
        self.nonces.insert(origin(url), nonce);
    }

    /// Makes proofs for the server at `url` need another nonce each time.
    pub(crate) fn be_fickle(&mut self, url: &str) {
        self.new_nonce(url);
        self.fickle.insert(origin(url));
    }

    pub(crate) fn nonce(&self, url: &str) -> Option<String> {
        self.nonces.get(&origin(url)).cloned()
    }

    /// Returns the thumbprint of the key that a request proves to have; `None`: it has no proof. `token`: the access
    /// token in the request.
    pub(crate) fn check(
        &mut self,
        seen: &Seen,
        token: Option<&str>,
        now: u64,
    ) -> Result<Option<String>, Refused> {
        let knows = self.offered || self.required || self.announced;
        let Some(proof) = seen.proof.as_deref().filter(|_| knows) else {
            return Ok(None);
        };
        let (claims, thumbprint) = read(proof).ok_or("signature").map_err(|f| self.note(f))?;
        let text = |name: &str| claims[name].as_str();
        let ath = token.map(|token| BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(token)));
        let right = [
            ("htm", text("htm") == Some("POST")),
            ("htu", text("htu") == Some(&seen.url)),
            ("ath", text("ath") == ath.as_deref()),
            (
                "iat",
                claims["iat"]
                    .as_u64()
                    .is_some_and(|at| at.abs_diff(now) <= 60),
            ),
            (
                "jti",
                text("jti").is_some_and(|id| self.used.insert(id.to_owned())),
            ),
        ];
        if let Some((wrong, _)) = right.into_iter().find(|(_, right)| !right) {
            return Err(self.note(wrong));
        }
        let wanted = self.nonces.get(&origin(&seen.url));
        let known = wanted.is_none() || text("nonce") == wanted.map(String::as_str);
        if self.fickle.contains(&origin(&seen.url)) {
            self.new_nonce(&seen.url);
            return Err(Refused::Nonce);
        }
        match known {
            true => Ok(Some(thumbprint)),
            false => Err(Refused::Nonce),
        }
    }

    fn note(&mut self, fault: &'static str) -> Refused {
        self.faults.push(fault);
        Refused::Proof
    }
}

/// Returns the claims of a proof, and the thumbprint of the key that signed it.
fn read(proof: &str) -> Option<(Value, String)> {
    let key: Jwk = jsonwebtoken::decode_header(proof).ok()?.jwk?;
    let claims = verified(proof, "dpop+jwt", &key)?;
    Some((claims, key.thumbprint(ThumbprintHash::SHA256).ok()?))
}

fn origin(url: &str) -> String {
    let url = Url::parse(url).expect("an address");
    url.origin().ascii_serialization()
}
