//! One user, one page: sessions of one profile and server that need the user share one question and one page.

use mcp_reauth::{AuthSession, CallbackParams, Outcome, ScopeSet};

use crate::support::{
    Answer, Bench, Gate, Journey, Register, Token, Visit, all, code, pass, settle,
};

async fn open(bench: &Bench, number: usize) -> Vec<AuthSession> {
    let mut sessions = Vec::new();
    for _ in 0..number {
        sessions.push(bench.open().await);
    }
    sessions
}

async fn send_by_all(bench: &Bench, sessions: &[AuthSession], scope: &str) {
    let tasks = sessions.iter().map(|one| bench.spawn(one, scope)).collect();
    let results = all(tasks).await;
    assert!(results.iter().all(|r| *r == Ok(200)), "{results:?}");
}

#[tokio::test(start_paused = true)]
async fn ten_sessions_that_need_a_sign_in_are_one_page() {
    let bench = Bench::new();
    let sessions = open(&bench, 10).await;
    send_by_all(&bench, &sessions, "").await;
    assert_eq!(bench.host.prompts(), (0, 1));
    let number = |kind| bench.world.count(kind);
    assert_eq!((number(Register), number(Visit), number(Token)), (1, 1, 1));
    assert_eq!(bench.host.told_of_elsewhere(), 9);
    bench.assert_free().await;
}

