//! Silent renewals of the credential: one at a time for all callers, under the store's lease, with a backoff after
//! failures.

use std::sync::Arc;

use crate::threads::{BoxFuture, MaybeSend};

use crate::challenge::AuthChallenge;
use crate::error::Error;
use crate::host::Event;
use crate::http::HttpError;
use crate::limits::{CALL_TIMEOUT, LONGEST_RENEWAL, TURN_LIMIT};
use crate::oauth::discovery::still_names;
use crate::recovery::{Attempt, IssuerCheck, Means, Rejection, Scoping};
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
    /// The credential that it was to replace.
    pub(crate) credential: Option<Authorization>,
    /// The scopes that it was to request.
    pub(crate) requested: ScopeSet,
    pub(crate) end: RenewalEnd,
}

/// The result of one try, under one lease.
struct Once {
    end: RenewalEnd,
    /// It held the lease and tried.
    tried: bool,
    /// The process was suspended during the try, for longer than a lease lasts.
    was_suspended: bool,
}

impl Once {
    fn untried(end: RenewalEnd) -> Self {
        Self {
            end,
            tried: false,
            was_suspended: false,
        }
    }
}

/// The result of waiting for the lease.
enum Leased {
    /// This renewal holds it.
    Ours(Lease),
    /// The credential was already replaced.
    Over,
    /// Another session or process still holds it.
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

    /// Renews the current credential, or joins the running renewal. A caller that stops waiting does not end it.
    ///
    /// # Errors
    /// [`Error::Cancelled`] if the runtime dropped the renewal.
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

    /// Mints a credential with the current session at the identity provider. Waits for any other renewal first.
    ///
    /// # Errors
    /// [`Error::Cancelled`], as for [`renew`](Self::renew).
    pub(crate) async fn mint(
        self: &Arc<Self>,
        ask: Scoping,
        credential: Option<Authorization>,
        challenge: AuthChallenge,
    ) -> Result<Arc<Renewal>, Error> {
        let plan = RenewalPlan {
            scopes: self.ways.requested(ask, credential.as_ref(), &challenge),
            credential,
            means: Means::TokenExchange,
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

    /// Reads the resource's metadata and returns whether it names another authorization server than the current
    /// credential's; for a 403 to a request without a credential, whether it names any. If the metadata cannot be read,
    /// returns `Same`.
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
            RenewalEnd::TakenOver => {
                self.backoff.reset();
                self.held().tell(Event::Adopted);
            }
            RenewalEnd::Failed(attempt, error) => {
                let now = self.held().now();
                self.backoff
                    .note(credential.cloned(), *attempt, error.clone(), now);
            }
            RenewalEnd::Void | RenewalEnd::Broken(_) => {}
        }
    }

    fn tell(&self, credential: Option<&Authorization>, end: &RenewalEnd) {
        if let RenewalEnd::Failed(_, error) | RenewalEnd::Broken(error) = end {
            let issuer = credential.map(|credential| &*credential.grant().grantor.issuer);
            let issuer = issuer.unwrap_or(self.held().server());
            self.held().tell_renewal_failed(issuer, error);
        }
    }

    /// Renews. Returns the result, and whether this session itself tried.
    async fn renew_now(self: &Arc<Self>, plan: &RenewalPlan) -> (RenewalEnd, bool) {
        let mut again = true;
        loop {
            let once = match self.renew_once(plan).await {
                Ok(once) => once,
                Err(error) => return (RenewalEnd::Broken(error), true),
            };
            match once.end {
                // The lease lapsed while the process was suspended, so another session may have renewed: start again
                // from the store.
                RenewalEnd::Failed(Attempt::Unreachable, _) if once.was_suspended && again => {
                    again = false;
                }
                end => return (end, once.tried),
            }
        }
    }

    /// Tries once, under one lease.
    async fn renew_once(self: &Arc<Self>, plan: &RenewalPlan) -> Result<Once, Error> {
        let credential = plan.credential.as_ref();
        if self.held().has_replaced(credential) {
            return Ok(Once::untried(RenewalEnd::TakenOver));
        }
        let lease = match self.lease(credential).await? {
            Leased::Ours(lease) => lease,
            Leased::Over => return Ok(Once::untried(RenewalEnd::TakenOver)),
            Leased::Held => return Ok(Once::untried(self.too_slow(plan, HELD))),
        };
        let read = self.held().reload().await?;
        if self.held().has_replaced(credential) {
            return Ok(Once::untried(RenewalEnd::TakenOver));
        }
        let renewing = Arc::clone(self).renew_under(lease, read, plan.clone());
        match plan.means {
            Means::Refresh | Means::ScopedRefresh => self.outlived(plan, renewing).await,
            Means::NewToken | Means::TokenExchange | Means::IdpSession => renewing.await,
        }
    }

    /// Takes the lease, unless its holder finishes the renewal first or takes too long.
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

    /// Waits for a refresh for at most `CALL_TIMEOUT`. After that the refresh continues without its callers: the
    /// refresh token may be used up, and the response with the new one may still arrive.
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
                tried: true,
                was_suspended: false,
            })
        })
    }

    /// Returns the result for callers of a renewal that takes too long; the renewal continues.
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
        // The response to a refresh is precious: it may hold a new refresh token, which a full disk must not lose. Any other
        // token can be requested again.
        let precious = matches!(plan.means, Means::Refresh | Means::ScopedRefresh);
        let space = match precious {
            true => Some(record::reserve(&*held.store, &held.key, &read.record).await?),
            false => None,
        };
        let unsettled = precious.then(|| held.unsettled());
        let end = self.ways.renew(&plan, &lease, read).await;
        let once = end.map(|end| Once {
            end,
            tried: true,
            was_suspended: lease.was_suspended(),
        });
        // While the lease is held: the space is the record's, and another process may reserve it under the next lease.
        drop(space);
        held.store_unstored_later((lease, unsettled));
        once
    }
}

impl Renewal {
    /// Whether it is the renewal of `plan`, or another one for the same credential and enough scopes.
    pub(crate) fn answers(&self, plan: &RenewalPlan) -> bool {
        self.credential == plan.credential && self.requested.covers(&plan.scopes)
    }
}
