//! Proof of possession: the key that a session's tokens are bound to (RFC 9449).

use std::sync::Arc;

use ::http::{HeaderMap, HeaderValue};

use crate::challenge::{AuthChallenge, DpopDemand};
use crate::error::Error;
use crate::grant::{Grant, KeyBinding};
use crate::jose::SigningKey;
use crate::limits::CALL_TIMEOUT;
use crate::oauth::clock::Clocks;
use crate::oauth::discovery::Discovered;
use crate::oauth::dpop::{self, Nonces, Prover};
use crate::oauth::metadata::origin;
use crate::policy::Dpop;
use crate::runtime::{Runtime, timeout};
use crate::secret::Secret;
use crate::session::held::credential::Authorization;
use crate::sync::{Mutex, lock};

/// The keys, nonces and clocks for a session's proofs.
#[derive(Default)]
pub(crate) struct Possession {
    pub(crate) mode: Dpop,
    /// The application's own key.
    key: Option<Arc<dyn SigningKey>>,
    pub(crate) nonces: Nonces,
    /// The clocks of MCP servers that refused a proof.
    pub(crate) clocks: Clocks,
    /// The key in use, cached because decoding one takes longer than signing.
    prover: Mutex<Option<Arc<Prover>>>,
    /// The key that the session generated, for new tokens.
    own: Mutex<Option<KeyBinding>>,
}

impl Possession {
    pub(crate) fn new(mode: Dpop, key: Option<Arc<dyn SigningKey>>) -> Self {
        Self {
            mode,
            key,
            ..Self::default()
        }
    }
}

/// The credential for one request to the MCP server: the `Authorization` header and, if needed, a proof.
#[derive(Clone)]
pub struct RequestCredential {
    authorization: Authorization,
    proof: Option<Secret>,
    /// The nonce in the proof.
    nonce: Option<String>,
}

impl RequestCredential {
    pub(crate) fn nonce(&self) -> Option<&str> {
        self.nonce.as_deref()
    }

    /// Returns the credential that it was made for.
    #[must_use]
    pub fn authorization(&self) -> &Authorization {
        &self.authorization
    }

    /// Returns the header fields to send, with lower-case names. They are secret, and a proof is valid for this request
    /// only.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let proof = self.proof.as_ref().map(|proof| ("dpop", proof.expose()));
        std::iter::once(("authorization", self.authorization.header_value())).chain(proof)
    }

    /// Inserts the header fields into a request, marked as sensitive. A token that a header cannot carry, such as one
    /// from a damaged record, is left out; the server then rejects the request.
    pub fn insert_into(&self, headers: &mut HeaderMap) {
        for (name, value) in self.headers() {
            if let Ok(mut value) = HeaderValue::from_str(value) {
                value.set_sensitive(true);
                headers.insert(name, value);
            }
        }
    }
}

impl std::fmt::Debug for RequestCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RequestCredential")
            .field("authorization", &self.authorization)
            .field("proof", &self.proof)
            .finish()
    }
}

impl Possession {
    /// Returns the credential for a request to `url` with the HTTP method `method`.
    pub(crate) async fn credential(
        &self,
        runtime: &dyn Runtime,
        authorization: Authorization,
        method: &str,
        url: &str,
    ) -> Result<RequestCredential, Error> {
        let grant = authorization.grant();
        let Some(binding) = &grant.binding else {
            return Ok(RequestCredential {
                authorization,
                proof: None,
                nonce: None,
            });
        };
        let prover = self.prover(binding)?;
        let nonce = self.nonces.get(url);
        let request = dpop::Request {
            method,
            url,
            token: Some(grant.access_token.expose()),
            nonce: nonce.as_deref(),
        };
        let there = self.clocks.there(origin(url), runtime.now());
        let proof = prover.prove(&request, there);
        let proof = timeout(runtime, CALL_TIMEOUT, proof).await;
        let proof = proof.unwrap_or_else(|| Err(Error::host("the key did not sign in time")))?;
        Ok(RequestCredential {
            authorization,
            proof: Some(proof),
            nonce,
        })
    }

