//! The silent flight: a credential without the user noticing.

use std::sync::Arc;

use crate::challenge::AuthChallenge;
use crate::error::Error;
use crate::grant::{Grant, Grantor, Registration};
use crate::host::Event;
use crate::http::HttpError;
use crate::issuer::same_issuer;
use crate::limits::{ANSWER_LIMIT, CALL_TIMEOUT, DISCOVERY_LIMIT, LONGEST_RENEWAL, TURN_LIMIT};
use crate::oauth::discovery::{Discovered, Preference, discover, still_names};
use crate::oauth::token::{TokenFailure, TokenGrant};
use crate::recovery::{Ask, Attempt, IssuerCheck, Means, Rejection};
use crate::runtime::{detached, timeout};
use crate::scope::ScopeSet;
use crate::session::credential::Authorization;
use crate::session::tokens::At;
use crate::session::{GrantType, Inner};
use crate::store::at_last::store_at_last;
use crate::store::lease::Lease;
use crate::store::record::{self, Versioned};
use crate::store::turn::{HELD, Turn};

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
    /// Another session had stored another credential already; no server was asked for one.
    Adopted,
    /// No credential: how far it got, and why.
    Failed(Attempt, Error),
    /// The store or the set-up failed; no means is to blame, and trying another would not help.
    Broken(Error),
}

/// What one renewal came to.
struct Once {
    end: RenewalEnd,
    /// It got as far as having the lease, and trying.
    leased: bool,
    /// The process stood still meanwhile, for longer than a lease lasts.
    stood_still: bool,
}

impl Once {
    fn without_lease(end: RenewalEnd) -> Self {
        Self {
            end,
            leased: false,
            stood_still: false,
        }
    }
}

/// What waiting for the lease came to.
enum Leased {
    /// It is this flight's.
    Ours(Lease),
    /// There is nothing to renew any more.
    Over,
    /// Another session or process still has it.
    Held,
}

