//! Event streams that no caller waits for: when to try again.

use std::time::Duration;

use crate::error::ErrorCode;
use crate::runtime::timeout;
use crate::session::{AuthSession, Authorization};

/// How long a stream waits for an unavailable authorization server, at first; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// How long it waits at the most.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// An event stream that no caller waits for, over all tries to open it. It must not bother the user, and clients open
/// it once: one that cannot be authorized now waits until it can.
#[derive(Debug)]
pub(crate) struct IdleStream {
    session: AuthSession,
    pause: Duration,
}

impl IdleStream {
    pub(crate) fn new(session: AuthSession) -> Self {
        Self {
            session,
            pause: FIRST_PAUSE,
        }
    }

    /// Whether a try that ended with an error of this code may be followed by another; any other is final, and for the
    /// caller to tell.
    pub(crate) fn retries_after(code: ErrorCode) -> bool {
        use ErrorCode::{InteractionRequired, PolicyDenied, RefreshUnavailable};
        matches!(
            code,
            InteractionRequired | PolicyDenied | RefreshUnavailable
        )
    }

    /// Waits until it is worth trying again, after a try that was sent with `sent` ended with an error of this code: for
    /// another credential, and where a server was unavailable, for a while.
    pub(crate) async fn wait_to_retry(&mut self, code: ErrorCode, sent: Option<&Authorization>) {
        let changed = self.session.wait_for_change(sent);
        if code != ErrorCode::RefreshUnavailable {
            return changed.await;
        }
        let runtime = &*self.session.inner().held.runtime;
        let _ = timeout(runtime, self.pause, changed).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }
}
