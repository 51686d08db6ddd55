//! Times that depend on each other. How long something may take counts time in which the process runs
//! ([`timeout`](crate::runtime::timeout)); leases, and how long a record keeps something, go by the clock.

use std::time::Duration;

/// The longest a call may take that a caller waits for.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(20);

/// How long the answer to a code or a refresh token is waited for, though no caller waits behind it any more: what
/// was presented may be used up, and the answer is all that is left of it.
pub(crate) const ANSWER_LIMIT: Duration = CALL_TIMEOUT.saturating_add(Duration::from_secs(120));

/// How long finding the authorization server may take, when its endpoint is not on record.
pub(crate) const DISCOVERY_LIMIT: Duration = Duration::from_secs(20);

/// How long revocation may take when signing out. It is a courtesy; signing out does not depend on it.
pub(crate) const REVOCATION_LIMIT: Duration = Duration::from_secs(10);

/// How long a request waits for a renewal that it does not depend on. The renewal goes on.
pub(crate) const AHEAD_LIMIT: Duration = Duration::from_secs(5);

/// How long a record keeps a pending authorization, by the clock: longer than any person takes, as the clock of a
/// machine that slept has gone on while the person's time has not.
pub(crate) const PENDING_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a lease lasts unless it is renewed: so long others wait for a holder that crashed, at a store that does not
/// see that.
pub(crate) const LEASE_TTL: Duration = Duration::from_secs(10);

/// How often it is renewed.
pub(crate) const LEASE_RENEWAL: Duration = Duration::from_secs(3);

/// How long a store's answer is waited for: it is true, however late it comes, and others may be writing.
pub(crate) const LEASE_ANSWER: Duration = Duration::from_secs(30);

/// How long a lease that has lapsed is still left to its holder, from when that is first seen: by then a holder that goes
/// on has renewed it.
pub(crate) const LEASE_GRACE: Duration = LEASE_RENEWAL.saturating_mul(2);

/// How long a lapsed lease is left to a process that lives. It is stopped (Ctrl-Z, a debugger), and the answer to its
/// refresh may wait for it.
#[cfg(feature = "file-store")]
pub(crate) const STOPPED_HOLDER: Duration = ANSWER_LIMIT.saturating_add(Duration::from_secs(10));

/// How long a renewal may take: to have its answer, and to store it.
pub(crate) const LONGEST_RENEWAL: Duration = ANSWER_LIMIT.saturating_add(Duration::from_secs(160));

/// How long another's renewal is waited for.
pub(crate) const TURN_LIMIT: Duration = Duration::from_secs(30);
