//! Single flight: one background task at a time, whose result all callers share.

use std::sync::Arc;

use crate::threads::{BoxFuture, MaybeSend, MaybeSync};
use tokio::sync::watch;

use crate::runtime::Runtime;
use crate::sync::{Mutex, lock};

type Landing<T> = watch::Receiver<Option<Arc<T>>>;

/// At most one task at a time. A caller that arrives while it runs shares its result; a caller that stops waiting
/// affects neither the task nor the other callers.
pub(crate) struct Flight<T> {
    slot: Arc<Mutex<Option<Landing<T>>>>,
}

impl<T> Default for Flight<T> {
    fn default() -> Self {
        Self {
            slot: Arc::default(),
        }
    }
}

impl<T: MaybeSend + MaybeSync + 'static> Flight<T> {
    /// Returns the result of the running task or, if there is none, starts one. `None` if the runtime dropped the task
    /// before it ended.
    pub(crate) async fn join(
        &self,
        runtime: &dyn Runtime,
        start: impl FnOnce() -> BoxFuture<'static, T>,
    ) -> Option<Arc<T>> {
        let mut landing = self.board(runtime, start);
        let result = landing.wait_for(Option::is_some).await.ok()?;
        result.clone()
    }

    fn board(
        &self,
        runtime: &dyn Runtime,
        start: impl FnOnce() -> BoxFuture<'static, T>,
    ) -> Landing<T> {
        let mut slot = lock(&self.slot);
        if let Some(landing) = &*slot {
            return landing.clone();
        }
        let (result, landing) = watch::channel(None);
        *slot = Some(landing.clone());
        drop(slot);
        let task = start();
        let cleared = ClearOnDrop(Arc::clone(&self.slot));
        runtime.spawn(Box::pin(async move {
            let value = task.await;
            // Clear the slot before publishing the result: a caller that arrives in between starts a new task, which
            // finds the work done.
            drop(cleared);
            result.send_replace(Some(Arc::new(value)));
        }));
        landing
    }
}

/// Clears the slot, even if the task panics or never runs.
struct ClearOnDrop<T>(Arc<Mutex<Option<Landing<T>>>>);

impl<T> Drop for ClearOnDrop<T> {
    fn drop(&mut self) {
        *lock(&self.0) = None;
    }
}

/// Every interleaving of a few callers; run by `./test interleavings`.
#[cfg(all(test, shuttle))]
mod interleavings {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::time::{Duration, SystemTime};

    use shuttle::future::{block_on, spawn, yield_now};

    use super::*;

    struct Turns;

    impl Runtime for Turns {
        fn now(&self) -> SystemTime {
            SystemTime::UNIX_EPOCH
        }

        fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
            Box::pin(std::future::pending())
        }

        fn spawn(&self, task: BoxFuture<'static, ()>) {
            drop(spawn(task));
        }
    }

    #[derive(Default)]
    struct World {
        flight: Flight<usize>,
        /// How many tasks run now, and how many have started.
        running: AtomicUsize,
        begun: AtomicUsize,
    }

    impl World {
        /// Requests a task, which returns how many started before it.
        async fn ask(self: &Arc<Self>, panics: bool) -> Option<usize> {
            let world = Arc::clone(self);
            let start = move || -> BoxFuture<'static, usize> {
                Box::pin(async move {
                    assert_eq!(world.running.fetch_add(1, SeqCst), 0, "two at a time");
                    let number = world.begun.fetch_add(1, SeqCst);
                    yield_now().await;
                    assert_eq!(world.running.fetch_sub(1, SeqCst), 1);
                    if panics {
                        std::panic::resume_unwind(Box::new("the task panics"));
                    }
                    number
                })
            };
            self.flight.join(&Turns, start).await.map(|number| *number)
        }
    }

    fn in_every_order(test: fn()) {
        shuttle::check_dfs(test, None);
    }

    #[test]
    fn one_task_at_a_time_and_a_result_for_everybody() {
        in_every_order(|| {
            let world = Arc::<World>::default();
            let callers: Vec<_> = (0..2)
                .map(|_| {
                    let world = Arc::clone(&world);
                    spawn(async move { world.ask(false).await.expect("it ends") })
                })
                .collect();
            block_on(async {
                for caller in callers {
                    assert!(caller.await.expect("no panic") < 2);
                }
            });
        });
    }

    #[test]
    fn who_asks_after_an_end_does_not_get_it_again() {
        in_every_order(|| {
            let world = Arc::<World>::default();
            let other = Arc::clone(&world);
            let other = spawn(async move { other.ask(false).await });
            block_on(async {
                let first = world.ask(false).await.expect("it ends");
                let second = world.ask(false).await.expect("it ends");
                assert!(second > first, "an old result");
                assert!(other.await.expect("no panic").is_some());
            });
        });
    }

    #[test]
    fn caller_that_leaves_takes_nothing_along() {
        in_every_order(|| {
            let world = Arc::<World>::default();
            let leaving = Arc::clone(&world);
            let leaving = spawn(async move { leaving.ask(false).await });
            block_on(async {
                leaving.abort();
                assert!(world.ask(false).await.is_some());
            });
        });
    }
}