/// What to renew, and by what.
#[derive(Clone)]
pub(crate) struct RenewalPlan {
    /// The credential that the decision to renew was about. If another is current by now, no server is asked.
    pub(crate) of: Option<Authorization>,
    pub(crate) means: Means,
    pub(crate) ask: Ask,
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
                let (end, tried) = inner.renew_now(&plan).await;
                inner.note_renewal(plan.of.as_ref(), &end);
                if tried {
                    inner.tell_renewal(plan.of.as_ref(), &end);
                }
                Renewal {
                    of: plan.of,
                    asked: plan.scopes,
                    end,
                }
            })
        };
        self.renewal.join(&*self.runtime, start).await
    }

    /// What a caller that does not wait for the user asks for; a refresh has no say in it.
    pub(super) fn asked(
        &self,
        ask: Ask,
        held: Option<&Authorization>,
        challenge: &AuthChallenge,
    ) -> ScopeSet {
        if self.grant_type == GrantType::AuthorizationCode {
            return ScopeSet::new();
        }
        let held = held.map(|c| c.scopes().clone()).unwrap_or_default();
        let wanted = self.settings.scopes.union(&challenge.required_scopes);
        match ask {
            Ask::Afresh => wanted,
            Ask::Union => held.union(&wanted),
        }
    }

    /// What a credential can be renewed by, if anything.
    pub(crate) fn renewal_means(&self, of: &Authorization) -> Option<Means> {
        let grant = of.grant();
        match self.grant_type {
            GrantType::ClientCredentials | GrantType::WorkloadIdentity => Some(Means::NewToken),
            GrantType::Enterprise => Some(Means::Mint),
            GrantType::AuthorizationCode => {
                let renewable = grant.refresh_token.is_some() && grant.client.is_some();
                // Without the key that it is bound to, a refresh token is of no use.
                let renewable = renewable && self.has_key(grant);
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
            }
            RenewalEnd::Broken(_) => {}
        }
    }

    fn tell_renewal(&self, of: Option<&Authorization>, end: &RenewalEnd) {
        if let RenewalEnd::Failed(_, error) | RenewalEnd::Broken(error) = end {
            let issuer = of.map(|of| &*of.grant().by.issuer);
            self.renewal_failed(issuer.unwrap_or(&self.server), error);
        }
    }

    /// Tells the host of a failure, at `issuer` unless the error says where.
    pub(super) fn renewal_failed(&self, issuer: &str, error: &Error) {
        self.event(Event::RenewalFailed {
            issuer: error.issuer_of_renewal().unwrap_or(issuer).to_owned(),
            code: error.code(),
            message: error.to_string(),
        });
    }

    /// How a renewal ended, and whether this session tried it.
    async fn renew_now(self: &Arc<Self>, plan: &RenewalPlan) -> (RenewalEnd, bool) {
        let mut again = true;
        loop {
            let once = match self.renew_once(plan).await {
                Ok(once) => once,
                Err(error) => return (RenewalEnd::Broken(error), true),
            };
            match once.end {
                // Another session may have had its turn: begin again, with what the store says now.
                RenewalEnd::Failed(Attempt::Unreachable, _) if once.stood_still && again => {
                    again = false;
                }
                end => return (end, once.leased),
            }
        }
    }

    /// One renewal, under one lease.
    async fn renew_once(self: &Arc<Self>, plan: &RenewalPlan) -> Result<Once, Error> {
        let of = plan.of.as_ref();
        if self.has_moved(of) {
            return Ok(Once::without_lease(RenewalEnd::Adopted));
        }
        let lease = match self.lease(of).await? {
            Leased::Ours(lease) => lease,
            Leased::Over => return Ok(Once::without_lease(RenewalEnd::Adopted)),
            Leased::Held => return Ok(Once::without_lease(self.too_slow(plan, HELD))),
        };
        let read = self.reload().await?;
        if self.has_moved(of) {
            return Ok(Once::without_lease(RenewalEnd::Adopted));
        }
        let renewing = Arc::clone(self).renew_under(lease, read, plan.clone());
        match plan.means {
            Means::Refresh | Means::ScopedRefresh => self.outlived(plan, renewing).await,
            Means::NewToken | Means::Mint | Means::IdpSession => renewing.await,
        }
    }

    /// Waits for a refresh as long as a caller does. Where its answer is late, it goes on without them: the refresh
    /// token may be used up, and the new one under way.
    async fn outlived(
        self: &Arc<Self>,
        plan: &RenewalPlan,
        refresh: impl Future<Output = Result<Once, Error>> + Send + 'static,
    ) -> Result<Once, Error> {
        let inner = Arc::clone(self);
        let of = plan.of.clone();
        let late = move |once: Result<Once, Error>| {
            let end = once.map_or_else(RenewalEnd::Broken, |once| once.end);
            inner.note_renewal(of.as_ref(), &end);
            inner.tell_renewal(of.as_ref(), &end);
        };
        let ended = detached(&*self.runtime, CALL_TIMEOUT, refresh, late).await;
        ended.unwrap_or_else(|| {
            let none = HttpError::Timeout(CALL_TIMEOUT).to_string();
            Ok(Once {
                end: self.too_slow(plan, &none),
                leased: true,
                stood_still: false,
            })
        })
    }

    /// How a renewal ends for its callers that is not over.
    fn too_slow(&self, plan: &RenewalPlan, detail: &str) -> RenewalEnd {
        let issuer = plan.of.as_ref().map(|of| &*of.grant().by.issuer);
        let error = Error::unavailable(issuer.unwrap_or(&self.server), detail.to_owned());
        RenewalEnd::Failed(Attempt::Unreachable, error)
    }

    /// A renewal with the lease taken, for what `read` says is current.
    async fn renew_under(
        self: Arc<Self>,
        lease: Lease,
        read: Versioned,
        plan: RenewalPlan,
    ) -> Result<Once, Error> {
        // A refresh token may be replaced by a new one, which must not be lost on a full disk.
        let _space = match plan.means {
            Means::Refresh => Some(record::reserve(&*self.store, &self.key, &read.record).await?),
            _ => None,
        };
        // Any other token can be obtained again.
        let precious = matches!(plan.means, Means::Refresh | Means::ScopedRefresh);
        let unsettled = precious.then(|| self.unsettled());
        let end = match plan.means {
            Means::Refresh | Means::ScopedRefresh => self.refresh(read, &plan, &lease).await,
            Means::NewToken => self.new_token(read, &plan).await,
            Means::Mint => self.mint(read, &plan, &lease).await,
            // It is not this record's.
            Means::IdpSession => Err(Error::config(
                "the identity provider's session is renewed by itself",
            )),
        };
        let once = end.map(|end| Once {
            end,
            leased: true,
            stood_still: lease.stood_still(),
        });
        if self.current.unstored().is_some() {
            let inner = Arc::clone(&self);
            self.runtime.spawn(Box::pin(async move {
                let stored = || async {
                    // Why it fails was told the first time.
                    let _ = inner.update(|_| false).await;
                    inner.current.unstored().is_none()
                };
                store_at_last(&*inner.runtime, stored).await;
                drop((lease, unsettled));
            }));
        }
        once
    }

    /// Whether another credential than `of` has become current, one that is worth trying.
    fn has_moved(&self, of: Option<&Authorization>) -> bool {
        self.current
            .get()
            .is_some_and(|now| !now.is_expired(self.now()) && of != Some(&now))
    }

    /// The lease, unless its holder finishes the job meanwhile, or takes too long.
    async fn lease(&self, of: Option<&Authorization>) -> Result<Leased, Error> {
        let mut turn = Turn::new(&self.store, &self.runtime, &self.key, LONGEST_RENEWAL);
        while turn.waited() < TURN_LIMIT {
            if let Some(lease) = turn.come().await? {
                return Ok(Leased::Ours(lease));
            }
            self.reload().await?;
            if self.has_moved(of) {
                return Ok(Leased::Over);
            }
        }
        Ok(Leased::Held)
    }

    async fn refresh(
        &self,
        read: Versioned,
        plan: &RenewalPlan,
        lease: &Lease,
    ) -> Result<RenewalEnd, Error> {
        // What is current may be newer than what could be stored. Another session's may have come since the record was
        // read: renewed now, it would be over a grant that is on record no more, and be dropped with its answer.
        let current = self.current.get();
        if current != plan.of && self.has_moved(plan.of.as_ref()) {
            return Ok(RenewalEnd::Adopted);
        }
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
        let binding = match &grant.binding {
            // Tokens stay bound to the key they are bound to.
            Some(binding) => Some(binding.clone()),
            None => self.binding_for(&plan.challenge, Some(grant), None)?,
        };
        let at = At {
            by: &grant.by,
            client: &client,
            binding: binding.as_ref(),
            bound: grant.binding.is_some(),
        };
        let had = grant.lost.as_ref().unwrap_or(&grant.granted).clone();
        let habits = read.record.habits.get(&grant.by.issuer);
        let named = plan.means == Means::ScopedRefresh || habits.is_some_and(|h| h.scoped_refresh);
        let presented = TokenGrant::Refresh {
            token,
            scopes: named.then_some(&had),
        };
        let asking = self.token_by_record(at, &presented, Some(lease));
        let answer = timeout(&*self.runtime, ANSWER_LIMIT, asking).await;
        let (by, answer) = answer.unwrap_or_else(|| {
            let none = HttpError::Timeout(ANSWER_LIMIT);
            (grant.by.clone(), Err(TokenFailure::Transient(none.into())))
        });
        match answer {
            Ok(tokens) => {
                let at = At { by: &by, ..at };
                let mut renewed = self.granted(tokens, &at, &had);
                // A new one replaces the old; none keeps the old (RFC 6749 section 6).
                renewed.refresh_token = renewed.refresh_token.or_else(|| Some(token.clone()));
                renewed.sign_in = grant.sign_in.clone();
                renewed.lost = (!renewed.granted.covers(&had)).then_some(had);
                self.keep(read, plan, renewed, Some(grant), &ScopeSet::new())
                    .await
            }
            Err(failure) => {
                self.discard(grant, &failure).await?;
                failed(&by, failure)
            }
        }
    }

    /// As [`client_of`](Self::client_of), if it is the one that the application acts as now.
    pub(super) fn own_client_of(&self, grant: &Grant) -> Option<Registration> {
        let own = self.identity.preregistered.as_ref()?;
        self.client_of(grant)
            .filter(|client| client.client_id == own.id)
    }

    /// Finds the authorization server, as far as that takes no person.
    pub(super) async fn find(
        &self,
        plan: &RenewalPlan,
        bound: Option<&str>,
    ) -> Result<Discovered, Error> {
        let preference = Preference {
            required: bound,
            current: None,
            known: None,
            usable: &|server| server.token_endpoint().map(drop),
        };
        let named = plan.challenge.resource_metadata.as_deref();
        let found = discover(&self.http, &self.server, named, &preference);
        let found = timeout(&*self.runtime, DISCOVERY_LIMIT, found).await;
        found.unwrap_or_else(|| {
            Err(Error::Timeout {
                what: format!("Finding the authorization server of {}", self.server),
                seconds: DISCOVERY_LIMIT.as_secs(),
            })
        })
    }

    /// Stores a renewed grant, unless another session has replaced or cleared the one that `read` held; adds to what
    /// was requested over time.
    pub(super) async fn keep(
        &self,
        read: Versioned,
        plan: &RenewalPlan,
        new: Grant,
        presented: Option<&Grant>,
        requested: &ScopeSet,
    ) -> Result<RenewalEnd, Error> {
        let mut kept = false;
        let over = read.record.grant.clone();
        let written = self.update_known(Some(read), |record| {
            // What was renewed may have been stored only now.
            let of = plan.of.as_ref().map(Authorization::grant);
            kept = match (&record.grant, &over) {
                (Some(now), then) => {
                    let replaced = [then.as_ref(), of, presented];
                    replaced.into_iter().flatten().any(|g| now.is(g))
                }
                (None, then) => then.is_none(),
            };
            if kept {
                record.set_grant(&new);
                record.requested = record.requested.union(requested);
                if plan.means == Means::ScopedRefresh && new.lost.is_none() {
                    let habits = record.habits.entry(new.by.issuer.clone()).or_default();
                    habits.scoped_refresh = true;
                }
            }
            kept
        });
        if let Err(error) = written.await {
            // The request at hand has its token all the same; the next write makes up for it.
            self.current.keep_unstored(&new, over.as_ref());
            self.renewal_failed(&new.by.issuer, &error);
            return Ok(RenewalEnd::Renewed);
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
            let next_time = dead(record.client_at(issuer));
            if next_time {
                record.clients.retain(|at, _| !same_issuer(at, issuer));
            }
            let grant = record.grant.as_mut();
            let grant = grant.filter(|grant| {
                same_issuer(&grant.by.issuer, issuer) && dead(grant.client.as_ref())
            });
            let now = grant.is_some_and(|grant| grant.client.take().is_some());
            next_time || now
        })
        .await?;
        Ok(())
    }

    /// Whether the resource names another authorization server than the current credential's, or, for a 403 to a
    /// request without a credential, whether it names any. What cannot be found out is no reason to move.
    pub(crate) async fn check_issuer(self: &Arc<Self>, challenge: &AuthChallenge) -> IssuerCheck {
        if self.current.get().is_none() && Rejection::of(challenge) != Rejection::Forbidden {
            return IssuerCheck::Same;
        }
        let inner = Arc::clone(self);
        let named = challenge.resource_metadata.clone();
        let check = self.issuer_check.join(&*self.runtime, move || {
            Box::pin(async move {
                let current = inner.current.get();
                let issuer = current.as_ref().map(|current| &*current.grant().by.issuer);
                match still_names(&inner.http, &inner.server, named.as_deref(), issuer).await {
                    Ok(false) => IssuerCheck::Moved,
                    Ok(true) | Err(_) => IssuerCheck::Same,
                }
            })
        });
        check.await.map_or(IssuerCheck::Same, |check| *check)
    }
}

/// How a renewal ended that `by` did not grant.
pub(super) fn failed(by: &Grantor, failure: TokenFailure) -> Result<RenewalEnd, Error> {
    let detail = failure.detail();
    let issuer = by.issuer.clone();
    Ok(match failure {
        TokenFailure::Local(error) => return Err(*error),
        TokenFailure::Transient(trouble) => {
            RenewalEnd::Failed(Attempt::Unreachable, Error::unavailable(&issuer, trouble))
        }
        TokenFailure::InvalidGrant { .. } => {
            RenewalEnd::Failed(Attempt::Rejected, Error::RefreshRejected { issuer, detail })
        }
        _ => RenewalEnd::Failed(Attempt::Refused, Error::RefreshRejected { issuer, detail }),
    })
}

/// How a renewal ended that did not get as far as a token endpoint: a transient error is what it would be there.
pub(super) fn passing(error: Error, server: &str) -> Result<RenewalEnd, Error> {
    match error {
        Error::Http { .. } | Error::Timeout { .. } => Ok(RenewalEnd::Failed(
            Attempt::Unreachable,
            Error::unavailable(server, error),
        )),
        error => Err(error),
    }
}
