//! What a session reports about itself, and how its state is handed over.

use mcp_reauth::{AuthChallenge, AuthState, HandleOptions, MemoryStore, Outcome, ScopeSet};

use crate::support::{Answer, Bench, Fault, Gate, ISSUER, Mcp, SERVER, Token, Visit, pass, settle};

#[tokio::test(start_paused = true)]
async fn credential_handed_to_another_process_is_used_and_renewed_there() {
    let bench = Bench::new();
    let session = bench.signed_in("a").await;
    let state = session.auth_state().await.expect("a store").expect("one");
    let json = state.to_json().expect("JSON");
    let elsewhere = bench.builder().store(MemoryStore::new());
    let elsewhere = elsewhere.open().await.expect("the session opens");
    assert!(elsewhere.auth_state().await.expect("a store").is_none());
    let read = AuthState::from_json(json.expose()).expect("a state");
    assert_eq!(read, state);
    elsewhere.set_auth_state(read).await.expect("a store");
    assert_eq!(elsewhere.authorization(), session.authorization());
    assert_eq!(bench.send(&elsewhere, "a").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp]);
    bench.world.servers(|s| s.revoke_access());
    assert_eq!(bench.send(&elsewhere, "a").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp, Token, Mcp]);
}

#[tokio::test(start_paused = true)]
async fn credential_is_swapped_while_requests_are_under_way() {
    let bench = Bench::new();
    let donor = bench.builder().host(bench.host.clone()).profile("donor");
    let donor = donor.open().await.expect("the session opens");
    assert_eq!(bench.send(&donor, "").await, Ok(200));
    let fresh = donor.auth_state().await.expect("a store").expect("one");
    bench.world.servers(|s| s.refresh_tokens = false);
    let session = bench.signed_in("").await;
    bench
        .world
        .answer(|call| (call < 5).then(|| (401, vec!["Bearer".to_owned()])));
    let gate = bench.world.hold(Mcp);
    let tasks = [(); 5].map(|()| bench.spawn(&session, ""));
    for _ in 0..5 {
        gate.reached().await;
    }
    session.set_auth_state(fresh).await.expect("a store");
    gate.open();
    for task in tasks {
        assert_eq!(task.await.expect("no panic"), Ok(200));
    }
    // All of them use it; the user was not asked, nothing was renewed.
    assert_eq!(bench.world.trace(), [Mcp; 10]);
    assert_eq!(bench.host.prompts(), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn swapped_credential_ends_the_patience_with_the_old_one() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.world.servers(|s| s.revoke_access());
    bench.world.next(Token, Fault::RetryAfter(120));
    assert!(bench.send(&session, "").await.is_err());
    let state = session.auth_state().await.expect("a store").expect("one");
    session.set_auth_state(state).await.expect("a store");
    bench.world.take();
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp, Token, Mcp]);
}

