//! [`IdpSession`]: lets an application show or end the session at the identity provider.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::threads::{BoxFuture, MaybeSend, MaybeSync};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::IdentityProvider;
use super::idp::Idp;
use super::record::{IdpRecord, SignedIn};
use crate::defaults::defaults;
use crate::error::Error;
use crate::grant::Registration;
use crate::http::{Guard, HttpClient, check_allowed};
use crate::jose::SigningKey;
use crate::limits::{CALL_TIMEOUT, REVOCATION_LIMIT};
use crate::oauth::client::Client;
use crate::oauth::revocation::Revocation;
use crate::oauth::token::revoke;
use crate::runtime::{Runtime, timeout};
use crate::secret::Secret;
use crate::store::{MemoryStore, StoreKey, TokenStore};

/// The session that a profile has at an identity provider.
///
/// ```no_run
/// # use mcp_reauth::{FileStore, Error, enterprise::IdpSession};
/// # async fn run() -> Result<(), Error> {
/// let idp = IdpSession::builder("https://login.example.com")
///     .store(FileStore::new("credentials.json"))
///     .open()?;
/// println!("{:?}", idp.state().await?);
/// idp.sign_out().await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct IdpSession {
    idp: Arc<Idp>,
    /// The session to notify on sign-out.
    of: Option<Arc<dyn Minted>>,
}

/// A holder of tokens that were minted through a session at an identity provider.
pub(crate) trait Minted: MaybeSend + MaybeSync {
    /// Reads the record again, because the tokens may have been cleared.
    fn look_again(&self) -> BoxFuture<'_, Result<(), Error>>;

    /// Returns the key that the client of `registration` authenticates with, if it has one.
    fn key_of(&self, registration: &Registration) -> Option<&dyn SigningKey>;
}

/// Builds an [`IdpSession`].
#[must_use = "nothing happens before `open`"]
pub struct IdpSessionBuilder {
    provider: IdentityProvider,
    profile: String,
    allowed: Vec<String>,
    store: Option<Arc<dyn TokenStore>>,
    http: Option<Arc<dyn HttpClient>>,
    runtime: Option<Arc<dyn Runtime>>,
}

/// The state of the session at an identity provider. Contains no secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct IdpState {
    /// The issuer of the identity provider.
    pub issuer: String,
    /// Whether there is an ID token that has not expired.
    pub authorized: bool,
    /// Whether there is a session, even with an expired ID token.
    pub signed_in: bool,
    /// The user who is signed in, as the identity provider identifies them (`sub`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// When the ID token expires, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
    /// Whether it can be renewed without the user noticing.
    pub renewable: bool,
    /// The MCP servers that access was obtained to through this session.
    pub servers: Vec<String>,
}

/// A sign-in that the application performed itself.
#[derive(Debug, Clone)]
pub struct SignIn {
    /// The ID token. The application must have verified its signature.
    pub id_token: Secret,
    /// The refresh token, if the identity provider issued one.
    pub refresh_token: Option<Secret>,
}

impl IdpSessionBuilder {
    /// Sets the profile that the session belongs to (default `default`).
    pub fn profile(mut self, profile: impl Into<String>) -> Self {
        self.profile = profile.into();
        self
    }

    /// Sets the store of records (default: in memory).
    pub fn store(mut self, store: impl TokenStore) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// Allows an origin that the identity provider may name, as for
    /// [`AuthSession`](crate::AuthSessionBuilder::allow_endpoint).
    pub fn allow_endpoint(mut self, origin: impl Into<String>) -> Self {
        self.allowed.push(origin.into());
        self
    }

    /// Sets the HTTP client, as for [`AuthSession`](crate::AuthSession).
    pub fn http_client(mut self, client: impl HttpClient) -> Self {
        self.http = Some(Arc::new(client));
        self
    }

    /// Sets the runtime, as for [`AuthSession`](crate::AuthSession).
    pub fn runtime(mut self, runtime: impl Runtime) -> Self {
        self.runtime = Some(Arc::new(runtime));
        self
    }

    /// Opens the session, without network access.
    ///
    /// # Errors
    /// [`Error::Config`] that names an invalid setting, or what this build has no default for.
    pub fn open(self) -> Result<IdpSession, Error> {
        self.allowed.iter().try_for_each(|url| check_allowed(url))?;
        let guard = Guard::new(&self.provider.issuer, &self.allowed);
        let (http, runtime) = defaults(self.http, self.runtime, guard)?;
        let idp = Idp {
            key: StoreKey::of_idp(&self.profile, &self.provider.issuer),
            provider: self.provider,
            store: self.store.unwrap_or_else(|| Arc::new(MemoryStore::new())),
            http,
            runtime,
        };
        Ok(IdpSession {
            idp: Arc::new(idp),
            of: None,
        })
    }
}

impl IdpSession {
    /// Creates a builder for the session at the identity provider with this issuer.
    pub fn builder(issuer: impl Into<String>) -> IdpSessionBuilder {
        IdpSessionBuilder {
            provider: IdentityProvider::new(issuer, ""),
            profile: "default".to_owned(),
            allowed: Vec::new(),
            store: None,
            http: None,
            runtime: None,
        }
    }

    pub(crate) fn new(idp: Arc<Idp>, of: Arc<dyn Minted>) -> Self {
        Self { idp, of: Some(of) }
    }

