//! Silent renewals of the credential: one at a time for all callers, under the store's lease, with a backoff after failures.

use std::sync::Arc;

use crate::threads::{BoxFuture, MaybeSend};

use crate::challenge::AuthChallenge;
use crate::error::Error;
use crate::host::Event;
use crate::http::HttpError;
use crate::limits::{CALL_TIMEOUT, LONGEST_RENEWAL, TURN_LIMIT};
use crate::oauth::discovery::still_names;
use crate::recovery::{Ask, Attempt, IssuerCheck, Means, Rejection};
use crate::runtime::detached;
use crate::scope::ScopeSet;
use crate::session::coordination::backoff::Backoff;
use crate::session::coordination::flight::Flight;
use crate::session::held::Held;
use crate::session::held::credential::Authorization;
use crate::session::ways::{RenewalEnd, RenewalPlan, Ways};
use crate::store::lease::Lease;
use crate::store::record::{self, Versioned};
use crate::store::turn::{HELD, Turn};

/// The silent renewals of one session.
pub(crate) struct Renewals {
    pub(crate) ways: Arc<Ways>,
    pub(crate) backoff: Backoff<Authorization>,
    flight: Flight<Renewal>,
    issuer_check: Flight<IssuerCheck>,
}

/// The result of a renewal, for all callers that waited for it.
pub(crate) struct Renewal {
    /// The credential that it set out to replace.
    pub(crate) credential: Option<Authorization>,
    /// The scopes that it could request.
    pub(crate) requested: ScopeSet,
    pub(crate) end: RenewalEnd,
}

/// The result of one try, under one lease.
struct Once {
    end: RenewalEnd,
    /// It had the lease, and tried.
    leased: bool,
    /// The process stood still meanwhile, for longer than a lease lasts.
    was_suspended: bool,
}

impl Once {
    fn without_lease(end: RenewalEnd) -> Self {
        Self {
            end,
            leased: false,
            was_suspended: false,
        }
    }
}

/// How waiting for the lease ended.
enum Leased {
    /// It is this renewal's.
    Ours(Lease),
    /// There is nothing to renew any more.
    Over,
    /// Another session or process still has it.
    Held,
}

impl Renewals {
    pub(crate) fn new(ways: Arc<Ways>) -> Self {
        Self {
            ways,
            backoff: Backoff::default(),
            flight: Flight::default(),
            issuer_check: Flight::default(),
        }
    }

    fn held(&self) -> &Arc<Held> {
        &self.ways.client.held
    }

