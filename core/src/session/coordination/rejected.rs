//! Remembers a sign-in whose credential the server rejected at once: another sign-in right away would not help.

use crate::session::held::credential::Authorization;
use crate::sync::{Mutex, lock};

/// How long a rejected sign-in prevents further pages, in seconds.
const HOLDS_FOR: u64 = 5 * 60;

/// The latest sign-in, if the server rejected its credential at once. A silent renewal of that credential does not
/// clear it; another sign-in does, and so does time.
#[derive(Default)]
pub(crate) struct RejectedSignIn(Mutex<Option<Rejected>>);

struct Rejected {
    /// Identifies the sign-in, over all renewals.
    sign_in: String,
    /// Seconds since 1970.
    at: u64,
}

impl RejectedSignIn {
    pub(crate) fn note(&self, credential: &Authorization, now: u64) {
        *lock(&self.0) = Some(Rejected {
            sign_in: credential.grant().sign_in.clone(),
            at: now,
        });
    }

    /// Whether `current` comes from that sign-in, and the rejection is recent.
    pub(crate) fn holds(&self, current: &Authorization, now: u64) -> bool {
        let rejected = lock(&self.0);
        rejected.as_ref().is_some_and(|rejected| {
            // A clock that was set back must not prolong this.
            let recent = (rejected.at..rejected.at.saturating_add(HOLDS_FOR)).contains(&now);
            recent && current.grant().sign_in == rejected.sign_in
        })
    }

    /// Clears it, because the application requests a sign-in or has set a credential.
    pub(crate) fn forget(&self) {
        *lock(&self.0) = None;
    }
}
