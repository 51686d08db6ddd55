//! The current credential: an immutable snapshot that any caller can read without waiting.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::grant::Grant;
use crate::scope::ScopeSet;
use crate::secret::Secret;
use crate::signal::Signal;
use crate::store::record::{Record, Versioned};

/// The value of an `Authorization` header, and what it stands for. Cloning costs a reference count.
///
/// Requests are told apart by the credential they carried, so keep the one a request was sent with until its
/// response is here.
#[derive(Clone)]
pub struct Authorization(Arc<Credential>);

struct Credential {
    header: Secret,
    grant: Grant,
}

impl Authorization {
    fn new(grant: &Grant) -> Self {
        Self(Arc::new(Credential {
            // RFC 6750 section 2.1 and RFC 9449 section 7.1, in the one spelling that all servers accept.
            header: Secret::new(match grant.binding {
                None => format!("Bearer {}", grant.access_token.expose()),
                Some(_) => format!("DPoP {}", grant.access_token.expose()),
            }),
            grant: grant.clone(),
        }))
    }

    /// The value of the `Authorization` header. It is a secret: send it to the MCP server, nowhere else. One that
    /// [needs a proof](Self::needs_proof) is of no use by itself.
    #[must_use]
    pub fn header_value(&self) -> &str {
        self.0.header.expose()
    }

    /// The scopes it was granted.
    #[must_use]
    pub fn scopes(&self) -> &ScopeSet {
        &self.0.grant.granted
    }

    /// Whether each request needs a proof besides (RFC 9449), which
    /// [`ResourceRequest::authorize`](crate::ResourceRequest::authorize) makes.
    #[must_use]
    pub fn needs_proof(&self) -> bool {
        self.0.grant.binding.is_some()
    }

    pub(crate) fn grant(&self) -> &Grant {
        &self.0.grant
    }

    /// Whether it is known to have expired; one without a known lifetime is used until it is rejected.
    pub(crate) fn is_expired(&self, now: u64) -> bool {
        self.0.grant.expires_at.is_some_and(|at| at <= now)
    }

    /// Whether it expires within `ahead` seconds. Of a short life no more than half is given away.
    pub(crate) fn is_due(&self, now: u64, ahead: u64) -> bool {
        let grant = &self.0.grant;
        grant.expires_at.is_some_and(|at| {
            let life = at.saturating_sub(grant.obtained_at);
            at <= now.saturating_add(ahead.min(life / 2))
        })
    }
}

/// Whether both were granted at once.
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

/// What is current, and which version of the record said so.
#[derive(Default)]
struct Snapshot {
    version: Option<u64>,
    authorization: Option<Authorization>,
    /// The grant could not be stored yet.
    unstored: Option<Unstored>,
}

/// A grant that could not be stored, and the one it is to replace.
#[derive(Clone)]
pub(crate) struct Unstored {
    grant: Grant,
    over: Option<Grant>,
}

impl Unstored {
    /// Makes up for it, if the record still holds what was to be replaced.
    pub(crate) fn put_into(&self, record: &mut Record) -> bool {
        let missing = self.is_missing_in(record);
        if missing {
            record.set_grant(&self.grant);
        }
        missing
    }

    /// Whether the record still holds what was to be replaced.
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

/// The place where the current credential is read from and written to.
#[derive(Default)]
pub(crate) struct Current {
    /// Only what was had through this identity provider counts.
    only_via: Option<String>,
    snapshot: ArcSwap<Snapshot>,
    /// Says that it may have become another.
    changed: Signal,
}

impl Current {
    /// Of a session that is enterprise-managed by this identity provider, if it is.
    pub(crate) fn via(issuer: Option<String>) -> Self {
        Self {
            only_via: issuer,
            ..Self::default()
        }
    }

    /// The current credential: no waiting, no lock.
    pub(crate) fn get(&self) -> Option<Authorization> {
        self.snapshot.load().authorization.clone()
    }

    /// Waits until it is another than `from`.
    pub(crate) async fn changed(&self, from: Option<&Authorization>) {
        self.changed.until(|| self.get().as_ref() != from).await;
    }

    pub(crate) fn version(&self) -> Option<u64> {
        self.snapshot.load().version
    }

    /// Takes over what a record says, unless a newer version has been taken over already. `since` is the
    /// version that was current before the record was read: a record that is gone counts only if nothing
    /// was taken over in the meantime.
    pub(crate) fn publish(&self, read: &Versioned, since: Option<u64>) {
        let outdated = |now: &Snapshot| match read.version {
            // What a version says never changes.
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
            // Another session has written something else: what could not be stored is newer still.
            let unstored = now.unstored.as_ref();
            if unstored.is_some_and(|unstored| unstored.is_missing_in(&read.record)) {
                return Arc::new(Snapshot {
                    version: read.version,
                    authorization: now.authorization.clone(),
                    unstored: unstored.cloned(),
                });
            }
            // An unchanged grant keeps its place in memory, and every clone of it.
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

    /// Takes over a grant that could not be stored: better in memory alone than nowhere.
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

    /// The grant that is still to be stored.
    pub(crate) fn unstored(&self) -> Option<Unstored> {
        self.snapshot.load().unstored.clone()
    }

    /// Forgets it. The version stays, so that no caller that has read it before brings it back.
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
