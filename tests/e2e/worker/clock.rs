//! The worker's clock, which its test moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use mcp_reauth::{Runtime, TokioRuntime};

/// Tokio's runtime with a wall clock that can be moved forward and waits of another length.
#[derive(Clone)]
pub(crate) struct Clock {
    ahead: Arc<AtomicU64>,
    /// How much faster waits pass.
    speed: f64,
}

impl Clock {
    pub(crate) fn new(speed: f64) -> Self {
        Self {
            ahead: Arc::default(),
            speed,
        }
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.ahead.fetch_add(seconds, Ordering::Relaxed);
    }
}

impl Runtime for Clock {
    fn now(&self) -> SystemTime {
        SystemTime::now() + Duration::from_secs(self.ahead.load(Ordering::Relaxed))
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        TokioRuntime.sleep(duration.div_f64(self.speed))
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        TokioRuntime.spawn(task);
    }
}
