//! What core needs of its surroundings: the wall clock, waiting, and running a task on its own.

use std::pin::pin;
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

/// The clock, sleeping and spawning. Replaceable, so that tests can own time and a host can bring its
/// own executor.
#[auto_impl::auto_impl(Arc)]
pub trait Runtime: Send + Sync + 'static {
    /// Wall-clock time. Expiry is reckoned by it, so it goes on while the machine sleeps.
    fn now(&self) -> SystemTime;

    /// Completes after `duration`.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;

    /// Runs `task` to its end, on its own: dropping a caller must not cancel it.
    fn spawn(&self, task: BoxFuture<'static, ()>);
}

/// Seconds since 1970 (UTC), the form times have in records; 0 for anything earlier.
pub(crate) fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_secs())
}

/// In how many parts a limit is counted.
const PARTS: u32 = 20;

/// Runs `future`, but not longer than `limit` of the time in which the process runs. A process that is stopped, or whose
/// machine sleeps, finds all its timers over when it goes on, and what came meanwhile not read yet: so the limit is
/// counted in parts, of which one is over then.
pub async fn timeout<T>(
    runtime: &dyn Runtime,
    limit: Duration,
    future: impl Future<Output = T>,
) -> Option<T> {
    let mut future = pin!(future);
    let part = (limit / PARTS).max(Duration::from_secs(1));
    let mut left = limit;
    loop {
        let now = left.min(part);
        tokio::select! {
            biased;
            value = &mut future => return Some(value),
            () = runtime.sleep(now) => left -= now,
        }
        if left.is_zero() {
            return None;
        }
    }
}

/// Runs `work` on its own, and waits for it, but not longer than `limit`: `None`, and it goes on; `late` is given what
/// it comes to.
pub(crate) async fn detached<T: Send + 'static>(
    runtime: &dyn Runtime,
    limit: Duration,
    work: impl Future<Output = T> + Send + 'static,
    late: impl FnOnce(T) + Send + 'static,
) -> Option<T> {
    let (sender, ended) = oneshot::channel();
    runtime.spawn(Box::pin(async move {
        if let Err(unheard) = sender.send(work.await) {
            late(unheard);
        }
    }));
    timeout(runtime, limit, ended).await?.ok()
}

/// The tokio runtime that is current where a session is used.
#[cfg(feature = "tokio")]
#[derive(Debug, Clone, Copy, Default)]
pub struct TokioRuntime;

#[cfg(feature = "tokio")]
impl Runtime for TokioRuntime {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        drop(tokio::spawn(task));
    }
}
