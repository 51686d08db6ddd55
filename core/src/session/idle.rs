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
pub struct IdleStream {
    session: AuthSession,
    pause: Duration,
}

impl IdleStream {
    pub(super) fn new(session: AuthSession) -> Self {
        Self {
            session,
            pause: FIRST_PAUSE,
        }
    }

    /// Waits until it is worth trying again, after a try that was sent with `sent` ended with an error of this
    /// [`code`](crate::Error::code): for another credential, or for a while. `false`: the error is final, and for the
    /// caller to tell.
    pub async fn outlast(&mut self, code: ErrorCode, sent: Option<&Authorization>) -> bool {
        match code {
            ErrorCode::InteractionRequired | ErrorCode::PolicyDenied => {
                self.session.changed(sent).await;
            }
            ErrorCode::RefreshUnavailable => {
                let runtime = &*self.session.inner().runtime;
                let _ = timeout(runtime, self.pause, self.session.changed(sent)).await;
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
            }
            _ => return false,
        }
        true
    }
}
