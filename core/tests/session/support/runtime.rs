//! Time that only tests move: the client's wall clock, the servers' clock, timers.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use mcp_reauth::Runtime;

use super::schedule;

/// When every test begins, in seconds since 1970.
const BEGIN: u64 = 1_800_000_000;

/// Virtual time. Clones share it.
#[derive(Clone)]
pub(crate) struct TestRuntime(Arc<Times>);

struct Times {
    #[cfg(not(shuttle))]
    start: tokio::time::Instant,
    /// How far the client's wall clock is ahead of the timers; it can be set back to before 1970.
    client: AtomicI64,
    /// How far the servers' clock is ahead of the timers.
    server: AtomicU64,
}

impl TestRuntime {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Times {
            #[cfg(not(shuttle))]
            start: tokio::time::Instant::now(),
            client: AtomicI64::new(BEGIN.cast_signed()),
            server: AtomicU64::new(BEGIN),
        }))
    }

    /// Returns the virtual time since the test began.
    #[cfg(not(shuttle))]
    pub(crate) fn elapsed(&self) -> Duration {
        self.0.start.elapsed()
    }

    /// No time passes under the model checker.
    #[cfg(shuttle)]
    pub(crate) fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    /// Returns the time of the servers' clock.
    pub(crate) fn server_seconds(&self) -> u64 {
        self.0.server.load(Ordering::SeqCst) + self.elapsed().as_secs()
    }

    /// Suspends the client's machine: every wall clock advances, its timers do not.
    pub(crate) fn machine_sleeps(&self, seconds: u64) {
        self.0
            .client
            .fetch_add(seconds.cast_signed(), Ordering::SeqCst);
        self.0.server.fetch_add(seconds, Ordering::SeqCst);
    }

    /// Sets back the client's clock only.
    pub(crate) fn set_clock_back(&self, seconds: u64) {
        self.0
            .client
            .fetch_sub(seconds.cast_signed(), Ordering::SeqCst);
    }

    /// Sets the client's clock to this many seconds after 1970, or before.
    pub(crate) fn set_clock_to(&self, seconds: i64) {
        let offset = seconds - self.elapsed().as_secs().cast_signed();
        self.0.client.store(offset, Ordering::SeqCst);
    }

    /// Sets forward the client's clock only.
    pub(crate) fn set_clock_forward(&self, seconds: u64) {
        self.0
            .client
            .fetch_add(seconds.cast_signed(), Ordering::SeqCst);
    }
}

impl Runtime for TestRuntime {
    fn now(&self) -> SystemTime {
        let offset = self.0.client.load(Ordering::SeqCst);
        let size = Duration::from_secs(offset.unsigned_abs());
        let begin = match offset {
            ..0 => SystemTime::UNIX_EPOCH - size,
            0.. => SystemTime::UNIX_EPOCH + size,
        };
        begin + self.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        schedule::sleep(duration)
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        drop(schedule::spawn(task));
    }
}

/// Lets every task run as far as it can without time passing.
pub(crate) async fn settle() {
    for _ in 0..300 {
        schedule::yield_now().await;
    }
}

/// Lets virtual time pass.
pub(crate) async fn pass(seconds: u64) {
    schedule::sleep(Duration::from_secs(seconds)).await;
}
