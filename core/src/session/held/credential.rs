//! The current credential: an immutable snapshot that any caller can read without waiting.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::grant::Grant;
use crate::scope::ScopeSet;
use crate::secret::Secret;
use crate::signal::Signal;
use crate::store::record::{Record, Versioned};

/// An access token, as the value of an `Authorization` header, with its scopes. Cloning costs a reference count.
///
/// A recovery needs to know which credential failed: keep the one that a request was sent with until its response
/// arrives.
#[derive(Clone)]
pub struct Authorization(Arc<Credential>);

struct Credential {
    header: Secret,
    grant: Grant,
}

impl Authorization {
    fn new(grant: &Grant) -> Self {
        Self(Arc::new(Credential {
            // RFC 6750 section 2.1 and RFC 9449 section 7.1, in the spelling that all servers accept.
            header: Secret::new(match grant.binding {
                None => format!("Bearer {}", grant.access_token.expose()),
                Some(_) => format!("DPoP {}", grant.access_token.expose()),
            }),
            grant: grant.clone(),
        }))
    }

    /// Returns the value of the `Authorization` header. It is a secret: send it only to the MCP server. It is not
    /// enough alone if it [needs a proof](Self::needs_proof).
    #[must_use]
    pub fn header_value(&self) -> &str {
        self.0.header.expose()
    }

    /// Returns the granted scopes.
    #[must_use]
    pub fn scopes(&self) -> &ScopeSet {
        &self.0.grant.granted
    }

    /// Whether each request also needs a proof (RFC 9449), which
    /// [`ResourceRequest::authorize`](crate::ResourceRequest::authorize) creates.
    #[must_use]
    pub fn needs_proof(&self) -> bool {
        self.0.grant.binding.is_some()
    }

    pub(crate) fn grant(&self) -> &Grant {
        &self.0.grant
    }

    /// Whether it is known to be expired. Without a known lifetime it is used until it is rejected.
    pub(crate) fn is_expired(&self, now: u64) -> bool {
        self.0.grant.expires_at.is_some_and(|at| at <= now)
    }

    /// Whether it expires within `ahead` seconds. Never before half of its lifetime has passed.
    pub(crate) fn is_due(&self, now: u64, ahead: u64) -> bool {
        self.due_at(ahead).is_some_and(|due| due <= now)
    }

    /// When it is due, in seconds since 1970; `None` without a known lifetime.
    pub(crate) fn due_at(&self, ahead: u64) -> Option<u64> {
        let grant = &self.0.grant;
        let at = grant.expires_at?;
        let life = at.saturating_sub(grant.obtained_at);
        Some(at.saturating_sub(ahead.min(life / 2)))
    }
}

/// Two are equal if they come from the same grant.
impl PartialEq for Authorization {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.grant().is_same_as(other.grant())
    }
}

impl Eq for Authorization {}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorization")
            .field("scopes", self.scopes())
            .finish_non_exhaustive()
    }
}

/// The current credential, and the version of the record that it was read from.
#[derive(Default)]
struct Snapshot {
    version: Option<u64>,
    authorization: Option<Authorization>,
    /// The current grant, while it could not be stored.
    unstored: Option<Unstored>,
}

/// A grant that could not be stored, and the grant that it replaces.
#[derive(Clone)]
pub(crate) struct Unstored {
    grant: Grant,
    over: Option<Grant>,
}

impl Unstored {
    /// Puts the grant into the record, if the record still holds the one that it replaces.
    pub(crate) fn put_into(&self, record: &mut Record) -> bool {
        let missing = self.is_missing_in(record);
        if missing {
            record.set_grant(&self.grant);
        }
        missing
    }

    /// Whether the record still holds the grant that it replaces.
    fn is_missing_in(&self, record: &Record) -> bool {
        match (&record.grant, &self.over) {
            (Some(now), Some(then)) => now.is_same_as(then),
            (now, then) => now.is_none() && then.is_none(),
        }
    }
}

impl Snapshot {
    fn grant(&self) -> Option<&Grant> {
        self.authorization.as_ref().map(Authorization::grant)
    }
}

/// The holder of the current credential.
#[derive(Default)]
pub(crate) struct Current {
    /// If set, only grants obtained through this identity provider count.
    only_via: Option<String>,
    snapshot: ArcSwap<Snapshot>,
    /// Notifies waiters that the credential may have changed.
    changed: Signal,
}

impl Current {
    /// For an enterprise-managed session, `issuer` is its identity provider.
    pub(crate) fn via(issuer: Option<String>) -> Self {
        Self {
            only_via: issuer,
            ..Self::default()
        }
    }

    /// Returns the current credential without waiting, locks or I/O.
    pub(crate) fn get(&self) -> Option<Authorization> {
        self.snapshot.load().authorization.clone()
    }

    /// Waits until the current credential is not `from`.
    pub(crate) async fn changed(&self, from: Option<&Authorization>) {
        self.changed.until(|| self.get().as_ref() != from).await;
    }

    pub(crate) fn version(&self) -> Option<u64> {
        self.snapshot.load().version
    }

    /// Adopts the grant of a record, unless a newer version was already adopted. `since` is the version that was
    /// current before the record was read: a missing record counts only if nothing was adopted in the meantime.
    pub(crate) fn publish(&self, read: &Versioned, since: Option<u64>) {
        let outdated = |now: &Snapshot| match read.version {
            // The content of a version never changes.
            Some(version) => now.version.is_some_and(|own| own >= version),
            None => now.version != since,
        };
        if outdated(&self.snapshot.load()) {
            return;
        }
        let ours = |grant: &&Grant| self.only_via.is_none() || grant.idp_issuer == self.only_via;
        let fresh = read.record.grant.as_ref().filter(ours);
        let fresh = fresh.map(Authorization::new);
        self.snapshot.rcu(|now| {
            if outdated(now) {
                return Arc::clone(now);
            }
            // Another session changed something else in the record; the grant that could not be stored is still newer.
            let unstored = now.unstored.as_ref();
            if unstored.is_some_and(|unstored| unstored.is_missing_in(&read.record)) {
                return Arc::new(Snapshot {
                    version: read.version,
                    authorization: now.authorization.clone(),
                    unstored: unstored.cloned(),
                });
            }
            // An unchanged grant keeps its allocation, so that comparing it with its clones stays cheap.
            let same = now.grant() == fresh.as_ref().map(Authorization::grant);
            let authorization = if same { &now.authorization } else { &fresh };
            Arc::new(Snapshot {
                version: read.version,
                authorization: authorization.clone(),
                unstored: None,
            })
        });
        self.changed.notify();
    }

    /// Makes a grant current that could not be stored, so that it is at least in memory.
    pub(crate) fn keep_unstored(&self, grant: &Grant, over: Option<&Grant>) {
        let unstored = Unstored {
            grant: grant.clone(),
            over: over.cloned(),
        };
        let authorization = Some(Authorization::new(grant));
        self.snapshot.rcu(|now| {
            Arc::new(Snapshot {
                version: now.version,
                authorization: authorization.clone(),
                unstored: Some(unstored.clone()),
            })
        });
        self.changed.notify();
    }

    /// Returns the grant that is still to be stored.
    pub(crate) fn unstored(&self) -> Option<Unstored> {
        self.snapshot.load().unstored.clone()
    }

    /// Clears the credential. Keeps the version, so that a caller that read the record earlier does not restore it.
    pub(crate) fn clear(&self) {
        self.snapshot.rcu(|now| {
            Arc::new(Snapshot {
                version: now.version,
                ..Snapshot::default()
            })
        });
        self.changed.notify();
    }
}
