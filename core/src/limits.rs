//! Time limits that depend on each other. The duration of an operation counts time in which the process runs
//! ([`timeout`](crate::runtime::timeout)); leases and the retention of records use the wall clock.

use std::time::Duration;

/// The timeout of a call that a caller waits for.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(20);

/// How long to wait for the response to a code or a refresh token, even when no caller waits any longer: the code or
/// token may be used up, and only the response can replace it.
pub(crate) const ANSWER_LIMIT: Duration = CALL_TIMEOUT.saturating_add(Duration::from_secs(120));

/// How long discovery of the authorization server may take, if its endpoint is not recorded.
pub(crate) const DISCOVERY_LIMIT: Duration = Duration::from_secs(20);

/// How long revocation may take at sign-out. It is best effort; sign-out does not depend on it.
pub(crate) const REVOCATION_LIMIT: Duration = Duration::from_secs(10);

/// How long a request waits for a renewal that it does not depend on. The renewal continues.
pub(crate) const AHEAD_LIMIT: Duration = Duration::from_secs(5);

/// How long a record keeps a pending authorization, by the wall clock: longer than any user takes, because the clock
/// also runs while the machine sleeps.
pub(crate) const PENDING_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a lease lasts without renewal. If its holder crashed and the store cannot detect that, others wait this
/// long.
pub(crate) const LEASE_TTL: Duration = Duration::from_secs(10);

/// How often a lease is renewed.
pub(crate) const LEASE_RENEWAL: Duration = Duration::from_secs(3);

/// How long to wait for a store's answer: it is valid however late it comes, and other processes may be writing.
pub(crate) const LEASE_ANSWER: Duration = Duration::from_secs(30);

/// How long a lapsed lease is still left to its holder, counted from when the lapse is first seen: a holder that is
/// running has renewed it by then.
pub(crate) const LEASE_GRACE: Duration = LEASE_RENEWAL.saturating_mul(2);

/// How long a lapsed lease is left to a process that is alive: it is stopped (Ctrl-Z, a debugger), and the response to
/// its refresh may be waiting to be read.
#[cfg(feature = "file-store")]
pub(crate) const STOPPED_HOLDER: Duration = ANSWER_LIMIT.saturating_add(Duration::from_secs(10));

/// How long a renewal may take, including the time to store its result.
pub(crate) const LONGEST_RENEWAL: Duration = ANSWER_LIMIT.saturating_add(Duration::from_secs(160));

/// How long to wait for a renewal by another session or process.
pub(crate) const TURN_LIMIT: Duration = Duration::from_secs(30);
