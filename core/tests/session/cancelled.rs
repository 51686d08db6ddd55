//! A caller that stops waiting changes nothing for the work or for other callers.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use mcp_reauth::Error;
use tokio::task::yield_now;

use crate::support::{Answer, Bench, Gate, Journey, Kind, Mcp, Token, settle};

#[tokio::test(start_paused = true)]
async fn refresh_goes_on_when_the_caller_that_began_it_is_gone() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    let old = session.authorization();
    bench.world.servers(|s| s.revoke_access());
    let gate = bench.world.hold(Token);
    let first = bench.spawn(&session, "");
    gate.reached().await;
    let second = bench.spawn(&session, "");
    settle().await;
    first.abort();
    settle().await;
    gate.open();
    assert_eq!(second.await.expect("no panic"), Ok(200));
    assert_ne!(session.authorization(), old);
    assert_eq!(bench.world.count(Token), 1);
    // The new credential is also in the store.
    let sibling = bench.open().await;
    assert_eq!(sibling.authorization(), session.authorization());
    bench.assert_free().await;
    bench.assert_no_reuse();
}

#[tokio::test(start_paused = true)]
async fn refresh_that_nobody_waits_for_any_more_is_stored() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.world.servers(|s| s.revoke_access());
    let gate = bench.world.hold(Token);
    let only = bench.spawn(&session, "");
    gate.reached().await;
    only.abort();
    settle().await;
    gate.open();
    settle().await;
    bench.world.take();
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp]);
    bench.assert_no_reuse();
}

#[tokio::test(start_paused = true)]
async fn refresh_survives_the_session_itself() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.world.servers(|s| s.revoke_access());
    let gate = bench.world.hold(Token);
    let only = bench.spawn(&session, "");
    gate.reached().await;
    only.abort();
    drop(session);
    settle().await;
    gate.open();
    settle().await;
    bench.world.take();
    let next = bench.open().await;
    assert_eq!(bench.send(&next, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp]);
    bench.assert_no_reuse();
}