#[tokio::test(start_paused = true)]
async fn no_state_is_made_of_anything_else() {
    for json in [
        "",
        "{}",
        "[]",
        "null",
        r#"{"grant":{"access_token":"canary"}}"#,
    ] {
        let error = AuthState::from_json(json).expect_err(json);
        assert_eq!(error.code(), "config");
        assert!(!format!("{error:?} {error}").contains("canary"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn connection_state_tells_what_is_known_without_the_network() {
    let bench = Bench::new();
    let session = bench.open().await;
    let state = session.connection_state().await.expect("a store");
    assert!(!state.signed_in && !state.authorized && !state.renewable);
    assert_eq!(state.server, SERVER);
    assert_eq!(bench.send(&session, "a").await, Ok(200));
    bench.world.take();
    let state = session.connection_state().await.expect("a store");
    assert!(state.signed_in && state.authorized && state.renewable);
    assert_eq!(state.issuer.as_deref(), Some(ISSUER));
    assert!(state.client_id.is_some());
    assert_eq!(state.granted_scopes, ScopeSet::parse("base a"));
    assert_eq!(state.requested_scopes, ScopeSet::parse("base a"));
    assert_eq!(state.pending, 0);
    pass(3600).await;
    let state = session.connection_state().await.expect("a store");
    assert!(state.signed_in && !state.authorized && state.renewable);
    let json = serde_json::to_string(&state).expect("JSON");
    assert!(!json.contains("canary"), "{json}");
    assert_eq!(bench.world.trace(), []);
}

fn lacking(scope: &str) -> AuthChallenge {
    let line = format!(r#"Bearer error="insufficient_scope", scope="{scope}""#);
    AuthChallenge::from_response(403, [line.as_str()]).expect("a challenge")
}

#[tokio::test(start_paused = true)]
async fn whether_a_challenge_is_answered_already_is_told_without_network_or_prompt() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    let sibling = bench.open().await;
    let satisfied = async |scope: &str| {
        let challenge = lacking(scope);
        let answered = session
            .check_auth_challenge_satisfied(&challenge, None)
            .await;
        answered.expect("a store")
    };
    assert!(!satisfied("a").await);
    assert!(satisfied("base").await);
    assert_eq!(bench.world.trace(), []);
    // Another session makes the step-up.
    assert_eq!(bench.send(&sibling, "a").await, Ok(200));
    bench.world.take();
    assert!(satisfied("a").await);
    assert!(!satisfied("b").await);
    assert_eq!(bench.world.trace(), []);
    assert_eq!(bench.host.prompts(), (1, 2));
    let unauthenticated = AuthChallenge::unauthenticated();
    let answered = session.check_auth_challenge_satisfied(&unauthenticated, None);
    assert!(!answered.await.expect("a store"));
    bench.world.servers(|s| s.revoke_access());
    assert_eq!(bench.send(&sibling, "a").await, Ok(200));
    let answered = session.check_auth_challenge_satisfied(&unauthenticated, None);
    assert!(answered.await.expect("a store"));
}

#[tokio::test(start_paused = true)]
async fn host_that_hands_in_a_challenge_gets_an_outcome() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    let failed = session.authorization();
    let options = HandleOptions {
        failed: failed.clone(),
        ..HandleOptions::default()
    };
    let outcome = session.handle_auth_challenge(lacking("a"), options.clone());
    assert_eq!(outcome.await, Outcome::Satisfied);
    assert_eq!(bench.host.prompts(), (1, 2));
    bench.world.take();
    // Handed in again, the challenge is already satisfied.
    let outcome = session.handle_auth_challenge(lacking("a"), options);
    assert_eq!(outcome.await, Outcome::Satisfied);
    assert_eq!(bench.world.trace(), []);
    // A user who has already agreed is not asked, only sent to the page.
    let agreed = HandleOptions {
        confirmed_step_up: true,
        ..HandleOptions::default()
    };
    let outcome = session.handle_auth_challenge(lacking("b"), agreed).await;
    assert_eq!(outcome, Outcome::Satisfied);
    assert_eq!(bench.host.prompts(), (1, 3));
    assert_eq!(bench.world.count(Visit), 1);
}

#[tokio::test(start_paused = true)]
async fn program_that_ends_waits_for_tokens_on_their_way_and_for_nothing_else() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    session.settle().await;
    // An open question is nothing to wait for.
    let question = Gate::new();
    bench.host.answers(Answer::Held(question.clone(), false));
    let step_up = bench.spawn(&session, "a");
    question.reached().await;
    let before = bench.runtime.elapsed();
    session.settle().await;
    assert_eq!(bench.runtime.elapsed(), before);
    step_up.abort();
    bench.world.servers(|s| s.revoke_access());
    let gate = bench.world.hold(Token);
    let renewing = bench.spawn(&session, "");
    gate.reached().await;
    renewing.abort();
    let ending = tokio::spawn({
        let session = session.clone();
        async move { session.settle().await }
    });
    settle().await;
    assert!(!ending.is_finished());
    gate.open();
    ending.await.expect("no panic");
    // The token is stored.
    let next = bench.open().await;
    bench.world.take();
    assert_eq!(bench.send(&next, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp]);
}

#[tokio::test(start_paused = true)]
async fn signing_in_again_shows_a_page_also_when_a_sibling_has_renewed() {
    let bench = Bench::new();
    let stale = bench.signed_in("").await;
    let sibling = bench.open().await;
    bench.world.servers(|s| s.revoke_access());
    assert_eq!(bench.send(&sibling, "").await, Ok(200));
    let before = bench.host.prompts();
    assert_eq!(stale.sign_in_again().await, Outcome::Satisfied);
    assert_eq!(bench.host.prompts(), (before.0, before.1 + 1));
    let page = bench.host.sign_ins().pop().expect("a page");
    assert!(page.url.contains("max_age=0"), "{}", page.url);
    assert_eq!(bench.send(&stale, "").await, Ok(200));
}