    /// Renews the current credential, or shares in the renewal under way. A caller that stops waiting does not end it.
    ///
    /// # Errors
    /// [`Error::Cancelled`] when the runtime did not let it come to an end.
    pub(crate) async fn renew(self: &Arc<Self>, plan: RenewalPlan) -> Result<Arc<Renewal>, Error> {
        let renewals = Arc::clone(self);
        let start = move || -> BoxFuture<'static, Renewal> {
            Box::pin(async move {
                let (end, tried) = renewals.renew_now(&plan).await;
                renewals.note(plan.credential.as_ref(), &end);
                if tried {
                    renewals.tell(plan.credential.as_ref(), &end);
                }
                Renewal {
                    credential: plan.credential,
                    requested: plan.scopes,
                    end,
                }
            })
        };
        let ended = self.flight.join(&*self.held().runtime, start).await;
        ended.ok_or(Error::Cancelled {
            what: "The renewal",
        })
    }

    /// Mints by the session at the identity provider that there is now, whatever other renewal is under way.
    ///
    /// # Errors
    /// [`Error::Cancelled`], as for [`renew`](Self::renew).
    pub(crate) async fn mint(
        self: &Arc<Self>,
        ask: Ask,
        credential: Option<Authorization>,
        challenge: AuthChallenge,
    ) -> Result<Arc<Renewal>, Error> {
        let plan = RenewalPlan {
            scopes: self.ways.requested(ask, credential.as_ref(), &challenge),
            credential,
            means: Means::Mint,
            ask,
            challenge,
            rediscover: false,
        };
        loop {
            let renewal = self.renew(plan.clone()).await?;
            if renewal.answers(&plan) {
                return Ok(renewal);
            }
        }
    }

    /// Whether the resource names another authorization server than the current credential's; for a 403 to a request
    /// without a credential, whether it names any. Metadata that cannot be read is no reason to move.
    pub(crate) async fn check_issuer(self: &Arc<Self>, challenge: &AuthChallenge) -> IssuerCheck {
        let held = self.held();
        if held.current().is_none() && Rejection::of(challenge) != Rejection::Forbidden {
            return IssuerCheck::Same;
        }
        let client = Arc::clone(&self.ways.client);
        let named = challenge.resource_metadata.clone();
        let check = self.issuer_check.join(&*held.runtime, move || {
            Box::pin(async move {
                let current = client.held.current();
                let issuer = current
                    .as_ref()
                    .map(|current| &*current.grant().grantor.issuer);
                let named = named.as_deref();
                match still_names(&client.http, client.server(), named, issuer).await {
                    Ok(false) => IssuerCheck::Moved,
                    Ok(true) | Err(_) => IssuerCheck::Same,
                }
            })
        });
        check.await.map_or(IssuerCheck::Same, |check| *check)
    }

    fn note(&self, credential: Option<&Authorization>, end: &RenewalEnd) {
        match end {
            RenewalEnd::Renewed => self.backoff.reset(),
            RenewalEnd::Adopted => {
                self.backoff.reset();
                self.held().tell(Event::Adopted);
            }
            RenewalEnd::Failed(attempt, error) => {
                let now = self.held().now();
                self.backoff
                    .note(credential.cloned(), *attempt, error.clone(), now);
            }
            RenewalEnd::Broken(_) => {}
        }
    }

    fn tell(&self, credential: Option<&Authorization>, end: &RenewalEnd) {
        if let RenewalEnd::Failed(_, error) | RenewalEnd::Broken(error) = end {
            let issuer = credential.map(|credential| &*credential.grant().grantor.issuer);
            let issuer = issuer.unwrap_or(self.held().server());
            self.held().tell_renewal_failed(issuer, error);
        }
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
                // Another session may have renewed meanwhile: begin again, with what the store says now.
                RenewalEnd::Failed(Attempt::Unreachable, _) if once.was_suspended && again => {
                    again = false;
                }
                end => return (end, once.leased),
            }
        }
    }

    /// One try, under one lease.
    async fn renew_once(self: &Arc<Self>, plan: &RenewalPlan) -> Result<Once, Error> {
        let credential = plan.credential.as_ref();
        if self.held().has_replaced(credential) {
            return Ok(Once::without_lease(RenewalEnd::Adopted));
        }
        let lease = match self.lease(credential).await? {
            Leased::Ours(lease) => lease,
            Leased::Over => return Ok(Once::without_lease(RenewalEnd::Adopted)),
            Leased::Held => return Ok(Once::without_lease(self.too_slow(plan, HELD))),
        };
        let read = self.held().reload().await?;
        if self.held().has_replaced(credential) {
            return Ok(Once::without_lease(RenewalEnd::Adopted));
        }
        let renewing = Arc::clone(self).renew_under(lease, read, plan.clone());
        match plan.means {
            Means::Refresh | Means::ScopedRefresh => self.outlived(plan, renewing).await,
            Means::NewToken | Means::Mint | Means::IdpSession => renewing.await,
        }
    }

    /// The lease, unless its holder finishes the renewal meanwhile, or takes too long.
    async fn lease(&self, credential: Option<&Authorization>) -> Result<Leased, Error> {
        let held = self.held();
        let mut turn = Turn::new(&held.store, &held.runtime, &held.key, LONGEST_RENEWAL);
        while turn.waited() < TURN_LIMIT {
            if let Some(lease) = turn.come().await? {
                return Ok(Leased::Ours(lease));
            }
            held.reload().await?;
            if held.has_replaced(credential) {
                return Ok(Leased::Over);
            }
        }
        Ok(Leased::Held)
    }

    /// Waits for a refresh as long as a caller does. Where its answer is late, it goes on without them: the refresh
    /// token may be used up, and the new one under way.
    async fn outlived(
        self: &Arc<Self>,
        plan: &RenewalPlan,
        refresh: impl Future<Output = Result<Once, Error>> + MaybeSend + 'static,
    ) -> Result<Once, Error> {
        let renewals = Arc::clone(self);
        let credential = plan.credential.clone();
        let late = move |once: Result<Once, Error>| {
            let end = once.map_or_else(RenewalEnd::Broken, |once| once.end);
            renewals.note(credential.as_ref(), &end);
            renewals.tell(credential.as_ref(), &end);
        };
        let runtime = &*self.held().runtime;
        let ended = detached(runtime, CALL_TIMEOUT, refresh, late).await;
        ended.unwrap_or_else(|| {
            let none = HttpError::Timeout(CALL_TIMEOUT).to_string();
            Ok(Once {
                end: self.too_slow(plan, &none),
                leased: true,
                was_suspended: false,
            })
        })
    }

    /// The end, for its callers, of a renewal that goes on without them.
    fn too_slow(&self, plan: &RenewalPlan, detail: &str) -> RenewalEnd {
        let issuer = plan.credential.as_ref().map(|c| &*c.grant().grantor.issuer);
        let issuer = issuer.unwrap_or(self.held().server());
        let error = Error::unavailable(issuer, detail.to_owned());
        RenewalEnd::Failed(Attempt::Unreachable, error)
    }

    async fn renew_under(
        self: Arc<Self>,
        lease: Lease,
        read: Versioned,
        plan: RenewalPlan,
    ) -> Result<Once, Error> {
        let held = self.held();
        // A new refresh token must not be lost on a full disk.
        let space = match plan.means {
            Means::Refresh => Some(record::reserve(&*held.store, &held.key, &read.record).await?),
            _ => None,
        };
        // Any other token can be obtained again.
        let precious = matches!(plan.means, Means::Refresh | Means::ScopedRefresh);
        let unsettled = precious.then(|| held.unsettled());
        let end = self.ways.renew(&plan, &lease, read).await;
        let once = end.map(|end| Once {
            end,
            leased: true,
            was_suspended: lease.was_suspended(),
        });
        // While the lease is held: the space is the record's, and another process may reserve it under the next lease.
        drop(space);
        held.store_unstored_later((lease, unsettled));
        once
    }
}

impl Renewal {
    /// Whether it is the renewal of `plan`, or one that was under way for the same credential and enough scopes.
    pub(crate) fn answers(&self, plan: &RenewalPlan) -> bool {
        self.credential == plan.credential && self.requested.covers(&plan.scopes)
    }
}
