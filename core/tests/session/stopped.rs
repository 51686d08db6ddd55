//! A process that is stopped, not dead, while it holds the lease on a file: it blocks other processes no longer than
//! the lease lasts, and undoes nothing when it continues.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use mcp_reauth::{AuthSession, FileStore, MemoryStore, Runtime, TokenStore};
use tempfile::TempDir;
use tokio::sync::watch;

use crate::support::{Bench, Fault, Mcp, Token, code, pass, settle};

/// For how many seconds a lease on a file is left to a process that is alive, with the grace period.
const LEASE: std::ops::RangeInclusive<u64> = 164..=170;
/// The same if the store cannot see whether the holder is alive.
const UNSEEN: std::ops::RangeInclusive<u64> = 13..=17;
/// How long a call waits for a lease, in seconds.
const TURN: u64 = 30;

/// A process that can be stopped: none of its timers then expires.
#[derive(Clone)]
struct Process {
    bench: Bench,
    stopped: Arc<watch::Sender<bool>>,
}

impl Runtime for Process {
    fn now(&self) -> SystemTime {
        self.bench.runtime.now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let sleep = self.bench.runtime.sleep(duration);
        let mut stopped = self.stopped.subscribe();
        Box::pin(async move {
            sleep.await;
            let _ = stopped.wait_for(|stopped| !stopped).await;
        })
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.bench.runtime.spawn(task);
    }
}

/// Two signed-in processes with one file: one that can be stopped and has no user, and one that cannot and has a user.
struct Two {
    bench: Bench,
    process: Process,
    one: AuthSession,
    two: AuthSession,
    _folder: Option<TempDir>,
}

impl Two {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = FileStore::new(folder.path().join("credentials.json"));
        Self {
            _folder: Some(folder),
            ..Self::at(store).await
        }
    }

    async fn at(store: impl TokenStore + Clone) -> Self {
        let bench = Bench::new();
        let process = Process {
            bench: bench.clone(),
            stopped: Arc::new(watch::Sender::new(false)),
        };
        let attended = bench
            .builder()
            .host(bench.host.clone())
            .store(store.clone());
        let two = attended.open().await.expect("the session opens");
        assert_eq!(bench.send(&two, "").await, Ok(200));
        let one = bench.builder().runtime(process.clone()).store(store);
        let one = one.open().await.expect("the session opens");
        bench.world.servers(|s| s.revoke_access());
        bench.world.take();
        Self {
            bench,
            process,
            one,
            two,
            _folder: None,
        }
    }

    fn stop(&self, stopped: bool) {
        self.process.stopped.send_replace(stopped);
    }

    /// The second process makes calls while the first is stopped. Returns how long it took until one succeeded.
    async fn second_waited(&self) -> u64 {
        let began = self.bench.runtime.elapsed();
        loop {
            let before = self.bench.runtime.elapsed();
            let ended = self.bench.send(&self.two, "").await;
            let took = (self.bench.runtime.elapsed() - before).as_secs();
            assert!(took <= TURN, "{took} s");
            match ended {
                Ok(200) => return (self.bench.runtime.elapsed() - began).as_secs(),
                other => assert_eq!(code(&other), "refresh_unavailable"),
            }
        }
    }

    /// Asserts that both continue with the second one's credential.
    async fn agree(&self) {
        let newest = self.two.authorization();
        self.bench.world.take();
        for session in [&self.one, &self.two] {
            assert_eq!(self.bench.send(session, "").await, Ok(200));
            assert_eq!(session.authorization(), newest);
        }
        assert_eq!(self.bench.world.trace(), [Mcp, Mcp]);
    }
}

