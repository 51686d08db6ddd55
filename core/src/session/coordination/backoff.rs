//! Backoff: after a failed silent renewal, ambient requests wait before the next try. Commands wait only if the server
//! asked for it.

use crate::error::Error;
use crate::recovery::{Attempt, Tried, Trigger};
use crate::sync::{Mutex, MutexGuard, lock};

/// The first pause after a failure, in seconds; it doubles with each further failure.
const FIRST_PAUSE: u64 = 5;
/// The longest pause, in seconds.
const LONGEST_PAUSE: u64 = 300;

/// The last failed renewal. `C` identifies what was to be renewed.
pub(crate) struct Backoff<C>(Mutex<State<C>>);

struct State<C> {
    failed: Option<Failed<C>>,
    /// Failures in a row, over all credentials.
    failures: u32,
    /// The credential that `InteractionRequired` was already reported for.
    announced: Option<Option<C>>,
}

struct Failed<C> {
    credential: Option<C>,
    attempt: Attempt,
    /// `None`: it succeeded, but the server rejected the new credential too.
    error: Option<Error>,
    since: u64,
    /// How long ambient requests wait; `None`: until the credential changes.
    pause: Option<u64>,
    /// The pause that the server asked for, which holds for commands too.
    retry_after: Option<u64>,
}

impl<C> Default for Backoff<C> {
    fn default() -> Self {
        Self(Mutex::new(State::default()))
    }
}

impl<C> Default for State<C> {
    fn default() -> Self {
        Self {
            failed: None,
            failures: 0,
            announced: None,
        }
    }
}

impl<C: PartialEq> Backoff<C> {
    /// Returns the result of the last renewal of this credential, if it is too early to try again.
    pub(crate) fn verdict(
        &self,
        credential: Option<&C>,
        trigger: Trigger,
        now: u64,
    ) -> Option<Tried<Error>> {
        let state = self.lock();
        let failed = state
            .failed
            .as_ref()
            .filter(|f| f.credential.as_ref() == credential)?;
        // A clock that was set back must not prolong the pause.
        let within = |pause: u64| now >= failed.since && now < failed.since.saturating_add(pause);
        let holds = match trigger {
            Trigger::Ambient => failed.pause.is_none_or(within),
            Trigger::Command => failed.retry_after.is_some_and(within),
        };
        holds.then(|| match &failed.error {
            Some(error) => Tried::Failed(failed.attempt, error.clone()),
            None => Tried::Succeeded,
        })
    }

    /// Records a failed renewal.
    pub(crate) fn note(&self, credential: Option<C>, attempt: Attempt, error: Error, now: u64) {
        let mut state = self.lock();
        state.failures = state.failures.saturating_add(1);
        let doubled = FIRST_PAUSE << (state.failures - 1).min(6);
        let retry_after = match &error {
            // The server's pause is limited.
            Error::RefreshUnavailable { retry_after, .. } => {
                retry_after.map(|seconds| seconds.min(LONGEST_PAUSE))
            }
            _ => None,
        };
        let pause = doubled.min(LONGEST_PAUSE).max(retry_after.unwrap_or(0));
        state.failed = Some(Failed {
            credential,
            attempt,
            error: Some(error),
            since: now,
            pause: (attempt == Attempt::Unreachable).then_some(pause),
            retry_after,
        });
    }

    /// Records that the server rejected a renewed credential too: renewing it again is useless until it changes.
    pub(crate) fn note_useless(&self, credential: Option<C>, now: u64) {
        self.lock().failed = Some(Failed {
            credential,
            attempt: Attempt::Succeeded,
            error: None,
            since: now,
            pause: None,
            retry_after: None,
        });
    }

    /// Returns how many renewals in a row have failed.
    pub(crate) fn failures(&self) -> u32 {
        self.lock().failures
    }

    /// Clears the backoff, so that all callers may try again.
    pub(crate) fn reset(&self) {
        *self.lock() = State::default();
    }

    /// Records that this credential needs the user, and returns whether that is new.
    pub(crate) fn announce(&self, credential: Option<C>) -> bool {
        let mut state = self.lock();
        if state.announced.as_ref() == Some(&credential) {
            return false;
        }
        state.announced = Some(credential);
        true
    }

    fn lock(&self) -> MutexGuard<'_, State<C>> {
        lock(&self.0)
    }
}