    /// Returns the identity provider's issuer.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.idp.issuer()
    }

    /// Returns the state of the session, from the store alone, without network access.
    ///
    /// # Errors
    /// [`Error::Store`] if the store cannot be read.
    pub async fn state(&self) -> Result<IdpState, Error> {
        let IdpRecord {
            session, servers, ..
        } = self.idp.read().await?;
        let session = session.as_ref();
        Ok(IdpState {
            issuer: self.issuer().to_owned(),
            authorized: session.is_some_and(|session| session.is_valid(self.idp.now())),
            signed_in: session.is_some(),
            subject: session.map(|session| session.subject.clone()),
            expires_at: session.map(|session| session.expires_at),
            renewable: session.is_some_and(|session| session.refresh_token.is_some()),
            servers: servers.into_iter().collect(),
        })
    }

    /// Adopts a sign-in that the application performed itself, so that the user need not sign in again. It replaces any
    /// earlier one. Requires a session that knows its client, such as that of
    /// [`AuthSession::identity_provider`](crate::AuthSession::identity_provider).
    ///
    /// # Errors
    /// [`Error::IdTokenInvalid`] if the ID token is for another issuer or client or has expired; [`Error::Config`] if
    /// there is no client; and those of discovering the identity provider's endpoints.
    pub async fn adopt(&self, sign_in: SignIn) -> Result<(), Error> {
        self.idp.provider.check()?;
        self.idp.adopt(sign_in).await
    }

    /// Signs out: revokes the refresh token and the tokens that were minted through this session, if their servers
    /// support revocation (RFC 7009), and clears them even if revocation fails. Grants that were obtained in another
    /// way are kept.
    ///
    /// # Errors
    /// [`Error::Store`] if a record could not be read or cleared; call again for the rest.
    pub async fn sign_out(&self) -> Result<Revocation, Error> {
        let session = self.clone();
        let (sender, ended) = oneshot::channel();
        // Runs as a task, so that a caller that stops waiting does not leave it half-done.
        self.idp.runtime.spawn(Box::pin(async move {
            // The caller may have stopped waiting.
            let _ = sender.send(session.end().await);
        }));
        let cancelled = Error::Cancelled {
            what: "Signing out",
        };
        ended.await.unwrap_or(Err(cancelled))
    }

    async fn end(&self) -> Result<Revocation, Error> {
        let idp = &self.idp;
        let mut ended = None;
        // First: a session that is minting checks the record afterwards, so that it keeps nothing from here on.
        let left = idp.update(|record| {
            ended = record.session.take();
            ended.is_some()
        });
        let servers = left.await?.record.servers;
        let revoked = match &ended {
            Some(session) => self.revoke(session).await,
            None => Revocation::Nothing,
        };
        let minted = self.clear_servers(&servers).await;
        if let Some(of) = &self.of {
            of.look_again().await?;
        }
        Ok(worse(revoked, minted?))
    }

    async fn revoke(&self, session: &SignedIn) -> Revocation {
        let idp = &self.idp;
        let Some(token) = &session.refresh_token else {
            return Revocation::Nothing;
        };
        let Some(endpoint) = &session.grantor.revocation_endpoint else {
            return Revocation::NotOffered;
        };
        let registration = idp.current_client(&session.client);
        let client = idp.client(&registration, &session.grantor);
        self.told(revoke(&client, endpoint, token, "refresh_token"))
            .await
    }

    async fn told(&self, telling: impl Future<Output = Result<(), Error>>) -> Revocation {
        match timeout(&*self.idp.runtime, REVOCATION_LIMIT, telling).await {
            Some(Ok(())) => Revocation::Done,
            Some(Err(error)) => {
                tracing::warn!(%error, "a token could not be revoked");
                Revocation::Failed
            }
            None => Revocation::Failed,
        }
    }

    /// Clears all grants that were minted, and returns what happened to their tokens. A server whose record cannot be
    /// cleared does not stop the others, and is tried again by the next sign-out.
    async fn clear_servers(&self, servers: &BTreeSet<String>) -> Result<Revocation, Error> {
        let mut all = Revocation::Nothing;
        let mut failed = None;
        for server in servers {
            match self.clear_server(server).await {
                Ok(one) => all = worse(all, one),
                Err(error) => drop(failed.get_or_insert(error)),
            }
        }
        failed.map_or(Ok(all), Err)
    }

    async fn clear_server(&self, server: &str) -> Result<Revocation, Error> {
        let idp = &self.idp;
        let minted = idp.clear_minted(server).await?;
        idp.update(|record| record.servers.remove(server)).await?;
        let Some(grant) = minted else {
            return Ok(Revocation::Nothing);
        };
        let (Some(endpoint), Some(registration)) =
            (&grant.grantor.revocation_endpoint, &grant.client)
        else {
            return Ok(Revocation::NotOffered);
        };
        let client = Client {
            http: &idp.http.starting_at(server),
            registration,
            issuer: &grant.grantor.issuer,
            key: self.of.as_ref().and_then(|of| of.key_of(registration)),
            proof: None,
            limit: CALL_TIMEOUT,
        };
        let telling = revoke(&client, endpoint, &grant.access_token, "access_token");
        Ok(self.told(telling).await)
    }
}

/// Returns the worse of two results.
fn worse(one: Revocation, other: Revocation) -> Revocation {
    let order = [Revocation::Failed, Revocation::NotOffered, Revocation::Done];
    let told = order.into_iter().find(|r| [one, other].contains(r));
    told.unwrap_or(Revocation::Nothing)
}

impl fmt::Debug for IdpSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdpSession")
            .field("issuer", &self.idp.issuer())
            .field("profile", &self.idp.key.profile)
            .finish()
    }
}
