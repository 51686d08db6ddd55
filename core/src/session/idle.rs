//! When an idle event stream tries again.

use std::time::Duration;

use crate::error::ErrorCode;
use crate::runtime::timeout;
use crate::session::{AuthSession, Authorization};

/// The first pause while the authorization server is unavailable; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// An event stream that no caller waits for, over all tries to open it. It must not prompt the user, and clients open
/// it only once: if it cannot be authorized now, it waits until it can.
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

    /// Whether to try again after an error with this code. Any other error is final and goes to the caller.
    pub(crate) fn retries_after(code: ErrorCode) -> bool {
        use ErrorCode::{InteractionRequired, PolicyDenied, RefreshUnavailable};
        matches!(
            code,
            InteractionRequired | PolicyDenied | RefreshUnavailable
        )
    }

    /// Waits until trying again may succeed, after a try with the credential `sent` ended with this code: until the
    /// credential changes or, if a server was unavailable, for a pause.
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
