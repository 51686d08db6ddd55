//! Time for a holder whose lease has lapsed while it could not know.
//!
//! A lease lapses by the wall clock, which goes on while the machine sleeps. When it wakes up, the holder goes on
//! too, and its request may be answered: a session that took over at once would present the refresh token a second time.

use std::collections::HashMap;
use std::time::SystemTime;

use super::StoreKey;
use crate::limits::LEASE_GRACE;
use crate::sync::{Mutex, lock};

/// The lapsed leases that were asked for.
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
            Some(since) => since >= LEASE_GRACE,
            // It is news, or the clock was set back.
            None => {
                lapsed.insert(key.clone(), Lapsed { at, seen: now });
                false
            }
        }
    }

    /// There is a new lease, or it was renewed.
    pub(super) fn forget(&self, key: &StoreKey) {
        lock(&self.0).remove(key);
    }
}
