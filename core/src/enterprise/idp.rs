//! The session at the identity provider: the user begins it, all servers share it, and it is renewed silently.

use crate::threads::MaybeSend;
use std::sync::Arc;
use std::time::Duration;

use super::IdentityProvider;
use super::record::{IdpRecord, SignedIn};
use crate::error::Error;
use crate::grant::{Grant, Grantor, Registration};
use crate::http::{GuardedClient, HttpError};
use crate::issuer::other_spelling;
use crate::jose::JwkSet;
use crate::limits::{ANSWER_LIMIT, CALL_TIMEOUT, LONGEST_RENEWAL, TURN_LIMIT};
use crate::oauth::client::Client;
use crate::oauth::client_auth::{Means, Origin, method, secret_method};
use crate::oauth::discovery;
use crate::oauth::id_token::{Expected, Identity, Refusal, check_claims};
use crate::oauth::metadata::ServerMetadata;
use crate::oauth::token::{self, TokenFailure, TokenGrant, Tokens};
use crate::recovery::Attempt;
use crate::runtime::{Runtime, detached, timeout, unix_seconds};
use crate::scope::ScopeSet;
use crate::secret::Secret;
use crate::store::lease::Lease;
use crate::store::record::{self, IdpLeg, Record, Versioned};
use crate::store::retry::retry_store;
use crate::store::turn::{HELD, Turn};
use crate::store::{StoreKey, TokenStore};
use crate::token_retry::retry_once;

/// The longest time to wait for the user while other sessions wait for the same sign-in.
const LONGEST_PATIENCE: Duration = Duration::from_secs(3600);

/// One profile's access to one identity provider.
pub(crate) struct Idp {
    pub(crate) provider: IdentityProvider,
    pub(crate) key: StoreKey,
    pub(crate) store: Arc<dyn TokenStore>,
    pub(crate) http: GuardedClient,
    pub(crate) runtime: Arc<dyn Runtime>,
}

/// The facts of the session that a decision depends on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct View {
    /// Identifies its ID token.
    pub(crate) id: Option<String>,
    /// It has a valid ID token.
    pub(crate) id_token: bool,
    /// It can be renewed silently.
    pub(crate) renewable: bool,
}

/// The result of a renewal.
#[derive(Debug, Clone)]
pub(crate) enum IdpEnd {
    /// There is a new ID token; another session may have obtained it.
    Renewed,
    /// No new ID token: how far the renewal got, and the error.
    Failed(Attempt, Error),
}

impl Idp {
    pub(crate) fn now(&self) -> u64 {
        unix_seconds(self.runtime.now())
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.provider.issuer
    }

    pub(crate) async fn read(&self) -> Result<IdpRecord, Error> {
        Ok(record::read(&*self.store, &self.key).await?.record)
    }

    /// Returns the session, if it belongs to the client that is configured now.
    pub(crate) async fn session(&self) -> Result<Option<SignedIn>, Error> {
        let session = self.read().await?.session;
        Ok(session.filter(|session| session.client.client_id == self.provider.client_id))
    }

    pub(crate) async fn update(
        &self,
        change: impl FnMut(&mut IdpRecord) -> bool,
    ) -> Result<Versioned<IdpRecord>, Error> {
        record::update(&*self.store, &self.key, None, change).await
    }

    pub(crate) async fn view(&self) -> Result<View, Error> {
        let session = self.session().await?;
        Ok(session.map_or_else(View::default, |session| View {
            id_token: session.is_valid(self.now()),
            renewable: session.refresh_token.is_some(),
            id: Some(session.id),
        }))
    }