#[tokio::test(start_paused = true)]
async fn consent_goes_on_when_the_caller_is_gone_and_the_grant_is_stored() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    let gate = Gate::new();
    bench.host.answers(Answer::Held(gate.clone(), true));
    let only = bench.spawn(&session, "a");
    gate.reached().await;
    only.abort();
    settle().await;
    gate.open();
    settle().await;
    bench.world.take();
    assert_eq!(bench.send(&session, "a").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp]);
    assert_eq!(bench.host.prompts(), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn sign_in_goes_on_when_the_caller_is_gone_and_the_grant_is_stored() {
    let bench = Bench::new();
    let session = bench.open().await;
    let gate = Gate::new();
    bench.host.journeys(Journey::Held(gate.clone()));
    let only = bench.spawn(&session, "");
    gate.reached().await;
    only.abort();
    settle().await;
    gate.open();
    settle().await;
    bench.world.take();
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp]);
    assert_eq!(bench.host.prompts(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn nobody_is_shown_anything_once_the_session_is_gone() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    let gate = Gate::new();
    bench.host.answers(Answer::Held(gate.clone(), true));
    let only = bench.spawn(&session, "a");
    gate.reached().await;
    only.abort();
    drop(session);
    settle().await;
    gate.open();
    settle().await;
    // The question was asked; the page is no longer shown.
    assert_eq!(bench.host.prompts(), (1, 1));
    let next = bench.open().await;
    assert_eq!(bench.send(&next, "").await, Ok(200));
}

/// Polls `future` up to `polls` times, and lets all other tasks run in between.
async fn poll_times<F: Future>(mut future: Pin<&mut F>, polls: usize) -> Option<F::Output> {
    for _ in 0..polls {
        let ready = poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await;
        if let Poll::Ready(output) = ready {
            return Some(output);
        }
        yield_now().await;
    }
    None
}

/// Cancels `send` after each of its polls in turn, and passes each bench to `after` for its checks.
async fn at_every_poll<S, A>(start: impl AsyncFn() -> (Bench, S), scope: &str, after: A) -> usize
where
    S: AsRef<mcp_reauth::AuthSession>,
    A: AsyncFn(&Bench, &mcp_reauth::AuthSession),
{
    for polls in 1..2000 {
        let (bench, session) = start().await;
        let session = session.as_ref();
        let mut sending = Box::pin(bench.send(session, scope));
        let done = poll_times(sending.as_mut(), polls).await;
        drop(sending);
        assert!(matches!(done, None | Some(Ok(200))), "{done:?}");
        after(&bench, session).await;
        settle().await;
        bench.assert_free().await;
        bench.assert_no_reuse();
        if done.is_some() {
            return polls;
        }
    }
    panic!("it never completes");
}

struct Held(mcp_reauth::AuthSession);

impl AsRef<mcp_reauth::AuthSession> for Held {
    fn as_ref(&self) -> &mcp_reauth::AuthSession {
        &self.0
    }
}

#[tokio::test(start_paused = true)]
async fn cancelled_at_any_poll_of_a_refresh_the_next_request_succeeds_by_one_refresh() {
    let start = async || {
        let bench = Bench::new();
        let session = bench.signed_in("").await;
        bench.world.servers(|s| s.revoke_access());
        (bench, Held(session))
    };
    let after = async |bench: &Bench, session: &mcp_reauth::AuthSession| {
        assert_eq!(bench.send(session, "").await, Ok(200));
        assert_eq!(bench.world.count(Token), 1);
        assert_eq!(bench.host.prompts(), (0, 1));
    };
    let polls = at_every_poll(start, "", after).await;
    assert!(polls > 5, "only {polls} polls");
}

#[tokio::test(start_paused = true)]
async fn cancelled_at_any_poll_of_a_step_up_the_person_is_asked_once() {
    let start = async || {
        let bench = Bench::new();
        let session = bench.signed_in("").await;
        (bench, Held(session))
    };
    let after = async |bench: &Bench, session: &mcp_reauth::AuthSession| {
        assert_eq!(bench.send(session, "a").await, Ok(200));
        assert_eq!(bench.host.prompts(), (1, 2));
        assert_eq!(bench.world.count(Token), 1);
    };
    let polls = at_every_poll(start, "a", after).await;
    assert!(polls > 5, "only {polls} polls");
}

#[tokio::test(start_paused = true)]
async fn cancelled_at_any_poll_of_a_first_sign_in_the_person_signs_in_once() {
    let start = async || {
        let bench = Bench::new();
        let session = bench.open().await;
        (bench, Held(session))
    };
    let after = async |bench: &Bench, session: &mcp_reauth::AuthSession| {
        assert_eq!(bench.send(session, "").await, Ok(200));
        assert_eq!(bench.host.prompts(), (0, 1));
        assert_eq!(bench.world.count(Token), 1);
        assert_eq!(bench.world.count(Kind::Register), 1);
    };
    let polls = at_every_poll(start, "", after).await;
    assert!(polls > 5, "only {polls} polls");
}

#[tokio::test(start_paused = true)]
async fn page_that_nobody_waits_for_any_more_is_not_shown() {
    let bench = Bench::new();
    let session = bench.open().await;
    let gate = bench.world.hold(Kind::Register);
    let only = bench.spawn(&session, "");
    gate.reached().await;
    only.abort();
    settle().await;
    gate.open();
    settle().await;
    assert_eq!(bench.host.prompts(), (0, 0));
    let state = session.connection_state().await.expect("a store");
    assert_eq!(state.pending, 0);
    // What discovery and registration found is kept.
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.host.prompts(), (0, 1));
    assert_eq!(bench.world.count(Kind::Register), 1);
}

