//! Waiting for one's turn with a record.

use std::time::{Duration, SystemTime};

use super::grace::GRACE;
use super::{Lease, StoreKey, TokenStore};
use crate::error::Error;
use crate::runtime::Runtime;

/// The longest pause between two looks at a lease that somebody else holds.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// How long another's renewal is waited for: as long as it takes to see that its lease lapsed.
pub(crate) const TURN_LIMIT: Duration = GRACE.saturating_add(Duration::from_secs(8));

/// Why a renewal cannot be made now, after that.
pub(crate) const HELD: &str = "another session or program is renewing it, and has no answer yet";

/// A place in the line for a lease.
pub(crate) struct Turn<'a> {
    store: &'a dyn TokenStore,
    runtime: &'a dyn Runtime,
    key: &'a StoreKey,
    ttl: Duration,
    waited: Duration,
    pause: Duration,
}

impl<'a> Turn<'a> {
    pub(crate) fn new(
        store: &'a dyn TokenStore,
        runtime: &'a dyn Runtime,
        key: &'a StoreKey,
        ttl: Duration,
    ) -> Self {
        Self {
            store,
            runtime,
            key,
            ttl,
            waited: Duration::ZERO,
            pause: Duration::from_millis(10),
        }
    }

    /// How long has been waited.
    pub(crate) fn waited(&self) -> Duration {
        self.waited
    }

    /// The lease and when it lapses; or, while somebody else has it, `None` after a pause: time to look whether
    /// there is still anything to do.
    ///
    /// # Errors
    /// [`Error::Store`], also when somebody has held it for longer than a lease lasts.
    pub(crate) async fn come(&mut self) -> Result<Option<(Lease, SystemTime)>, Error> {
        let now = self.runtime.now();
        if let Some(lease) = self.store.try_lease(self.key, now, self.ttl).await? {
            return Ok(Some((lease, now + self.ttl)));
        }
        // A stuck holder's lease has ended by then.
        if self.waited >= self.ttl + GRACE + Duration::from_secs(8) {
            return Err(Error::store(
                "another program has been renewing this credential for too long",
            ));
        }
        self.runtime.sleep(self.pause).await;
        self.waited += self.pause;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(None)
    }
}
