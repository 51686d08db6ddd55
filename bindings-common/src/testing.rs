//! Functions for the tests of bindings: the shared vectors, for behaviour that the language's API does not expose, and
//! a clock that tests can advance.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use mcp_reauth::{Runtime, TokioRuntime};
use serde_json::Value;

/// The result of a vector of `file` with this JSON input, as JSON; `None` if the input is not JSON.
#[must_use]
pub fn vector(file: &str, input: &str) -> Option<String> {
    let input: Value = serde_json::from_str(input).ok()?;
    Some(mcp_reauth::vectors::answer(file, &input).to_string())
}

/// The offset of the clock in seconds.
static AHEAD: AtomicU64 = AtomicU64::new(0);

/// Advances the clock of all sessions.
pub fn advance_clock(seconds: u32) {
    AHEAD.fetch_add(seconds.into(), Ordering::Relaxed);
}

/// The system time plus the offset.
pub(crate) struct Clock;

impl Runtime for Clock {
    fn now(&self) -> SystemTime {
        TokioRuntime.now() + Duration::from_secs(AHEAD.load(Ordering::Relaxed))
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        TokioRuntime.sleep(duration)
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        TokioRuntime.spawn(task);
    }
}
