//! The silent flight: a credential without anybody noticing.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::challenge::AuthChallenge;
use crate::error::Error;
use crate::host::Event;
use crate::http::CALL_TIMEOUT;
use crate::oauth::discovery::{Preference, discover, still_names};
use crate::oauth::registration::preregistered;
use crate::oauth::token::{self, TokenFailure, TokenGrant, Tokens};
use crate::recovery::{Attempt, IssuerCheck, Means};
use crate::runtime::timeout;
use crate::scope::ScopeSet;
use crate::session::credential::Authorization;
use crate::session::{GrantType, Inner};
use crate::store::Lease;
use crate::store::grace::GRACE;
use crate::store::record::{AuthMethod, Grant, Grantor, Registration, Versioned};

/// How often a token request is made at the most when the server is in passing trouble.
const TRIES: u32 = 3;
/// The longest pause between tries. A server that wants a longer one is not waited for.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long finding the authorization server may take, when its endpoint is not on record.
const DISCOVERY_LIMIT: Duration = Duration::from_secs(20);
/// How long a lease lasts when its holder is stuck: longer than a renewal can take.
const LEASE_TTL: Duration = Duration::from_secs(100);
const _: () = {
    let tries =
        CALL_TIMEOUT.as_secs() * TRIES as u64 + LONGEST_PAUSE.as_secs() * (TRIES as u64 - 1);
    assert!(LEASE_TTL.as_secs() > tries + DISCOVERY_LIMIT.as_secs());
};
/// How long to wait for somebody else's renewal: a stuck holder's lease has ended by then.
const LEASE_WAIT: Duration = LEASE_TTL
    .saturating_add(GRACE)
    .saturating_add(Duration::from_secs(8));

/// What a silent flight came to.
pub(crate) struct Renewal {
    /// The credential it set out to replace.
    pub(crate) of: Option<Authorization>,
    /// The scopes it could ask for.
    pub(crate) asked: ScopeSet,
    pub(crate) end: RenewalEnd,
}

/// How a silent flight ended.
pub(crate) enum RenewalEnd {
    /// A new credential was obtained.
    Renewed,
    /// Somebody else had stored another credential already; nobody was asked for one.
    Adopted,
    /// No credential: how far it got, and why.
    Failed(Attempt, Error),
    /// The store or the set-up failed; no means is to blame, and trying another would not help.
    Broken(Error),
}

/// What to renew, and by what.
pub(crate) struct RenewalPlan {
    /// The credential that the decision to renew was about. If another is current by now, nobody is asked.
    pub(crate) of: Option<Authorization>,
    pub(crate) means: Means,
    /// What is asked for, where the means lets one ask (a refresh does not).
    pub(crate) scopes: ScopeSet,
    pub(crate) challenge: AuthChallenge,
    /// The resource names another authorization server now: find it first.
    pub(crate) rediscover: bool,
}

