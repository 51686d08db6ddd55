//! The session's client at authorization servers: its registration, and how it authenticates.

pub(crate) mod possession;

use std::sync::Arc;

use self::possession::Possession;
use crate::challenge::AuthChallenge;
use crate::enterprise::Minted;
use crate::error::Error;
use crate::grant::{Grant, Grantor, KeyBinding, Registration};
use crate::http::GuardedClient;
use crate::issuer::same_issuer;
use crate::jose::SigningKey;
use crate::limits::{CALL_TIMEOUT, DISCOVERY_LIMIT};
use crate::oauth::client::Client;
use crate::oauth::discovery::{Discovered, Preference, discover, read_again};
use crate::oauth::dpop::Prover;
use crate::oauth::metadata::{ServerMetadata, origin};
use crate::oauth::registration::ClientIdentity;
use crate::oauth::token::{self, TokenFailure, TokenGrant, Tokens};
use crate::policy::Dpop;
use crate::runtime::{Runtime, timeout};
use crate::scope::ScopeSet;
use crate::session::held::Held;
use crate::settings::Settings;
use crate::store::lease::Lease;
use crate::store::record::Record;
use crate::threads::BoxFuture;
use crate::token_retry::{once, retry_once};

/// The session's client, with the HTTP client and the keys for its requests.
pub(crate) struct SessionClient {
    pub(crate) held: Arc<Held>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) identity: ClientIdentity,
    pub(crate) http: GuardedClient,
    pub(crate) possession: Possession,
    /// It authenticates with its platform's assertions, which are secrets as well.
    pub(crate) is_workload: bool,
}

/// The client that requests a token, and the server that it requests it from.
#[derive(Clone, Copy)]
pub(crate) struct Requester<'a> {
    pub(crate) grantor: &'a Grantor,
    pub(crate) client: &'a Registration,
    /// The key to bind the new tokens to.
    pub(crate) binding: Option<&'a KeyBinding>,
    /// The refresh token is bound to that key, so the new tokens must be bound to it too.
    pub(crate) is_bound: bool,
}

impl SessionClient {
    fn runtime(&self) -> &dyn Runtime {
        &*self.held.runtime
    }

    /// Returns the MCP server's URL.
    pub(crate) fn server(&self) -> &str {
        self.held.server()
    }

    /// Requests a token. Retries once after a transient error, unless the lease was lost. An authorization code is sent
    /// again only if the server cannot have received it.
    pub(crate) async fn token(
        &self,
        requester: &Requester<'_>,
        grant: &TokenGrant<'_>,
        lease: Option<&Lease>,
    ) -> Result<Tokens, TokenFailure> {
        let ask = || self.token_once(requester, grant);
        match grant {
            TokenGrant::Code { .. } => once(self.runtime(), ask).await,
            _ => retry_once(self.runtime(), lease, ask).await,
        }
    }

    /// As [`token`](Self::token), at the recorded endpoint; if that is gone, looks it up again, once. Also returns the
    /// grantor that was asked last.
    pub(crate) async fn token_by_record(
        &self,
        requester: Requester<'_>,
        grant: &TokenGrant<'_>,
        lease: Option<&Lease>,
    ) -> (Grantor, Result<Tokens, TokenFailure>) {
        let grantor = requester.grantor.clone();
        let answer = self.token(&requester, grant, lease).await;
        if !matches!(answer, Err(TokenFailure::Gone { .. })) {
            return (grantor, answer);
        }
        match self.moved(&grantor).await {
            Ok(Some(moved)) => {
                let requester = Requester {
                    grantor: &moved,
                    ..requester
                };
                let answer = self.token(&requester, grant, lease).await;
                (moved, answer)
            }
            Ok(None) => (grantor, answer),
            // Without metadata it is unknown whether the endpoint has moved.
            Err(error) => (grantor, Err(TokenFailure::Transient(error.into()))),
        }
    }

    /// Requests a token, without a retry.
    pub(crate) async fn token_once(
        &self,
        requester: &Requester<'_>,
        grant: &TokenGrant<'_>,
    ) -> Result<Tokens, TokenFailure> {
        let local = |error| TokenFailure::Local(Box::new(error));
        let prover = requester.binding.map(|key| self.possession.prover(key));
        let prover = prover.transpose().map_err(local)?;
        let grantor = requester.grantor;
        let client = self.at(&grantor.issuer, requester.client, prover.as_deref());
        let (endpoint, resource) = (&grantor.token_endpoint, grantor.resource.as_deref());
        let tokens = token::request(&client, endpoint, grant, resource).await?;
        let renews_bound = requester.is_bound && matches!(grant, TokenGrant::Refresh { .. });
        if (renews_bound || self.possession.mode == Dpop::Always) && !tokens.bound {
            return Err(TokenFailure::Other {
                code: "unsupported_token_type".to_owned(),
                detail: "it did not bind the token to a key (DPoP), which is required".to_owned(),
            });
        }
        Ok(tokens)
    }

    /// Returns the client of `registration` at the authorization server `issuer`.
    pub(crate) fn at<'a>(
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

    /// Returns the key of a client, if the application configured that client with a key.
    pub(crate) fn key_of(&self, client: &Registration) -> Option<&dyn SigningKey> {
        let own = self.identity.preregistered.as_ref();
        let own = own.filter(|own| own.id == client.client_id)?;
        own.own_key()
    }

    /// Returns the client that a grant belongs to, with the secret that is configured now.
    pub(crate) fn client_of(&self, grant: &Grant) -> Option<Registration> {
        let client = grant.client.as_ref()?;
        let own = self.identity.preregistered.as_ref();
        Some(match own.filter(|own| own.id == client.client_id) {
            Some(own) => {
                let key = own.own_key().is_some();
                client.with(own.own_secret(), key, own.configured_method())
            }
            None => client.clone(),
        })
    }