#[tokio::test(start_paused = true)]
async fn page_is_shown_for_whoever_still_waits() {
    let bench = Bench::new();
    let session = bench.open().await;
    let gate = bench.world.hold(Kind::Register);
    let first = bench.spawn(&session, "");
    gate.reached().await;
    let second = bench.spawn(&session, "");
    settle().await;
    first.abort();
    settle().await;
    gate.open();
    assert_eq!(second.await.expect("no panic"), Ok(200));
    assert_eq!(bench.host.prompts(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn caller_who_leaves_at_any_poll_leaves_a_question_that_was_asked_or_none() {
    let mut unasked = 0;
    for polls in 1..2000 {
        let bench = Bench::new();
        let session = bench.signed_in("").await;
        let mut sending = Box::pin(bench.send(&session, "a"));
        let done = poll_times(sending.as_mut(), polls).await;
        let asked = bench.host.prompts() != (0, 1);
        drop(sending);
        settle().await;
        // A question that was asked is answered to its end; no other is asked afterwards.
        let expected = if asked { (1, 2) } else { (0, 1) };
        assert_eq!(bench.host.prompts(), expected, "after {polls} polls");
        unasked += usize::from(!asked);
        if done.is_some() {
            assert!(unasked > 2, "only {unasked} before the question");
            return;
        }
    }
    panic!("it never completes");
}

/// Cancels a request for `scope` after each of its polls in turn, while another for `other` is under way, which began
/// before it or right after it. The other request must succeed in any case.
async fn beside_another(signed_in: bool, scope: &str, other: &str, check: impl Fn(&Bench)) {
    for first in [true, false] {
        let ended = async |polls: usize| {
            let bench = Bench::new();
            let session = match signed_in {
                true => bench.signed_in("").await,
                false => bench.open().await,
            };
            if scope.is_empty() {
                bench.world.servers(|s| s.revoke_access());
            }
            let staying = bench.spawn(&session, other);
            if first {
                yield_now().await;
            }
            let mut leaving = Box::pin(bench.send(&session, scope));
            let done = poll_times(leaving.as_mut(), polls).await;
            drop(leaving);
            let stayed = staying.await.expect("no panic");
            assert_eq!(stayed, Ok(200), "after {polls} polls");
            settle().await;
            check(&bench);
            bench.assert_free().await;
            bench.assert_no_reuse();
            done.is_some()
        };
        let mut polls = 1;
        while !ended(polls).await {
            polls += 1;
            assert!(polls < 2000, "it never completes");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn cancelled_at_any_poll_beside_another_refresh() {
    let check = |bench: &Bench| assert_eq!(bench.world.count(Token), 1);
    beside_another(true, "", "", check).await;
}

#[tokio::test(start_paused = true)]
async fn cancelled_at_any_poll_beside_another_sign_in() {
    let check = |bench: &Bench| assert_eq!(bench.host.prompts(), (0, 1));
    beside_another(false, "", "", check).await;
}

#[tokio::test(start_paused = true)]
async fn cancelled_at_any_poll_beside_a_step_up_for_the_same_scope() {
    let check = |bench: &Bench| assert_eq!(bench.host.prompts(), (1, 2));
    beside_another(true, "a", "a", check).await;
}

#[tokio::test(start_paused = true)]
async fn cancelled_at_any_poll_beside_a_step_up_for_another_scope() {
    let check = |bench: &Bench| {
        let (questions, pages) = bench.host.prompts();
        assert!(
            questions <= 2 && pages == 1 + questions,
            "{questions}, {pages}"
        );
    };
    beside_another(true, "a", "b", check).await;
}

#[tokio::test(start_paused = true)]
async fn cancelled_by_the_person_is_told_and_can_be_tried_again() {
    let bench = Bench::new();
    let session = bench.open().await;
    let cancelled = Error::Cancelled {
        what: "The sign-in",
    };
    bench.host.journeys(Journey::Fails(cancelled.clone()));
    assert_eq!(bench.send(&session, "").await, Err(cancelled));
    let state = session.connection_state().await.expect("a store");
    assert_eq!(state.pending, 0);
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.host.prompts(), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn completion_cancelled_at_any_poll_is_completed_or_can_be_completed_again() {
    for polls in 1..2000 {
        let bench = Bench::new();
        let session = bench.open().await;
        bench.host.journeys(Journey::Elsewhere);
        assert!(bench.send(&session, "").await.is_err());
        let back = bench.world.visit(&bench.host.sign_ins()[0].url);
        bench.world.take();
        let callback = || mcp_reauth::CallbackParams::parse(&back);
        let mut completing = Box::pin(session.complete_authorization(callback()));
        let done = poll_times(completing.as_mut(), polls).await;
        drop(completing);
        settle().await;
        if session.authorization().is_none() {
            let again = session.complete_authorization(callback()).await;
            assert_eq!(again, Ok(()), "after {polls} polls");
        }
        assert_eq!(bench.send(&session, "").await, Ok(200));
        assert_eq!(bench.world.trace(), [Token, Mcp]);
        if done.is_some() {
            return;
        }
    }
    panic!("it never completes");
}

#[tokio::test(start_paused = true)]
async fn sign_out_cancelled_at_any_poll_is_finished_all_the_same() {
    for polls in 1..2000 {
        let bench = Bench::new();
        let session = bench.signed_in("").await;
        let mut leaving = Box::pin(session.sign_out());
        let done = poll_times(leaving.as_mut(), polls).await;
        drop(leaving);
        settle().await;
        assert!(session.authorization().is_none(), "after {polls} polls");
        assert_eq!(bench.world.count(Kind::Revoke), 2, "after {polls} polls");
        if done.is_some() {
            return;
        }
    }
    panic!("it never completes");
}
