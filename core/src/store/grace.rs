//! Time for a holder whose lease has lapsed while it could not know.
//!
//! A lease lapses by the wall clock, which goes on while the machine sleeps. When it wakes up, the holder goes on
//! too, and its request may be answered: whoever took over at once would present the refresh token a second time.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use super::StoreKey;
use crate::http::CALL_TIMEOUT;
use crate::sync::{Mutex, lock};

/// How long a lease that has lapsed is still left to its holder, from when that is first seen. By then a call that
/// was under way has ended, and its holder looks at its lease.
pub(crate) const GRACE: Duration = CALL_TIMEOUT.saturating_add(Duration::from_secs(2));

/// The lapsed leases that somebody has come upon.
#[derive(Debug, Default)]
pub(super) struct Grace(Mutex<HashMap<StoreKey, Lapsed>>);

#[derive(Debug)]
struct Lapsed {
    /// When it lapsed: tells one lease from the next.
    at: u64,
    seen: SystemTime,
}

impl Grace {
    /// Whether a lease that lapsed at `at` (seconds since 1970) has been left to its holder for long enough.
    pub(super) fn is_over(&self, key: &StoreKey, at: u64, now: SystemTime) -> bool {
        let mut lapsed = lock(&self.0);
        let known = lapsed.get(key).filter(|lapsed| lapsed.at == at);
        let since = known.and_then(|lapsed| now.duration_since(lapsed.seen).ok());
        match since {
            Some(since) => since >= GRACE,
            // It is news, or the clock was set back.
            None => {
                lapsed.insert(key.clone(), Lapsed { at, seen: now });
                false
            }
        }
    }

    /// Somebody has a new lease.
    pub(super) fn forget(&self, key: &StoreKey) {
        lock(&self.0).remove(key);
    }
}