#[tokio::test(start_paused = true)]
async fn stopped_between_two_tries_it_does_not_present_what_another_has_used() {
    let two = Two::new().await;
    two.bench.world.next(Token, Fault::Connection);
    let first = two.bench.spawn(&two.one, "");
    while two.bench.world.count(Token) == 0 {
        settle().await;
    }
    two.stop(true);
    let waited = two.second_waited().await;
    assert!(LEASE.contains(&waited), "{waited} s");
    two.stop(false);
    assert_eq!(first.await.expect("no panic"), Ok(200));
    assert_eq!(two.bench.world.count(Token), 2, "one of each");
    two.agree().await;
    assert_eq!(two.bench.host.prompts(), (0, 1));
    two.bench.assert_no_reuse();
}

#[tokio::test(start_paused = true)]
async fn stopped_before_its_answer_it_undoes_no_sign_in() {
    let two = Two::new().await;
    let gate = two.bench.world.hold(Token);
    let first = two.bench.spawn(&two.one, "");
    gate.reached().await;
    two.stop(true);
    // New requests get a response; the held one stays held.
    two.bench.world.unhold(Token);
    let waited = two.second_waited().await;
    assert!(LEASE.contains(&waited), "{waited} s");
    // The server saw a refresh token twice; the user signed in.
    assert_eq!(two.bench.host.prompts(), (0, 2));
    two.stop(false);
    gate.open();
    assert_eq!(first.await.expect("no panic"), Ok(200));
    two.agree().await;
    assert_eq!(two.bench.host.prompts(), (0, 2));
}

/// For such a store, a crashed process is one that never continues.
#[tokio::test(start_paused = true)]
async fn crash_in_a_renewal_costs_others_seconds_where_the_store_does_not_see_it() {
    let two = Two::at(MemoryStore::new()).await;
    two.bench.world.next(Token, Fault::Connection);
    let first = two.bench.spawn(&two.one, "");
    while two.bench.world.count(Token) == 0 {
        settle().await;
    }
    two.stop(true);
    let waited = two.second_waited().await;
    assert!(UNSEEN.contains(&waited), "{waited} s");
    first.abort();
    assert_eq!(two.bench.host.prompts(), (0, 1));
    two.bench.assert_no_reuse();
}

/// The machine sleeps during a renewal, for longer than a lease lasts, and all processes wake up at once. The first
/// gets its response some time later, and the second adopts the result.
#[tokio::test(start_paused = true)]
async fn machine_that_sleeps_during_a_renewal_costs_nobody_anything() {
    for answered_after in [1, 7, 18] {
        let two = Two::new().await;
        let gate = two.bench.world.hold(Token);
        let first = two.bench.spawn(&two.one, "");
        gate.reached().await;
        two.bench.world.unhold(Token);
        two.bench.runtime.machine_sleeps(600);
        let second = two.bench.spawn(&two.two, "");
        pass(answered_after).await;
        gate.open();
        assert_eq!(second.await.expect("no panic"), Ok(200));
        assert_eq!(first.await.expect("no panic"), Ok(200));
        assert_eq!(two.bench.world.count(Token), 1);
        two.agree().await;
        assert_eq!(two.bench.host.prompts(), (0, 1));
        two.bench.assert_no_reuse();
    }
}

/// What arrived during a suspension is read before any limit counts as reached: the refresh token is used once.
#[tokio::test(start_paused = true)]
async fn an_answer_that_came_while_the_process_stood_still_is_read() {
    for stood_still in [5, 19, 21, 60, 600] {
        let bench = Bench::new();
        let session = bench.signed_in("").await;
        bench.world.servers(|s| s.revoke_access());
        let gate = bench.world.hold(Token);
        let call = bench.spawn(&session, "");
        gate.reached().await;
        settle().await;
        // All that time passes at once. The server responded meanwhile, and its response is read a moment later.
        tokio::time::advance(Duration::from_secs(stood_still)).await;
        settle().await;
        gate.open();
        assert_eq!(call.await.expect("it ran"), Ok(200), "{stood_still}");
        assert_eq!(bench.world.count(Token), 1, "{stood_still}");
        bench.assert_no_reuse();
        assert_eq!(bench.host.prompts(), (0, 1));
    }
}
