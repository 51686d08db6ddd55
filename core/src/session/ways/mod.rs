//! The ways to obtain a credential, one file each. Silent: a refresh token, the client's own credential, an ID token of
//! the organization's identity provider. With the user: the authorization code flow, and the sign-in at the identity
//! provider.

pub(crate) mod code;
pub(crate) mod enterprise;
pub(crate) mod idp_sign_in;
mod machine;
mod refresh;
pub(crate) mod sign_in_plan;

use std::sync::Arc;
use std::time::Duration;

use self::enterprise::Minting;
use self::machine::Machine;
use self::refresh::Refresh;
use crate::challenge::AuthChallenge;
use crate::enterprise::Idp;
use crate::error::Error;
use crate::grant::{Grant, Grantor, KeyBinding, Registration};
use crate::host::{Event, WorkloadIdentity};
use crate::oauth::discovery::Discovered;
use crate::oauth::token::TokenFailure;
use crate::recovery::{Attempt, Means, Renewal, Scoping, Tried};
use crate::scope::ScopeSet;
use crate::session::client::{Requester, SessionClient};
use crate::session::held::credential::Authorization;
use crate::store::lease::Lease;
use crate::store::record::Versioned;

/// How a session obtains credentials, as the application configured it.
pub(crate) enum Way {
    /// The user authorizes (authorization code grant).
    Person,
    /// The client's own credential (RFC 6749 section 4.4).
    ClientCredentials,
    /// An assertion of the workload's platform (RFC 7523).
    Workload(Arc<dyn WorkloadIdentity>),
    /// The user signs in at the organization's identity provider; `None`: none is configured.
    Enterprise(Option<Arc<Idp>>),
}

impl Way {
    /// Whether no user is ever involved.
    pub(crate) fn is_machine(&self) -> bool {
        matches!(self, Self::ClientCredentials | Self::Workload(_))
    }

    /// # Errors
    /// [`Error::EnterpriseNotConfigured`] if the session has no identity provider.
    pub(crate) fn idp(&self) -> Result<&Arc<Idp>, Error> {
        match self {
            Self::Enterprise(Some(idp)) => Ok(idp),
            _ => Err(Error::EnterpriseNotConfigured),
        }
    }
}

/// What to renew, and by which means.
#[derive(Clone)]
pub(crate) struct RenewalPlan {
    /// The credential that the decision to renew was about. If another one is current by now, no server is asked.
    pub(crate) credential: Option<Authorization>,
    pub(crate) means: Means,
    pub(crate) ask: Scoping,
    /// The scopes to request, if the means requests any (a refresh does not).
    pub(crate) scopes: ScopeSet,
    pub(crate) challenge: AuthChallenge,
    /// The resource now names another authorization server: discover it first.
    pub(crate) rediscover: bool,
}

/// The authorization server that a token is requested from, and the client there.
struct Place {
    grantor: Grantor,
    client: Registration,
    /// The result of discovery; `None`: grantor and client were recorded.
    found: Option<Discovered>,
}

impl Place {
    fn requester<'a>(&'a self, binding: Option<&'a KeyBinding>) -> Requester<'a> {
        Requester {
            grantor: &self.grantor,
            client: &self.client,
            binding,
            is_bound: false,
        }
    }

    /// Whether a request here differs from one at `other`.
    fn differs_from(&self, other: &Self) -> bool {
        self.grantor.token_endpoint != other.grantor.token_endpoint
            || self.client.auth_method != other.client.auth_method
    }
}

/// The result of a silent renewal.
pub(crate) enum RenewalEnd {
    /// A new credential was obtained.
    Renewed,
    /// Another session has stored another credential, which is current now.
    TakenOver,
    /// It came to nothing: the grant was cleared, or the sign-in that it depends on has ended. Decide again.
    Void,
    /// No credential: how far the means got, and the error.
    Failed(Attempt, Error),
    /// The store or the configuration failed, so that other means would fail too.
    Broken(Error),
}

impl RenewalEnd {
    /// Converts it for the state machine; `None` if the failure was not that of a silent means.
    pub(crate) fn told(&self) -> Option<Renewal<Error>> {
        Some(match self {
            Self::Renewed => Renewal::Tried(Tried::Succeeded),
            Self::TakenOver | Self::Void => Renewal::Overtaken,
            Self::Failed(attempt, error) => Renewal::Tried(Tried::Failed(*attempt, error.clone())),
            Self::Broken(_) => return None,
        })
    }
}

/// One session's ways to obtain a credential.
pub(crate) struct Ways {
    pub(crate) client: Arc<SessionClient>,
    pub(crate) way: Way,
}

impl Ways {
    /// Returns the silent means that can renew a credential, if any.
    pub(crate) fn renewal_means(&self, credential: &Authorization) -> Option<Means> {
        let grant = credential.grant();
        match self.way {
            Way::ClientCredentials | Way::Workload(_) => Some(Means::NewToken),
            Way::Enterprise(_) => Some(Means::TokenExchange),
            Way::Person => {
                let renewable = grant.refresh_token.is_some() && grant.client.is_some();
                // A refresh token that is bound to a key is useless without that key.
                let renewable = renewable && self.client.possession.has_key(grant);
                renewable.then_some(Means::Refresh)
            }
        }
    }

