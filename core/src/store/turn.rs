//! Waiting for one's turn with a record.

use std::sync::Arc;
use std::time::Duration;

use super::lease::Lease;
use super::{StoreKey, TokenStore};
use crate::error::Error;
use crate::runtime::Runtime;

/// The longest pause between two looks at a lease that another holds.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// Why a renewal cannot be made now, after that.
pub(crate) const HELD: &str = "another session or program is renewing it, and has no answer yet";

/// A place in the line for a lease.
pub(crate) struct Turn<'a> {
    store: &'a Arc<dyn TokenStore>,
    runtime: &'a Arc<dyn Runtime>,
    key: &'a StoreKey,
    longest: Duration,
    waited: Duration,
    pause: Duration,
}

impl<'a> Turn<'a> {
    /// A place in the line for a lease that is needed for `longest` at the most.
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

    /// How long has been waited.
    pub(crate) fn waited(&self) -> Duration {
        self.waited
    }

    /// The lease; or, while another has it, `None` after a pause: time to look whether there is still anything to do.
    ///
    /// # Errors
    /// [`Error::Store`] when the store cannot be used.
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
