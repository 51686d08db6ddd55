//! A sign-in that the server rejected at once: another one a moment later would be in vain too.

use crate::session::held::credential::Authorization;
use crate::sync::{Mutex, lock};

/// How long a rejected sign-in keeps further pages away, in seconds.
const HOLDS_FOR: u64 = 5 * 60;

/// The latest sign-in, if the server rejected its credential at once. Renewing that credential silently changes
/// nothing about it; another sign-in does, as does time.
#[derive(Default)]
pub(crate) struct RejectedSignIn(Mutex<Option<Rejected>>);

struct Rejected {
    /// The sign-in, over all renewals.
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

    /// Whether `current` comes from that sign-in, and it was rejected a short while ago.
    pub(crate) fn holds(&self, current: Option<&Authorization>, now: u64) -> bool {
        let rejected = lock(&self.0);
        rejected.as_ref().is_some_and(|rejected| {
            // A clock that was set back must not hold a caller for longer.
            let recent = (rejected.at..rejected.at.saturating_add(HOLDS_FOR)).contains(&now);
            recent && current.is_some_and(|c| c.grant().sign_in == rejected.sign_in)
        })
    }

    /// The application asks for a sign-in, or handed in a credential of its own.
    pub(crate) fn forget(&self) {
        *lock(&self.0) = None;
    }
}