#[tokio::test(start_paused = true)]
async fn ten_sessions_that_need_more_are_one_question_and_one_page() {
    let bench = Bench::new();
    let sessions = open(&bench, 10).await;
    assert_eq!(bench.send(&sessions[0], "").await, Ok(200));
    let gate = Gate::new();
    bench.host.answers(Answer::Held(gate.clone(), true));
    let tasks = sessions.iter().map(|one| bench.spawn(one, "a")).collect();
    gate.reached().await;
    pass(3).await;
    assert_eq!(bench.host.prompts(), (1, 1));
    gate.open();
    let results = all(tasks).await;
    assert!(results.iter().all(|r| *r == Ok(200)), "{results:?}");
    assert_eq!(bench.host.prompts(), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn ten_sessions_are_told_no_once() {
    let bench = Bench::new();
    let sessions = open(&bench, 10).await;
    assert_eq!(bench.send(&sessions[0], "").await, Ok(200));
    let gate = Gate::new();
    bench.host.answers(Answer::Held(gate.clone(), false));
    let tasks = sessions.iter().map(|one| bench.spawn(one, "a")).collect();
    gate.reached().await;
    pass(3).await;
    gate.open();
    for ended in all(tasks).await {
        assert_eq!(code(&ended), "consent_denied");
    }
    assert_eq!(bench.host.prompts(), (1, 1));
    // A later request asks again.
    assert_eq!(bench.send(&sessions[5], "a").await, Ok(200));
    assert_eq!(bench.host.prompts(), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn ten_sessions_are_denied_on_one_page() {
    let bench = Bench::new();
    let sessions = open(&bench, 10).await;
    bench.world.servers(|s| s.denies = Some("access_denied"));
    let gate = Gate::new();
    bench.host.journeys(Journey::Held(gate.clone()));
    let tasks = sessions.iter().map(|one| bench.spawn(one, "")).collect();
    gate.reached().await;
    pass(3).await;
    gate.open();
    for ended in all(tasks).await {
        assert_eq!(code(&ended), "authorization_denied");
    }
    assert_eq!(bench.host.prompts(), (0, 1));
    bench.world.servers(|s| s.denies = None);
    assert_eq!(bench.send(&sessions[5], "").await, Ok(200));
    assert_eq!(bench.host.prompts(), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn a_no_to_one_thing_is_none_to_another() {
    let bench = Bench::new();
    let sessions = open(&bench, 2).await;
    assert_eq!(bench.send(&sessions[0], "").await, Ok(200));
    bench.host.answers(Answer::No);
    let first = bench.spawn(&sessions[0], "a");
    let second = bench.spawn(&sessions[1], "b");
    assert_eq!(code(&first.await.expect("it ran")), "consent_denied");
    assert_eq!(second.await.expect("it ran"), Ok(200));
    assert_eq!(bench.host.prompts(), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn what_each_needs_is_asked_for_where_one_page_does_not_bring_it() {
    let bench = Bench::new();
    let sessions = open(&bench, 2).await;
    assert_eq!(bench.send(&sessions[0], "").await, Ok(200));
    let tasks = vec![
        bench.spawn(&sessions[0], "a"),
        bench.spawn(&sessions[1], "b"),
    ];
    assert_eq!(all(tasks).await, [Ok(200), Ok(200)]);
    assert_eq!(bench.host.prompts(), (2, 3));
}

#[tokio::test(start_paused = true)]
async fn a_page_is_taken_back_when_another_session_brings_what_it_is_for() {
    let bench = Bench::new();
    let (one, two) = (bench.open().await, bench.open().await);
    let gate = Gate::new();
    bench.host.journeys(Journey::Held(gate.clone()));
    let call = bench.spawn(&one, "");
    gate.reached().await;
    // An explicit sign-in does not wait for the open page.
    let outcome = two.sign_in(ScopeSet::new()).await;
    assert_eq!(outcome, Outcome::Satisfied);
    pass(2).await;
    assert_eq!(call.await.expect("it ran"), Ok(200));
    assert_eq!(bench.world.count(Visit), 1);
    let state = one.connection_state().await.expect("a store");
    assert_eq!(state.pending, 0);
    // A callback from that page comes too late, and nothing is lost.
    let page = bench.host.sign_ins().swap_remove(0);
    let late = CallbackParams::parse(&format!("code=c&state={}", page.state));
    let late = one.complete_authorization(late).await;
    assert_eq!(code(&late), "state_mismatch");
    assert_eq!(bench.send(&one, "").await, Ok(200));
}

#[tokio::test(start_paused = true)]
async fn a_page_stays_open_when_another_session_brings_something_else() {
    let bench = Bench::new();
    let (one, two) = (bench.signed_in("").await, bench.open().await);
    let gate = Gate::new();
    bench.host.journeys(Journey::Held(gate.clone()));
    let call = bench.spawn(&one, "a");
    gate.reached().await;
    bench.world.servers(|s| s.revoke_access());
    assert_eq!(bench.send(&two, "").await, Ok(200));
    pass(60).await;
    assert!(!call.is_finished());
    gate.open();
    assert_eq!(call.await.expect("it ran"), Ok(200));
    assert_eq!(bench.world.count(Visit), 1);
}

#[tokio::test(start_paused = true)]
async fn the_next_one_asks_where_a_page_comes_to_nothing() {
    let bench = Bench::new();
    let (one, two) = (bench.open().await, bench.open().await);
    let gate = Gate::new();
    bench.host.journeys(Journey::Held(gate.clone()));
    let first = bench.spawn(&one, "");
    gate.reached().await;
    let second = bench.spawn(&two, "");
    pass(5).await;
    assert_eq!(bench.host.prompts(), (0, 1));
    // The user closes the page.
    first.abort();
    one.close();
    pass(5).await;
    assert_eq!(second.await.expect("it ran"), Ok(200));
    assert_eq!(bench.host.prompts(), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn nobody_is_asked_for_a_call_that_was_given_up_while_it_waited() {
    let bench = Bench::new();
    let (one, two) = (bench.open().await, bench.open().await);
    let gate = Gate::new();
    bench.host.journeys(Journey::Held(gate.clone()));
    let first = bench.spawn(&one, "");
    gate.reached().await;
    let second = bench.spawn(&two, "");
    pass(5).await;
    second.abort();
    settle().await;
    bench.host.journeys(Journey::Elsewhere);
    gate.open();
    assert_eq!(first.await.expect("it ran"), Ok(200));
    pass(5).await;
    assert_eq!(bench.host.prompts(), (0, 1));
    bench.assert_free().await;
}

#[tokio::test(start_paused = true)]
async fn users_of_other_profiles_have_pages_of_their_own() {
    let bench = Bench::new();
    let gate = Gate::new();
    bench.host.journeys(Journey::Held(gate.clone()));
    let one = bench.open().await;
    let first = bench.spawn(&one, "");
    gate.reached().await;
    let other = bench.builder().profile("other").host(bench.host.clone());
    let other = other.open().await.expect("the session opens");
    assert_eq!(bench.send(&other, "").await, Ok(200));
    assert_eq!(bench.host.prompts(), (0, 2));
    gate.open();
    assert_eq!(first.await.expect("it ran"), Ok(200));
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_does_not_end_is_not_waited_for() {
    let bench = Bench::new();
    let (one, two) = (bench.open().await, bench.open().await);
    bench.host.journeys(Journey::Held(Gate::new()));
    let first = bench.spawn(&one, "");
    settle().await;
    let second = bench.spawn(&two, "");
    pass(590).await;
    assert_eq!(bench.host.prompts(), (0, 1));
    pass(30).await;
    assert_eq!(second.await.expect("it ran"), Ok(200));
    pass(2).await;
    assert_eq!(first.await.expect("it ran"), Ok(200));
    assert_eq!(bench.world.count(Visit), 1);
}