    /// Returns the key of `binding`.
    pub(crate) fn prover(&self, binding: &KeyBinding) -> Result<Arc<Prover>, Error> {
        let held = lock(&self.prover).clone();
        if let Some(prover) = held.filter(|held| held.thumbprint() == binding.thumbprint) {
            return Ok(prover);
        }
        let key = match (&binding.key, &self.key) {
            (Some(stored), _) => read_key(stored)?,
            (None, Some(key)) => Arc::clone(key),
            (None, None) => return Err(elsewhere()),
        };
        let prover = Arc::new(Prover::new(key)?);
        if prover.thumbprint() != binding.thumbprint {
            return Err(elsewhere());
        }
        *lock(&self.prover) = Some(Arc::clone(&prover));
        Ok(prover)
    }

    /// Whether the key that a grant is bound to is available.
    pub(crate) fn has_key(&self, grant: &Grant) -> bool {
        let binding = grant.binding.as_ref();
        binding.is_none_or(|binding| self.prover(binding).is_ok())
    }

    /// Returns the key for a new grant: the application's, else the one that `held` is bound to, else one that the
    /// session generates.
    fn new_binding(&self, held: Option<&Grant>) -> Result<KeyBinding, Error> {
        if let Some(key) = &self.key {
            return Ok(KeyBinding {
                thumbprint: key.public_jwk().thumbprint(),
                key: None,
            });
        }
        let held = held.and_then(|grant| grant.binding.as_ref());
        if let Some(held) = held.filter(|binding| binding.key.is_some()) {
            return Ok(held.clone());
        }
        let mut own = lock(&self.own);
        match &*own {
            Some(own) => Ok(own.clone()),
            None => Ok(own.insert(make_key()?).clone()),
        }
    }

    /// Returns the key for the grant that answers `challenge`, or `None` for a bearer token. `found` is the result of
    /// discovery, if it was necessary.
    pub(crate) fn binding_for(
        &self,
        challenge: &AuthChallenge,
        held: Option<&Grant>,
        found: Option<&Discovered>,
    ) -> Result<Option<KeyBinding>, Error> {
        let always = self.mode == Dpop::Always;
        let asked = challenge.dpop_demand() != DpopDemand::None
            || found.is_some_and(|found| found.wants_proofs);
        if !always && !asked && held.is_none_or(|grant| grant.binding.is_none()) {
            return Ok(None);
        }
        let binding = self.new_binding(held)?;
        if let Some(found) = found {
            let algorithm = self.prover(&binding)?.algorithm();
            let issuer = &found.server.issuer;
            match found.server.takes_proofs(algorithm) {
                Some(true) => {}
                Some(false) => {
                    let detail = format!("it does not accept DPoP proofs signed with {algorithm}");
                    return Err(Error::metadata(issuer, detail));
                }
                None if always => {
                    let detail = "it does not bind tokens to a key (DPoP), which this program is configured to require";
                    return Err(Error::metadata(issuer, detail));
                }
                // The server may support it without saying so.
                None => {}
            }
        }
        Ok(Some(binding))
    }
}

fn elsewhere() -> Error {
    Error::host(
        "this access is bound to a key that this program does not have (any more); sign in again",
    )
}

#[cfg(feature = "jwt")]
fn read_key(stored: &Secret) -> Result<Arc<dyn SigningKey>, Error> {
    Ok(Arc::new(crate::jose::PrivateKey::from_pkcs8(stored)?))
}

#[cfg(feature = "jwt")]
fn make_key() -> Result<KeyBinding, Error> {
    let key = crate::jose::PrivateKey::generate()?;
    Ok(KeyBinding {
        thumbprint: key.public_jwk().thumbprint(),
        key: Some(key.to_pkcs8()?),
    })
}

#[cfg(not(feature = "jwt"))]
fn read_key(_: &Secret) -> Result<Arc<dyn SigningKey>, Error> {
    Err(without_keys())
}

#[cfg(not(feature = "jwt"))]
fn make_key() -> Result<KeyBinding, Error> {
    Err(without_keys())
}

#[cfg(not(feature = "jwt"))]
fn without_keys() -> Error {
    Error::config(
        "the server requires tokens that are bound to a key (DPoP): set a key for the session",
    )
}
