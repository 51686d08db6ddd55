//! What the tests of bindings need besides: the shared vectors, for what a language has no API of its own, and a clock to
//! put forward.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use mcp_reauth::{Runtime, TokioRuntime};
use serde_json::Value;

/// What a vector of `file` with this input (JSON) comes to, in JSON; `None` when the input is none.
#[must_use]
pub fn vector(file: &str, input: &str) -> Option<String> {
    let input: Value = serde_json::from_str(input).ok()?;
    Some(mcp_reauth::vectors::answer(file, &input).to_string())
}

/// How many seconds the clock was put forward.
static AHEAD: AtomicU64 = AtomicU64::new(0);

/// Puts the clock of all sessions forward.
pub fn advance_clock(seconds: u32) {
    AHEAD.fetch_add(seconds.into(), Ordering::Relaxed);
}

/// The time of this machine, and what it was put forward by.
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