    /// As [`client_of`](Self::client_of), if that client is the one configured now.
    pub(crate) fn own_client_of(&self, grant: &Grant) -> Option<Registration> {
        let own = self.identity.preregistered.as_ref()?;
        self.client_of(grant)
            .filter(|client| client.client_id == own.id)
    }

    /// Creates a grant from `tokens`.
    pub(crate) fn granted(
        &self,
        tokens: Tokens,
        requester: &Requester<'_>,
        requested: &ScopeSet,
    ) -> Grant {
        let now = self.held.now();
        Grant {
            id: Grant::new_id(),
            grantor: requester.grantor.clone(),
            granted: tokens.granted(requested),
            access_token: tokens.access_token,
            expires_at: tokens.expires_in.map(|life| now.saturating_add(life)),
            obtained_at: now,
            refresh_token: tokens.refresh_token,
            client: Some(requester.client.clone()),
            binding: requester.binding.filter(|_| tokens.bound).cloned(),
            sign_in: Grant::new_id(),
            scopes_before_refresh: None,
            idp_issuer: None,
        }
    }

    /// Discovers the authorization server for a grant without the user. `bound`: the only acceptable issuer.
    pub(crate) async fn find(
        &self,
        challenge: &AuthChallenge,
        bound: Option<&str>,
    ) -> Result<Discovered, Error> {
        let preference = Preference {
            required: bound,
            current: None,
            known: None,
            usable: &|server| server.token_endpoint().map(drop),
        };
        let named = challenge.resource_metadata.as_deref();
        let found = discover(&self.http, self.server(), named, &preference);
        let found = timeout(self.runtime(), DISCOVERY_LIMIT, found).await;
        found.unwrap_or_else(|| {
            Err(Error::Timeout {
                what: format!("Finding the authorization server of {}", self.server()),
                seconds: DISCOVERY_LIMIT.as_secs(),
            })
        })
    }

    /// Reads the metadata of a server whose token endpoint is gone, for another endpoint; `None` if it names no other.
    pub(crate) async fn moved(&self, grantor: &Grantor) -> Result<Option<Grantor>, Error> {
        let Some(server) = self.server_of(grantor).await? else {
            return Ok(None);
        };
        let now = grantor.at_endpoints_of(&server)?;
        if now.token_endpoint == grantor.token_endpoint {
            return Ok(None);
        }
        let read_at = self.held.now();
        self.held
            .update(|record| match &mut record.known {
                Some(known) => known.replace_server(&server, read_at),
                None => false,
            })
            .await?;
        Ok(Some(now))
    }

    /// Reads the metadata of a recorded server again; `None` for a server of MCP 2025-03-26 that has none.
    pub(crate) async fn server_of(
        &self,
        grantor: &Grantor,
    ) -> Result<Option<ServerMetadata>, Error> {
        let issuer = &grantor.issuer;
        let read = read_again(&self.http, issuer);
        let read = timeout(self.runtime(), DISCOVERY_LIMIT, read).await;
        let found = read.unwrap_or_else(|| {
            Err(Error::Timeout {
                what: format!("Reading the metadata of {issuer}"),
                seconds: DISCOVERY_LIMIT.as_secs(),
            })
        })?;
        // A server without metadata has the MCP server's own origin.
        if found.is_none() && !same_issuer(issuer, origin(self.server())) {
            let detail = "it publishes no metadata at the moment".to_owned();
            return Err(Error::http(issuer, detail));
        }
        Ok(found)
    }

    /// Checks that the client's secret, key proof or assertion may be sent to the discovered server.
    ///
    /// # Errors
    /// [`Error::ClientIssuerUnknown`] if the client is not known to be registered there.
    pub(crate) fn check_may_authenticate(
        &self,
        found: &Discovered,
        bound: Option<&str>,
    ) -> Result<(), Error> {
        let client = self.identity.preregistered.as_ref();
        let Some(client) = client.filter(|client| client.authenticates() || self.is_workload)
        else {
            return Ok(());
        };
        if bound.is_some() || client.any_issuer {
            return Ok(());
        }
        Err(Error::ClientIssuerUnknown {
            server: self.server().to_owned(),
            client_id: client.id.clone(),
            issuer: found.server.issuer.clone(),
        })
    }

    /// Returns the issuer that a configured client is bound to: the configured one, else the one that it authenticated
    /// to before. A resource may name any server, so its metadata does not decide where the client's secret is sent
    /// (MCP 2026-07-28, authorization server binding).
    pub(crate) fn bound_issuer(&self, record: &Record) -> Option<String> {
        let client = self.identity.preregistered.as_ref()?;
        let authenticates = client.authenticates() || self.is_workload;
        let same = |known: &Registration| {
            // A client ID alone is not a secret: where it was used does not show where a secret belongs.
            let shown = known.authenticates() || !authenticates || self.is_workload;
            !known.dynamic && known.client_id == client.id && shown
        };
        let grant = record.grant.as_ref();
        let current = grant.filter(|grant| grant.client.as_ref().is_some_and(same));
        let used_at = || {
            let before = || record.clients.iter().find(|(_, known)| same(known));
            let issuer = current.map(|grant| &grant.grantor.issuer);
            issuer.or_else(|| Some(before()?.0)).cloned()
        };
        client.issuer.clone().or_else(used_at)
    }
}

impl Minted for SessionClient {
    fn look_again(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async {
            self.held.reload().await?;
            Ok(())
        })
    }

    fn key_of(&self, registration: &Registration) -> Option<&dyn SigningKey> {
        Self::key_of(self, registration)
    }
}
