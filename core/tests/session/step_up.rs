//! Many step-ups at once: the user is prompted as little as possible, and a refusal applies to one thing only.

use mcp_reauth::ScopeSet;

use crate::support::{Answer, Bench, Gate, Journey, Mcp, Token, Visit, all, code, pass, settle};

#[tokio::test(start_paused = true)]
async fn parallel_step_ups_for_one_scope_are_one_question() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    let tasks = (0..20).map(|_| bench.spawn(&session, "a")).collect();
    let results = all(tasks).await;
    assert!(results.iter().all(|r| *r == Ok(200)), "{results:?}");
    assert_eq!(bench.host.prompts(), (1, 2));
    assert_eq!(bench.world.count(Visit), 1);
    assert_eq!(bench.world.count(Token), 1);
    assert_eq!(bench.world.count(Mcp), 40);
}

#[tokio::test(start_paused = true)]
async fn parallel_step_ups_for_six_scopes_are_two_questions_at_most() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    let scopes = ["a", "b", "c", "d", "e", "f"];
    let tasks = scopes.map(|scope| bench.spawn(&session, scope)).into();
    let results = all(tasks).await;
    assert!(results.iter().all(|r| *r == Ok(200)), "{results:?}");
    let (consents, sign_ins) = bench.host.prompts();
    assert!(consents <= 2 && sign_ins <= 3, "{consents} {sign_ins}");
    let held = session.authorization().expect("signed in");
    assert!(held.scopes().covers(&ScopeSet::parse("base a b c d e f")));
}

#[tokio::test(start_paused = true)]
async fn step_ups_that_come_while_one_is_shown_follow_together() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    let gate = Gate::new();
    bench.host.answers(Answer::Held(gate.clone(), true));
    let mut tasks = vec![bench.spawn(&session, "a")];
    gate.reached().await;
    for scope in ["b", "c", "d", "e", "f"] {
        tasks.push(bench.spawn(&session, scope));
    }
    tasks.push(bench.spawn(&session, "a"));
    settle().await;
    assert_eq!(bench.host.prompts(), (1, 1));
    gate.open();
    let results = all(tasks).await;
    assert!(results.iter().all(|r| *r == Ok(200)), "{results:?}");
    assert_eq!(bench.host.prompts(), (2, 3));
    let asked = bench.host.sign_ins();
    // The request names what the user agreed to, no more.
    assert_eq!(asked[1].scopes, ScopeSet::parse("base a"));
    assert!(asked[2].scopes.covers(&ScopeSet::parse("base a b c d e f")));
    let questions = bench.host.consents();
    assert_eq!(questions[0].new_scopes, ScopeSet::parse("a"));
    assert_eq!(questions[1].new_scopes.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn declined_step_up_fails_those_that_needed_it_and_nobody_else() {
    let bench = Bench::new();
    bench.world.servers(|s| s.refresh_tokens = false);
    let session = bench.signed_in("").await;
    let gate = Gate::new();
    bench.host.answers(Answer::Held(gate.clone(), false));
    let needed = [(); 3].map(|()| bench.spawn(&session, "a"));
    gate.reached().await;
    settle().await;
    let other = bench.spawn(&session, "b");
    settle().await;
    gate.open();
    for result in all(needed.into()).await {
        assert_eq!(code(&result), "consent_denied");
    }
    assert_eq!(other.await.expect("no panic"), Ok(200));
    assert_eq!(bench.host.prompts(), (2, 2));
    // Declined scopes are not requested together with those that the user agreed to.
    assert_eq!(bench.host.sign_ins()[1].scopes, ScopeSet::parse("base b"));
    // The session continues.
    assert_eq!(bench.send(&session, "").await, Ok(200));
}

#[tokio::test(start_paused = true)]
async fn declined_step_up_does_not_fail_a_401_that_waits_behind_it() {
    let bench = Bench::new();
    bench.world.servers(|s| s.refresh_tokens = false);
    let session = bench.signed_in("").await;
    let gate = Gate::new();
    bench.host.answers(Answer::Held(gate.clone(), false));
    let step_up = bench.spawn(&session, "a");
    gate.reached().await;
    bench.world.servers(|s| s.revoke_access());
    let rejected = bench.spawn(&session, "");
    settle().await;
    gate.open();
    assert_eq!(code(&step_up.await.expect("no panic")), "consent_denied");
    assert_eq!(rejected.await.expect("no panic"), Ok(200));
    assert_eq!(bench.host.prompts(), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn declined_step_up_is_asked_again_by_the_next_request_only() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.host.answers(Answer::No);
    let first = bench.send(&session, "a").await;
    assert_eq!(code(&first), "consent_denied");
    assert_eq!(bench.world.trace(), [Mcp]);
    assert_eq!(bench.send(&session, "a").await, Ok(200));
    assert_eq!(bench.host.prompts(), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn sign_in_page_that_is_shown_serves_all_who_need_it() {
    let bench = Bench::new();
    let session = bench.open().await;
    let gate = Gate::new();
    bench.host.journeys(Journey::Held(gate.clone()));
    let mut tasks = vec![bench.spawn(&session, "")];
    gate.reached().await;
    for _ in 0..10 {
        tasks.push(bench.spawn(&session, ""));
    }
    settle().await;
    gate.open();
    let results = all(tasks).await;
    assert!(results.iter().all(|r| *r == Ok(200)), "{results:?}");
    assert_eq!(bench.host.prompts(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn waiting_step_up_that_is_cancelled_is_not_asked_about() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    let gate = Gate::new();
    bench.host.answers(Answer::Held(gate.clone(), true));
    let shown = bench.spawn(&session, "a");
    gate.reached().await;
    let (gone, stays) = (bench.spawn(&session, "b"), bench.spawn(&session, "c"));
    settle().await;
    gone.abort();
    settle().await;
    gate.open();
    assert_eq!(shown.await.expect("no panic"), Ok(200));
    assert_eq!(stays.await.expect("no panic"), Ok(200));
    assert_eq!(bench.host.sign_ins()[2].scopes, ScopeSet::parse("base a c"));
}

#[tokio::test(start_paused = true)]
async fn question_is_not_open_for_ever() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.host.answers(Answer::Held(Gate::new(), true));
    let result = bench.send(&session, "a").await;
    assert_eq!(code(&result), "timeout");
    assert_eq!(bench.runtime.elapsed().as_secs(), 15 * 60);
    assert_eq!(bench.send(&session, "a").await, Ok(200));
}

#[tokio::test(start_paused = true)]
async fn server_that_widens_the_very_token_it_gave_is_understood() {
    for seconds in [1, 0] {
        let bench = Bench::new();
        bench.world.servers(|s| s.one_token = true);
        let session = bench.signed_in("").await;
        pass(seconds).await;
        assert_eq!(bench.send(&session, "a").await, Ok(200), "{seconds} s");
        assert_eq!(bench.host.prompts(), (1, 2));
    }
}

#[tokio::test(start_paused = true)]
async fn step_ups_that_come_before_anything_is_shown_are_one_question() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    let gate = bench.world.hold(Mcp);
    let scopes = ["a", "b", "c"];
    let tasks = scopes.map(|scope| bench.spawn(&session, scope)).into();
    for _ in scopes {
        gate.reached().await;
    }
    gate.open();
    let results = all(tasks).await;
    assert!(results.iter().all(|r| *r == Ok(200)), "{results:?}");
    assert_eq!(bench.host.prompts(), (1, 2));
    let asked = bench.host.consents()[0].new_scopes.clone();
    assert!(asked.len() == 3 && asked.covers(&ScopeSet::parse("a b c")));
}
