//! Token requests, as a session makes them.

use crate::error::Error;
use crate::grant::{Grant, Grantor, KeyBinding, Registration};
use crate::issuer::same_issuer;
use crate::jose::SigningKey;
use crate::limits::{CALL_TIMEOUT, DISCOVERY_LIMIT};
use crate::oauth::client::Client;
use crate::oauth::discovery::read_again;
use crate::oauth::dpop::Prover;
use crate::oauth::metadata::{ServerMetadata, origin};
use crate::oauth::token::{self, TokenFailure, TokenGrant, Tokens};
use crate::patience::{once, patiently};
use crate::policy::Dpop;
use crate::runtime::timeout;
use crate::scope::ScopeSet;
use crate::session::Inner;
use crate::store::lease::Lease;

/// A client at the server that grants it something.
#[derive(Clone, Copy)]
pub(crate) struct At<'a> {
    pub(crate) by: &'a Grantor,
    pub(crate) client: &'a Registration,
    /// The key that the tokens are to be bound to.
    pub(crate) binding: Option<&'a KeyBinding>,
    /// Those that there are already are.
    pub(crate) bound: bool,
}

impl Inner {
    /// Makes a token request, again on a transient error of the server, but not after `until`; with a code, only
    /// where that cannot have been used.
    pub(super) async fn token(
        &self,
        at: &At<'_>,
        grant: &TokenGrant<'_>,
        lease: Option<&Lease>,
    ) -> Result<Tokens, TokenFailure> {
        let ask = || self.token_once(at, grant);
        match grant {
            TokenGrant::Code { .. } => once(&*self.runtime, ask).await,
            _ => patiently(&*self.runtime, lease, ask).await,
        }
    }

    /// As [`token`](Self::token), at an endpoint on record: one that is gone is looked up again, once. Tells which
    /// server was asked in the end.
    pub(super) async fn token_by_record(
        &self,
        at: At<'_>,
        grant: &TokenGrant<'_>,
        lease: Option<&Lease>,
    ) -> (Grantor, Result<Tokens, TokenFailure>) {
        let by = at.by.clone();
        let answer = self.token(&at, grant, lease).await;
        if !matches!(answer, Err(TokenFailure::Gone { .. })) {
            return (by, answer);
        }
        match self.moved(&by).await {
            Ok(Some(moved)) => {
                let answer = self.token(&At { by: &moved, ..at }, grant, lease).await;
                (moved, answer)
            }
            Ok(None) => (by, answer),
            // Nothing is known of an endpoint whose server has no metadata at the moment.
            Err(error) => (by, Err(TokenFailure::Transient(error.into()))),
        }
    }

    /// Where a server, whose token endpoint is gone, grants tokens now; `None`: it names no other endpoint.
    pub(super) async fn moved(&self, by: &Grantor) -> Result<Option<Grantor>, Error> {
        let Some(server) = self.server_of(by).await? else {
            return Ok(None);
        };
        let now = by.at_endpoints_of(&server)?;
        if now.token_endpoint == by.token_endpoint {
            return Ok(None);
        }
        let read_at = self.now();
        self.update(|record| match &mut record.known {
            Some(known) => known.replace_server(&server, read_at),
            None => false,
        })
        .await?;
        Ok(Some(now))
    }

    /// The metadata of a server on record, read again; `None`: it is a server of 2025-03-26 that has none.
    pub(super) async fn server_of(&self, by: &Grantor) -> Result<Option<ServerMetadata>, Error> {
        let read = read_again(&self.http, &by.issuer);
        let read = timeout(&*self.runtime, DISCOVERY_LIMIT, read).await;
        let found = read.unwrap_or_else(|| {
            Err(Error::Timeout {
                what: format!("Reading the metadata of {}", by.issuer),
                seconds: DISCOVERY_LIMIT.as_secs(),
            })
        })?;
        // Such a server is at the MCP server's own origin.
        if found.is_none() && !same_issuer(&by.issuer, origin(&self.server)) {
            return Err(Error::http(
                &by.issuer,
                "it publishes no metadata at the moment".to_owned(),
            ));
        }
        Ok(found)
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
            limit: CALL_TIMEOUT,
        }
    }

    /// The key of a client, if it is the one that the application has one for.
    pub(crate) fn key_of(&self, client: &Registration) -> Option<&dyn SigningKey> {
        let own = self.identity.preregistered.as_ref();
        let own = own.filter(|own| own.id == client.client_id)?;
        own.own_key()
    }

    /// The grant that `tokens` make.
    pub(super) fn granted(&self, tokens: Tokens, at: &At<'_>, requested: &ScopeSet) -> Grant {
        let now = self.now();
        Grant {
            id: Grant::new_id(),
            by: at.by.clone(),
            granted: tokens.granted(requested),
            access_token: tokens.access_token,
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
        Some(match own.filter(|own| own.id == client.client_id) {
            Some(own) => {
                let key = own.own_key().is_some();
                client.with(own.own_secret(), key, own.said_method())
            }
            None => client.clone(),
        })
    }
}
