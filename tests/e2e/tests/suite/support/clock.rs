//! Controllable time: the client's wall clock, and the speed of its waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use mcp_reauth::{Runtime, TokioRuntime};

/// Tokio's runtime with an adjustable clock and shorter waits. Clones share the clock.
#[derive(Clone)]
pub(crate) struct Clock {
    ahead: Arc<AtomicU64>,
    /// The factor by which waits are shorter.
    scale: u32,
}

impl Default for Clock {
    fn default() -> Self {
        Self::with_scale(10)
    }
}

impl Clock {
    pub(crate) fn with_scale(scale: u32) -> Self {
        Self {
            ahead: Arc::default(),
            scale,
        }
    }

    /// Advances the client's clock.
    pub(crate) fn advance(&self, seconds: u64) {
        self.ahead.fetch_add(seconds, Ordering::Relaxed);
    }
}

impl Runtime for Clock {
    fn now(&self) -> SystemTime {
        SystemTime::now() + Duration::from_secs(self.ahead.load(Ordering::Relaxed))
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        TokioRuntime.sleep(duration / self.scale)
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        TokioRuntime.spawn(task);
    }
}
