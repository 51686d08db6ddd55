//! Whole sessions in many interleavings: at every lock, every request and every step of the store, any task that can
//! run may run next. `./test interleavings` runs it, in a build of its own (`--cfg shuttle`).
#![cfg(shuttle)]

#[allow(dead_code, unused_imports)]
#[path = "session/support/mod.rs"]
mod support;

use mcp_reauth::{AuthSession, Error};
use shuttle::future::{block_on, spawn, yield_now};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner};

use support::{Answer, Bench, Kind, Token, Visit, all};

/// How many interleavings of each scenario are tried.
const TRIES: usize = 1_000;

/// Runs a scenario in random interleavings, and in others that expose rare bugs (probabilistic concurrency testing: few
/// switches, at any place).
fn in_many_orders<F: Future<Output = ()> + 'static>(scenario: fn() -> F) {
    let run = move || block_on(scenario());
    let mut config = Config::new();
    // The futures of a session need a large stack in a debug build.
    config.stack_size = 1024 * 1024;
    Runner::new(RandomScheduler::new(TRIES), config.clone()).run(run);
    Runner::new(PctScheduler::new(3, TRIES), config).run(run);
}

async fn succeed(bench: &Bench, session: &AuthSession, scopes: &[&str]) {
    let tasks = scopes.iter().map(|scope| bench.spawn(session, scope));
    let results = all(tasks.collect()).await;
    assert!(results.iter().all(|r| *r == Ok(200)), "{results:?}");
}

#[test]
fn failures_are_one_refresh() {
    in_many_orders(|| async {
        let bench = Bench::new();
        let session = bench.signed_in("").await;
        bench.world.servers(|s| s.revoke_access());
        succeed(&bench, &session, &["", "", ""]).await;
        assert_eq!(bench.world.count(Token), 1);
        assert_eq!(bench.host.prompts(), (0, 1));
        bench.assert_no_reuse();
        bench.assert_free().await;
    });
}

#[test]
fn failures_of_two_sessions_are_one_refresh() {
    in_many_orders(|| async {
        let bench = Bench::new();
        let one = bench.signed_in("").await;
        let other = bench.open().await;
        bench.world.servers(|s| s.revoke_access());
        let tasks = [&one, &other, &one].map(|session| bench.spawn(session, ""));
        let results = all(tasks.into()).await;
        assert!(results.iter().all(|r| *r == Ok(200)), "{results:?}");
        assert_eq!(bench.world.count(Token), 1);
        bench.assert_no_reuse();
        bench.assert_free().await;
    });
}

#[test]
fn first_requests_are_one_sign_in() {
    in_many_orders(|| async {
        let bench = Bench::new();
        let session = bench.open().await;
        succeed(&bench, &session, &["", "", ""]).await;
        assert_eq!(bench.host.prompts(), (0, 1));
        assert_eq!(bench.world.count(Kind::Register), 1);
        assert_eq!(bench.world.count(Token), 1);
    });
}

#[test]
fn step_ups_for_one_scope_are_one_question() {
    in_many_orders(|| async {
        let bench = Bench::new();
        let session = bench.signed_in("").await;
        succeed(&bench, &session, &["a", "a", "a"]).await;
        assert_eq!(bench.host.prompts(), (1, 2));
        assert_eq!(bench.world.count(Token), 1);
    });
}

#[test]
fn step_ups_for_different_scopes_are_at_most_one_question_each() {
    in_many_orders(|| async {
        let bench = Bench::new();
        let session = bench.signed_in("").await;
        succeed(&bench, &session, &["a", "b", "a b"]).await;
        let (questions, pages) = bench.host.prompts();
        assert!((1..=2).contains(&questions), "{questions} questions");
        assert_eq!(pages, 1 + questions);
    });
}

#[test]
fn no_fails_exactly_those_who_needed_it() {
    in_many_orders(|| async {
        let bench = Bench::new();
        let session = bench.signed_in("").await;
        bench.host.answers(Answer::No);
        let tasks = ["a", "b", ""].map(|scope| bench.spawn(&session, scope));
        let results = all(tasks.into()).await;
        assert_eq!(results[2], Ok(200));
        let wanted: Vec<_> = results
            .iter()
            .filter_map(|result| match result {
                Err(Error::ConsentDenied { wanted, .. }) => Some(wanted.to_string()),
                Err(other) => panic!("{other}"),
                Ok(_) => None,
            })
            .collect();
        // One refusal applies to what was asked for then: one of both, or both.
        let asked = bench.host.consents()[0].challenge.required_scopes.len();
        assert_eq!(wanted.len(), asked, "{results:?}");
    });
}

#[test]
fn renewal_goes_on_when_its_callers_leave() {
    in_many_orders(|| async {
        let bench = Bench::new();
        let session = bench.signed_in("").await;
        bench.world.servers(|s| s.revoke_access());
        let leaving = [bench.spawn(&session, ""), bench.spawn(&session, "")];
        let staying = bench.spawn(&session, "");
        for task in leaving {
            task.abort();
            yield_now().await;
        }
        assert_eq!(staying.await.expect("no panic"), Ok(200));
        assert_eq!(bench.world.count(Token), 1);
        bench.assert_no_reuse();
        bench.assert_free().await;
    });
}

#[test]
fn step_up_goes_on_when_its_callers_leave() {
    in_many_orders(|| async {
        let bench = Bench::new();
        let session = bench.signed_in("").await;
        let leaving = [bench.spawn(&session, "a"), bench.spawn(&session, "a")];
        let staying = bench.spawn(&session, "a");
        for task in leaving {
            task.abort();
            yield_now().await;
        }
        assert_eq!(staying.await.expect("no panic"), Ok(200));
        assert_eq!(bench.host.prompts(), (1, 2));
    });
}

#[test]
fn signing_out_is_not_undone_by_a_renewal() {
    in_many_orders(|| async {
        let bench = Bench::new();
        let session = bench.signed_in("").await;
        bench.world.servers(|s| s.revoke_access());
        // There is no user who could sign in again.
        let request = {
            let (bench, session) = (bench.clone(), bench.builder().open().await);
            let session = session.expect("the session opens");
            spawn(async move { bench.send(&session, "").await })
        };
        session.sign_out().await.expect("signed out");
        let _ = request.await.expect("no panic");
        let next = bench.open().await;
        assert!(next.authorization().is_none(), "it came back");
        assert_eq!(bench.world.servers(|s| s.live_tokens()), 0);
    });
}

#[test]
fn session_that_is_dropped_shows_nobody_anything_afterwards() {
    in_many_orders(|| async {
        let bench = Bench::new();
        let session = bench.open().await;
        let request = bench.spawn(&session, "");
        request.abort();
        drop(session);
        let shown = bench.world.count(Visit);
        for _ in 0..50 {
            yield_now().await;
        }
        assert!(bench.world.count(Visit) <= shown.max(1));
        bench.assert_free().await;
    });
}
