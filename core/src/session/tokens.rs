//! Token requests, as a session makes them.

use std::time::SystemTime;

use crate::jose::SigningKey;
use crate::oauth::client::Client;
use crate::oauth::dpop::Prover;
use crate::oauth::token::{self, TokenFailure, TokenGrant, Tokens};
use crate::patience::patiently;
use crate::policy::Dpop;
use crate::scope::ScopeSet;
use crate::session::Inner;
use crate::store::record::{Grant, Grantor, KeyBinding, Registration};

/// A client at the server that grants it something.
pub(crate) struct At<'a> {
    pub(crate) by: &'a Grantor,
    pub(crate) client: &'a Registration,
    /// The key that the tokens are to be bound to.
    pub(crate) binding: Option<&'a KeyBinding>,
    /// Those that there are already are.
    pub(crate) bound: bool,
}

impl Inner {
    /// Makes a token request, again while the server is in passing trouble; but not after `until`.
    pub(super) async fn token(
        &self,
        at: &At<'_>,
        grant: &TokenGrant<'_>,
        until: Option<SystemTime>,
    ) -> Result<Tokens, TokenFailure> {
        let ask = || self.token_once(at, grant);
        patiently(&*self.runtime, until, ask).await
    }

    pub(super) async fn token_once(
        &self,
        at: &At<'_>,
        grant: &TokenGrant<'_>,
    ) -> Result<Tokens, TokenFailure> {
        let local = |error| TokenFailure::Local(Box::new(error));
        let prover = at.binding.map(|binding| self.prover(binding));
        let prover = prover.transpose().map_err(local)?;
        let client = self.client_at(&at.by.issuer, at.client, prover.as_deref());
        let (endpoint, resource) = (&at.by.token_endpoint, at.by.resource.as_deref());
        let tokens = token::request(&client, endpoint, grant, resource).await?;
        let renews_bound = at.bound && matches!(grant, TokenGrant::Refresh { .. });
        if (renews_bound || self.possession.mode == Dpop::Always) && !tokens.bound {
            return Err(TokenFailure::Other {
                code: "unsupported_token_type".to_owned(),
                detail: "it did not bind the token to a key (DPoP), as it has to be".to_owned(),
            });
        }
        Ok(tokens)
    }

    /// A token by an assertion of the workload's platform, a fresh one for each try (RFC 7523).
    pub(super) async fn by_workload(
        &self,
        at: &At<'_>,
        scopes: &ScopeSet,
    ) -> Result<Tokens, TokenFailure> {
        let ask = || async move {
            let local = |error| TokenFailure::Local(Box::new(error));
            let assertion = self
                .workload_assertion(&at.by.issuer)
                .await
                .map_err(local)?;
            let presented = TokenGrant::JwtBearer {
                assertion: &assertion,
                scopes,
            };
            self.token_once(at, &presented).await
        };
        patiently(&*self.runtime, None, ask).await
    }

    /// A client of this session at an authorization server.
    pub(super) fn client_at<'a>(
        &'a self,
        issuer: &'a str,
        registration: &'a Registration,
        prover: Option<&'a Prover>,
    ) -> Client<'a> {
        Client {
            http: &self.http,
            registration,
            issuer,
            key: self.key_of(registration),
            proof: prover.map(|prover| (prover, &self.possession.nonces)),
        }
    }

    /// The key of a client, if it is the one that the application has one for.
    pub(crate) fn key_of(&self, client: &Registration) -> Option<&dyn SigningKey> {
        let own = self.identity.preregistered.as_ref();
        let own = own.filter(|own| own.client_id == client.client_id)?;
        own.client_key.as_deref()
    }

    /// The grant that `tokens` make.
    pub(super) fn granted(&self, tokens: Tokens, at: &At<'_>, requested: &ScopeSet) -> Grant {
        let now = self.now();
        Grant {
            id: Grant::new_id(),
            by: at.by.clone(),
            access_token: tokens.access_token,
            granted: tokens.scope.unwrap_or_else(|| requested.clone()),
            expires_at: tokens.expires_in.map(|life| now.saturating_add(life)),
            obtained_at: now,
            refresh_token: tokens.refresh_token,
            client: Some(at.client.clone()),
            binding: at.binding.filter(|_| tokens.bound).cloned(),
            sign_in: Grant::new_id(),
            lost: None,
            via: None,
        }
    }

    /// The client that a grant belongs to, with the secret that the application has for it now.
    pub(crate) fn client_of(&self, grant: &Grant) -> Option<Registration> {
        let client = grant.client.as_ref()?;
        let own = self.identity.preregistered.as_ref();
        Some(match own.filter(|own| own.client_id == client.client_id) {
            Some(own) => client.with(own.client_secret.as_ref(), own.client_key.is_some()),
            None => client.clone(),
        })
    }
}