    /// Returns the client of `registration` at the identity provider `grantor`, with the key that is configured now.
    pub(crate) fn client<'a>(
        &'a self,
        registration: &'a Registration,
        grantor: &'a Grantor,
    ) -> Client<'a> {
        Client {
            http: &self.http,
            registration,
            issuer: &grantor.issuer,
            key: self.provider.client_key.as_deref(),
            proof: None,
            limit: CALL_TIMEOUT,
        }
    }

    pub(crate) async fn discover(&self) -> Result<ServerMetadata, Error> {
        discovery::identity_provider(&self.http, &self.provider.issuer).await
    }

    pub(crate) fn registration(&self, server: &ServerMetadata) -> Registration {
        let provider = &self.provider;
        let has = Means {
            secret: provider.client_secret.is_some(),
            key: provider.client_key.is_some(),
        };
        let offered = server.token_endpoint_auth_methods_supported.as_deref();
        Registration {
            client_id: provider.client_id.clone(),
            client_secret: provider.client_secret.clone(),
            auth_method: method(None, offered, has, Origin::Preregistered),
            secret_method: Some(secret_method(offered)),
            redirect_uris: Vec::new(),
            dynamic: false,
            scopes: None,
            scopes_sent: ScopeSet::new(),
        }
    }

    /// Takes the lease for the sign-in, so that sessions for several servers share one page.
    pub(crate) async fn sign_in_turn(&self, patience: Duration) -> Result<Lease, Error> {
        let key = StoreKey {
            server: format!("{} (sign-in)", self.key.server),
            ..self.key.clone()
        };
        // The host may take that long twice: for the redirect URI, and for the sign-in.
        let patience = patience.min(LONGEST_PATIENCE).saturating_mul(2);
        let mut turn = Turn::new(&self.store, &self.runtime, &key, patience);
        loop {
            if let Some(lease) = turn.come().await? {
                return Ok(lease);
            }
            // Slightly longer than any holder keeps it.
            if turn.waited() >= patience + TURN_LIMIT {
                return Err(Error::Timeout {
                    what: format!("Another sign-in at {}", self.issuer()),
                    seconds: turn.waited().as_secs(),
                });
            }
        }
    }

    /// Finishes leg 1: verifies the ID token of a sign-in and stores the session.
    pub(crate) async fn finish(
        &self,
        tokens: Tokens,
        grantor: &Grantor,
        client: &Registration,
        leg: &IdpLeg,
        keys: JwkSet,
    ) -> Result<(), Error> {
        let id_token = tokens.id_token.ok_or_else(|| self.no_id_token())?;
        let expected = Expected {
            issuer: &grantor.issuer,
            client_id: &client.client_id,
            nonce: Some(leg.nonce.expose()),
        };
        let identity = self.verified(&id_token, &keys, &expected)?;
        let session = SignedIn {
            id: Grant::new_id(),
            sign_in: Grant::new_id(),
            grantor: grantor.clone(),
            client: client.clone(),
            subject: identity.subject,
            id_token,
            expires_at: identity.expires_at,
            obtained_at: self.now(),
            refresh_token: tokens.refresh_token,
            jwks_uri: Some(leg.jwks_uri.clone()),
            keys,
        };
        self.begin(session).await
    }

    /// Stores a new session. If another user has signed in, clears what was minted for the user before.
    async fn begin(&self, session: SignedIn) -> Result<(), Error> {
        let mut before = None;
        let kept = self.update(|record| {
            before = record.session.replace(session.clone());
            true
        });
        let servers = kept.await?.record.servers;
        if before.is_some_and(|before| before.subject != session.subject) {
            for server in &servers {
                self.clear_minted(server).await?;
            }
        }
        Ok(())
    }

    /// Clears the grant that was minted for a server, and returns it.
    pub(crate) async fn clear_minted(&self, server: &str) -> Result<Option<Grant>, Error> {
        let key = StoreKey {
            profile: self.key.profile.clone(),
            server: server.to_owned(),
        };
        let mut minted = None;
        record::update::<Record>(&*self.store, &key, None, |record| {
            let ours = |grant: &Grant| grant.idp_issuer.as_deref() == Some(self.issuer());
            minted = record.grant.take_if(|grant| ours(grant));
            if minted.is_some() {
                record.requested = Default::default();
            }
            minted.is_some()
        })
        .await?;
        Ok(minted)
    }

    /// Adopts an ID token that the application obtained itself.
    pub(crate) async fn adopt(&self, sign_in: super::SignIn) -> Result<(), Error> {
        let check = |issuer: &str| {
            let expected = Expected {
                issuer,
                client_id: &self.provider.client_id,
                nonce: None,
            };
            check_claims(sign_in.id_token.expose(), &expected, self.now())
        };
        let configured = self.issuer();
        let (issuer, identity) = match (check(configured), other_spelling(configured)) {
            (Err(Refusal::Issuer), Some(other)) => (other.clone(), check(&other)),
            (checked, _) => (configured.to_owned(), checked),
        };
        let identity = identity.map_err(|refusal| self.refused(refusal))?;
        let server = self.discover().await?;
        if server.issuer != issuer {
            return Err(self.refused(Refusal::Issuer));
        }
        let client = self.registration(&server);
        let session = SignedIn {
            id: Grant::new_id(),
            sign_in: Grant::new_id(),
            grantor: self.grantor(&server)?,
            client,
            subject: identity.subject,
            id_token: sign_in.id_token,
            expires_at: identity.expires_at,
            obtained_at: self.now(),
            refresh_token: sign_in.refresh_token,
            jwks_uri: server.jwks_uri.clone(),
            keys: JwkSet::default(),
        };
        self.begin(session).await
    }

    pub(crate) fn grantor(&self, server: &ServerMetadata) -> Result<Grantor, Error> {
        Ok(Grantor {
            issuer: server.issuer.clone(),
            token_endpoint: server.token_endpoint()?.to_owned(),
            revocation_endpoint: server.revocation_endpoint.clone(),
            resource: None,
        })
    }

    /// Renews the session with its refresh token, unless it has another valid ID token than `of` already. A late
    /// response is still stored, and `late` receives the result; `guard` is held until then.
    pub(crate) async fn renew(
        self: &Arc<Self>,
        of: Option<&str>,
        guard: impl MaybeSend + 'static,
        late: impl FnOnce(Result<IdpEnd, Error>) + MaybeSend + 'static,
    ) -> Result<IdpEnd, Error> {
        let mut turn = Turn::new(&self.store, &self.runtime, &self.key, LONGEST_RENEWAL);
        let lease = loop {
            if let Some(lease) = turn.come().await? {
                break lease;
            }
            if self.is_another(&self.read().await?, of) {
                return Ok(IdpEnd::Renewed);
            }
            if turn.waited() >= TURN_LIMIT {
                return Ok(self.too_slow(HELD));
            }
        };
        let record = self.read().await?;
        if self.is_another(&record, of) {
            return Ok(IdpEnd::Renewed);
        }
        let idp = Arc::clone(self);
        let renewing = async move {
            let mut unstored = None;
            let end = idp.renew_under(&lease, &record, &mut unstored).await;
            if let Some(rotated) = unstored {
                let runtime = Arc::clone(&idp.runtime);
                runtime.spawn(Box::pin(async move {
                    let stored = || async { idp.keep_rotated(&rotated).await.is_ok() };
                    retry_store(&*idp.runtime, stored).await;
                    drop((lease, guard));
                }));
            }
            end
        };
        let ended = detached(&*self.runtime, CALL_TIMEOUT, renewing, late).await;
        ended.unwrap_or_else(|| {
            let none = HttpError::Timeout(CALL_TIMEOUT).to_string();
            Ok(self.too_slow(&none))
        })
    }

    /// Returns the result for callers of a renewal that takes too long; the renewal continues.
    fn too_slow(&self, detail: &str) -> IdpEnd {
        let error = Error::unavailable(self.issuer(), detail.to_owned());
        IdpEnd::Failed(Attempt::Unreachable, error)
    }

    /// Renews the session under the lease. If `unstored` is set, the caller keeps the lease until that token is stored.
    async fn renew_under(
        &self,
        lease: &Lease,
        record: &IdpRecord,
        unstored: &mut Option<Rotated>,
    ) -> Result<IdpEnd, Error> {
        let own = |held: &&SignedIn| held.client.client_id == self.provider.client_id;
        let held = record.session.as_ref().filter(own);
        let held = held.and_then(|held| Some((held, held.refresh_token.as_ref()?)));
        let Some((held, refresh_token)) = held else {
            return Ok(IdpEnd::Failed(Attempt::Rejected, self.signed_out()));
        };
        // A full disk must not lose the new refresh token.
        let _space = record::reserve(&*self.store, &self.key, record).await?;
        match self.refresh(held, refresh_token, lease, unstored).await {
            Ok(renewed) => {
                self.replace(held, renewed).await?;
                Ok(IdpEnd::Renewed)
            }
            Err(failure) => self.failed(held, failure).await,
        }
    }

    fn is_another(&self, record: &IdpRecord, of: Option<&str>) -> bool {
        let session = record.session.as_ref();
        session.is_some_and(|now| of != Some(now.id.as_str()) && now.is_valid(self.now()))
    }

    async fn refresh(
        &self,
        held: &SignedIn,
        refresh_token: &Secret,
        lease: &Lease,
        unstored: &mut Option<Rotated>,
    ) -> Result<SignedIn, Failure> {
        // Do not use up the refresh token if the response could not be verified.
        self.can_verify()?;
        let presented = TokenGrant::Refresh {
            token: refresh_token,
            scopes: None,
        };
        let (grantor, tokens) = self.token(held, &presented, lease).await?;
        // Store the new refresh token first: the old one may be used up, even if the ID token is invalid.
        if let Some(token) = &tokens.refresh_token {
            let rotated = Rotated {
                of: held.id.clone(),
                token: token.clone(),
            };
            if let Err(error) = self.keep_rotated(&rotated).await {
                *unstored = Some(rotated);
                return Err(error.into());
            }
        }
        let id_token = tokens.id_token.ok_or_else(|| self.no_id_token())?;
        let expected = Expected {
            issuer: &held.grantor.issuer,
            client_id: &held.client.client_id,
            nonce: None,
        };
        let mut keys = held.keys.clone();
        let mut identity = self.verified(&id_token, &keys, &expected);
        // The identity provider may have rotated its keys.
        if identity.is_err()
            && let Some(url) = &held.jwks_uri
        {
            keys = discovery::keys(&self.http, url).await?;
            identity = self.verified(&id_token, &keys, &expected);
        }
        let identity = identity?;
        // A refresh must not change the user (OpenID Connect Core section 12.2).
        if identity.subject != held.subject {
            return Err(self.untrue("it is for another user").into());
        }
        Ok(SignedIn {
            id: Grant::new_id(),
            id_token,
            expires_at: identity.expires_at,
            obtained_at: self.now(),
            refresh_token: Some(
                tokens
                    .refresh_token
                    .unwrap_or_else(|| refresh_token.clone()),
            ),
            keys,
            grantor,
            ..held.clone()
        })
    }

    /// Requests a token for the client of `held`, and returns it with its grantor. If the endpoint is gone, looks it up
    /// again, once.
    async fn token(
        &self,
        held: &SignedIn,
        presented: &TokenGrant<'_>,
        lease: &Lease,
    ) -> Result<(Grantor, Tokens), TokenFailure> {
        let registration = &self.current_client(&held.client);
        let at = async |grantor: &Grantor| {
            let client = &self.client(registration, grantor);
            let ask = || token::request(client, &grantor.token_endpoint, presented, None);
            let asking = retry_once(&*self.runtime, Some(lease), ask);
            let answer = timeout(&*self.runtime, ANSWER_LIMIT, asking).await;
            let none = || TokenFailure::Transient(HttpError::Timeout(ANSWER_LIMIT).into());
            answer.unwrap_or_else(|| Err(none()))
        };
        let failure = match at(&held.grantor).await {
            Ok(tokens) => return Ok((held.grantor.clone(), tokens)),
            Err(failure) => failure,
        };
        match self.moved(&held.grantor, &failure).await? {
            Some(moved) => Ok((moved.clone(), at(&moved).await?)),
            None => Err(failure),
        }
    }

    async fn keep_rotated(&self, rotated: &Rotated) -> Result<(), Error> {
        self.update(|record| {
            let session = record.session.as_mut();
            let still = session.filter(|now| now.id == rotated.of);
            let kept = still.map(|now| now.refresh_token = Some(rotated.token.clone()));
            kept.is_some()
        })
        .await?;
        Ok(())
    }

    /// Returns the client with the secret and key that are configured now.
    pub(crate) fn current_client(&self, held: &Registration) -> Registration {
        let provider = &self.provider;
        match held.client_id == provider.client_id {
            true => held.with(
                provider.client_secret.as_ref(),
                provider.client_key.is_some(),
                None,
            ),
            false => held.clone(),
        }
    }

    async fn replace(&self, held: &SignedIn, renewed: SignedIn) -> Result<(), Error> {
        self.update(|record| {
            // A sign-out or sign-in in the meantime takes precedence.
            let still = record.session.as_ref().is_some_and(|now| now.id == held.id);
            if still {
                record.session = Some(renewed.clone());
            }
            still
        })
        .await?;
        Ok(())
    }

    async fn failed(&self, held: &SignedIn, failure: Failure) -> Result<IdpEnd, Error> {
        let issuer = held.grantor.issuer.clone();
        let failure = match failure {
            Failure::Token(failure) => failure,
            // A transient error, as at the token endpoint.
            Failure::Other(error @ (Error::Http { .. } | Error::Timeout { .. })) => {
                let unavailable = Error::unavailable(&issuer, error);
                return Ok(IdpEnd::Failed(Attempt::Unreachable, unavailable));
            }
            // A sign-in could not be stored either.
            Failure::Other(error @ Error::Store { .. }) => return Err(error),
            Failure::Other(error) => return Ok(IdpEnd::Failed(Attempt::Refused, error)),
        };
        let detail = failure.detail();
        Ok(match failure {
            TokenFailure::Local(error) => return Err(*error),
            TokenFailure::Transient(trouble) => {
                IdpEnd::Failed(Attempt::Unreachable, Error::unavailable(&issuer, trouble))
            }
            TokenFailure::InvalidGrant { .. } => {
                self.update(|record| match &mut record.session {
                    Some(now) if now.id == held.id => now.refresh_token.take().is_some(),
                    _ => false,
                })
                .await?;
                IdpEnd::Failed(Attempt::Rejected, Error::RefreshRejected { issuer, detail })
            }
            other => {
                let endpoint = &held.grantor.token_endpoint;
                IdpEnd::Failed(Attempt::Refused, other.into_error(&issuer, endpoint))
            }
        })
    }

    /// Records a server before a grant is minted for it, so that sign-out finds the grant.
    pub(crate) async fn note_server(&self, server: &str) -> Result<(), Error> {
        self.update(|record| record.servers.insert(server.to_owned()))
            .await?;
        Ok(())
    }

    #[cfg(feature = "jwt")]
    #[allow(clippy::unused_self, clippy::unnecessary_wraps)]
    fn can_verify(&self) -> Result<(), Error> {
        Ok(())
    }

    #[cfg(not(feature = "jwt"))]
    fn can_verify(&self) -> Result<(), Error> {
        Err(Error::config(
            "this build cannot check signatures (feature jwt); provide an ID token that you have verified",
        ))
    }

    #[cfg(feature = "jwt")]
    fn verified(
        &self,
        token: &Secret,
        keys: &JwkSet,
        expected: &Expected<'_>,
    ) -> Result<Identity, Error> {
        crate::oauth::id_token::verify(token.expose(), keys, expected, self.now())
            .map_err(|refusal| self.refused(refusal))
    }

    #[cfg(not(feature = "jwt"))]
    fn verified(&self, _: &Secret, _: &JwkSet, _: &Expected<'_>) -> Result<Identity, Error> {
        self.can_verify().and(Err(self.no_id_token()))
    }

    fn refused(&self, refusal: Refusal) -> Error {
        self.untrue(refusal.reason())
    }

    fn untrue(&self, detail: &str) -> Error {
        Error::IdTokenInvalid {
            issuer: self.provider.issuer.clone(),
            detail: detail.to_owned(),
        }
    }

    fn no_id_token(&self) -> Error {
        self.untrue("its response has none")
    }

    pub(crate) fn signed_out(&self) -> Error {
        Error::RefreshRejected {
            issuer: self.provider.issuer.clone(),
            detail: "the session there has ended".to_owned(),
        }
    }
}

/// A new refresh token that replaces that of a session.
struct Rotated {
    /// The [`SignedIn::id`] that it replaces the token of.
    of: String,
    token: Secret,
}

/// Why a renewal failed.
enum Failure {
    Token(TokenFailure),
    Other(Error),
}

impl From<TokenFailure> for Failure {
    fn from(failure: TokenFailure) -> Self {
        Self::Token(failure)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}