impl Inner {
    /// Renews the current credential, or shares in the renewal under way.
    pub(crate) async fn renew(self: &Arc<Self>, plan: RenewalPlan) -> Option<Arc<Renewal>> {
        let inner = Arc::clone(self);
        let start = move || -> futures_util::future::BoxFuture<'static, Renewal> {
            Box::pin(async move {
                let end = inner.renew_now(&plan).await;
                inner.note_renewal(plan.of.as_ref(), &end);
                Renewal {
                    of: plan.of,
                    asked: plan.scopes,
                    end,
                }
            })
        };
        self.renewal.join(&*self.runtime, start).await
    }

    /// What a credential can be renewed by, if anything.
    pub(crate) fn renewal_means(&self, of: &Authorization) -> Option<Means> {
        let grant = of.grant();
        match self.grant_type {
            GrantType::ClientCredentials => Some(Means::NewToken),
            GrantType::AuthorizationCode => {
                let renewable = grant.refresh_token.is_some() && grant.client.is_some();
                renewable.then_some(Means::Refresh)
            }
        }
    }

    fn note_renewal(&self, of: Option<&Authorization>, end: &RenewalEnd) {
        match end {
            RenewalEnd::Renewed => self.hold.release(),
            RenewalEnd::Adopted => {
                self.hold.release();
                self.event(Event::Adopted);
            }
            RenewalEnd::Failed(attempt, error) => {
                self.hold
                    .note(of.cloned(), *attempt, error.clone(), self.now());
                self.renewal_failed(error);
            }
            RenewalEnd::Broken(error) => self.renewal_failed(error),
        }
    }

    fn renewal_failed(&self, error: &Error) {
        self.event(Event::RenewalFailed {
            code: error.code(),
            message: error.to_string(),
        });
    }

    async fn renew_now(&self, plan: &RenewalPlan) -> RenewalEnd {
        let mut again = true;
        loop {
            let (end, until) = match self.renew_once(plan).await {
                Ok(ended) => ended,
                Err(error) => return RenewalEnd::Broken(error),
            };
            let stood_still = until.is_some_and(|until| self.runtime.now() >= until);
            match end {
                // Somebody else may have had its turn: begin again, with what the store says now.
                RenewalEnd::Failed(Attempt::Unreachable, _) if stood_still && again => {
                    again = false
                }
                end => return end,
            }
        }
    }

    /// One renewal under one lease: how it ended, and when the lease lapses, if one was taken.
    async fn renew_once(
        &self,
        plan: &RenewalPlan,
    ) -> Result<(RenewalEnd, Option<SystemTime>), Error> {
        let of = plan.of.as_ref();
        if self.has_moved(of) {
            return Ok((RenewalEnd::Adopted, None));
        }
        let Some((_lease, until)) = self.lease(of).await? else {
            return Ok((RenewalEnd::Adopted, None));
        };
        let read = self.reload().await?;
        if self.has_moved(of) {
            return Ok((RenewalEnd::Adopted, None));
        }
        let _unsettled = self.unsettled();
        let end = match plan.means {
            Means::Refresh => self.refresh(read, plan, until).await,
            Means::NewToken => self.new_token(read, plan).await,
            Means::IdpSession | Means::Mint => Err(Error::config(
                "this session has no identity provider to renew by",
            )),
        };
        Ok((end?, Some(until)))
    }

    /// Whether another credential than `of` has become current, one that is worth trying.
    fn has_moved(&self, of: Option<&Authorization>) -> bool {
        self.current
            .get()
            .is_some_and(|now| !now.is_expired(self.now()) && of != Some(&now))
    }

    /// The lease and when it lapses, or `None` when its holder finished the job meanwhile.
    async fn lease(
        &self,
        of: Option<&Authorization>,
    ) -> Result<Option<(Lease, SystemTime)>, Error> {
        let mut waited = Duration::ZERO;
        let mut pause = Duration::from_millis(10);
        loop {
            let now = self.runtime.now();
            if let Some(lease) = self.store.try_lease(&self.key, now, LEASE_TTL).await? {
                return Ok(Some((lease, now + LEASE_TTL)));
            }
            if waited >= LEASE_WAIT {
                return Err(Error::store(
                    "another program has been renewing this credential for too long",
                ));
            }
            self.runtime.sleep(pause).await;
            waited += pause;
            pause = (pause * 2).min(Duration::from_millis(250));
            self.reload().await?;
            if self.has_moved(of) {
                return Ok(None);
            }
        }
    }

    async fn refresh(
        &self,
        read: Versioned,
        plan: &RenewalPlan,
        until: SystemTime,
    ) -> Result<RenewalEnd, Error> {
        // What is current may be newer than what could be stored.
        let current = self.current.get();
        let held = current.as_ref().and_then(|current| {
            let grant = current.grant();
            Some((grant, self.client_of(grant)?, grant.refresh_token.as_ref()?))
        });
        let Some((grant, client, token)) = held else {
            let error = Error::RefreshRejected {
                issuer: self.server.clone(),
                detail: "there is nothing to renew it with".to_owned(),
            };
            return Ok(RenewalEnd::Failed(Attempt::Refused, error));
        };
        let presented = TokenGrant::Refresh { token };
        match self
            .token(&grant.by, &client, &presented, Some(until))
            .await
        {
            Ok(tokens) => {
                let mut renewed = self.granted(tokens, &grant.by, client, &grant.granted);
                // A new one replaces the old; none keeps the old (RFC 6749 section 6).
                renewed.refresh_token = renewed.refresh_token.or_else(|| Some(token.clone()));
                self.keep(read, plan, renewed, &ScopeSet::new()).await
            }
            Err(failure) => {
                self.discard(grant, &failure).await?;
                Ok(failed(&grant.by.issuer, &failure))
            }
        }
    }

    async fn new_token(&self, read: Versioned, plan: &RenewalPlan) -> Result<RenewalEnd, Error> {
        let record = &read.record;
        let bound = self.bound_issuer(record);
        let elsewhere = |issuer: &str| bound.as_ref().is_some_and(|bound| bound != issuer);
        let held = record.grant.as_ref();
        let held = held.filter(|grant| !plan.rediscover && !elsewhere(&grant.by.issuer));
        let held = held.and_then(|grant| Some((grant.by.clone(), self.own_client_of(grant)?)));
        let (by, client) = match held {
            Some(held) => held,
            None => match self.find_grantor(plan, bound.as_deref()).await {
                Ok(found) => found,
                // Passing trouble, as it would be at the token endpoint.
                Err(error @ (Error::Http { .. } | Error::Timeout { .. })) => {
                    let unavailable = Error::RefreshUnavailable {
                        issuer: self.server.clone(),
                        detail: error.to_string(),
                        retry_after: None,
                    };
                    return Ok(RenewalEnd::Failed(Attempt::Unreachable, unavailable));
                }
                Err(error) => return Err(error),
            },
        };
        let presented = TokenGrant::ClientCredentials {
            scopes: &plan.scopes,
        };
        match self.token(&by, &client, &presented, None).await {
            Ok(tokens) => {
                let granted = self.granted(tokens, &by, client, &plan.scopes);
                self.keep(read, plan, granted, &plan.scopes).await
            }
            Err(failure) => Ok(failed(&by.issuer, &failure)),
        }
    }

    /// The client that a grant belongs to, with the secret that the application has for it now.
    pub(crate) fn client_of(&self, grant: &Grant) -> Option<Registration> {
        let mut client = grant.client.clone()?;
        if let Some(own) = &self.identity.preregistered
            && own.client_id == client.client_id
            && let Some(secret) = &own.client_secret
        {
            client.client_secret = Some(secret.clone());
            // It was used without one, so its server did not say how it wants it.
            if client.auth_method == AuthMethod::None {
                client.auth_method = AuthMethod::ClientSecretBasic;
            }
        }
        Some(client)
    }

    /// As [`client_of`](Self::client_of), if it is the one that the application acts as now.
    fn own_client_of(&self, grant: &Grant) -> Option<Registration> {
        let own = self.identity.preregistered.as_ref()?;
        self.client_of(grant)
            .filter(|client| client.client_id == own.client_id)
    }

    /// Where a first token of the client's own is asked for, and as whom.
    async fn find_grantor(
        &self,
        plan: &RenewalPlan,
        bound: Option<&str>,
    ) -> Result<(Grantor, Registration), Error> {
        let identity = self.identity.preregistered.as_ref();
        let identity = identity.ok_or_else(|| Error::config("there is no client id"))?;
        let preference = Preference {
            required: bound,
            current: None,
        };
        let named = plan.challenge.resource_metadata.as_deref();
        let found = discover(&self.http, &self.server, named, &preference);
        let found = timeout(&*self.runtime, DISCOVERY_LIMIT, found).await;
        let found = found.unwrap_or_else(|| {
            Err(Error::Timeout {
                what: format!("Finding the authorization server of {}", self.server),
                seconds: DISCOVERY_LIMIT.as_secs(),
            })
        })?;
        let client = preregistered(identity, &found.server);
        Ok((found.grantor(self.send_resource)?, client))
    }

    /// Makes a token request, again while the server is in passing trouble, a few times; but not after `until`:
    /// a process or a machine that stood still must not present what a sibling may have used meanwhile.
    pub(crate) async fn token(
        &self,
        by: &Grantor,
        client: &Registration,
        grant: &TokenGrant<'_>,
        until: Option<SystemTime>,
    ) -> Result<Tokens, TokenFailure> {
        let (endpoint, resource) = (&by.token_endpoint, by.resource.as_deref());
        let mut pause = Duration::from_millis(250);
        for attempt in 1.. {
            if until.is_some_and(|until| self.runtime.now() >= until) {
                return Err(TokenFailure::Transient {
                    detail: "this program stood still for too long".to_owned(),
                    retry_after: None,
                });
            }
            let answer = token::request(&self.http, endpoint, client, grant, resource).await;
            let Err(TokenFailure::Transient { retry_after, .. }) = &answer else {
                return answer;
            };
            // A server that asks for less than it takes to recover is not taken at its word.
            let asked = retry_after.map(Duration::from_secs).unwrap_or_default();
            let wait = asked.max(jittered(pause));
            if attempt == TRIES || wait > LONGEST_PAUSE {
                return answer;
            }
            self.runtime.sleep(wait).await;
            pause *= 3;
        }
        unreachable!("the last try returns")
    }

    /// The grant that `tokens` make.
    pub(crate) fn granted(
        &self,
        tokens: Tokens,
        by: &Grantor,
        client: Registration,
        requested: &ScopeSet,
    ) -> Grant {
        let now = self.now();
        Grant {
            id: Grant::new_id(),
            by: by.clone(),
            access_token: tokens.access_token,
            granted: tokens.scope.unwrap_or_else(|| requested.clone()),
            expires_at: tokens.expires_in.map(|life| now.saturating_add(life)),
            obtained_at: now,
            refresh_token: tokens.refresh_token,
            client: Some(client),
        }
    }

    /// Stores a renewed grant, unless somebody else has replaced or cleared the one that `read` held; adds to what
    /// was requested over time.
    async fn keep(
        &self,
        read: Versioned,
        plan: &RenewalPlan,
        new: Grant,
        requested: &ScopeSet,
    ) -> Result<RenewalEnd, Error> {
        let mut kept = false;
        let over = read.record.grant.clone();
        let written = self.update_known(Some(read), |record| {
            // What was renewed may have been stored only now.
            let of = plan.of.as_ref().map(Authorization::grant);
            kept = match (&record.grant, &over) {
                (Some(now), then) => [then.as_ref(), of].into_iter().flatten().any(|g| now.is(g)),
                (None, then) => then.is_none(),
            };
            if kept {
                record.set_grant(&new);
                record.requested = record.requested.union(requested);
            }
            kept
        });
        if let Err(error) = written.await {
            self.current.keep_unstored(&new, over.as_ref());
            return Err(error);
        }
        if !kept {
            return Ok(RenewalEnd::Adopted);
        }
        self.event(Event::Renewed {
            issuer: new.by.issuer,
            scopes: new.granted,
        });
        Ok(RenewalEnd::Renewed)
    }

    /// Only `invalid_grant` discards a refresh token, only `invalid_client` a registration, and only the very
    /// one that was refused; nothing else discards anything.
    async fn discard(&self, used: &Grant, failure: &TokenFailure) -> Result<(), Error> {
        let dynamic = used.client.as_ref().filter(|client| client.dynamic);
        match (failure, dynamic) {
            (TokenFailure::InvalidGrant { .. }, _) => {
                self.update(|record| match &mut record.grant {
                    Some(grant) if grant == used => grant.refresh_token.take().is_some(),
                    _ => false,
                })
                .await?;
            }
            (TokenFailure::InvalidClient { .. }, Some(client)) => {
                self.discard_client(&used.by.issuer, client).await?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Forgets a registration that its server no longer knows. One that was brought along is not ours to forget.
    pub(crate) async fn discard_client(
        &self,
        issuer: &str,
        client: &Registration,
    ) -> Result<(), Error> {
        let dead = |known: Option<&Registration>| known == Some(client) && client.dynamic;
        self.update(|record| {
            let next_time = dead(record.clients.get(issuer));
            if next_time {
                record.clients.remove(issuer);
            }
            let grant = record.grant.as_mut();
            let grant =
                grant.filter(|grant| grant.by.issuer == issuer && dead(grant.client.as_ref()));
            let now = grant.is_some_and(|grant| grant.client.take().is_some());
            next_time || now
        })
        .await?;
        Ok(())
    }

    /// Whether the resource names another authorization server than the current credential's. What cannot be
    /// found out is no reason to move.
    pub(crate) async fn check_issuer(self: &Arc<Self>, challenge: &AuthChallenge) -> IssuerCheck {
        let inner = Arc::clone(self);
        let named = challenge.resource_metadata.clone();
        let check = self.issuer_check.join(&*self.runtime, move || {
            Box::pin(async move {
                let Some(current) = inner.current.get() else {
                    return IssuerCheck::Same;
                };
                let issuer = &current.grant().by.issuer;
                match still_names(&inner.http, &inner.server, named.as_deref(), issuer).await {
                    Ok(false) => IssuerCheck::Moved,
                    Ok(true) | Err(_) => IssuerCheck::Same,
                }
            })
        });
        check.await.map_or(IssuerCheck::Same, |check| *check)
    }
}

fn failed(issuer: &str, failure: &TokenFailure) -> RenewalEnd {
    let detail = failure.detail();
    let issuer = issuer.to_owned();
    match failure {
        TokenFailure::Transient { retry_after, .. } => {
            let retry_after = *retry_after;
            let error = Error::RefreshUnavailable {
                issuer,
                detail,
                retry_after,
            };
            RenewalEnd::Failed(Attempt::Unreachable, error)
        }
        TokenFailure::InvalidGrant { .. } => {
            RenewalEnd::Failed(Attempt::Rejected, Error::RefreshRejected { issuer, detail })
        }
        _ => RenewalEnd::Failed(Attempt::Refused, Error::RefreshRejected { issuer, detail }),
    }
}

/// Up to half as long again, so that a fleet does not come back in step.
fn jittered(pause: Duration) -> Duration {
    let mut byte = [0_u8; 1];
    // Without randomness there is merely no jitter.
    let _ = getrandom::fill(&mut byte);
    pause + pause * u32::from(byte[0]) / 512
}
