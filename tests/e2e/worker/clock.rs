//! The worker's clock, which its test controls.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use futures_util::future::BoxFuture;
use mcp_reauth::{Runtime, TokioRuntime};

/// Tokio's runtime with an adjustable wall clock and faster time.
#[derive(Clone)]
pub(crate) struct Clock {
    began: (SystemTime, Instant),
    ahead: Arc<AtomicU64>,
    /// The factor by which time is faster.
    speed: f64,
}

impl Clock {
    pub(crate) fn new(speed: f64) -> Self {
        Self {
            began: (SystemTime::now(), Instant::now()),
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
        let (wall, timer) = self.began;
        let ahead = Duration::from_secs(self.ahead.load(Ordering::Relaxed));
        wall + timer.elapsed().mul_f64(self.speed) + ahead
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        TokioRuntime.sleep(duration.div_f64(self.speed))
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        TokioRuntime.spawn(task);
    }
}