    /// Returns the means to renew a credential, if it expires soon.
    pub(crate) fn due_means(&self, credential: &Authorization) -> Option<Means> {
        let ahead = self.client.settings.policy.refresh_ahead.as_secs();
        let due = credential.is_due(self.client.held.now(), ahead);
        due.then(|| self.renewal_means(credential)).flatten()
    }

    /// How long until a credential is due for renewal; `None` if that is not known.
    pub(crate) fn due_in(&self, credential: &Authorization) -> Option<Duration> {
        let due = credential.due_at(self.client.settings.policy.refresh_ahead.as_secs())?;
        Some(Duration::from_secs(
            due.saturating_sub(self.client.held.now()),
        ))
    }

    /// Returns the scopes that a silent renewal requests; none for a refresh.
    pub(crate) fn requested(
        &self,
        ask: Scoping,
        held: Option<&Authorization>,
        challenge: &AuthChallenge,
    ) -> ScopeSet {
        if matches!(self.way, Way::Person) {
            return ScopeSet::new();
        }
        let held = held.map(|c| c.scopes().clone()).unwrap_or_default();
        let configured = &self.client.settings.scopes;
        let wanted = configured.union(&challenge.required_scopes);
        match ask {
            Scoping::Unchanged => wanted,
            Scoping::Union => held.union(&wanted),
        }
    }

    /// Renews with the means of `plan`, under the lease. `read` is the record as read under the lease.
    pub(crate) async fn renew(
        &self,
        plan: &RenewalPlan,
        lease: &Lease,
        read: Versioned,
    ) -> Result<RenewalEnd, Error> {
        let client = &*self.client;
        let by_machine = |workload| Machine {
            client,
            plan,
            workload,
        };
        match (plan.means, &self.way) {
            (Means::Refresh | Means::ScopedRefresh, _) => {
                let refresh = Refresh {
                    client,
                    plan,
                    lease,
                };
                refresh.run(read).await
            }
            (Means::NewToken, Way::Workload(platform)) => {
                by_machine(Some(&**platform)).run(read).await
            }
            (Means::NewToken, _) => by_machine(None).run(read).await,
            (Means::TokenExchange, way) => {
                let minting = Minting {
                    client,
                    idp: way.idp()?,
                    plan,
                    lease,
                };
                minting.run(read).await
            }
            (Means::IdpSession, _) => Err(Error::config(
                "the identity provider's session is renewed by itself",
            )),
        }
    }
}

/// Stores a renewed grant, and adds `requested` to the record's requested scopes. Does not overwrite a grant if another
/// session has replaced or cleared it since `read`. `presented` is the grant whose refresh token was used.
async fn keep(
    client: &SessionClient,
    read: Versioned,
    plan: &RenewalPlan,
    new: Grant,
    presented: Option<&Grant>,
    requested: &ScopeSet,
) -> Result<RenewalEnd, Error> {
    let held = &client.held;
    let mut kept = false;
    let replaces = read.record.grant.clone();
    let written = held.update_known(Some(read), |record| {
        // The grant that was renewed may have been in memory only.
        let planned = plan.credential.as_ref().map(Authorization::grant);
        kept = match (&record.grant, &replaces) {
            (Some(now), then) => {
                let replaced = [then.as_ref(), planned, presented];
                replaced.into_iter().flatten().any(|g| now.is_same_as(g))
            }
            (None, then) => then.is_none(),
        };
        if kept {
            record.set_grant(&new);
            record.requested = record.requested.union(requested);
            if plan.means == Means::ScopedRefresh && new.scopes_before_refresh.is_none() {
                let quirks = record.quirks.entry(new.grantor.issuer.clone()).or_default();
                quirks.scoped_refresh = true;
            }
        }
        kept
    });
    if let Err(error) = written.await {
        // This request uses the new token all the same; the next write stores it.
        held.keep_unstored(&new, replaces.as_ref());
        held.tell_renewal_failed(&new.grantor.issuer, &error);
        return Ok(RenewalEnd::Renewed);
    }
    if !kept {
        return Ok(match held.has_replaced(plan.credential.as_ref()) {
            true => RenewalEnd::TakenOver,
            false => RenewalEnd::Void,
        });
    }
    held.tell(Event::Renewed {
        issuer: new.grantor.issuer,
        scopes: new.granted,
    });
    Ok(RenewalEnd::Renewed)
}

/// Returns the end of a renewal that `grantor` refused.
fn failed(grantor: &Grantor, failure: TokenFailure) -> Result<RenewalEnd, Error> {
    let detail = failure.detail();
    let issuer = grantor.issuer.clone();
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

/// Returns the end of a renewal that failed before the token request. Transient errors count as they do there.
fn failed_before(error: Error, server: &str) -> Result<RenewalEnd, Error> {
    match error {
        Error::Http { .. } | Error::Timeout { .. } => Ok(RenewalEnd::Failed(
            Attempt::Unreachable,
            Error::unavailable(server, error),
        )),
        error => Err(error),
    }
}
