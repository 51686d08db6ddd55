//! What core needs from its environment: the wall clock, sleeping, and running a task in the background.

use std::pin::pin;
use std::time::{Duration, SystemTime};

use crate::threads::{BoxFuture, MaybeSend, MaybeSync};
use tokio::sync::oneshot;

/// The clock, sleeping and spawning. Replaceable, so that tests can control time and a host can bring its own executor.
#[auto_impl::auto_impl(Arc)]
pub trait Runtime: MaybeSend + MaybeSync + 'static {
    /// Returns the wall-clock time. Expiry is computed from it, so it advances while the machine sleeps.
    fn now(&self) -> SystemTime;

    /// Completes after `duration`.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;

    /// Runs `task` to completion in the background: dropping a caller must not cancel it.
    fn spawn(&self, task: BoxFuture<'static, ()>);
}

/// Returns seconds since 1970 (UTC), the form of times in records; 0 for anything earlier.
pub(crate) fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_secs())
}

/// Into how many parts a limit is divided.
const PARTS: u32 = 20;

/// Runs `future` for at most `limit` of the time in which the process runs. When a suspended process or machine
/// resumes, its timers have expired, but it has not yet read what arrived meanwhile. The limit is therefore counted in
/// parts, and a suspension uses up only one of them.
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

/// Runs `work` in the background and waits for it for at most `limit`. After that it returns `None`, `work` continues,
/// and `late` receives its result.
pub(crate) async fn detached<T: MaybeSend + 'static>(
    runtime: &dyn Runtime,
    limit: Duration,
    work: impl Future<Output = T> + MaybeSend + 'static,
    late: impl FnOnce(T) + MaybeSend + 'static,
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
