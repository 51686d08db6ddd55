//! Waiting for the lease of a record.

use std::sync::Arc;
use std::time::Duration;

use super::lease::Lease;
use super::{StoreKey, TokenStore};
use crate::error::Error;
use crate::runtime::Runtime;

/// The longest pause between two tries to take a lease that another holder has.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// Why a renewal is impossible now, after that wait.
pub(crate) const HELD: &str = "another session or program is still renewing it";

/// A wait for a lease.
pub(crate) struct Turn<'a> {
    store: &'a Arc<dyn TokenStore>,
    runtime: &'a Arc<dyn Runtime>,
    key: &'a StoreKey,
    longest: Duration,
    waited: Duration,
    pause: Duration,
}

impl<'a> Turn<'a> {
    /// Creates a wait for a lease that is needed for at most `longest`.
    pub(crate) fn new(
        store: &'a Arc<dyn TokenStore>,
        runtime: &'a Arc<dyn Runtime>,
        key: &'a StoreKey,
        longest: Duration,
    ) -> Self {
        Self {
            store,
            runtime,
            key,
            longest,
            waited: Duration::ZERO,
            pause: Duration::from_millis(10),
        }
    }

    /// Returns how long this has waited so far.
    pub(crate) fn waited(&self) -> Duration {
        self.waited
    }

    /// Returns the lease; or, while another holder has it, `None` after a pause, so that the caller can check whether
    /// it still needs the lease.
    ///
    /// # Errors
    /// [`Error::Store`] if the store cannot be used.
    pub(crate) async fn come(&mut self) -> Result<Option<Lease>, Error> {
        if let Some(lease) = Lease::take(self.store, self.runtime, self.key, self.longest).await? {
            return Ok(Some(lease));
        }
        self.runtime.sleep(self.pause).await;
        self.waited += self.pause;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(None)
    }
}
