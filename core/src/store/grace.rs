//! A grace period for a holder whose lease has lapsed during a suspension.
//!
//! A lease lapses by the wall clock, which goes on while the machine sleeps. After that, the holder goes on too, and
//! the response to its request may arrive: a session that took over at once would present the refresh token a second
//! time.

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
    /// When it lapsed, which identifies the lease.
    at: u64,
    seen: SystemTime,
}

impl Grace {
    /// Whether the grace period of a lease that lapsed at `at` (seconds since 1970) is over.
    pub(super) fn is_over(&self, key: &StoreKey, at: u64, now: SystemTime) -> bool {
        let mut lapsed = lock(&self.0);
        let known = lapsed.get(key).filter(|lapsed| lapsed.at == at);
        let since = known.and_then(|lapsed| now.duration_since(lapsed.seen).ok());
        match since {
            Some(since) => since >= LEASE_GRACE,
            // The lapse is new, or the clock was set back.
            None => {
                lapsed.insert(key.clone(), Lapsed { at, seen: now });
                false
            }
        }
    }

    /// Forgets a lapse: there is a new lease, or it was renewed.
    pub(super) fn forget(&self, key: &StoreKey) {
        lock(&self.0).remove(key);
    }
}
